//! Comparing a bucket's tags at once, and prefetching. The portable form gives the same answers.

#![expect(unsafe_code, reason = "prefetch instructions take a pointer")]

use crate::format::hash::BUCKET;

/// A bit per slot, bit i for tag i, where the tag equals `tag`; `slots` is at most 12.
#[inline]
pub(super) fn matches(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        matches_sse2(bucket, tag, slots)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        matches_portable(bucket, tag, slots)
    }
}

/// SSE2 is part of every x86-64.
#[cfg(target_arch = "x86_64")]
#[inline]
fn matches_sse2(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8};
    let mut sixteen = [0; 16];
    sixteen.copy_from_slice(&bucket[..16]);
    let tags: __m128i = zerocopy::transmute!(sixteen);
    let wanted: __m128i = zerocopy::transmute!([tag; 16]);
    // SAFETY: SSE2 is part of the baseline of x86-64.
    let equal = unsafe { _mm_cmpeq_epi8(tags, wanted) };
    // SAFETY: as above.
    let mask = unsafe { _mm_movemask_epi8(equal) };
    mask as u32 & ((1 << slots) - 1)
}

/// The same, byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn matches_portable(bucket: &[u8; BUCKET], tag: u8, slots: usize) -> u32 {
    let tags = bucket.iter().take(slots).enumerate();
    tags.fold(0, |mask, (slot, &other)| mask | u32::from(other == tag) << slot)
}

/// Asks for the cache line that holds `bytes[at]`; beyond the end nothing happens.
#[inline]
pub(super) fn prefetch(bytes: &[u8], at: usize) {
    let Some(byte) = bytes.get(at) else { return };
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: the pointer comes from a reference, and a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = byte;
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

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
                    assert_eq!(matches_sse2(&bucket, tag, slots), portable);
                }
            }
        }
    }
}
