//! Comparing a bucket's tags at once, and prefetching. The portable form gives the same answers.

#![expect(
    unsafe_code,
    reason = "SIMD instructions need a feature of the processor; prefetches take a pointer"
)]

use super::candidate::{FIRST_WORD, word_of};
use super::lookup::{ANY_LEN, Guess, Lookup};
#[cfg(any(test, not(target_arch = "x86_64")))]
use super::portable;
use super::table::Inner;
#[cfg(target_arch = "x86_64")]
use crate::format::hasher::ADDENDS;
use crate::format::hasher::Sums;
use crate::format::index::hash::{BUCKET, Slots, tag};
use crate::format::index::line::LINE;
use crate::format::order::{equal, equal_short};

/// The vector instructions that lookups use. Both forms give the same answers. A value of a type
/// that stands for more than the baseline proves that the processor has its instructions.
pub(super) trait Simd: Copy + Sums {
    /// A bit per slot, bit i for tag i, where the tag equals `tag`.
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32;

    /// A bit per slot of four bytes that has the tag of `hash`, where its word stands in the bucket:
    /// bit i + [`FIRST_WORD`] for slot i. Of the lowest bit the slot has the bits of `mask` from
    /// the hash, too; of those above it may have.
    fn slots_equal(self, bucket: &[u8; BUCKET], hash: u64, mask: u32) -> u32;

    /// A bit per tag of the line, where it equals `tag`.
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32;

    /// Whether two keys are equal. `N`: the second one has `N + 1` to `2 * N` bytes, where `N` is
    /// 16, 32 or 64; up to 128, where it is 0, and longer ones count as different; any number,
    /// where it is [`ANY_LEN`].
    #[inline(always)]
    fn equal<const N: usize>(self, a: &[u8], b: &[u8]) -> bool {
        if N == ANY_LEN { equal(a, b) } else { equal_short(a, b) }
    }
}

/// What every processor of the architecture has.
#[derive(Clone, Copy)]
pub(super) struct Baseline;

impl Simd for Baseline {
    #[inline(always)]
    fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
        matches(bucket, tag, slots)
    }

    #[inline(always)]
    fn slots_equal(self, bucket: &[u8; BUCKET], hash: u64, mask: u32) -> u32 {
        // Slot by slot: of those that are looked for, few meet a second tag, and vectors of four
        // slots would take four times the instructions.
        let mut found = matches(bucket, tag(hash), Slots::Four) << FIRST_WORD;
        while found != 0 {
            if (word_of(bucket, found) ^ hash as u32) & mask == 0 {
                break;
            }
            found &= found - 1;
        }
        found
    }

    #[inline(always)]
    fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
        #[cfg(target_arch = "x86_64")]
        {
            let wanted: Vector = zerocopy::transmute!([tag; 8]);
            tag_bits(line, |tags| words_equal(wanted, tags))
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            portable::tags_equal(line, tag)
        }
    }
}

impl Sums for Baseline {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        #[cfg(target_arch = "x86_64")]
        {
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
        #[cfg(not(target_arch = "x86_64"))]
        {
            crate::format::hasher::Portable.sums::<N>(key)
        }
    }
}

/// The form of a lookup function that suits this processor.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    /// Invariant: a function whose instructions this processor has.
    function: for<'t> unsafe fn(&'t Inner, &[u8]) -> Guess<'t>,
}

impl Chosen {
    pub(super) fn new<L: Lookup>() -> Self {
        #[cfg(target_arch = "x86_64")]
        if Avx512::detect().is_some() {
            return Self { function: avx512::guess::<L> };
        }
        Self { function: baseline::<L> }
    }

    #[inline(always)]
    pub(super) fn call<'t>(self, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        // SAFETY: invariant of `function`.
        unsafe { (self.function)(inner, key) }
    }
}

/// Work that is compiled once for each kind of processor.
pub(super) trait Work {
    type Output;

    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Does work in the form that suits this processor.
pub(super) fn work<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if Avx512::detect().is_some() {
        // SAFETY: the processor has the instructions that the function asks for.
        return unsafe { avx512::work(work) };
    }
    work.run(Baseline)
}

fn baseline<'t, L: Lookup>(inner: &'t Inner, key: &[u8]) -> Guess<'t> {
    L::run(Baseline, inner, key)
}

