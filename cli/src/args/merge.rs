//! Arguments of `merge`, `diff` and `salvage`: the commands that make tables of tables.

use super::access::Reading;
use super::build::Hash;
use super::packing::Packing;
use super::values::{Pair, number, octal, pair, size};
use clap::{Args, ValueEnum};
use graven::{BuildOptions, MergePolicy};
use std::path::PathBuf;

/// Merge tables into one, or apply patches to a table, and publish the result under OUT
///
/// The tables are read side by side, and nothing is sorted. OUT has the types of the tables, the
/// largest alignment of their values, and the metadata of all. If several pairs have one key, the
/// last pair stays; with --dup first, the first pair stays. Tables may be packed. If all tables are
/// packed, OUT is packed as the first table is; if one is plain, OUT is plain. --plain, --compress
/// and --compact-keys override this.
///
/// The form TABLE PATCH... applies patches that `graven diff -o` made: the first one to TABLE, each
/// other one to the result so far. OUT is then, byte for byte, the table that the last patch was made
/// from. A patch for another table is an error. What is packed stays packed.
#[derive(Args)]
#[command(
    override_usage = "graven merge [OPTIONS] <OUT> <TABLE>...\n       graven merge [OPTIONS] <OUT> <TABLE> <PATCH>...",
    after_help = "Examples:\n  graven merge both.grv colours.grv other.grv --dup last\n  \
                  graven diff -o patch.grv colours.grv other.grv && \
                  graven merge new.grv colours.grv patch.grv"
)]
pub(crate) struct Merge {
    /// The new table's path
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The tables. Entries with equal keys are in the order of their tables
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// What becomes of a key that is there more than once, in several tables or in one. The default
    /// is error
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) dup: Option<Policy>,
    /// Whether to build the hash index. The default is auto
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) hash_index: Option<Hash>,
    /// Start every value at a multiple of N: 1, 2, 4 ... 64. The default is the largest N of the
    /// tables
    #[arg(long, value_name = "N", value_parser = number::<u32>)]
    pub(crate) value_align: Option<u32>,
    /// Keep this pair in OUT's metadata, in place of a pair of the tables with the same key. The
    /// option may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair(), allow_hyphen_values = true)]
    pub(crate) meta: Vec<Pair>,
    /// Build a plain table, also if the tables are packed
    #[arg(long, conflicts_with_all = ["compress", "compact_keys"])]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) packing: Packing,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Print the differences between the entries of two tables, in key order
///
/// Each difference is a line, with TAB between its parts and the escapes of tsv: `-`, key, value for
/// an entry of OLD alone; `+`, key, value for an entry of NEW alone; `~`, key, old value, new value
/// for an entry whose value changed. The values of a repeated key are compared one by one, in their
/// order. The exit code is 0 if there are no differences, 1 if there are.
///
/// Metadata, indexes and types are not compared.
///
/// -o writes a patch, a table of the differences, and prints nothing. `graven merge OUT OLD PATCH`
/// makes NEW of OLD again, with its metadata and indexes. The exit code is then 0, also if there are
/// differences. Both tables have to be plain, or packed in one way. `graven stat` and `graven verify`
/// take patches, too; other commands refuse them.
#[derive(Args)]
#[command(after_help = "Examples:\n  graven diff colours.grv other.grv\n  \
                  graven diff --json colours.grv other.grv\n  \
                  graven diff -o patch.grv colours.grv other.grv")]
pub(crate) struct Diff {
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Write a patch that makes NEW of OLD
    #[arg(short = 'o', value_name = "PATCH", conflicts_with_all = ["json", "brief"])]
    pub(crate) patch: Option<PathBuf>,
    /// Print a JSON object per line: op, k, and v or old and new. Bytes that are no UTF-8 are in
    /// Base64, as `k_b64` and so on
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing: the exit code says whether there are differences
    #[arg(short = 'q', long, conflicts_with = "json")]
    pub(crate) brief: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Build a new table of what is good in a damaged one
///
/// An entry is good if every page under it has the right checksum and its start is known. If all
/// entries have one length, this length gives the starts behind a damaged page; else the indexes give
/// them. A table without a hash index may lose up to five more entries behind the damage.
///
/// Each loss is a line with TAB between its parts: the last key before it, the first key behind it
/// (both with the escapes of tsv; nothing at the ends of the table), its bytes, and the damaged pages
/// among them. The exit code is 0 if all entries are in OUT, 1 if some are lost. A table whose header
/// is damaged, or that has nothing good, is an error, and nothing is published.
#[derive(Args)]
#[command(after_help = "Examples:\n  graven salvage colours.grv saved.grv > losses.tsv")]
pub(crate) struct Salvage {
    #[arg(value_name = "BROKEN")]
    pub(crate) broken: PathBuf,
    /// The new table's path
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// How a table is written and published.
#[derive(Args)]
pub(crate) struct Writing {
    /// Permissions of the new table, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    mode: u32,
    /// Memory for indexes, for example 512M. The default is 1G, or less if this process may have less
    /// than 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Directory for what exceeds the memory. The default is the directory of the new table
    #[arg(long, value_name = "D")]
    tmp_dir: Option<PathBuf>,
    /// Fail with exit code 4 where the new table exists
    #[arg(long)]
    no_replace: bool,
    /// Publish without fsync. This is faster, but the table is lost or torn if the power fails soon
    /// after
    #[arg(long)]
    no_sync: bool,
    /// Read the new table back from the disk and check it before it is published
    #[arg(long)]
    verify: bool,
    /// Print no summary and no progress
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Writing {
    /// Sets these options.
    pub(crate) fn set(&self, options: BuildOptions) -> BuildOptions {
        let options = options
            .mode(self.mode)
            .memory_budget(self.memory)
            .replace(!self.no_replace)
            .durable(!self.no_sync)
            .verify_after_write(self.verify);
        match &self.tmp_dir {
            Some(dir) => options.temp_dir(dir),
            None => options,
        }
    }
}

/// What becomes of a key that is there more than once.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Policy {
    /// The merge fails
    Error,
    /// The first entry stays
    First,
    /// The last entry stays: later tables win
    Last,
    /// All stay, in order
    Keep,
    /// One entry stays, with all values one after the other
    Concat,
}

impl From<Policy> for MergePolicy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Error => Self::Reject,
            Policy::First => Self::KeepFirst,
            Policy::Last => Self::KeepLast,
            Policy::Keep => Self::KeepAll,
            Policy::Concat => Self::Concat,
        }
    }
}
