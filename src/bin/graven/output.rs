//! Standard output, written in large pieces, and what a failed write means.

use crate::closed;
use crate::exit::Failure;
use graven::ErrorKind;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

/// Large enough that a system call costs little per byte, small enough to stay in the cache.
const BUFFER: usize = 256 << 10;

/// Standard output without the standard library's own buffer, which would flush at every line.
pub(crate) struct Output {
    writer: BufWriter<File>,
}

impl Output {
    pub(crate) fn new() -> Result<Self, Failure> {
        usable()?;
        let file = io::stdout().as_fd().try_clone_to_owned().map_err(|error| failure(&error))?;
        Ok(Self { writer: BufWriter::with_capacity(BUFFER, file.into()) })
    }

    /// Whether the output is a file on disk: only then does a progress bar disturb nobody.
    pub(crate) fn is_file(&self) -> bool {
        self.writer.get_ref().metadata().is_ok_and(|metadata| metadata.is_file())
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| failure(&error))
    }

    /// Runs a codec's write function on the output.
    #[inline]
    pub(crate) fn with(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.writer).map_err(|error| failure(&error))
    }

    /// Every run that writes ends with this: an error at the last byte counts like any other.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| failure(&error))
    }
}

/// Fails where nothing can be written to standard output. The standard library would count the
/// bytes as written.
pub(crate) fn usable() -> Result<(), Failure> {
    let what = if closed::output() {
        "is closed: use >/dev/null if nobody wants it"
    } else if rustix::fs::fcntl_getfl(io::stdout())
        .is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
    {
        "is open for reading only"
    } else {
        return Ok(());
    };
    Err(Failure::at(ErrorKind::Io, "standard output", what))
}

/// What a failed write to standard output means.
#[cold]
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::at(ErrorKind::Io, "standard output", error),
    }
}
