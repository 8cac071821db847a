//! Page checks on first touch: one bit per unit, set once its checksum was found right. A unit is a
//! page of the file, 4 KiB, with a checksum of its own.

use super::first_touch::FirstTouch;
use super::simd::{CACHE_LINE, prefetch};
use crate::error::ReadFailure;
use crate::format::layout::{Layout, Span};
use crate::format::sums::{self, SUM_BYTES, UNIT, UNIT_LOG2};
use crate::format::u32_at;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use zerocopy::FromZeros;

/// When page checksums are checked.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PageChecks {
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

/// Which pages were checked, and the check of a page.
#[derive(Debug)]
pub(crate) struct Pages(FirstTouch);

impl Pages {
    /// Nothing is ever checked.
    pub(crate) fn unchecked() -> Self {
        Self(FirstTouch::unchecked())
    }

    /// Nothing is checked yet. The bits take a 32,768th of the file's size; the system hands out
    /// zeroed memory, so the untouched part costs nothing.
    pub(crate) fn new(layout: &Layout) -> Self {
        let units = sums::units(layout.sums.start as u64);
        let bits = <[AtomicU64]>::new_box_zeroed_with_elems(units.div_ceil(64) as usize);
        Self(FirstTouch::new(units, Self::lookup_units(layout), bits.ok()))
    }

    /// The units of the records and those of the index that answers point lookups.
    fn lookup_units(layout: &Layout) -> [Range<usize>; 2] {
        let lines = layout.lines.as_ref().map(|lines| lines.span);
        let hash = layout.hash.as_ref().or(layout.hash_of_decoded.as_ref());
        let index = lines.or(hash.map(|hash| hash.span));
        units_of([layout.records, index.unwrap_or(layout.records)])
    }

    /// Whether every lookup page was checked: the pages of the records and of the index that
    /// answers point lookups. Other pages, which these lookups never touch, may be unchecked.
    #[inline]
    pub(crate) fn lookups_checked(&self) -> bool {
        self.lookups_unchecked() == 0
    }

    /// 1 while some lookup page is unchecked, then 0.
    #[inline]
    pub(crate) fn lookups_unchecked(&self) -> usize {
        self.0.lookups_unchecked()
    }

    /// Whether no page was checked yet.
    pub(crate) fn nothing_checked(&self) -> bool {
        self.0.nothing_checked()
    }

    /// Whether the page of one byte was checked.
    #[inline]
    pub(crate) fn is_checked(&self, offset: usize) -> bool {
        self.0.bit(offset >> UNIT_LOG2)
    }

    /// Whether all pages under `range` were checked, by their bits. The caller has found that some
    /// page is unchecked.
    #[inline(always)]
    pub(crate) fn covered(&self, range: &Range<usize>) -> bool {
        let first = range.start >> UNIT_LOG2;
        let last = range.end.saturating_sub(1).max(range.start) >> UNIT_LOG2;
        self.0.all_bits(first, last)
    }

    /// End of the run of checked pages that begins at the page of byte `start`; at most 256 KiB
    /// ahead, where the word of its bit ends. Not above `start` if that page is unchecked.
    /// Optimistic lookups compute it before the record arrives from memory, and use it instead of
    /// another bound; a check by the record's length would add instructions that wait for memory.
    #[inline(always)]
    pub(crate) fn checked_end(&self, start: usize) -> usize {
        let first = start >> UNIT_LOG2;
        (first + self.0.run(first)) << UNIT_LOG2
    }

    /// Checks the pages under `range` that were not checked before.
    #[inline]
    pub(crate) fn ensure(
        &self,
        table: &[u8],
        layout: &Layout,
        range: Range<usize>,
    ) -> Result<(), ReadFailure> {
        if self.are_checked(&range) {
            return Ok(());
        }
        self.check(table, layout, range)
    }

    /// Whether all pages under `range` were checked.
    #[inline]
    pub(crate) fn are_checked(&self, range: &Range<usize>) -> bool {
        self.0.all_checked() || self.covered(range)
    }

    #[cold]
    fn check(&self, table: &[u8], layout: &Layout, range: Range<usize>) -> Result<(), ReadFailure> {
        let units = sums::units(layout.sums.start as u64) as usize;
        let first = range.start >> UNIT_LOG2;
        let last = range.end.saturating_sub(1).max(range.start) >> UNIT_LOG2;
        // Beyond the last unit stand the sums and the footer, which check others.
        for unit in first..(last + 1).min(units) {
            if !self.0.bit(unit) {
                // The first checksum takes a page fault on the sums; meanwhile the page can come
                // from memory. Later pages arrive faster by the processor's own prefetching.
                if self.nothing_checked() {
                    prefetch_page(table, unit << UNIT_LOG2);
                }
                check_unit(table, layout, unit)?;
                self.mark(unit);
            }
        }
        Ok(())
    }