#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
use sse2::{
    Vector, bytes_equal, high_bits, products, saturated, sum, sum_of_words, words_equal,
    words_greater,
};

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

    /// All ones for each of eight 16-bit numbers that are equal.
    #[inline(always)]
    pub(super) fn words_equal(a: Vector, b: Vector) -> Vector {
        // SAFETY: as above.
        unsafe { arch::_mm_cmpeq_epi16(a, b) }
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

    /// The sums of four 32-bit words each.
    #[inline(always)]
    pub(super) fn sum_of_words(a: Vector, b: Vector) -> Vector {
        // SAFETY: as above.
        unsafe { arch::_mm_add_epi32(a, b) }
    }

    /// The sums of two 64-bit numbers each.
    #[inline(always)]
    pub(super) fn sum(a: Vector, b: Vector) -> Vector {
        // SAFETY: as above.
        unsafe { arch::_mm_add_epi64(a, b) }
    }

    /// Of each two 32-bit words, the product.
    #[inline(always)]
    pub(super) fn products(words: Vector) -> Vector {
        // SAFETY: as above.
        let odd = unsafe { arch::_mm_srli_epi64::<32>(words) };
        // SAFETY: as above.
        unsafe { arch::_mm_mul_epu32(words, odd) }
    }

    /// The highest bit of each byte.
    #[inline(always)]
    pub(super) fn high_bits(bytes: Vector) -> u32 {
        // SAFETY: as above.
        (unsafe { arch::_mm_movemask_epi8(bytes) }) as u32
    }
}

