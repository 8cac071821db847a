//! The mapping: the one file that knows where a table's bytes come from, and the functions that
//! map a path, which are unsafe to call.

#![expect(unsafe_code, reason = "maps files, and gives out the mapped bytes as a slice")]

use super::open::{Access, Located, OpenOptions};
use super::table::Table;
use super::typed::TypedTable;
use super::warm::Warm;
use crate::error::OpenError;
use crate::format::layout::Layout;
use crate::format::line::LINE;
use crate::format::types::TypedKey;
use crate::sigbus::{Lost, Watch};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use std::borrow::Cow;
use std::fs::Metadata;
use std::ops::ControlFlow;
use std::path::Path;
use std::ptr::NonNull;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The bytes of a table, whoever owns them. They do not move and do not change.
#[derive(Debug)]
pub(crate) struct Bytes {
    /// Invariant: valid for reads of `len` bytes, unchanged, as long as `owner` lives. Of a type
    /// that is never null, so that no lookup asks whether what it has found is.
    start: NonNull<u8>,
    len: usize,
    /// What lookups find by its number.
    numbered: Numbered,
    /// Whether a page of a mapping was lost, which the guard against SIGBUS finds out.
    lost: Lost,
    /// Stands before the owner, so that it is dropped before the mapping.
    watch: Option<Watch>,
    owner: Owner,
}

/// Records of fixed width, and the lines that lead to them, whose bounds were proven once: a lookup
/// has nothing to ask but whether there are so many. What waits for memory takes a place in the
/// processor's queues, so each instruction less between the line and the record counts.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    /// Invariant: `lines` lines from here on lie inside the table.
    first_line: NonNull<[u8; LINE]>,
    lines: u64,
    /// Invariant: with each `rank` below `records`, `key_len + value_len` bytes from
    /// `rank * stride` bytes behind this on lie inside the table.
    first_record: NonNull<u8>,
    records: u64,
    stride: usize,
    key_len: usize,
    value_len: usize,
}

impl Numbered {
    const NOTHING: Self = Self {
        first_line: NonNull::dangling(),
        lines: 0,
        first_record: NonNull::dangling(),
        records: 0,
        stride: 0,
        key_len: 0,
        value_len: 0,
    };
}

#[derive(Debug)]
enum Owner {
    Mapped(Mapping),
    Private(Mmap),
    Heap(#[expect(dead_code, reason = "held for its memory")] Vec<u8>),
    Static,
}

/// A mapped part of a file.
#[derive(Debug)]
struct Mapping {
    map: Mmap,
    access: Access,
    /// Who owns the file, where users have numbers.
    user: Option<u32>,
}

// SAFETY: `Bytes` only ever gives out shared slices of memory that nobody writes (invariant of
// `start`), so it may be used from any thread.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// All bytes of the table.
    #[inline]
    pub(crate) fn get(&self) -> &[u8] {
        // SAFETY: invariant of `start`; the slice can't outlive `self`, which holds the owner.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_ref() }
    }

    /// Proves once what [`line`](Self::line) and [`record`](Self::record) rely on. Without a line
    /// index, or where a bound does not hold, there are no lines and no records.
    pub(crate) fn number(&mut self, layout: &Layout) {
        self.numbered = self.proven(layout).unwrap_or(Numbered::NOTHING);
    }

    fn proven(&self, layout: &Layout) -> Option<Numbered> {
        let (lines, fixed) = (layout.lines.as_ref()?, layout.fixed.as_ref()?);
        let bytes = self.get();
        let index = bytes.get(lines.span.start..lines.span.end)?.as_chunks::<LINE>().0;
        let len = fixed.key_len.checked_add(fixed.value_len)?;
        let last = usize::try_from(layout.entries.checked_sub(1)?).ok()?;
        let records = bytes.get(fixed.first..)?;
        (last.checked_mul(fixed.stride)?.checked_add(len)? <= records.len()).then_some(Numbered {
            first_line: NonNull::from(index).cast(),
            lines: index.len() as u64,
            first_record: NonNull::from(records).cast(),
            records: layout.entries,
            stride: fixed.stride,
            key_len: fixed.key_len,
            value_len: fixed.value_len,
        })
    }

