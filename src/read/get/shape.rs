//! Types for what a lookup function knows about its table and its keys when it is compiled.

use super::super::map::{AnyLen, KeyLen, Len8, Len16};
use super::super::simd::Simd;
use crate::format::hasher::Hasher;
use crate::format::index::hash::Slots;
use crate::format::layout::Layout;
use crate::format::order::equal_short;

/// Whether a page may be left to check.
pub(super) trait Checks: Copy {
    /// Whether every lookup page was checked.
    fn all(self) -> bool;
}

/// Every lookup page was checked.
#[derive(Clone, Copy)]
pub(super) struct AllChecked;

/// Some lookup page may be unchecked.
#[derive(Clone, Copy)]
pub(super) struct SomeUnchecked;

impl Checks for AllChecked {
    #[inline(always)]
    fn all(self) -> bool {
        true
    }
}

impl Checks for SomeUnchecked {
    #[inline(always)]
    fn all(self) -> bool {
        false
    }
}

/// How the records of a table with a hash index are laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Records {
    /// All keys have one length, and all values.
    Fixed,
    /// Keys and values have lengths of their own, and values are not aligned.
    Plain,
    /// Any other layout.
    Variable,
}

/// The shape of a table with a hash index.
pub(super) trait Shape {
    /// The slots; `None` for slots that optimistic lookups by candidate leave undecided.
    const SLOTS: Option<Slots>;
    const RECORDS: Records;
}

/// Slots of four bytes, records of fixed width.
pub(super) struct FixedRecords;
/// Slots of four bytes, plain records.
pub(super) struct PlainRecords;
/// Slots of four bytes, records of variable width.
pub(super) struct VariableRecords;
/// Slots of five bytes, records of variable width: large tables.
pub(super) struct LargeTable;
/// Every other table.
pub(super) struct AnyTable;

impl Shape for FixedRecords {
    const SLOTS: Option<Slots> = Some(Slots::Four);
    const RECORDS: Records = Records::Fixed;
}

impl Shape for PlainRecords {
    const SLOTS: Option<Slots> = Some(Slots::Four);
    const RECORDS: Records = Records::Plain;
}

impl Shape for VariableRecords {
    const SLOTS: Option<Slots> = Some(Slots::Four);
    const RECORDS: Records = Records::Variable;
}

impl Shape for LargeTable {
    const SLOTS: Option<Slots> = Some(Slots::Five);
    const RECORDS: Records = Records::Variable;
}

impl Shape for AnyTable {
    const SLOTS: Option<Slots> = None;
    const RECORDS: Records = Records::Variable;
}

/// How a table answers lookups.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the line index: keys of 8 bytes, of 16, of any length.
    Lines8,
    Lines16,
    Lines,
    /// By the hash index, in a table of one of the shapes.
    Fixed,
    Plain,
    Variable,
    Large,
    Other,
    /// By the ordered index.
    Ordered,
}

impl Kind {
    pub(super) fn of(layout: &Layout) -> Self {
        if layout.lines.is_some()
            && let Some(fixed) = &layout.fixed
        {
            return match fixed.key_len {
                8 => Self::Lines8,
                16 => Self::Lines16,
                _ => Self::Lines,
            };
        }
        let Some(index) = &layout.hash else { return Self::Ordered };
        match (index.slots, layout.fixed.is_some()) {
            (Slots::Four, true) => Self::Fixed,
            (Slots::Four, false) if layout.decoder.is_plain() => Self::Plain,
            (Slots::Four, false) => Self::Variable,
            (Slots::Five, false) => Self::Large,
            _ => Self::Other,
        }
    }

    /// The kind whose stages serve tables of either kind, if one does.
    #[cfg(feature = "sets")]
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let by_line = |kind| matches!(kind, Self::Lines8 | Self::Lines16 | Self::Lines);
        match self == other {
            true => Some(self),
            false => (by_line(self) && by_line(other)).then_some(Self::Lines),
        }
    }
}

/// Whether the hashes of a table have a seed.
pub(super) trait Seeding {
    /// The hash of this table from the hash without a seed.
    fn hash(hasher: Hasher, base: u64) -> u64;
}

/// The first attempt at the hash index succeeded: no seed.
pub(super) struct Unseeded;
/// A later attempt succeeded.
pub(super) struct Seeded;