/// One instruction compares a whole line: the fewer a lookup takes, the more of them a processor
/// has in flight.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BUCKET, Baseline, LINE, Lookup, Simd, Work, sum};
    use crate::format::hasher::{ADDENDS, Sums};
    use crate::format::index::hash::Slots;
    use crate::format::index::line::LINE_TAGS;
    use crate::read::candidate::WORDS;
    use crate::read::lookup::Guess;
    use crate::read::table::Inner;
    use std::arch::x86_64 as arch;
    use std::sync::LazyLock;

    /// Proof that the processor has AVX-512 F, BW and VL, and BMI1 and BMI2.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        pub(crate) fn detect() -> Option<Self> {
            static FOUND: LazyLock<bool> = LazyLock::new(|| {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("bmi1")
                    && is_x86_feature_detected!("bmi2")
            });
            FOUND.then_some(Self(()))
        }
    }

    /// The first and the last `N` bytes.
    #[inline(always)]
    fn ends<const N: usize>(bytes: &[u8]) -> Option<[[u8; N]; 2]> {
        Some([*bytes.first_chunk()?, *bytes.last_chunk()?])
    }

    impl Avx512 {
        /// Of each two words with their addends, the product.
        #[inline(always)]
        fn products(self, bytes: &[u8; 64], addends: &[u32; 16]) -> arch::__m512i {
            let (words, addends) = (zerocopy::transmute!(*bytes), zerocopy::transmute!(*addends));
            // SAFETY: `self` is the proof.
            let words = unsafe { arch::_mm512_add_epi32(words, addends) };
            // SAFETY: as above.
            let odd = unsafe { arch::_mm512_srli_epi64::<32>(words) };
            // SAFETY: as above.
            unsafe { arch::_mm512_mul_epu32(words, odd) }
        }

        /// The same of half as many words.
        #[inline(always)]
        fn products_of_half(self, bytes: &[u8; 32], addends: &[u32; 8]) -> arch::__m256i {
            let (words, addends) = (zerocopy::transmute!(*bytes), zerocopy::transmute!(*addends));
            // SAFETY: `self` is the proof; AVX-512 includes AVX2.
            let words = unsafe { arch::_mm256_add_epi32(words, addends) };
            // SAFETY: as above.
            let odd = unsafe { arch::_mm256_srli_epi64::<32>(words) };
            // SAFETY: as above.
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

        /// The sums of each two numbers, of which one is in each half.
        #[inline(always)]
        fn halved(self, sums: arch::__m512i) -> arch::__m256i {
            let [low, high]: [arch::__m256i; 2] = zerocopy::transmute!(sums);
            // SAFETY: `self` is the proof; AVX-512 includes AVX2.
            unsafe { arch::_mm256_add_epi64(low, high) }
        }

        /// The sums of eight 64-bit numbers each.
        #[inline(always)]
        fn sum(self, a: arch::__m512i, b: arch::__m512i) -> arch::__m512i {
            // SAFETY: `self` is the proof.
            unsafe { arch::_mm512_add_epi64(a, b) }
        }
    }

    /// The addends of a key of 33 to 64 bytes, of which both ends fill one vector.
    const ADDENDS_OF_32: [u32; 16] = {
        let ends: [[[u32; 8]; 2]; 2] = zerocopy::transmute!(ADDENDS);
        zerocopy::transmute!([ends[0][0], ends[1][0]])
    };

    /// Likewise of a key of 17 to 32 bytes.
    const ADDENDS_OF_16: [u32; 8] = {
        let ends: [[[u32; 4]; 4]; 2] = zerocopy::transmute!(ADDENDS);
        zerocopy::transmute!([ends[0][0], ends[1][0]])
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
    pub(super) fn work<W: Work>(work: W) -> W::Output {
        work.run(Avx512(()))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
    pub(super) fn guess<'t, L: Lookup>(inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        L::run(Avx512(()), inner, key)
    }

    impl Simd for Avx512 {
        #[inline(always)]
        fn matches(self, bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
            let [tags, ..]: [arch::__m128i; 4] = zerocopy::transmute!(*bucket);
            let some = ((1 << slots.count()) - 1) << slots.tags_start();
            // SAFETY: `self` is the proof.
            let wanted = unsafe { arch::_mm_set1_epi8(tag as i8) };
            // SAFETY: as above.
            let equal = unsafe { arch::_mm_mask_cmpeq_epi8_mask(some, tags, wanted) };
            u32::from(equal) >> slots.tags_start()
        }

        #[inline(always)]
        fn slots_equal(self, bucket: &[u8; BUCKET], hash: u64, mask: u32) -> u32 {
            let words: arch::__m512i = zerocopy::transmute!(*bucket);
            // SAFETY: `self` is the proof.
            let tail = unsafe { arch::_mm512_set1_epi32(hash as i32) };
            // SAFETY: as above.
            let mask = unsafe { arch::_mm512_set1_epi32(mask as i32) };
            // SAFETY: as above.
            let differing = unsafe { arch::_mm512_xor_si512(words, tail) };
            // SAFETY: as above.
            let tails = unsafe { arch::_mm512_testn_epi32_mask(differing, mask) };
            let [tags, ..]: [arch::__m128i; 4] = zerocopy::transmute!(*bucket);
            // SAFETY: as above.
            let wanted = unsafe { arch::_mm_set1_epi8(hash as i8) };
            // What `tag` does. Not the same number sixteen times, for which the compiler would
            // take the maximum of the one byte, in two instructions more.
            const LEAST: [u8; 16] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
            // SAFETY: as above.
            let wanted = unsafe { arch::_mm_max_epu8(wanted, zerocopy::transmute!(LEAST)) };
            // SAFETY: as above.
            let equal = unsafe { arch::_mm_mask_cmpeq_epi8_mask(tails, tags, wanted) };
            u32::from(equal) & WORDS
        }

        #[inline(always)]
        fn tags_equal(self, line: &[u8; LINE], tag: u16) -> u32 {
            let tags: arch::__m512i = zerocopy::transmute!(*line);
            // SAFETY: `self` is the proof.
            let wanted = unsafe { arch::_mm512_set1_epi16(tag as i16) };
            // SAFETY: as above.
            let equal = unsafe { arch::_mm512_cmpeq_epi16_mask(tags, wanted) };
            equal >> (32 - LINE_TAGS)
        }

        #[inline(always)]
        fn equal<const N: usize>(self, a: &[u8], b: &[u8]) -> bool {
            if a.len() != b.len() {
                return false;
            }
            let short = (ends::<16>(a), ends::<16>(b));
            let (middling, long) = ((ends::<32>(a), ends::<32>(b)), (ends::<64>(a), ends::<64>(b)));
            match (N, short, middling, long) {
                (64, .., (Some(a), Some(b))) => {
                    self.unequal(&a[0], &b[0]) | self.unequal(&a[1], &b[1]) == 0
                }
                (32, _, (Some(a), Some(b)), _) => {
                    self.unequal(&zerocopy::transmute!(a), &zerocopy::transmute!(b)) == 0
                }
                (16, (Some(a), Some(b)), ..) => {
                    self.unequal_half(&zerocopy::transmute!(a), &zerocopy::transmute!(b)) == 0
                }
                _ => Baseline.equal::<N>(a, b),
            }
        }
    }

    impl Sums for Avx512 {
        #[inline(always)]
        fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
            let half = match (N, ends::<64>(key), ends::<32>(key), ends::<16>(key)) {
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
                _ => return Baseline.sums::<N>(key),
            };
            let [low, high] = zerocopy::transmute!(half);
            zerocopy::transmute!(sum(low, high))
        }
    }
}

