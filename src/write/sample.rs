//! The sample of values by which a dictionary is made. It depends on the entries alone: the values of
//! the keys with the smallest hashes, as many as there is room for. So it is the same in whatever order
//! entries were inserted, and whatever of them was in memory.

use std::collections::BinaryHeap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most bytes of one value.
const PIECE: usize = 32 << 10;
/// Bytes that a value takes besides its own.
const EXTRA: usize = 64;

/// Collects a sample from ascending entries.
pub(super) struct Sample {
    /// The greatest hash on top. Of equal hashes, that of the entry that came last.
    values: BinaryHeap<Sampled>,
    taken: usize,
    limit: usize,
    entry: u64,
    /// How many entries before this one have its key.
    repeats: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sampled {
    hash: u64,
    entry: u64,
    value: Vec<u8>,
}

impl Sample {
    /// An empty sample, which will have at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { values: BinaryHeap::new(), taken: 0, limit, entry: 0, repeats: 0 }
    }

    /// Shows the next entry; `value` gives the first bytes of its value, if they are asked for.
    pub(super) fn show(&mut self, key: &[u8], value: &[u8], repeated: bool) {
        self.repeats = if repeated { self.repeats + 1 } else { 0 };
        self.entry += 1;
        if value.is_empty() {
            return;
        }
        let hash = xxh3_64_with_seed(key, self.repeats);
        let full = self.taken >= self.limit;
        if full && self.values.peek().is_none_or(|top| top.hash <= hash) {
            return;
        }
        let value = &value[..value.len().min(PIECE)];
        self.taken += value.len() + EXTRA;
        self.values.push(Sampled { hash, entry: self.entry, value: value.to_vec() });
        // The value that goes beyond the limit stays, so that a sample is never empty.
        while let Some(top) = self.values.peek()
            && self.taken - (top.value.len() + EXTRA) >= self.limit
        {
            self.taken -= top.value.len() + EXTRA;
            self.values.pop();
        }
    }

    /// The values, in the order of the hashes of their keys.
    pub(super) fn into_values(self) -> Vec<Vec<u8>> {
        self.values.into_sorted_vec().into_iter().map(|sampled| sampled.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(limit: usize, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut sample = Sample::new(limit);
        let mut last: Option<&[u8]> = None;
        for (key, value) in entries {
            sample.show(key, value, last == Some(key));
            last = Some(key);
        }
        sample.into_values()
    }

    /// The sample is that of the smallest hashes: what it leaves out has greater ones, and it has as
    /// many as there is room for.
    #[test]
    fn the_smallest_hashes_are_taken() {
        let entries: Vec<_> = (0..2000u32)
            .map(|i| ((i / 3).to_be_bytes().to_vec(), vec![i as u8; 1 + (i % 200) as usize]))
            .collect();
        let mut by_hash: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(i, (key, value))| (xxh3_64_with_seed(key, i as u64 % 3), value.clone()))
            .collect();
        by_hash.sort();
        for limit in [0, 1, 1000, 50_000, 1 << 30] {
            let mut right = Vec::new();
            let mut taken = 0;
            for (_, value) in &by_hash {
                if taken >= limit.max(1) {
                    break;
                }
                taken += value.len() + EXTRA;
                right.push(value.clone());
            }
            if limit == 0 {
                right.clear();
            }
            assert!(sample(limit, &entries) == right, "limit {limit}");
        }
    }

    #[test]
    fn long_values_are_cut_and_empty_ones_left_out() {
        let entries = [(b"a".to_vec(), vec![7; PIECE + 1]), (b"b".to_vec(), Vec::new())];
        let values = sample(1 << 20, &entries);
        assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [PIECE]);
    }
}
