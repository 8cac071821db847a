//! The form with AVX-512: one instruction compares a whole line or bucket. The fewer instructions a
//! lookup takes, the more lookups a processor has in flight.

#![expect(unsafe_code, reason = "vector instructions, which need a feature of the processor")]

use super::form::{Family, Lookup, Simd, Work};
use super::sse2::{Sse2, WORDS, copied_ends, sum, tag_of};
use crate::format::hasher::{ADDENDS, Sums};
use crate::format::index::hash::{BUCKET, Slots};
use crate::format::index::line::{LINE, LINE_TAGS};
use std::arch::x86_64 as arch;

/// Proof that the processor has AVX-512 F, BW and VL, and BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let has = [
            is_x86_feature_detected!("avx512f"),
            is_x86_feature_detected!("avx512bw"),
            is_x86_feature_detected!("avx512vl"),
            is_x86_feature_detected!("bmi1"),
            is_x86_feature_detected!("bmi2"),
        ];
        has.into_iter().all(|has| has).then_some(Self(()))
    }
}

impl Avx512 {
    /// The products of pairs of words, each word after the addition of its addend.
    #[inline(always)]
    fn products(self, bytes: &[u8; 64], addends: &[u32; 16]) -> arch::__m512i {
        let (words, addends) = (zerocopy::transmute!(*bytes), zerocopy::transmute!(*addends));
        // SAFETY: `self` is the proof.
        let words = unsafe { arch::_mm512_add_epi32(words, addends) };
        // SAFETY: `self` is the proof.
        let odd = unsafe { arch::_mm512_srli_epi64::<32>(words) };
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm512_mul_epu32(words, odd) }
    }

    /// [`products`](Self::products) of half as many words.
    #[inline(always)]
    fn products_of_half(self, bytes: &[u8; 32], addends: &[u32; 8]) -> arch::__m256i {
        let (words, addends) = (zerocopy::transmute!(*bytes), zerocopy::transmute!(*addends));
        // SAFETY: `self` is the proof; AVX-512 includes AVX2.
        let words = unsafe { arch::_mm256_add_epi32(words, addends) };
        // SAFETY: `self` is the proof.
        let odd = unsafe { arch::_mm256_srli_epi64::<32>(words) };
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_mul_epu32(words, odd) }
    }

    /// A bit per word that differs.
    #[inline(always)]
    fn unequal(self, a: &[u8; 64], b: &[u8; 64]) -> u16 {
        let (a, b) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm512_cmpneq_epi32_mask(a, b) }
    }

    /// A bit per byte that differs.
    #[inline(always)]
    fn unequal_half(self, a: &[u8; 32], b: &[u8; 32]) -> u32 {
        let (a, b) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_cmpneq_epi8_mask(a, b) }
    }

    /// Adds the upper half to the lower half.
    #[inline(always)]
    fn halved(self, sums: arch::__m512i) -> arch::__m256i {
        let [low, high]: [arch::__m256i; 2] = zerocopy::transmute!(sums);
        // SAFETY: `self` is the proof; AVX-512 includes AVX2.
        unsafe { arch::_mm256_add_epi64(low, high) }
    }

    /// Adds eight 64-bit numbers to eight others.
    #[inline(always)]
    fn sum(self, a: arch::__m512i, b: arch::__m512i) -> arch::__m512i {
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm512_add_epi64(a, b) }
    }
}

/// Addends of a key of 33 to 64 bytes: its two ends fill one vector.
const ADDENDS_OF_32: [u32; 16] = {
    let ends: [[[u32; 8]; 2]; 2] = zerocopy::transmute!(ADDENDS);
    zerocopy::transmute!([ends[0][0], ends[1][0]])
};

/// Addends of a key of 17 to 32 bytes.
const ADDENDS_OF_16: [u32; 8] = {
    let ends: [[[u32; 4]; 4]; 2] = zerocopy::transmute!(ADDENDS);
    zerocopy::transmute!([ends[0][0], ends[1][0]])
};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
pub(super) fn work<W: Work>(work: W) -> W::Output {
    work.run(Avx512(()))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
pub(super) fn lookup<'t, F: Family, L: Lookup<F>>(
    table: &'t F::Table,
    key: &[u8],
) -> F::Answer<'t> {
    L::run(Avx512(()), table, key)
}

