//! `graven warm`: reads a table into memory before its first lookups.

use crate::args::Warm;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::progress::{Progress, Unit};
use graven::AccessPattern;
use std::ops::ControlFlow;

pub(crate) fn run(args: &Warm) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, AccessPattern::Auto)?;
    let bytes = table.stats().map_err(reading(&args.table))?.file_bytes;
    let part = if args.index { graven::Warm::Index } else { graven::Warm::All };
    let total = (!args.index).then_some(bytes);
    let progress = Progress::new("warming", Unit::Bytes, total, args.quiet);
    let warmed = table.warm_with(part, |warmed| {
        progress.set(warmed.done);
        ControlFlow::Continue(())
    });
    warmed.map_err(reading(&args.table))?;
    Ok(Outcome::Fine)
}
