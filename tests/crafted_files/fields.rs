//! Every field of every struct of a table, by the tables of format.md, and every number of its
//! arrays that is the first or the last of its kind.

use crate::common::craft::{
    FOOTER, HASH, INDEX, Image, LINES, METADATA, PACKING, PATCH, STATS, SUMS, TYPES, at,
};
use graven::{LocatedPart, OpenOptions};
use std::path::Path;

/// A number in a table, of at most eight bytes.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    at: usize,
    size: usize,
    /// The value of the field beside it.
    next: u64,
}

/// The values that a field takes, by name, except for its own: zero, one, all ones, the largest
/// signed number, the next field's, one more, one less.
pub(crate) fn values(image: &Image, field: &Field) -> Vec<(&'static str, u64)> {
    let ones = u64::MAX >> (64 - 8 * field.size);
    let own = number(image, field.at, field.size);
    let all = [
        ("0", 0),
        ("1", 1),
        ("-1", ones),
        ("max", ones >> 1),
        ("next", field.next & ones),
        ("more", own.wrapping_add(1) & ones),
        ("less", own.wrapping_sub(1) & ones),
    ];
    let mut values: Vec<(&str, u64)> = Vec::new();
    for (name, value) in all {
        if value != own && values.iter().all(|&(_, other)| other != value) {
            values.push((name, value));
        }
    }
    values
}

/// The table with another value in a field, and with checksums that fit, except for one that is the
/// field.
pub(crate) fn craft(image: &Image, field: &Field, value: u64) -> Vec<u8> {
    let mut image = image.clone();
    let bytes = &value.to_le_bytes()[..field.size];
    let header = image.u32(at::HEADER_SIZE) as usize;
    image.put(field.at, bytes);
    let footer = image.footer();
    match field.name.split('[').next().unwrap_or_default() {
        "sums" | "footer.checksum" => {}
        name if name.starts_with("footer.") => image.seal_footer(),
        "header.build_id" => image.seal_below_id(header),
        "header.checksum" => {
            image.put(footer + 24, bytes);
            image.seal_footer();
        }
        _ => image.seal(),
    }
    image.bytes
}

fn number(image: &Image, at: usize, size: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(&image.bytes[at..at + size]);
    u64::from_le_bytes(bytes)
}

/// All fields of a table.
pub(crate) fn fields(image: &Image) -> Vec<Field> {
    let layouts = Layouts::read();
    let mut found = Vec::new();
    let mut add = |group: Vec<(String, usize, usize)>| {
        for (i, (name, at, size)) in group.iter().enumerate() {
            let beside = group.get(i + 1).or(group.get(i.wrapping_sub(1)));
            let next = beside.map_or(0, |&(_, at, size)| number(image, at, size));
            found.push(Field { name: name.clone(), at: *at, size: *size, next });
        }
    };
    add(layouts.of("Header", "header", 0, image));
    let count = image.u32(at::SECTION_COUNT) as usize;
    for i in 0..(count + 1).min(8) {
        let slot = at::SECTIONS + 32 * i;
        let name = format!("section {}", kind(image.u32(slot)));
        add(layouts.of("Section", &name, slot, image));
    }
    records(image).into_iter().for_each(&mut add);
    nodes(image, &layouts).into_iter().for_each(&mut add);
    if has(image, HASH) {
        add(bucket(image));
    }
    if has(image, LINES) {
        add(lines(image));
    }
    let (stats, len) = image.section(STATS);
    add(layouts.of("StatsBlock", "stats", stats, image));
    if len > 448 {
        add(ends("stats keys", stats + 448, 1, len - 448));
    }
    if has(image, METADATA) {
        add(metadata(image));
    }
    if has(image, TYPES) {
        let (start, len) = image.section(TYPES);
        let feed = image.find(b"\n", start);
        add([start, feed, start + len - 1].map(|at| ("types".to_owned(), at, 1)).into());
    }
    if has(image, PATCH) {
        add(layouts.of("PatchBlock", "patch", image.section(PATCH).0, image));
    }
    if has(image, PACKING) {
        let at = image.section(PACKING).0;
        add(layouts.of("PackingBlock", "packing", at, image));
        add(dictionaries(image, at));
    }
    let (sums, len) = image.section(SUMS);
    add(ends("sums", sums, 4, len / 4));
    add(layouts.of("Footer", "footer", image.bytes.len() - FOOTER, image));
    distinct(found)
}

/// Gives fields of one name a number each.
fn distinct(mut fields: Vec<Field>) -> Vec<Field> {
    for i in 0..fields.len() {
        let same: Vec<usize> =
            (i..fields.len()).filter(|&j| fields[j].name == fields[i].name).collect();
        if same.len() > 1 {
            for (number, j) in same.into_iter().enumerate() {
                fields[j].name = format!("{}[{number}]", fields[j].name);
            }
        }
    }
    fields
}

fn has(image: &Image, kind: u32) -> bool {
    let count = image.u32(at::SECTION_COUNT) as usize;
    (0..count).any(|i| image.u32(at::SECTIONS + 32 * i) == kind)
}

