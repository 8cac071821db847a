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
        assert_eq!(bin(65_535), KEY_BINS - 1);
        assert_eq!(bin(u32::MAX), VALUE_BINS - 1);
    }
}
