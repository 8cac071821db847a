//! How a table is opened.

#![cfg_attr(
    unix,
    expect(unsafe_code, reason = "mapping a path is unsafe, and the promise is the caller's")
)]

use super::map::{AccessPattern, Bytes, Located, io_error};
use super::packing::Packing;
use super::pages::{PageChecks, Pages};
use super::table::Table;
use super::typed::TypedTable;
use super::warm::{Warm, WarmProgress};
use crate::build_id::BuildId;
use crate::error::{OpenError, OpenFailure, ReadFailure};
use crate::file::io::{open_regular, read_exact_at};
use crate::format::layout::{Layout, SMALLEST};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use std::borrow::Cow;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Options of opening a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    page_checks: PageChecks,
    access: AccessPattern,
    warm: Warm,
    lock_memory: bool,
    allow_patch: bool,
    allow_packed: bool,
    tolerate_footer: bool,
    section: Option<(u64, u64)>,
    build_id: Option<BuildId>,
    /// Compares types, for a table that is part of something typed.
    types: Option<fn(&Table) -> Result<(), OpenFailure>>,
}

impl OpenOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When checksums are checked. Default: [`PageChecks::FirstTouch`].
    #[must_use]
    pub fn page_checks(mut self, checks: PageChecks) -> Self {
        self.page_checks = checks;
        self
    }

    /// The expected access. Default: [`AccessPattern::Auto`], which looks at the table's size and the
    /// memory.
    #[must_use]
    pub fn access(mut self, access: AccessPattern) -> Self {
        self.access = access;
        self
    }

    /// What is read into memory before `open` returns; see [`Table::warm`]. A page that was not
    /// blocks the thread of the lookup that touches it first, also an async executor's: see
    /// [`Table`]. Default: [`Warm::None`].
    #[must_use]
    pub fn warm(mut self, warm: Warm) -> Self {
        self.warm = warm;
        self
    }

    /// Whether the table is locked into memory (`mlock`): all of it is read before `open` returns,
    /// and none of it leaves memory while the table is open. Counts against `ulimit -l` once per
    /// process; a child made by `fork` does not inherit it. Without effect on
    /// [`from_bytes`](Self::from_bytes). Default: false.
    #[must_use]
    pub fn lock_memory(mut self, lock: bool) -> Self {
        self.lock_memory = lock;
        self
    }

    /// Whether a patch may be opened, too. It opens as a table of its changes, which
    /// [`Patch`](crate::Patch) reads; any other reader of tables would take them for entries.
    /// Default: false, and a patch is the error [`OpenFailure::IsPatch`].
    #[must_use]
    pub fn allow_patch(mut self, allow: bool) -> Self {
        self.allow_patch = allow;
        self
    }

    /// Whether a packed table may be opened, too, as a table of what is stored of its values: see
    /// [`PackedTable::stored`](crate::PackedTable::stored). Default: false, and a packed table is the
    /// error [`OpenFailure::IsPacked`].
    #[must_use]
    pub fn allow_packed(mut self, allow: bool) -> Self {
        self.allow_packed = allow;
        self
    }

    /// Whether a table may be opened whose footer is damaged, for
    /// [`Table::salvage`](Table::salvage). The header and its checksum must be right, and the
    /// length. Default: false.
    #[must_use]
    pub fn tolerate_footer(mut self, tolerate: bool) -> Self {
        self.tolerate_footer = tolerate;
        self
    }

    /// The table is the `len` bytes at `offset` of a larger file. Any offset will do, but values
    /// keep their alignment in memory only if it is a multiple of it.
    #[must_use]
    pub fn section(mut self, offset: u64, len: u64) -> Self {
        self.section = Some((offset, len));
        self
    }

    /// Refuses every table but the build `id`, as [`Table::build_id`] and
    /// [`BuildSummary`](crate::BuildSummary) give it: for a program whose other files belong to one
    /// build. The id in the table's header is compared, before pages are checked or warmed, at no
    /// cost. It says what was built, and is no signature. Default: any table opens.
    ///
    /// With [`Live::open_with`](crate::Live::open_with) the option holds for later tables, too, as
    /// all options do: a refresh that finds another build fails, and the handle goes on serving the
    /// expected one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # builder.insert(b"k", b"v")?;
    /// let built = builder.finish()?;
    /// let table = graven::OpenOptions::new().expect_build_id(built.build_id).load(&path)?;
    /// let error = graven::OpenOptions::new().expect_build_id([7; 16]).load(&path).unwrap_err();
    /// assert!(matches!(error.failure(), graven::OpenFailure::OtherBuild { .. }));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn expect_build_id(mut self, id: impl Into<BuildId>) -> Self {
        self.build_id = Some(id.into());
        self
    }

    /// Reads the table at `path` into private memory, in huge pages where the kernel has them.
    /// Safe, because nobody else can change the copy.
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Table, OpenError> {
        let path = path.as_ref();
        self.copy(path).map_err(|failure| failure.at(path))
    }

    /// Copies the table at `path`.
    fn copy(&self, path: &Path) -> Result<Table, OpenFailure> {
        let located = self.locate(path)?;
        // A foreign file is refused before all of it is read.
        let failed = io_error("read the file");
        located.check_start(failed)?;
        if self.build_id.is_some() {
            // A damaged footer is tolerated, or refused, with the copy at hand.
            match located.layout() {
                Err(OpenFailure::FooterMismatch { .. }) if self.tolerate_footer => {}
                layout => self.check_build(&layout?)?,
            }
        }
        let Located { file, path, offset, len, .. } = located;
        let bytes =
            Bytes::private(len, |memory| read_exact_at(&file, memory, offset).map_err(failed))?;
        let table = self.parse(bytes, Some(path))?;
        self.prepare(&table, |_| ControlFlow::Continue(()))?;
        Ok(table)
    }

    /// Opens a table in memory, for example one made with `include_bytes!`.
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    pub fn from_bytes(&self, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Table, OpenError> {
        self.own(bytes.into()).map_err(OpenFailure::in_memory)
    }

    /// Opens a table in memory.
    fn own(&self, bytes: Cow<'static, [u8]>) -> Result<Table, OpenFailure> {
        let (start, len) = self.part(bytes.len() as u64)?;
        let part = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[start as usize..][..len]),
            Cow::Owned(mut bytes) => {
                bytes.drain(..start as usize);
                bytes.truncate(len);
                Cow::Owned(bytes)
            }
        };
        self.parse(Bytes::from_cow(part), None)
    }

    /// Reads a table from a pipe, a socket or any other stream up to its end. Of a
    /// [`section`](Self::section), too, all of the stream is read. Needs twice the stream's length
    /// of memory while it reads.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # builder.insert(b"k", b"v")?;
    /// # builder.finish()?;
    /// let stream = std::fs::File::open(&path)?; // or a socket, a decompressor …
    /// let options = graven::OpenOptions::new().page_checks(graven::PageChecks::AtOpen);
    /// assert_eq!(options.from_reader(stream)?.get(b"k")?, Some(&b"v"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_reader(&self, reader: impl Read) -> Result<Table, OpenError> {
        self.read(reader).map_err(OpenFailure::in_memory)
    }

    /// Copies the table that `reader` gives.
    fn read(&self, mut reader: impl Read) -> Result<Table, OpenFailure> {
        let mut stream = Vec::new();
        reader.read_to_end(&mut stream).map_err(io_error("read the stream"))?;
        let (start, len) = self.part(stream.len() as u64)?;
        // Page-aligned memory, so that typed values are aligned.
        let bytes = Bytes::private(len, |memory| {
            memory.copy_from_slice(&stream[start as usize..][..len]);
            Ok(())
        })?;
        let table = self.parse(bytes, None)?;
        self.prepare(&table, |_| ControlFlow::Continue(()))?;
        Ok(table)
    }

    /// Maps the table at `path` with these options.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    #[cfg(unix)]
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<Table, OpenError> {
        let path = path.as_ref();
        let opened = self.locate(path).and_then(|file| {
            // SAFETY: the caller's promise is the same.
            let table = unsafe { self.map(&file) }?;
            self.prepare(&table, |_| ControlFlow::Continue(()))?;
            Ok(table)
        });
        opened.map_err(|failure| failure.at(path))
    }

    /// Maps the typed table at `path` with these options.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(1_u32, 10_u64), (2, 20)])?;
    /// // SAFETY: nobody modifies or truncates the published file.
    /// let table = unsafe { graven::OpenOptions::new().open_typed::<u32, u64>(&path)? };
    /// assert_eq!(table.get(&2)?, Some(&20));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// The errors of [`open`](Self::open) and [`Table::typed`].
    #[cfg(unix)]
    pub unsafe fn open_typed<K: TypedKey, V: TypedValue>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<TypedTable<K, V>, OpenError> {
        // SAFETY: the caller's promise is the same.
        let table = unsafe { self.open(path) }?;
        table.typed()
    }

    /// Reads the typed table at `path` into private memory, as [`load`](Self::load) does.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(-1_i8, 2.5_f64)])?;
    /// let table = graven::OpenOptions::new().load_typed::<i8, f64>(&path)?;
    /// assert_eq!(table.get(&-1)?, Some(&2.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`load`](Self::load) and [`Table::typed`].
    pub fn load_typed<K: TypedKey, V: TypedValue>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<TypedTable<K, V>, OpenError> {
        self.load(path)?.typed()
    }

    /// Maps a file that is open already.
    ///
    /// # Safety
    /// As for [`Table::open`].
    #[cfg(unix)]
    pub(crate) unsafe fn map(&self, file: &Located) -> Result<Table, OpenFailure> {
        // SAFETY: the caller promises that the file stays as it is while the table lives.
        let bytes = unsafe { Bytes::map(file, self.access) };
        // A file that is no table is refused as that, and not for the room that it would take.
        let bytes =
            bytes.or_else(|error| file.check_start(io_error("read the file")).and(Err(error)))?;
        if matches!(self.warm, Warm::All | Warm::LargePages) {
            // Reading the ends would bring them into memory in small pages.
            bytes.ask_for_huge_pages(0, file.len);
            return self.parse(bytes, Some(file.path.clone()));
        }
        let layout = self.tolerant(file.layout(), &bytes)?;
        self.with_layout(bytes, layout, Some(file.path.clone()))
    }

    /// Opens a regular file and finds the part of it that is the table.
    pub(crate) fn locate(&self, path: &Path) -> Result<Located, OpenFailure> {
        let (file, metadata) = open_regular(path, io_error("open the file"))?;
        let (offset, len) = self.part(metadata.len())?;
        Ok(Located {
            file,
            path: path.into(),
            offset,
            len,
            #[cfg(unix)]
            metadata,
        })
    }

    /// Offset and length of the table in `file_len` bytes.
    fn part(&self, file_len: u64) -> Result<(u64, usize), OpenFailure> {
        let (offset, len) = match self.section {
            None => (0, file_len),
            Some((offset, len)) => {
                let inside = offset.checked_add(len).is_some_and(|end| end <= file_len);
                if !inside {
                    return Err(OpenFailure::SectionOutOfBounds { offset, len, file_len });
                }
                (offset, len)
            }
        };
        if len < 8 {
            return Err(OpenFailure::TooShort { got: len, expected: SMALLEST });
        }
        // A mapping, like any object, takes at most half of the address space.
        match isize::try_from(len) {
            Ok(len) => Ok((offset, len as usize)),
            Err(_) => Err(OpenFailure::AddressSpaceExhausted { needed: len, limit: None }),
        }
    }

    /// Refuses a table that has other types.
    #[cfg(feature = "sets")]
    pub(crate) fn expect_types<K: TypedKey, V: TypedValue>(mut self) -> Self {
        self.types = Some(|table| TypedTable::<K, V>::of(table.clone()).map(drop));
        self
    }

    /// Whether a table's bytes are read before it is served.
    #[cfg(feature = "sets")]
    pub(crate) fn prepares(&self) -> bool {
        self.warm != Warm::None || self.lock_memory || self.page_checks == PageChecks::AtOpen
    }

    /// Brings the part of a table into memory that was asked for, and keeps it there.
    pub(crate) fn prepare(
        &self,
        table: &Table,
        progress: impl FnMut(WarmProgress) -> ControlFlow<()>,
    ) -> Result<(), OpenFailure> {
        table.warm_with(self.warm, progress)?;
        if self.lock_memory { table.view().memory().lock() } else { Ok(()) }
    }

    /// Parses header and footer, and sets up the page checks.
    fn parse(&self, bytes: Bytes, path: Option<Arc<Path>>) -> Result<Table, OpenFailure> {
        let layout = Layout::parse(bytes.get());
        if let Some(offset) = bytes.lost_at() {
            return Err(OpenFailure::Damaged(ReadFailure::Faulted { offset }));
        }
        let layout = self.tolerant(layout, &bytes)?;
        self.with_layout(bytes, layout, path)
    }

    /// The layout from the header alone, if the footer is damaged and that is tolerated.
    fn tolerant(
        &self,
        layout: Result<Layout, OpenFailure>,
        bytes: &Bytes,
    ) -> Result<Layout, OpenFailure> {
        match layout {
            Err(OpenFailure::FooterMismatch { .. }) if self.tolerate_footer => {
                Layout::parse_without_footer(bytes.get())
            }
            layout => layout,
        }
    }

    /// Refuses another build than the expected one.
    fn check_build(&self, layout: &Layout) -> Result<(), OpenFailure> {
        match self.build_id {
            Some(asked) if asked != layout.build_id.into() => {
                Err(OpenFailure::OtherBuild { asked, stored: layout.build_id.into() })
            }
            _ => Ok(()),
        }
    }

    /// Sets up the page checks of a table with a known layout.
    fn with_layout(
        &self,
        bytes: Bytes,
        layout: Layout,
        path: Option<Arc<Path>>,
    ) -> Result<Table, OpenFailure> {
        self.check_build(&layout)?;
        if !self.allow_patch {
            layout.refuse_patch()?;
        }
        let pages = match self.page_checks {
            PageChecks::Never => Pages::unchecked(),
            _ => Pages::new(&layout),
        };
        let table = Table::new(bytes, layout, pages, path);
        if !self.allow_packed {
            Packing::refuse(table.view())?;
        }
        if self.page_checks == PageChecks::AtOpen {
            table.view().check_all_pages()?;
        }
        if let Some(compare) = self.types {
            compare(&table)?;
        }
        Ok(table)
    }
}

