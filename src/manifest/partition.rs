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
    xxh64(key, SEED).cast_signed().rem_euclid(shards as i64) as usize
}

/// The first keys of range shards, prepared for a search: heads after their common prefix, whose
/// comparison needs no pointer.
#[derive(Debug)]
pub(crate) struct Starts {
    prefix: Vec<u8>,
    heads: Vec<u64>,
}

impl Starts {
    /// The starts of range shards, whose first keys ascend. A set of one shard may be empty.
    pub(crate) fn of(shards: &[Shard]) -> Self {
        let keys = || shards.iter().filter_map(|shard| shard.first_key.as_deref());
        let prefix = match (keys().next(), keys().next_back()) {
            (Some(first), Some(last)) => first[..common_prefix(first, last)].to_vec(),
            _ => Vec::new(),
        };
        let heads = keys().map(|key| head(&key[prefix.len()..])).collect();
        Self { prefix, heads }
    }

    /// Number of shards whose first key is not above `key`. `shards` are those of [`of`](Self::of).
    #[inline]
    pub(crate) fn not_above(&self, shards: &[Shard], key: &[u8]) -> usize {
        let Some(rest) = key.strip_prefix(&self.prefix[..]) else {
            return if *key < self.prefix[..] { 0 } else { self.heads.len() };
        };
        let head = head(rest);
        let from = self.heads.partition_point(|&other| other < head);
        let equal = self.heads[from..].iter().take_while(|&&other| other == head).count();
        // Equal heads decide nothing.
        let equal = &shards[from..from + equal];
        from + equal.partition_point(|shard| shard.first_key.as_deref() <= Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: &[u8]) -> i64 {
        xxh64(key, SEED).cast_signed()
    }

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
            assert_eq!(hash(key), expected);
            assert_eq!(hash_shard(key, 16), of_16);
            assert_eq!(hash_shard(key, 1000), of_1000);
            assert_eq!(hash_shard(key, 1), 0);
        }
    }

    #[test]
    fn the_shard_of_a_key_is_found_as_by_a_plain_search() {
        let firsts: [&[&[u8]]; 4] = [
            &[b""],
            &[b"", b"\0", b"\0\0", b"a"],
            &[b"key", b"key-00000001", b"key-00000001x", b"key-00000002"],
            &[b"same head, 1", b"same head, 2", b"same head, 3", b"u"],
        ];
        for firsts in firsts {
            let shard = |key: &&[u8]| Shard {
                file: "part".into(),
                entries: 1,
                bytes: 1,
                build_id: [0; 16].into(),
                first_key: Some(key.to_vec()),
                last_key: Some(key.to_vec()),
                sha256: [0; 32],
            };
            let shards: Vec<Shard> = firsts.iter().map(shard).collect();
            let starts = Starts::of(&shards);
            let asked = firsts.iter().flat_map(|key| {
                let (longer, shorter) = ([*key, b"\0"].concat(), &key[..key.len().max(1) - 1]);
                [key.to_vec(), longer, shorter.to_vec(), b"\xff".to_vec(), b"l".to_vec()]
            });
            for key in asked {
                let expected = firsts.iter().filter(|first| **first <= &key[..]).count();
                assert_eq!(starts.not_above(&shards, &key), expected, "{key:?} in {firsts:?}");
            }
        }
    }
}
