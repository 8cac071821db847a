//! Guards against a specification that drifts from the code: the tables of format.md are read and
//! compared with sizes, offsets and constants as the compiler knows them.

use super::hasher::MAX_ATTEMPTS;
use super::header::{FOOTER, Footer, HEADER, Header, MAX_HEADER, SECTIONS, Section};
use super::index::hash::{BUCKET, GROUP_BUCKETS, MAX_EQUAL_TAGS, Slots};
use super::index::line::{LINE, LINE_KEYS, LINE_TAGS, MAX_LINE_EQUAL, MAX_LINE_KEYS, NO_TAG};
use super::index::tree::{MAX_PREFIX, MAX_TAIL, NO_SAMPLE, NODE_HEADER, NodeHeader};
use super::meta::StatsBlock;
use super::packing::{
    FRAME, FSST_SYMBOL, FSST_SYMBOLS, KEY_CODES, MAX_DICTIONARY, MAX_ENCODED_KEY, MAX_FRAME,
    PackingBlock,
};
use super::patch::PatchBlock;
use super::record::ESCAPE_BYTES;
use super::sums::UNIT;
use super::types::MAX_TYPE;
use super::{
    BLOCK_BYTES, BLOCK_RECORDS, BLOCK_RECORDS_FIXED, BLOCK_RECORDS_LEAST, MAX_BLOCK, MAX_FILE,
    MAX_KEY, MAX_LEVELS, MAX_VALUE, NODE_LOG2, SAMPLE_STEP, SECTION_ALIGN,
};
use std::collections::BTreeMap;
use std::mem::offset_of;

const SPEC: &str = include_str!("../../format.md");

/// Name, offset and size of a field.
type Field = (String, usize, usize);

struct Struct {
    name: &'static str,
    size: usize,
    fields: Vec<Field>,
}

fn field_size<S, F>(_: impl Fn(&S) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! structs {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        vec![$(Struct {
            name: stringify!($name),
            size: size_of::<$name>(),
            fields: vec![$((
                stringify!($field).to_owned(),
                offset_of!($name, $field),
                field_size(|object: &$name| &object.$field),
            )),*],
        }),*]
    };
}

macro_rules! constants {
    ($($name:ident),* $(,)?) => {
        BTreeMap::from([$((stringify!($name), $name as u64)),*])
    };
}

fn structs() -> Vec<Struct> {
    structs! {
        Header {
            magic, major, minor, header_size, file_len, build_id, entries, keys, fixed_key_len,
            fixed_value_len, flags, order, value_align_log2, length_width, key_bits,
            sum_unit_log2, block_records, node_log2, index_levels, hash_function, slot_width,
            key_type, value_type, byte_order, sample_step, reserved_1, hash_attempt, hash_per_group,
            hash_groups, index_leaves, checksum, section_count, line_base, line_scale, hash_seed,
            hash_set_aside, reserved_2,
            sections,
        }
        Section { kind, flags, offset, length, reserved }
        Footer { magic, file_len, build_id_low, header_checksum, checksum }
        NodeHeader { children, prefix_len, samples, reserved, first_child, base_rank, base_offset }
        StatsBlock {
            key_bytes, value_bytes, second_bucket_keys, key_len_min, key_len_max, value_len_min,
            value_len_max, first_key_len, last_key_len, key_bins, value_bins,
        }
        PatchBlock {
            base, result, value_align_log2, hash_index, key_type, value_type, byte_order, reserved,
        }
        PackingBlock {
            codec, key_codec, reserved, codec_version, level, dictionary_asked, dictionary_len,
            value_len_max, value_bytes, as_they_are, key_dictionary_len, key_len_max, key_bytes,
            reserved_2,
        }
    }
}

/// The lines under a heading, up to the next one, and the heading itself.
fn section(wanted: impl Fn(&str) -> bool) -> Option<(&'static str, Vec<&'static str>)> {
    let mut lines = SPEC.lines().skip_while(|line| !(line.starts_with('#') && wanted(line)));
    let heading = lines.next()?;
    Some((heading, lines.take_while(|line| !line.starts_with('#')).collect()))
}

