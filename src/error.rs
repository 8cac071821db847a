//! The errors, one enum per operation. Each text says what is wrong, where, and what to do.

mod display;

use std::io;
use std::path::PathBuf;

/// Whose fault an error is, for a caller that maps errors to exit codes or retries.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An option or argument is out of its range. Change the call.
    Usage,
    /// The table or the input entries are malformed, damaged or unsupported: change the data.
    Data,
    /// The operating system refused: space, permissions, a path of the wrong kind, address space.
    Io,
}

/// Why a table could not be built. Nothing was published, except for
/// [`BuildError::PublishedButNotDurable`].
#[non_exhaustive]
#[derive(Debug)]
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
        source: OpenError,
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
    /// The new table stands under its name and is complete, but the directory's fsync failed: a
    /// power loss may still bring the old table back.
    PublishedButNotDurable {
        /// The published path.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// Why a table could not be copied to where it is published, or a version could not be made
/// current.
#[non_exhaustive]
#[derive(Debug)]
pub enum PublishError {
    /// The table to be published can't be read, is damaged, or is no table. Build or copy it again.
    Source {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: OpenError,
    },
    /// The target could not be written.
    Target(BuildError),
    /// There is no such version: none was published yet, no version before the current one is left,
    /// or no version has the id.
    NoVersion {
        /// The directory of versions.
        directory: PathBuf,
        /// The id that was asked for.
        id: Option<String>,
    },
}

/// Why a table could not be opened.
#[non_exhaustive]
#[derive(Debug)]
pub enum OpenError {
    /// The operating system refused an operation on the file.
    Io {
        /// What was being done.
        action: &'static str,
        /// The file, where the table came from a path.
        path: Option<PathBuf>,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The path names a directory, a FIFO, a device or a socket; only a regular file can be
    /// mapped.
    NotARegularFile {
        /// What it is.
        kind: &'static str,
    },
    /// The file is shorter than the smallest table.
    TooShort {
        /// Its length in bytes.
        got: u64,
        /// The smallest possible length.
        expected: u64,
    },
    /// The file does not begin with graven's magic bytes.
    NotATable {
        /// The first eight bytes.
        found: [u8; 8],
    },
    /// The table was written by a later major version of the format.
    UnsupportedVersion {
        /// The table's major version.
        major: u16,
        /// The table's minor version.
        minor: u16,
        /// The major version that this library reads.
        supported: u16,
    },
    /// The table needs a feature that this library does not know.
    UnsupportedFeature {
        /// The feature, for example "section kind" or "key order".
        feature: &'static str,
        /// Its number in the file.
        id: u64,
    },
    /// The header's checksum does not fit its bytes.
    HeaderChecksum {
        /// The checksum in the header.
        expected: u32,
        /// The checksum of the bytes.
        got: u32,
    },
    /// The file is shorter than its header says.
    Truncated {
        /// Length by the header.
        expected: u64,
        /// Length of the file.
        got: u64,
    },
    /// The file is longer than its header says.
    TrailingBytes {
        /// Length by the header.
        expected: u64,
        /// Length of the file.
        got: u64,
    },
    /// The footer is damaged or belongs to another table: the file was torn or overwritten.
    FooterMismatch {
        /// Which field does not fit.
        field: &'static str,
        /// Where the footer starts.
        offset: u64,
    },
    /// A header field has an impossible value although the header's checksum fits.
    InvalidHeader {
        /// Which field, and why.
        field: &'static str,
        /// Where it stands in the file.
        offset: u64,
        /// Its value.
        got: u64,
    },
    /// There is not enough address space for the table, mapped or copied (`ulimit -v`, or a 32-bit
    /// process).
    AddressSpaceExhausted {
        /// Bytes of address space that the table needs.
        needed: u64,
        /// Bytes of address space that the process may use in all (`ulimit -v`), if that limit
        /// stands in the way.
        limit: Option<u64>,
    },
    /// The process has as many mappings as Linux allows one to have. Each open table needs one.
    TooManyMappings {
        /// Mappings that the process has.
        mappings: u64,
        /// Mappings that it may have (`vm.max_map_count`).
        limit: u64,
    },
    /// The table could not be locked into memory.
    LockRefused {
        /// Bytes that were to be locked.
        needed: u64,
        /// Bytes that the process may lock in all (`ulimit -l`), if limited.
        limit: Option<u64>,
        /// The operating system's answer.
        source: io::Error,
    },
    /// There is not enough memory for a private copy, or `ulimit -d` allows less.
    OutOfMemory {
        /// Bytes that the copy needs.
        needed: u64,
    },
    /// `section(offset, len)` reaches beyond the end of the file.
    SectionOutOfBounds {
        /// The asked offset.
        offset: u64,
        /// The asked length.
        len: u64,
        /// The file's length.
        file_len: u64,
    },
    /// With [`PageChecks::AtOpen`](crate::PageChecks::AtOpen): the table is damaged.
    Damaged(ReadError),
    /// A typed table was opened with other types than it was built with.
    TypeMismatch {
        /// "key" or "value".
        part: &'static str,
        /// The type in the file.
        expected: String,
        /// The type asked for.
        got: String,
    },
    /// The table's values are not aligned in memory as the requested type needs: the table was
    /// opened from bytes, or at an offset that is not a multiple of the alignment.
    Misaligned {
        /// The alignment that the value type needs, in bytes.
        needed: usize,
        /// The address modulo that alignment, or the alignment the table was built with.
        got: usize,
    },
}

/// Why a lookup could not answer. The table is damaged at the offset in the error; no bytes of the
/// damaged page were returned.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// A page's checksum does not fit its bytes.
    Checksum {
        /// Where the page starts, counted from the table's first byte.
        offset: u64,
        /// The checksum in the table's page sums.
        expected: u32,
        /// The checksum of the bytes.
        got: u32,
    },
    /// The checksums fit but the bytes break the format: the file was not written by graven, or by
    /// a faulty version of it.
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where, counted from the table's first byte.
        offset: u64,
    },
    /// The kernel could not deliver a page: the file was truncated, or its device failed.
    Faulted {
        /// Where the unreadable stretch starts, counted from the table's first byte.
        offset: u64,
    },
}

