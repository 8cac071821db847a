//! Comparing a bucket's tags at once, and prefetching. The portable form gives the same answers.

#![expect(
    unsafe_code,
    reason = "calls target-feature functions; prefetch instructions take a pointer"
)]

use crate::format::hash::BUCKET;
use crate::format::line::LINE;
#[cfg(any(test, not(target_arch = "x86_64")))]
use crate::format::line::LINE_TAGS;

/// A bit per slot, bit i for tag i, where the tag equals `tag`; `slots` is at most 12.
#[inline]
pub(super) fn matches(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of every x86-64.
        unsafe { matches_sse2(bucket, tag, slots) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        matches_portable(bucket, tag, slots)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn matches_sse2(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8};
    let mut sixteen = [0; 16];
    sixteen.copy_from_slice(&bucket[..16]);
    let tags: __m128i = zerocopy::transmute!(sixteen);
    let wanted: __m128i = zerocopy::transmute!([tag; 16]);
    let mask = _mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted));
    mask as u32 & ((1 << slots) - 1)
}

/// The same, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn matches_portable(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    let tags = bucket.iter().take(slots).enumerate();
    tags.fold(0, |mask, (slot, &other)| mask | u32::from(other == tag) << slot)
}

/// How many of a line's tags are below `tag`. They ascend, so that is where `tag` belongs.
#[inline]
pub(super) fn tags_below(line: &[u8; LINE], tag: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of every x86-64.
        unsafe { tags_below_sse2(line, tag) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        tags_below_portable(line, tag)
    }
}

/// Tags have 15 bits, so signed comparison is right.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn tags_below_sse2(line: &[u8; LINE], tag: u16) -> usize {
    use std::arch::x86_64::{__m128i, _mm_cmpgt_epi16, _mm_movemask_epi8, _mm_packs_epi16};
    let wanted: __m128i = zerocopy::transmute!([tag; 8]);
    let [a, b, c, d]: [__m128i; 4] = zerocopy::transmute!(*line);
    let below = |tags| _mm_cmpgt_epi16(wanted, tags);
    let low = _mm_movemask_epi8(_mm_packs_epi16(below(a), below(b))) as u32;
    let high = _mm_movemask_epi8(_mm_packs_epi16(below(c), below(d))) as u32;
    // The first two lanes hold the line's rank.
    ((low | (high << 16)) >> 2).trailing_ones() as usize
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
