//! The hash index: where the hash of a key puts it, and how a bucket is divided.
//!
//! A bucket is one 64-byte line of overflow bits, tags and slots. Buckets stand in groups of at
//! most 1,024 (64 KiB); a key belongs to one group and to one of two buckets in it, so a lookup
//! reads one line, rarely two, and groups are built independently.

use super::super::bytes_at;
use super::super::hasher::multiply;
use std::num::NonZeroU16;

/// Bytes of a bucket.
pub(crate) const BUCKET: usize = 64;
/// Most buckets in a group.
pub(crate) const GROUP_BUCKETS: u64 = 1024;
/// Most slots of a bucket that may carry the same tag: bounds the records a lookup touches.
pub(crate) const MAX_EQUAL_TAGS: usize = 3;

/// The number of groups and buckets of a hash index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) groups: u64,
    /// Buckets in each group, 1 to [`GROUP_BUCKETS`].
    pub(crate) per_group: u32,
}

/// Where a hash puts its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HashPlace {
    pub(crate) group: u64,
    /// The two buckets, numbered through the whole index; equal only in groups of one bucket.
    pub(crate) first: u64,
    pub(crate) second: u64,
    /// 1 to 255; 0 marks an empty slot.
    pub(crate) tag: u8,
    /// The key's overflow bit, 0 to 31, before the slot layout cuts it down.
    pub(crate) overflow: u32,
}

impl Shape {
    /// The shape for `keys` keys at a load of 15/16 of the slots.
    pub(crate) fn for_keys(keys: u64, slots: Slots) -> Self {
        let usable = slots.count() as u64 * 15;
        let buckets = (keys.saturating_mul(16)).div_ceil(usable).max(1);
        let groups = buckets.div_ceil(GROUP_BUCKETS);
        Self { groups, per_group: buckets.div_ceil(groups) as u32 }
    }

    pub(crate) fn buckets(self) -> u64 {
        self.groups.saturating_mul(u64::from(self.per_group))
    }

    /// [`buckets`](Self::buckets) of a shape that has some, unless they are too many to count.
    pub(crate) fn checked_buckets(self) -> Option<u64> {
        self.groups.checked_mul(self.per_group.into()).filter(|&buckets| buckets > 0)
    }

    #[inline]
    pub(crate) fn place(self, hash: u64) -> HashPlace {
        let first = first_bucket(hash, self.buckets());
        let second = self.second_bucket(hash, first);
        let group = first_bucket(hash, self.groups);
        HashPlace { group, first, second, tag: tag(hash), overflow: overflow(hash) }
    }

    /// The number of a hash's second bucket. `first` is that of its first.
    #[inline(always)]
    pub(crate) fn second_bucket(self, hash: u64, first: u64) -> u64 {
        let per_group = u64::from(self.per_group);
        // The same product as that of the first bucket, over so many times fewer places: the number
        // of the first bucket, divided by the buckets of a group.
        let end = (first_bucket(hash, self.groups) + 1) * per_group;
        let step = 1 + ((((hash >> 13) & 0x3FFF) * (per_group - 1)) >> 14);
        let second = first + step;
        if second >= end { second - per_group } else { second }
    }
}

/// The number of a hash's first bucket among all buckets; most keys are in their first bucket. One
/// multiplication, which keeps the order of hashes, so a group's keys have hashes of one range.
#[inline]
pub(crate) fn first_bucket(hash: u64, buckets: u64) -> u64 {
    multiply(hash, buckets).1
}

/// The tag of a hash, 1 to 255.
#[inline]
pub(crate) fn tag(hash: u64) -> u8 {
    (hash as u8).max(1)
}

/// The overflow bit of a hash, 0 to 31.
#[inline]
pub(crate) fn overflow(hash: u64) -> u32 {
    (hash >> 8) as u32 & 31
}

