//! `graven salvage`: what is good in a damaged table, as a new one.

use super::merge::no_table_to_standard_output;
use crate::exit::{Failure, Outcome, counted, note, say};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::{args, open, signals};
use graven::{ErrorKind, Loss, OpenOptions, Salvage, Salvaged};
use std::fs;

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &args::Salvage) -> Result<Outcome, Failure> {
    let args::Salvage { broken, out: path, writing } = args;
    no_table_to_standard_output(path)?;
    if fs::canonicalize(broken)
        .ok()
        .is_some_and(|broken| fs::canonicalize(path).ok() == Some(broken))
    {
        let what = "is the damaged table: choose another OUT, so that nothing more is lost";
        return Err(Failure::at(ErrorKind::Usage, path.display(), what));
    }
    signals::clean_up_and_exit()?;
    let options = OpenOptions::new().tolerate_footer(true).allow_packed(true);
    let table = open::unpacked(open::with(&options, broken)?, broken)?;
    let mut out = Output::new()?;
    let quiet = writing.quiet || !out.is_file();
    let progress = Progress::new("salvaging", Unit::Entries, Some(table.len()), quiet);
    let mut salvage = Salvage::new(&table);
    for section in salvage.lost_sections() {
        note(format_args!("{}: section {section} is lost", broken.display()));
    }
    let built = |error| Failure::build(path, &error);
    let options = writing.set(salvage.build_options());
    let mut builder = options.create(path).map_err(built)?;
    let (mut saved, mut losses) = (0u64, 0u64);
    while let Some(found) = salvage.next_lent() {
        match found {
            Salvaged::Entry { key, value } => {
                builder.insert(key, value).map_err(built)?;
                saved += 1;
                if saved % STEP == 0 {
                    progress.set(saved);
                }
            }
            Salvaged::Loss(Loss { after, before, bytes, pages, .. }) => {
                losses += 1;
                let numbers = [bytes.to_string(), pages.to_string()];
                let [after, before] = [after, before].map(Option::unwrap_or_default);
                out.fields(&[after, before, numbers[0].as_bytes(), numbers[1].as_bytes()])?;
            }
        }
    }
    out.flush()?;
    drop(progress);
    open::intact(table.stored(), broken)?;
    let entries = table.len();
    if saved == 0 && entries > 0 {
        let entries = counted(entries, "entry", "entries");
        let what = format_args!("none of {entries} is good; nothing published");
        return Err(Failure::at(ErrorKind::Data, broken.display(), what));
    }
    let summary = builder.finish().map_err(built)?;
    let lost = entries.saturating_sub(summary.entries);
    if !writing.quiet {
        say(format_args!(
            "{}: {saved} of {}, {lost} lost in {}",
            path.display(),
            counted(entries, "entry", "entries"),
            counted(losses, "place", "places")
        ));
    }
    Ok(if losses == 0 && lost == 0 { Outcome::Fine } else { Outcome::Missing })
}
