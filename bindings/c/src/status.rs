//! What a call comes to: the status; the text and the errno of the last error of a thread.

use graven::{
    BuildError, ErrorKind, OpenError, OpenFailure, PublishError, ReadError, ReadFailure, SetError,
};
use std::cell::RefCell;
use std::ffi::CString;
use std::fmt;
use std::io;

/// What a call came to: 0 or above is an answer, below 0 an error. The numbers never change their
/// meaning. Later versions may add some, so treat every number below 0 as an error.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum graven_status {
    /// Done. The results are written.
    GRAVEN_OK = 0,
    /// There is no such key or entry, or no further one. Not an error: no text is kept.
    GRAVEN_NOT_FOUND = 1,
    /// An argument is NULL that must not be, or out of its range.
    GRAVEN_ERR_INVALID_ARGUMENT = -1,
    /// The operating system refused; graven_last_errno() has its answer.
    GRAVEN_ERR_IO = -2,
    /// There is no room for the table: memory, address space, mappings, locked memory.
    GRAVEN_ERR_NO_MEMORY = -3,
    /// The disk or the quota is full.
    GRAVEN_ERR_NO_SPACE = -4,
    /// The file is no graven table.
    GRAVEN_ERR_NOT_A_TABLE = -5,
    /// The table needs a newer version of this library.
    GRAVEN_ERR_TOO_NEW = -6,
    /// The table is damaged. The text says where.
    GRAVEN_ERR_DAMAGED = -7,
    /// A page of the table was lost: the file was truncated, or its device failed. Only the guard
    /// of graven_sigbus_install() makes this an error.
    GRAVEN_ERR_LOST_PAGE = -8,
    /// The table is not the build that was expected.
    GRAVEN_ERR_OTHER_BUILD = -9,
    /// Something stands at the path that is not to be replaced, or can't be.
    GRAVEN_ERR_EXISTS = -10,
    /// Another process holds a lock. Try again.
    GRAVEN_ERR_BUSY = -11,
    /// A key, a value or the table is longer than the format allows, or a value is longer than the
    /// limit of its graven_buffer.
    GRAVEN_ERR_TOO_LONG = -12,
    /// A key is smaller than the one before it, and the option `sorted` promised otherwise.
    GRAVEN_ERR_OUT_OF_ORDER = -13,
    /// A key occurs twice, and the option `duplicates` says to refuse that.
    GRAVEN_ERR_DUPLICATE_KEY = -14,
    /// An earlier call on this handle failed, or has finished it. Close it and start anew.
    GRAVEN_ERR_FINISHED = -15,
    /// The table is published and complete, but its directory could not be synced: a power loss may
    /// bring the old table back.
    GRAVEN_ERR_NOT_DURABLE = -16,
    /// A callback asked to stop.
    GRAVEN_ERR_CANCELLED = -17,
    /// This system or file system has no answer, or this library was built without what it takes.
    GRAVEN_ERR_UNSUPPORTED = -18,
    /// The buffer is too small; `*needed` says how large it must be.
    GRAVEN_ERR_BUFFER_TOO_SMALL = -19,
    /// A fault of this library: please report it, with the text. Close the handles of the call; do
    /// nothing else with them.
    GRAVEN_ERR_PANIC = -20,
    /// The table is packed, and its values have to be decoded into a buffer: open it with
    /// graven_packed_open().
    GRAVEN_ERR_NEEDS_BUFFER = -21,
}

pub(crate) use graven_status::*;

/// Why a call failed. Boxed, so that results fit registers where a call succeeds.
#[derive(Debug)]
pub(crate) struct Failure(Box<Cause>);

#[derive(Debug)]
struct Cause {
    status: graven_status,
    text: String,
    errno: i32,
}

pub(crate) type Answer = Result<graven_status, Failure>;

impl Failure {
    #[cold]
    pub(crate) fn new(status: graven_status, text: impl fmt::Display) -> Self {
        Self(Box::new(Cause { status, text: text.to_string(), errno: 0 }))
    }

    #[cold]
    pub(crate) fn invalid(text: impl fmt::Display) -> Self {
        Self::new(GRAVEN_ERR_INVALID_ARGUMENT, text)
    }

