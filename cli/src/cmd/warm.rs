//! `graven warm`: reads a table into memory before its first lookups.

use crate::args::Warm;
use crate::exit::{Failure, Outcome, note, reading};
use crate::proc::Mapped;
use crate::progress::{Progress, Unit};
use crate::source::Source;
use graven::{AccessPattern, Table};
use std::ops::ControlFlow;
use std::path::Path;

pub(crate) fn run(args: &Warm) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, AccessPattern::Auto)?;
    let bytes = source.file_bytes(&args.table)?;
    let part = match (args.index, args.as_is) {
        (true, _) => graven::Warm::Index,
        (_, true) => graven::Warm::All,
        _ => graven::Warm::LargePages,
    };
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
        warmed.map_err(reading(path))?;
        if part == graven::Warm::LargePages && !args.quiet {
            tell_of_small_pages(path, done);
        }
        Ok(())
    };
    // One shard after the other, each of which is mapped for that.
    for number in 0..source.shard_count() {
        let (table, path) = source.shard(&args.table, number)?;
        warm(&table, &path)?;
    }
    Ok(Outcome::Fine)
}

/// Says if much of a table lies in small pages nevertheless.
fn tell_of_small_pages(path: &Path, bytes: u64) {
    /// Of a smaller table the last, broken page is too large a part.
    const LEAST: u64 = 32 << 20;
    let share = Mapped::of("self", path).and_then(|mapped| mapped.huge_share());
    if let Some(share) = share.filter(|&share| bytes >= LEAST && share < 0.9) {
        note(format_args!(
            "{}: {:.0} % of it is in 2 MiB pages: another process has it mapped, memory is scarce, or \
             its file system has small pages alone; graven publish writes a copy into large ones \
             where there are such",
            path.display(),
            100.0 * share
        ));
    }
}
