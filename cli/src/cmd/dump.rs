//! `graven dump`: all entries, in a form that `graven build` reads.

use crate::args::Dump;
use crate::exit::{Failure, Outcome};
use crate::formats::Writer;
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::source::{ALL, Source};

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Dump) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, args.reading.access())?;
    let mut out = Output::new()?;
    let mut writer = Writer::new(&args.format, (&source, &args.table), &mut out)?;
    writer.check(&args.table, |check| source.walk(&args.table, ALL, false, u64::MAX, check))?;
    let progress = Progress::new("dumping", Unit::Entries, Some(source.len()), !out.is_file());
    writer.begin(&mut out)?;
    source.walk(&args.table, ALL, false, u64::MAX, |number, key, value| {
        if number % STEP == 0 {
            progress.set(number);
        }
        writer.entry(&mut out, key, value)
    })?;
    writer.finish(&mut out)?;
    out.flush()?;
    source.intact(&args.table)?;
    Ok(Outcome::Fine)
}
