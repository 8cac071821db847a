//! Counts of what was written, for header and statistics.

use crate::format::meta::{KEY_BINS, StatsBlock, VALUE_BINS, bin};
use zerocopy::IntoBytes;

/// Counts for header and statistics.
pub(super) struct Tally {
    pub(super) entries: u64,
    pub(super) keys: u64,
    pub(super) key_bytes: u64,
    pub(super) value_bytes: u64,
    key_len: (u32, u32),
    value_len: (u32, u32),
    key_bins: [u64; KEY_BINS],
    value_bins: [u64; VALUE_BINS],
}

impl Tally {
    pub(super) fn new() -> Self {
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

    #[inline]
    /// Counts an entry.
    pub(super) fn add(&mut self, key_len: u32, value_len: u32, repeated: bool) {
        self.entries += 1;
        self.keys += u64::from(!repeated);
        self.key_bytes += u64::from(key_len);
        self.value_bytes += u64::from(value_len);
        self.key_len = (self.key_len.0.min(key_len), self.key_len.1.max(key_len));
        self.value_len = (self.value_len.0.min(value_len), self.value_len.1.max(value_len));
        self.key_bins[bin(key_len)] += 1;
        self.value_bins[bin(value_len)] += 1;
    }

    /// The statistics section.
    pub(super) fn block(&self, first: &[u8], last: &[u8], second_bucket_keys: u64) -> Vec<u8> {
        let shortest = |len: (u32, u32)| if self.entries == 0 { 0 } else { len.0 };
        let block = StatsBlock {
            key_bytes: self.key_bytes.into(),
            value_bytes: self.value_bytes.into(),
            second_bucket_keys: second_bucket_keys.into(),
            key_len_min: shortest(self.key_len).into(),
            key_len_max: self.key_len.1.into(),
            value_len_min: shortest(self.value_len).into(),
            value_len_max: self.value_len.1.into(),
            first_key_len: (first.len() as u32).into(),
            last_key_len: (last.len() as u32).into(),
            key_bins: self.key_bins.map(Into::into),
            value_bins: self.value_bins.map(Into::into),
        };
        [block.as_bytes(), first, last].concat()
    }
}
