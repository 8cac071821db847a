//! `locate`: the parts of the file that it names are what it says, for each kind of table.

use graven::{BuildOptions, Duplicates, HashIndex, LocatedPart, Table};
use std::fs;

/// A table and its file's bytes.
fn build(options: BuildOptions, entries: &[(Vec<u8>, Vec<u8>)]) -> (Table, Vec<u8>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let mut builder = options.durable(false).create(&path).expect("a builder");
    for (key, value) in entries {
        builder.insert(key, value).expect("an insert");
    }
    builder.finish().expect("a table");
    let bytes = fs::read(&path).expect("the table");
    (Table::load(&path).expect("a table"), bytes)
}

/// The offsets of a section; empty if the table has none.
fn section(table: &Table, name: &str) -> std::ops::Range<u64> {
    let sections = table.stats().expect("sound").sections;
    let found = sections.iter().find(|section| section.section.to_string() == name);
    found.map_or(0..0, |section| section.offset..section.offset + section.bytes)
}

/// Parts that were named for stored keys.
struct Seen(Vec<LocatedPart>);

impl Seen {
    fn times(&self, part: LocatedPart) -> usize {
        self.0.iter().filter(|other| **other == part).count()
    }
}

/// Checks what is said of each stored key and of keys beside them.
fn check(options: BuildOptions, entries: &[(Vec<u8>, Vec<u8>)]) -> Seen {
    use LocatedPart::{Block, Bucket, Compared, Key, Lengths, Line, Node, Value};
    let (table, bytes) = build(options, entries);
    let (records, hash) = (section(&table, "records"), section(&table, "hash index"));
    let (lines, tree) = (section(&table, "line index"), section(&table, "ordered index"));
    let mut seen = Vec::new();
    for (key, _) in entries {
        for asked in [key.clone(), [key, &b"\0"[..]].concat(), [&b"\xff\xfe"[..], key].concat()] {
            let location = table.locate(&asked).expect("sound");
            let value = table.get(&asked).expect("sound");
            let rank = value.map(|_| table.rank(&asked).expect("sound"));
            assert_eq!(location.rank, rank, "{asked:?}");
            let parts = location.spans.iter().map(|span| span.part);
            let at = |part| location.spans.iter().find(|span| span.part == part);
            for span in &location.spans {
                let range = span.offset..span.offset + span.bytes;
                let within = match span.part {
                    Bucket => &hash,
                    Line => &lines,
                    Node => &tree,
                    _ => &records,
                };
                assert!(range.start >= within.start && range.end <= within.end, "{span:?}");
                let cell = matches!(span.part, Bucket | Line);
                assert!(!cell || (span.bytes, range.start % 64) == (64, 0), "{span:?}");
                let read = &bytes[range.start as usize..range.end as usize];
                match span.part {
                    Key => assert_eq!(read, asked),
                    Value => assert_eq!(Some(read), value),
                    _ => {}
                }
            }
            assert!(parts.clone().filter(|part| *part == Bucket).count() <= 2);
            match value {
                None => assert!(!parts.clone().any(|part| matches!(part, Lengths | Key | Value))),
                Some(_) => {
                    let (key, value) = (at(Key).expect("a key"), at(Value).expect("a value"));
                    assert!(key.offset + key.bytes <= value.offset, "{location:?}");
                    if let Some(lengths) = at(Lengths) {
                        assert_eq!(lengths.offset + lengths.bytes, key.offset);
                    }
                    // The index leads to the record: it is in the block, and compared once.
                    if let Some(block) = at(Block) {
                        let record = key.offset..value.offset + value.bytes;
                        assert!(block.offset <= record.start, "{location:?}");
                        assert!(record.end <= block.offset + block.bytes, "{location:?}");
                    }
                    let here = |span: &&graven::LocatedSpan| span.part == Compared;
                    let compared = location.spans.iter().filter(here);
                    let start = at(Lengths).map_or(key.offset, |lengths| lengths.offset);
                    assert!(compared.clone().all(|span| span.offset != start), "{location:?}");
                    seen.extend(parts);
                }
            }
        }
    }
    Seen(seen)
}

fn varied(count: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    let key = |i: u32| format!("key {}", i * i).into_bytes();
    (0..count).map(|i| (key(i), vec![i as u8; i as usize % 50])).collect()
}

#[test]
fn the_hash_index_is_two_buckets_at_most() {
    let options = BuildOptions::new().hash_index(HashIndex::Always);
    let seen = check(options, &varied(3000));
    // The first bucket answers for most keys.
    assert!(
        (3000..4500).contains(&seen.times(LocatedPart::Bucket)),
        "{}",
        seen.times(LocatedPart::Bucket)
    );
    assert_eq!((seen.times(LocatedPart::Key), seen.times(LocatedPart::Lengths)), (3000, 3000));
    assert_eq!((seen.times(LocatedPart::Node), seen.times(LocatedPart::Block)), (0, 0));
    // Some of the tags are those of another key.
    assert!(seen.times(LocatedPart::Compared) < 300, "{}", seen.times(LocatedPart::Compared));
}

#[test]
fn the_ordered_index_is_a_node_of_each_level_and_a_block() {
    let options = BuildOptions::new().hash_index(HashIndex::Never);
    let (table, _) = build(options.clone(), &varied(20_000));
    let levels = table.stats().expect("sound").ordered_index.map_or(0, |tree| tree.levels as usize);
    assert!(levels >= 2, "{levels}");
    let seen = check(options.clone(), &varied(20_000));
    assert_eq!(seen.times(LocatedPart::Node), 20_000 * levels);
    assert_eq!((seen.times(LocatedPart::Block), seen.times(LocatedPart::Bucket)), (20_000, 0));
    // A table of one block has no tree.
    let seen = check(options, &varied(5));
    assert_eq!((seen.times(LocatedPart::Node), seen.times(LocatedPart::Block)), (0, 5));
}

#[test]
fn the_line_index_is_one_line_or_two() {
    let entry = |i: u64| ((i * 0x9e37_79b9_7f4a).to_be_bytes().to_vec(), vec![1; 8]);
    let entries: Vec<_> = (0..5000).map(entry).collect();
    let seen = check(BuildOptions::new(), &entries);
    let lines = seen.times(LocatedPart::Line);
    assert!((5000..6000).contains(&lines), "{lines}");
    assert_eq!((seen.times(LocatedPart::Lengths), seen.times(LocatedPart::Key)), (0, 5000));
}

#[test]
fn small_and_odd_tables_have_places_too() {
    let text = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    for index in [HashIndex::Always, HashIndex::Never] {
        let options = BuildOptions::new().hash_index(index);
        check(options.clone(), &[text("", "")]);
        check(options.clone(), &[text("", "value"), text("k", "")]);
        check(options.clone(), &[(vec![7; 65_535], vec![8; 100_000])]);
        check(options.clone().value_align(64), &varied(300));
        let repeated = [text("a", "1"), text("b", "2"), text("b", "3"), text("c", "4")];
        check(options.clone().duplicates(Duplicates::KeepAll), &repeated);
        let many: Vec<_> = (0..500).map(|i| text("same", &i.to_string())).collect();
        check(options.clone().duplicates(Duplicates::KeepAll), &many);
        let (empty, _) = build(options, &[]);
        let location = empty.locate("k").expect("sound");
        assert_eq!((location.rank, location.spans.len()), (None, 0), "{location:?}");
    }
}
