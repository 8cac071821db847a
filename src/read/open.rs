//! How a table is opened.

use super::map::Bytes;
use super::mapping::address_space_exhausted;
use super::pages::Pages;
use super::table::Table;
use super::warm::{Warm, Warmed};
use crate::error::{OpenError, ReadError};
use crate::format::header::{FOOTER, MAX_HEADER};
use crate::format::layout::{Layout, SMALLEST};
use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

/// When page checksums are checked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// A page is checked when this process first touches it, 0.5 to 0.9 µs once per 4 KiB page;
    /// afterwards that costs a bit test. Bytes that failed are never returned.
    #[default]
    FirstTouch,
    /// Every page is checked before `open` returns: reads the whole file.
    AtOpen,
    /// Nothing is checked. Lookups in a damaged table may give wrong answers; they still never
    /// leave the table's bytes.
    Never,
}

/// How the table will be accessed, for the kernel's read-ahead.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// As [`Normal`](Self::Normal) if the table fits into the memory that this process may still
    /// take when it opens the table: what its control groups (cgroup v1 and v2) and the machine
    /// leave. Of a larger table, lookups read single pages, and walks ask ahead by themselves in
    /// growing windows, so that neither reads what it does not need. Tables below 16 MiB are taken
    /// to fit; for larger ones, the question takes 0.1 to 0.3 ms, once a second at most.
    #[default]
    Auto,
    /// The kernel's default, whatever the table's size.
    Normal,
    /// Point reads in a table that does not fit into memory: no read-ahead, not for walks either.
    Random,
    /// Scans: aggressive read-ahead.
    Sequential,
}

/// Options of opening a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    verify: Verify,
    pub(super) access: Access,
    pub(super) warm: Warm,
    lock_memory: bool,
    range: Option<(u64, u64)>,
}

/// A regular file, open, and the part of it that is the table.
pub(crate) struct Located {
    pub(crate) file: File,
    pub(crate) offset: u64,
    pub(crate) len: usize,
    pub(crate) metadata: Metadata,
}

