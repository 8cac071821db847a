//! `metadata`, `stats`, `build_id`: what a table says about itself.

use super::{table, table_with};
use graven::BuildOptions;

#[test]
fn metadata_keeps_pairs_of_bytes_by_key() {
    let options = BuildOptions::new()
        .metadata("source", "census 2020")
        .metadata(b"\xff\x00", b"\x00bytes")
        .metadata("empty", "");
    let table = table_with(options, &[("a", "1")]);
    let metadata = table.metadata().expect("sound");
    assert_eq!(metadata.get(b"source"), Some(&b"census 2020"[..]));
    assert_eq!(metadata.get(b"\xff\x00"), Some(&b"\x00bytes"[..]));
    assert_eq!(metadata.get(b"empty"), Some(&b""[..]));
    assert_eq!(metadata.get(b"absent"), None);
    let keys: Vec<_> = metadata.iter().map(|pair| pair.0).collect();
    assert_eq!(keys, [&b"empty"[..], b"source", b"\xff\x00"], "ascending");
}

#[test]
fn the_last_value_of_a_metadata_key_stays() {
    let options = BuildOptions::new().metadata("k", "1").metadata("k", "2");
    let table = table_with(options, &[]);
    let metadata = table.metadata().expect("sound");
    assert_eq!(metadata.iter().count(), 1);
    assert_eq!(metadata.get(b"k"), Some(&b"2"[..]));
}

#[test]
fn a_table_without_metadata_has_none() {
    let table = table(&[("a", "1")]);
    let metadata = table.metadata().expect("sound");
    assert_eq!(metadata.iter().count(), 0);
    assert_eq!(metadata.get(b"k"), None);
}

#[test]
fn statistics_count_entries_and_bytes() {
    let table = table(&[("a", "12345"), ("bcd", ""), ("e", "678")]);
    let stats = table.stats().expect("sound");
    assert_eq!((stats.entries, stats.keys), (3, 3));
    assert_eq!((stats.key_bytes, stats.value_bytes), (5, 8));
    assert_eq!((stats.key_len_min, stats.key_len_max), (1, 3));
    let ends = (stats.smallest_key.as_deref(), stats.largest_key.as_deref());
    assert_eq!(ends, (Some(&b"a"[..]), Some(&b"e"[..])));
    assert_eq!((stats.value_len_min, stats.value_len_max), (0, 5));
    assert_eq!((stats.fixed_key_len, stats.fixed_value_len), (None, None));
    let sections: u64 = stats.sections.iter().map(|section| section.bytes).sum();
    assert_eq!(sections, stats.file_bytes, "no byte of the file is left out");
}

#[test]
fn the_build_id_tells_contents_apart() {
    let one = table(&[("a", "1"), ("b", "2")]).build_id();
    let same = table(&[("b", "2"), ("a", "1")]).build_id();
    let other = table(&[("a", "1"), ("b", "3")]).build_id();
    assert_eq!(one, same, "the order of insertion does not matter");
    assert_ne!(one, other);
}
