//! `prefixes_of`, `split`, `count_of`, `key_counts`.

use super::{both, keys, pairs, repeated, table, text};
use graven::{BuildOptions, Duplicates, HashIndex, Table};

/// Distinct keys with their counts, as text.
fn counts(table: &Table) -> Vec<(String, u64)> {
    let counts = table.key_counts().map(|count| count.expect("a sound table"));
    counts.map(|(key, count)| (text(key), count)).collect()
}

/// Keys with this many entries each, whose values tell them apart.
fn runs(runs: &[(&str, usize)]) -> [Table; 2] {
    let entries = runs.iter().flat_map(|&(key, n)| (0..n).map(move |i| (key, format!("{i}"))));
    let entries: Vec<_> = entries.collect();
    [HashIndex::Always, HashIndex::Never].map(|index| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.grv");
        let options = BuildOptions::new().duplicates(Duplicates::KeepAll).hash_index(index);
        options.durable(false).build(&path, entries.iter().map(|e| (e.0, &e.1))).expect("a table");
        Table::load(&path).expect("a table")
    })
}

#[test]
fn prefixes_come_from_the_longest_to_the_empty_key() {
    let routes = [("", "0"), ("/", "1"), ("/api", "2"), ("/api/v1", "3"), ("/apj", "4")];
    for table in both(&routes) {
        assert_eq!(keys(table.prefixes_of("/api/v1/users")), "/api/v1 /api / ");
        assert_eq!(keys(table.prefixes_of("/api/v1")), "/api/v1 /api / ");
        assert_eq!(keys(table.prefixes_of("/apix/y")), "/api / ");
        assert_eq!(keys(table.prefixes_of("x")), "");
        assert_eq!(pairs(table.prefixes_of("")), [(String::new(), "0".to_owned())]);
    }
    for table in both(&routes[2..]) {
        assert_eq!(keys(table.prefixes_of("/api/v1/users")), "/api/v1 /api");
        assert_eq!(table.prefixes_of("/").count(), 0);
        assert_eq!(table.prefixes_of("").count(), 0);
    }
    for table in both(&[]) {
        assert_eq!(table.prefixes_of("").count(), 0);
        assert_eq!(table.prefixes_of("a").count(), 0);
    }
}

#[test]
fn of_keys_of_one_length_one_is_a_prefix() {
    for table in both(&[("ab", "1"), ("ac", "2"), ("bb", "3")]) {
        assert_eq!(keys(table.prefixes_of("ab")), "ab");
        assert_eq!(keys(table.prefixes_of("abc")), "ab");
        assert_eq!(keys(table.prefixes_of("a")), "");
        assert_eq!(keys(table.prefixes_of("ad")), "");
    }
}

#[test]
fn of_repeated_prefixes_all_entries_come_in_the_order_of_their_insertion() {
    for table in repeated(&[("ab", "1"), ("", "2"), ("a", "4"), ("", "3"), ("a", "0"), ("b", "")]) {
        let found: Vec<_> = table.prefixes_of("abc").map(|entry| entry.expect("sound")).collect();
        let found: Vec<_> =
            found.into_iter().map(|(key, value)| text(key) + &text(value)).collect();
        assert_eq!(found, ["ab1", "a4", "a0", "2", "3"]);
    }
    // Runs over many blocks, of which a search may meet any entry first.
    for table in runs(&[("", 90), ("a", 1), ("aa", 200), ("aaa!", 70), ("ab", 50)]) {
        let found: Vec<_> = table.prefixes_of("aaa").map(|entry| entry.expect("sound")).collect();
        let right = (0..200).map(|i| ("aa", i)).chain([("a", 0)]).chain((0..90).map(|i| ("", i)));
        let right: Vec<_> = right.map(|(key, i)| (key.as_bytes(), format!("{i}"))).collect();
        assert_eq!(found.len(), right.len());
        assert!(found.iter().zip(&right).all(|(a, b)| *a == (b.0, b.1.as_bytes())));
    }
}

