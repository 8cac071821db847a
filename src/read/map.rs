//! The mapping: the one file that knows where a table's bytes come from, and the functions that
//! map a path, which are unsafe to call.

#![expect(unsafe_code, reason = "maps files, and gives out the mapped bytes as a slice")]

use super::advice::Reading;
use super::mapping::{Mapping, address_space_exhausted, out_of_address_space, pages_around};
use super::open::{Access, Located, OpenOptions};
#[cfg(target_os = "linux")]
use super::residency::may_ask;
use super::residency::user;
use super::table::Table;
use super::typed::TypedTable;
use super::warm::Warm;
use crate::error::OpenError;
use crate::format::bucket::{BUCKET, first_bucket};
use crate::format::layout::Layout;
use crate::format::line::LINE;
use crate::format::types::TypedKey;
use crate::sigbus::{Lost, Watch};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use std::borrow::Cow;
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
    proven: Proven,
    /// Whether a page of a mapping was lost, which the guard against SIGBUS finds out.
    lost: Lost,
    /// Stands before the owner, so that it is dropped before the mapping.
    watch: Option<Watch>,
    owner: Owner,
}

/// Parts of the table whose bounds were proven once: a lookup has nothing more to ask than one
/// comparison each. What waits for memory takes a place in the processor's queues, so that each
/// instruction less between the index and the record lets more lookups overlap.
#[derive(Clone, Copy, Debug)]
struct Proven {
    /// Invariant: `cells` cells from here on lie inside the table.
    first_cell: NonNull<[u8; CELL]>,
    cells: u64,
    /// Invariant: 1 or more buckets from `first_bucket` on, which lie inside the table, or are
    /// [`NO_BUCKET`] alone.
    first_bucket: NonNull<[u8; CELL]>,
    buckets: u64,
    /// Invariant: `records_len` bytes from here on lie inside the table.
    records: NonNull<u8>,
    records_len: usize,
    /// Invariant: with each `rank` below `fixed`, `key_len + value_len` bytes from `rank * stride`
    /// bytes behind this on lie inside the table.
    first_key: NonNull<u8>,
    fixed: u64,
    /// Invariant: `fixed` where `key_len` is 8, 16 or 32 respectively, else 0. So one comparison
    /// asks for the rank and for that.
    fixed_8: u64,
    fixed_16: u64,
    fixed_32: u64,
    stride: usize,
    key_len: usize,
    value_len: usize,
}

/// Bytes of a line of the line index, and of a bucket of the hash index.
const CELL: usize = LINE;
const _: () = assert!(CELL == BUCKET);

/// Stands for the buckets where there are none: decides nothing.
static NO_BUCKET: [u8; CELL] = [u8::MAX; CELL];

impl Proven {
    const NOTHING: Self = Self {
        first_cell: NonNull::dangling(),
        cells: 0,
        first_bucket: NonNull::from_ref(&NO_BUCKET),
        buckets: 1,
        records: NonNull::dangling(),
        records_len: 0,
        first_key: NonNull::dangling(),
        fixed: 0,
        fixed_8: 0,
        fixed_16: 0,
        fixed_32: 0,
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

    /// Proves once what [`cell`](Self::cell), [`records`](Self::records) and
    /// [`fixed`](Self::fixed) rely on. What does not hold is as if it were not there.
    pub(crate) fn prove(&mut self, layout: &Layout) {
        let bytes = self.get();
        let mut proven = Proven::NOTHING;
        let lines = layout.lines.as_ref().map(|lines| lines.span);
        let index = lines.or(layout.hash.as_ref().map(|hash| hash.span)).unwrap_or_default();
        if let Some(index) = bytes.get(index.start..index.end) {
            let cells = index.as_chunks::<CELL>().0;
            proven.first_cell = NonNull::from(cells).cast();
            proven.cells = cells.len() as u64;
        }
        if let Some(hash) = &layout.hash
            && lines.is_none()
            && (1..=proven.cells).contains(&hash.buckets)
        {
            (proven.first_bucket, proven.buckets) = (proven.first_cell, hash.buckets);
        }
        if let Some(records) = bytes.get(layout.records.start..layout.records.end) {
            proven.records = NonNull::from(records).cast();
            proven.records_len = records.len();
        }
        if let Some(fixed) = &layout.fixed
            && let Some(keys) = bytes.get(fixed.first..)
            && fixed.end_of(layout.entries).is_some_and(|end| end <= keys.len())
        {
            proven.first_key = NonNull::from(keys).cast();
            let if_of = |len| if fixed.key_len == len { layout.entries } else { 0 };
            proven.fixed = layout.entries;
            (proven.fixed_8, proven.fixed_16, proven.fixed_32) = (if_of(8), if_of(16), if_of(32));
            proven.stride = fixed.stride;
            proven.key_len = fixed.key_len;
            proven.value_len = fixed.value_len;
        }
        self.proven = proven;
    }

    /// Where a part of the table starts.
    #[inline(always)]
    pub(crate) fn offset_of(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.start.addr().get())
    }

