//! The bytes of a table, whoever owns them.

#![expect(unsafe_code, reason = "gives out mapped bytes as a slice, asks which are in memory")]

#[cfg(target_os = "linux")]
use super::file::may_ask;
#[cfg(unix)]
use super::file::{AccessPattern, Located};
#[cfg(target_os = "linux")]
use super::large::LargePages;
use super::mapping::Mapping;
#[cfg(unix)]
use super::mapping::pages_around;
use super::private::Private;
use super::proven::Proven;
use super::reading::Reading;
use crate::error::OpenFailure;
use crate::format::layout::Layout;
use crate::sigbus::{Lost, Watch};
use std::borrow::Cow;
use std::ptr::NonNull;

/// The bytes of a table, whoever owns them. They do not move and do not change.
#[derive(Debug)]
pub(crate) struct Bytes {
    /// Invariant: valid for reads of `len` bytes, unchanged, as long as `owner` lives. The type is
    /// never null, so no lookup asks whether a result is.
    start: NonNull<u8>,
    len: usize,
    /// Invariant: proven for these bytes, or [`Proven::NOTHING`].
    proven: Proven,
    /// Whether a page of the mapping was lost, as far as the guard against SIGBUS knows.
    lost: Lost,
    /// Stands before the owner, so that it is dropped before the mapping.
    watch: Option<Watch>,
    owner: Owner,
}

#[derive(Debug)]
enum Owner {
    Mapped(Mapping),
    Private(Private),
    Heap(#[expect(dead_code, reason = "held for its memory")] Vec<u8>),
    Static,
}

// SAFETY: `Bytes` only ever gives out shared slices of memory that nobody writes (invariant of
// `start`), so it may be used from any thread.
unsafe impl Send for Bytes {}
// SAFETY: `Bytes` only ever gives out shared slices of memory that nobody writes (invariant of
// `start`), so it may be used from any thread.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// All bytes of the table.
    #[inline]
    pub(crate) fn get(&self) -> &[u8] {
        // SAFETY: invariant of `start`; the slice can't outlive `self`, which holds the owner.
        unsafe { NonNull::slice_from_raw_parts(self.start, self.len).as_ref() }
    }

    /// Proves once the parts that [`proven`](Self::proven) then finds.
    pub(crate) fn prove(&mut self, layout: &Layout) {
        // SAFETY: the result lies beside the owner of the memory and is dropped with it.
        self.proven = unsafe { Proven::new(self.get(), layout) };
    }

    /// The proven parts of the table.
    #[inline(always)]
    pub(crate) fn proven(&self) -> &Proven {
        &self.proven
    }

    /// Where a part of the table starts.
    #[inline(always)]
    pub(crate) fn offset_of(&self, part: &[u8]) -> usize {
        part.as_ptr().addr().wrapping_sub(self.start.addr().get())
    }

    /// Whether no page was lost before this call: all that was read until now was the file's. See
    /// [`Lost::nothing`].
    #[inline(always)]
    pub(crate) fn nothing_lost(&self) -> bool {
        self.lost.nothing()
    }

    /// Where the first lost page was touched, counted from the table's first byte.
    #[cold]
    pub(crate) fn lost_at(&self) -> Option<u64> {
        self.lost.address().map(|address| address.saturating_sub(self.start.addr().get()) as u64)
    }

