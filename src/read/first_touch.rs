//! One bit per page, set once the page was checked, and how many are still to check. Knows no format,
//! so that `tests/loom` can try this file in every order of its atomic operations.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Which pages were checked. Relaxed atomics suffice: the bytes under a bit never change, so a
/// thread that sees the bit has nothing else to wait for.
#[derive(Debug)]
pub(crate) struct FirstTouch {
    /// All pages.
    all: Unchecked,
    /// Lookup pages: those of the records and of the index that answers point lookups.
    lookup: Unchecked,
    /// The lookup pages, as two ranges that do not overlap.
    lookup_pages: [Range<usize>; 2],
    /// A bit per page.
    bits: Box<[AtomicU64]>,
    /// How many pages were unchecked at first.
    total: u64,
}

/// How many pages of some kind are unchecked.
#[derive(Debug)]
struct Unchecked {
    /// 1 while some page is, then 0. Each lookup reads this field and nothing else of the struct,
    /// and selects its function by it, hence a number.
    some: AtomicUsize,
    count: AtomicU64,
}

impl Unchecked {
    fn new(count: u64) -> Self {
        Self { some: AtomicUsize::new((count > 0).into()), count: AtomicU64::new(count) }
    }

    fn take_one(&self) {
        if self.count.fetch_sub(1, Relaxed) == 1 {
            self.some.store(0, Relaxed);
        }
    }
}

impl FirstTouch {
    /// Nothing is ever checked.
    pub(crate) fn unchecked() -> Self {
        Self {
            all: Unchecked::new(0),
            lookup: Unchecked::new(0),
            lookup_pages: Default::default(),
            bits: Box::default(),
            total: u64::MAX,
        }
    }

    /// None of `pages` pages is checked yet. `bits` has a bit for each, all zero; without memory for
    /// them (`None`) every touch is checked again.
    pub(crate) fn new(
        pages: u64,
        lookup_pages: [Range<usize>; 2],
        bits: Option<Box<[AtomicU64]>>,
    ) -> Self {
        let lookup = lookup_pages.iter().map(|range| range.len() as u64).sum();
        let (bits, all, lookup) = match bits {
            Some(bits) => (bits, pages, lookup),
            None => (Box::default(), u64::MAX, u64::MAX),
        };
        let (total, all, lookup) = (all, Unchecked::new(all), Unchecked::new(lookup));
        Self { all, lookup, lookup_pages, bits, total }
    }

    /// Whether every page was checked.
    #[inline]
    pub(crate) fn all_checked(&self) -> bool {
        self.all.some.load(Relaxed) == 0
    }

    /// 1 while some lookup page is unchecked, then 0.
    #[inline]
    pub(crate) fn lookups_unchecked(&self) -> usize {
        self.lookup.some.load(Relaxed)
    }

    /// Whether no page was checked yet.
    pub(crate) fn nothing_checked(&self) -> bool {
        self.all.count.load(Relaxed) == self.total
    }

    /// Whether this page was checked, by its bit.
    #[inline]
    pub(crate) fn bit(&self, page: usize) -> bool {
        let word = self.bits.get(page / 64).map_or(0, |word| word.load(Relaxed));
        word >> (page % 64) & 1 != 0
    }

    /// Whether the pages from `first` to `last` were checked, by their bits.
    #[inline(always)]
    pub(crate) fn all_bits(&self, first: usize, last: usize) -> bool {
        if first == last { self.bit(first) } else { self.several_bits(first, last) }
    }

    #[cold]
    #[inline(never)]
    fn several_bits(&self, first: usize, last: usize) -> bool {
        (first..=last).all(|page| self.bit(page))
    }

    /// How many pages from this one on were checked, as far as the word of its bit goes.
    #[inline(always)]
    pub(crate) fn run(&self, page: usize) -> usize {
        let word = self.bits.get(page / 64).map_or(0, |word| word.load(Relaxed));
        (word >> (page % 64)).trailing_ones() as usize
    }

    /// Notes that a page was found right.
    pub(crate) fn mark(&self, page: usize) {
        let Some(word) = self.bits.get(page / 64) else { return };
        let bit = 1 << (page % 64);
        let before = word.fetch_or(bit, Relaxed);
        if before & bit == 0 {
            self.all.take_one();
            if self.lookup_pages.iter().any(|range| range.contains(&page)) {
                self.lookup.take_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lookups find all their pages checked while pages that they never read are unchecked, and
    /// these are still checked when somebody reads them.
    #[test]
    fn lookup_pages_are_counted_on_their_own() {
        let pages = FirstTouch::new(5, [0..2, 4..5], Some(Box::new([AtomicU64::new(0)])));
        assert!(pages.nothing_checked() && !FirstTouch::unchecked().nothing_checked());
        for page in [4, 3, 0, 4] {
            pages.mark(page);
            assert!(pages.lookups_unchecked() == 1 && !pages.nothing_checked(), "after {page}");
        }
        pages.mark(1);
        assert!(pages.lookups_unchecked() == 0 && !pages.all_checked());
        assert!(!pages.bit(2) && !pages.all_bits(1, 3), "page 2 was not checked");
        pages.mark(2);
        assert!(pages.all_checked() && pages.all_bits(0, 4));
    }
}