fn kind(number: u32) -> &'static str {
    const KINDS: [&str; 11] = [
        "unused", "records", "tree", "hash", "stats", "metadata", "sums", "lines", "types",
        "patch", "packing",
    ];
    KINDS[number as usize]
}

type Group = Vec<(String, usize, usize)>;

/// The first and the last of `count` numbers of `size` bytes.
fn ends(name: &str, start: usize, size: usize, count: usize) -> Group {
    let numbers = [0, count.saturating_sub(1)];
    let numbers = &numbers[..count.min(2)];
    numbers.iter().map(|i| (name.to_owned(), start + i * size, size)).collect()
}

/// The structs of format.md: name, then offset, size and name of each field.
struct Layouts(Vec<(String, Vec<(usize, usize, String)>)>);

impl Layouts {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("format.md");
        let text = std::fs::read_to_string(path).expect("format.md");
        let mut structs: Vec<(String, Vec<_>)> = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("### ") {
                inside = title.ends_with(" bytes)");
                let name = title.split(' ').next().unwrap_or_default();
                if inside {
                    structs.push((name.to_owned(), Vec::new()));
                }
                continue;
            }
            let cells: Vec<&str> =
                line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [_, offset, size, name, kind, ..] = cells[..] else {
                inside &= !line.starts_with("## ");
                continue;
            };
            let numbers = offset.parse::<usize>().ok().zip(size.parse::<usize>().ok());
            let (Some((offset, size)), true) = (numbers, inside) else { continue };
            let fields = &mut structs.last_mut().expect("a struct").1;
            // Arrays and long fields as numbers of eight bytes; sections are walked by themselves.
            if kind.ends_with("Section") {
                continue;
            }
            for at in (0..size).step_by(8) {
                fields.push((offset + at, (size - at).min(8), name.to_owned()));
            }
        }
        assert_eq!(structs.len(), 7, "structs of format.md");
        Self(structs)
    }

    /// The fields of a struct that starts at `start`: of counts by length, those that are not zero
    /// and those at the ends.
    fn of(&self, name: &str, prefix: &str, start: usize, image: &Image) -> Group {
        let (_, fields) = self.0.iter().find(|(other, _)| other == name).expect("a struct");
        let kept = |i: usize| {
            let (at, size, name) = &fields[i];
            let same = |j: usize| fields.get(j).is_some_and(|other| other.2 == *name);
            let inner = i > 0 && same(i - 1) && same(i + 1);
            !inner || number(image, start + at, *size) != 0
        };
        (0..fields.len())
            .filter(|&i| kept(i))
            .map(|i| (format!("{prefix}.{}", fields[i].2), start + fields[i].0, fields[i].1))
            .collect()
    }
}

/// Length words, keys and padding of the first record, one in the middle and the last; in tables
/// where values have a meaning, the first byte of the value.
fn records(image: &Image) -> Vec<Group> {
    let options = OpenOptions::new().allow_patch(true).allow_packed(true);
    let table = options.from_bytes(image.bytes.clone()).expect("a sound table");
    let width = usize::from(image.bytes[at::LENGTH_WIDTH]);
    let n = table.len();
    let mut ranks = vec![0, n / 2, n.saturating_sub(1)];
    ranks.dedup();
    // The record that is longer than others in tables made for it.
    let longest = (0..n).max_by_key(|&rank| {
        table.nth(rank).expect("a sound table").map_or(0, |(key, value)| key.len() + value.len())
    });
    ranks.extend(longest.filter(|rank| !ranks.contains(rank)));
    let mut groups = Vec::new();
    for rank in ranks {
        let Some((key, _)) = table.nth(rank).expect("a sound table") else { continue };
        let mut group = Group::new();
        let (mut key_end, mut add) = (0, |name: &str, at: u64, size| {
            group.push((format!("record.{name}"), at as usize, size));
        });
        for span in table.locate(key).expect("a sound table").spans {
            let end = span.offset + span.bytes;
            match span.part {
                LocatedPart::Lengths => {
                    add("word", span.offset, width);
                    if span.bytes > width as u64 {
                        add("escaped key_len", span.offset + width as u64, 2);
                        add("escaped value_len", span.offset + width as u64 + 2, 4);
                    }
                }
                LocatedPart::Key => {
                    key_end = end;
                    if span.bytes > 0 {
                        add("key", span.offset, 1);
                        add("key", end - 1, 1);
                    }
                }
                LocatedPart::Value => {
                    if span.offset > key_end {
                        add("padding", key_end, 1);
                    }
                    if span.bytes > 0 && (has(image, PACKING) || has(image, PATCH)) {
                        add("value", span.offset, 1);
                    }
                }
                _ => {}
            }
        }
        groups.push(group);
    }
    groups
}