    /// Where a part of the table starts.
    #[inline(always)]
    pub(crate) fn offset_of(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.start.addr().get())
    }

    /// Line `number` of the line index.
    #[inline(always)]
    pub(crate) fn line(&self, number: u64) -> Option<&[u8; LINE]> {
        if number >= self.numbered.lines {
            return None;
        }
        // SAFETY: invariant of `first_line`.
        let line = unsafe { self.numbered.first_line.add(number as usize) };
        // SAFETY: as above; the line can't outlive `self`, which holds the owner.
        Some(unsafe { line.as_ref() })
    }

    /// Key and value of the record of fixed width with this rank, in a table with a line index.
    #[inline(always)]
    pub(crate) fn record(&self, rank: u64) -> Option<(&[u8], &[u8])> {
        let Numbered { first_record, records, stride, key_len, value_len, .. } = self.numbered;
        if rank >= records {
            return None;
        }
        // SAFETY: invariant of `first_record`.
        let key = unsafe { first_record.add(rank as usize * stride) };
        // SAFETY: as above.
        let value = unsafe { key.add(key_len) };
        let (key, value) = (
            NonNull::slice_from_raw_parts(key, key_len),
            NonNull::slice_from_raw_parts(value, value_len),
        );
        // SAFETY: as above; the slices can't outlive `self`, which holds the owner.
        Some((unsafe { key.as_ref() }, unsafe { value.as_ref() }))
    }

    /// Whether all that was read before this call was the file's; see [`Lost::nothing`].
    #[inline(always)]
    pub(crate) fn unharmed(&self) -> bool {
        self.lost.nothing()
    }

    /// Where the first lost page was touched, counted from the table's first byte.
    #[cold]
    pub(crate) fn lost_at(&self) -> Option<u64> {
        self.lost.address().map(|address| address.saturating_sub(self.start.addr().get()) as u64)
    }

    /// Whether the guard knows these bytes, or needs not.
    pub(crate) fn watched(&self) -> bool {
        self.watch.is_some() || !matches!(self.owner, Owner::Mapped(_))
    }

    /// Bytes borrowed for ever, or owned.
    pub(crate) fn from_cow(bytes: Cow<'static, [u8]>) -> Self {
        let (start, len) = (NonNull::from(&bytes[..]).cast(), bytes.len());
        let owner = match bytes {
            Cow::Borrowed(_) => Owner::Static,
            // A `Vec` that is never touched again keeps its buffer where it is.
            Cow::Owned(bytes) => Owner::Heap(bytes),
        };
        Self { start, len, numbered: Numbered::NOTHING, lost: Lost::NEVER, watch: None, owner }
    }

    /// A private copy that `fill` writes into zeroed, page-aligned memory, in huge pages where
    /// the kernel has them.
    pub(crate) fn private(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        let out_of_memory = |_| OpenError::OutOfMemory { needed: len as u64 };
        let mut memory = MmapMut::map_anon(len.max(1)).map_err(out_of_memory)?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages it is slower, not wrong.
        let _ = memory.advise(Advice::HugePage);
        fill(&mut memory[..len])?;
        let memory = memory.make_read_only().map_err(out_of_memory)?;
        let start = NonNull::from(&memory[..]).cast();
        Ok(Self {
            start,
            len,
            numbered: Numbered::NOTHING,
            lost: Lost::NEVER,
            watch: None,
            owner: Owner::Private(memory),
        })
    }

    /// Maps a part of a file, whose offset need not be a multiple of the page size.
    ///
    /// # Safety
    /// Until the result is dropped, nobody modifies or truncates the file.
    unsafe fn map(file: &Located, access: Access) -> Result<Self, OpenError> {
        let len = file.len;
        let mut options = MmapOptions::new();
        options.offset(file.offset).len(len);
        // SAFETY: the caller promises that the file stays as it is.
        let shared = unsafe { options.map(&file.file) };
        let mapped = match shared {
            // Some file systems refuse shared mappings; a private read-only one uses the same
            // page-cache pages.
            Err(error) if !out_of_address_space(&error) => {
                // SAFETY: as above.
                unsafe { options.map_copy_read_only(&file.file) }.map_err(|_| error)
            }
            other => other,
        };
        let map = mapped.map_err(|source| {
            if out_of_address_space(&source) {
                address_space_exhausted(len as u64)
            } else {
                OpenError::Io { action: "map the file", path: None, source }
            }
        })?;
        let start = NonNull::from(&map[..]).cast();
        let (first, end) = pages_around(start.addr().get(), len);
        let watch = Watch::new(first, end);
        let lost = watch.as_ref().map_or(Lost::NEVER, Watch::lost);
        let mapping = Mapping { map, access, user: user(&file.metadata) };
        if access != Access::Normal {
            mapping.advise(access);
        }
        Ok(Self {
            start,
            len,
            numbered: Numbered::NOTHING,
            lost,
            watch,
            owner: Owner::Mapped(mapping),
        })
    }

    /// Makes the kernel map these bytes. On Linux ≥ 5.14 a page that can't be read is an error
    /// here and not a SIGBUS at its first touch; elsewhere the kernel is only advised to read
    /// them.
    pub(crate) fn populate(&self, start: usize, len: usize) -> std::io::Result<()> {
        let Owner::Mapped(mapping) = &self.owner else { return Ok(()) };
        let start = mapping.place(self.start, start);
        #[cfg(target_os = "linux")]
        match mapping.map.advise_range(Advice::PopulateRead, start, len) {
            // An older kernel does not know the advice.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
            other => return other,
        }
        #[cfg(unix)]
        let _ = mapping.map.advise_range(Advice::WillNeed, start, len);
        Ok(())
    }

    /// Asks for 2 MiB pages under bytes that were not touched yet. The kernel then reads a cold
    /// file in pieces of that size.
    pub(crate) fn ask_for_huge_pages(&self, start: usize, len: usize) {
        #[cfg(target_os = "linux")]
        if let Owner::Mapped(mapping) = &self.owner {
            let start = mapping.place(self.start, start);
            // Advice: a kernel or file system without huge pages maps small ones.
            let _ = mapping.map.advise_range(Advice::HugePage, start, len);
        }
        let _ = (start, len);
    }

    /// Does `work` while the kernel reads ahead as it usually does, whatever access was asked for.
    pub(crate) fn reading_ahead<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.owner {
            Owner::Mapped(mapping) if mapping.access != Access::Normal => {
                mapping.advise(Access::Normal);
                let result = work();
                mapping.advise(mapping.access);
                result
            }
            _ => work(),
        }
    }

    /// Keeps the bytes in memory until they are dropped.
    pub(crate) fn lock(&self) -> Result<(), OpenError> {
        #[cfg(unix)]
        {
            let memory = match &self.owner {
                Owner::Mapped(mapping) => &mapping.map,
                Owner::Private(memory) => memory,
                Owner::Heap(_) | Owner::Static => return Ok(()),
            };
            let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
            let needed = self.len as u64;
            memory.lock().map_err(|source| OpenError::LockRefused { needed, limit, source })
        }
        #[cfg(not(unix))]
        Ok(())
    }

    /// Bytes of a part that are in memory; `None` where the kernel does not say, or does not say
    /// the truth. Linux calls all pages of a file resident if the asking user neither owns it nor
    /// may override that.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self, part: std::ops::Range<usize>) -> Option<u64> {
        match &self.owner {
            // Whoever may write the file is told the truth as well, but tables are read-only.
            Owner::Mapped(mapping) if !may_ask(mapping.user?) => return None,
            Owner::Static => return None,
            Owner::Mapped(_) | Owner::Private(_) | Owner::Heap(_) => {}
        }
        /// Pages that are asked for at once.
        const PAGES: usize = 4096;
        let page = rustix::param::page_size();
        let bytes = self.get().get(part)?.as_ptr_range();
        let (start, end) = (bytes.start.addr(), bytes.end.addr());
        let (first, last) = pages_around(start, end - start);
        let mut answers = [0u8; PAGES];
        let mut resident = 0;
        for chunk in (first..last).step_by(PAGES * page) {
            let len = (last - chunk).min(PAGES * page);
            let memory = self.start.as_ptr().with_addr(chunk).cast();
            // SAFETY: the pages hold bytes of `self`, so they are mapped; `answers` has room for
            // one byte for each of them.
            let asked = unsafe { libc::mincore(memory, len, answers.as_mut_ptr()) };
            if asked != 0 {
                return None;
            }
            for (number, answer) in answers[..len.div_ceil(page)].iter().enumerate() {
                if answer & 1 == 1 {
                    let from = chunk + number * page;
                    resident += (from + page).min(end) - from.max(start);
                }
            }
        }
        Some(resident as u64)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn resident(&self, _: std::ops::Range<usize>) -> Option<u64> {
        None
    }
}

