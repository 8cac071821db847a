//! What the files of the hash index share: a hashed key, and the shape of the index.

use crate::format::index::hash::{Shape, Slots, Tails};

/// A key's hash (of the first attempt) and its reference: rank or record offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    pub(super) hash: u64,
    pub(super) reference: u64,
}

/// The shape of a hash index, chosen before its groups are filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) slots: Slots,
    pub(super) tails: Tails,
}

/// Keeps the first key of each hash, and sorts the keys by hash.
pub(super) fn one_of_each_hash(keys: &mut Vec<Hashed>) {
    keys.sort_unstable_by_key(|key| (key.hash, key.reference));
    keys.dedup_by_key(|key| key.hash);
}