impl Table {
    /// Maps the table at `path`, shared and read-only: its pages are those of the page cache, in
    /// memory once however many processes map it. Costs a handful of system calls, two of
    /// which read header and footer, whatever the size; no other byte is touched.
    ///
    /// # Safety
    /// As long as the table or a clone of it lives, nobody modifies or truncates the file. Files
    /// published by graven are replaced by rename and never modified, so this holds unless
    /// something else writes into them: never `cp` over a table, never edit one in place.
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    #[cfg(unix)]
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { OpenOptions::new().open(path) }
    }

    /// Reads the table at `path` into private memory, in huge pages where the kernel has them.
    /// Safe, since nobody else can change the copy; costs memory and time for the whole file.
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        OpenOptions::new().load(path)
    }

    /// Opens a table in memory: borrowed for ever (`include_bytes!`) or owned.
    ///
    /// # Errors
    /// [`OpenError`], which names the file; each cause has an [`OpenFailure`] of its own.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, OpenError> {
        OpenOptions::new().from_bytes(bytes)
    }

    /// Reads a table from a pipe, a socket or any other stream up to its end.
    ///
    /// # Errors
    /// [`OpenError`]; each cause has an [`OpenFailure`] of its own.
    pub fn from_reader(reader: impl Read) -> Result<Self, OpenError> {
        OpenOptions::new().from_reader(reader)
    }
}