#[test]
fn every_length_up_to_the_longest_key_is_a_prefix() {
    let longest = "a".repeat(65_535);
    let stored: Vec<_> = [0, 1, 2, 100, 4_096, 65_534, 65_535].map(|len| &longest[..len]).to_vec();
    let entries: Vec<_> = stored.iter().map(|key| (*key, "v")).collect();
    for table in both(&entries) {
        let lens = |key: &str| -> Vec<usize> {
            table.prefixes_of(key).map(|entry| entry.expect("sound").0.len()).collect()
        };
        assert_eq!(lens(&"a".repeat(70_000)), [65_535, 65_534, 4_096, 100, 2, 1, 0]);
        assert_eq!(lens(&longest[..4_095]), [100, 2, 1, 0]);
        assert_eq!(lens("ab"), [1, 0]);
    }
}

#[test]
fn parts_are_about_equal_disjoint_and_together_everything() {
    let names: Vec<String> = (0..1_000).map(|i| format!("key {i:04}")).collect();
    let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), &name[4..])).collect();
    // Of variable width, and of fixed width through lines and buckets.
    let mut longer = entries.clone();
    longer[700].1 = "longer than the others";
    let tables = both(&entries).into_iter().chain(both(&longer)).chain([table(&entries)]);
    for table in tables {
        let all = pairs(table.iter());
        for n in [1, 2, 3, 7, 31, 32, 33, 999, 1_000] {
            let parts = table.split(n);
            assert_eq!(parts.len(), n);
            for part in &parts {
                assert!(part.len() == 1_000 / n || part.len() == 1_000 / n + 1, "{}", part.len());
                assert!(pairs(part.clone().rev()).into_iter().rev().eq(pairs(part.clone())));
            }
            assert_eq!(parts.into_iter().flat_map(pairs).collect::<Vec<_>>(), all);
        }
    }
}

#[test]
fn there_is_a_part_at_least_and_none_is_empty() {
    for table in both(&[("a", "1"), ("b", "2"), ("c", "3")]) {
        let split = |n| table.split(n).into_iter().map(keys).collect::<Vec<_>>();
        assert_eq!(split(0), ["a b c"]);
        assert_eq!(split(1), ["a b c"]);
        assert_eq!(split(2), ["a", "b c"]);
        assert_eq!(split(3), ["a", "b", "c"]);
        assert_eq!(split(4), ["a", "b", "c"]);
        assert_eq!(split(usize::MAX), ["a", "b", "c"]);
    }
    for table in both(&[]) {
        for n in [0, 1, 9] {
            assert_eq!(table.split(n).into_iter().map(keys).collect::<Vec<_>>(), [""]);
        }
    }
    for table in repeated(&[("", "1"), ("", "2"), ("", "3"), ("", "4")]) {
        let values = table.split(2).into_iter().map(|part| {
            part.map(|entry| text(entry.expect("sound").1)).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(values.collect::<Vec<_>>(), ["1 2", "3 4"], "a repeated key is cut in two");
    }
}

#[test]
fn count_of_counts_the_entries_of_a_key() {
    for table in both(&[("", "0"), ("a", "1"), ("b", "2")]) {
        let count = |key: &str| table.count_of(key).expect("sound");
        assert_eq!(["", "a", "b", "c", "aa"].map(count), [1, 1, 1, 0, 0]);
    }
    for table in runs(&[("", 3), ("a", 1), ("b", 500), ("c", 33)]) {
        let count = |key: &str| table.count_of(key).expect("sound");
        assert_eq!(["", "a", "aa", "b", "c", "d"].map(count), [3, 1, 0, 500, 33, 0]);
    }
    for table in both(&[]) {
        assert_eq!(table.count_of(""), Ok(0));
    }
}

#[test]
fn key_counts_gives_each_key_once() {
    for table in both(&[("", "0"), ("a", "1"), ("b", "2")]) {
        assert_eq!(counts(&table), [("".into(), 1), ("a".into(), 1), ("b".into(), 1)]);
        assert_eq!(table.key_counts().size_hint(), (0, Some(3)));
    }
    assert_eq!(both(&[]).map(|table| counts(&table)), [[], []]);
    // Around the number of entries after which the rest of a key is left out by a search.
    for n in [1, 2, 31, 32, 33, 34, 35, 64, 500] {
        let right = [("", n), ("a", 1), ("b", n), ("bb", 2), ("c", n)];
        for table in runs(&right) {
            let right = right.map(|(key, n)| (key.to_owned(), n as u64));
            assert_eq!(counts(&table), right);
            assert_eq!(table.key_counts().count() as u64, table.distinct_keys());
        }
    }
}
