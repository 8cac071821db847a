//! The form with AVX2 and BMI2: the processors since 2013 that lack AVX-512.

#![expect(unsafe_code, reason = "vector instructions, which need a feature of the processor")]

use super::form::{Family, Lookup, Simd, Work};
use super::sse2::{Sse2, copied_ends, sum};
use crate::format::hasher::{ADDENDS, Sums};
use crate::format::index::hash::{BUCKET, Slots};
use crate::format::index::line::{LINE, LINE_TAGS};
use std::arch::x86_64 as arch;

/// Proof that the processor has AVX2, BMI1, BMI2, LZCNT and POPCNT.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

type Vector = arch::__m256i;

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let has = [
            is_x86_feature_detected!("avx2"),
            is_x86_feature_detected!("bmi1"),
            is_x86_feature_detected!("bmi2"),
            is_x86_feature_detected!("lzcnt"),
            is_x86_feature_detected!("popcnt"),
        ];
        has.into_iter().all(|has| has).then_some(Self(()))
    }
}

impl Avx2 {
    /// The products of pairs of words, each word after the addition of its addend.
    #[inline(always)]
    fn products(self, bytes: &[u8; 32], addends: &[u32; 8]) -> Vector {
        let (words, addends) = (zerocopy::transmute!(*bytes), zerocopy::transmute!(*addends));
        // SAFETY: `self` is the proof.
        let words = unsafe { arch::_mm256_add_epi32(words, addends) };
        // SAFETY: `self` is the proof.
        let odd = unsafe { arch::_mm256_srli_epi64::<32>(words) };
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_mul_epu32(words, odd) }
    }

    /// Adds four 64-bit numbers to four others.
    #[inline(always)]
    fn sum(self, a: Vector, b: Vector) -> Vector {
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_add_epi64(a, b) }
    }

    /// All ones for each byte that is equal.
    #[inline(always)]
    fn equal(self, a: &[u8; 32], b: &[u8; 32]) -> Vector {
        let (a, b) = (zerocopy::transmute!(*a), zerocopy::transmute!(*b));
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_cmpeq_epi8(a, b) }
    }

    #[inline(always)]
    fn both(self, a: Vector, b: Vector) -> Vector {
        // SAFETY: `self` is the proof.
        unsafe { arch::_mm256_and_si256(a, b) }
    }

    /// Whether every byte is all ones. VPTEST would take one instruction less, but the compiler makes
    /// six of its intrinsic.
    #[inline(always)]
    fn all(self, bytes: Vector) -> bool {
        // SAFETY: `self` is the proof.
        (unsafe { arch::_mm256_movemask_epi8(bytes) }) == -1
    }
}

/// Addends of a key of 17 to 32 bytes.
const ADDENDS_OF_16: [u32; 8] = {
    let ends: [[[u32; 4]; 4]; 2] = zerocopy::transmute!(ADDENDS);
    zerocopy::transmute!([ends[0][0], ends[1][0]])
};

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn work<W: Work>(work: W) -> W::Output {
    work.run(Avx2(()))
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub(super) fn lookup<'t, F: Family, L: Lookup<F>>(
    table: &'t F::Table,
    key: &[u8],
) -> F::Answer<'t> {
    L::run(Avx2(()), table, key)
}

impl Simd for Avx2 {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        Sse2.matches(bucket, tag, slots)
    }

    #[inline(always)]
    fn words_tagged(self, bucket: &[u8; BUCKET], hash: u64) -> u32 {
        Sse2.words_tagged(bucket, hash)
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        let [low, high]: &[[u8; 32]; 2] = zerocopy::transmute_ref!(line);
        let (low, high): (Vector, Vector) =
            (zerocopy::transmute!(*low), zerocopy::transmute!(*high));
        // SAFETY: `self` is the proof.
        let wanted = unsafe { arch::_mm256_set1_epi16(tag as i16) };
        // SAFETY: `self` is the proof.
        let low = unsafe { arch::_mm256_cmpeq_epi16(low, wanted) };
        // SAFETY: `self` is the proof.
        let high = unsafe { arch::_mm256_cmpeq_epi16(high, wanted) };
        // SAFETY: `self` is the proof.
        let packed = unsafe { arch::_mm256_packs_epi16(low, high) };
        // Packing takes turns between the halves of 16 bytes.
        // SAFETY: `self` is the proof.
        let ordered = unsafe { arch::_mm256_permute4x64_epi64::<0b11_01_10_00>(packed) };
        // SAFETY: `self` is the proof.
        let equal = unsafe { arch::_mm256_movemask_epi8(ordered) };
        (equal as u32) >> (32 - LINE_TAGS)
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
                self.all(self.equal(&zerocopy::transmute!(a), &zerocopy::transmute!(b)))
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn equal_33_to_64(self, a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        match (copied_ends::<32>(a), copied_ends::<32>(b)) {
            (Some(a), Some(b)) => {
                self.all(self.both(self.equal(&a[0], &b[0]), self.equal(&a[1], &b[1])))
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn equal_65_to_128(self, a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        match (copied_ends::<64>(a), copied_ends::<64>(b)) {
            (Some(a), Some(b)) => {
                let a: [[u8; 32]; 4] = zerocopy::transmute!(a);
                let b: [[u8; 32]; 4] = zerocopy::transmute!(b);
                let first = self.both(self.equal(&a[0], &b[0]), self.equal(&a[1], &b[1]));
                let last = self.both(self.equal(&a[2], &b[2]), self.equal(&a[3], &b[3]));
                self.all(self.both(first, last))
            }
            _ => false,
        }
    }
}

impl Sums for Avx2 {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        let half = match (N, copied_ends::<32>(key), copied_ends::<16>(key)) {
            (32, Some([first, last]), ..) => {
                let addends: &[[u32; 8]; 4] = zerocopy::transmute_ref!(&ADDENDS);
                self.sum(self.products(&first, &addends[0]), self.products(&last, &addends[2]))
            }
            (16, .., Some(ends)) => self.products(&zerocopy::transmute!(ends), &ADDENDS_OF_16),
            _ => return Sse2.sums::<N>(key),
        };
        let [low, high] = zerocopy::transmute!(half);
        zerocopy::transmute!(sum(low, high))
    }
}
