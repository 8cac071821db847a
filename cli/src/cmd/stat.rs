//! `graven stat`: what a table is made of.

mod json;
mod set;
mod text;

use crate::args::Stat;
use crate::exit::{self, Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use crate::proc::Mapped;
use graven::{AccessPattern, HashStats, Residency, Table};
use std::path::Path;

/// A metadata pair.
type Pair<'t> = (&'t [u8], &'t [u8]);

pub(crate) fn run(args: &Stat) -> Result<Outcome, Failure> {
    let mut out = Output::new()?;
    let mut first = true;
    let printed = exit::worst(&args.tables, |path| {
        let text = render(args, path, out.is_terminal())?;
        if !args.json && args.tables.len() > 1 {
            let before = if std::mem::take(&mut first) { "" } else { "\n" };
            let label = if open::is_set(path) { "set" } else { "table" };
            out.text(&format!("{before}{label:<15}{}\n", path.display()))?;
        }
        out.write(text.as_bytes())?;
        Ok(Outcome::Fine)
    });
    out.flush()?;
    printed
}

/// The figures of one table.
fn render(args: &Stat, path: &Path, terminal: bool) -> Result<String, Failure> {
    if open::is_set(path) {
        let set = open::packed_set(path, AccessPattern::Random)?;
        return Ok(match args.json {
            true => set::json(path, set.manifest()),
            false => set::text(set.manifest(), terminal),
        });
    }
    let opened = open::any_file(path, AccessPattern::Random);
    let table = opened.map_err(|error| Failure::open(path, &error))?;
    // Asked first, before other calls bring pages into memory.
    let residency = table.residency();
    let reading = reading(path);
    let stats = table.stats().map_err(reading)?;
    let metadata = table.metadata().map_err(reading)?;
    let pairs: Vec<Pair<'_>> = metadata.iter().collect();
    let memory = Memory { huge_pages: huge_pages(&table, &residency, path), residency };
    Ok(match args.json {
        true => json::render(path, &stats, &pairs, &memory),
        false => text::render(&stats, &pairs, &memory, terminal),
    })
}

/// What is known about the table in memory.
struct Memory {
    residency: Residency,
    /// Share of the mapped bytes that is mapped by 2 MiB pages.
    huge_pages: Option<f64>,
}

/// Share of the mapped bytes that the kernel maps by 2 MiB pages. A table that is in memory as a
/// whole is first mapped as a whole, which reads nothing. Of any other table, only the pages that
/// this command has touched are mapped.
fn huge_pages(table: &Table, residency: &Residency, path: &Path) -> Option<f64> {
    if let Residency::Known(sections) = residency
        && sections.iter().all(|section| section.resident == section.bytes)
    {
        // A page that has left the memory meanwhile changes only this figure.
        let _ = table.warm(graven::Warm::All);
    }
    Mapped::of("self", path)?.huge_share()
}

/// A ratio, 0 where there is nothing to divide by.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Keys that are found in their first bucket, and those that need the second.
fn probes(hash: &HashStats) -> [(u32, u64); 2] {
    [(1, hash.keys - hash.second_bucket_keys), (2, hash.second_bucket_keys)]
}
