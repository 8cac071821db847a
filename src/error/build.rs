//! The error of building.

use super::kind::ErrorKind;
use super::open::OpenFailure;
use super::shown::{Shown, debug_as_text};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a table could not be built. Nothing was published, except for
/// [`BuildError::PublishedButNotDurable`].
#[non_exhaustive]
pub enum BuildError {
    /// The operating system refused an operation on a file.
    Io {
        /// What was being done, for example "create the unpublished table".
        action: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The disk, or the quota, is full. Free space or choose another directory.
    OutOfSpace {
        /// What was being done.
        action: &'static str,
        /// The file that could not grow.
        path: PathBuf,
        /// Bytes that the file had reached.
        written: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A key is longer than 65,535 bytes.
    KeyTooLong {
        /// The key's length in bytes.
        len: usize,
        /// The entry's number in insertion order, from 0.
        entry: u64,
    },
    /// A value is longer than 4 GiB − 1.
    ValueTooLong {
        /// The value's length in bytes. For a value from a reader, the bytes that were read.
        len: usize,
        /// The entry's number in insertion order, from 0.
        entry: u64,
    },
    /// The reader of a value failed: see
    /// [`insert_from`](crate::Builder::insert_from).
    ValueReader {
        /// The entry's number in insertion order, from 0.
        entry: u64,
        /// The reader's error, as the reader gave it.
        source: io::Error,
    },
    /// With `sorted(true)`: a key is smaller than the one before it.
    OutOfOrder {
        /// The key before.
        previous: Vec<u8>,
        /// The key that should have come earlier.
        key: Vec<u8>,
        /// The entry's number in insertion order, from 0.
        entry: u64,
    },
    /// A key occurs twice and the policy is [`Duplicates::Reject`](crate::Duplicates::Reject).
    DuplicateKey {
        /// The repeated key.
        key: Vec<u8>,
    },
    /// A key came to a shard of a set that another shard has. See
    /// [`SetJob`](https://docs.rs/graven/latest/graven/struct.SetJob.html).
    OtherShard {
        /// The key.
        key: Vec<u8>,
        /// The number of the shard that it came to.
        shard: usize,
        /// The number of the shard that it belongs to.
        expected: usize,
        /// Number of hash shards.
        of: usize,
    },
    /// A table stands at the path already and `replace(false)` was asked for.
    AlreadyExists {
        /// The path.
        path: PathBuf,
    },
    /// Something other than a regular file stands at the path and would be destroyed.
    NotARegularFile {
        /// The path.
        path: PathBuf,
        /// What stands there.
        kind: &'static str,
    },
    /// A file that is no table stands at the path and would be destroyed: it does not begin as a
    /// table does. Remove it, or choose another path.
    NotATable {
        /// The path.
        path: PathBuf,
    },
    /// What stands at the path may be replaced, but the system would not let a rename replace it.
    /// Found before the build, as far as it can be known then.
    NotReplaceable {
        /// The path.
        path: PathBuf,
        /// What protects it, and the remedy: a mount point, another user's file in a sticky
        /// directory, an immutable file.
        reason: &'static str,
    },
    /// Another process holds the lock of the table's side file, for longer than publishing takes,
    /// or the side file can't be opened. Nothing is wrong with the table: try again.
    Locked {
        /// The side file, `.NAME.lock`.
        path: PathBuf,
        /// The operating system's answer; [`io::ErrorKind::WouldBlock`] if the lock is held.
        source: io::Error,
    },
    /// With [`verify_after_write`](crate::BuildOptions::verify_after_write): what the disk gave
    /// back is not what was written. Look for a failing disk, cable or memory.
    ReadBack {
        /// The table that was not published.
        path: PathBuf,
        /// What was found.
        source: OpenFailure,
    },
    /// An option is out of its range.
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What was given.
        got: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The table would be larger than the format's 16 TiB.
    TableTooLarge {
        /// Bytes that the records reached.
        bytes: u64,
    },
    /// An earlier insert into this builder failed; that insert's error names the reason. Start a
    /// new build.
    Failed,
    /// The program gave the build up: see
    /// [`cancel_when`](crate::BuildOptions::cancel_when).
    Cancelled,
    /// The new table stands under its name and is complete, but the directory's fsync failed: a
    /// power loss may still bring the old table back.
    PublishedButNotDurable {
        /// The published path.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl BuildError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. }
            | Self::OutOfSpace { .. }
            | Self::ValueReader { .. }
            | Self::AlreadyExists { .. }
            | Self::NotARegularFile { .. }
            | Self::NotATable { .. }
            | Self::NotReplaceable { .. }
            | Self::Locked { .. }
            | Self::ReadBack { .. }
            | Self::PublishedButNotDurable { .. } => ErrorKind::Io,
            Self::InvalidOption { .. } | Self::Cancelled => ErrorKind::Usage,
            _ => ErrorKind::Data,
        }
    }

    /// The file or directory that the error concerns. `None` where it concerns an entry, an option,
    /// or the build as a whole.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::OutOfSpace { path, .. }
            | Self::AlreadyExists { path }
            | Self::NotARegularFile { path, .. }
            | Self::NotATable { path }
            | Self::NotReplaceable { path, .. }
            | Self::Locked { path, .. }
            | Self::ReadBack { path, .. }
            | Self::PublishedButNotDurable { path, .. } => Some(path),
            Self::KeyTooLong { .. }
            | Self::ValueTooLong { .. }
            | Self::ValueReader { .. }
            | Self::OutOfOrder { .. }
            | Self::DuplicateKey { .. }
            | Self::OtherShard { .. }
            | Self::InvalidOption { .. }
            | Self::TableTooLarge { .. }
            | Self::Failed
            | Self::Cancelled => None,
        }
    }

    /// The kind that an `io::Error` of this error has.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. }
            | Self::OutOfSpace { source, .. }
            | Self::ValueReader { source, .. }
            | Self::Locked { source, .. }
            | Self::PublishedButNotDurable { source, .. } => source.kind(),
            Self::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
            Self::ReadBack { source, .. } => source.io_kind(),
            Self::Cancelled => io::ErrorKind::Interrupted,
            _ => self.kind().io_kind(),
        }
    }

    /// Sorts an I/O error into "no space" and the rest.
    #[cold]
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        written: u64,
        source: io::Error,
    ) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::OutOfSpace { action, path, written, source },
            _ => Self::Io { action, path, source },
        }
    }
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "could not {action} at {}: {source}", path.display())
            }
            Self::OutOfSpace { action, path, written, source } => write!(
                f,
                "no space to {action} at {} after {written} bytes ({source}): free space or choose \
                 another directory; nothing was published",
                path.display()
            ),
            Self::KeyTooLong { len, entry } => {
                write!(f, "key of entry {entry} has {len} bytes, at most 65535 are allowed")
            }
            Self::ValueTooLong { len, entry } => {
                write!(f, "value of entry {entry} has {len} bytes, at most 4294967295 are allowed")
            }
            Self::ValueReader { entry, source } => {
                write!(f, "could not read the value of entry {entry}: {source}")
            }
            Self::OutOfOrder { previous, key, entry } => write!(
                f,
                "key {} of entry {entry} comes after {} but is smaller: sort the input bytewise or \
                 leave out the promise that it is sorted",
                Shown(key),
                Shown(previous)
            ),
            Self::OtherShard { key, shard, expected, of } => write!(
                f,
                "key {} belongs to hash shard {expected} of {of} and came to shard {shard}: divide \
                 the entries by pmod(xxhash64(key), {of}), the key as binary or string",
                Shown(key)
            ),
            Self::DuplicateKey { key } => write!(
                f,
                "key {} occurs more than once: remove one, or choose to keep the first, the last \
                 or all",
                Shown(key)
            ),
            Self::AlreadyExists { path } => {
                write!(f, "{} exists already and was not to be replaced", path.display())
            }
            Self::NotARegularFile { path, kind } => write!(
                f,
                "{} is a {kind}, and a table would take its place: choose another path",
                path.display()
            ),
            Self::NotATable { path } => write!(
                f,
                "{} is a file but no graven table, and a table would take its place: remove it or \
                 choose another path",
                path.display()
            ),
            Self::NotReplaceable { path, reason } => write!(f, "{} {reason}", path.display()),
            Self::Locked { path, source } => {
                write!(f, "could not lock {}", path.display())?;
                match source.kind() {
                    io::ErrorKind::WouldBlock => write!(
                        f,
                        ": another process has held it for a minute: end that one, or try again"
                    ),
                    _ => write!(f, ": {source}"),
                }
            }
            Self::ReadBack { path, source } => write!(
                f,
                "{}: was not published, since the disk gave back other bytes than were written: \
                 {source}; look for a failing disk or memory",
                path.display()
            ),
            Self::InvalidOption { option, got, expected } => {
                write!(f, "option {option} is {got}, expected {expected}")
            }
            Self::TableTooLarge { bytes } => write!(
                f,
                "the table would have {bytes} bytes, more than the 16 TiB of the format: split it"
            ),
            Self::Failed => {
                write!(f, "an earlier insert failed, so nothing is published: start anew")
            }
            Self::Cancelled => write!(f, "the build was given up, so nothing is published"),
            Self::PublishedButNotDurable { path, source } => write!(
                f,
                "{} is published and complete, but its directory could not be synced ({source}): \
                 a power loss may bring the old table back",
                path.display()
            ),
        }
    }
}

debug_as_text! {
    BuildError: Io OutOfSpace KeyTooLong ValueTooLong ValueReader OutOfOrder DuplicateKey OtherShard AlreadyExists NotARegularFile NotATable NotReplaceable Locked ReadBack InvalidOption TableTooLarge Failed Cancelled PublishedButNotDurable
}