/// A bit per slot, bit i for tag i, where the tag equals `tag`.
#[inline(always)]
pub(super) fn matches(bucket: &[u8; BUCKET], tag: u8, slots: Slots) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        let [tags, ..]: [Vector; 4] = zerocopy::transmute!(*bucket);
        let wanted: Vector = zerocopy::transmute!([tag; 16]);
        high_bits(bytes_equal(tags, wanted)) >> slots.tags_start() & ((1 << slots.count()) - 1)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        portable::matches(bucket, tag, slots)
    }
}

/// The results of comparing the four parts of a line, as a bit per tag.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tag_bits(line: &[u8; LINE], compare: impl Fn(Vector) -> Vector) -> u32 {
    let [a, b, c, d]: [Vector; 4] = zerocopy::transmute!(*line);
    let low = high_bits(saturated(compare(a), compare(b)));
    let high = high_bits(saturated(compare(c), compare(d)));
    // The first two lanes hold the line's rank.
    (low | (high << 16)) >> 2
}

/// How many of a line's tags are below `tag`. They ascend, so that is where `tag` belongs.
#[inline(always)]
pub(super) fn tags_below(line: &[u8; LINE], tag: u16) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        // Tags have 15 bits, so signed comparison is right.
        let wanted: Vector = zerocopy::transmute!([tag; 8]);
        tag_bits(line, |tags| words_greater(wanted, tags)).trailing_ones() as usize
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        portable::tags_below(line, tag)
    }
}

/// Asks for the cache line that holds `bytes[at]`; beyond the end it is a waste and no more.
#[inline(always)]
pub(super) fn prefetch(bytes: &[u8], at: usize) {
    prefetch_into::<3>(bytes, at);
}

/// The same, but not into the first-level cache, which has few places for lines that are under way
/// (24 on Zen 4): for what is read a while later.
#[inline(always)]
pub(super) fn prefetch_outer(bytes: &[u8], at: usize) {
    prefetch_into::<2>(bytes, at);
}

