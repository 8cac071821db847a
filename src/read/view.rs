//! The view: the bytes of a table, its layout, and the checks of its pages. Records are read here;
//! the indexes and the lookups stand above.

use super::map::{Bytes, Proven, Reading};
use super::pages::{Pages, check_unit, page_end, page_start};
use super::parallel::check_pieces;
use super::place::{Entry, Place, Side};
use super::simd::{CACHE_LINE, prefetch};
use crate::error::{ReadError, ReadFailure, ReadResult};
use crate::format::layout::Layout;
use crate::format::record::{Fixed, Parts};
use crate::format::sums;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The bytes of a table, its layout, and the checks of its pages.
pub(crate) struct View {
    bytes: Bytes,
    layout: Layout,
    pages: Pages,
    /// The file that the bytes come from, if they come from one.
    path: Option<Arc<Path>>,
    /// Whether the table exceeds the memory, so that walks ask ahead.
    exceeds_memory: bool,
}

const BAD_RECORD: &str = "record makes no sense";

impl View {
    pub(crate) fn new(
        mut bytes: Bytes,
        layout: Layout,
        pages: Pages,
        path: Option<Arc<Path>>,
    ) -> Self {
        bytes.prove(&layout);
        let exceeds_memory = matches!(bytes.reading(), Reading::Windows { .. });
        if exceeds_memory {
            bytes.keep_index(layout.records.end..layout.file_len);
        }
        Self { bytes, layout, pages, path, exceeds_memory }
    }

    /// The path from which the table was opened.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    // Bytes and layout

    /// All bytes of the table.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// The memory that holds the bytes.
    #[inline(always)]
    pub(crate) fn memory(&self) -> &Bytes {
        &self.bytes
    }

    /// The parts of the table that lookups find with one comparison.
    #[inline(always)]
    pub(crate) fn proven(&self) -> &Proven {
        self.bytes.proven()
    }

    #[inline(always)]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Which pages were checked.
    #[inline(always)]
    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The bytes of a proven and checked range.
    #[inline]
    pub(crate) fn slice(&self, range: Range<usize>) -> ReadResult<&[u8]> {
        let offset = range.start as u64;
        self.bytes().get(range).ok_or_else(|| self.corrupt("record beyond the end", offset))
    }

    /// The place before the first entry.
    pub(crate) fn start(&self) -> Place {
        let first = self.layout.fixed.map_or(self.layout.records.start, |fixed| fixed.first);
        Place { rank: 0, offset: first }
    }

    /// The place after the last entry.
    pub(crate) fn end(&self) -> Place {
        Place { rank: self.layout.entries, offset: self.layout.records.end }
    }

    // Errors

    /// The error for bytes that break the format. It names the file, at no cost for lookups that
    /// succeed.
    #[cold]
    #[inline(never)]
    pub(crate) fn corrupt(&self, what: &'static str, offset: u64) -> ReadError {
        self.failed(ReadFailure::Corrupt { what, offset })
    }

    #[cold]
    #[inline(never)]
    fn failed(&self, failure: ReadFailure) -> ReadError {
        self.named(failure.into())
    }

    /// An error of this table, with the table's file.
    #[cold]
    pub(crate) fn named(&self, error: ReadError) -> ReadError {
        error.at(self.path.as_ref())
    }

    // Page checks

    /// Checks the pages under `range` on their first touch.
    #[inline]
    pub(crate) fn ensure(&self, range: Range<usize>) -> ReadResult<()> {
        // Small enough to be inlined, and no question more than a table that fits into memory needs.
        if !self.exceeds_memory && self.pages.are_checked(&range) {
            return Ok(());
        }
        self.check(range)
    }

    #[inline(never)]
    fn check(&self, range: Range<usize>) -> ReadResult<()> {
        if self.exceeds_memory && range.len() > sums::UNIT {
            self.ask_for(range.clone());
        }
        match self.pages.ensure(self.bytes(), &self.layout, range) {
            Ok(()) => Ok(()),
            // A lost page fails its checksum.
            Err(failure) => self.sound(Err(self.failed(failure))),
        }
    }

    /// `result`, unless a page was lost before: then part of what the query has read was not the
    /// file's. The last step of every query. See [`crate::sigbus`].
    #[inline(always)]
    pub(crate) fn sound<T>(&self, result: ReadResult<T>) -> ReadResult<T> {
        if self.bytes.nothing_lost() { result } else { self.faulted() }
    }

