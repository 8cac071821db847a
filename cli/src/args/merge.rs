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
/// Nothing is sorted: the tables are read side by side. OUT has the types of the tables, the largest
/// alignment of their values, and the metadata of all; of several pairs with one key the last one
/// stays, with --dup first the first. Tables may be packed. Where all are, OUT is packed as the first
/// one, unless --plain or other options say otherwise; else OUT is plain, unless they do.
///
/// With TABLE PATCH... each patch that `graven diff -o` made is applied to the result of the one
/// before. OUT is then, byte for byte, the table that the last patch was made from. A patch for
/// another table is an error. What is packed stays packed.
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
    /// The tables; of equal keys, those of the table named first come first
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// What becomes of a key that is there more than once, in several tables or in one; error unless
    /// said
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) dup: Option<Policy>,
    /// Whether to build the hash index; auto unless said
    #[arg(long, value_name = "WHEN", value_enum)]
    pub(crate) hash_index: Option<Hash>,
    /// Start every value at a multiple of N: 1, 2, 4 ... 64; the largest of the tables unless said
    #[arg(long, value_name = "N", value_parser = number::<u32>)]
    pub(crate) value_align: Option<u32>,
    /// Keep this pair in OUT's metadata, in place of those of the tables; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair(), allow_hyphen_values = true)]
    pub(crate) meta: Vec<Pair>,
    /// Build a plain table, also of packed ones
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
/// A line is `-`, key, value for an entry of OLD alone, `+`, key, value for one of NEW alone, `~`, key,
/// old value, new value for one that has another value, with TAB between and the escapes of tsv. The
/// values of a repeated key are compared one by one, in their order. Exit code 0 if there are no
/// differences, 1 if there are.
///
/// Metadata, indexes and types are not compared.
///
/// With -o nothing is printed, and a patch is written: a table of the differences, to be applied with
/// `graven merge OUT OLD PATCH`, which gives NEW again, its metadata and indexes too. The exit code
/// is then 0, whether or not there are differences. Both tables have to be packed in one way, or both
/// plain. `graven stat` and `graven verify` take patches, too; other commands refuse them.
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
    /// Print a JSON object per line: op, k, and v or old and new; `k_b64` and so on, in Base64, for
    /// bytes that are no UTF-8
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
/// An entry is good if every page under it has the right checksum and its start is known. The starts
/// behind a damaged page are known from the lengths of the entries, if all are equal, else from the
/// indexes; without a hash index up to five entries behind the damage may be lost with it.
///
/// Each loss is a line: the last key before it, the first key behind it (both with the escapes of
/// tsv; nothing at the ends of the table), its bytes and the damaged pages among them, with TAB
/// between. Exit code 0 if all entries are in OUT, 1 if some are lost. A table whose header is
/// damaged, or of which nothing is good, is an error, and nothing is published.
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
    /// Memory for indexes, for example 512M; 1G unless said, or less where this process may have less
    /// than 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Directory for what exceeds the memory; that of the new table unless said
    #[arg(long, value_name = "D")]
    tmp_dir: Option<PathBuf>,
    /// Fail with exit code 4 where the new table exists
    #[arg(long)]
    no_replace: bool,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
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
