//! The error of sets: which file, and what is wrong with it.

use super::kind::ErrorKind;
use super::open::{OpenError, OpenFailure};
use super::read::ReadError;
use super::shown::debug_as_text;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a set of tables could not be opened, read or checked. Sets are there with the feature
/// `sets`.
#[non_exhaustive]
pub enum SetError {
    /// The operating system refused an operation on a file of the set.
    Io {
        /// What was being done.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The manifest is none, or says what cannot be. Write or copy the set again.
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Its field at fault, for example `shards[3].file`.
        field: String,
        /// What is wrong with it.
        what: String,
    },
    /// A shard is not the table of which the manifest speaks. Copy the set again.
    Shard {
        /// The shard's file.
        path: PathBuf,
        /// What differs from the manifest.
        what: String,
    },
    /// The shards of a job do not make a set, or the job is over. See
    /// [`SetJob`](https://docs.rs/graven/latest/graven/struct.SetJob.html).
    Job {
        /// The job's directory, or a shard in it.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A shard could not be opened. With [`OpenFailure::IsPacked`], the set has packed shards: open it as
    /// a [`PackedSet`](https://docs.rs/graven/latest/graven/struct.PackedSet.html).
    Open(OpenError),
    /// A shard is damaged.
    Read(ReadError),
    /// Sets of this kind do not answer this query, or this build of the library reads no sets.
    Unsupported {
        /// The directory of the set's version.
        path: PathBuf,
        /// What is not supported.
        what: &'static str,
    },
}

impl SetError {
    /// Whether the process has no room for one more mapping.
    #[cfg(all(unix, feature = "sets"))]
    pub(crate) fn lacks_room(&self) -> bool {
        let Self::Open(error) = self else { return false };
        matches!(
            error.failure(),
            OpenFailure::AddressSpaceExhausted { .. } | OpenFailure::TooManyMappings { .. }
        )
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } => ErrorKind::Io,
            Self::Manifest { .. } | Self::Shard { .. } | Self::Job { .. } => ErrorKind::Data,
            Self::Open(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Unsupported { .. } => ErrorKind::Usage,
        }
    }

    /// The file or directory that the error concerns.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Manifest { path, .. }
            | Self::Shard { path, .. }
            | Self::Job { path, .. }
            | Self::Unsupported { path, .. } => Some(path),
            Self::Open(error) => error.path(),
            Self::Read(error) => error.path(),
        }
    }

    /// The kind that an `io::Error` of this error has.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } => source.kind(),
            Self::Open(error) => error.failure.io_kind(),
            other => other.kind().io_kind(),
        }
    }
}

impl From<OpenError> for SetError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<ReadError> for SetError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl std::error::Error for SetError {}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "could not {action} at {}: {source}", path.display())
            }
            Self::Manifest { path, field, what } => {
                write!(f, "{}: field {field} {what}: write or copy the set again", path.display())
            }
            Self::Shard { path, what } => {
                write!(f, "{}: {what}: copy or write the set again", path.display())
            }
            Self::Job { path, what } => write!(f, "{}: {what}", path.display()),
            Self::Open(error) => {
                error.fmt(f)?;
                match error.failure() {
                    OpenFailure::IsPacked { .. } => {
                        f.write_str("; open its set as a packed set (PackedSet)")
                    }
                    _ => Ok(()),
                }
            }
            Self::Read(error) => error.fmt(f),
            Self::Unsupported { path, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

debug_as_text! {
    SetError: Io Manifest Shard Job Open Read Unsupported
}