/// The tails of tags. In slots of four bytes, the upper bits that no reference needs hold the bits
/// that stand there in the lower half of the hash. Another key with the same tag has the same tail
/// in one of 2^bits cases only, so a lookup rarely reads the record of another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tails {
    /// The bits of a slot that belong to the tail; zero where there is none.
    pub(crate) mask: u32,
    /// All other bits. Stored as well, so that a lookup needs no register for the mask.
    keep: u64,
}

impl Tails {
    /// No tails.
    pub(crate) const NONE: Self = Self { mask: 0, keep: u64::MAX };

    /// For slots that refer to numbers below `references`.
    pub(crate) fn new(slots: Slots, references: u64) -> Self {
        let bits = u64::BITS - references.saturating_sub(1).leading_zeros();
        match u32::MAX.checked_shl(bits) {
            Some(mask) if slots == Slots::Four => Self { mask, keep: !u64::from(mask) },
            _ => Self::NONE,
        }
    }

    /// What a slot of a hash's key holds.
    #[inline]
    pub(crate) fn with_tail(self, reference: u64, hash: u64) -> u64 {
        reference | u64::from(hash as u32 & self.mask)
    }

    /// Whether what a slot holds has the tail of a hash.
    #[inline]
    pub(crate) fn fits(self, held: u64, hash: u64) -> bool {
        (held ^ hash) as u32 & self.mask == 0
    }

    /// The reference that a slot holds.
    #[inline(always)]
    pub(crate) fn reference(self, held: u64) -> u64 {
        held & self.keep
    }
}

/// The first slot's number among a bucket's words of four bytes, and the first tag's number among
/// its bytes, where slots have four bytes. They are equal, so one mask serves both.
pub(crate) const FIRST_WORD: usize = Slots::Four.tags_start();

/// The bucket's word with the number of the lowest bit of `words`, which is not 0.
#[inline(always)]
pub(crate) fn word_of(bucket: &[u8; BUCKET], words: u32) -> u32 {
    let all: &[[u8; 4]; BUCKET / 4] = zerocopy::transmute_ref!(bucket);
    let first = NonZeroU16::new(words as u16).map_or(0, |words| words.trailing_zeros() as usize);
    u32::from_le_bytes(all[first])
}

/// How a bucket's 64 bytes are divided into overflow bits, tags and slots, by the width of a slot.
/// No byte is left over, and at most 16 bytes stand before the slots, so one vector holds all tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    /// 32 overflow bits, 12 tags, 12 slots of 4 bytes: tag i is byte i + 4 of the bucket, and slot i
    /// is word i + 4.
    Four,
    /// 32 overflow bits, 10 tags, 10 slots of 5 bytes.
    Five,
    /// 8 overflow bits, 9 tags, 9 slots of 6 bytes.
    Six,
}

impl Slots {
    /// By the width that stands in the header.
    #[inline]
    pub(crate) const fn from_width(width: u8) -> Option<Self> {
        match width {
            4 => Some(Self::Four),
            5 => Some(Self::Five),
            6 => Some(Self::Six),
            _ => None,
        }
    }

    /// The narrowest slots that hold every reference up to `most`.
    pub(crate) fn for_reference(most: u64) -> Self {
        if most <= u64::from(u32::MAX) {
            Self::Four
        } else if most < 1 << 40 {
            Self::Five
        } else {
            Self::Six
        }
    }

