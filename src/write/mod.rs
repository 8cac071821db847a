//! Entries in, a published table out: sort → encode → index → sink → publish.

mod budget;
mod builder;
mod collect;
mod duplicates;
mod index;
mod options;
mod pool;
mod progress;
mod relayout;
mod reread;
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
pub use progress::{BuildPhase, BuildProgress};
pub use settings::{Duplicates, HashIndex};
pub use summary::{BuildSummary, HashIndexOutcome};
pub use typed::TypedBuilder;
