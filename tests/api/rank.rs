//! `rank`, `nth`, `count`, `first`, `last`, `floor`, `ceil`, `longest_prefix`.

use super::{both, found, repeated};

const LETTERS: [(&str, &str); 3] = [("b", "2"), ("d", "4"), ("f", "6")];

fn some(key: &str, value: &str) -> Option<(String, String)> {
    Some((key.to_owned(), value.to_owned()))
}

#[test]
fn rank_counts_the_entries_below_a_key_and_nth_is_its_inverse() {
    for table in both(&LETTERS) {
        let rank = |key: &str| table.rank(key.as_bytes()).expect("sound");
        assert_eq!(["", "b", "c", "d", "f", "g"].map(rank), [0, 0, 1, 1, 2, 3]);
        assert_eq!(found(table.nth(0)), some("b", "2"));
        assert_eq!(found(table.nth(2)), some("f", "6"));
        assert_eq!(found(table.nth(3)), None);
        assert_eq!(found(table.nth(u64::MAX)), None);
    }
}

#[test]
fn many_ranks_and_ceils_are_those_of_each_key_in_the_order_of_the_keys() {
    let keys = ["g", "b", "", "c", "d", "f", "b"];
    for table in both(&LETTERS) {
        assert_eq!(table.rank_many(&keys).expect("sound"), [3, 0, 0, 1, 1, 2, 0]);
        let found = table.ceil_many(&keys).expect("sound");
        let found: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| entry.0)).collect();
        let letter = |key: &'static str| Some(key.as_bytes());
        let expected = ["b", "b", "d", "d", "f", "b"].map(letter);
        assert_eq!(found, [&[None], &expected[..]].concat());
        let none: [&str; 0] = [];
        assert!(table.rank_many(&none).expect("sound").is_empty());
        assert!(table.ceil_many(&none).expect("sound").is_empty());
    }
    for table in both(&[]) {
        assert_eq!(table.rank_many(&keys).expect("sound"), [0; 7]);
        assert_eq!(table.ceil_many(&keys).expect("sound"), [None; 7]);
    }
}

#[test]
fn count_is_the_length_of_a_range() {
    for table in both(&LETTERS) {
        assert_eq!(table.count(..).expect("sound"), 3);
        assert_eq!(table.count(&b"b"[..]..&b"f"[..]).expect("sound"), 2);
        assert_eq!(table.count(&b"b"[..]..=&b"f"[..]).expect("sound"), 3);
        assert_eq!(table.count(&b"f"[..]..&b"b"[..]).expect("sound"), 0);
    }
}

#[test]
fn first_and_last_are_the_ends() {
    for table in both(&LETTERS) {
        assert_eq!(found(table.first()), some("b", "2"));
        assert_eq!(found(table.last()), some("f", "6"));
    }
    for table in both(&[]) {
        assert_eq!(found(table.first()), None);
        assert_eq!(found(table.last()), None);
    }
}

#[test]
fn floor_and_ceil_are_the_neighbours_of_a_key() {
    for table in both(&LETTERS) {
        assert_eq!(found(table.floor(b"a")), None);
        assert_eq!(found(table.floor(b"b")), some("b", "2"));
        assert_eq!(found(table.floor(b"c")), some("b", "2"));
        assert_eq!(found(table.floor(b"z")), some("f", "6"));
        assert_eq!(found(table.ceil(b"")), some("b", "2"));
        assert_eq!(found(table.ceil(b"d")), some("d", "4"));
        assert_eq!(found(table.ceil(b"e")), some("f", "6"));
        assert_eq!(found(table.ceil(b"g")), None);
    }
}

#[test]
fn with_repeated_keys_ceil_gives_the_first_of_the_equals_and_floor_the_last() {
    for table in repeated(&[("a", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("c", "5")]) {
        assert_eq!((table.len(), table.distinct_keys()), (5, 3));
        assert_eq!(found(table.ceil(b"b")), some("b", "2"));
        assert_eq!(found(table.floor(b"b")), some("b", "4"));
        assert_eq!(table.rank(b"b").expect("sound"), 1);
        assert_eq!(table.rank(b"c").expect("sound"), 4, "ranks count entries, not keys");
        assert_eq!(table.count(&b"b"[..]..=&b"b"[..]).expect("sound"), 3);
    }
}

#[test]
fn longest_prefix_routes() {
    let routes = [("", "root"), ("/api", "api"), ("/api/v1", "v1"), ("/apj", "other")];
    for table in both(&routes) {
        assert_eq!(found(table.longest_prefix(b"/api/v1/users")), some("/api/v1", "v1"));
        assert_eq!(found(table.longest_prefix(b"/api/v1")), some("/api/v1", "v1"));
        assert_eq!(found(table.longest_prefix(b"/api/v2")), some("/api", "api"));
        assert_eq!(found(table.longest_prefix(b"/apix")), some("/api", "api"), "of bytes");
        assert_eq!(found(table.longest_prefix(b"/a")), some("", "root"));
    }
    for table in both(&LETTERS) {
        assert_eq!(found(table.longest_prefix(b"")), None);
        assert_eq!(found(table.longest_prefix(b"cd")), None);
        assert_eq!(found(table.longest_prefix(b"dog")), some("d", "4"));
    }
}
