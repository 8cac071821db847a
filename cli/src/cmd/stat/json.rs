//! The figures as one JSON object. Its names are stable: programs read them.

use super::{Memory, Pair, probes, ratio};
use crate::terminal;
use data_encoding::BASE64;
use graven::{HashStats, LengthBin, Residency, Stats};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

pub(super) fn render(path: &Path, stats: &Stats, metadata: &[Pair<'_>], memory: &Memory) -> String {
    let sections = stats.sections.iter().map(|section| {
        let per_entry = ratio(section.bytes, stats.entries);
        json!({
            "name": section.section.to_string(), "offset": section.offset, "bytes": section.bytes,
            "bytes_per_entry": per_entry,
        })
    });
    let metadata = metadata.iter().map(|(key, value)| (text(key), Value::from(text(value))));
    let mut object = json!({
        "table": path.to_string_lossy(),
        "format": format!("{}.{}", stats.format.0, stats.format.1),
        "build_id": stats.build_id.to_string(),
        "entries": stats.entries,
        "keys": stats.keys,
        "file_bytes": stats.file_bytes,
        "key_bytes": stats.key_bytes,
        "value_bytes": stats.value_bytes,
        "overhead_per_entry": if stats.entries == 0 { 0.0 } else { stats.overhead_per_entry() },
        "value_align": stats.value_align,
        "key_type": stats.key_type,
        "value_type": stats.value_type,
        "fixed_key_len": stats.fixed_key_len,
        "fixed_value_len": stats.fixed_value_len,
        "key_len": lengths(stats, stats.key_len_min, stats.key_len_max, &stats.key_len_histogram),
        "value_len":
            lengths(stats, stats.value_len_min, stats.value_len_max, &stats.value_len_histogram),
        "sections": sections.collect::<Vec<_>>(),
        "index": {
            "levels": stats.ordered_index.map_or(0, |index| index.levels),
            "nodes": stats.ordered_index.map_or(0, |index| index.nodes),
        },
        "lines": stats.line_index.map(|index| json!({
            "lines": index.lines, "keys": index.keys, "keys_per_line": index.keys_per_line(),
        })),
        "hash": stats.hash_index.as_ref().map(hash),
        "packing": stats.packing.map(|packing| json!({
            "codec": packing.codec, "codec_version": packing.codec_version, "level": packing.level,
            "value_bytes": packing.value_bytes, "stored_value_bytes": stats.value_bytes,
            "value_len_max": packing.value_len_max, "as_they_are": packing.as_they_are,
            "dictionary_bytes": packing.dictionary_bytes, "compact_keys": packing.compact_keys,
            "key_bytes": packing.key_bytes, "stored_key_bytes": stats.key_bytes,
            "key_len_max": packing.key_len_max,
            "key_dictionary_bytes": packing.key_dictionary_bytes,
        })),
        "residency": residency(&memory.residency),
        "huge_page_share": memory.huge_pages,
        "metadata": metadata.collect::<Map<_, _>>(),
    });
    for (name, key) in [("smallest_key", &stats.smallest_key), ("largest_key", &stats.largest_key)]
    {
        let text = key.as_deref().map(str::from_utf8);
        object[name] = text.and_then(Result::ok).into();
        if let (Some(key), Some(Err(_))) = (key, text) {
            object[format!("{name}_b64")] = BASE64.encode(key).into();
        }
    }
    escape_controls(format!("{object:#}\n"))
}

/// Escapes the characters that drive a terminal and that JSON leaves unescaped. They occur in
/// strings only, where the escape means the same character.
fn escape_controls(json: String) -> String {
    let rare = |char: char| char != '\n' && terminal::harmful(char);
    if !json.contains(rare) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            // All harmful characters are below 0x10000, so four digits are enough.
            char if rare(char) => escaped.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => escaped.push(char),
        }
    }
    escaped
}

/// The smallest and the largest length, null in an empty table, and how many entries have which
/// length.
fn lengths(stats: &Stats, min: u32, max: u32, histogram: &[LengthBin]) -> Value {
    let bins = histogram.iter();
    let bins = bins.map(|bin| json!({ "min": bin.min, "max": bin.max, "count": bin.count }));
    let known = stats.entries > 0;
    json!({
        "min": known.then_some(min), "max": known.then_some(max),
        "histogram": bins.collect::<Vec<_>>(),
    })
}

/// What is in memory, by section. Null if the kernel does not say.
fn residency(residency: &Residency) -> Value {
    let Residency::Known(sections) = residency else { return Value::Null };
    let sections = sections.iter().map(|section| {
        json!({ "name": section.section.to_string(), "bytes": section.bytes, "resident": section.resident })
    });
    json!({ "resident": residency.resident(), "sections": sections.collect::<Vec<_>>() })
}

fn hash(hash: &HashStats) -> Value {
    let probes = probes(hash);
    let probes = probes.map(|(buckets, keys)| json!({ "buckets": buckets, "keys": keys }));
    json!({
        "buckets": hash.buckets,
        "slots_per_bucket": hash.slots_per_bucket,
        "keys": hash.keys,
        "load": hash.load(),
        "attempts": hash.attempts,
        "mean_probes": hash.mean_probes(),
        "probes": probes,
        "set_aside": hash.set_aside,
    })
}

/// Bytes as a JSON string: text as it is, and `\xHH` for each byte that is not UTF-8.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_is_not_text_is_escaped() {
        assert_eq!(text("größer \\ \n".as_bytes()), "größer \\ \n");
        assert_eq!(text(b"a\xff\xc3z"), "a\\xff\\xc3z");
    }
}