    #[cold]
    #[inline(never)]
    fn faulted<T>(&self) -> ReadResult<T> {
        Err(self.failed(ReadFailure::Faulted { offset: self.bytes.lost_at().unwrap_or(0) }))
    }

    /// Whether the table exceeds the memory: every fault reads one page, and walks ask ahead.
    #[inline(always)]
    pub(crate) fn exceeds_memory(&self) -> bool {
        self.exceeds_memory
    }

    /// Asks the kernel to begin to read a part, as far as the table has it, and does not wait.
    pub(crate) fn ask(&self, part: Range<usize>) {
        let end = part.end.min(self.layout.file_len);
        self.bytes.ask(part.start.min(end)..end);
    }

    /// Reads a part of a long walk while the kernel reads ahead by its default, and waits for it.
    pub(crate) fn read_on(&self, part: Range<usize>) {
        let end = part.end.min(self.layout.file_len);
        self.bytes.read_on(part.start.min(end)..end);
    }

    /// Asks for all pages under a long part. Faults would read them one by one.
    #[cold]
    #[inline(never)]
    fn ask_for(&self, part: Range<usize>) {
        self.ask(part);
    }

    /// Reads and maps pages. One that can't be read is an error here and no SIGBUS later.
    pub(crate) fn populate(&self, range: Range<usize>) -> ReadResult<()> {
        if self.bytes.reading() != Reading::Ahead {
            // The kernel would read each page on its own.
            self.bytes.ask(range.clone());
        }
        self.map_in(range)
    }

    /// Reads and maps pages as [`populate`](Self::populate) does, but reads ahead only as the kernel
    /// does by itself.
    pub(crate) fn map_in(&self, range: Range<usize>) -> ReadResult<()> {
        let (start, len) = (range.start, range.len());
        let failed = |_| self.failed(ReadFailure::Faulted { offset: start as u64 });
        // Where the guard has replaced pages, the call maps zeros that are not the file's.
        self.sound(self.bytes.populate(start, len).map_err(failed))
    }

    /// Checks all pages that were not checked, on all threads, without raising SIGBUS.
    pub(crate) fn check_all_pages(&self) -> ReadResult<()> {
        let units = sums::units(self.layout.sums.start as u64) as usize;
        self.populate(self.layout.sums.start..self.layout.file_len)?;
        // Chunks of 2 MiB: the largest page that the kernel maps at once.
        const CHUNK: usize = 512;
        check_pieces(units.div_ceil(CHUNK), |chunk| {
            self.ask((chunk + 2) * CHUNK * sums::UNIT..(chunk + 3) * CHUNK * sums::UNIT);
            self.check_units(chunk * CHUNK..((chunk + 1) * CHUNK).min(units))
        })
    }

    /// Checks every unit of `units`, whether or not it was checked before.
    pub(crate) fn check_units(&self, units: Range<usize>) -> ReadResult<()> {
        let start = units.start * sums::UNIT;
        let end = (units.end * sums::UNIT).min(self.layout.file_len);
        self.populate(start..end)?;
        for unit in units {
            let checked = check_unit(self.bytes(), &self.layout, unit);
            self.sound(checked.map_err(|failure| self.failed(failure)))?;
            self.pages.mark(unit);
        }
        Ok(())
    }

    /// Where the pages that are known to be checked end, from `offset` on and within the records;
    /// 0 if the page of `offset` is not checked.
    #[inline]
    pub(crate) fn checked_from(&self, offset: usize) -> usize {
        let end = self.layout.records.end;
        if self.pages.lookups_checked() {
            return end;
        }
        if self.pages.is_checked(offset) { page_end(offset).min(end) } else { 0 }
    }

    /// The bytes around a checked record that are known to be checked.
    #[inline]
    pub(crate) fn checked_around(&self, record: Range<usize>) -> Range<usize> {
        if self.pages.lookups_checked() {
            return 0..self.layout.records.end;
        }
        page_start(record.start)..record.end
    }

    // Records

    /// The parts of the record at `offset`, with the pages of its key checked; the record ends
    /// inside the records.
    #[inline(always)]
    pub(crate) fn parts_at(&self, offset: usize) -> ReadResult<Parts> {
        if self.pages.lookups_checked() {
            let parts = match &self.layout.fixed {
                Some(fixed) => Some(fixed.parts(offset)),
                None => self.layout.decoder.parts(self.bytes(), offset),
            };
            if let Some(parts) = parts.filter(|parts| parts.end() <= self.layout.records.end) {
                return Ok(parts);
            }
        }
        self.checked_parts_at(offset)
    }

