//! Errors as `io::Error`, for functions that return `io::Result`: programs that handle a table as
//! they handle files.

use super::{BuildError, ErrorKind, OpenError, OpenFailure, PublishError, ReadError};
use std::io;

/// The kind of an I/O error for an error of which only the fault is known.
fn of(kind: ErrorKind) -> io::ErrorKind {
    match kind {
        ErrorKind::Usage => io::ErrorKind::InvalidInput,
        ErrorKind::Data => io::ErrorKind::InvalidData,
        ErrorKind::Io => io::ErrorKind::Other,
    }
}

impl OpenFailure {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } | Self::LockRefused { source, .. } => source.kind(),
            Self::AddressSpaceExhausted { .. }
            | Self::TooManyMappings { .. }
            | Self::OutOfMemory { .. } => io::ErrorKind::OutOfMemory,
            _ => of(self.kind()),
        }
    }
}

impl BuildError {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. }
            | Self::OutOfSpace { source, .. }
            | Self::ValueReader { source, .. }
            | Self::Locked { source, .. }
            | Self::PublishedButNotDurable { source, .. } => source.kind(),
            Self::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
            Self::ReadBack { source, .. } => source.io_kind(),
            _ => of(self.kind()),
        }
    }
}

impl PublishError {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Source { source, .. } => source.io_kind(),
            Self::Target(error) => error.io_kind(),
            Self::NoVersion { .. } => io::ErrorKind::NotFound,
        }
    }
}

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
        Self::new(of(error.kind()), error)
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
