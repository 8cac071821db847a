//! `iter`, `range`, `prefix`, `keys`, `values`, and the same from the end.

use super::{both, keys, pairs, repeated, table, text};
use std::ops::Bound::{Excluded, Included, Unbounded};

const LETTERS: [(&str, &str); 5] = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")];

#[test]
fn iter_gives_all_entries_in_order_of_their_keys() {
    let table = table(&[("b", "2"), ("a", "1"), ("B", "0"), ("aa", "3"), ("\u{e9}", "4")]);
    assert_eq!(keys(table.iter()), "B a aa b \u{e9}", "bytewise, not as a dictionary sorts");
    assert_eq!(keys(table.iter().rev()), "\u{e9} b aa a B");
}

#[test]
fn bounds_are_as_a_btree_map_has_them() {
    for table in both(&LETTERS) {
        assert_eq!(keys(table.range(..)), "a b c d e");
        assert_eq!(keys(table.range(&b"b"[..]..)), "b c d e");
        assert_eq!(keys(table.range(..&b"d"[..])), "a b c");
        assert_eq!(keys(table.range(..=&b"d"[..])), "a b c d");
        assert_eq!(keys(table.range(&b"b"[..]..&b"d"[..])), "b c");
        assert_eq!(keys(table.range((Excluded(&b"b"[..]), Included(&b"d"[..])))), "c d");
        assert_eq!(keys(table.range((Excluded(&b"bb"[..]), Unbounded))), "c d e");
        assert_eq!(keys(table.range(&b"bb"[..]..=&b"dd"[..])), "c d");
    }
}

#[test]
fn a_start_beyond_the_end_yields_nothing() {
    for table in both(&LETTERS) {
        assert_eq!(keys(table.range(&b"d"[..]..&b"b"[..])), "");
        assert_eq!(keys(table.range((Excluded(&b"b"[..]), Excluded(&b"b"[..])))), "");
        assert_eq!(keys(table.range(&b"f"[..]..)), "");
        assert_eq!(keys(table.range(..&b"a"[..])), "");
    }
}

#[test]
fn prefix_gives_the_keys_that_begin_with_it() {
    let entries = [("ab", ""), ("ab\u{7f}", ""), ("abc", ""), ("ac", ""), ("b", "")];
    for table in both(&entries) {
        assert_eq!(keys(table.prefix(b"ab")), "ab abc ab\u{7f}");
        assert_eq!(keys(table.prefix(b"ac")), "ac");
        assert_eq!(keys(table.prefix(b"")), "ab abc ab\u{7f} ac b");
        assert_eq!(keys(table.prefix(b"ad")), "");
    }
}

#[test]
fn a_prefix_of_bytes_ff_has_no_end_but_that_of_the_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let mut builder = graven::Builder::create(&path).expect("a builder");
    for key in [&b"\xfe"[..], b"\xff", b"\xff\xff", b"\xff\xff\xff"] {
        builder.insert(key, b"").expect("an insert");
    }
    builder.finish().expect("a table");
    let table = graven::Table::load(&path).expect("a table");
    assert_eq!(table.prefix(b"\xff\xff").count(), 2);
    assert_eq!(table.prefix(b"\xff").count(), 3);
}

#[test]
fn both_ends_of_an_iterator_meet() {
    for table in both(&LETTERS) {
        let mut entries = table.range(&b"b"[..]..);
        assert_eq!(entries.len(), 4);
        let mut step = |back: bool| {
            let entry = if back { entries.next_back() } else { entries.next() };
            entry.map(|entry| text(entry.expect("sound").0))
        };
        assert_eq!(step(true).as_deref(), Some("e"));
        assert_eq!(step(false).as_deref(), Some("b"));
        assert_eq!(step(true).as_deref(), Some("d"));
        assert_eq!(step(false).as_deref(), Some("c"));
        assert_eq!(step(false), None);
        assert_eq!(step(true), None);
    }
}

#[test]
fn keys_and_values_are_the_halves_of_iter() {
    let repeated = repeated(&[("a", "1"), ("b", "2"), ("b", "3")]);
    for table in repeated {
        let keys: Vec<_> = table.keys().map(|key| text(key.expect("sound"))).collect();
        let values: Vec<_> = table.values().map(|value| text(value.expect("sound"))).collect();
        assert_eq!(keys, ["a", "b", "b"], "a key comes once per entry");
        assert_eq!(values, ["1", "2", "3"]);
        let both: Vec<_> = keys.into_iter().zip(values).collect();
        assert_eq!(pairs(table.iter()), both);
    }
}
