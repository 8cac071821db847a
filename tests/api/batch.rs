//! `get_many`: the same answers as `get`, many at a time.

use super::{both, repeated, text};
use graven::Table;

fn many<K: AsRef<[u8]>>(table: &Table, keys: &[K]) -> Vec<Option<String>> {
    let mut values = Vec::new();
    table.get_many_into(keys, &mut values).expect("a sound table");
    values.into_iter().map(|value| value.map(text)).collect()
}

#[test]
fn answers_stand_in_the_order_of_the_keys() {
    for table in both(&[("a", "1"), ("b", "2"), ("c", "3")]) {
        let answers = many(&table, &["c", "x", "a", "c", ""]);
        let expected = [Some("3"), None, Some("1"), Some("3"), None];
        assert_eq!(answers, expected.map(|value| value.map(str::to_owned)));
    }
}

#[test]
fn keys_may_be_of_any_type_that_is_bytes() {
    for table in both(&[("a", "1")]) {
        let one = vec![Some("1".to_owned())];
        assert_eq!(many(&table, &["a"]), one);
        assert_eq!(many(&table, &["a".to_owned()]), one);
        assert_eq!(many(&table, &[b"a"]), one);
        assert_eq!(many(&table, &[b"a".to_vec()]), one);
    }
}

#[test]
fn no_keys_no_answers() {
    for table in both(&[("a", "1")]) {
        let mut values = vec![Some(&b"left over"[..])];
        table.get_many_into::<&str>(&[], &mut values).expect("a sound table");
        assert!(values.is_empty(), "what the vector held before is gone");
    }
    for table in both(&[]) {
        assert_eq!(many(&table, &["", "a"]), [None, None]);
    }
}

#[test]
fn each_key_gets_the_first_of_its_values() {
    for table in repeated(&[("a", "1"), ("a", "2"), ("b", "3")]) {
        assert_eq!(many(&table, &["b", "a"]), [Some("3".to_owned()), Some("1".to_owned())]);
    }
}

#[test]
fn more_keys_than_go_through_a_stage_together() {
    let entries: Vec<(String, String)> =
        (0..1000).map(|i| (format!("key {i}"), format!("value {i}"))).collect();
    let borrowed: Vec<(&str, &str)> =
        entries.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for table in both(&borrowed) {
        let keys: Vec<String> = (0..2000).map(|i| format!("key {i}")).collect();
        let answers = many(&table, &keys);
        assert_eq!(answers.len(), 2000);
        for (i, answer) in answers.into_iter().enumerate() {
            let expected = (i < 1000).then(|| format!("value {i}"));
            assert_eq!(answer, expected, "key {i}");
        }
    }
}
