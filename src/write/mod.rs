//! Entries in, a published table out: sort → encode → index → sink → publish.

mod budget;
mod builder;
mod collect;
mod duplicates;
mod index;
mod options;
mod packing;
mod pool;
#[cfg(feature = "sets")]
mod presort;
mod progress;
mod relayout;
mod reread;
mod sample;
mod scratch;
mod sections;
mod settings;
mod sink;
mod sort;
mod spool;
mod summary;
mod table;
mod typed;
mod value_stream;

pub use builder::Builder;
pub use options::BuildOptions;
#[cfg(feature = "sets")]
pub(crate) use presort::{Presort, Sorted};
#[cfg(feature = "sets")]
pub(crate) use progress::Reporter;
pub use progress::{BuildPhase, BuildProgress};
#[cfg(feature = "sets")]
pub(crate) use scratch::Value;
pub use settings::{Duplicates, HashIndex};
pub use summary::{BuildSummary, HashIndexOutcome};
pub use typed::TypedBuilder;