    /// [`parts_at`](Self::parts_at) where some page may be left to check.
    #[inline(never)]
    fn checked_parts_at(&self, offset: usize) -> ReadResult<Parts> {
        let parts = match &self.layout.fixed {
            Some(fixed) => Some(fixed.parts(offset)),
            // Read before it is checked; the check that follows covers what was read.
            None => self.layout.decoder.parts(self.bytes(), offset),
        };
        match parts {
            Some(parts) if parts.end() <= self.layout.records.end => {
                self.ensure(offset..parts.key + parts.key_len)?;
                Ok(parts)
            }
            _ => Err(self.bad_record(offset)),
        }
    }

    /// The error for a record whose lengths make no sense: its page is damaged, or its writer has
    /// written it so.
    #[cold]
    fn bad_record(&self, offset: usize) -> ReadError {
        const LENGTHS: usize = 10;
        match self.ensure(offset..offset.saturating_add(LENGTHS)) {
            Err(error) => error,
            Ok(()) => self.corrupt(BAD_RECORD, offset as u64),
        }
    }

    /// The key of the record at `offset`, and the record's parts.
    #[inline(always)]
    pub(crate) fn key_at(&self, offset: usize) -> ReadResult<(&[u8], Parts)> {
        let parts = self.parts_at(offset)?;
        Ok((self.slice(parts.key())?, parts))
    }

