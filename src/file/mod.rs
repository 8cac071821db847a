//! Files, below building and publishing.

pub(crate) mod io;