impl Simd for Avx512 {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        let [tags, ..]: [arch::__m128i; 4] = zerocopy::transmute!(*bucket);
        let some = ((1 << slots.count()) - 1) << slots.tags_start();
        // SAFETY: `self` is the proof.
        let wanted = unsafe { arch::_mm_set1_epi8(tag as i8) };
        // SAFETY: `self` is the proof.
        let equal = unsafe { arch::_mm_mask_cmpeq_epi8_mask(some, tags, wanted) };
        u32::from(equal) >> slots.tags_start()
    }

    #[inline(always)]
    fn slots_equal(self, bucket: &[u8; BUCKET], hash: u64, mask: u32) -> u32 {
        let words: arch::__m512i = zerocopy::transmute!(*bucket);
        // SAFETY: `self` is the proof.
        let tail = unsafe { arch::_mm512_set1_epi32(hash as i32) };
        // SAFETY: `self` is the proof.
        let mask = unsafe { arch::_mm512_set1_epi32(mask as i32) };
        // SAFETY: `self` is the proof.
        let differing = unsafe { arch::_mm512_xor_si512(words, tail) };
        // SAFETY: `self` is the proof.
        let tails = unsafe { arch::_mm512_testn_epi32_mask(differing, mask) };
        let [tags, ..]: [arch::__m128i; 4] = zerocopy::transmute!(*bucket);
        // SAFETY: `self` is the proof.
        let equal = unsafe { arch::_mm_mask_cmpeq_epi8_mask(tails, tags, tag_of(hash)) };
        u32::from(equal) & WORDS
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        let tags: arch::__m512i = zerocopy::transmute!(*line);
        // SAFETY: `self` is the proof.
        let wanted = unsafe { arch::_mm512_set1_epi16(tag as i16) };
        // SAFETY: `self` is the proof.
        let equal = unsafe { arch::_mm512_cmpeq_epi16_mask(tags, wanted) };
        equal >> (32 - LINE_TAGS)
    }

    #[inline(always)]
    fn tags_below(self, line: &[u8; LINE], tag: u16) -> usize {
        Sse2.tags_below(line, tag)
    }

    #[inline(always)]
    fn equal_17_to_32(self, a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        match (copied_ends::<16>(a), copied_ends::<16>(b)) {
            (Some(a), Some(b)) => {
                self.unequal_half(&zerocopy::transmute!(a), &zerocopy::transmute!(b)) == 0
            }
            _ => Sse2.equal_17_to_32(a, b),
        }
    }

    #[inline(always)]
    fn equal_33_to_64(self, a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        match (copied_ends::<32>(a), copied_ends::<32>(b)) {
            (Some(a), Some(b)) => {
                self.unequal(&zerocopy::transmute!(a), &zerocopy::transmute!(b)) == 0
            }
            _ => Sse2.equal_33_to_64(a, b),
        }
    }

    #[inline(always)]
    fn equal_65_to_128(self, a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        match (copied_ends::<64>(a), copied_ends::<64>(b)) {
            (Some(a), Some(b)) => self.unequal(&a[0], &b[0]) | self.unequal(&a[1], &b[1]) == 0,
            _ => Sse2.equal_65_to_128(a, b),
        }
    }
}

impl Sums for Avx512 {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        let half = match (N, copied_ends::<64>(key), copied_ends::<32>(key), copied_ends::<16>(key))
        {
            (64, Some([first, last]), ..) => {
                let first = self.products(&first, &ADDENDS[0]);
                self.halved(self.sum(first, self.products(&last, &ADDENDS[1])))
            }
            (32, _, Some(ends), _) => {
                self.halved(self.products(&zerocopy::transmute!(ends), &ADDENDS_OF_32))
            }
            (16, .., Some(ends)) => {
                self.products_of_half(&zerocopy::transmute!(ends), &ADDENDS_OF_16)
            }
            _ => return Sse2.sums::<N>(key),
        };
        let [low, high] = zerocopy::transmute!(half);
        zerocopy::transmute!(sum(low, high))
    }
}
