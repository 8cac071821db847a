//! Which shard has a key.

use super::shard::Shard;
use crate::format::order::{common_prefix, head};
use xxhash_rust::xxh64::xxh64;

/// How the keys of a set are divided among its shards.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// By order: each shard has the keys between its first and its last one. All queries by order
    /// ask one or two shards.
    Range,
    /// By hash: the shard of a key is `xxh64(key, 42)` as a signed number, modulo the number of
    /// shards, never negative. That is `pmod(xxhash64(key), n)` in Spark. Queries by order ask all
    /// shards.
    Hash,
}

impl Partition {
    /// The name in the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Hash => "hash",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        [Self::Range, Self::Hash].into_iter().find(|partition| partition.name() == name)
    }
}

/// Seed of the hash, as Spark's `xxhash64` has it.
const SEED: u64 = 42;

/// The shard that has `key` in a set of `shards` hash shards: `pmod(xxhash64(key), shards)` in Spark.
/// Whoever divides entries elsewhere, for a set of hash shards, asks this. Costs a hash of the key.
///
/// ```
/// assert_eq!(graven::hash_shard(b"Spark", 16), 7);
/// ```
///
/// # Panics
/// If `shards` is 0.
#[must_use]
#[inline]
pub fn hash_shard(key: &[u8], shards: usize) -> usize {
    hash(key).cast_signed().rem_euclid(shards as i64) as usize
}

/// `xxh64(key, SEED)`. Keys of 8 and 16 bytes, which are common, are hashed without a call and a loop.
#[inline]
fn hash(key: &[u8]) -> u64 {
    if let Ok(words) = <&[u8; 8]>::try_from(key) {
        return hash_words([*words]);
    }
    match <&[u8; 16]>::try_from(key) {
        Ok(words) => hash_words::<2>(zerocopy::transmute!(*words)),
        Err(_) => xxh64(key, SEED),
    }
}

/// XXH64 of fewer than 32 bytes, which are whole words of 8 (Yann Collet's specification of xxHash).
#[inline(always)]
fn hash_words<const N: usize>(words: [[u8; 8]; N]) -> u64 {
    const PRIMES: [u64; 5] = [
        0x9E37_79B1_85EB_CA87,
        0xC2B2_AE3D_27D4_EB4F,
        0x1656_67B1_9E37_79F9,
        0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5,
    ];
    let [first, second, third, fourth, fifth] = PRIMES;
    let start = SEED.wrapping_add(fifth).wrapping_add(8 * N as u64);
    let mixed = words.iter().fold(start, |hash, word| {
        let lane = u64::from_le_bytes(*word).wrapping_mul(second).rotate_left(31);
        let hash = (hash ^ lane.wrapping_mul(first)).rotate_left(27);
        hash.wrapping_mul(first).wrapping_add(fourth)
    });
    let mixed = (mixed ^ mixed >> 33).wrapping_mul(second);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(third);
    mixed ^ mixed >> 32
}

/// The first keys of range shards, prepared for a search. A lookup reads the head of its key after the
/// keys' common prefix, and a cell of a grid over the heads; most cells decide.
#[derive(Debug)]
pub(crate) struct Starts {
    prefix: Vec<u8>,
    /// A key's first eight bytes start with the prefix if their word is `prefix_word` under this mask.
    prefix_mask: u64,
    prefix_word: u64,
    heads: Vec<u64>,
    cells: Vec<Cell>,
    /// A head lies in the cell `(head - lowest) >> shift`, or behind all of them.
    lowest: u64,
    shift: u32,
}

/// A range of heads.
#[derive(Debug)]
struct Cell {
    /// The first two heads in this cell; `u64::MAX` where there are fewer.
    heads: [u64; 2],
    /// Number of heads in the cells before.
    before: u32,
    /// Whether the cell has more heads than two.
    is_crowded: bool,
}

/// Most cells of a grid: 24 KiB.
const MAX_CELLS: usize = 1024;

impl Starts {
    /// The starts of range shards, whose first keys ascend. A set of one shard may be empty.
    pub(crate) fn of(shards: &[Shard]) -> Self {
        let keys = || shards.iter().filter_map(|shard| shard.first_key.as_deref());
        let prefix = match (keys().next(), keys().next_back()) {
            (Some(first), Some(last)) => first[..common_prefix(first, last)].to_vec(),
            _ => Vec::new(),
        };
        let heads: Vec<u64> = keys().map(|key| head(&key[prefix.len()..])).collect();
        let (lowest, width) = match heads[..] {
            [first, .., last] => (first, last - first),
            _ => (heads.first().copied().unwrap_or(0), 0),
        };
        let most = (2 * heads.len()).next_power_of_two().min(MAX_CELLS);
        let shift = (64 - width.leading_zeros()).saturating_sub(most.ilog2());
        let mut rest = &heads[..];
        let cell = |number: u64| {
            let before = heads.len() - rest.len();
            let (own, later) =
                rest.split_at(rest.partition_point(|&head| (head - lowest) >> shift <= number));
            rest = later;
            let head = |i: usize| own.get(i).copied().unwrap_or(u64::MAX);
            let is_crowded = own.len() > 2;
            Cell { heads: [head(0), head(1)], before: before as u32, is_crowded }
        };
        // The last head lies in the last cell, so a key behind that is above all first keys.
        let cells = (0..=width >> shift).map(cell).collect();
        let (prefix_word, prefix_mask) = word_and_mask(&prefix);
        Self { prefix, prefix_word, prefix_mask, heads, cells, lowest, shift }
    }

