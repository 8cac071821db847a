//! Arguments of `build`: what goes into a table and how it is written.

use super::packing::Packing;
use super::resources::Resources;
use super::shard::Dividing;
use super::values::{Pair, number, octal, pair};
use super::versions::{Guards, Keeping};
use crate::formats::InputFormat;
use clap::{Args, ValueEnum};
use graven::{Duplicates, HashIndex};
use std::path::PathBuf;

/// Build a table from entries in any order and publish it under OUT
///
/// OUT is replaced atomically; until then, and after any error, it stays as it is. A file that is
/// no table is never replaced, unless it is empty; a symbolic link is replaced itself. Builds of
/// the same OUT may run at once: the last to end stays. The empty file .OUT.lock, there while OUT is
/// replaced, is for them.
///
/// A line of tsv is key, TAB, value, LF; the last LF may be missing. The first TAB divides, the
/// rest of the line is the value. \\ \t \n \r \0 and \xHH stand for backslash, TAB, LF, CR, NUL and
/// the byte HH; another backslash, or a line without TAB, is an error; --no-escape has every
/// backslash stand for itself. All other bytes stand for themselves, also those that are no UTF-8.
/// What files from Windows have is an error unless an option says what becomes of it: a CR before
/// the LF, a byte order mark at the start of an input. UTF-16 is an error: convert it first.
///
/// With --shards or --target-bytes the entries become a set: one table in many shards. OUT is then a
/// directory of versions, as with --dir, of which the set becomes the current one; commands read OUT
/// as they read a table. The entries are sorted once, within --memory, before they are divided.
#[derive(Args)]
#[command(
    override_usage = "graven build [OPTIONS] <OUT> [IN]...\n       graven build [OPTIONS] -o <OUT> [IN]...\n       graven build [OPTIONS] --dir <D> [IN]..."
)]
#[command(after_help = "Examples:\n\
\x20 printf 'red\\t#f00\\n\
blue\\t#00f\\n\
' | graven build colours.grv\n\
\x20 graven build colours.grv colours.tsv\n\
\x20 graven build --dir served --min-entries 2 colours.tsv\n\
\x20 graven build --shards 2 colours-set colours.tsv")]
#[command(group(clap::ArgGroup::new("versions").args(["dir", "shards", "target_bytes"]).multiple(true)))]
pub(crate) struct Build {
    /// The table's path: [`Build::settle`] finds it
    #[arg(skip)]
    pub(crate) out: PathBuf,
    /// The table's path
    #[arg(value_name = "OUT", required_unless_present_any = ["output", "dir"])]
    first: Option<PathBuf>,
    /// Files with entries, also compressed by gzip or zstd; none or `-` is standard input
    #[arg(value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The table's path; then all other paths are IN
    #[arg(short = 'o', value_name = "OUT")]
    output: Option<PathBuf>,
    /// Build a new version in this directory and make it the current one; then all paths are IN
    ///
    /// The table is written where it stays. Readers open D/CURRENT, or D with TABLE arguments.
    #[arg(short = 'd', long, value_name = "D", conflicts_with = "output")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) dividing: Dividing,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) guards: Guards,
    #[command(flatten)]
    pub(crate) format: InputFormat,
    /// The input ascends: write as it is read; a key out of order is an error
    #[arg(short = 's', long)]
    pub(crate) sorted: bool,
    /// Leave out malformed entries, and say how many there were and where the first one is. Without
    /// it, the first one ends the build
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// What becomes of a repeated key
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Dup::Error)]
    pub(crate) dup: Dup,
    /// Whether to build the hash index; auto leaves it out where gets are as fast without
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Hash::Auto)]
    pub(crate) hash_index: Hash,
    /// Start every value at a multiple of N: 1, 2, 4 ... 64
    #[arg(long, value_name = "N", value_parser = number::<u32>, default_value_t = 1)]
    pub(crate) value_align: u32,
    #[command(flatten)]
    pub(crate) packing: Packing,
    /// Keep this pair in the table's metadata; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair(), allow_hyphen_values = true)]
    pub(crate) meta: Vec<Pair>,
    /// Permissions of the table, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    pub(crate) mode: u32,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Fail with exit code 4 where OUT, or D/CURRENT, exists
    #[arg(long)]
    pub(crate) no_replace: bool,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Read the table back from the disk and check it before it is published
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print no summary and no progress
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}

impl Build {
    /// Whether a set is built, and not a table.
    pub(crate) fn makes_set(&self) -> bool {
        self.dividing.shards.is_some() || self.dividing.target_bytes.is_some()
    }

    /// Gives the first path its meaning: with -o or --dir it is an input like the others, otherwise
    /// it is OUT.
    pub(super) fn settle(&mut self) {
        let first = self.first.take();
        if let Some(out) = self.output.take().or_else(|| self.dir.clone()) {
            self.out = out;
            self.inputs.splice(0..0, first);
        } else {
            self.out = first.unwrap_or_default();
        }
    }
}

/// What becomes of a repeated key.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Dup {
    /// The build fails
    Error,
    /// The first entry stays
    First,
    /// The last entry stays
    Last,
    /// All stay, in input order
    Keep,
}

/// Whether to build the hash index.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Hash {
    /// Where it makes gets faster
    Auto,
    Always,
    Never,
}

impl From<Dup> for Duplicates {
    fn from(dup: Dup) -> Self {
        match dup {
            Dup::Error => Self::Reject,
            Dup::First => Self::KeepFirst,
            Dup::Last => Self::KeepLast,
            Dup::Keep => Self::KeepAll,
        }
    }
}

impl From<Hash> for HashIndex {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Auto => Self::Auto,
            Hash::Always => Self::Always,
            Hash::Never => Self::Never,
        }
    }
}
