//! The form with NEON, the baseline of 64-bit ARM: every such processor has it.

#![expect(unsafe_code, reason = "vector instructions")]

use super::form::{Family, Lookup, Simd};
use crate::format::hasher::{ADDENDS, Sums};
use crate::format::index::hash::{BUCKET, FIRST_WORD, Slots, tag};
use crate::format::index::line::{LINE, LINE_TAGS};
use crate::format::order::ends;
use std::arch::aarch64 as arch;

/// Needs NEON, which every 64-bit ARM has.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

pub(super) fn lookup<'t, F: Family, L: Lookup<F>>(
    table: &'t F::Table,
    key: &[u8],
) -> F::Answer<'t> {
    L::run(Neon, table, key)
}

impl Simd for Neon {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        // SAFETY: NEON is part of every 64-bit ARM.
        let found = unsafe { tags_of_bucket(bucket, tag) };
        found >> slots.tags_start() & ((1 << slots.count()) - 1)
    }

    #[inline(always)]
    fn words_tagged(self, bucket: &[u8; BUCKET], hash: u64) -> u32 {
        const WORDS: u32 = ((1 << Slots::Four.count()) - 1) << FIRST_WORD;
        // SAFETY: NEON is part of every 64-bit ARM.
        let found = unsafe { tags_of_bucket(bucket, tag(hash)) };
        found & WORDS
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        // SAFETY: NEON is part of every 64-bit ARM.
        unsafe { tags_of_line_equal(line, tag) }
    }

    #[inline(always)]
    fn tags_below(self, line: &[u8; LINE], tag: u16) -> usize {
        // SAFETY: NEON is part of every 64-bit ARM.
        (unsafe { tags_of_line_below(line, tag) }).trailing_ones() as usize
    }

    #[inline(always)]
    fn equal_33_to_64(self, a: &[u8], b: &[u8]) -> bool {
        // SAFETY: NEON is part of every 64-bit ARM.
        a.len() == b.len() && unsafe { both_ends_equal::<32>(a, b) }
    }

    #[inline(always)]
    fn equal_65_to_128(self, a: &[u8], b: &[u8]) -> bool {
        // SAFETY: NEON is part of every 64-bit ARM.
        a.len() == b.len() && unsafe { both_ends_equal::<64>(a, b) }
    }
}

impl Sums for Neon {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        // SAFETY: NEON is part of every 64-bit ARM.
        unsafe { sums::<N>(key) }
    }
}

// Functions of several instructions each. An attribute that promises to inline them can't stand beside
// the one that lets them call intrinsics; the compiler inlines them all the same.

#[inline]
#[target_feature(enable = "neon")]
fn sums<const N: usize>(key: &[u8]) -> [u64; 2] {
    let Some([first, last]) = ends::<N>(key) else { return [0; 2] };
    let [of_first, of_last] = &ADDENDS;
    let mut sums = arch::vdupq_n_u64(0);
    let firsts = first.as_chunks().0.iter().zip(of_first.as_chunks().0);
    let lasts = last.as_chunks().0.iter().zip(of_last.as_chunks().0);
    for ((first, of_first), (last, of_last)) in firsts.zip(lasts) {
        let (first, last) = (sum_of_words(first, of_first), sum_of_words(last, of_last));
        // A multiplication takes its pairs from two vectors: even words and odd words of both ends.
        let (even, odd) = (arch::vuzp1q_u32(first, last), arch::vuzp2q_u32(first, last));
        sums = arch::vmlal_u32(sums, arch::vget_low_u32(even), arch::vget_low_u32(odd));
        sums = arch::vmlal_high_u32(sums, even, odd);
    }
    zerocopy::transmute!(sums)
}

/// Adds four 32-bit words to four others.
#[inline]
#[target_feature(enable = "neon")]
fn sum_of_words(words: &[u8; 16], addends: &[u32; 4]) -> arch::uint32x4_t {
    arch::vaddq_u32(zerocopy::transmute!(*words), zerocopy::transmute!(*addends))
}

/// A bit per byte of the bucket's first 16 that equals `tag`.
#[inline]
#[target_feature(enable = "neon")]
fn tags_of_bucket(bucket: &[u8; BUCKET], tag: u8) -> u32 {
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    let [tags, ..]: [arch::uint8x16_t; 4] = zerocopy::transmute!(*bucket);
    let equal = arch::vceqq_u8(tags, arch::vdupq_n_u8(tag));
    let bits = arch::vandq_u8(equal, zerocopy::transmute!(BITS));
    // Bytes of the second half become the high bytes of 16-bit numbers.
    let bits = arch::vzip1q_u8(bits, arch::vextq_u8::<8>(bits, bits));
    arch::vaddvq_u16(zerocopy::transmute!(bits)).into()
}

/// A bit per tag of a line that equals `tag`.
#[inline]
#[target_feature(enable = "neon")]
fn tags_of_line_equal(line: &[u8; LINE], tag: u16) -> u32 {
    let tags: [arch::uint16x8_t; 4] = zerocopy::transmute!(*line);
    let wanted = arch::vdupq_n_u16(tag);
    tag_bits(tags.map(|tags| arch::vceqq_u16(tags, wanted)))
}

/// A bit per tag of a line that is below `tag`.
#[inline]
#[target_feature(enable = "neon")]
fn tags_of_line_below(line: &[u8; LINE], tag: u16) -> u32 {
    let tags: [arch::uint16x8_t; 4] = zerocopy::transmute!(*line);
    let wanted = arch::vdupq_n_u16(tag);
    tag_bits(tags.map(|tags| arch::vcltq_u16(tags, wanted)))
}

/// A bit per tag of a line, from the comparisons of its quarters. NEON has no instruction that gathers
/// bits: each place has a bit of its own, and a sum over all places gathers them.
#[inline]
#[target_feature(enable = "neon")]
fn tag_bits([a, b, c, d]: [arch::uint16x8_t; 4]) -> u32 {
    const LOW: [u16; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    const HIGH: [u16; 8] = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
    let half = |low, high| {
        let low = arch::vandq_u16(low, zerocopy::transmute!(LOW));
        let high = arch::vandq_u16(high, zerocopy::transmute!(HIGH));
        u32::from(arch::vaddvq_u16(arch::vorrq_u16(low, high)))
    };
    // The first two places hold the line's rank.
    (half(a, b) | half(c, d) << 16) >> (32 - LINE_TAGS)
}

/// Whether the first and the last `N` bytes of two strings are equal; false for shorter ones.
#[inline]
#[target_feature(enable = "neon")]
fn both_ends_equal<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    let (Some(a), Some(b)) = (ends::<N>(a), ends::<N>(b)) else { return false };
    let mut differing = arch::vdupq_n_u8(0);
    for (a, b) in a.into_iter().zip(b) {
        for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
            let (a, b) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
            differing = arch::vorrq_u8(differing, arch::veorq_u8(a, b));
        }
    }
    arch::vmaxvq_u32(zerocopy::transmute!(differing)) == 0
}
