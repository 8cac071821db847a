//! The form with SSE2, the baseline of x86-64: every such processor has it.

#![expect(unsafe_code, reason = "vector instructions")]

use super::form::{Family, Lookup, Simd};
use crate::format::hasher::{ADDENDS, Sums};
use crate::format::index::hash::{BUCKET, FIRST_WORD, Slots};
use crate::format::index::line::LINE;
use crate::format::order::ends;
use std::arch::x86_64 as arch;

/// Needs SSE2, which every x86-64 has.
#[derive(Clone, Copy)]
pub(crate) struct Sse2;

pub(super) type Vector = arch::__m128i;

pub(super) fn lookup<'t, F: Family, L: Lookup<F>>(
    table: &'t F::Table,
    key: &[u8],
) -> F::Answer<'t> {
    L::run(Sse2, table, key)
}

impl Simd for Sse2 {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        let [tags, ..]: [Vector; 4] = zerocopy::transmute!(*bucket);
        let wanted: Vector = zerocopy::transmute!([tag; 16]);
        high_bits(bytes_equal(tags, wanted)) >> slots.tags_start() & ((1 << slots.count()) - 1)
    }

    #[inline(always)]
    fn words_tagged(self, bucket: &[u8; BUCKET], hash: u64) -> u32 {
        let [tags, ..]: [Vector; 4] = zerocopy::transmute!(*bucket);
        high_bits(bytes_equal(tags, tag_of(hash))) & WORDS
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        let wanted: Vector = zerocopy::transmute!([tag; 8]);
        tag_bits(line, |tags| words_equal(wanted, tags))
    }

    #[inline(always)]
    fn tags_below(self, line: &[u8; LINE], tag: u16) -> usize {
        // Tags have 15 bits, so a signed comparison is right.
        let wanted: Vector = zerocopy::transmute!([tag; 8]);
        tag_bits(line, |tags| words_greater(wanted, tags)).trailing_ones() as usize
    }
}

/// A bit per slot of four bytes, at the number of its word.
pub(super) const WORDS: u32 = ((1 << Slots::Four.count()) - 1) << FIRST_WORD;

/// The tag of a hash in each byte that stands for a slot of four bytes: at least 1, as
/// [`tag`](crate::format::index::hash::tag) has it.
#[inline(always)]
pub(super) fn tag_of(hash: u64) -> Vector {
    // The unused first bytes differ from the others because the compiler would take the maximum of
    // one byte instead, in two instructions more.
    const LEAST: [u8; 16] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    greater_bytes(every_byte(hash as u8), zerocopy::transmute!(LEAST))
}

impl Sums for Sse2 {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        let (Some(first), Some(last)) = (key.first_chunk::<N>(), key.last_chunk::<N>()) else {
            return [0; 2];
        };
        let mut sums: Vector = zerocopy::transmute!([0u64; 2]);
        for (bytes, addends) in [first, last].into_iter().zip(&ADDENDS) {
            let (bytes, addends) = (bytes.as_chunks::<16>().0, addends.as_chunks::<4>().0);
            for (bytes, addends) in bytes.iter().zip(addends) {
                let words = zerocopy::transmute!(*bytes);
                let words = sum_of_words(words, zerocopy::transmute!(*addends));
                sums = sum(sums, products(words));
            }
        }
        zerocopy::transmute!(sums)
    }
}

/// A bit per tag of a line, from a comparison of each quarter of the line.
#[inline(always)]
fn tag_bits(line: &[u8; LINE], compare: impl Fn(Vector) -> Vector) -> u32 {
    let [a, b, c, d]: [Vector; 4] = zerocopy::transmute!(*line);
    let low = high_bits(saturated(compare(a), compare(b)));
    let high = high_bits(saturated(compare(c), compare(d)));
    // The first two lanes hold the line's rank.
    (low | (high << 16)) >> 2
}

/// The first and the last `N` bytes.
#[inline(always)]
pub(super) fn copied_ends<const N: usize>(bytes: &[u8]) -> Option<[[u8; N]; 2]> {
    ends(bytes).map(|[first, last]| [*first, *last])
}

// The instructions, one per function. Each is inlined wherever it is called: a call would cost more
// than the instruction.

/// All ones for each of 16 bytes that are equal.
#[inline(always)]
fn bytes_equal(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_cmpeq_epi8(a, b) }
}

/// One byte, 16 times.
#[inline(always)]
fn every_byte(byte: u8) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_set1_epi8(byte as i8) }
}

/// The greater one of each of 16 pairs of bytes.
#[inline(always)]
fn greater_bytes(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_max_epu8(a, b) }
}

/// All ones for each of eight 16-bit numbers that are equal.
#[inline(always)]
fn words_equal(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_cmpeq_epi16(a, b) }
}

/// All ones for each of eight signed 16-bit numbers of `a` that is greater than its counterpart in
/// `b`.
#[inline(always)]
fn words_greater(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_cmpgt_epi16(a, b) }
}

/// Sixteen signed 16-bit numbers, saturated to bytes.
#[inline(always)]
fn saturated(low: Vector, high: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_packs_epi16(low, high) }
}

/// Adds four 32-bit words to four others.
#[inline(always)]
fn sum_of_words(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_add_epi32(a, b) }
}

/// Adds two 64-bit numbers to two others.
#[inline(always)]
pub(super) fn sum(a: Vector, b: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_add_epi64(a, b) }
}

/// The product of each pair of 32-bit words.
#[inline(always)]
fn products(words: Vector) -> Vector {
    // SAFETY: SSE2 is part of every x86-64.
    let odd = unsafe { arch::_mm_srli_epi64::<32>(words) };
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { arch::_mm_mul_epu32(words, odd) }
}

/// The highest bit of each byte.
#[inline(always)]
fn high_bits(bytes: Vector) -> u32 {
    // SAFETY: SSE2 is part of every x86-64.
    (unsafe { arch::_mm_movemask_epi8(bytes) }) as u32
}
