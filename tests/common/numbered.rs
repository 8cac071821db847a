//! Tables of numbered keys, of any size and with the index of one's choice.

use graven::{BuildOptions, BuildSummary, HashIndex, HashIndexOutcome};
use std::path::Path;

/// Key `i` of [`numbered_table`].
pub(crate) fn numbered_key(i: u64) -> [u8; 16] {
    let mut key = *b"________ the key";
    key[..8].copy_from_slice(&(2 * i).to_be_bytes());
    key
}

/// A key beside key `i` that is never stored.
pub(crate) fn absent_key(i: u64) -> [u8; 16] {
    let mut key = numbered_key(i);
    key[7] |= 1;
    key
}

/// Value `i` of [`numbered_table`]: the number, the edition, then filler.
pub(crate) fn numbered_value(i: u64, edition: u8, value: &mut [u8]) {
    value.fill(i as u8 ^ edition);
    value[..8].copy_from_slice(&i.to_le_bytes());
    value[8] = edition;
}

/// Bytes of a value of [`numbered_table`].
pub(crate) const VALUE: usize = 100;

/// The index that answers point lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Hash,
    Ordered,
    Line,
}

/// A table of `entries` keys of 16 bytes and values of about 100, with a hash index.
pub(crate) fn numbered_table(path: &Path, entries: u64, edition: u8) -> BuildSummary {
    indexed_table(path, entries, edition, Index::Hash)
}

/// Length of value `i`: one less for odd ones, so that records carry a length word, except where
/// the line index needs one length.
pub(crate) fn value_len(i: u64, index: Index) -> usize {
    if index == Index::Line { VALUE } else { VALUE - i as usize % 2 }
}

/// Likewise, with the index of one's choice.
pub(crate) fn indexed_table(path: &Path, entries: u64, edition: u8, index: Index) -> BuildSummary {
    let hash_index = match index {
        Index::Hash => HashIndex::Always,
        Index::Ordered => HashIndex::Never,
        // Left out where the ordered index answers as fast, that is: where there is a line index.
        Index::Line => HashIndex::Auto,
    };
    let options = BuildOptions::new().sorted(true).durable(false).hash_index(hash_index);
    let mut builder = options.create(path).expect("a builder");
    let mut value = [0; VALUE];
    for i in 0..entries {
        numbered_value(i, edition, &mut value);
        builder.insert(numbered_key(i), &value[..value_len(i, index)]).expect("an insert");
    }
    let summary = builder.finish().expect("a table");
    if index == Index::Line {
        assert_eq!(summary.hash_index, HashIndexOutcome::NotNeeded, "there is no line index");
    }
    summary
}