impl OpenOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// When checksums are checked. Default: [`Verify::FirstTouch`].
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// The expected access. Default: [`Access::Auto`], which looks at the table's size and the
    /// memory.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// What is read into memory before `open` returns; see [`Table::warm`]. Default:
    /// [`Warm::None`].
    pub fn warm(mut self, warm: Warm) -> Self {
        self.warm = warm;
        self
    }

    /// Whether the table is locked into memory (`mlock`): all of it is read before `open` returns,
    /// and none of it leaves memory while the table is open. Counts against `ulimit -l` once per
    /// process; a child made by `fork` does not inherit it. Without effect on
    /// [`from_bytes`](Self::from_bytes). Default: false.
    pub fn lock_memory(mut self, lock: bool) -> Self {
        self.lock_memory = lock;
        self
    }

    /// The table is the `len` bytes at `offset` of a larger file. Any offset will do, but values
    /// keep their alignment in memory only if it is a multiple of it.
    pub fn range(mut self, offset: u64, len: u64) -> Self {
        self.range = Some((offset, len));
        self
    }

    /// Reads the table at `path` into private memory, in huge pages where the kernel has them.
    /// Safe, since nobody else can change the copy.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Table, OpenError> {
        let path = path.as_ref();
        let Located { file, offset, len, .. } = self.locate(path)?;
        // A foreign file is refused before all of it is read.
        let mut start = [0; MAX_HEADER as usize];
        let start = &mut start[..len.min(MAX_HEADER as usize)];
        let failed = io_error("read the file", path);
        read_at(&file, offset, start).map_err(&failed)?;
        Layout::check_start(start, len as u64)?;
        let bytes = Bytes::private(len, |memory| read_at(&file, offset, memory).map_err(&failed))?;
        let table = self.finish(bytes)?;
        self.prepare(&table, |_| ControlFlow::Continue(()))?;
        Ok(table)
    }

    /// Opens a table in memory, for example one made with `include_bytes!`.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub fn from_bytes(&self, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Table, OpenError> {
        let bytes = bytes.into();
        let (start, len) = self.part(bytes.len() as u64)?;
        let part = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[start as usize..][..len]),
            Cow::Owned(mut bytes) => {
                bytes.drain(..start as usize);
                bytes.truncate(len);
                Cow::Owned(bytes)
            }
        };
        self.finish(Bytes::from_cow(part))
    }

    /// Opens a regular file and says which part of it is the table.
    pub(crate) fn locate(&self, path: &Path) -> Result<Located, OpenError> {
        let failed = io_error("open the file", path);
        let mut options = File::options();
        options.read(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // A FIFO does not hang the open, and a terminal does not become this process's own.
            let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
            options.custom_flags(flags.bits() as i32);
        }
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) => {
                // A socket, or a device without a driver, can't be opened: say so.
                if let Ok(metadata) = std::fs::metadata(path) {
                    check_kind(&metadata)?;
                }
                return Err(failed(error));
            }
        };
        let metadata = file.metadata().map_err(&failed)?;
        check_kind(&metadata)?;
        let (offset, len) = self.part(metadata.len())?;
        Ok(Located { file, offset, len, metadata })
    }

    /// The layout of a table that is a file, from header and footer. Both are read and not touched
    /// in a mapping: a fault takes several times as long as such a read, and that of the last page
    /// has a page table made, and taken down again, for the sake of one page.
    pub(super) fn layout(file: &Located) -> Result<Layout, OpenError> {
        let failed = |source| OpenError::Io { action: "read the file", path: None, source };
        let (mut start, mut end) = ([0; MAX_HEADER as usize], [0; FOOTER]);
        let start = &mut start[..file.len.min(MAX_HEADER as usize)];
        read_at(&file.file, file.offset, start).map_err(failed)?;
        let got = file.len as u64;
        // What is too short for a footer is refused before one is looked for.
        if let Some(from) = got.checked_sub(FOOTER as u64) {
            read_at(&file.file, file.offset + from, &mut end).map_err(failed)?;
        }
        Layout::parse_ends(start, &end, got)
    }

    /// Offset and length of the table in `file_len` bytes.
    fn part(&self, file_len: u64) -> Result<(u64, usize), OpenError> {
        let (offset, len) = match self.range {
            None => (0, file_len),
            Some((offset, len)) => {
                let inside = offset.checked_add(len).is_some_and(|end| end <= file_len);
                if !inside {
                    return Err(OpenError::RangeOutOfBounds { offset, len, file_len });
                }
                (offset, len)
            }
        };
        if len < 8 {
            return Err(OpenError::TooShort { got: len, expected: SMALLEST });
        }
        // A mapping, like any object, takes at most half of the address space.
        match isize::try_from(len) {
            Ok(len) => Ok((offset, len as usize)),
            Err(_) => Err(address_space_exhausted(len)),
        }
    }

    /// Brings a table into memory as far as was asked for, and keeps it there.
    pub(crate) fn prepare(
        &self,
        table: &Table,
        progress: impl FnMut(Warmed) -> ControlFlow<()>,
    ) -> Result<(), OpenError> {
        table.warm_with(self.warm, progress)?;
        if self.lock_memory { table.inner.bytes.lock() } else { Ok(()) }
    }

    /// Parses the bytes and sets up page checks.
    pub(super) fn finish(&self, bytes: Bytes) -> Result<Table, OpenError> {
        let layout = Layout::parse(bytes.get());
        if let Some(offset) = bytes.lost_at() {
            return Err(OpenError::Damaged(ReadError::Faulted { offset }));
        }
        self.finish_with(bytes, layout?)
    }

    /// Sets up page checks.
    pub(super) fn finish_with(&self, bytes: Bytes, layout: Layout) -> Result<Table, OpenError> {
        let pages = match self.verify {
            Verify::Never => Pages::unchecked(),
            _ => Pages::new(&layout),
        };
        let table = Table::new(bytes, layout, pages);
        if self.verify == Verify::AtOpen {
            table.check_all_pages()?;
        }
        Ok(table)
    }
}

fn check_kind(metadata: &Metadata) -> Result<(), OpenError> {
    if metadata.is_file() {
        return Ok(());
    }
    let kind = if metadata.is_dir() { "directory" } else { special_kind(metadata) };
    Err(OpenError::NotARegularFile { kind })
}

#[cfg(unix)]
fn special_kind(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device or terminal"
    }
}

#[cfg(not(unix))]
fn special_kind(_: &Metadata) -> &'static str {
    "special file"
}

fn io_error<'p>(action: &'static str, path: &'p Path) -> impl Fn(std::io::Error) -> OpenError + 'p {
    move |source| OpenError::Io { action, path: Some(path.to_owned()), source }
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, memory: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, memory, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, memory: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(memory)
}

impl Table {
    /// Reads the table at `path` into private memory, in huge pages where the kernel has them.
    /// Safe, since nobody else can change the copy; costs memory and time for the whole file.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        OpenOptions::new().load(path)
    }

    /// Opens a table in memory: borrowed for ever (`include_bytes!`) or owned.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, OpenError> {
        OpenOptions::new().from_bytes(bytes)
    }

    /// Reads a table from a pipe, a socket or any other stream up to its end.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub fn from_reader(mut reader: impl Read) -> Result<Self, OpenError> {
        let mut stream = Vec::new();
        reader.read_to_end(&mut stream).map_err(|source| OpenError::Io {
            action: "read the stream",
            path: None,
            source,
        })?;
        // Page-aligned memory, so that typed values are aligned.
        let bytes = Bytes::private(stream.len(), |memory| {
            memory.copy_from_slice(&stream);
            Ok(())
        })?;
        OpenOptions::new().finish(bytes)
    }
}
