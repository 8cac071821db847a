//! `graven dump`: all entries, in a form that `graven build` reads.

use crate::args::{Dump, Format};
use crate::exit::{Failure, Outcome, reading};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{open, raw, tsv};

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Dump) -> Result<Outcome, Failure> {
    let table = open::table(&args.table, args.reading.access())?;
    let reading = reading(&args.table);
    let mut out = Output::new()?;
    out.set_form(tsv::Form::new(args.no_escape));
    if matches!(args.format, Format::Raw) {
        out.takes_binary("-o raw")?;
    }
    let progress = Progress::new("dumping", Unit::Entries, Some(table.len()), !out.is_file());
    for (entry, number) in table.iter().zip(0u64..) {
        let (key, value) = entry.map_err(reading)?;
        match args.format {
            Format::Tsv => out.entry(key, value)?,
            Format::Raw => out.with(|out| raw::write_entry(out, key, value))?,
        }
        if number % STEP == 0 {
            progress.set(number);
        }
    }
    out.flush()?;
    open::intact(&table, &args.table)?;
    Ok(Outcome::Fine)
}