    /// Number of shards whose first key is not above `key`. `shards` are those of [`of`](Self::of).
    #[inline]
    pub(crate) fn not_above(&self, shards: &[Shard], key: &[u8]) -> usize {
        match self.not_above_by_cell(key) {
            Some(count) => count,
            None => self.not_above_by_search(shards, key),
        }
    }

    /// [`not_above`](Self::not_above), if one cell decides: not for short keys, long prefixes, keys
    /// before the prefix, equal heads and crowded cells.
    #[inline(always)]
    fn not_above_by_cell(&self, key: &[u8]) -> Option<usize> {
        let (start, rest) = (key.first_chunk()?, key.get(self.prefix.len()..)?.first_chunk()?);
        if u64::from_le_bytes(*start) & self.prefix_mask != self.prefix_word {
            return None;
        }
        let head = u64::from_be_bytes(*rest);
        let number = head.saturating_sub(self.lowest) >> self.shift;
        let Cell { heads: [first, second], before, is_crowded } =
            *self.cells.get(number as usize)?;
        if is_crowded | (first == head) | (second == head) {
            return None;
        }
        Some(before as usize + usize::from(first < head) + usize::from(second < head))
    }

    /// [`not_above`](Self::not_above) of any key, by binary search.
    #[inline(never)]
    fn not_above_by_search(&self, shards: &[Shard], key: &[u8]) -> usize {
        let Some(rest) = key.strip_prefix(&self.prefix[..]) else {
            return if *key < self.prefix[..] { 0 } else { self.heads.len() };
        };
        let head = head(rest);
        let from = self.heads.partition_point(|&other| other < head);
        // Equal heads decide nothing.
        let equal = self.heads[from..].partition_point(|&other| other == head);
        let equal = &shards[from..from + equal];
        from + equal.partition_point(|shard| shard.first_key.as_deref() <= Some(key))
    }
}

