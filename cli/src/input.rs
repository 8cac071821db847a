//! Input files, read in large pieces.

use crate::closed;
use crate::exit::Failure;
use crate::foreign::Foreign;
use crate::sizes::PIECE;
pub(crate) use crate::sizes::{LONG, MAX_KEY};
use crate::unpack;
use graven::ErrorKind;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An input and its name in messages.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) file: File,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Self::standard();
        }
        let name = Self::name(path);
        match File::open(path) {
            Ok(file) => Ok(Self { name, file }),
            Err(error) => Err(Failure::io(name, &error)),
        }
    }

    /// Standard input without the standard library's buffer.
    pub(crate) fn standard() -> Result<Self, Failure> {
        let name = Self::name(Path::new("-"));
        let input = match io::stdin().as_fd().try_clone_to_owned() {
            Ok(file) => Self { name, file: file.into() },
            Err(error) => return Err(Failure::io(name, &error)),
        };
        if closed::input() {
            let what = "is closed: name an input, or say </dev/null for a table without entries";
            return Err(Failure::at(ErrorKind::Io, input.name, what));
        }
        Ok(input)
    }

    /// The name of the input at `path` in messages.
    pub(crate) fn name(path: &Path) -> String {
        match path.as_os_str() {
            name if name == "-" => "standard input".into(),
            _ => path.display().to_string(),
        }
    }

    /// Length of the input, if it is a regular file.
    pub(crate) fn len(&self) -> Option<u64> {
        self.file.metadata().ok().and_then(|metadata| regular(&metadata))
    }

    /// The bytes of the input for a reader of entries, decompressed where they are compressed, and a
    /// counter of the bytes that were read of the file.
    pub(crate) fn source(self) -> io::Result<(Source, Taken)> {
        let taken = Taken::default();
        let counted = Counted { file: self.file, taken: taken.clone() };
        Ok((unpack::unpacked(counted)?, taken))
    }

    /// The length that [`len`](Self::len) will return, found without opening the file: a FIFO can
    /// be opened only once.
    pub(crate) fn size(path: &Path) -> Result<Option<u64>, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::standard()?.len());
        }
        let metadata = fs::metadata(path).map_err(|error| Failure::io(path.display(), &error))?;
        Ok(regular(&metadata))
    }
}

/// The bytes of an input, as a reader of entries gets them.
pub(crate) type Source = Box<dyn Read + Send>;

/// How many bytes were read of an input's file.
#[derive(Clone, Default)]
pub(crate) struct Taken(Arc<AtomicU64>);

impl Taken {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file whose bytes are counted when they are read.
struct Counted {
    file: File,
    taken: Taken,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.taken.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn regular(metadata: &Metadata) -> Option<u64> {
    metadata.is_file().then_some(metadata.len())
}

/// An entry of an input.
pub(crate) enum Entry<'a> {
    /// Key and value, in the reader's memory.
    Whole(&'a [u8], &'a [u8]),
    /// A key, and the reader of a value too long to be held in memory. If the value is malformed,
    /// the reader's [`io::Error`] contains an [`InputError`].
    Long(&'a [u8], &'a mut (dyn Read + 'a)),
}

impl Entry<'_> {
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Whole(key, _) | Self::Long(key, _) => key,
        }
    }
}

/// Why an input gives no further entry.
#[derive(Debug)]
pub(crate) enum InputError {
    /// The operating system refused to read.
    Read(io::Error),
    /// The entry is malformed. The next call gives the entry behind it.
    Malformed(String),
    /// The input is malformed or damaged, and where its next entry starts cannot be known.
    Broken(String),
    /// The input is something else altogether.
    Foreign(Foreign),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Malformed(what) | Self::Broken(what) => what.fmt(f),
            Self::Foreign(foreign) => foreign.fmt(f),
        }
    }
}

impl std::error::Error for InputError {}

impl InputError {
    /// The error of an input that seems to have another format: if the input is malformed, the other
    /// format is reported instead.
    #[cold]
    pub(crate) fn or(self, foreign: Option<Foreign>) -> Self {
        match (self, foreign) {
            (Self::Malformed(_) | Self::Broken(_), Some(foreign)) => Self::Foreign(foreign),
            (error, _) => error,
        }
    }

    /// The error for a record that does not fit in memory.
    #[cold]
    pub(crate) fn no_memory() -> Self {
        Self::Read(io::ErrorKind::OutOfMemory.into())
    }

    /// The [`InputError`] that the error of a reader contains, or else `Read` with that error.
    pub(crate) fn within(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Read)
    }
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::within(error)
    }
}

/// The part of an input that is in memory: bytes are added at its end and taken off at its start.
/// Its size depends on what was read, never on a length that the input claims.
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    before: u64,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), start: 0, end: 0, before: 0 }
    }

    /// The bytes that have been read and not taken.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes off at the start.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "cannot take what is not there");
        self.start += len;
        self.before += len as u64;
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.before
    }

    /// Size of the buffer in bytes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Reads once and adds what came. False at the end of the input.
    #[cold]
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let more = self.buffer.len().max(PIECE);
            self.buffer.try_reserve_exact(more).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.buffer.resize(self.buffer.len() + more, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the tests of the readers share.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Entry, InputError};
    use std::io::{self, Read};

    /// Entries with their bytes.
    pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

    impl Entry<'_> {
        /// Key and value, a long one read to its end.
        pub(crate) fn into_bytes(self) -> Result<(Vec<u8>, Vec<u8>), InputError> {
            match self {
                Self::Whole(key, value) => Ok((key.to_vec(), value.to_vec())),
                Self::Long(key, value) => {
                    let mut bytes = Vec::new();
                    value.read_to_end(&mut bytes).map_err(InputError::within)?;
                    Ok((key.to_vec(), bytes))
                }
            }
        }
    }

    /// Gives a few bytes per read, as a pipe may.
    pub(crate) struct Drip<'a>(pub(crate) &'a [u8], pub(crate) usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(len);
            into[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// Progress is in bytes of the file, whatever comes out of them.
    #[test]
    fn bytes_of_the_file_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let text = vec![b'x'; 100_000];
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&text).unwrap();
        for bytes in [packed.finish().unwrap(), text.clone()] {
            let path = dir.path().join("in");
            fs::write(&path, &bytes).unwrap();
            let Ok(input) = Input::open(&path) else { panic!("{} does not open", path.display()) };
            assert_eq!(input.len(), Some(bytes.len() as u64));
            let (mut source, taken) = input.source().unwrap();
            let mut all = Vec::new();
            source.read_to_end(&mut all).unwrap();
            assert!(all == text);
            assert_eq!(taken.bytes(), bytes.len() as u64);
        }
    }
}
