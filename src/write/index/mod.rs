//! The three indexes as they are written, each in a file of its name.

pub(super) mod hash;
pub(super) mod line;
pub(super) mod tree;