/// The first bytes of a key as a word, and which of them to compare, to know that it starts with
/// `prefix`. No word matches for a prefix of more than eight bytes.
fn word_and_mask(prefix: &[u8]) -> (u64, u64) {
    let (mut word, mut mask) = ([0; 8], [0; 8]);
    match (word.get_mut(..prefix.len()), mask.get_mut(..prefix.len())) {
        (Some(word), Some(mask)) => {
            word.copy_from_slice(prefix);
            mask.fill(0xFF);
        }
        _ => word[0] = 1,
    }
    (u64::from_le_bytes(word), u64::from_le_bytes(mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in Spark's documentation: `xxhash64('Spark', array(123), 2)` is
    /// 5602566077635097486. Spark hashes each column with the hash of the one before as its seed,
    /// an integer as its four bytes, little-endian.
    #[test]
    fn the_hash_is_sparks() {
        let columns: [&[u8]; 3] = [b"Spark", &123i32.to_le_bytes(), &2i32.to_le_bytes()];
        let chained = columns.iter().fold(SEED, |seed, column| xxh64(column, seed));
        assert_eq!(chained.cast_signed(), 5_602_566_077_635_097_486);
    }

    /// The vectors of `docs/sets.md`, computed by another implementation.
    #[test]
    fn vectors() {
        let ascending: Vec<u8> = (0..100).collect();
        let vectors: [(&[u8], i64, usize, usize); 6] = [
            (b"", -7_444_071_767_201_028_348, 4, 652),
            (b"a", -8_582_455_328_737_087_284, 12, 716),
            (b"Spark", -4_294_468_057_691_064_905, 7, 95),
            (b"graven", -1_316_522_288_484_387_214, 2, 786),
            (&ascending[..32], -8_644_129_751_861_931_918, 2, 82),
            (&ascending, -9_107_075_101_236_275_961, 7, 39),
        ];
        for (key, expected, of_16, of_1000) in vectors {
            assert_eq!(hash(key).cast_signed(), expected);
            assert_eq!(hash_shard(key, 16), of_16);
            assert_eq!(hash_shard(key, 1000), of_1000);
            assert_eq!(hash_shard(key, 1), 0);
        }
    }

    /// Shards with these first keys, which ascend.
    fn shards(firsts: &[impl AsRef<[u8]>]) -> Vec<Shard> {
        let shard = |key: &[u8]| Shard {
            file: "part".into(),
            entries: 1,
            bytes: 1,
            build_id: [0; 16].into(),
            first_key: Some(key.to_vec()),
            last_key: Some(key.to_vec()),
            sha256: [0; 32],
            packed: false,
        };
        firsts.iter().map(|key| shard(key.as_ref())).collect()
    }

    /// Asks for each first key, for its neighbours, and for keys below and above all of them.
    fn found_as_by_a_plain_search(firsts: &[impl AsRef<[u8]>]) {
        let shards = shards(firsts);
        let starts = Starts::of(&shards);
        let asked = shards.iter().flat_map(|shard| {
            let key = shard.first_key.as_deref().unwrap();
            let shorter = key[..key.len().max(1) - 1].to_vec();
            [key.to_vec(), [key, b"\0"].concat(), shorter]
        });
        let ends: [&[u8]; 6] =
            [b"", b"\0", b"l", &[0xFF; 9], b"nine bytex 22222222", b"pqe-222222222"];
        let ends = ends.map(<[u8]>::to_vec);
        for key in asked.chain(ends) {
            let expected = shards.partition_point(|shard| shard.first_key.as_ref() <= Some(&key));
            assert_eq!(starts.not_above(&shards, &key), expected, "{key:?}");
        }
    }

    #[test]
    fn keys_of_all_lengths_are_hashed_as_by_the_crate() {
        let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(167)).collect();
        for len in 0..bytes.len() {
            assert_eq!(hash(&bytes[..len]), xxh64(&bytes[..len], SEED), "{len} bytes");
        }
    }

    #[test]
    fn the_shard_of_a_key_is_found_as_by_a_plain_search() {
        let firsts: [&[&[u8]]; 8] = [
            &[b"eight---12345678", b"eight---12345679", b"eight---2"],
            &[b"nine bytes 1", b"nine bytes 2 and more", b"nine bytes 3"],
            &[b"pre-11111111", b"pre-22222222", b"pre-22222222x"],
            &[b""],
            &[b"", b"\0", b"\0\0", b"a"],
            &[b"key", b"key-00000001", b"key-00000001x", b"key-00000002"],
            &[b"same head, 1", b"same head, 2", b"same head, 3", b"u"],
            &[b"a", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"],
        ];
        for firsts in firsts {
            found_as_by_a_plain_search(firsts);
        }
        let none = Starts::of(&[]);
        assert_eq!([&b""[..], b"a", &[0xFF; 8]].map(|key| none.not_above(&[], key)), [0; 3]);
    }

    /// First keys at even distances, at distances that double, and in heaps, from few to more than
    /// the grid has cells.
    #[test]
    fn the_shard_is_found_wherever_the_first_keys_lie() {
        for shards in [2u64, 3, 64, 1000, 10_000] {
            let even = |i: u64| i * (u64::MAX / shards);
            let doubled = |i: u64| ((i % 64) << 58) + (1 << (i / 64 % 58));
            let heaped = |i: u64| (i % 3) << 60 | i << 10;
            for head in [&even as &dyn Fn(u64) -> u64, &doubled, &heaped] {
                let mut firsts: Vec<[u8; 8]> = (0..shards).map(|i| head(i).to_be_bytes()).collect();
                firsts.sort_unstable();
                firsts.dedup();
                found_as_by_a_plain_search(&firsts);
            }
        }
    }

    /// A plain search answers where no cell decides, so right answers do not show that one does.
    #[test]
    fn a_cell_decides_for_most_keys() {
        let key = |head: u64| [&b"key-"[..], &head.to_be_bytes()].concat();
        let firsts: Vec<Vec<u8>> = (0..48u64).map(|i| key(i << 58)).collect();
        let starts = Starts::of(&shards(&firsts));
        assert_eq!((&starts.prefix[..], starts.cells.len()), (&b"key-"[..], 95));
        for i in 0..48u64 {
            assert_eq!(starts.not_above_by_cell(&key(i << 58)), None);
            assert_eq!(starts.not_above_by_cell(&key((i << 58) + 1)), Some(i as usize + 1));
        }
        assert_eq!(starts.not_above_by_cell(b"kex-00000000"), None);
    }

    #[test]
    fn a_cell_decides_among_two_first_keys() {
        let starts = |heads: &[u64]| {
            let firsts: Vec<[u8; 8]> = heads.iter().map(|head| head.to_be_bytes()).collect();
            Starts::of(&shards(&firsts))
        };
        let found = |starts: &Starts, head: u64| starts.not_above_by_cell(&head.to_be_bytes());
        let two = starts(&[0, 16, 1 << 63]);
        assert_eq!([8, 17].map(|head| found(&two, head)), [Some(1), Some(2)]);
        let three = starts(&[0, 16, 32, 1 << 63]);
        assert_eq!([8, 17].map(|head| found(&three, head)), [None; 2]);
    }

    #[test]
    fn a_word_and_a_mask_tell_what_starts_with_a_prefix() {
        assert_eq!(word_and_mask(b""), (0, 0));
        assert_eq!(word_and_mask(b"key-"), (0x2D79_656B, 0xFFFF_FFFF));
        assert_eq!(word_and_mask(b"12345678"), (0x3837_3635_3433_3231, u64::MAX));
        assert_eq!(word_and_mask(b"123456789"), (1, 0));
    }
}
