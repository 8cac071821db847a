//! The hash index: the 64-bit hash of a key, and where that hash puts the key.
//!
//! A bucket is one 64-byte line of tags, slots and overflow bits. Buckets stand in groups of at
//! most 1,024 (64 KiB); a key belongs to one group and to one of two buckets in it, so a lookup
//! reads one line, rarely two, and groups are built independently.

use super::bytes_at;

/// Hash function id in the header: the function below. Ids 1 and 2 were other functions, and other
/// orders of a bucket's bytes.
pub(crate) const FUNCTION: u8 = 3;
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

    /// The hash of attempt 0. Keys of 17 to 128 bytes are summed up first ([`Sums`]), those of up
    /// to 16 are two numbers as they are, and longer ones are absorbed one piece after the other.
    /// Then nearly as wyhash does with its last two numbers (Wang Yi, public domain): without the
    /// constants that it adds once more.
    #[inline]
    pub(crate) fn base(key: &[u8]) -> u64 {
        Self::base_by(Portable, key)
    }

    /// The same, with sums by the instructions that the caller has.
    #[inline(always)]
    pub(crate) fn base_by(by: impl Sums, key: &[u8]) -> u64 {
        match key.len() {
            ..=16 => Self::short(key),
            17..=32 => Self::summed(by.sums::<16>(key), key.len()),
            33..=64 => Self::summed(by.sums::<32>(key), key.len()),
            65..=128 => Self::summed(by.sums::<64>(key), key.len()),
            _ => Self::long(key),
        }
    }

    /// The hash of attempt 0 of a key of up to 16 bytes.
    #[inline(always)]
    pub(crate) fn short(key: &[u8]) -> u64 {
        let len = key.len();
        let (a, b) = if len >= 8 {
            (le64(key, 0), le64(key, len - 8))
        } else if len >= 4 {
            (le32(key, 0), le32(key, len - 4))
        } else if len > 0 {
            let a =
                u64::from(key[0]) | u64::from(key[len / 2]) << 8 | u64::from(key[len - 1]) << 16;
            (a, 0)
        } else {
            (0, 0)
        };
        Self::finish(a ^ S0, b ^ S1, len)
    }

    /// The hash of attempt 0 of a key of 17 to 128 bytes, from its [sums](Sums::sums).
    #[inline(always)]
    pub(crate) fn summed([even, odd]: [u64; 2], len: usize) -> u64 {
        Self::finish(even, odd, len)
    }

    /// That of a longer key: wyhash's loop of one lane over all but the last 1 to 16 bytes.
    #[cold]
    #[inline(never)]
    fn long(key: &[u8]) -> u64 {
        let mut seed = S1;
        let mut rest = key;
        while rest.len() > 16 {
            seed = fold(le64(rest, 0) ^ S0, le64(rest, 8) ^ seed);
            rest = &rest[16..];
        }
        let len = key.len();
        Self::finish(le64(key, len - 16) ^ S0, le64(key, len - 8) ^ seed, len)
    }

    #[inline(always)]
    fn finish(a: u64, b: u64, len: usize) -> u64 {
        let (low, high) = multiply(a, b);
        fold(low ^ len as u64, high)
    }
}

/// What [`Sums::sums`] adds to the words of the first and of the last bytes of a key: the first 1,024
/// bits of the fraction of pi.
pub(crate) const ADDENDS: [[u32; 16]; 2] = [
    [
        0x243F_6A88,
        0x85A3_08D3,
        0x1319_8A2E,
        0x0370_7344,
        0xA409_3822,
        0x299F_31D0,
        0x082E_FA98,
        0xEC4E_6C89,
        0x4528_21E6,
        0x38D0_1377,
        0xBE54_66CF,
        0x34E9_0C6C,
        0xC0AC_29B7,
        0xC97C_50DD,
        0x3F84_D5B5,
        0xB547_0917,
    ],
    [
        0x9216_D5D9,
        0x8979_FB1B,
        0xD131_0BA6,
        0x98DF_B5AC,
        0x2FFD_72DB,
        0xD01A_DFB7,
        0xB8E1_AFED,
        0x6A26_7E96,
        0xBA7C_9045,
        0xF12C_7F99,
        0x24A1_9947,
        0xB391_6CF7,
        0x0801_F2E2,
        0x858E_FC16,
        0x6369_20D8,
        0x7157_4E69,
    ],
];

/// Instructions that sum up a key. All forms give the same sums.
pub(crate) trait Sums {
    /// Two sums over the first and the last `N` bytes of a key, which overlap where it has fewer
    /// than `2 * N`; `N` is 16, 32 or 64. To each word of 32 bits belongs an addend; of each two
    /// words, the product; every other product goes to the same sum. This is NH (Black, Halevi,
    /// Krawczyk, Krovetz and Rogaway, UMAC, 1999): with addends drawn at random, two keys of one
    /// length have equal sums with a probability of 2^-32 at most. No product waits for another, so
    /// a processor that multiplies vectors takes a few instructions for the whole key.
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2];
}

/// Those that every processor has.
pub(crate) struct Portable;

impl Sums for Portable {
    #[inline(always)]
    fn sums<const N: usize>(self, key: &[u8]) -> [u64; 2] {
        sums::<N>(key)
    }
}