impl Mapping {
    /// Where a byte of the table lies in the mapping, which may begin before it.
    fn place(&self, table: NonNull<u8>, offset: usize) -> usize {
        table.addr().get() - self.map.as_ptr().addr() + offset
    }

    /// Advice: a kernel that refuses it reads ahead as it likes.
    fn advise(&self, access: Access) {
        #[cfg(unix)]
        let _ = self.map.advise(match access {
            Access::Normal => Advice::Normal,
            Access::Random => Advice::Random,
            Access::Sequential => Advice::Sequential,
        });
        #[cfg(not(unix))]
        let _ = access;
    }
}

/// The whole pages that hold `len` bytes from `start` on.
fn pages_around(start: usize, len: usize) -> (usize, usize) {
    #[cfg(unix)]
    let page = rustix::param::page_size();
    #[cfg(not(unix))]
    let page = 4096;
    (start & !(page - 1), (start + len).next_multiple_of(page))
}

#[cfg(unix)]
fn user(metadata: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(metadata))
}

#[cfg(not(unix))]
fn user(_: &Metadata) -> Option<u32> {
    None
}

/// Whether the kernel tells this process which pages of a file of `user` are in memory: it owns
/// the file, or has the capability to act like an owner.
#[cfg(target_os = "linux")]
fn may_ask(user: u32) -> bool {
    const CAP_FOWNER: u64 = 1 << 3;
    let status = || std::fs::read_to_string("/proc/self/status").ok();
    let capable = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    rustix::process::geteuid().as_raw() == user
        || status().and_then(capable).is_some_and(|capable| capable & CAP_FOWNER != 0)
}

