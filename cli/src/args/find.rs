//! The commands that find entries by the order of keys.

use super::access::Reading;
use super::fields::{Bare, KeyForm};
use super::values::{count_from_one, number};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

// The commands that share these options have texts of their own, so no doc comment stands here: it
// would take their place.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("show").args(["keys", "values"])))]
pub(crate) struct Near {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The keys to start from, raw bytes unless -e, --hex or --b64 is given
    #[arg(value_name = "KEY", required = true)]
    pub(crate) asked: Vec<OsString>,
    #[command(flatten)]
    pub(crate) form: KeyForm,
    /// Print only the keys
    #[arg(short = 'k', long)]
    pub(crate) keys: bool,
    /// Print only the values
    #[arg(short = 'v', long)]
    pub(crate) values: bool,
    #[command(flatten)]
    pub(crate) bare: Bare,
    /// Do not name keys for which there is no entry
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}

/// Print N random entries as tsv lines, in key order
///
/// Every set of N entries is equally likely: ranks are drawn uniformly and without repetition, so
/// no entry is printed twice, and repeated keys count as often as they are stored. Where the table
/// has no more than N entries, all are printed. The same table and the same seed give the same
/// entries.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("show").args(["keys", "values"])))]
#[command(after_help = "Examples:\n\
\x20 graven sample colours.grv 2 --seed 1")]
pub(crate) struct Sample {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    /// Number of entries
    #[arg(value_name = "N", value_parser = number::<u64>)]
    pub(crate) entries: u64,
    /// Draw the same entries in every run with this number; another sample each time unless said
    #[arg(short = 's', long, value_name = "S", value_parser = number::<u64>)]
    pub(crate) seed: Option<u64>,
    /// Print only the keys
    #[arg(short = 'k', long)]
    pub(crate) keys: bool,
    /// Print only the values
    #[arg(short = 'v', long)]
    pub(crate) values: bool,
    #[command(flatten)]
    pub(crate) bare: Bare,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Print the keys that divide a table into N ranges of about as many entries
///
/// Each range but the first begins with a printed key, so there are N - 1 of them, one per line,
/// escaped as tsv: work for N processes that each `scan --from` one key `--to` the next. Entries of
/// one key are never divided. So a table with few keys has fewer ranges, none of them empty.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven split colours.grv 2")]
pub(crate) struct Split {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    /// Number of ranges
    #[arg(value_name = "N", value_parser = count_from_one)]
    pub(crate) ranges: u64,
    #[command(flatten)]
    pub(crate) bare: Bare,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
