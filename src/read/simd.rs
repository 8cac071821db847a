//! Comparing a bucket's tags at once, and prefetching. The portable form gives the same answers.

#![expect(
    unsafe_code,
    reason = "SIMD instructions need a feature of the processor; prefetches take a pointer"
)]

use crate::format::hash::BUCKET;
use crate::format::line::LINE;
#[cfg(any(test, not(target_arch = "x86_64")))]
use crate::format::line::LINE_TAGS;

#[cfg(target_arch = "x86_64")]
use sse2::{Vector, bytes_equal, high_bits, saturated, words_greater};

/// The instructions that are used, one each. Inlined wherever they are called: a call would cost
/// more than they do.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64 as arch;

    pub(super) type Vector = arch::__m128i;

    /// All ones for each of 16 bytes that are equal.
    #[inline(always)]
    pub(super) fn bytes_equal(a: Vector, b: Vector) -> Vector {
        // SAFETY: SSE2 is part of every x86-64.
        unsafe { arch::_mm_cmpeq_epi8(a, b) }
    }

    /// All ones for each of eight signed 16-bit numbers in `a` that is greater than that in `b`.
    #[inline(always)]
    pub(super) fn words_greater(a: Vector, b: Vector) -> Vector {
        // SAFETY: as above.
        unsafe { arch::_mm_cmpgt_epi16(a, b) }
    }

    /// Sixteen signed 16-bit numbers as bytes.
    #[inline(always)]
    pub(super) fn saturated(low: Vector, high: Vector) -> Vector {
        // SAFETY: as above.
        unsafe { arch::_mm_packs_epi16(low, high) }
    }

    /// The highest bit of each byte.
    #[inline(always)]
    pub(super) fn high_bits(bytes: Vector) -> u32 {
        // SAFETY: as above.
        (unsafe { arch::_mm_movemask_epi8(bytes) }) as u32
    }
}

/// A bit per slot, bit i for tag i, where the tag equals `tag`; `slots` is at most 12.
#[inline(always)]
pub(super) fn matches(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let [tags, ..]: [Vector; 4] = zerocopy::transmute!(*bucket);
        let wanted: Vector = zerocopy::transmute!([tag; 16]);
        high_bits(bytes_equal(tags, wanted)) & ((1 << slots) - 1)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        matches_portable(bucket, tag, slots)
    }
}

/// The same, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn matches_portable(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    let tags = bucket.iter().take(slots).enumerate();
    tags.fold(0, |mask, (slot, &other)| mask | u32::from(other == tag) << slot)
}

/// How many of a line's tags are below `tag`. They ascend, so that is where `tag` belongs.
#[inline(always)]
pub(super) fn tags_below(line: &[u8; LINE], tag: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        // Tags have 15 bits, so signed comparison is right.
        let wanted: Vector = zerocopy::transmute!([tag; 8]);
        let [a, b, c, d]: [Vector; 4] = zerocopy::transmute!(*line);
        let below = |tags| words_greater(wanted, tags);
        let low = high_bits(saturated(below(a), below(b)));
        let high = high_bits(saturated(below(c), below(d)));
        // The first two lanes hold the line's rank.
        ((low | (high << 16)) >> 2).trailing_ones() as usize
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        tags_below_portable(line, tag)
    }
}

/// The same, tag by tag.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn tags_below_portable(line: &[u8; LINE], tag: u16) -> usize {
    (0..LINE_TAGS).take_while(|&i| crate::format::line::tag(line, i) < tag).count()
}

/// Asks for the cache line that holds `bytes[at]`; beyond the end it is a waste and no more.
#[inline]
pub(super) fn prefetch(bytes: &[u8], at: usize) {
    let place = bytes.as_ptr().wrapping_add(at);
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::format::line::NO_TAG;

    #[test]
    fn both_forms_of_tags_below_agree() {
        for seed in 0..2000u32 {
            let mut line = [0; LINE];
            line[4..].as_chunks_mut().0.fill(NO_TAG.to_le_bytes());
            let count = (seed % 31) as usize;
            let mut tags: Vec<u16> = (0..count as u32)
                .map(|i| (seed.wrapping_mul(0x9E37_79B1).rotate_left(i) >> 17) as u16)
                .collect();
            tags.sort_unstable();
            line[..4].copy_from_slice(&seed.to_le_bytes());
            for (i, tag) in tags.iter().enumerate() {
                line[4 + 2 * i..6 + 2 * i].copy_from_slice(&tag.to_le_bytes());
            }
            let mut probes = vec![0, 1, 0x3FFF, 0x4000, 0x7FFE, NO_TAG];
            probes.extend(tags.iter().flat_map(|&t| [t.saturating_sub(1), t, (t + 1).min(NO_TAG)]));
            for tag in probes {
                assert_eq!(tags_below(&line, tag), tags_below_portable(&line, tag));
                let right = tags.iter().filter(|&&other| other < tag).count();
                assert_eq!(tags_below(&line, tag), right);
            }
        }
    }

    #[test]
    fn both_forms_agree() {
        let mut bucket = [0u8; BUCKET];
        for seed in 0..5000u32 {
            for (i, byte) in bucket.iter_mut().enumerate() {
                *byte = (seed.wrapping_mul(0x9E37_79B1).rotate_left(i as u32) >> 29) as u8;
            }
            for tag in 0..9 {
                for slots in [9, 10, 12] {
                    let portable = matches_portable(&bucket, tag, slots);
                    assert_eq!(matches(&bucket, tag, slots), portable);
                }
            }
        }
    }
}