impl Seeding for Unseeded {
    #[inline(always)]
    fn hash(_: Hasher, base: u64) -> u64 {
        base
    }
}

impl Seeding for Seeded {
    #[inline(always)]
    fn hash(hasher: Hasher, base: u64) -> u64 {
        hasher.reseed(base)
    }
}

/// A class of key lengths: how such a key is hashed, and compared with a stored one.
pub(super) trait KeyClass {
    /// The length of every key of the class, if it is one of those that lookup functions know.
    type Len: KeyLen;
    /// Most bytes of a key of the class.
    const MOST: usize;

    /// The hash without a seed.
    fn hash<I: Simd>(simd: I, key: &[u8]) -> u64;

    /// Whether a stored key is `key`.
    fn equal<I: Simd>(simd: I, stored: &[u8], key: &[u8]) -> bool;
}

/// Keys of 8 bytes.
pub(super) struct Exactly8;
/// Keys of 16 bytes.
pub(super) struct Exactly16;
/// Keys of 0 to 16 bytes.
pub(super) struct UpTo16;
/// Keys of 17 to 32 bytes.
pub(super) struct UpTo32;
/// Keys of 33 to 64 bytes.
pub(super) struct UpTo64;
/// Keys of 65 to 128 bytes.
pub(super) struct UpTo128;
/// Keys of any length. A key of more than 128 bytes equals none, so its lookup stays undecided.
pub(super) struct AnyKey;

impl KeyClass for Exactly8 {
    type Len = Len8;
    const MOST: usize = 8;

    #[inline(always)]
    fn hash<I: Simd>(_: I, key: &[u8]) -> u64 {
        Hasher::short(key)
    }

    #[inline(always)]
    fn equal<I: Simd>(_: I, stored: &[u8], key: &[u8]) -> bool {
        equal_short(stored, key)
    }
}

impl KeyClass for Exactly16 {
    type Len = Len16;
    const MOST: usize = 16;

    #[inline(always)]
    fn hash<I: Simd>(_: I, key: &[u8]) -> u64 {
        Hasher::short(key)
    }

    #[inline(always)]
    fn equal<I: Simd>(_: I, stored: &[u8], key: &[u8]) -> bool {
        equal_short(stored, key)
    }
}

impl KeyClass for UpTo16 {
    type Len = AnyLen;
    const MOST: usize = 16;

    #[inline(always)]
    fn hash<I: Simd>(_: I, key: &[u8]) -> u64 {
        Hasher::short(key)
    }

    #[inline(always)]
    fn equal<I: Simd>(_: I, stored: &[u8], key: &[u8]) -> bool {
        equal_short(stored, key)
    }
}

impl KeyClass for UpTo32 {
    type Len = AnyLen;
    const MOST: usize = 32;

    #[inline(always)]
    fn hash<I: Simd>(simd: I, key: &[u8]) -> u64 {
        Hasher::summed(simd.sums::<16>(key), key.len())
    }

    #[inline(always)]
    fn equal<I: Simd>(simd: I, stored: &[u8], key: &[u8]) -> bool {
        simd.equal_17_to_32(stored, key)
    }
}

impl KeyClass for UpTo64 {
    type Len = AnyLen;
    const MOST: usize = 64;

    #[inline(always)]
    fn hash<I: Simd>(simd: I, key: &[u8]) -> u64 {
        Hasher::summed(simd.sums::<32>(key), key.len())
    }

    #[inline(always)]
    fn equal<I: Simd>(simd: I, stored: &[u8], key: &[u8]) -> bool {
        simd.equal_33_to_64(stored, key)
    }
}

impl KeyClass for UpTo128 {
    type Len = AnyLen;
    const MOST: usize = 128;

    #[inline(always)]
    fn hash<I: Simd>(simd: I, key: &[u8]) -> u64 {
        Hasher::summed(simd.sums::<64>(key), key.len())
    }

    #[inline(always)]
    fn equal<I: Simd>(simd: I, stored: &[u8], key: &[u8]) -> bool {
        simd.equal_65_to_128(stored, key)
    }
}

impl KeyClass for AnyKey {
    type Len = AnyLen;
    const MOST: usize = usize::MAX;

