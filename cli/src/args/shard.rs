//! Arguments of `shard`.

use super::access::Reading;
use super::packing::Packing;
use super::resources::Resources;
use super::values::{count_from_one, octal, size_from_one};
use super::versions::{Guards, Keeping};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Write a table as a set: one table in many shards, for data that outgrows one file or one machine
///
/// OUT is a directory of versions, as of `publish --dir`: the set becomes its current version, and
/// older ones stay for a rollback. Commands read OUT as they read a table. Shards are of about 1G
/// unless --shards or --target-bytes is given. The entries are read once, in order, and shards are
/// completed side by side. They are packed as the table is, unless --compress or --compact-keys says
/// how. Nothing is sorted, but for more than 64 hash shards with 1G of memory, 21 of packed ones.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("versions").args(["dir"])))]
#[command(after_help = "Examples:\n\
\x20 graven shard colours.grv colours-set --shards 2\n\
\x20 graven shard colours.grv colours-set --target-bytes 1G\n\
\x20 graven shard colours.grv colours-set --shards 2 --partition hash")]
pub(crate) struct Shard {
    /// The table, or another set
    #[arg(value_name = "IN")]
    pub(crate) source: PathBuf,
    /// The directory of the set's versions
    #[arg(value_name = "OUT")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) dividing: Dividing,
    #[command(flatten)]
    pub(crate) packing: Packing,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Permissions of shards and manifest, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    pub(crate) mode: u32,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Read the shards back from the disk and check them before they are published
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print nothing
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Into what a set is divided.
#[derive(Args)]
pub(crate) struct Dividing {
    /// Make so many shards, of ranges with about as many entries each; fewer where there are fewer
    /// keys
    #[arg(long, value_name = "N", value_parser = count_from_one)]
    pub(crate) shards: Option<u64>,
    /// Make shards of about this size, for example 512M
    #[arg(long, value_name = "SIZE", value_parser = size_from_one, conflicts_with = "shards")]
    pub(crate) target_bytes: Option<u64>,
    /// How keys are divided among shards; range unless said
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) partition: Option<Division>,
}

impl Dividing {
    /// Whether shards are to be hash shards.
    pub(crate) fn is_hashed(&self) -> bool {
        self.partition == Some(Division::Hash)
    }
}

/// How keys are divided among shards.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Division {
    /// By order: queries by order ask one or two shards
    Range,
    /// By XXH64 with seed 42, as Spark's pmod(xxhash64(key), N)
    Hash,
}