    /// Key and value of a record, checked.
    #[inline]
    pub(crate) fn entry(&self, parts: &Parts) -> ReadResult<Entry<'_>> {
        self.sound(self.checked_entry(parts))
    }

    #[inline(always)]
    fn checked_entry(&self, parts: &Parts) -> ReadResult<Entry<'_>> {
        self.ensure(parts.key..parts.end())?;
        Ok((self.slice(parts.key())?, self.slice(parts.value())?))
    }

    /// The entry whose record starts at `offset`; none at the end of the records.
    pub(crate) fn entry_from(&self, offset: usize) -> ReadResult<Option<Entry<'_>>> {
        if offset >= self.end().offset {
            return Ok(None);
        }
        let entry = self.parts_at(offset).and_then(|parts| self.entry(&parts));
        self.sound(entry).map(Some)
    }

    /// How many records at the start of a part of the table lie in it as a whole, and where the last
    /// of them ends.
    pub(crate) fn whole_records(&self, part: Range<usize>) -> (u64, usize) {
        if let Some(fixed) = &self.layout.fixed {
            let records = part.len() / fixed.stride;
            return (records as u64, part.start + records * fixed.stride);
        }
        let (mut records, mut at) = (0, part.start);
        while at < part.end
            && let Some(parts) = self.layout.decoder.parts(self.bytes(), at)
            && parts.end() <= part.end
        {
            at = parts.end();
            records += 1;
        }
        (records, at)
    }

    /// Where the record after `parts` starts.
    #[inline]
    pub(crate) fn after(&self, offset: usize, parts: &Parts) -> usize {
        match &self.layout.fixed {
            Some(fixed) => offset + fixed.stride,
            None => parts.end(),
        }
    }

    /// Prefetches the first records of a walk as soon as its start is likely. A request that waits
    /// for the comparison of the keys would wait for memory a second time.
    #[inline]
    pub(crate) fn prefetch_walk(&self, offset: usize, bytes: usize) {
        for line in (0..bytes).step_by(CACHE_LINE) {
            prefetch(self.bytes(), offset.saturating_add(line));
        }
    }

    /// Binary search among records of fixed width. A range that reaches beyond the last entry is
    /// cut.
    pub(crate) fn bisect(
        &self,
        fixed: &Fixed,
        ranks: Range<u64>,
        key: &[u8],
        side: Side,
    ) -> ReadResult<Place> {
        let mut low = ranks.start.min(self.layout.entries);
        let mut high = ranks.end.min(self.layout.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, _) = self.key_at(fixed.offset(middle))?;
            if side.is_behind_by_head(found, key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Place { rank: low, offset: fixed.offset(low) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::sums::UNIT;
    use crate::{BuildOptions, OpenOptions, PageChecks};

    /// A table of entries with keys of so many bytes, and values of so many.
    fn file(lengths: &[(usize, usize)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = lengths.iter().map(|&(key, value)| (vec![1u8; key], vec![7u8; value]));
        BuildOptions::new().mode(0o644).build(&path, entries).unwrap();
        (directory, path)
    }

    /// A mapped table whose faults read one page each. All pages count as checked, so that no check touches
    /// them. The system was told to forget them, but not all file systems forget, and not all systems tell.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is the test's own")]
    fn cold(path: &Path, exceeds_memory: bool) -> View {
        let located = OpenOptions::new().locate(path).unwrap();
        let layout = located.layout().unwrap();
        let pages = Pages::new(&layout);
        (0..layout.sums.start.div_ceil(UNIT)).for_each(|unit| pages.mark(unit));
        // SAFETY: nobody else knows the file, and what is cut off of it is not read.
        let bytes = unsafe { Bytes::map(&located, crate::AccessPattern::Random) }.unwrap();
        rustix::fs::fadvise(&located.file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        View { exceeds_memory, ..View::new(bytes, layout, pages, None) }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn long_parts_of_a_table_that_exceeds_the_memory_are_asked_for() {
        /// No page of any machine is larger.
        const PART: usize = 128 << 10;
        let (_directory, path) = file(&[(9, 8 * PART)]);
        let view = cold(&path, true);
        assert!(view.exceeds_memory());
        if view.memory().resident(0..view.layout().file_len) != Some(0) {
            return;
        }
        let comes = |part: Range<usize>| {
            (0..2000).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                view.memory().resident(part.clone()) == Some(part.len() as u64)
            })
        };
        view.ensure(PART..PART + UNIT).unwrap();
        view.ensure(2 * PART..2 * PART + 2 * UNIT).unwrap();
        assert!(comes(2 * PART..2 * PART + 2 * UNIT));
        view.ask(3 * PART..3 * PART + UNIT);
        assert!(comes(3 * PART..3 * PART + UNIT));
        view.read_on(4 * PART..4 * PART + UNIT);
        assert!(comes(4 * PART..4 * PART + UNIT));
        assert_eq!(view.memory().resident(PART..2 * PART), Some(0), "one page is not asked for");
    }

    /// Each page that nobody has asked for is a fault that waits for the disk, a major one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_part_is_asked_for_before_it_is_mapped() {
        let (_directory, path) = file(&[(9, 1 << 20)]);
        let view = cold(&path, false);
        if view.memory().resident(0..view.layout().file_len) != Some(0) {
            return;
        }
        let major_faults = || {
            let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            text.split(' ').nth(11).unwrap().parse::<usize>().unwrap()
        };
        let before = major_faults();
        view.populate(0..1 << 20).unwrap();
        assert!((major_faults() - before) * 4 < (1 << 20) / rustix::param::page_size());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn units_that_cannot_be_read_are_an_error_and_no_signal() {
        /// A multiple of the size of a page on any machine.
        const LEFT: usize = 32;
        // Before Linux 5.14 they are a signal.
        if memmap2::MmapMut::map_anon(1).unwrap().advise(memmap2::Advice::PopulateRead).is_err() {
            return;
        }
        let (_directory, path) = file(&[(9, 2 * LEFT * UNIT)]);
        let view = cold(&path, false);
        assert!(!view.exceeds_memory());
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len((LEFT * UNIT) as u64).unwrap();
        let error = view.check_units(LEFT..LEFT + 2).unwrap_err();
        assert_eq!(error.failure(), ReadFailure::Faulted { offset: (LEFT * UNIT) as u64 });
    }

    #[test]
    fn checked_bytes_end_with_their_page_or_with_the_records() {
        let (_directory, path) = file(&[(9, 3 * UNIT)]);
        let load = |checks| OpenOptions::new().page_checks(checks).load(&path).unwrap();
        let (unchecked, table) = (load(PageChecks::Never), load(PageChecks::FirstTouch));
        let (view, end) = (table.view(), table.view().layout().records.end);
        assert_eq!(unchecked.view().checked_from(UNIT), end);
        assert_eq!(view.checked_from(UNIT), 0);
        view.pages().mark(1);
        view.pages().mark((end - 1) / UNIT);
        let ends = [UNIT + 7, 2 * UNIT, end - 1].map(|offset| view.checked_from(offset));
        assert_eq!(ends, [2 * UNIT, 0, end]);
    }

    #[test]
    fn only_whole_records_are_counted() {
        let (_directory, path) = file(&[(1, 1), (2, 0), (3, 4)]);
        let table = OpenOptions::new().load(&path).unwrap();
        let (view, mut at) = (table.view(), table.view().start().offset);
        let (start, end) = (at, view.end().offset);
        for records in 0..3 {
            assert_eq!(view.whole_records(start..at), (records, at));
            assert_eq!(view.whole_records(start..at + 1), (records, at));
            at = view.parts_at(at).unwrap().end();
        }
        assert_eq!((view.whole_records(start..end), at), ((3, end), end));
    }
}
