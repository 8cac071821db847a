//! Sets: one table in many shards. A set is a manifest and the tables that it names; sets are
//! versions in a directory of versions, as single tables are.

mod filling;
mod job;
mod live;
mod many;
mod packed;
mod plan;
mod reader;
mod sets;
mod shard;
mod shards;
mod table_set;
mod typed;
mod verify;
mod walk;
mod write;

pub use job::{SetJob, SetJobOptions, ShardBuilder};
pub use live::packed::{PackedLiveSet, PackedPinnedSet};
pub use live::typed::{TypedLiveSet, TypedPinnedSet};
pub use live::{LiveSet, PinnedSet};
pub use packed::iter::PackedSetIter;
pub use packed::{AnySet, PackedSet, SetValue};
pub use plan::{SetPlan, ShardInfo};
pub use reader::SetReader;
pub use table_set::{SetOptions, TableSet};
pub use typed::TypedTableSet;
pub use typed::value::TypedSetValue;
pub use typed::walk::TypedSetIter;
pub use verify::SetReport;
pub use walk::SetIter;
pub use write::{SetBuildOptions, SetBuilder, TypedSetBuilder};
