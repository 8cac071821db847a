//! Arguments of `warm` and `bench`, and of the processes that `bench` starts.

use super::access::Reading;
use super::values::{count, number, share, skew};
use clap::Args;
use std::path::PathBuf;

/// Read a table into memory, so that its first lookups do not wait for the disk
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven warm colours.grv")]
pub(crate) struct Warm {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    /// Only the indexes, not the records
    #[arg(long)]
    pub(crate) index: bool,
    /// Leave what is in memory in the pages that it has
    ///
    /// Without this, a table that lies in memory in small pages, as a copy or a download does, is
    /// given back and read again into 2 MiB pages, which lookups are faster in. Pages that another
    /// process has mapped stay.
    #[arg(long, conflicts_with = "index")]
    pub(crate) as_is: bool,
    /// Show no progress, and do not say if pages are small
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Look up keys in many processes at once, and show speed, latencies and shared memory
///
/// Every answer is checked. Exit code 3 if one is wrong, or if one pinned table gives values of
/// two versions.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven bench --procs 2 --seconds 0.2 colours.grv")]
pub(crate) struct Bench {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    /// Reader processes
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 4)]
    pub(crate) procs: usize,
    /// Threads in each process
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1)]
    pub(crate) threads: usize,
    /// How long to read
    #[arg(long, value_name = "S", value_parser = super::values::seconds, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Share of lookups whose key is stored, 0 to 1
    #[arg(long, value_name = "R", value_parser = share, default_value_t = 1.0)]
    pub(crate) hit: f64,
    /// Skew of the keys: 0 is uniform, 1 the classic Zipf distribution
    #[arg(long, value_name = "S", value_parser = skew, default_value_t = 0.0)]
    pub(crate) zipf: f64,
    /// Keys per call: from 2 on, get_many is measured and a latency is that of a call
    #[arg(long, value_name = "K", value_parser = count, default_value_t = 1)]
    pub(crate) batch: usize,
    /// Publish this table and TABLE in turn meanwhile, under a temporary name beside TABLE
    ///
    /// Needs room for two more copies there. The thread that publishes goes before the readers,
    /// which never pause and on a few processors would leave it no time: for root at nice -10, for
    /// others with the readers at nice 10.
    #[arg(long, value_name = "OTHER")]
    pub(crate) replace: Option<PathBuf>,
    /// Time from one replacement to the next, in milliseconds
    #[arg(long, value_name = "MS", value_parser = number::<u64>, default_value_t = 1000)]
    #[arg(requires = "replace")]
    pub(crate) every: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// One of the processes that `bench` starts.
#[derive(Args)]
pub(crate) struct BenchReader {
    #[arg(value_name = "TABLE")]
    pub(crate) table: PathBuf,
    #[arg(value_name = "SAMPLE")]
    pub(crate) sample: PathBuf,
    #[arg(long)]
    pub(crate) number: usize,
    #[arg(long)]
    pub(crate) procs: usize,
    #[arg(long)]
    pub(crate) threads: usize,
    #[arg(long)]
    pub(crate) seconds: f64,
    #[arg(long)]
    pub(crate) batch: usize,
    /// Milliseconds between two looks for a new table
    #[arg(long)]
    pub(crate) refresh: u64,
    /// Give way to the process that publishes
    #[arg(long)]
    pub(crate) give_way: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}