    #[inline]
    pub(crate) const fn width(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Five => 5,
            Self::Six => 6,
        }
    }

    #[inline]
    pub(crate) const fn count(self) -> usize {
        match self {
            Self::Four => 12,
            Self::Five => 10,
            Self::Six => 9,
        }
    }

    /// Bytes of overflow bits, and so where the tags start.
    #[inline]
    pub(crate) const fn tags_start(self) -> usize {
        match self {
            Self::Four | Self::Five => 4,
            Self::Six => 1,
        }
    }

    /// The tag of a slot, 0 where it is empty.
    #[inline]
    pub(crate) fn tag(self, bucket: &[u8; BUCKET], slot: usize) -> u8 {
        bucket[self.tags_start() + slot]
    }

    /// Where a slot starts.
    #[inline]
    const fn slot_start(self, slot: usize) -> usize {
        self.tags_start() + self.count() + slot * self.width()
    }

    /// What the slot holds: a reference and the tag's tail. The reference is a rank in tables of
    /// fixed width, else an offset into the records.
    #[inline]
    pub(crate) fn get(self, bucket: &[u8; BUCKET], slot: usize) -> u64 {
        // Eight bytes that end with the slot stay inside the bucket: the tags stand before it.
        let end = self.slot_start(slot + 1);
        bytes_at(bucket, end - 8).map_or(0, u64::from_le_bytes) >> (64 - 8 * self.width())
    }

    pub(crate) fn set(self, bucket: &mut [u8; BUCKET], slot: usize, tag: u8, held: u64) {
        bucket[self.tags_start() + slot] = tag;
        let at = self.slot_start(slot);
        bucket[at..at + self.width()].copy_from_slice(&held.to_le_bytes()[..self.width()]);
    }

    /// Bit of the overflow field for a key's overflow number.
    #[inline]
    pub(crate) const fn overflow_bit(self, overflow: u32) -> u32 {
        match self {
            Self::Four | Self::Five => 1 << overflow,
            Self::Six => 1 << (overflow & 7),
        }
    }

    /// The overflow field.
    #[inline]
    pub(crate) fn overflow_bits(self, bucket: &[u8; BUCKET]) -> u32 {
        match self {
            Self::Four | Self::Five => {
                u32::from_le_bytes([bucket[0], bucket[1], bucket[2], bucket[3]])
            }
            Self::Six => u32::from(bucket[0]),
        }
    }

    /// Whether some key of this overflow number went on to its second bucket.
    #[inline]
    pub(crate) fn overflows(self, bucket: &[u8; BUCKET], overflow: u32) -> bool {
        self.overflow_bits(bucket) & self.overflow_bit(overflow) != 0
    }

    pub(crate) fn set_overflow(self, bucket: &mut [u8; BUCKET], overflow: u32) {
        let bit = self.overflow_bit(overflow).to_le_bytes();
        for (byte, bit) in bucket[..self.tags_start()].iter_mut().zip(bit) {
            *byte |= bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hasher::Hasher;

    #[test]
    fn slots_hold_what_they_are_chosen_for() {
        for (most, slots) in [
            (0, Slots::Four),
            ((1 << 32) - 1, Slots::Four),
            (1 << 32, Slots::Five),
            ((1 << 40) - 1, Slots::Five),
            (1 << 40, Slots::Six),
            ((1 << 48) - 1, Slots::Six),
        ] {
            assert_eq!(Slots::for_reference(most), slots, "{most}");
            let mut bucket = [0; BUCKET];
            slots.set(&mut bucket, slots.count() - 1, 7, most);
            assert_eq!(slots.get(&bucket, slots.count() - 1), most, "{slots:?}");
        }
        for (width, slots) in [(3, None), (5, Some(Slots::Five)), (6, Some(Slots::Six)), (7, None)]
        {
            assert_eq!(Slots::from_width(width), slots);
        }
        assert_eq!(Shape { groups: 0, per_group: 5 }.checked_buckets(), None);
        assert_eq!(Shape { groups: 1, per_group: 5 }.checked_buckets(), Some(5));
    }

    /// The places of format.md.
    #[test]
    fn place_vectors() {
        let spec = include_str!("../../../format.md");
        let keys: [(&[u8], u64, u32); 4] = [
            (b"abcd", 1, 1),
            (b"abcd", 1, 700),
            (b"abcdefgh", 1, 1024),
            (b"abcdefghijklmnop", 13, 1000),
        ];
        for (key, groups, per_group) in keys {
            let hash = Hasher::base(key);
            let HashPlace { first, second, tag, overflow, .. } =
                Shape { groups, per_group }.place(hash);
            let row = format!(
                "| `{hash:016x}` | {groups} | {per_group} | {first} | {second} | {tag} | {overflow} |"
            );
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    #[test]
    fn places_stay_inside_and_differ() {
        for (groups, per_group) in [(1, 1), (1, 2), (1, 1024), (7, 513), (1 << 27, 1024)] {
            let shape = Shape { groups, per_group };
            let hasher = Hasher::new(0);
            for i in 0..20_000u32 {
                let hash = hasher.hash(&i.to_le_bytes());
                let place = shape.place(hash);
                assert!(place.first < shape.buckets() && place.second < shape.buckets());
                assert_eq!(place.first / u64::from(per_group), place.second / u64::from(per_group));
                assert!(per_group == 1 || place.first != place.second);
                assert!(place.tag != 0);
                assert_eq!(place.first / u64::from(per_group), place.group);
            }
            let edge = shape.place(u64::MAX);
            assert!(edge.first < shape.buckets() && edge.second < shape.buckets());
        }
    }

    /// The tails of format.md: as many bits as no reference needs.
    #[test]
    fn tails_leave_references_whole() {
        let masks = [(1, u32::MAX), (2, u32::MAX << 1), (100, u32::MAX << 7)];
        let wide = [(1 << 31, 1 << 31), ((1 << 31) + 1, 0), (1 << 32, 0), (u64::MAX, 0)];
        for (references, mask) in masks.into_iter().chain(wide) {
            let tails = Tails::new(Slots::Four, references);
            assert_eq!(tails.mask, mask, "{references} references");
            let hash = 0x0123_4567_89AB_CDEF;
            let reference = (references - 1).min(u64::from(u32::MAX));
            let held = tails.with_tail(reference, hash);
            assert!(held <= u64::from(u32::MAX) && tails.fits(held, hash));
            assert_eq!(tails.reference(held), reference);
            for bit in 0..32 {
                let other = hash ^ 1 << bit;
                assert_eq!(tails.fits(held, other), mask >> bit & 1 == 0, "bit {bit} of {mask:x}");
            }
        }
        for slots in [Slots::Five, Slots::Six] {
            let tails = Tails::new(slots, 100);
            assert!(tails.mask == 0 && tails.reference(1 << 39 | 5) == 1 << 39 | 5);
        }
    }

    #[test]
    fn references_of_every_width_come_back() {
        for slots in [Slots::Four, Slots::Five, Slots::Six] {
            let mut bucket = [0; BUCKET];
            let most = (1u64 << (8 * slots.width())) - 1;
            for slot in 0..slots.count() {
                slots.set(&mut bucket, slot, slot as u8 + 1, most - slot as u64);
            }
            slots.set_overflow(&mut bucket, 5);
            for slot in 0..slots.count() {
                assert_eq!(slots.get(&bucket, slot), most - slot as u64);
                assert_eq!(slots.tag(&bucket, slot), slot as u8 + 1);
            }
            assert!(slots.overflows(&bucket, 5) && !slots.overflows(&bucket, 6));
        }
    }

    /// Hashes of dense and sparse keys fill groups, buckets and tags evenly.
    #[test]
    fn hash_spreads() {
        let shape = Shape { groups: 4, per_group: 256 };
        for stride in [1u64, 256, 1 << 32, 0x0101_0101] {
            let (mut buckets, mut tags) = (vec![0u32; 1024], [0u32; 256]);
            for i in 0..100_000u64 {
                let place = shape.place(Hasher::new(0).hash(&(i * stride).to_be_bytes()));
                buckets[place.first as usize] += 1;
                tags[place.tag as usize] += 1;
            }
            // 97.7 expected, standard deviation 9.9.
            assert!(buckets.iter().all(|&n| (40..160).contains(&n)), "stride {stride}");
            // 391 expected; tag 1 stands for 0 as well.
            assert!(tags[1..].iter().all(|&n| (250..1000).contains(&n)), "stride {stride}");
            assert!(tags[1] > 550, "stride {stride}");
        }
    }
}