    /// Notes that a unit's checksum was found right.
    pub(crate) fn mark(&self, unit: usize) {
        self.0.mark(unit);
    }
}

/// The units of two sections, each unit once: the end of one section and the start of the other may
/// share a unit.
fn units_of(sections: [Span; 2]) -> [Range<usize>; 2] {
    let mut units = sections.map(|span| span.start >> UNIT_LOG2..span.end.div_ceil(UNIT));
    units.sort_unstable_by_key(|range| range.start);
    let [first, second] = &mut units;
    second.start = second.start.max(first.end);
    second.end = second.end.max(second.start);
    units
}

/// Prefetches all cache lines of the page of a byte.
pub(crate) fn prefetch_page(table: &[u8], offset: usize) {
    for line in 0..UNIT / CACHE_LINE {
        prefetch(table, page_start(offset) + line * CACHE_LINE);
    }
}

/// Where the page of a byte starts.
#[inline]
pub(crate) fn page_start(offset: usize) -> usize {
    offset & !(UNIT - 1)
}

/// Where the page of a byte ends.
#[inline]
pub(crate) fn page_end(offset: usize) -> usize {
    page_start(offset) + UNIT
}

/// Compares the CRC of a unit's bytes with its stored sum.
pub(crate) fn check_unit(table: &[u8], layout: &Layout, unit: usize) -> Result<(), ReadFailure> {
    let start = unit << UNIT_LOG2;
    let end = (start + UNIT).min(layout.sums.start);
    let offset = start as u64;
    let Some(bytes) = table.get(start..end) else {
        return Err(ReadFailure::Corrupt { what: "page beyond the end", offset });
    };
    let at = layout.sums.start + unit * SUM_BYTES as usize;
    let stored = u32_at(table, at).unwrap_or(0);
    let mask = sums::mask(&layout.build_id, unit as u64);
    let (expected, got) = (stored ^ mask, sums::crc(bytes));
    if expected == got { Ok(()) } else { Err(ReadFailure::Checksum { offset, expected, got }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_two_sections_are_counted_once() {
        let span = |start, end| Span { start, end };
        let (records, index) = (span(512, 3 * UNIT), span(5 * UNIT, 6 * UNIT + 1));
        assert_eq!(units_of([records, index]), [0..3, 5..7]);
        assert_eq!(units_of([index, records]), [0..3, 5..7]);
        assert_eq!(units_of([records, records]), [0..3, 3..3]);
        let shared = span(3 * UNIT - 64, 4 * UNIT);
        assert_eq!(units_of([records, shared]), [0..3, 3..4]);
        assert_eq!(units_of([shared, records]), [0..3, 3..4]);
        let inside = span(UNIT, UNIT + 64);
        assert_eq!(units_of([records, inside]), [0..3, 3..3]);
    }

    #[test]
    fn a_page_starts_and_ends_around_its_bytes() {
        for offset in [0, 1, UNIT - 1, UNIT, UNIT + 1, 5 * UNIT + 7] {
            let start = offset / UNIT * UNIT;
            assert_eq!((page_start(offset), page_end(offset)), (start, start + UNIT), "{offset}");
        }
    }

    /// From any byte on, checked pages end before the first that was not checked, and with the word
    /// of bits at the latest.
    #[test]
    fn checked_pages_end_where_one_is_left() {
        const UNITS: usize = 192;
        let left: [&[usize]; 4] = [&[], &[0], &[70, 72, 127], &[63, 64, 191]];
        for left in left {
            let pages = |bits| Pages(FirstTouch::new(UNITS as u64, Default::default(), bits));
            let without_bits = pages(None);
            let pages = pages(Some((0..UNITS / 64).map(|_| AtomicU64::new(0)).collect()));
            (0..UNITS).filter(|unit| !left.contains(unit)).for_each(|unit| pages.mark(unit));
            for start in (0..UNITS * UNIT).step_by(UNIT / 4) {
                let unit = start >> UNIT_LOG2;
                let word_end = (unit / 64 + 1) * 64;
                let end = (unit..word_end).find(|unit| left.contains(unit)).unwrap_or(word_end);
                assert_eq!(pages.checked_end(start), end * UNIT, "from {start}, left {left:?}");
                assert_eq!(pages.is_checked(start), !left.contains(&unit), "at {start}");
                let last = (start + UNIT - 1) >> UNIT_LOG2;
                let both = [unit, last].iter().all(|unit| *unit < UNITS && !left.contains(unit));
                let page = start..start + UNIT;
                assert_eq!(pages.covered(&page), both, "from {start}");
                assert_eq!(pages.are_checked(&page), both || left.is_empty(), "from {start}");
            }
            assert_eq!(pages.checked_end(UNITS * UNIT + 5), UNITS * UNIT, "beyond all pages");
            assert_eq!(without_bits.checked_end(UNIT + 1), UNIT, "nothing was checked");
        }
    }
}