/// The level as the instruction has it: 3 is the first, 2 the second.
#[inline(always)]
fn prefetch_into<const LEVEL: i32>(bytes: &[u8], at: usize) {
    let place = bytes.as_ptr().wrapping_add(at);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<LEVEL>(place.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::format::hasher::Portable;
    use crate::format::index::line::NO_TAG;

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
                assert_eq!(tags_below(&line, tag), portable::tags_below(&line, tag));
                let right = tags.iter().filter(|&&other| other < tag).count();
                assert_eq!(tags_below(&line, tag), right);
                let equal = portable::tags_equal(&line, tag);
                assert_eq!(equal.count_ones() as usize, line_tags(&line, tag));
                assert_eq!(Baseline.tags_equal(&line, tag), equal);
                assert_eq!(work(TagsEqual(&line, tag)), equal);
            }
        }
    }

    // What this processor's form says; the baseline's is asked for by name.
    struct TagsEqual<'l>(&'l [u8; LINE], u16);
    struct Matches<'b>(&'b [u8; BUCKET], u8, Slots);

    impl Work for TagsEqual<'_> {
        type Output = u32;

        fn run<S: Simd>(self, simd: S) -> u32 {
            simd.tags_equal(self.0, self.1)
        }
    }

    impl Work for Matches<'_> {
        type Output = u32;

        fn run<S: Simd>(self, simd: S) -> u32 {
            simd.matches(self.0, self.1, self.2)
        }
    }

    struct SlotsEqual<'b>(&'b [u8; BUCKET], u64, u32);

    impl Work for SlotsEqual<'_> {
        type Output = u32;

        fn run<S: Simd>(self, simd: S) -> u32 {
            simd.slots_equal(self.0, self.1, self.2)
        }
    }

    #[test]
    fn all_forms_of_slots_agree() {
        let mut bucket = [0u8; BUCKET];
        let mut hits = 0;
        for seed in 0..3000u32 {
            for (i, byte) in bucket.iter_mut().enumerate() {
                *byte = (seed.wrapping_mul(0x9E37_79B1).rotate_left(i as u32) >> 30) as u8;
            }
            for (low, bits) in (0..4).flat_map(|low| [0, 1, 7, 31].map(|bits| (low, bits))) {
                let slot = seed as usize % Slots::Four.count();
                let held = Slots::Four.get(&bucket, slot) ^ u64::from(seed >> 20);
                let hash = u64::from(seed) << 32 | held & !0xFF | low;
                let mask = u32::MAX << bits & !(seed & 0x0303_0303);
                let tags = portable::matches(&bucket, tag(hash), Slots::Four);
                let fits = |slot: &usize| {
                    (Slots::Four.get(&bucket, *slot) as u32 ^ hash as u32) & mask == 0
                        && tags >> slot & 1 != 0
                };
                let first = (0..Slots::Four.count()).find(fits);
                let forms = [
                    Baseline.slots_equal(&bucket, hash, mask),
                    work(SlotsEqual(&bucket, hash, mask)),
                ];
                for found in forms {
                    let lowest = (found != 0).then(|| found.trailing_zeros() as usize - FIRST_WORD);
                    assert_eq!((lowest, found & !(tags << FIRST_WORD)), (first, 0));
                    if let Some(first) = first {
                        let held = Slots::Four.get(&bucket, first) as u32;
                        assert_eq!(word_of(&bucket, found), held);
                    }
                }
                hits += usize::from(first.is_some());
            }
        }
        assert!(hits > 1000, "{hits} slots were equal");
    }

    struct Summed<'k, const N: usize>(&'k [u8]);
    struct Equal<'k, const N: usize>(&'k [u8], &'k [u8]);

    impl<const N: usize> Work for Summed<'_, N> {
        type Output = [u64; 2];

        fn run<S: Simd>(self, simd: S) -> [u64; 2] {
            simd.sums::<N>(self.0)
        }
    }

    impl<const N: usize> Work for Equal<'_, N> {
        type Output = bool;

        fn run<S: Simd>(self, simd: S) -> bool {
            simd.equal::<N>(self.0, self.1)
        }
    }

    /// Keys of `N + 1` to `2 * N` bytes, in which each byte counts.
    fn all_forms_agree_on_keys<const N: usize>() {
        let bytes: Vec<u8> = (0..2 * N as u32).map(|i| (i.wrapping_mul(167) >> 1) as u8).collect();
        for len in N + 1..=2 * N {
            let key = &bytes[..len];
            let sums = Portable.sums::<N>(key);
            assert_eq!(Baseline.sums::<N>(key), sums, "{len} bytes");
            assert_eq!(work(Summed::<N>(key)), sums, "{len} bytes");
            assert!(Baseline.equal::<N>(key, key) && work(Equal::<N>(key, key)));
            for at in 0..len {
                let mut other = key.to_vec();
                other[at] ^= 0x20;
                let case = format!("byte {at} of {len}");
                assert!(!Baseline.equal::<N>(key, &other), "{case}");
                assert!(!work(Equal::<N>(key, &other)), "{case}");
                let sums_of_other = Portable.sums::<N>(&other);
                assert_ne!(sums_of_other, sums, "{case}");
                assert_eq!(Baseline.sums::<N>(&other), sums_of_other, "{case}");
                assert_eq!(work(Summed::<N>(&other)), sums_of_other, "{case}");
            }
            assert!(!work(Equal::<N>(&key[1..], key)), "{len} bytes");
        }
    }

    #[test]
    fn all_forms_agree_on_keys_of_all_lengths() {
        all_forms_agree_on_keys::<16>();
        all_forms_agree_on_keys::<32>();
        all_forms_agree_on_keys::<64>();
    }

    fn line_tags(line: &[u8; LINE], tag: u16) -> usize {
        let (tags, _) = line[4..].as_chunks();
        tags.iter().filter(|&&bytes| u16::from_le_bytes(bytes) == tag).count()
    }

    #[test]
    fn both_forms_agree() {
        let mut bucket = [0u8; BUCKET];
        for seed in 0..5000u32 {
            for (i, byte) in bucket.iter_mut().enumerate() {
                *byte = (seed.wrapping_mul(0x9E37_79B1).rotate_left(i as u32) >> 29) as u8;
            }
            for tag in 0..9 {
                for slots in [Slots::Four, Slots::Five, Slots::Six] {
                    let portable = portable::matches(&bucket, tag, slots);
                    assert_eq!(matches(&bucket, tag, slots), portable);
                    assert_eq!(work(Matches(&bucket, tag, slots)), portable);
                }
            }
        }
    }
}
