//! The three indexes: a tree of separators, lines of tags for evenly spread keys, and buckets of
//! tags for hashes. Each file has the arithmetic that builder and reader share.

pub(crate) mod hash;
pub(crate) mod line;
pub(crate) mod tree;
