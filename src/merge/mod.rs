//! Many tables into one: merging, comparing, patching, and saving what is left of a damaged one.
//!
//! All of it streams: keys and values are slices of the tables, or decoded one at a time, until the
//! builder copies them, and the memory taken depends on the number of tables and the longest values
//! of packed ones alone.

mod any_table;
mod batch;
mod combine;
mod diff;
mod options;
mod patch;
mod salvage;
mod source;
mod sources;
mod unpacked;
mod walk;

pub use any_table::AnyTable;
pub use combine::{Merge, MergePolicy};
pub use diff::{Diff, Difference};
pub use patch::{Change, Changes, Patch, Patched};
pub use salvage::{Loss, Salvage, Salvaged};
