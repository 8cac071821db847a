//! The error of lookups: the table, and the damage.

use super::kind::ErrorKind;
use super::shown::debug_as_text;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Why a lookup could not answer: which table, and what is wrong with it. No bytes of the damaged
/// page were returned.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (built, path) = (dir.path().join("built"), dir.path().join("colours.grv"));
/// # let mut builder = graven::Builder::create(&built)?;
/// # builder.insert(b"red", b"#ff0000")?;
/// # builder.finish()?;
/// use graven::ReadFailure;
///
/// # let mut bytes = std::fs::read(&built)?;
/// # let red = bytes.windows(3).position(|bytes| bytes == b"red").unwrap();
/// # bytes[red + 3] ^= 1;
/// # std::fs::write(&path, bytes)?;
/// let table = graven::Table::load(&path)?; // a file with a damaged page
/// let error = table.get(b"red").unwrap_err();
/// assert_eq!(error.path(), Some(path.as_path()));
/// assert!(matches!(error.failure(), ReadFailure::Checksum { offset: 0, .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ReadError {
    inner: Box<Inner>,
    room: Room,
}

/// Makes an error as long as an entry, key and value. An item of a walk, an entry or an error or
/// the end, then has one tag and stays in registers. With an error of one word the compiler hides
/// the error in the entry's null pointer, needs another tag for the end, and passes every item
/// through memory: 53 instructions per entry of a walk in place of 40.
type Room = [usize; 3];
const _: () = assert!(size_of::<ReadError>() == size_of::<(&[u8], &[u8])>());

/// Behind a pointer: what a lookup does when nothing is wrong does not depend on what an error
/// holds.
#[derive(Clone, PartialEq, Eq)]
struct Inner {
    path: Option<Arc<Path>>,
    failure: ReadFailure,
}

/// What is wrong with a table whose lookup could not answer. Offsets count from the table's first
/// byte.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadFailure {
    /// A page's checksum does not fit its bytes.
    Checksum {
        /// Where the page starts.
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
        /// Where.
        offset: u64,
    },
    /// The kernel could not deliver a page: the file was truncated, or its device failed.
    Faulted {
        /// Where the unreadable stretch starts.
        offset: u64,
    },
    /// The table is packed, and a merge or a comparison took it for a plain one, since it was opened with
    /// [`allow_packed`](crate::OpenOptions::allow_packed): give it a [`PackedTable`](crate::PackedTable).
    IsPacked,
    /// A value is longer than its reader takes: see
    /// [`ValueBuffer::with_limit`](crate::ValueBuffer::with_limit).
    ValueTooLong {
        /// Where what is stored of the value starts.
        offset: u64,
        /// Bytes that the reader takes.
        most: u64,
    },
}

/// The result of a lookup.
pub(crate) type ReadResult<T> = Result<T, ReadError>;

impl ReadError {
    #[cold]
    fn new(path: Option<Arc<Path>>, failure: ReadFailure) -> Self {
        Self { inner: Box::new(Inner { path, failure }), room: [0; 3] }
    }

    /// An error that does not yet know its file.
    #[cold]
    pub(crate) fn corrupt(what: &'static str, offset: u64) -> Self {
        ReadFailure::Corrupt { what, offset }.into()
    }

    /// The error with the file of its table.
    #[cold]
    pub(crate) fn at(self, path: Option<&Arc<Path>>) -> Self {
        Self::new(path.cloned(), self.failure())
    }

    /// The table's file, as it was given at open. `None` for a table in memory or from a stream.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// What is wrong.
    #[must_use]
    pub fn failure(&self) -> ReadFailure {
        self.inner.failure
    }

    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.failure().kind()
    }
}

impl ReadFailure {
    /// [`ErrorKind::Io`] for a page that could not be read, [`ErrorKind::Usage`] for a value that the
    /// reader does not take, else [`ErrorKind::Data`].
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Faulted { .. } => ErrorKind::Io,
            Self::ValueTooLong { .. } | Self::IsPacked => ErrorKind::Usage,
            _ => ErrorKind::Data,
        }
    }
}

impl From<ReadFailure> for ReadError {
    #[cold]
    fn from(failure: ReadFailure) -> Self {
        Self::new(None, failure)
    }
}

/// The text, and the name of the failure's variant.
impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "{:?}", self.failure())
    }
}

impl std::error::Error for ReadError {}

impl std::error::Error for ReadFailure {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        self.failure().fmt(f)
    }
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum { offset, expected, got } => write!(
                f,
                "page at offset {offset} is damaged: checksum {expected:08x} expected, {got:08x} \
                 found: copy or build the table again"
            ),
            Self::Corrupt { what, offset } => {
                write!(f, "{what} at offset {offset}: build the table again")
            }
            Self::IsPacked => write!(
                f,
                "is a packed table, whose entries cannot be lent: merge and compare it as a packed \
                 table (PackedTable)"
            ),
            Self::ValueTooLong { offset, most } => write!(
                f,
                "value at offset {offset} is longer than the {most} bytes that the buffer takes: \
                 raise the limit if the table is to be trusted"
            ),
            Self::Faulted { offset } => write!(
                f,
                "page at offset {offset} cannot be read: the file was truncated or its device \
                 failed"
            ),
        }
    }
}

debug_as_text! {
    ReadFailure: Checksum Corrupt Faulted IsPacked ValueTooLong
}