/// The result of a lookup.
pub(crate) type ReadResult<T> = Result<T, ReadError>;

impl ReadError {
    #[cold]
    pub(crate) fn corrupt(what: &'static str, offset: u64) -> Self {
        Self::Corrupt { what, offset }
    }

    /// Always [`ErrorKind::Data`], or [`ErrorKind::Io`] for a page that could not be read.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Faulted { .. } => ErrorKind::Io,
            _ => ErrorKind::Data,
        }
    }
}

impl BuildError {
    /// Whose fault it is.
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
            Self::InvalidOption { .. } => ErrorKind::Usage,
            _ => ErrorKind::Data,
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

impl PublishError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Source { source, .. } => source.kind(),
            Self::Target(error) => error.kind(),
            Self::NoVersion { .. } => ErrorKind::Io,
        }
    }
}

impl From<BuildError> for PublishError {
    fn from(error: BuildError) -> Self {
        Self::Target(error)
    }
}

impl OpenError {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. }
            | Self::NotARegularFile { .. }
            | Self::AddressSpaceExhausted { .. }
            | Self::TooManyMappings { .. }
            | Self::LockRefused { .. }
            | Self::OutOfMemory { .. } => ErrorKind::Io,
            Self::SectionOutOfBounds { .. } => ErrorKind::Usage,
            Self::Damaged(error) => error.kind(),
            _ => ErrorKind::Data,
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error)
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. }
            | Self::OutOfSpace { source, .. }
            | Self::ValueReader { source, .. }
            | Self::Locked { source, .. }
            | Self::PublishedButNotDurable { source, .. } => Some(source),
            Self::ReadBack { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source { source, .. } => Some(source),
            Self::Target(error) => Some(error),
            Self::NoVersion { .. } => None,
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::LockRefused { source, .. } => Some(source),
            Self::Damaged(error) => Some(error),
            _ => None,
        }
    }
}

impl std::error::Error for ReadError {}
