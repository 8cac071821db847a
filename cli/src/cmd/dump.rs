//! `graven dump`: all entries, in a form that `graven build` reads.

use crate::args::Dump;
use crate::exit::{Failure, Outcome, reading};
use crate::formats::Writer;
use crate::open;
use crate::output::Output;
use crate::progress::{Progress, Unit};

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Dump) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let mut out = Output::new()?;
    let mut writer = Writer::new(&args.format, (&table, &args.table), &mut out)?;
    writer.check(table.iter(), &args.table)?;
    let progress = Progress::new("dumping", Unit::Entries, Some(table.len()), !out.is_file());
    writer.begin(&mut out)?;
    for (entry, number) in table.iter().zip(0u64..) {
        let (key, value) = entry.map_err(reading)?;
        writer.entry(&mut out, key, value)?;
        if number % STEP == 0 {
            progress.set(number);
        }
    }
    writer.finish(&mut out)?;
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(Outcome::Fine)
}
