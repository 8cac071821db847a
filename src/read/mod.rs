//! A file in, lookups out: map → parse → index → lookup → iterate. Lookups return slices of the
//! mapping.

#[cfg(feature = "sets")]
mod among;
mod first_touch;
mod get;
mod guess;
pub(crate) mod index;
mod locate;
pub(crate) mod map;
mod metadata;
mod open;
#[cfg(test)]
mod open_tests;
mod ordered;
mod owned;
mod packed;
#[cfg(test)]
mod packed_tests;
mod packing;
mod pages;
pub(crate) mod parallel;
pub(crate) mod place;
pub(crate) mod range;
mod residency;
pub(crate) mod search;
mod simd;
mod stats;
#[cfg(test)]
mod stats_tests;
mod table;
#[cfg(test)]
mod table_tests;
pub(crate) mod typed;
mod types;
mod value;
pub(crate) mod view;
pub(crate) mod walk;
mod warm;

#[cfg(feature = "sets")]
pub(crate) use among::get_many_among;
pub use locate::Location;
pub use map::AccessPattern;
pub use metadata::{Metadata, MetadataIter};
pub use open::OpenOptions;
pub use owned::IntoIter;
pub use packed::PackedTable;
pub use packed::cursor::PackedCursor;
pub use packed::iter::PackedIter;
pub use packed::prefixes::PackedPrefixesOf;
pub(crate) use packing::Packing;
pub use pages::PageChecks;
pub use place::{LocatedPart, LocatedSpan};
pub use range::KeyRange;
#[cfg(all(unix, feature = "sets"))]
pub(crate) use range::end_of_prefix;
pub use residency::{Residency, SectionResidency};
pub use simd::InstructionSet;
pub(crate) use stats::StatsSection;
pub use stats::{
    HashStats, LengthBin, LineStats, PackingStats, Section, SectionStats, Stats, TreeStats,
};
pub use table::Table;
pub use typed::TypedTable;
pub use typed::walk::{TypedCursor, TypedGetAll, TypedIter, TypedKeys, TypedValues};
pub(crate) use types::TypesSection;
pub use value::Value;
pub use walk::{Cursor, GetAll, Iter, KeyCounts, Keys, PrefixesOf, Values};
pub use warm::{Warm, WarmProgress};