    #[inline(always)]
    fn hash<I: Simd>(simd: I, key: &[u8]) -> u64 {
        Hasher::base_by(simd, key)
    }

    #[inline(always)]
    fn equal<I: Simd>(_: I, stored: &[u8], key: &[u8]) -> bool {
        equal_short(stored, key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{left_samples, samples};
    use super::*;
    use crate::read::simd::{Baseline, Work, work};
    use std::marker::PhantomData;
    use std::ops::RangeInclusive;

    #[test]
    fn a_state_of_the_checks_says_whether_all_were_made() {
        assert!(AllChecked.all() && !SomeUnchecked.all());
    }

    /// By a wrong kind lookups would decode records wrongly, or be slower.
    #[test]
    fn every_table_has_its_kind() {
        for sample in samples().into_iter().chain(left_samples()) {
            assert!(Kind::of(&sample.crafted.layout) == sample.kind, "{}", sample.name);
        }
    }

    /// The stages for lines serve keys of each length.
    #[cfg(feature = "sets")]
    #[test]
    fn tables_with_lines_have_a_common_kind() {
        let lines = [Kind::Lines8, Kind::Lines16, Kind::Lines];
        let others =
            [Kind::Fixed, Kind::Plain, Kind::Variable, Kind::Large, Kind::Other, Kind::Ordered];
        let all = [&lines[..], &others].concat();
        for (i, &one) in all.iter().enumerate() {
            for (j, &other) in all.iter().enumerate() {
                let right = match i == j {
                    true => Some(one),
                    false => (i.max(j) < lines.len()).then_some(Kind::Lines),
                };
                assert!(one.common(other) == right, "kinds {i} and {j}");
            }
        }
    }

    /// What a class says about a stored key and another one: whether they are equal, and the hash of
    /// the other one.
    struct Asked<'k, K>(&'k [u8], &'k [u8], PhantomData<K>);

    impl<K: KeyClass> Work for Asked<'_, K> {
        type Output = (bool, u64);

        fn run<I: Simd>(self, simd: I) -> (bool, u64) {
            (K::equal(simd, self.0, self.1), K::hash(simd, self.1))
        }
    }

    /// By the form that every processor has and by that of this process.
    fn ask<K: KeyClass>(stored: &[u8], key: &[u8]) -> [(bool, u64); 2] {
        let asked = || Asked::<K>(stored, key, PhantomData);
        [asked().run(Baseline), work(asked())]
    }

    /// Every byte of a key counts, and its length.
    fn keys_are_compared_and_hashed<K: KeyClass>(lengths: RangeInclusive<usize>) {
        let bytes: Vec<u8> = (0..=200u8).map(|i| i.wrapping_mul(167)).collect();
        for len in lengths {
            let key = &bytes[..len];
            let hash = Hasher::base(key);
            let mut stored = key.to_vec();
            assert_eq!(ask::<K>(&stored, key), [(true, hash); 2], "{len} bytes");
            for at in 0..len {
                stored[at] ^= 0x20;
                assert_eq!(ask::<K>(&stored, key), [(false, hash); 2], "byte {at} of {len}");
                stored[at] ^= 0x20;
            }
            let others = [len.wrapping_sub(1), len + 1].map(|other| bytes.get(..other));
            for other in others.into_iter().flatten() {
                let case = format!("{} bytes and {len}", other.len());
                assert_eq!(ask::<K>(other, key), [(false, hash); 2], "{case}");
            }
        }
    }

    #[test]
    fn each_class_compares_and_hashes_its_keys() {
        keys_are_compared_and_hashed::<Exactly8>(8..=8);
        keys_are_compared_and_hashed::<Exactly16>(16..=16);
        keys_are_compared_and_hashed::<UpTo16>(0..=16);
        keys_are_compared_and_hashed::<UpTo32>(17..=32);
        keys_are_compared_and_hashed::<UpTo64>(33..=64);
        keys_are_compared_and_hashed::<UpTo128>(65..=128);
        keys_are_compared_and_hashed::<AnyKey>(0..=128);
        for len in [129, 144, 200] {
            let key = vec![7_u8; len];
            assert_eq!(ask::<AnyKey>(&key, &key), [(false, Hasher::base(&key)); 2], "{len} bytes");
        }
    }
}
