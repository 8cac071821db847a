//! A file in, lookups out: map → parse → index → lookup → iterate. What comes out are slices of
//! the mapping.

mod advice;
mod back;
mod candidate;
mod careful;
mod cursor;
mod get_all;
mod iter;
mod line;
mod lookup;
mod many;
mod map;
mod mapping;
mod metadata;
pub(crate) mod open;
pub(crate) mod pages;
pub(crate) mod parallel;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable;
mod residency;
pub(crate) mod search;
mod simd;
mod stats;
mod table;
mod tree;
mod typed;
mod warm;

pub use cursor::Cursor;
pub use get_all::GetAll;
pub use iter::{Iter, Keys, Values};
pub use metadata::Metadata;
pub use open::{Access, OpenOptions, Verify};
pub use residency::{Residency, SectionResidency};
pub use stats::{HashStats, LengthBin, LineStats, SectionStats, Stats};
pub use table::Table;
pub use typed::TypedTable;
pub use warm::{Warm, Warmed};
