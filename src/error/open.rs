//! The error of opening: the file, and what is wrong with it.

use super::kind::ErrorKind;
use super::read::{ReadError, ReadFailure};
use super::shown::debug_as_text;
use crate::build_id::BuildId;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a table could not be opened: which file, and what is wrong with it.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("colours.grv");
/// use graven::OpenFailure;
///
/// std::fs::write(&path, "no table").unwrap();
/// let error = graven::Table::load(&path).unwrap_err();
/// assert!(error.to_string().starts_with(&format!("{}: ", path.display())));
/// assert!(matches!(error.failure(), OpenFailure::NotATable { .. }));
/// ```
#[non_exhaustive]
pub struct OpenError {
    path: Option<PathBuf>,
    pub(crate) failure: OpenFailure,
}

/// What is wrong with a table that could not be opened. Each cause has its own variant.
#[non_exhaustive]
pub enum OpenFailure {
    /// The operating system refused an operation on the file.
    Io {
        /// What was being done.
        action: &'static str,
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
        /// The number by which the file names the feature.
        id: u64,
    },
    /// The file is a patch, which changes another table; see [`Patch`](crate::Patch).
    IsPatch,
    /// The table was built as a packed one, whose keys and values can't be lent: open it as a
    /// [`PackedTable`](crate::PackedTable).
    IsPacked {
        /// The codec of the values; `None` if they stand as they are.
        codec: Option<&'static str>,
    },
    /// The values of the table are compressed by a codec that was left out of this library.
    DecoderLeftOut {
        /// The codec, and the name of the feature that has it.
        codec: &'static str,
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
    /// With [`expect_build_id`](crate::OpenOptions::expect_build_id): the table is sound, and
    /// another build than the expected one. Open the file of that build, or expect this one.
    OtherBuild {
        /// The build that was asked for.
        asked: BuildId,
        /// The build in the file.
        stored: BuildId,
    },
    /// With [`PageChecks::AtOpen`](crate::PageChecks::AtOpen): the table is damaged.
    Damaged(ReadFailure),
    /// A typed table was opened with other types than it was built with.
    TypeMismatch {
        /// "key" or "value".
        part: &'static str,
        /// The type in the file.
        stored: String,
        /// The type asked for.
        asked: String,
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

impl OpenError {
    /// What is wrong.
    ///
    /// ```
    /// use graven::OpenFailure;
    ///
    /// let error = graven::Table::load("no/such/table.grv").unwrap_err();
    /// let missing = matches!(error.failure(), OpenFailure::Io { source, .. }
    ///     if source.kind() == std::io::ErrorKind::NotFound);
    /// assert!(missing, "{error}");
    /// ```
    #[must_use]
    pub fn failure(&self) -> &OpenFailure {
        &self.failure
    }

    /// What is wrong, by value: for the system's answer in it.
    #[must_use]
    pub fn into_failure(self) -> OpenFailure {
        self.failure
    }

    /// The file, as it was given; of a versioned directory its `CURRENT`. `None` for a table in
    /// memory or from a stream.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.failure.kind()
    }
}

impl OpenFailure {
    /// Whose fault it is.
    #[must_use]
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

    /// The kind that an `io::Error` of this failure has.
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::Io { source, .. } | Self::LockRefused { source, .. } => source.kind(),
            Self::AddressSpaceExhausted { .. }
            | Self::TooManyMappings { .. }
            | Self::OutOfMemory { .. } => io::ErrorKind::OutOfMemory,
            _ => self.kind().io_kind(),
        }
    }

    /// The error for the file at `path`.
    #[cold]
    pub(crate) fn at(self, path: &Path) -> OpenError {
        OpenError { path: Some(path.to_owned()), failure: self }
    }

    /// The error for a table that is no file.
    #[cold]
    pub(crate) fn in_memory(self) -> OpenError {
        OpenError { path: None, failure: self }
    }
}

impl From<ReadError> for OpenFailure {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error.failure())
    }
}

impl Error for OpenError {}

impl Error for OpenFailure {}

/// The text, and the name of the failure's variant.
impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "{:?}", self.failure)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        self.failure.fmt(f)
    }
}

