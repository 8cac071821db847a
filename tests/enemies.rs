//! Guards against keys that were chosen so that a build with little memory gives another table than one
//! with much, or an index in which lookups read more than they may: keys in one line of the line index,
//! of one head, equal keys, keys that share 60 KB, keys that are prefixes of each other. Keys that were
//! chosen for their hashes have `collisions.rs`; `benches/enemies.rs` measures how long builds take, and
//! `budget.rs` what they take of memory.

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;
#[path = "../benches/common/enemies.rs"]
mod enemies;

use common::{Rng, directory, scaled};
use enemies::{Enemy, enemies};
use graven::{BuildOptions, Duplicates, HashIndex, LocatedPart, PageChecks, Table};
use std::path::Path;

/// A set of keys as a table has them, each with the number of its value.
fn sorted(enemy: &Enemy) -> Vec<(Vec<u8>, u64)> {
    let mut entries: Vec<_> = (0..enemy.keys).map(|i| ((enemy.chosen)(i), i)).collect();
    entries.sort();
    entries
}

/// Builds a set, in this order, with so much memory.
fn build(enemy: &Enemy, order: &[u64], budget: u64, index: HashIndex, path: &Path) {
    let options = BuildOptions::new().durable(false).duplicates(Duplicates::KeepAll);
    let options = options.memory_budget(budget).hash_index(index);
    let mut builder = options.create(path).expect("a builder");
    for &i in order {
        builder.insert((enemy.chosen)(i), i.to_be_bytes()).expect("room");
    }
    let summary = builder.finish().expect("a table");
    assert_eq!(summary.entries, enemy.keys, "{}", enemy.name);
}

/// Every set comes out whole with little memory and with much, from any order of keys, with the same
/// bytes, and answers as a sorted list does.
#[test]
fn chosen_keys_are_built_and_found() {
    let directory = directory();
    let paths = ["a", "b"].map(|name| directory.path().join(name));
    for enemy in enemies(u64::from(scaled(4 << 20))) {
        let name = enemy.name;
        let entries = sorted(&enemy);
        let ascending: Vec<u64> = (0..enemy.keys).collect();
        let mut shuffled = ascending.clone();
        // Equal keys stand in the order in which they come.
        let repeated = entries.windows(2).any(|pair| pair[0].0 == pair[1].0);
        if !repeated {
            Rng::new(5).shuffle(&mut shuffled);
        }
        for index in [HashIndex::Auto, HashIndex::Always] {
            build(&enemy, &ascending, 1 << 30, index, &paths[0]);
            build(&enemy, &shuffled, 1 << 20, index, &paths[1]);
            let bytes = paths.each_ref().map(|path| std::fs::read(path).expect("a table"));
            assert!(bytes[0] == bytes[1], "{name}: other bytes with little memory");
            let options = graven::OpenOptions::new().page_checks(PageChecks::FirstTouch);
            let table =
                options.from_bytes(bytes.into_iter().next().expect("two")).expect("a table");
            check(name, &table, &entries);
            table.verify().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// Queries of some keys against the sorted list, and what each reads.
fn check(name: &str, table: &Table, entries: &[(Vec<u8>, u64)]) {
    let stats = table.stats().expect("statistics");
    let levels = stats.ordered_index.map_or(0, |index| index.levels as usize);
    let hashed = stats.hash_index.is_some();
    // A node of this size has at least five children, but for the last of each level.
    let most = entries.len().ilog(5) as usize + 2;
    assert!(levels <= most, "{name}: {levels} levels for {} entries", entries.len());
    let step = (entries.len() / 200).max(1);
    for (place, (key, value)) in entries.iter().enumerate().step_by(step) {
        let first = entries.partition_point(|entry| entry.0 < *key);
        let end = entries.partition_point(|entry| entry.0 <= *key);
        assert!((first..end).contains(&place) && *value >= entries[first].1);
        let found = table.get(key).expect("a sound table");
        assert_eq!(found, Some(&entries[first].1.to_be_bytes()[..]), "{name}");
        assert_eq!(table.rank(key).expect("a sound table"), first as u64, "{name}");
        assert_eq!(table.count_of(key).expect("a sound table"), (end - first) as u64, "{name}");
        assert_eq!(
            table.nth(place as u64).expect("a sound table").map(|entry| entry.0),
            Some(&key[..])
        );
        let above = [key, &b"\0"[..]].concat();
        let next = table.ceil(&above).expect("a sound table").map(|entry| entry.0.to_vec());
        let right = entries[entries.partition_point(|entry| entry.0 < above)..].first();
        assert_eq!(next, right.map(|entry| entry.0.clone()), "{name}");
        for (asked, stored) in [(key, true), (&above, right.is_some_and(|next| next.0 == above))] {
            let location = table.locate(asked).expect("a sound table");
            assert_eq!(location.rank.is_some(), stored, "{name}");
            let count = |part| location.spans.iter().filter(|span| span.part == part).count();
            assert!(count(LocatedPart::Bucket) <= 2, "{name}");
            assert!(count(LocatedPart::Compared) <= 6, "{name}");
            assert!(count(LocatedPart::Line) <= 2, "{name}");
            assert!(count(LocatedPart::Node) <= if hashed { 0 } else { levels }, "{name}");
            assert!(count(LocatedPart::Block) <= usize::from(!hashed), "{name}");
        }
    }
    let walked = table.iter().map(|entry| entry.expect("a sound table"));
    let right = entries.iter().map(|(key, value)| (key.as_slice(), value.to_be_bytes()));
    assert!(
        walked.map(|(key, value)| (key, value.try_into().expect("eight bytes"))).eq(right),
        "{name}"
    );
}
