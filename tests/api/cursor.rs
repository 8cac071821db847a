//! `cursor`: seek, then step either way.

use super::{both, repeated, text};
use graven::{Cursor, Table};

const LETTERS: [(&str, &str); 3] = [("b", "2"), ("d", "4"), ("f", "6")];

fn at(cursor: &Cursor<'_>) -> Option<(String, String)> {
    assert_eq!(cursor.key().is_some(), cursor.value().is_some());
    Some((text(cursor.key()?), text(cursor.value()?)))
}

fn key(cursor: &Cursor<'_>) -> String {
    at(cursor).map_or("-".to_owned(), |pair| pair.0)
}

#[test]
fn a_new_cursor_stands_before_the_first_entry() {
    for table in both(&LETTERS) {
        let mut cursor = table.cursor();
        assert_eq!(at(&cursor), None);
        assert!(cursor.next().expect("sound"));
        assert_eq!(at(&cursor), Some(("b".into(), "2".into())));
        let mut cursor = table.cursor();
        assert!(!cursor.prev().expect("sound"), "nothing is before that");
    }
}

#[test]
fn seek_goes_to_the_first_key_that_is_not_smaller() {
    let seek = |table: &Table, to: &str| {
        let mut cursor = table.cursor();
        let found = cursor.seek_ceil(to.as_bytes()).expect("sound");
        assert_eq!(found, cursor.key().is_some());
        key(&cursor)
    };
    for table in both(&LETTERS) {
        assert_eq!(seek(&table, ""), "b");
        assert_eq!(seek(&table, "b"), "b");
        assert_eq!(seek(&table, "c"), "d");
        assert_eq!(seek(&table, "f"), "f");
        assert_eq!(seek(&table, "g"), "-");
    }
}

#[test]
fn seek_for_prev_goes_to_the_last_key_that_is_not_greater() {
    let seek = |table: &Table, to: &str| {
        let mut cursor = table.cursor();
        let found = cursor.seek_floor(to.as_bytes()).expect("sound");
        assert_eq!(found, cursor.key().is_some());
        key(&cursor)
    };
    for table in both(&LETTERS) {
        assert_eq!(seek(&table, "a"), "-");
        assert_eq!(seek(&table, "b"), "b");
        assert_eq!(seek(&table, "c"), "b");
        assert_eq!(seek(&table, "g"), "f");
    }
}

#[test]
fn a_cursor_may_turn_at_any_time() {
    for table in both(&LETTERS) {
        let mut cursor = table.cursor();
        assert!(cursor.seek_ceil(b"d").expect("sound"));
        assert!(cursor.prev().expect("sound"));
        assert_eq!(key(&cursor), "b");
        assert!(!cursor.prev().expect("sound"));
        assert_eq!(key(&cursor), "-");
        assert!(cursor.next().expect("sound"));
        assert_eq!(key(&cursor), "b");
        assert!(cursor.next().expect("sound") && cursor.next().expect("sound"));
        assert_eq!(key(&cursor), "f");
        assert!(!cursor.next().expect("sound"));
        assert!(!cursor.next().expect("sound"), "after the last it stays");
        assert!(cursor.prev().expect("sound"));
        assert_eq!(key(&cursor), "f");
    }
}

#[test]
fn a_cursor_steps_through_each_of_repeated_keys() {
    for table in repeated(&[("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")]) {
        let mut cursor = table.cursor();
        assert!(cursor.seek_ceil(b"b").expect("sound"));
        assert_eq!(at(&cursor), Some(("b".into(), "2".into())), "the first of the equals");
        assert!(cursor.next().expect("sound"));
        assert_eq!(at(&cursor), Some(("b".into(), "3".into())));
        assert!(cursor.seek_floor(b"b").expect("sound"));
        assert_eq!(at(&cursor), Some(("b".into(), "3".into())), "the last of the equals");
    }
}

#[test]
fn a_cursor_of_an_empty_table_finds_nothing() {
    for table in both(&[]) {
        let mut cursor = table.cursor();
        assert!(!cursor.next().expect("sound"));
        assert!(!cursor.seek_ceil(b"").expect("sound"));
        assert!(!cursor.seek_floor(b"z").expect("sound"));
        assert_eq!(at(&cursor), None);
    }
}
