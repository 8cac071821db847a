//! Reads that bypass the page cache.

use super::super::io::CHUNK;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Alignment of direct reads, in memory and in the file. No disk needs more.
const BLOCK: usize = 4096;

/// A file whose bytes come from the disk as long as this lives, if the file system allows direct
/// reads.
pub(super) struct Disk<'f> {
    file: &'f File,
    buffer: Vec<u8>,
    direct: bool,
}

impl<'f> Disk<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        let direct = set_direct(file, true).is_ok();
        Self { file, buffer: vec![0; CHUNK + BLOCK], direct }
    }

    /// Reads the `len` bytes at `at`, which is a multiple of [`CHUNK`].
    pub(super) fn read(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let start = self.buffer.as_ptr().align_offset(BLOCK).min(BLOCK);
        let wanted = len.next_multiple_of(BLOCK);
        match fill(self.file, &mut self.buffer[start..start + wanted], at, len) {
            // The file system accepted the flag but refuses direct reads.
            Err(error) if self.direct && error.kind() == io::ErrorKind::InvalidInput => {
                self.through_the_cache();
                fill(self.file, &mut self.buffer[start..start + wanted], at, len)?;
            }
            other => other?,
        }
        Ok(&self.buffer[start..start + len])
    }

    fn through_the_cache(&mut self) {
        self.direct = false;
        // An error is ignored: if direct reads stay on, the next read reports it.
        let _ = set_direct(self.file, false);
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        if self.direct {
            self.through_the_cache();
        }
    }
}

/// Reads until `len` bytes are there. The buffer is larger, since a direct read asks for whole
/// blocks.
fn fill(file: &File, buffer: &mut [u8], at: u64, len: usize) -> io::Result<()> {
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_direct(file: &File, on: bool) -> io::Result<()> {
    use rustix::fs::OFlags;
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
