//! Statistics and user metadata.

use super::{bytes_at, u32_at};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bins of the key-length histogram: 0, then one per power of two up to 65,535.
pub(crate) const KEY_BINS: usize = 17;
/// Bins of the value-length histogram: 0, then one per power of two up to 4 GiB − 1.
pub(crate) const VALUE_BINS: usize = 33;

/// The statistics section: this struct, then the smallest key, then the largest.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct StatsBlock {
    /// Sum of the lengths of all keys.
    pub(crate) key_bytes: U64,
    /// Sum of the lengths of all values.
    pub(crate) value_bytes: U64,
    /// Keys that stand in their second bucket of the hash index.
    pub(crate) second_bucket_keys: U64,
    /// Shortest key.
    pub(crate) key_len_min: U32,
    /// Longest key.
    pub(crate) key_len_max: U32,
    /// Shortest value.
    pub(crate) value_len_min: U32,
    /// Longest value.
    pub(crate) value_len_max: U32,
    /// Length of the smallest key, whose bytes follow this struct.
    pub(crate) first_key_len: U32,
    /// Length of the largest key, whose bytes follow the smallest.
    pub(crate) last_key_len: U32,
    /// Keys by length: bin 0 counts length 0, bin i lengths 2^(i−1) to 2^i − 1.
    pub(crate) key_bins: [U64; KEY_BINS],
    /// Values by length, in the same bins.
    pub(crate) value_bins: [U64; VALUE_BINS],
}

/// Bytes of the fixed part of the statistics.
pub(crate) const STATS: usize = 448;
const _: () = assert!(size_of::<StatsBlock>() == STATS);

/// The bin of a length.
#[inline]
pub(crate) fn bin(len: u32) -> usize {
    (u32::BITS - len.leading_zeros()) as usize
}

/// The lengths that a bin counts, both ends included.
pub(crate) fn bin_range(bin: usize) -> (u64, u64) {
    match bin {
        0 => (0, 0),
        _ => (1 << (bin - 1), (1 << bin) - 1),
    }
}

/// What the statistics count, entry by entry: the builder writes them, and an audit compares them
/// with what the table says.
#[derive(Clone, Debug)]
pub(crate) struct EntryCounts {
    /// Entries.
    pub(crate) entries: u64,
    /// Distinct keys.
    pub(crate) keys: u64,
    /// Sum of the lengths of all keys.
    pub(crate) key_bytes: u64,
    /// Sum of the lengths of all values.
    pub(crate) value_bytes: u64,
    /// Shortest and longest key.
    key_len: (u32, u32),
    /// Shortest and longest value.
    value_len: (u32, u32),
    key_bins: [u64; KEY_BINS],
    value_bins: [u64; VALUE_BINS],
}

impl EntryCounts {
    /// Counts of no entry.
    pub(crate) const fn new() -> Self {
        Self {
            entries: 0,
            keys: 0,
            key_bytes: 0,
            value_bytes: 0,
            key_len: (u32::MAX, 0),
            value_len: (u32::MAX, 0),
            key_bins: [0; KEY_BINS],
            value_bins: [0; VALUE_BINS],
        }
    }

    /// Counts an entry; `repeated`: the entry before it has the same key.
    #[inline]
    pub(crate) fn add(&mut self, key_len: u32, value_len: u32, repeated: bool) {
        self.entries += 1;
        self.keys += u64::from(!repeated);
        self.key_bytes += u64::from(key_len);
        self.value_bytes += u64::from(value_len);
        self.key_len = (self.key_len.0.min(key_len), self.key_len.1.max(key_len));
        self.value_len = (self.value_len.0.min(value_len), self.value_len.1.max(value_len));
        self.key_bins[bin(key_len)] += 1;
        self.value_bins[bin(value_len)] += 1;
    }

    /// Adds what was counted of other entries.
    pub(crate) fn add_all(&mut self, other: &Self) {
        let both = |a: (u32, u32), b: (u32, u32)| (a.0.min(b.0), a.1.max(b.1));
        self.entries += other.entries;
        self.keys += other.keys;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.key_len = both(self.key_len, other.key_len);
        self.value_len = both(self.value_len, other.value_len);
        for (sum, count) in self.key_bins.iter_mut().zip(other.key_bins) {
            *sum += count;
        }
        for (sum, count) in self.value_bins.iter_mut().zip(other.value_bins) {
            *sum += count;
        }
    }

