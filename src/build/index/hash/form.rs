//! What the files of the hash index share: a hashed key, and the shape of the index.

use crate::format::index::hash::{Shape, Slots, Tails};

/// A key's hash (of attempt 0) and its reference: rank or record offset.
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
