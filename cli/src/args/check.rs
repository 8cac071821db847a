//! Arguments of `stat` and `verify`: the commands that look at tables as a whole.

use super::access::Reading;
use super::values::size_from_one;
use clap::Args;
use std::path::PathBuf;

/// Print sizes, lengths, index figures, the smallest and the largest key of tables
///
/// With several tables, the exit code is the highest that one of them alone would give.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven stat colours.grv\n\
\x20 graven stat --json colours.grv other.grv")]
pub(crate) struct Stat {
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// Print one JSON object for each table
    ///
    /// A smallest_key or largest_key that is no UTF-8 is null, and smallest_key_b64 or
    /// largest_key_b64 has it in Base64.
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}

/// Check every byte of tables; silent when good
///
/// Every table is checked, also after a bad one. The exit code is the highest that one of them
/// alone would give.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven verify colours.grv other.grv\n\
\x20 graven verify --json colours.grv")]
pub(crate) struct Verify {
    #[arg(value_name = "TABLE", required = true)]
    pub(crate) tables: Vec<PathBuf>,
    /// Print a line for each table: a JSON object with table, ok, and figures or the error with its
    /// findings: sections, offset and what is wrong, for each damaged page or the first broken rule
    ///
    /// A line has at most 10,000 findings. The check of a set ends at the first shard with damage, and
    /// the findings are those of this shard.
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
    /// Read at most so many bytes a second, so that programs that serve the table find the disk free
    ///
    /// Counts what the check reads, also what it reads again and what lies in memory already. There is
    /// one rate for the whole run: tables are checked one after the other, and so are the shards of a
    /// set.
    #[arg(long, value_name = "SIZE", value_parser = size_from_one)]
    pub(crate) rate: Option<u64>,
    /// Show no progress
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