    /// The statistics of a table with these entries. Its smallest and its largest key have these
    /// lengths; `second_bucket_keys` of its keys stand in their second bucket.
    pub(crate) fn stats(
        &self,
        first_key_len: usize,
        last_key_len: usize,
        second_bucket_keys: u64,
    ) -> StatsBlock {
        let shortest = |len: (u32, u32)| if self.entries == 0 { 0 } else { len.0 };
        StatsBlock {
            key_bytes: self.key_bytes.into(),
            value_bytes: self.value_bytes.into(),
            second_bucket_keys: second_bucket_keys.into(),
            key_len_min: shortest(self.key_len).into(),
            key_len_max: self.key_len.1.into(),
            value_len_min: shortest(self.value_len).into(),
            value_len_max: self.value_len.1.into(),
            first_key_len: (first_key_len as u32).into(),
            last_key_len: (last_key_len as u32).into(),
            key_bins: self.key_bins.map(Into::into),
            value_bins: self.value_bins.map(Into::into),
        }
    }
}

/// Metadata: a count, then for each pair `u32` key length, `u32` value length, key, value; keys
/// ascend and are distinct.
pub(crate) const PAIR_HEADER: usize = 8;

/// The pair at `at` and where the next one starts.
pub(crate) fn pair_at(section: &[u8], at: usize) -> Option<((&[u8], &[u8]), usize)> {
    let lengths: [u8; PAIR_HEADER] = bytes_at(section, at)?;
    let key_len = u32_at(&lengths, 0)? as usize;
    let value_len = u32_at(&lengths, 4)? as usize;
    let key_at = at + PAIR_HEADER;
    let value_at = key_at.checked_add(key_len)?;
    let end = value_at.checked_add(value_len)?;
    Some(((section.get(key_at..value_at)?, section.get(value_at..end)?), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_falls_into_its_bin() {
        for len in [0u32, 1, 2, 3, 4, 7, 8, 65_535, 65_536, u32::MAX] {
            let (least, most) = bin_range(bin(len));
            assert!((least..=most).contains(&u64::from(len)), "{len}");
        }
        for bin in 1..VALUE_BINS {
            assert_eq!(bin_range(bin).0, bin_range(bin - 1).1 + 1, "bins adjoin");
        }
        assert_eq!(bin(65_535), KEY_BINS - 1);
        assert_eq!(bin(u32::MAX), VALUE_BINS - 1);
    }

    #[test]
    fn statistics_are_what_was_counted() {
        let empty = EntryCounts::new().stats(0, 0, 0);
        assert_eq!(empty.as_bytes(), [0; STATS]);
        let mut counts = EntryCounts::new();
        for (key_len, value_len, repeated) in [(1, 0, false), (1, 9, true), (3, 300, false)] {
            counts.add(key_len, value_len, repeated);
        }
        assert_eq!((counts.entries, counts.keys), (3, 2));
        // Counted in two parts, they are the same.
        let (mut part, mut rest) = (EntryCounts::new(), EntryCounts::new());
        part.add(1, 0, false);
        rest.add(1, 9, true);
        rest.add(3, 300, false);
        part.add_all(&rest);
        part.add_all(&EntryCounts::new());
        assert_eq!((part.entries, part.keys), (3, 2));
        assert_eq!(part.stats(1, 3, 5).as_bytes(), counts.stats(1, 3, 5).as_bytes());
        let stats = counts.stats(1, 3, 5);
        let sums = [stats.key_bytes, stats.value_bytes, stats.second_bucket_keys];
        assert_eq!(sums.map(|sum| sum.get()), [5, 309, 5]);
        assert_eq!((stats.key_len_min.get(), stats.key_len_max.get()), (1, 3));
        assert_eq!((stats.value_len_min.get(), stats.value_len_max.get()), (0, 300));
        assert_eq!((stats.first_key_len.get(), stats.last_key_len.get()), (1, 3));
        assert_eq!((stats.key_bins[1].get(), stats.key_bins[2].get()), (2, 1));
        assert_eq!((stats.value_bins[0].get(), stats.value_bins[bin(300)].get()), (1, 1));
    }
}
