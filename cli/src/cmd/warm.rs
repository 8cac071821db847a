//! `graven warm`: reads a table into memory before its first lookups.

use crate::args::Warm;
use crate::exit::{Failure, Outcome, reading};
use crate::progress::{Progress, Unit};
use crate::source::{Source, shard};
use graven::{AccessPattern, Table};
use std::ops::ControlFlow;
use std::path::Path;

pub(crate) fn run(args: &Warm) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, AccessPattern::Auto)?;
    let bytes = match &source {
        Source::Table(table) => table.stats().map_err(reading(&args.table))?.file_bytes,
        Source::Set(set) => set.manifest().bytes,
    };
    let part = if args.index { graven::Warm::Index } else { graven::Warm::All };
    let total = (!args.index).then_some(bytes);
    let progress = Progress::new("warming", Unit::Bytes, total, args.quiet);
    let mut before = 0;
    let mut warm = |table: &Table, path: &Path| {
        let mut done = 0;
        let warmed = table.warm_with(part, |warmed| {
            done = warmed.done;
            progress.set(before + done);
            ControlFlow::Continue(())
        });
        before += done;
        warmed.map(drop).map_err(reading(path))
    };
    match &source {
        Source::Table(table) => warm(table, &args.table)?,
        // One shard after the other, each of which is mapped for that.
        Source::Set(set) => (0..set.manifest().shards.len()).try_for_each(|number| {
            let (table, path) = shard(set, number)?;
            warm(&table, &path)
        })?,
    }
    Ok(Outcome::Fine)
}
