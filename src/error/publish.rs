//! Why a table could not be published.

use super::build::BuildError;
use super::kind::ErrorKind;
use super::open::OpenFailure;
use super::set::SetError;
use super::shown::{debug_as_text, entries as counted};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a table could not be copied to where it is published, or a version could not be made
/// current.
#[non_exhaustive]
pub enum PublishError {
    /// The table to be published can't be read, is damaged, or is no table. Build or copy it again.
    Source {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: OpenFailure,
    },
    /// The stream to be published can't be read, or is no sound table and nothing else. Send the
    /// table again.
    Stream {
        /// What is wrong with it.
        source: OpenFailure,
    },
    /// The target could not be written.
    Target(BuildError),
    /// The table has fewer entries than
    /// [`PublishOptions::min_entries`](crate::PublishOptions::min_entries) asks for. Find out what
    /// its build has lost.
    TooFewEntries {
        /// Entries of the new table.
        entries: u64,
        /// The number that was asked for.
        min_entries: u64,
    },
    /// The table has so many entries less than the one that it would replace that
    /// [`PublishOptions::max_shrink`](crate::PublishOptions::max_shrink) refuses it. Find out what
    /// its build has lost; if nothing, publish it without this option.
    Shrunk {
        /// Entries of the new table.
        entries: u64,
        /// Entries of the table that the new one would replace.
        current: u64,
        /// The option's value.
        max_shrink: f64,
    },
    /// The table that would be replaced can't be read, so
    /// [`PublishOptions::max_shrink`](crate::PublishOptions::max_shrink) can't compare the new table
    /// with it. Publish without this option to replace it.
    Current {
        /// The path of the table that would be replaced.
        path: PathBuf,
        /// What is wrong with that table.
        source: OpenFailure,
    },
    /// A version that holds a set can't be read, is damaged, or can't be published.
    Set(SetError),
    /// There is no such version: none was published yet, or no version has the id.
    NoVersion {
        /// The directory of versions.
        directory: PathBuf,
        /// The id that was asked for.
        id: Option<String>,
    },
    /// No version is left that is older than the current one. Name the version to go to.
    NoOlderVersion {
        /// The directory of versions.
        directory: PathBuf,
        /// The id of the current version. `None` if `CURRENT` leads to none of the versions.
        current: Option<String>,
    },
}

impl PublishError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Source { source, .. }
            | Self::Stream { source }
            | Self::Current { source, .. } => source.kind(),
            Self::Target(error) => error.kind(),
            Self::Set(error) => error.kind(),
            Self::TooFewEntries { .. } | Self::Shrunk { .. } => ErrorKind::Data,
            Self::NoVersion { .. } | Self::NoOlderVersion { .. } => ErrorKind::Io,
        }
    }

    /// The kind that an `io::Error` of this error has.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Source { source, .. }
            | Self::Stream { source }
            | Self::Current { source, .. } => source.io_kind(),
            Self::Target(error) => error.io_kind(),
            Self::Set(error) => error.io_kind(),
            Self::TooFewEntries { .. } | Self::Shrunk { .. } => io::ErrorKind::InvalidData,
            Self::NoVersion { .. } | Self::NoOlderVersion { .. } => io::ErrorKind::NotFound,
        }
    }

    /// The file or directory that the error concerns. `None` for an option, a stream, or the number
    /// of entries.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Source { path, .. } | Self::Current { path, .. } => Some(path),
            Self::Target(error) => error.path(),
            Self::Set(error) => error.path(),
            Self::NoVersion { directory, .. } | Self::NoOlderVersion { directory, .. } => {
                Some(directory)
            }
            Self::Stream { .. } | Self::TooFewEntries { .. } | Self::Shrunk { .. } => None,
        }
    }
}

impl From<BuildError> for PublishError {
    fn from(error: BuildError) -> Self {
        Self::Target(error)
    }
}

impl From<SetError> for PublishError {
    fn from(error: SetError) -> Self {
        Self::Set(error)
    }
}

impl std::error::Error for PublishError {}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Stream { source } => write!(f, "the stream: {source}"),
            Self::Target(error) => error.fmt(f),
            Self::Set(error) => error.fmt(f),
            Self::TooFewEntries { entries, min_entries } => write!(
                f,
                "the table has {}, at least {min_entries} are wanted; nothing published: find out \
                 what its build has lost",
                counted(*entries)
            ),
            Self::Shrunk { entries, current, max_shrink } => write!(
                f,
                "the table has {}, the current one {current}, and at most {} % may be missing; \
                 nothing published: find out what its build has lost",
                counted(*entries),
                // Without the last digits, which a part in binary may bring.
                (max_shrink * 1e6).round() / 1e4
            ),
            Self::Current { path, source } => write!(
                f,
                "{}: {source}, so the new one cannot be compared with it; \
                 nothing published: publish without max_shrink to replace it",
                path.display()
            ),
            Self::NoVersion { directory, id: Some(id) } => {
                write!(f, "{} has no version {id}: list the versions", directory.display())
            }
            Self::NoVersion { directory, id: None } => {
                write!(f, "{} has no version yet: publish a table there", directory.display())
            }
            Self::NoOlderVersion { directory, current: Some(current) } => write!(
                f,
                "{} has no version older than {current}, which is current: list the versions, and \
                 name the one to go to",
                directory.display()
            ),
            Self::NoOlderVersion { directory, current: None } => write!(
                f,
                "{} has no current version to go back from, since CURRENT leads to none of its \
                 versions: list the versions, and name the one to go to",
                directory.display()
            ),
        }
    }
}

debug_as_text! {
    PublishError: Source Stream Target TooFewEntries Shrunk Current Set NoVersion NoOlderVersion
}
