//! What each instruction set does for lookups. A form is a type that proves that the processor has
//! the instructions. All forms give the same answers from a sound table; where a line of the index has
//! tags that no builder writes, some may find another one of its ranks.

use crate::format::hasher::Sums;
use crate::format::index::hash::{BUCKET, FIRST_WORD, Slots, tag, word_of};
use crate::format::index::line::LINE;
use crate::format::order::equal_short;

/// The vector operations of lookups. A value of a form beyond the baseline exists only where the
/// processor has its instructions.
pub(crate) trait Simd: Copy + Sums {
    /// A bit per slot, bit i for slot i: set where the slot's tag equals `tag`.
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32;

    /// A bit per slot of four bytes, bit i + [`FIRST_WORD`] for slot i: set where the slot has the
    /// tag of `hash`. The lowest set bit also has the tail of `hash` under `mask`; a higher one
    /// may lack it.
    #[inline(always)]
    fn slots_equal(self, bucket: &[u8; BUCKET], hash: u64, mask: u32) -> u32 {
        // One slot at a time: few lookups meet a second tag, and vectors of four slots would take
        // four times the instructions.
        let fits = |found| (word_of(bucket, found) ^ hash as u32) & mask == 0;
        let first = self.words_tagged(bucket, hash);
        // Outside the loop, for which the compiler would prepare registers.
        if first == 0 || fits(first) {
            return first;
        }
        let mut found = first & (first - 1);
        while found != 0 && !fits(found) {
            found &= found - 1;
        }
        found
    }

    /// A bit per slot of four bytes, bit i + [`FIRST_WORD`] for slot i: set where the slot has the
    /// tag of `hash`.
    #[inline(always)]
    fn words_tagged(self, bucket: &[u8; BUCKET], hash: u64) -> u32 {
        self.matches(bucket, tag(hash), Slots::Four) << FIRST_WORD
    }

    /// A bit per tag of a line: set where the tag equals `tag`.
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32;

    /// How many tags of a line are below `tag`. Tags ascend, so `tag` belongs at this place.
    fn tags_below(self, line: &[u8; LINE], tag: u16) -> usize;

    /// Whether the keys `a` and `b` are equal; `b` has 17 to 32 bytes.
    #[inline(always)]
    fn equal_17_to_32(self, a: &[u8], b: &[u8]) -> bool {
        equal_short(a, b)
    }

    /// Whether the keys `a` and `b` are equal; `b` has 33 to 64 bytes.
    #[inline(always)]
    fn equal_33_to_64(self, a: &[u8], b: &[u8]) -> bool {
        equal_short(a, b)
    }

    /// Whether the keys `a` and `b` are equal; `b` has 65 to 128 bytes.
    #[inline(always)]
    fn equal_65_to_128(self, a: &[u8], b: &[u8]) -> bool {
        equal_short(a, b)
    }
}

/// A family of lookup functions: what they search, and what they answer.
pub(crate) trait Family {
    /// What is searched.
    type Table: 'static;
    /// What a lookup answers.
    type Answer<'t>;
}

/// A lookup function that is compiled once for each form.
pub(crate) trait Lookup<F: Family> {
    fn run<'t, I: Simd>(simd: I, table: &'t F::Table, key: &[u8]) -> F::Answer<'t>;
}

/// Work that is compiled once for each form.
pub(crate) trait Work {
    type Output;

    fn run<I: Simd>(self, simd: I) -> Self::Output;
}