    pub(crate) fn status(&self) -> graven_status {
        self.0.status
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    fn with(mut self, source: &io::Error) -> Self {
        self.0.errno = source.raw_os_error().unwrap_or(0);
        self
    }
}

fn of_kind(kind: ErrorKind) -> graven_status {
    match kind {
        ErrorKind::Usage => GRAVEN_ERR_INVALID_ARGUMENT,
        ErrorKind::Data => GRAVEN_ERR_DAMAGED,
        _ => GRAVEN_ERR_IO,
    }
}

fn of_read(failure: &ReadFailure) -> graven_status {
    match failure {
        ReadFailure::Faulted { .. } => GRAVEN_ERR_LOST_PAGE,
        ReadFailure::ValueTooLong { .. } => GRAVEN_ERR_TOO_LONG,
        ReadFailure::IsPacked => GRAVEN_ERR_NEEDS_BUFFER,
        _ => GRAVEN_ERR_DAMAGED,
    }
}

impl From<ReadError> for Failure {
    #[cold]
    #[inline(never)]
    fn from(error: ReadError) -> Self {
        Self::new(of_read(&error.failure()), error)
    }
}

impl From<OpenError> for Failure {
    #[cold]
    fn from(error: OpenError) -> Self {
        Self::of_open(&error)
    }
}

impl Failure {
    #[cold]
    pub(crate) fn of_open(error: &OpenError) -> Self {
        let status = match error.failure() {
            OpenFailure::AddressSpaceExhausted { .. }
            | OpenFailure::TooManyMappings { .. }
            | OpenFailure::OutOfMemory { .. }
            | OpenFailure::LockRefused { .. } => GRAVEN_ERR_NO_MEMORY,
            OpenFailure::NotATable { .. }
            | OpenFailure::NotARegularFile { .. }
            | OpenFailure::IsPatch => GRAVEN_ERR_NOT_A_TABLE,
            OpenFailure::UnsupportedVersion { .. } | OpenFailure::UnsupportedFeature { .. } => {
                GRAVEN_ERR_TOO_NEW
            }
            OpenFailure::IsPacked { .. } => GRAVEN_ERR_NEEDS_BUFFER,
            OpenFailure::DecoderLeftOut { .. } => GRAVEN_ERR_UNSUPPORTED,
            OpenFailure::OtherBuild { .. } => GRAVEN_ERR_OTHER_BUILD,
            OpenFailure::SectionOutOfBounds { .. } => GRAVEN_ERR_INVALID_ARGUMENT,
            OpenFailure::Damaged(failure) => of_read(failure),
            failure => of_kind(failure.kind()),
        };
        let failure = Self::new(status, error);
        match error.failure() {
            OpenFailure::Io { source, .. } | OpenFailure::LockRefused { source, .. } => {
                failure.with(source)
            }
            _ => failure,
        }
    }
}

impl From<SetError> for Failure {
    #[cold]
    fn from(error: SetError) -> Self {
        Self::of_set(&error)
    }
}

impl Failure {
    #[cold]
    pub(crate) fn of_set(error: &SetError) -> Self {
        match error {
            SetError::Open(error) => Self::of_open(error),
            SetError::Read(read) => Self::new(of_read(&read.failure()), error),
            SetError::Io { source, .. } => Self::new(GRAVEN_ERR_IO, error).with(source),
            SetError::Unsupported { .. } => Self::new(GRAVEN_ERR_UNSUPPORTED, error),
            error => Self::new(of_kind(error.kind()), error),
        }
    }
}

impl From<PublishError> for Failure {
    #[cold]
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Target(error) => error.into(),
            PublishError::Set(error) => error.into(),
            error => Self::new(of_kind(error.kind()), error),
        }
    }
}

impl From<BuildError> for Failure {
    #[cold]
    fn from(error: BuildError) -> Self {
        let status = match &error {
            BuildError::OutOfSpace { .. } => GRAVEN_ERR_NO_SPACE,
            BuildError::KeyTooLong { .. }
            | BuildError::ValueTooLong { .. }
            | BuildError::TableTooLarge { .. } => GRAVEN_ERR_TOO_LONG,
            BuildError::OutOfOrder { .. } => GRAVEN_ERR_OUT_OF_ORDER,
            BuildError::DuplicateKey { .. } => GRAVEN_ERR_DUPLICATE_KEY,
            BuildError::AlreadyExists { .. }
            | BuildError::NotARegularFile { .. }
            | BuildError::NotATable { .. }
            | BuildError::NotReplaceable { .. } => GRAVEN_ERR_EXISTS,
            BuildError::Locked { .. } => GRAVEN_ERR_BUSY,
            BuildError::Failed => GRAVEN_ERR_FINISHED,
            BuildError::Cancelled => GRAVEN_ERR_CANCELLED,
            BuildError::PublishedButNotDurable { .. } => GRAVEN_ERR_NOT_DURABLE,
            error => of_kind(error.kind()),
        };
        let failure = Self::new(status, &error);
        match &error {
            BuildError::Io { source, .. }
            | BuildError::OutOfSpace { source, .. }
            | BuildError::Locked { source, .. }
            | BuildError::PublishedButNotDurable { source, .. } => failure.with(source),
            _ => failure,
        }
    }
}

impl From<io::Error> for Failure {
    #[cold]
    fn from(error: io::Error) -> Self {
        let status = match error.kind() {
            io::ErrorKind::Unsupported => GRAVEN_ERR_UNSUPPORTED,
            _ => GRAVEN_ERR_IO,
        };
        Self::new(status, &error).with(&error)
    }
}

/// The last error of a thread.
pub(crate) struct Last {
    pub(crate) text: CString,
    pub(crate) errno: i32,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// What `of` says of the last error; `otherwise` if there was none. A thread that ends has none.
pub(crate) fn of_last<T: Copy>(otherwise: T, of: impl FnOnce(&Last) -> T) -> T {
    let found = LAST.try_with(|last| last.borrow().as_ref().map_or(otherwise, of));
    found.unwrap_or(otherwise)
}

/// Keeps an error for graven_last_error(). A thread that ends keeps none.
#[cold]
#[inline(never)]
pub(crate) fn keep(failure: Failure) -> graven_status {
    let Cause { status, mut text, errno } = *failure.0;
    // A path or a key may hold one.
    text = text.replace('\0', "\\0");
    let text = CString::new(text).unwrap_or_default();
    // Fails while the thread ends: nobody can ask then.
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(Last { text, errno }));
    status
}