impl fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, source, .. } => write!(f, "could not {action}: {source}"),
            Self::NotARegularFile { kind: kind @ "directory" } => write!(
                f,
                "is a {kind}, and a table is a file: name the table's file, which in a directory of \
                 versions is CURRENT"
            ),
            Self::NotARegularFile { kind } => write!(
                f,
                "is a {kind}, and only a regular file can be mapped: name the table's file, or read \
                 the stream with from_reader"
            ),
            Self::TooShort { got, expected } => write!(
                f,
                "has {got} bytes, the smallest table has {expected}: the file is empty, cut off or \
                 no table"
            ),
            Self::NotATable { found } => write!(
                f,
                "starts with \"{}\" and is no graven table: check the path",
                found.escape_ascii()
            ),
            Self::UnsupportedVersion { major, minor, supported } => write!(
                f,
                "has format version {major}.{minor}, this library reads {supported}.x: use a newer \
                 graven"
            ),
            Self::UnsupportedFeature { feature, id } => {
                write!(
                    f,
                    "needs {feature} {id}, unknown to this library: use a newer graven, or build the table \
                     again if it is older than this one"
                )
            }
            Self::IsPatch => write!(
                f,
                "is a patch, which changes another table: apply it to that table (graven merge OUT \
                 TABLE PATCH)"
            ),
            Self::IsPacked { codec } => {
                match codec {
                    Some(codec) => write!(f, "has values compressed by {codec}")?,
                    None => f.write_str("is packed")?,
                }
                f.write_str(": open it as a packed table (PackedTable)")
            }
            Self::DecoderLeftOut { codec } => write!(
                f,
                "has values compressed by {codec}, whose decoder was left out of this library: \
                 compile graven with the feature {codec}"
            ),
            Self::HeaderChecksum { expected, got } => write!(
                f,
                "header is damaged: checksum at offset 112 says {expected:08x}, the bytes give \
                 {got:08x}: copy or build the table again"
            ),
            Self::Truncated { expected, got } => write!(
                f,
                "is cut off: the header says {expected} bytes, the file has {got}: copy or build \
                 the table again"
            ),
            Self::TrailingBytes { expected, got } => write!(
                f,
                "has {got} bytes but its header says {expected}: something was appended; open the \
                 table's part with section(), or copy it again"
            ),
            Self::FooterMismatch { field, offset } => write!(
                f,
                "footer at offset {offset} does not belong to the header ({field} differs): the \
                 file is torn, copy or build the table again"
            ),
            Self::InvalidHeader { field, offset, got } => {
                write!(
                    f,
                    "header field {field} at offset {offset} is {got}, which is impossible: build the table again"
                )
            }
            Self::AddressSpaceExhausted { needed, limit } => {
                write!(f, "needs {needed} bytes of address space, mapped or copied, and ")?;
                match limit {
                    Some(limit) => write!(
                        f,
                        "ulimit -v allows the process {limit} in all: raise the limit, close other \
                         tables, or split this one"
                    ),
                    None => write!(
                        f,
                        "the process has less: use a 64-bit one, close other tables, or split this \
                         one"
                    ),
                }
            }
            Self::TooManyMappings { mappings, limit } => write!(
                f,
                "cannot be mapped or copied: the process has {mappings} mappings, and \
                 vm.max_map_count allows {limit}: close other tables, or raise the limit with sysctl"
            ),
            Self::LockRefused { needed, limit, source } => {
                write!(f, "could not lock {needed} bytes into memory ({source}")?;
                if let Some(limit) = limit {
                    write!(f, "; ulimit -l allows {limit} bytes in all")?;
                }
                write!(f, "): raise the limit, or warm() the table instead of locking it")
            }
            Self::OutOfMemory { needed } => write!(
                f,
                "a private copy needs {needed} bytes of memory and there is less, or ulimit -d \
                 allows less: map the file with open()"
            ),
            Self::SectionOutOfBounds { offset, len, file_len } => write!(
                f,
                "the section of {len} bytes at offset {offset} reaches beyond the file's {file_len} \
                 bytes"
            ),
            Self::OtherBuild { asked, stored } => write!(
                f,
                "is build {stored}, and build {asked} was expected: open the file of that build, or \
                 expect this one"
            ),
            Self::Damaged(error) => error.fmt(f),
            Self::TypeMismatch { part, stored, asked } => {
                write!(f, "{part} type is {stored} in the table, {asked} was asked for")
            }
            Self::Misaligned { needed, got } => write!(
                f,
                "values must lie at multiples of {needed} in memory and lie at {got} (modulo that, or \
                 by the table's own alignment): build with value_align({needed}), and map a file or \
                 load() it"
            ),
        }
    }
}

debug_as_text! {
    OpenFailure: Io NotARegularFile TooShort NotATable UnsupportedVersion UnsupportedFeature IsPatch IsPacked DecoderLeftOut HeaderChecksum Truncated TrailingBytes FooterMismatch InvalidHeader AddressSpaceExhausted TooManyMappings LockRefused OutOfMemory SectionOutOfBounds OtherBuild Damaged TypeMismatch Misaligned
}
