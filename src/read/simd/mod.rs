//! SIMD: one file for each instruction set, and the choice between them. `form` says what an
//! instruction set does for a lookup.

#![expect(unsafe_code, reason = "calls functions that need a feature of the processor")]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod form;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
mod prefetch;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(target_arch = "x86_64")]
use avx512::Avx512;
pub(crate) use form::{Family, Lookup, Simd, Work};
pub(crate) use prefetch::{CACHE_LINE, prefetch, prefetch_outer};

/// The form that every processor of the architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::Portable as Baseline;
/// The form that every processor of the architecture has.
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::Sse2 as Baseline;

/// A lookup function in the form that suits this processor.
pub(crate) struct Chosen<F: Family> {
    /// Invariant: this processor has the instructions of the function.
    function: for<'t, 'k> unsafe fn(&'t F::Table, &'k [u8]) -> F::Answer<'t>,
}

impl<F: Family> Chosen<F> {
    pub(crate) fn new<L: Lookup<F>>() -> Self {
        #[cfg(target_arch = "x86_64")]
        if Avx512::detect().is_some() {
            return Self { function: avx512::lookup::<F, L> };
        }
        Self { function: baseline::<F, L> }
    }

    #[inline(always)]
    pub(crate) fn call<'t>(&self, table: &'t F::Table, key: &[u8]) -> F::Answer<'t> {
        // SAFETY: invariant of `function`.
        unsafe { (self.function)(table, key) }
    }
}

fn baseline<'t, F: Family, L: Lookup<F>>(table: &'t F::Table, key: &[u8]) -> F::Answer<'t> {
    L::run(Baseline, table, key)
}

/// Does work in the form that suits this processor.
pub(crate) fn work<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if Avx512::detect().is_some() {
        // SAFETY: the processor has the instructions that the function needs.
        return unsafe { avx512::work(work) };
    }
    work.run(Baseline)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::format::hasher::Sums;
    use crate::format::index::hash::{BUCKET, FIRST_WORD, Slots, tag, word_of};
    use crate::format::index::line::{LINE, NO_TAG};
    use portable::Portable;

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
                assert_eq!(Baseline.tags_below(&line, tag), Portable.tags_below(&line, tag));
                let right = tags.iter().filter(|&&other| other < tag).count();
                assert_eq!(Baseline.tags_below(&line, tag), right);
                let equal = Portable.tags_equal(&line, tag);
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

        fn run<I: Simd>(self, simd: I) -> u32 {
            simd.tags_equal(self.0, self.1)
        }
    }

    impl Work for Matches<'_> {
        type Output = u32;

        fn run<I: Simd>(self, simd: I) -> u32 {
            simd.matches(self.0, self.1, self.2)
        }
    }

    struct SlotsEqual<'b>(&'b [u8; BUCKET], u64, u32);

    impl Work for SlotsEqual<'_> {
        type Output = u32;

        fn run<I: Simd>(self, simd: I) -> u32 {
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
                let tags = Portable.matches(&bucket, tag(hash), Slots::Four);
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
    struct Equal<'k>(&'k [u8], &'k [u8]);

    impl Equal<'_> {
        /// By the class of the second key's length.
        fn by<I: Simd>(self, simd: I) -> bool {
            match self.1.len() {
                17..=32 => simd.equal_17_to_32(self.0, self.1),
                33..=64 => simd.equal_33_to_64(self.0, self.1),
                _ => simd.equal_65_to_128(self.0, self.1),
            }
        }
    }

    impl<const N: usize> Work for Summed<'_, N> {
        type Output = [u64; 2];

        fn run<I: Simd>(self, simd: I) -> [u64; 2] {
            simd.sums::<N>(self.0)
        }
    }

    impl Work for Equal<'_> {
        type Output = bool;

        fn run<I: Simd>(self, simd: I) -> bool {
            self.by(simd)
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
            assert!(Equal(key, key).by(Baseline) && work(Equal(key, key)));
            for at in 0..len {
                let mut other = key.to_vec();
                other[at] ^= 0x20;
                let case = format!("byte {at} of {len}");
                assert!(!Equal(key, &other).by(Baseline), "{case}");
                assert!(!work(Equal(key, &other)), "{case}");
                let sums_of_other = Portable.sums::<N>(&other);
                assert_ne!(sums_of_other, sums, "{case}");
                assert_eq!(Baseline.sums::<N>(&other), sums_of_other, "{case}");
                assert_eq!(work(Summed::<N>(&other)), sums_of_other, "{case}");
            }
            assert!(!work(Equal(&key[1..], key)), "{len} bytes");
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
                    let portable = Portable.matches(&bucket, tag, slots);
                    assert_eq!(Baseline.matches(&bucket, tag, slots), portable);
                    assert_eq!(work(Matches(&bucket, tag, slots)), portable);
                }
            }
        }
    }
}
