//! `graven stat`: what a table is made of.

mod json;
mod text;

use crate::args::Stat;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use graven::{Access, HashStats, Stats};

/// A metadata pair.
type Pair<'t> = (&'t [u8], &'t [u8]);

pub(crate) fn run(args: &Stat) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, Access::Random)?;
    let reading = reading(&args.table);
    let stats = table.stats().map_err(reading)?;
    let metadata = table.metadata().map_err(reading)?;
    let pairs: Vec<Pair<'_>> = metadata.iter().collect();
    let text = if args.json { json::render(&stats, &pairs) } else { text::render(&stats, &pairs) };
    let mut out = Output::new()?;
    out.write(text.as_bytes())?;
    out.flush()?;
    Ok(Outcome::Fine)
}

/// The build id as it is written everywhere.
fn build_id(stats: &Stats) -> String {
    stats.build_id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A ratio, 0 where there is nothing to divide by.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Keys that are found in their first bucket, and those that need the second.
fn probes(hash: &HashStats) -> [(u32, u64); 2] {
    [(1, hash.keys - hash.second_bucket_keys), (2, hash.second_bucket_keys)]
}