/// With the limit, where there is one.
pub(super) fn address_space_exhausted(needed: u64) -> OpenError {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    #[cfg(not(unix))]
    let limit = None;
    OpenError::AddressSpaceExhausted { needed, limit }
}

#[cfg(unix)]
fn out_of_address_space(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error())
}

#[cfg(not(unix))]
fn out_of_address_space(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::OutOfMemory
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
    /// See [`OpenError`]; each cause has its own.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { OpenOptions::new().open(path) }
    }
}

impl OpenOptions {
    /// Maps the table at `path` with these options.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<Table, OpenError> {
        let file = self.locate(path.as_ref())?;
        // SAFETY: the caller's promise is the same.
        let table = unsafe { self.map(&file) }?;
        self.prepare(&table, |_| ControlFlow::Continue(()))?;
        Ok(table)
    }

    /// Maps a file that is open already, after a look at its ends.
    ///
    /// # Safety
    /// As for [`Table::open`].
    pub(crate) unsafe fn map(&self, file: &Located) -> Result<Table, OpenError> {
        // SAFETY: the caller promises that the file stays as it is while the table lives.
        let bytes = unsafe { Bytes::map(file, self.access) }?;
        if self.warm == Warm::All {
            // To read the ends would bring them into memory in small pages.
            bytes.ask_for_huge_pages(0, file.len);
            return self.finish(bytes);
        }
        self.finish_with(bytes, Self::layout(file)?)
    }
}

impl<K, V> TypedTable<K, V>
where
    K: TypedKey,
    V: FromBytes + Immutable + KnownLayout + 'static,
{
    /// Maps the typed table at `path`.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// As [`Table::open`], and as [`TypedTable::new`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        let table = unsafe { Table::open(path) }?;
        Self::new(table)
    }
}
