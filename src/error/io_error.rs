//! Errors as `io::Error`, for functions that return `io::Result`: programs that handle a table as
//! they handle files.

use super::build::BuildError;
use super::merge::MergeError;
use super::open::OpenError;
use super::publish::PublishError;
use super::read::ReadError;
use super::set::SetError;
use std::io;

/// The operating system's kind if it refused something, else `InvalidData` or `InvalidInput`. The
/// error is inside: `get_ref` and `downcast` give it back.
impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        Self::new(error.failure.io_kind(), error)
    }
}

/// `InvalidData`, or `Other` for a page that could not be read. The error is inside.
impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        Self::new(error.kind().io_kind(), error)
    }
}

/// The operating system's kind if it refused something, else `InvalidData` or `InvalidInput`. The
/// error is inside: `get_ref` and `downcast` give it back.
impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// The operating system's kind if it refused something, else `InvalidData` or `InvalidInput`. The
/// error is inside: `get_ref` and `downcast` give it back.
impl From<PublishError> for io::Error {
    fn from(error: PublishError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// The operating system's kind if it refused something, else `InvalidData` or `InvalidInput`. The
/// error is inside: `get_ref` and `downcast` give it back.
impl From<MergeError> for io::Error {
    fn from(error: MergeError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

/// The operating system's kind if it refused something, else `InvalidData` or `InvalidInput`. The
/// error is inside: `get_ref` and `downcast` give it back.
impl From<SetError> for io::Error {
    fn from(error: SetError) -> Self {
        Self::new(error.io_kind(), error)
    }
}