/// The first and the last leaf and the root.
fn nodes(image: &Image, layouts: &Layouts) -> Vec<Group> {
    if !has(image, INDEX) {
        return Vec::new();
    }
    let leaves = image.u64(at::LEAVES) as usize;
    let mut numbers = vec![0, leaves - 1, image.root()];
    numbers.dedup();
    let fixed = image.u32(at::FLAGS) & 3 == 3;
    let mut groups = Vec::new();
    for number in numbers {
        let name = if number < leaves { "leaf" } else { "node" };
        let node = image.node(number);
        let m = image.separators(node);
        groups.push(layouts.of("NodeHeader", name, node, image));
        let mut add = |what: &str, start, size, count| {
            let name = format!("{name}.{what}");
            groups.push(ends(&name, start, size, count));
        };
        add("heads", node + 32, 8, m);
        add("tails", image.tails(node), 2, m);
        let mut text = image.offsets(node);
        if number < leaves && !fixed {
            add("offsets", image.offsets(node), 4, m);
            add("ranks", image.ranks(node), 2, m);
            let samples = usize::from(image.u16(node + 4));
            add("samples", image.samples(node), 2, samples);
            text = image.samples(node) + 2 * samples;
        }
        add("prefix", text, 1, usize::from(image.u16(node + 2)));
        let end = image.node(number + 1);
        add("end", end - 1, 1, 1);
    }
    groups
}

/// A bucket with a taken and a free slot: two taken slots and a free one.
fn bucket(image: &Image) -> Group {
    let width = usize::from(image.bytes[at::SLOT_WIDTH]);
    let (tags, slots) = match width {
        4 => (4, 12),
        5 => (4, 10),
        _ => (1, 9),
    };
    let (start, len) = image.section(HASH);
    let taken = |bucket: usize, slot: &usize| image.bytes[bucket + tags + slot] != 0;
    let buckets = (start..start + len).step_by(64);
    // Of an index with keys in their second bucket, a bucket that sends there.
    let bucket = buckets
        .max_by_key(|&bucket| {
            let overflow = number(image, bucket, tags) != 0;
            let count = (0..slots).filter(|slot| taken(bucket, slot)).count();
            (count >= 2 && count < slots, overflow)
        })
        .expect("a bucket");
    let mut group = vec![("bucket.overflow".to_owned(), bucket, tags)];
    let full = (0..slots).filter(|slot| taken(bucket, slot)).take(2);
    let free = (0..slots).filter(|slot| !taken(bucket, slot)).take(1);
    for slot in full.chain(free).collect::<Vec<_>>() {
        let state = if taken(bucket, &slot) { "taken" } else { "free" };
        group.push((format!("bucket.{state} tag"), bucket + tags + slot, 1));
        group.push((format!("bucket.{state} slot"), bucket + tags + slots + slot * width, width));
    }
    group
}

/// The first and the last line: rank, first, last and free tag.
fn lines(image: &Image) -> Group {
    let (start, len) = image.section(LINES);
    let mut group = Group::new();
    for line in [start, start + len - 64] {
        group.push(("line.rank".to_owned(), line, 4));
        let tag = |i: usize| line + 4 + 2 * i;
        let keys = (0..30).filter(|&i| image.u16(tag(i)) != 0x7FFF).count();
        for i in [0, keys.saturating_sub(1), keys.min(29)] {
            group.push(("line.tag".to_owned(), tag(i), 2));
        }
    }
    group.dedup();
    group
}

/// The count, and the lengths of the first and the last pair.
fn metadata(image: &Image) -> Group {
    let (start, len) = image.section(METADATA);
    let (mut at, mut pairs) = (start + 4, Vec::new());
    while at < start + len {
        pairs.push(at);
        at += 8 + image.u32(at) as usize + image.u32(at + 4) as usize;
    }
    let mut group = vec![("metadata.count".to_owned(), start, 4)];
    for &pair in [pairs.first(), pairs.last()].into_iter().flatten() {
        group.push(("metadata.key_len".to_owned(), pair, 4));
        group.push(("metadata.value_len".to_owned(), pair + 4, 4));
    }
    group
}

/// Counts, lengths and first bytes of the dictionaries.
fn dictionaries(image: &Image, packing: usize) -> Group {
    let of_values = (packing + 64, image.u32(packing + 16) as usize);
    let of_keys = (of_values.0 + of_values.1, image.u32(packing + 40) as usize);
    let mut group = Group::new();
    let mut add = |name: &str, at, size| group.push((format!("dictionary.{name}"), at, size));
    if of_values.1 > 0 {
        let at = of_values.0;
        if image.bytes[packing] == 1 {
            add("magic", at, 4);
            add("id", at + 4, 4);
        } else {
            let count = usize::from(image.bytes[at]);
            add("count", at, 1);
            add("length", at + 1, 1);
            add("length", at + count, 1);
            add("symbol", at + 1 + count, 1);
        }
    }
    if of_keys.1 > 0 {
        let at = of_keys.0;
        let count = image.u32(at) as usize;
        add("keys.count", at, 4);
        add("keys.length", at + 4, 1);
        add("keys.length", at + 3 + count, 1);
        add("keys.symbol", at + 4 + count, 1);
    }
    group
}