    /// Whether the guard against SIGBUS watches these bytes, or they need no guard.
    pub(crate) fn is_guarded(&self) -> bool {
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

    /// A private copy that `fill` writes into zeroed memory.
    pub(crate) fn private(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), OpenFailure>,
    ) -> Result<Self, OpenFailure> {
        let memory = Private::new(len, fill)?;
        let start = NonNull::from(memory.bytes()).cast();
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
    #[cfg(unix)]
    pub(crate) unsafe fn map(file: &Located, access: AccessPattern) -> Result<Self, OpenFailure> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::map_as(file, Reading::new(access, file.len)) }
    }

    /// Maps a part of a file that is read in a given way.
    ///
    /// # Safety
    /// As for [`map`](Self::map).
    #[cfg(unix)]
    pub(crate) unsafe fn map_as(file: &Located, reading: Reading) -> Result<Self, OpenFailure> {
        // SAFETY: the caller's promise is the same.
        let mapping = unsafe { Mapping::new(file, reading) }?;
        let (start, len) = (NonNull::from(&mapping.map[..]).cast(), file.len);
        let (first, end) = pages_around(start.addr().get(), len);
        let watch = Watch::new(first, end);
        let lost = watch.as_ref().map_or(Lost::NEVER, Watch::lost);
        Ok(Self { start, len, proven: Proven::NOTHING, lost, watch, owner: Owner::Mapped(mapping) })
    }

    fn mapping(&self) -> Option<&Mapping> {
        match &self.owner {
            Owner::Mapped(mapping) => Some(mapping),
            Owner::Private(_) | Owner::Heap(_) | Owner::Static => None,
        }
    }

    /// Makes the kernel map these bytes; see [`Mapping::populate`]. Bytes that are no mapping are
    /// in memory anyway.
    pub(crate) fn populate(&self, start: usize, len: usize) -> std::io::Result<()> {
        self.mapping().map_or(Ok(()), |mapping| mapping.populate(self.start, start, len))
    }

    /// Asks the kernel to begin to read a part of the table, and does not wait.
    pub(crate) fn ask(&self, part: std::ops::Range<usize>) {
        if let Some(mapping) = self.mapping()
            && !part.is_empty()
        {
            mapping.ask(self.start, part.start, part.len());
        }
    }

    /// Reads a part of the table as the kernel reads ahead by itself.
    pub(crate) fn read_on(&self, part: std::ops::Range<usize>) {
        if let Some(mapping) = self.mapping()
            && !part.is_empty()
        {
            mapping.read_on(self.start, part.start, part.len());
        }
    }

    /// Keeps an index in memory, where that is worth it; see [`Mapping::keep_index`].
    pub(crate) fn keep_index(&mut self, part: std::ops::Range<usize>) {
        if let Owner::Mapped(mapping) = &mut self.owner {
            mapping.keep_index(self.start, part.start, part.len());
        }
    }

    /// How pages come into memory.
    pub(crate) fn reading(&self) -> Reading {
        self.mapping().map_or(Reading::Ahead, Mapping::reading)
    }

    /// Asks for 2 MiB pages under bytes of a mapping that were not touched yet.
    pub(crate) fn ask_for_huge_pages(&self, start: usize, len: usize) {
        if let Some(mapping) = self.mapping() {
            mapping.ask_for_huge_pages(self.start, start, len);
        }
    }

    /// Does `work` while the kernel reads ahead by its default, whatever access was asked for.
    pub(crate) fn reading_ahead<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.mapping() {
            Some(mapping) => mapping.reading_ahead(work),
            None => work(),
        }
    }

    /// Makes a mapping of the file at `path` ready to be read into large pages: small ones that are in
    /// memory are joined, or leave it. What can't be done is left undone.
    #[cfg(target_os = "linux")]
    pub(crate) fn make_way_for_large_pages(&self, path: &std::path::Path) {
        let Some(large) = self.mapping().map(LargePages::of) else { return };
        // A table that is too small for a large page is not worth a sync.
        if large.places().is_empty() {
            return;
        }
        // A file that is in memory in part came there in small pieces.
        if self.resident(0..self.len).is_none_or(|resident| resident == self.len as u64) {
            let is_large = || self.populate(0, self.len).is_err() || large.hold_nearly_all();
            if large.are_there_or_join(is_large) {
                return;
            }
        }
        let _ = large.forget_small_pages(path);
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn make_way_for_large_pages(&self, _: &std::path::Path) {}

    /// Keeps the bytes in memory until they are dropped.
    pub(crate) fn lock(&self) -> Result<(), OpenFailure> {
        #[cfg(unix)]
        {
            let lock = || match &self.owner {
                Owner::Mapped(mapping) => mapping.map.lock(),
                Owner::Private(memory) => memory.lock(),
                Owner::Heap(_) | Owner::Static => Ok(()),
            };
            let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
            let needed = self.len as u64;
            let locked = self.reading_ahead(lock);
            locked.map_err(|source| OpenFailure::LockRefused { needed, limit, source })
        }
        #[cfg(not(unix))]
        Ok(())
    }

    /// How many bytes of a part are in memory; `None` where the kernel does not say, or does not
    /// say the truth. Linux calls all pages of a file resident unless the asking user owns the
    /// file, or may act as its owner.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident(&self, part: std::ops::Range<usize>) -> Option<u64> {
        match &self.owner {
            // A user who may write the file gets the truth as well, but tables are read-only.
            Owner::Mapped(mapping) if !may_ask(mapping.owner?) => return None,
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

#[cfg(test)]
mod tests {
    use super::super::proven::AnyLen;
    use super::*;
    use crate::format::index::line::LINE;
    use crate::{BuildOptions, HashIndex};

    /// A layout proves nothing about the bytes of another table: lookups find only parts that lie
    /// inside the bytes, wherever these end.
    #[test]
    fn nothing_is_found_beyond_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        for hash_index in [HashIndex::Auto, HashIndex::Always] {
            let mut builder = BuildOptions::new().hash_index(hash_index).create(&path).unwrap();
            for key in 0..500u64 {
                let key = key.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
                builder.insert(key, [7; 5]).unwrap();
            }
            builder.finish().unwrap();
            let whole = std::fs::read(&path).unwrap();
            let layout = Layout::parse(&whole).unwrap();
            let cells = (whole.len() / LINE) as u64;
            let mut found = ([false; 3], false);
            for len in (0..=whole.len()).step_by(13).chain([whole.len()]) {
                let mut bytes = Bytes::from_cow(whole[..len].to_vec().into());
                bytes.prove(&layout);
                let end_of = |part: &[u8]| bytes.offset_of(part) + part.len();
                let last_cell = (0..cells).rev().find_map(|number| bytes.proven().cell(number));
                let last_key = (0..501).rev().find_map(|rank| bytes.proven().fixed::<AnyLen>(rank));
                assert!(last_cell.is_none_or(|cell| end_of(cell) <= len), "{len} bytes");
                assert!(last_key.is_none_or(|(_, value)| end_of(value) <= len), "{len} bytes");
                let starts = (0..whole.len()).rev();
                let record = |start: usize| Some((start, bytes.proven().record(start, start, 1)?));
                let last_record = starts.filter_map(record).next();
                if let Some((start, (_, key, rest))) = last_record {
                    let place = bytes.offset_of(key);
                    assert!(place + 4 <= len && end_of(rest) <= len, "record at {start}, {len}");
                    assert!(bytes.proven().record(start, start, rest.len() + 2).is_none());
                    assert!(bytes.proven().record(start, start, usize::MAX).is_none());
                    assert!(bytes.proven().record(usize::MAX, start, 1).is_none());
                }
                // Cells that any hash and any head may name. One that stands for none has all bits.
                let numbers = (0..=64).map(|i| (u64::MAX >> 6) * i).chain([1, u64::MAX]);
                let mut cells = 0;
                for number in numbers {
                    let line = bytes.proven().line(number).map(|(line, _)| line);
                    let first = bytes.proven().bucket(number);
                    let second = bytes.proven().second_bucket(number);
                    for cell in [first, second].into_iter().chain(line) {
                        let stands_for_none = cell.iter().all(|&byte| byte == u8::MAX);
                        assert!(stands_for_none || end_of(cell) <= len, "{number:x}, {len} bytes");
                        cells += usize::from(!stands_for_none);
                    }
                }
                let parts = [last_cell.is_some(), last_key.is_some(), last_record.is_some()];
                found = (parts, cells > 60);
            }
            assert_eq!(found, ([true; 3], true), "all is there in the whole table");
        }
    }

    #[test]
    fn bytes_without_a_file_need_no_guard() {
        let private = Bytes::private(3, |_| Ok(())).unwrap();
        let owned = [Bytes::from_cow(vec![7; 3].into()), Bytes::from_cow(Cow::Borrowed(b"abc"))];
        assert!(owned.iter().chain([&private]).all(Bytes::is_guarded));
    }

    /// Of bytes of a file.
    #[cfg(target_os = "linux")]
    mod of_a_file {
        use super::super::*;
        use crate::file::powers::without_powers;
        use crate::read::map::observed::{
            PART, files_come_when_asked_for, have_flag, large_pages_can_be_asked_for, major_faults,
            mapped_in, pages_can_be_mapped_in, residency_is_told, unread_file,
        };

        /// Bytes of a large page.
        const LARGE: usize = 2 << 20;

        /// Zeros of which none is in memory.
        fn unread(len: usize, reading: Reading) -> (tempfile::TempDir, Located, Bytes) {
            let (directory, file) = unread_file(len);
            // SAFETY: nobody else knows the file, and what is cut off of it is not read.
            let bytes = unsafe { Bytes::map_as(&file, reading) }.unwrap();
            (directory, file, bytes)
        }

        fn mapping_of(bytes: &mut Bytes) -> &mut Mapping {
            match &mut bytes.owner {
                Owner::Mapped(mapping) => mapping,
                _ => panic!("these bytes are mapped"),
            }
        }

        /// Whether a part comes into memory soon.
        fn comes(bytes: &Bytes, part: std::ops::Range<usize>) -> bool {
            (0..400).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                bytes.resident(part.clone()) == Some(part.len() as u64)
            })
        }

        #[test]
        fn they_are_guarded_while_somebody_watches() {
            let (_directory, _file, mut bytes) = unread(PART, Reading::Ahead);
            assert_eq!(bytes.is_guarded(), bytes.watch.is_some());
            bytes.watch = None;
            assert!(!bytes.is_guarded());
        }

        #[test]
        fn what_is_asked_for_comes_and_nothing_else() {
            if !files_come_when_asked_for() {
                return;
            }
            let (_directory, _file, bytes) = unread(8 * PART, Reading::Pages);
            if bytes.resident(0..8 * PART) != Some(0) {
                return;
            }
            bytes.ask(PART..PART);
            bytes.ask(2 * PART..4 * PART);
            assert!(comes(&bytes, 2 * PART..4 * PART));
            bytes.read_on(PART..PART);
            bytes.read_on(6 * PART..7 * PART);
            assert!(comes(&bytes, 6 * PART..7 * PART));
            for part in [0..2 * PART, 4 * PART..6 * PART, 7 * PART..8 * PART] {
                assert_eq!(bytes.resident(part.clone()), Some(0), "{part:?}");
            }
        }

        /// A long walk waits for what it reads on, and leaves the advice as it was.
        #[test]
        fn a_walk_with_enough_memory_finds_what_it_reads_on() {
            let reading = Reading::Windows { available: u64::MAX };
            let (_directory, _file, bytes) = unread(8 * PART, reading);
            if !pages_can_be_mapped_in() || bytes.resident(0..8 * PART) != Some(0) {
                return;
            }
            bytes.read_on(2 * PART..3 * PART);
            assert_eq!(bytes.resident(2 * PART..3 * PART), Some(PART as u64));
            let start = bytes.get().as_ptr().addr();
            assert_ne!(have_flag([start + 2 * PART], "rr"), Some([false]));
        }

        #[test]
        fn an_index_is_kept_where_it_lies() {
            let reading = Reading::Windows { available: 4 * PART as u64 };
            let (_directory, _file, mut bytes) = unread(8 * PART, reading);
            bytes.keep_index(6 * PART..8 * PART);
            let start = bytes.get().as_ptr().addr();
            let read_singly = have_flag([start + 6 * PART - 1, start + 6 * PART], "rr");
            assert!(matches!(read_singly, None | Some([true, false])), "{read_singly:?}");
        }

        #[test]
        fn large_pages_are_asked_for_under_a_part() {
            if !large_pages_can_be_asked_for() {
                return;
            }
            let (_directory, _file, bytes) = unread(4 * PART, Reading::Ahead);
            bytes.ask_for_huge_pages(PART, 2 * PART);
            let start = bytes.get().as_ptr().addr();
            let places = [PART - 1, PART, 3 * PART].map(|place| start + place);
            assert_eq!(have_flag(places, "hg"), Some([false, true, false]));
        }

        #[test]
        fn memory_that_nobody_has_touched_is_not_resident() {
            const LEN: usize = 64 << 20;
            if !residency_is_told() {
                return;
            }
            let fill = |memory: &mut [u8]| {
                memory[0] = 1;
                Ok(())
            };
            let bytes = Bytes::private(LEN, fill).unwrap();
            assert_eq!(bytes.resident(1..9), Some(8));
            assert_eq!(bytes.resident(LEN / 2..LEN / 2 + PART), Some(0));
        }

        /// The kernel calls all pages of such a file resident.
        #[test]
        fn what_is_resident_of_a_file_of_others_is_not_known() {
            let (_directory, _file, mut bytes) = unread(PART, Reading::Ahead);
            let other = rustix::process::geteuid().as_raw().wrapping_add(1);
            mapping_of(&mut bytes).owner = Some(other);
            assert_eq!(without_powers(|| bytes.resident(0..PART)), None);
        }

        /// A file of which little is in memory is not read as a whole before its pages are given up.
        #[test]
        fn a_file_that_is_not_in_memory_is_tried_at_once() {
            let (_directory, file, mut bytes) = unread(12 * LARGE, Reading::Ahead);
            if !pages_can_be_mapped_in() || bytes.resident(0..12 * LARGE) != Some(0) {
                return;
            }
            // So that no large ones come, on any system.
            let _ = mapping_of(&mut bytes).map.advise(memmap2::Advice::NoHugePage);
            let addresses = mapping_of(&mut bytes).addresses();
            if mapped_in(&addresses) != Some(0) {
                return;
            }
            bytes.make_way_for_large_pages(&file.path);
            // Every second one of twelve places, or of eleven.
            assert_eq!(mapped_in(&addresses), Some(6 * LARGE));
        }

        /// What can't be read is an error of the warm-up, which has nothing to gain then.
        #[test]
        fn no_pages_are_given_up_where_some_cannot_be_read() {
            if !pages_can_be_mapped_in() {
                return;
            }
            let (_directory, file, mut bytes) = unread(4 * LARGE, Reading::Pages);
            let mapping = mapping_of(&mut bytes);
            let _ = mapping.map.advise(memmap2::Advice::NoHugePage);
            // Then nobody knows what is in memory.
            mapping.owner = None;
            let writable = std::fs::File::options().write(true).open(&file.path).unwrap();
            writable.set_len(2 * LARGE as u64).unwrap();
            assert_eq!(std::fs::read(&file.path).unwrap().len(), 2 * LARGE);
            let before = major_faults();
            bytes.make_way_for_large_pages(&file.path);
            // Pages that were given up come back one by one. The program's own may have to be read.
            assert!((major_faults() - before) * 4 < LARGE / rustix::param::page_size());
        }
    }
}
