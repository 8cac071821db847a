//! The hash index: the 64-bit hash of a key, and where that hash puts the key.
//!
//! A bucket is one 64-byte line of tags, slots and overflow bits. Buckets stand in groups of at
//! most 1,024 (64 KiB); a key belongs to one group and to one of two buckets in it, so a lookup
//! reads one line, rarely two, and groups are built independently.

use super::bytes_at;

/// Hash function id in the header: the folded multiply below.
pub(crate) const FOLDED_MULTIPLY: u8 = 1;
/// Bytes of a bucket.
pub(crate) const BUCKET: usize = 64;
/// Most buckets in a group.
pub(crate) const GROUP_BUCKETS: u64 = 1024;
/// Most slots of a bucket that may carry the same tag: bounds the records a lookup touches.
pub(crate) const MAX_EQUAL_TAGS: usize = 3;
/// How often a build is tried with another attempt number before the index is left out.
pub(crate) const MAX_ATTEMPTS: u32 = 8;

const S0: u64 = 0xA076_1D64_78BD_642F;
const S1: u64 = 0xE703_7ED1_A0B4_28DB;
const S2: u64 = 0x8EBC_6AF0_9C88_C6E3;
const S3: u64 = 0x5899_65CC_7537_4CC3;

/// The hash function of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher {
    attempt: u64,
}

#[inline]
const fn multiply(a: u64, b: u64) -> (u64, u64) {
    let product = a as u128 * b as u128;
    (product as u64, (product >> 64) as u64)
}

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let (low, high) = multiply(a, b);
    low ^ high
}

impl Hasher {
    pub(crate) const fn new(attempt: u32) -> Self {
        Self { attempt: attempt as u64 }
    }

    /// The hash of a key.
    #[inline]
    pub(crate) fn hash(self, key: &[u8]) -> u64 {
        self.remix(Self::base(key))
    }

    /// The hash of this attempt from the hash of attempt 0: a build that fails needs no key
    /// twice.
    #[inline]
    pub(crate) fn remix(self, base: u64) -> u64 {
        if self.attempt == 0 { base } else { fold(base ^ S0.wrapping_mul(self.attempt), S1) }
    }

    /// The hash of attempt 0: wyhash's short path (Wang Yi, public domain) for keys of up to 16
    /// bytes, its one-lane loop for longer ones. Two multiplications for 16 bytes, one more for
    /// each further 16.
    #[inline]
    pub(crate) fn base(key: &[u8]) -> u64 {
        let len = key.len();
        let (a, b, seed) = if len > 16 {
            Self::absorb(key)
        } else if len >= 8 {
            (le64(key, 0), le64(key, len - 8), S1)
        } else if len >= 4 {
            (le32(key, 0), le32(key, len - 4), S1)
        } else if len > 0 {
            let a =
                u64::from(key[0]) | u64::from(key[len / 2]) << 8 | u64::from(key[len - 1]) << 16;
            (a, 0, S1)
        } else {
            (0, 0, S1)
        };
        let (low, high) = multiply(a ^ S0, b ^ seed);
        fold(low ^ S2 ^ len as u64, high ^ S3)
    }

    /// All but the last 1 to 16 bytes of a key longer than 16.
    #[inline]
    fn absorb(key: &[u8]) -> (u64, u64, u64) {
        let mut seed = S1;
        let mut rest = key;
        while rest.len() > 16 {
            seed = fold(le64(rest, 0) ^ S0, le64(rest, 8) ^ seed);
            rest = &rest[16..];
        }
        let end = key.len();
        (le64(key, end - 16), le64(key, end - 8), seed)
    }
}

/// The eight bytes at `at`; the caller has checked the length.
#[inline]
fn le64(key: &[u8], at: usize) -> u64 {
    bytes_at(key, at).map_or(0, u64::from_le_bytes)
}

#[inline]
fn le32(key: &[u8], at: usize) -> u64 {
    bytes_at(key, at).map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)))
}

/// The number of groups and buckets of a hash index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) groups: u64,
    /// Buckets in each group, 1 to [`GROUP_BUCKETS`].
    pub(crate) per_group: u32,
}

