//! Whose fault an error is.

use std::io;

/// Whose fault an error is, for a caller that maps errors to exit codes or retries.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// An option or argument is out of its range. Change the call.
    Usage,
    /// The table or the input entries are malformed, damaged or unsupported: change the data.
    Data,
    /// The operating system refused: space, permissions, address space; or what stands at the path,
    /// or is missing there, is in the way. The same call succeeds only after that has changed.
    Io,
}

impl ErrorKind {
    /// The kind of an `io::Error` of which only the fault is known.
    pub(super) fn io_kind(self) -> io::ErrorKind {
        match self {
            Self::Usage => io::ErrorKind::InvalidInput,
            Self::Data => io::ErrorKind::InvalidData,
            Self::Io => io::ErrorKind::Other,
        }
    }
}
