//! Page checks on first touch: one bit per unit, set once its checksum was found right.

use crate::error::{ReadError, ReadResult};
use crate::format::layout::Layout;
use crate::format::sums::{self, SUM_BYTES, UNIT, UNIT_LOG2};
use crate::format::u32_at;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use zerocopy::FromZeros;

/// Which pages were checked. Relaxed atomics suffice: the bytes under a bit never change, so a
/// thread that sees the bit has nothing else to wait for.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Set once no page is left to check.
    all: AtomicBool,
    left: AtomicU64,
    bits: Box<[AtomicU64]>,
}

impl Pages {
    /// Nothing is ever checked.
    pub(crate) fn unchecked() -> Self {
        Self { all: AtomicBool::new(true), left: AtomicU64::new(0), bits: Box::default() }
    }

    /// Nothing is checked yet. The bits take a 32,768th of the file; the memory comes zeroed from
    /// the system, so its untouched part costs nothing.
    pub(crate) fn new(layout: &Layout) -> Self {
        let units = sums::units(layout.sums.start as u64);
        let words = units.div_ceil(64) as usize;
        match <[AtomicU64]>::new_box_zeroed_with_elems(words) {
            Ok(bits) => Self { all: AtomicBool::new(false), left: AtomicU64::new(units), bits },
            // No memory for the bits: every touch is checked anew.
            Err(_) => Self {
                all: AtomicBool::new(false),
                left: AtomicU64::new(u64::MAX),
                bits: Box::default(),
            },
        }
    }

    #[inline]
    pub(crate) fn all_checked(&self) -> bool {
        self.all.load(Relaxed)
    }

    #[inline]
    fn bit(&self, unit: usize) -> bool {
        let word = self.bits.get(unit / 64).map_or(0, |word| word.load(Relaxed));
        word >> (unit % 64) & 1 != 0
    }

    /// Whether the page of one byte was checked.
    #[inline]
    pub(crate) fn is_checked(&self, offset: usize) -> bool {
        self.bit(offset >> UNIT_LOG2)
    }

    /// Whether all pages under `range` were checked, by their bits: for a caller that has seen
    /// that some page is left to check.
    #[inline(always)]
    pub(crate) fn covered(&self, range: &Range<usize>) -> bool {
        let first = range.start >> UNIT_LOG2;
        let last = range.end.saturating_sub(1).max(range.start) >> UNIT_LOG2;
        if first == last { self.bit(first) } else { self.all_covered(first, last) }
    }

    /// The same for a record whose length has come from memory. Nearly all lie in one page or two,
    /// but in which of the two cases a processor does not foresee: so no branch asks.
    #[inline(always)]
    pub(crate) fn covered_ends(&self, range: &Range<usize>) -> bool {
        let first = range.start >> UNIT_LOG2;
        let last = range.end.saturating_sub(1).max(range.start) >> UNIT_LOG2;
        let ends = self.bit(first) & self.bit(last);
        ends && (last - first < 2 || self.all_covered(first, last))
    }

    #[cold]
    #[inline(never)]
    fn all_covered(&self, first: usize, last: usize) -> bool {
        (first..=last).all(|unit| self.bit(unit))
    }

    /// Checks the pages under `range` that were not checked before.
    #[inline]
    pub(crate) fn ensure(
        &self,
        table: &[u8],
        layout: &Layout,
        range: Range<usize>,
    ) -> ReadResult<()> {
        if self.all_checked() || self.covered(&range) {
            return Ok(());
        }
        self.check(table, layout, range)
    }

    #[cold]
    fn check(&self, table: &[u8], layout: &Layout, range: Range<usize>) -> ReadResult<()> {
        let units = sums::units(layout.sums.start as u64) as usize;
        let first = range.start >> UNIT_LOG2;
        let last = range.end.saturating_sub(1).max(range.start) >> UNIT_LOG2;
        // Beyond the last unit stand the sums and the footer, which check others.
        for unit in first..(last + 1).min(units) {
            if !self.bit(unit) {
                check_unit(table, layout, unit)?;
                self.mark(unit);
            }
        }
        Ok(())
    }

    /// Notes that a unit's checksum was found right.
    pub(super) fn mark(&self, unit: usize) {
        let Some(word) = self.bits.get(unit / 64) else { return };
        let bit = 1 << (unit % 64);
        let before = word.fetch_or(bit, Relaxed);
        if before & bit == 0 && self.left.fetch_sub(1, Relaxed) == 1 {
            self.all.store(true, Relaxed);
        }
    }
}

/// Where the page of a byte starts.
#[inline]
pub(super) fn page_start(offset: usize) -> usize {
    offset & !(UNIT - 1)
}

/// Where the page of a byte ends.
#[inline]
pub(super) fn page_end(offset: usize) -> usize {
    page_start(offset) + UNIT
}

/// Compares the CRC of a unit's bytes with its stored sum.
pub(crate) fn check_unit(table: &[u8], layout: &Layout, unit: usize) -> ReadResult<()> {
    let start = unit << UNIT_LOG2;
    let end = (start + UNIT).min(layout.sums.start);
    let offset = start as u64;
    let Some(bytes) = table.get(start..end) else {
        return Err(ReadError::corrupt("page beyond the end", offset));
    };
    let at = layout.sums.start + unit * SUM_BYTES as usize;
    let stored = u32_at(table, at).unwrap_or(0);
    let mask = sums::mask(&layout.build_id, unit as u64);
    let (expected, got) = (stored ^ mask, sums::crc(bytes));
    if expected == got { Ok(()) } else { Err(ReadError::Checksum { offset, expected, got }) }
}
