//! `graven inspect`: the layout of a table, and the place of a key in it.

use crate::args::Inspect;
use crate::exit::{Failure, Outcome, reading};
use crate::open;
use crate::output::Output;
use crate::source::{self, Source};
use graven::{AccessPattern, ErrorKind, Location, Section, Stats};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::ops::RangeInclusive;

/// Bytes of a page, which has a checksum of its own.
const PAGE: u64 = 4096;
/// Bytes of a page's checksum.
const SUM: u64 = 4;
/// Bytes of a cache line.
const LINE: u64 = 64;

pub(crate) fn run(args: &Inspect) -> Result<Outcome, Failure> {
    let key = args.key.as_ref().map(|key| args.form.read("--key", key)).transpose()?;
    let source = Source::open(&args.table, AccessPattern::Random)?;
    let number = source.manifest().map_or(Ok(0), |_| of_set(&source, args, key.as_deref()))?;
    let (table, path) = source.table(&args.table, number)?;
    let reading = reading(&path);
    let stats = table.stored().stats().map_err(reading)?;
    let location = key.map(|key| table.locate(&key)).transpose().map_err(reading)?;
    let missing = location.as_ref().is_some_and(|location| location.rank.is_none());
    let mut out = Output::new()?;
    let mut text = String::new();
    if path != args.table && !args.json {
        text = format!("{:<16}{}\n\n", "shard", path.display());
    }
    match args.json {
        true => {
            let mut object = object(&stats, location.as_ref());
            if path != args.table {
                object["shard"] = path.to_string_lossy().into();
            }
            text = format!("{object:#}\n");
        }
        // Writing to a String cannot fail.
        false => drop(write(&mut text, &stats, location.as_ref())),
    }
    out.write(text.as_bytes())?;
    out.flush()?;
    open::intact(table.stored(), &path)?;
    Ok(if missing { Outcome::Missing } else { Outcome::Fine })
}

/// The shard that has a key, or would have it.
fn of_set(source: &Source, args: &Inspect, key: Option<&[u8]>) -> Result<usize, Failure> {
    let shown = args.table.display();
    let Some(key) = key else {
        let first = source.file(&args.table, 0);
        let instead = format!(
            "name one of its shards, such as {}, or the key that is looked for, with --key; graven \
             stat --json {shown} lists the shards",
            first.display()
        );
        return Err(source::no_set(&args.table, &instead));
    };
    source.shard_of(key).ok_or_else(|| {
        let what = "no shard can have this key: a get of it reads no table";
        Failure::at(ErrorKind::Usage, shown, what)
    })
}

/// Numbers of the units of this size on which a part of the file lies; none of an empty part.
fn units(offset: u64, bytes: u64, unit: u64) -> Option<RangeInclusive<u64>> {
    let last = bytes.checked_sub(1)?.checked_add(offset)?;
    Some(offset / unit..=last / unit)
}

/// The pages that a get touches.
fn pages(location: &Location) -> BTreeSet<u64> {
    let spans = location.spans.iter();
    spans.filter_map(|span| units(span.offset, span.bytes, PAGE)).flatten().collect()
}

/// Where the page sums lie, if the table has any.
fn sums(stats: &Stats) -> Option<u64> {
    let sums = stats.sections.iter().find(|section| section.section == Section::PageSums);
    sums.map(|section| section.offset)
}

fn write(text: &mut String, stats: &Stats, location: Option<&Location>) -> fmt::Result {
    writeln!(text, "{:<16}{:>16}{:>16}  {:<20}", "section", "offset", "bytes", "pages")?;
    for section in &stats.sections {
        let (name, offset, bytes) = (section.section, section.offset, section.bytes);
        let pages = shown(units(offset, bytes, PAGE));
        writeln!(text, "{name:<16}{offset:>16}{bytes:>16}  {pages}")?;
    }
    let Some(location) = location else { return Ok(()) };
    match location.rank {
        Some(rank) => writeln!(text, "\nrank            {rank}")?,
        None => writeln!(text, "\nrank            none: the key is not in the table")?,
    }
    let heads = ("a get reads", "offset", "bytes", "pages", "cache lines");
    writeln!(text, "{:<16}{:>16}{:>16}  {:<20}{}", heads.0, heads.1, heads.2, heads.3, heads.4)?;
    for span in &location.spans {
        let (part, offset, bytes) = (span.part.to_string(), span.offset, span.bytes);
        let pages = shown(units(offset, bytes, PAGE));
        let lines = shown(units(offset, bytes, LINE));
        writeln!(text, "{part:<16}{offset:>16}{bytes:>16}  {pages:<20}{lines}")?;
    }
    if let Some(sums) = sums(stats) {
        for page in pages(location) {
            writeln!(text, "sum of page {page} at {}", sums + page * SUM)?;
        }
    }
    Ok(())
}

fn shown(units: Option<RangeInclusive<u64>>) -> String {
    match units {
        None => "none".into(),
        Some(units) if units.start() == units.end() => units.start().to_string(),
        Some(units) => format!("{} to {}", units.start(), units.end()),
    }
}

fn object(stats: &Stats, location: Option<&Location>) -> Value {
    let range =
        |units: Option<RangeInclusive<u64>>| units.map(|units| [*units.start(), *units.end()]);
    let sections = stats.sections.iter().map(|section| {
        let (offset, bytes) = (section.offset, section.bytes);
        let pages = range(units(offset, bytes, PAGE));
        json!({ "name": section.section.to_string(), "offset": offset, "bytes": bytes, "pages": pages })
    });
    let mut object = json!({ "sections": sections.collect::<Vec<_>>() });
    if let Some(location) = location {
        let spans = location.spans.iter().map(|span| {
            let (offset, bytes) = (span.offset, span.bytes);
            json!({
                "part": span.part.to_string(), "offset": offset, "bytes": bytes,
                "pages": range(units(offset, bytes, PAGE)),
                "cache_lines": range(units(offset, bytes, LINE)),
            })
        });
        object["rank"] = location.rank.into();
        object["reads"] = spans.collect();
        object["page_sums"] = sums(stats).map_or(Value::Null, |sums| {
            let place = |page| json!({ "page": page, "offset": sums + page * SUM });
            pages(location).into_iter().map(place).collect()
        });
    }
    object
}
