//! A file in, lookups out: map → parse → index → lookup → iterate. What comes out are slices of
//! the mapping.

mod cursor;
mod iter;
mod line;
mod lookup;
mod many;
mod map;
mod metadata;
mod open;
pub(crate) mod pages;
pub(crate) mod search;
mod simd;
mod stats;
mod table;
mod typed;

pub use cursor::Cursor;
pub use iter::{GetAll, Iter, Keys, Values};
pub use metadata::Metadata;
pub use open::{Access, OpenOptions, Verify};
pub use stats::{HashStats, LengthBin, LineStats, SectionStats, Stats};
pub use table::Table;
pub use typed::TypedTable;
