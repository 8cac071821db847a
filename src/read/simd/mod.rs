//! SIMD: one file for each instruction set, and the choice between them. `form` says what an
//! instruction set does for a lookup.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod form;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod portable;
mod prefetch;
mod set;
#[cfg(target_arch = "x86_64")]
mod sse2;

pub(crate) use form::{Family, Lookup, Simd, Work};
pub(crate) use prefetch::{
    CACHE_LINE, prefetch, prefetch_address, prefetch_outer, prefetch_outer_address,
};
pub use set::InstructionSet;
pub(crate) use set::{Chosen, work};

/// The form that every processor of the architecture has.
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(crate) use neon::Neon as Baseline;
/// The form that every processor of the architecture has.
#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
)))]
pub(crate) use portable::Portable as Baseline;
/// The form that every processor of the architecture has.
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::Sse2 as Baseline;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hasher::Sums;
    use crate::format::index::hash::{BUCKET, FIRST_WORD, Slots, tag, word_of};
    use crate::format::index::line::{LINE, NO_TAG};
    use portable::Portable;
    use set::Available;

    /// What each form says that this processor has.
    fn by_all<W: Work + Copy>(work: W) -> impl Iterator<Item = W::Output> {
        Available::all().map(move |form| form.run(work))
    }

    #[test]
    fn all_forms_of_lines_agree() {
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
                let below = tags.iter().filter(|&&other| other < tag).count();
                assert!(by_all(TagsBelow(&line, tag)).all(|found| found == below));
                let equal = Portable.tags_equal(&line, tag);
                assert_eq!(equal.count_ones() as usize, line_tags(&line, tag));
                assert!(by_all(TagsEqual(&line, tag)).all(|found| found == equal));
            }
        }
    }

    #[derive(Clone, Copy)]
    struct TagsBelow<'l>(&'l [u8; LINE], u16);
    #[derive(Clone, Copy)]
    struct TagsEqual<'l>(&'l [u8; LINE], u16);
    #[derive(Clone, Copy)]
    struct Matches<'b>(&'b [u8; BUCKET], u8, Slots);

    impl Work for TagsBelow<'_> {
        type Output = usize;

        fn run<I: Simd>(self, simd: I) -> usize {
            simd.tags_below(self.0, self.1)
        }
    }

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

    #[derive(Clone, Copy)]
    struct SlotsEqual<'b>(&'b [u8; BUCKET], u64, u32);

    #[derive(Clone, Copy)]
    struct WordsTagged<'b>(&'b [u8; BUCKET], u64);

    impl Work for WordsTagged<'_> {
        type Output = u32;

        fn run<I: Simd>(self, simd: I) -> u32 {
            simd.words_tagged(self.0, self.1)
        }
    }

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
                let tagged = tags << FIRST_WORD;
                assert!(by_all(WordsTagged(&bucket, hash)).all(|found| found == tagged));
                for found in by_all(SlotsEqual(&bucket, hash, mask)) {
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

    #[derive(Clone, Copy)]
    struct Summed<'k, const N: usize>(&'k [u8]);
    #[derive(Clone, Copy)]
    struct Equal<'k>(&'k [u8], &'k [u8]);

    impl<const N: usize> Work for Summed<'_, N> {
        type Output = [u64; 2];

        fn run<I: Simd>(self, simd: I) -> [u64; 2] {
            simd.sums::<N>(self.0)
        }
    }

    impl Work for Equal<'_> {
        type Output = bool;

        /// By the class of the second key's length.
        fn run<I: Simd>(self, simd: I) -> bool {
            match self.1.len() {
                17..=32 => simd.equal_17_to_32(self.0, self.1),
                33..=64 => simd.equal_33_to_64(self.0, self.1),
                _ => simd.equal_65_to_128(self.0, self.1),
            }
        }
    }

    /// Keys of `N + 1` to `2 * N` bytes, in which each byte counts.
    fn all_forms_agree_on_keys<const N: usize>() {
        let bytes: Vec<u8> = (0..2 * N as u32).map(|i| (i.wrapping_mul(167) >> 1) as u8).collect();
        for len in N + 1..=2 * N {
            let key = &bytes[..len];
            let sums = Portable.sums::<N>(key);
            assert!(by_all(Summed::<N>(key)).all(|other| other == sums), "{len} bytes");
            let copy = key.to_vec();
            assert!(by_all(Equal(key, &copy)).all(|equal| equal), "{len} bytes");
            for at in 0..len {
                let mut other = key.to_vec();
                other[at] ^= 0x20;
                let case = format!("byte {at} of {len}");
                assert!(by_all(Equal(key, &other)).all(|equal| !equal), "{case}");
                let sums_of_other = Portable.sums::<N>(&other);
                assert_ne!(sums_of_other, sums, "{case}");
                assert!(by_all(Summed::<N>(&other)).all(|sums| sums == sums_of_other), "{case}");
            }
            assert!(by_all(Equal(&key[1..], key)).all(|equal| !equal), "{len} bytes");
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
    fn all_forms_of_tags_agree() {
        let mut bucket = [0u8; BUCKET];
        for seed in 0..5000u32 {
            for (i, byte) in bucket.iter_mut().enumerate() {
                *byte = (seed.wrapping_mul(0x9E37_79B1).rotate_left(i as u32) >> 29) as u8;
            }
            for tag in 0..9 {
                for slots in [Slots::Four, Slots::Five, Slots::Six] {
                    let portable = Portable.matches(&bucket, tag, slots);
                    let mut found = by_all(Matches(&bucket, tag, slots));
                    assert!(found.all(|found| found == portable));
                }
            }
        }
    }
}
