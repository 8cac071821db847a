//! The three indexes: one view each, with the algorithms as its methods. They check every page
//! before they read it.

pub(crate) mod hash;
pub(crate) mod line;
pub(crate) mod tree;