/// Where a hash puts its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
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

    #[inline]
    pub(crate) fn place(self, hash: u64) -> Place {
        let per_group = u64::from(self.per_group).max(1);
        let first = first_bucket(hash, self.buckets());
        let group = first / per_group;
        let start = group * per_group;
        let step = 1 + ((((hash >> 13) & 0x3FFF) * (per_group - 1)) >> 14);
        let second = first + step;
        let second = if second >= start + per_group { second - per_group } else { second };
        Place { group, first, second, tag: tag(hash), overflow: overflow(hash) }
    }
}

/// The first bucket of a hash, among all: where most keys are found. One multiplication that
/// keeps the order of hashes, so that a group's keys have hashes of one range.
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

/// How a bucket's 64 bytes are divided, by the width of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    /// 12 tags, 12 slots of 4 bytes, 32 overflow bits.
    Four,
    /// 10 tags, 10 slots of 5 bytes, 32 overflow bits.
    Five,
    /// 9 tags, 9 slots of 6 bytes, 8 overflow bits.
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

    /// The slot's reference: a rank in tables of fixed width, else an offset into the records.
    #[inline]
    pub(crate) fn reference(self, bucket: &[u8; BUCKET], slot: usize) -> u64 {
        // Eight bytes that end with the slot stay inside the bucket: the tags stand before it.
        let end = self.count() + (slot + 1) * self.width();
        bytes_at(bucket, end - 8).map_or(0, u64::from_le_bytes) >> (64 - 8 * self.width())
    }

    pub(crate) fn set(self, bucket: &mut [u8; BUCKET], slot: usize, tag: u8, reference: u64) {
        bucket[slot] = tag;
        let at = self.count() + slot * self.width();
        bucket[at..at + self.width()].copy_from_slice(&reference.to_le_bytes()[..self.width()]);
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
                u32::from_le_bytes([bucket[60], bucket[61], bucket[62], bucket[63]])
            }
            Self::Six => u32::from(bucket[63]),
        }
    }

    /// Whether some key of this overflow number went on to its second bucket.
    #[inline]
    pub(crate) fn overflows(self, bucket: &[u8; BUCKET], overflow: u32) -> bool {
        self.overflow_bits(bucket) & self.overflow_bit(overflow) != 0
    }

    pub(crate) fn set_overflow(self, bucket: &mut [u8; BUCKET], overflow: u32) {
        let bit = self.overflow_bit(overflow).to_le_bytes();
        match self {
            Self::Four | Self::Five => {
                for (byte, bit) in bucket[60..].iter_mut().zip(bit) {
                    *byte |= bit;
                }
            }
            Self::Six => bucket[63] |= bit[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of format.md.
    #[test]
    fn test_vectors() {
        let long: Vec<u8> = (0..100).collect();
        let keys: [(&[u8], u32); 8] = [
            (b"", 0),
            (b"a", 0),
            (b"abcd", 0),
            (b"abcdefgh", 0),
            (b"abcdefghijklmnop", 0),
            (b"abcdefghijklmnopq", 0),
            (&long, 0),
            (b"abcdefgh", 1),
        ];
        let spec = include_str!("../../format.md");
        for (key, attempt) in keys {
            let hash = Hasher::new(attempt).hash(key);
            let name = if key.len() == 100 {
                "00 01 … 63".to_owned()
            } else {
                format!("\"{}\"", key.escape_ascii())
            };
            let row = format!("| `{name}` | {attempt} | `{hash:016x}` |");
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    /// The places of format.md.
    #[test]
    fn place_vectors() {
        let spec = include_str!("../../format.md");
        let keys: [(&[u8], u64, u32); 4] = [
            (b"abcd", 1, 1),
            (b"abcd", 1, 700),
            (b"abcdefgh", 1, 1024),
            (b"abcdefghijklmnop", 13, 1000),
        ];
        for (key, groups, per_group) in keys {
            let hash = Hasher::base(key);
            let Place { first, second, tag, overflow, .. } =
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
                assert_eq!(slots.reference(&bucket, slot), most - slot as u64);
                assert_eq!(bucket[slot], slot as u8 + 1);
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
