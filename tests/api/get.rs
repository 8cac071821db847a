//! `get`, `contains_key`, `get_all`.

use super::{both, repeated, table, text};
use graven::Table;

fn get(table: &Table, key: &str) -> Option<String> {
    table.get(key.as_bytes()).expect("a sound table").map(text)
}

#[test]
fn a_hit_gives_the_value_and_a_miss_gives_none() {
    for table in both(&[("Japan", "Tokyo"), ("Norway", "Oslo")]) {
        assert_eq!(get(&table, "Japan").as_deref(), Some("Tokyo"));
        assert_eq!(get(&table, "Norway").as_deref(), Some("Oslo"));
        for absent in ["", "Jap", "Japan ", "Jamaica", "Zaire"] {
            assert_eq!(get(&table, absent), None, "{absent}");
            assert!(!table.contains_key(absent.as_bytes()).expect("a sound table"), "{absent}");
        }
        assert!(table.contains_key(b"Japan").expect("a sound table"));
    }
}

#[test]
fn an_empty_table_has_no_key() {
    for table in both(&[]) {
        assert_eq!(get(&table, ""), None);
        assert_eq!(get(&table, "a"), None);
        assert!(table.is_empty());
    }
}

#[test]
fn the_empty_key_and_the_empty_value_are_legal() {
    for table in both(&[("", "value of the empty key"), ("key of the empty value", "")]) {
        assert_eq!(get(&table, "").as_deref(), Some("value of the empty key"));
        assert_eq!(get(&table, "key of the empty value").as_deref(), Some(""));
    }
}

#[test]
fn the_longest_key_is_found_and_a_longer_one_is_absent() {
    let longest = "k".repeat(65_535);
    for table in both(&[(&longest, "v")]) {
        assert_eq!(get(&table, &longest).as_deref(), Some("v"));
        assert_eq!(get(&table, &longest[1..]), None);
        assert_eq!(get(&table, &format!("{longest}k")), None);
    }
}

#[test]
fn get_gives_the_first_of_repeated_keys_and_get_all_gives_all() {
    for table in repeated(&[("a", "1"), ("b", "3"), ("b", "2"), ("b", "3"), ("c", "4")]) {
        assert_eq!(get(&table, "b").as_deref(), Some("3"));
        let all = |key: &str| -> Vec<String> {
            table.get_all(key.as_bytes()).map(|value| text(value.expect("sound"))).collect()
        };
        assert_eq!(all("b"), ["3", "2", "3"], "in the order of their insertion");
        assert_eq!(all("a"), ["1"]);
        assert_eq!(all("bb"), [""; 0]);
    }
}

#[test]
fn what_get_returns_is_a_slice_of_the_table() {
    let table = table(&[("a", "some value")]);
    let other = table.clone();
    let address = |table: &Table| table.get(b"a").ok().flatten().map(<[u8]>::as_ptr);
    assert_eq!(address(&table), address(&other), "a clone shares the bytes");
    assert!(address(&table).is_some());
}