#[inline(always)]
fn sums<const N: usize>(key: &[u8]) -> [u64; 2] {
    let (Some(first), Some(last)) = (key.first_chunk::<N>(), key.last_chunk::<N>()) else {
        return [0; 2];
    };
    let mut sums = [0u64; 2];
    for (bytes, addends) in [first, last].into_iter().zip(&ADDENDS) {
        let words = bytes.as_chunks().0.iter().zip(addends);
        let mut words = words.map(|(word, addend)| u32::from_le_bytes(*word).wrapping_add(*addend));
        let mut product = || Some(u64::from(words.next()?) * u64::from(words.next()?));
        for _ in 0..N / 16 {
            for sum in &mut sums {
                *sum = sum.wrapping_add(product().unwrap_or(0));
            }
        }
    }
    sums
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

/// The tails of tags: the upper bits of slots of four bytes, where no reference reaches, hold what
/// stands there in the lower half of the hash. Where a tag says that a key may be in a slot, the
/// tail spares a look at the record for all but one of 2^bits other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tails {
    /// The bits of a slot that belong to the tail; zero where there is none.
    pub(crate) mask: u32,
    /// All other bits, as a number of its own, with which a lookup needs no register for the mask.
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

/// How a bucket's 64 bytes are divided, by the width of a slot: overflow bits, tags, slots. Nothing
/// is left over, and the bytes before the slots are 16 at most, so one vector holds all tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slots {
    /// 32 overflow bits, 12 tags, 12 slots of 4 bytes: tag i is the byte, and slot i the word of four
    /// bytes, with the number i + 4.
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

    /// What the slot holds: a reference, which is a rank in tables of fixed width, else an offset
    /// into the records, and the tag's tail.
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

    /// The vectors of format.md.
    #[test]
    fn test_vectors() {
        let numbers: Vec<u8> = (0..200).collect();
        let keys: [(&[u8], u32); 13] = [
            (b"", 0),
            (b"a", 0),
            (b"abcd", 0),
            (b"abcdefgh", 0),
            (b"abcdefghijklmnop", 0),
            (b"abcdefghijklmnopq", 0),
            (&numbers[..32], 0),
            (&numbers[..33], 0),
            (&numbers[..100], 0),
            (&numbers[..128], 0),
            (&numbers[..129], 0),
            (&numbers, 0),
            (b"abcdefgh", 1),
        ];
        let spec = include_str!("../../format.md");
        for (key, attempt) in keys {
            let hash = Hasher::new(attempt).hash(key);
            let name = match key {
                [0, 1, .., last] => format!("00 01 … {last:02x}"),
                _ => format!("\"{}\"", key.escape_ascii()),
            };
            let row = format!("| `{name}` | {attempt} | `{hash:016x}` |");
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    /// The addends of format.md.
    #[test]
    fn addends() {
        let spec = include_str!("../../format.md");
        for row in ADDENDS.as_flattened().chunks(8) {
            let row: Vec<String> = row.iter().map(|addend| format!("{addend:08x}")).collect();
            assert!(spec.contains(&row.join(" ")), "format.md lacks the addends {row:?}");
        }
    }

    /// How unevenly these bits of hashes are spread: the sum of (found - expected)² ÷ expected over
    /// all their values, less its mean, in standard deviations.
    fn unevenness(hashes: &[u64], from: u32, bits: u32) -> f64 {
        let mut cells = vec![0u32; 1 << bits];
        for hash in hashes {
            cells[(hash >> from) as usize & ((1 << bits) - 1)] += 1;
        }
        let count = cells.len() as f64;
        let expected = hashes.len() as f64 / count;
        let sum: f64 = cells.iter().map(|&found| (f64::from(found) - expected).powi(2)).sum();
        (sum / expected - (count - 1.0)) / (2.0 * (count - 1.0)).sqrt()
    }

    /// The hashes of keys of `len` bytes that count, from `start` on: in bytes of either order, or in
    /// digits. `None` where the number would not fit in.
    fn hashes_of_counting(len: usize, start: usize, form: u8) -> Option<Vec<u64>> {
        let mut key: Vec<u8> = (0..len).map(|i| (i * 41 / 3) as u8).collect();
        let hash = |i: u32| {
            let part = match form {
                0 => i.to_le_bytes()[..3].to_vec(),
                1 => i.to_be_bytes()[1..].to_vec(),
                _ => format!("{i:05}").into_bytes(),
            };
            key.get_mut(start..start + part.len())?.copy_from_slice(&part);
            Some(Hasher::base(&key))
        };
        (0..1 << 15).map(hash).collect()
    }

    /// Guards against a weak mixture: keys that count, anywhere in a key of any class of length, fill
    /// all places that a hash names as random keys would.
    #[test]
    fn keys_that_count_are_spread_evenly() {
        let lengths = [3, 4, 7, 8, 12, 16, 17, 24, 32, 33, 50, 64, 65, 100, 128, 129, 300];
        let starts =
            lengths.into_iter().flat_map(|len| (0..len).step_by(7).map(move |at| (len, at)));
        let families = starts.flat_map(|(len, start)| (0..3).map(move |form| (len, start, form)));
        let mut tried = 0;
        for (len, start, form) in families {
            let Some(mut hashes) = hashes_of_counting(len, start, form) else { continue };
            let family = format!("form {form} at {start} of {len} bytes");
            // First bucket, tag, overflow number, step, and what may be the tail.
            for (from, bits) in [(52, 12), (0, 8), (8, 5), (13, 12), (20, 12)] {
                let found = unevenness(&hashes, from, bits);
                assert!(found < 5.5, "{family}: {found} at bit {from}");
            }
            let count = hashes.len();
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), count, "{family}: equal hashes");
            tried += 1;
        }
        assert!(tried > 250, "{tried} families of keys");
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
