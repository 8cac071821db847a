//! The figures for people.

use super::{Memory, Pair, probes, ratio};
use crate::formats::tsv;
use crate::terminal;
use graven::{HashStats, LengthBin, PackingStats, Residency, Stats};
use std::fmt::{self, Write};

/// Widest bar of a histogram, in characters.
const WIDEST: f64 = 40.0;

pub(super) fn render(
    stats: &Stats,
    metadata: &[Pair<'_>],
    memory: &Memory,
    terminal: bool,
) -> String {
    let mut text = String::new();
    let line: fn(&[u8]) -> String = if terminal { terminal::shown } else { line };
    // Writing to a String cannot fail.
    let _ = write(&mut text, stats, memory, line);
    let _ = write_metadata(&mut text, metadata, line);
    text
}

fn write(
    text: &mut String,
    stats: &Stats,
    memory: &Memory,
    line: fn(&[u8]) -> String,
) -> fmt::Result {
    let Stats { entries, keys, file_bytes, .. } = *stats;
    let (major, minor) = stats.format;
    let overhead = if entries == 0 { 0.0 } else { stats.overhead_per_entry() };
    writeln!(text, "format         {major}.{minor}")?;
    writeln!(text, "build id       {}", stats.build_id)?;
    writeln!(text, "entries        {entries}")?;
    writeln!(text, "distinct keys  {keys}")?;
    writeln!(text, "file           {file_bytes} bytes")?;
    let extremes = (stats.key_len_min, stats.key_len_max);
    writeln!(text, "keys           {}", sizes(entries, stats.key_bytes, extremes))?;
    let extremes = (stats.value_len_min, stats.value_len_max);
    writeln!(text, "values         {}", sizes(entries, stats.value_bytes, extremes))?;
    for (label, key) in [("smallest key", &stats.smallest_key), ("largest key", &stats.largest_key)]
    {
        writeln!(text, "{label:<15}{}", key.as_ref().map_or("none".into(), |key| cut(key, line)))?;
    }
    writeln!(text, "value align    {}", stats.value_align)?;
    for (title, name) in [("key type", &stats.key_type), ("value type", &stats.value_type)] {
        if let Some(name) = name {
            writeln!(text, "{title:<15}{}", line(name.as_bytes()))?;
        }
    }
    writeln!(text, "overhead       {overhead:.2} bytes per entry")?;
    if let Some(packing) = &stats.packing {
        write_packing(text, stats, packing)?;
    }

    writeln!(
        text,
        "\n{:<16}{:>16}{:>16}{:>8}{:>11}",
        "section", "offset", "bytes", "%", "per entry"
    )?;
    for section in &stats.sections {
        let share = 100.0 * ratio(section.bytes, file_bytes);
        let per_entry = ratio(section.bytes, entries);
        let (name, offset, bytes) = (section.section, section.offset, section.bytes);
        writeln!(text, "{name:<16}{offset:>16}{bytes:>16}{share:>8.2}{per_entry:>11.2}")?;
    }

    write_memory(text, memory)?;
    let tree = stats.ordered_index.map_or((0, 0), |index| (index.levels, index.nodes));
    writeln!(text, "\nordered index  {} levels, {} nodes", tree.0, tree.1)?;
    match &stats.line_index {
        Some(index) => {
            let (lines, keys) = (index.lines, index.keys_per_line());
            writeln!(text, "line index     {lines} lines, {keys:.1} keys each")?;
        }
        None => writeln!(text, "line index     none")?,
    }
    match &stats.hash_index {
        Some(hash) => write_hash(text, hash)?,
        None => writeln!(text, "hash index     none")?,
    }
    histogram(text, "key length", entries, &stats.key_len_histogram)?;
    histogram(text, "value length", entries, &stats.value_len_histogram)
}

/// What is stored of keys and values, and what they are.
fn write_packing(text: &mut String, stats: &Stats, packing: &PackingStats) -> fmt::Result {
    let share = |stored, raw| 100.0 * ratio(stored, raw);
    if packing.compact_keys {
        let (stored, raw) = (stats.key_bytes, packing.key_bytes);
        let (longest, dictionary) = (packing.key_len_max, packing.key_dictionary_bytes);
        writeln!(
            text,
            "compact keys   {stored} of {raw} bytes ({:.1} %), longest {longest}, symbols of {dictionary} bytes",
            share(stored, raw)
        )?;
    }
    let Some(codec) = packing.codec else { return Ok(()) };
    let (stored, raw) = (stats.value_bytes, packing.value_bytes);
    let (longest, dictionary) = (packing.value_len_max, packing.dictionary_bytes);
    writeln!(
        text,
        "compression    {codec}: {stored} of {raw} bytes ({:.1} %), longest {longest}, dictionary of \
         {dictionary} bytes, {} values as they are",
        share(stored, raw),
        packing.as_they_are
    )
}

/// A key in double quotes, cut where it is long: an empty key shows, and one that ends in a space.
fn cut(key: &[u8], line: fn(&[u8]) -> String) -> String {
    const MOST: usize = 100;
    match key.get(..MOST) {
        Some(start) => format!("\"{}\"... ({} bytes)", line(start), key.len()),
        None => format!("\"{}\"", line(key)),
    }
}

fn write_metadata(
    text: &mut String,
    metadata: &[Pair<'_>],
    line: impl Fn(&[u8]) -> String,
) -> fmt::Result {
    if !metadata.is_empty() {
        writeln!(text, "\nmetadata")?;
    }
    for (key, value) in metadata {
        writeln!(text, "  {} = {}", line(key), line(value))?;
    }
    Ok(())
}

fn write_memory(text: &mut String, memory: &Memory) -> fmt::Result {
    let Residency::Known(sections) = &memory.residency else {
        writeln!(text, "\nin memory      unknown: the kernel tells only the file's owner")?;
        return write_huge_pages(text, memory.huge_pages, false);
    };
    let resident = memory.residency.resident().unwrap_or(0);
    let bytes = sections.iter().map(|section| section.bytes).sum();
    let percent = |part, whole| 100.0 * ratio(part, whole);
    write!(text, "\nin memory      {resident} bytes, {:.1} %", percent(resident, bytes))?;
    if resident != bytes {
        // Small sections are left out: they share their pages with others.
        for section in sections.iter().filter(|section| section.bytes >= bytes / 100) {
            write!(
                text,
                "; {} {:.1} %",
                section.section,
                percent(section.resident, section.bytes)
            )?;
        }
    }
    writeln!(text)?;
    // Of a small table the last, broken page is a large part.
    write_huge_pages(text, memory.huge_pages, resident == bytes && bytes >= 32 << 20)
}

/// `advise`: a small share can be mended.
fn write_huge_pages(text: &mut String, share: Option<f64>, advise: bool) -> fmt::Result {
    match share {
        Some(share) if advise && share < 0.9 => {
            let share = 100.0 * share;
            writeln!(
                text,
                "2 MiB pages    {share:.1} % of what is mapped; graven warm makes it more"
            )
        }
        Some(share) => writeln!(text, "2 MiB pages    {:.1} % of what is mapped", 100.0 * share),
        None => writeln!(text, "2 MiB pages    unknown"),
    }
}

fn sizes(entries: u64, bytes: u64, (min, max): (u32, u32)) -> String {
    match (entries, min == max) {
        (0, _) => "0 bytes".into(),
        (_, true) => format!("{bytes} bytes, each {min}"),
        (_, false) => {
            format!("{bytes} bytes, mean {:.1}, {min} to {max}", ratio(bytes, entries))
        }
    }
}

fn write_hash(text: &mut String, hash: &HashStats) -> fmt::Result {
    writeln!(
        text,
        "hash index     {} keys in {} buckets of {} slots, load {:.3}, attempts {}",
        hash.keys,
        hash.buckets,
        hash.slots_per_bucket,
        hash.load(),
        hash.attempts
    )?;
    let [(_, first), (_, second)] = probes(hash);
    let percent = |part| 100.0 * ratio(part, hash.keys);
    writeln!(
        text,
        "probe length   mean {:.3}; 1 bucket {:.2} % of the keys, 2 buckets {:.2} %",
        hash.mean_probes(),
        percent(first),
        percent(second)
    )?;
    if hash.set_aside > 0 {
        writeln!(
            text,
            "set aside      {} keys with the hash of another, found by the ordered index",
            hash.set_aside
        )?;
    }
    Ok(())
}

/// One line per range of lengths that occurs.
fn histogram(text: &mut String, title: &str, entries: u64, bins: &[LengthBin]) -> fmt::Result {
    if bins.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title:<23}{:>14}{:>8}", "entries", "%")?;
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0);
    for bin in bins {
        let range = match bin.min == bin.max {
            true => bin.min.to_string(),
            false => format!("{} to {}", bin.min, bin.max),
        };
        let bar = "#".repeat((WIDEST * ratio(bin.count, most)).ceil() as usize);
        let share = 100.0 * ratio(bin.count, entries);
        writeln!(text, "{range:>23}{:>14}{share:>8.2}  {bar}", bin.count)?;
    }
    Ok(())
}

/// Bytes on one line, with the escapes of tsv.
fn line(bytes: &[u8]) -> String {
    let mut line = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = tsv::write_field(&mut line, bytes);
    String::from_utf8_lossy(&line).into_owned()
}
