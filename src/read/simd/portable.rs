//! The form without vector instructions: the baseline of architectures that have no other form. Tests
//! compare the other forms with it.

use super::form::{Family, Lookup, Simd};
use crate::format::hasher::{self, Sums};
use crate::format::index::hash::{BUCKET, Slots};
use crate::format::index::line::{LINE, LINE_TAGS, tag as line_tag};

/// Needs no instruction beyond those that the compiler uses.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

pub(super) fn lookup<'t, F: Family, L: Lookup<F>>(
    table: &'t F::Table,
    key: &[u8],
) -> F::Answer<'t> {
    L::run(Portable, table, key)
}

impl Simd for Portable {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        let equal = |slot| u32::from(slots.tag(bucket, slot) == tag) << slot;
        (0..slots.count()).fold(0, |mask, slot| mask | equal(slot))
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        let equal = |i| u32::from(line_tag(line, i) == tag) << i;
        (0..LINE_TAGS).fold(0, |mask, i| mask | equal(i))
    }

    #[inline(always)]
    fn tags_below(self, line: &[u8; LINE], tag: u16) -> usize {
        (0..LINE_TAGS).take_while(|&i| line_tag(line, i) < tag).count()
    }
}

impl Sums for Portable {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        hasher::Portable.sums::<N>(key)
    }
}