/// Rows of the first table among lines, its head included, without the code marks.
fn rows(lines: &[&'static str]) -> Vec<Vec<&'static str>> {
    let table = lines.iter().skip_while(|line| !line.starts_with('|'));
    let cells = |line: &&'static str| {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().trim_matches('`')).collect()
    };
    let rule = |row: &Vec<&str>| row.iter().all(|cell| cell.trim_matches('-').is_empty());
    table.take_while(|line| line.starts_with('|')).map(cells).filter(|row| !rule(row)).collect()
}

/// The size that a type's name in the specification stands for; `None` where it names none.
fn spec_size(text: &str) -> Option<usize> {
    if let Some((count, element)) = text.split_once('×') {
        return Some(count.trim().parse::<usize>().ok()? * spec_size(element.trim())?);
    }
    match text {
        "u8" => Some(1),
        "u16" => Some(2),
        "u32" => Some(4),
        "u64" => Some(8),
        "Section" => Some(size_of::<Section>()),
        _ => None,
    }
}

#[test]
fn every_field_stands_in_its_table() {
    for Struct { name, size, fields } in structs() {
        // The list above is complete: the fields fill the struct.
        let mut end = 0;
        for (field, offset, size) in &fields {
            assert_eq!(*offset, end, "{name}.{field} is not next in the list of this test");
            end += size;
        }
        assert_eq!(end, size, "the list of this test lacks fields of {name}");

        let (heading, lines) = section(|line| line.starts_with(&format!("### {name} (")))
            .unwrap_or_else(|| panic!("format.md has no heading for {name}"));
        assert_eq!(heading, format!("### {name} ({size} bytes)"));
        let rows = rows(&lines);
        assert_eq!(
            rows.first().map(|row| row[..4].to_vec()),
            Some(vec!["offset", "size", "field", "type"])
        );
        let mut documented: Vec<Field> = Vec::new();
        for row in &rows[1..] {
            let &[offset, size, field, kind, meaning] = row.as_slice() else {
                panic!("{name}: a row of {} cells: {row:?}", row.len());
            };
            let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name}: {row:?}"));
            documented.push((field.to_owned(), number(offset), number(size)));
            match spec_size(kind) {
                Some(bytes) => assert_eq!(bytes, number(size), "{name}.{field}: {kind}"),
                None => assert_eq!(kind, "bytes", "{name}.{field}"),
            }
            assert!(!meaning.is_empty(), "{name}.{field} has no meaning");
        }
        assert_eq!(documented, fields, "{name}: format.md on the left, the code on the right");
    }
}

/// Every struct that format.md describes is one that this test compares.
#[test]
fn every_table_has_its_struct() {
    let structs = structs();
    let headings = SPEC.lines().filter(|line| line.starts_with("### ") && line.ends_with("bytes)"));
    let mut count = 0;
    for heading in headings {
        let name = heading.split(' ').nth(1).unwrap_or_default();
        assert!(structs.iter().any(|known| known.name == name), "{heading}");
        count += 1;
    }
    assert_eq!(count, structs.len());
}

#[test]
fn constants_have_their_values() {
    let constants = constants![
        MAX_KEY,
        MAX_VALUE,
        MAX_FILE,
        HEADER,
        MAX_HEADER,
        SECTIONS,
        FOOTER,
        SECTION_ALIGN,
        UNIT,
        BUCKET,
        GROUP_BUCKETS,
        MAX_EQUAL_TAGS,
        MAX_ATTEMPTS,
        MAX_BLOCK,
        MAX_LEVELS,
        LINE,
        LINE_TAGS,
        LINE_KEYS,
        MAX_LINE_KEYS,
        MAX_LINE_EQUAL,
        NO_TAG,
        NO_SAMPLE,
        SAMPLE_STEP,
        NODE_HEADER,
        MAX_PREFIX,
        MAX_TAIL,
        ESCAPE_BYTES,
        MAX_TYPE,
        BLOCK_RECORDS,
        BLOCK_RECORDS_LEAST,
        BLOCK_RECORDS_FIXED,
        BLOCK_BYTES,
        NODE_LOG2,
        MAX_DICTIONARY,
        MAX_FRAME,
        FRAME,
        FSST_SYMBOLS,
        FSST_SYMBOL,
        KEY_CODES,
        MAX_ENCODED_KEY,
    ];
    let (_, lines) = section(|line| line == "## Constants").expect("a section on constants");
    let rows = rows(&lines);
    assert_eq!(rows.first().map(|row| row[..2].to_vec()), Some(vec!["name", "value"]));
    let mut documented = BTreeMap::new();
    for row in &rows[1..] {
        let value: u64 = row[1].parse().unwrap_or_else(|_| panic!("no decimal number: {row:?}"));
        assert!(documented.insert(row[0], value).is_none(), "{} twice", row[0]);
    }
    assert_eq!(documented, constants, "format.md on the left, the code on the right");
}

/// The table of bucket layouts.
#[test]
fn buckets_are_divided_as_documented() {
    let (_, lines) = section(|line| line == "## Hash index").expect("a section on the hash index");
    let rows = rows(&lines);
    let documented: Vec<Vec<String>> =
        rows.iter().skip(1).map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect();
    let code: Vec<Vec<String>> = [Slots::Four, Slots::Five, Slots::Six]
        .into_iter()
        .map(|slots| {
            let (width, count) = (slots.width(), slots.count());
            // Where each part stands, the code shows.
            let first_byte = |fill: &dyn Fn(&mut [u8; BUCKET])| {
                let mut bucket = [0; BUCKET];
                fill(&mut bucket);
                bucket.iter().position(|&byte| byte != 0).expect("a byte that is set")
            };
            let mut bucket = [0; BUCKET];
            (0..32).for_each(|overflow| slots.set_overflow(&mut bucket, overflow));
            let bits: u32 = bucket.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(first_byte(&|bucket| slots.set_overflow(bucket, 0)), 0);
            let first_tag = first_byte(&|bucket| slots.set(bucket, 0, 1, 0));
            let first_slot = first_byte(&|bucket| slots.set(bucket, 0, 0, 1));
            vec![
                width.to_string(),
                format!("{bits}, u{bits}"),
                format!("{count} at {first_tag}"),
                format!("{count} × {width} at {first_slot}"),
            ]
        })
        .collect();
    assert_eq!(documented, code, "format.md on the left, the code on the right");
}
