//! The error of merging, comparing and patching tables.

use super::build::BuildError;
use super::kind::ErrorKind;
use super::read::ReadError;
use super::shown::{Shown, debug_as_text};
use crate::build_id::BuildId;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why tables could not be merged, compared or patched. Nothing was published, except for
/// [`BuildError::PublishedButNotDurable`].
#[non_exhaustive]
pub enum MergeError {
    /// A table is damaged. Copy or build it again.
    Read {
        /// The table's number among the inputs, from 0.
        table: usize,
        /// What is wrong with it.
        source: ReadError,
    },
    /// The new table or the patch could not be written.
    Build(BuildError),
    /// A key occurs more than once and the policy is
    /// [`MergePolicy::Reject`](crate::MergePolicy::Reject).
    DuplicateKey {
        /// The repeated key.
        key: Vec<u8>,
        /// The numbers of two tables that have it, from 0. They are the same number where one table
        /// has it twice.
        tables: [usize; 2],
    },
    /// The tables have keys or values of different types.
    TypeMismatch {
        /// The number of the table that differs from the first one, from 0.
        table: usize,
    },
    /// A patch would have to make a table that is packed in another way than the old one: only one of the
    /// two is packed, or their codecs or levels differ.
    PackedOtherwise,
    /// The table is no patch.
    NotAPatch {
        /// The table's file. `None` for a table in memory or from a stream.
        path: Option<PathBuf>,
    },
    /// The patch was made for another table than the one it is applied to.
    OtherBase {
        /// The patch's number among the patches, from 0.
        patch: usize,
        /// The build id of the table that the patch was made for.
        expected: BuildId,
        /// The build id of the table, or of the result of the patch before.
        got: BuildId,
    },
    /// The new table is not the one that the last patch was made from, although all entries are: the
    /// writer of this library and the one of that table choose different bytes.
    OtherResult {
        /// The build id of the table that the patch was made from.
        expected: BuildId,
        /// The build id of the new table.
        got: BuildId,
    },
    /// A patch breaks the format although its checksums fit.
    BadPatch {
        /// The patch's number among the patches, from 0.
        patch: usize,
        /// What is wrong.
        what: &'static str,
        /// The key whose change is wrong.
        key: Vec<u8>,
    },
}

impl MergeError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } => source.kind(),
            Self::Build(error) => error.kind(),
            _ => ErrorKind::Data,
        }
    }

    /// The file or directory that the error concerns. `None` where it concerns a table in memory,
    /// an entry, an option, or tables that have a number in the error.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Read { source, .. } => source.path(),
            Self::Build(error) => error.path(),
            Self::NotAPatch { path } => path.as_deref(),
            Self::DuplicateKey { .. }
            | Self::TypeMismatch { .. }
            | Self::PackedOtherwise
            | Self::OtherBase { .. }
            | Self::OtherResult { .. }
            | Self::BadPatch { .. } => None,
        }
    }

    /// The kind that an `io::Error` of this error has.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Build(error) => error.io_kind(),
            _ => self.kind().io_kind(),
        }
    }
}

impl From<BuildError> for MergeError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl std::error::Error for MergeError {}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { source, .. } if source.path().is_some() => source.fmt(f),
            Self::Read { table, source } => write!(f, "table {table}: {source}"),
            Self::Build(error) => error.fmt(f),
            Self::DuplicateKey { key, tables: [first, second] } if first == second => write!(
                f,
                "key {} occurs more than once in table {first}: choose to keep the first, the last \
                 or all",
                Shown(key)
            ),
            Self::DuplicateKey { key, tables: [first, second] } => write!(
                f,
                "key {} is in table {first} and in table {second}: choose to keep the first, the \
                 last or all",
                Shown(key)
            ),
            Self::TypeMismatch { table } => write!(
                f,
                "table {table} has keys or values of other types than table 0: merge tables of the \
                 same types"
            ),
            Self::PackedOtherwise => write!(
                f,
                "the new table is packed in another way than the old one, and no patch says how: \
                 build one of them as the other, or send the new table whole"
            ),
            Self::NotAPatch { path } => {
                match path {
                    Some(path) => write!(f, "{}: ", path.display())?,
                    None => write!(f, "the table ")?,
                }
                write!(f, "is no patch: make a patch of two tables (graven diff -o)")
            }
            Self::OtherBase { patch, expected, got } => write!(
                f,
                "patch {patch} changes the table with build id {}, and not {}: apply it to that \
                 table",
                expected, got
            ),
            Self::OtherResult { expected, got } => write!(
                f,
                "the patch was made from a table with build id {}, and the new table would have {}: \
                 use the version of graven that built that table",
                expected, got
            ),
            Self::BadPatch { patch, what, key } => {
                write!(f, "patch {patch}: {what} at key {}: make the patch again", Shown(key))
            }
        }
    }
}

debug_as_text! {
    MergeError: Read Build DuplicateKey TypeMismatch PackedOtherwise NotAPatch OtherBase OtherResult BadPatch
}