    /// Line or bucket `number` of the index that answers gets.
    #[inline(always)]
    pub(crate) fn cell(&self, number: u64) -> Option<&[u8; CELL]> {
        if number >= self.proven.cells {
            return None;
        }
        // SAFETY: invariant of `first_cell`.
        let cell = unsafe { self.proven.first_cell.add(number as usize) };
        // SAFETY: as above; the cell can't outlive `self`, which holds the owner.
        Some(unsafe { cell.as_ref() })
    }

    /// The first bucket of a hash, where most keys are found, if the hash index answers gets.
    #[inline(always)]
    pub(crate) fn bucket(&self, hash: u64) -> &[u8; CELL] {
        let Proven { first_bucket: start, buckets, .. } = self.proven;
        // Below `buckets`, as it is a 2^64th of less than 2^64 times as much.
        let number = first_bucket(hash, buckets);
        // SAFETY: invariant of `first_bucket`.
        let bucket = unsafe { start.add(number as usize) };
        // SAFETY: as above; the bucket can't outlive `self`, which holds the owner.
        unsafe { bucket.as_ref() }
    }

    /// The bytes of all records.
    #[inline(always)]
    pub(crate) fn records(&self) -> &[u8] {
        let Proven { records, records_len, .. } = self.proven;
        // SAFETY: invariant of `records`; the slice can't outlive `self`, which holds the owner.
        unsafe { NonNull::slice_from_raw_parts(records, records_len).as_ref() }
    }

    /// Key and value of the record of fixed width with this rank. `LEN`: the length of the table's
    /// keys, which is 8, 16 or 32, or [`ANY_LEN`].
    #[inline(always)]
    pub(crate) fn fixed<const LEN: usize>(&self, rank: u64) -> Option<(&[u8], &[u8])> {
        let Proven { first_key, stride, value_len, .. } = self.proven;
        let (ranks, key_len) = match LEN {
            8 => (self.proven.fixed_8, 8),
            16 => (self.proven.fixed_16, 16),
            32 => (self.proven.fixed_32, 32),
            _ => (self.proven.fixed, self.proven.key_len),
        };
        if rank >= ranks {
            return None;
        }
        // SAFETY: invariant of `first_key`.
        let key = unsafe { first_key.add(rank as usize * stride) };
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
        Self { start, len, proven: Proven::NOTHING, lost: Lost::NEVER, watch: None, owner }
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
            proven: Proven::NOTHING,
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
        let reading = Reading::new(access, len);
        let mapping = Mapping { map, reading, user: user(&file.metadata) };
        if reading != Reading::Ahead {
            mapping.advise(reading);
        }
        Ok(Self { start, len, proven: Proven::NOTHING, lost, watch, owner: Owner::Mapped(mapping) })
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
        mapping.ask(start, len);
        Ok(())
    }

    /// Asks the kernel to begin to read a part of the table, and does not wait.
    pub(crate) fn ask(&self, part: std::ops::Range<usize>) {
        if let Owner::Mapped(mapping) = &self.owner
            && !part.is_empty()
        {
            mapping.ask(mapping.place(self.start, part.start), part.len());
        }
    }

    /// How pages come into memory.
    pub(super) fn reading(&self) -> Reading {
        if let Owner::Mapped(mapping) = &self.owner { mapping.reading } else { Reading::Ahead }
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
            Owner::Mapped(mapping) if mapping.reading != Reading::Ahead => {
                mapping.advise(Reading::Ahead);
                let result = work();
                mapping.advise(mapping.reading);
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
            let locked = self.reading_ahead(|| memory.lock());
            locked.map_err(|source| OpenError::LockRefused { needed, limit, source })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::lookup::ANY_LEN;
    use crate::{BuildOptions, HashIndex};

    /// A layout proves nothing of bytes that it is not of: what lookups find lies inside them
    /// wherever they end.
    #[test]
    fn nothing_is_found_beyond_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        for hash_index in [HashIndex::Auto, HashIndex::Always] {
            let mut builder = BuildOptions::new().hash_index(hash_index).create(&path).unwrap();
            for key in 0..500u64 {
                let key = key.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                builder.insert(&key, &[7; 5]).unwrap();
            }
            builder.finish().unwrap();
            let whole = std::fs::read(&path).unwrap();
            let layout = Layout::parse(&whole).unwrap();
            let cells = (whole.len() / CELL) as u64;
            let mut found = [false; 3];
            for len in (0..=whole.len()).step_by(13).chain([whole.len()]) {
                let mut bytes = Bytes::from_cow(whole[..len].to_vec().into());
                bytes.prove(&layout);
                let end_of = |part: &[u8]| bytes.offset_of(part) + part.len();
                let last_cell = (0..cells).rev().find_map(|number| bytes.cell(number));
                let last_key = (0..501).rev().find_map(|rank| bytes.fixed::<ANY_LEN>(rank));
                assert!(last_cell.is_none_or(|cell| end_of(cell) <= len), "{len} bytes");
                assert!(last_key.is_none_or(|(_, value)| end_of(value) <= len), "{len} bytes");
                assert!(bytes.records().is_empty() || end_of(bytes.records()) <= len);
                found = [last_cell.is_some(), last_key.is_some(), !bytes.records().is_empty()];
            }
            assert_eq!(found, [true; 3], "all is there in the whole table");
        }
    }
}
