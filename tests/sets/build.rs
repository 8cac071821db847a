//! Sets of entries that come in any order: sorted once, in memory or through files, and cut where
//! the same entries in order are cut.

use super::super::{common, numbered, open, quick, tables, write};
use graven::{BuildError, BuildPhase, Duplicates, PublishError, SetBuildOptions, SetBuilder};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

type Entry = (Vec<u8>, Vec<u8>);

/// The entries in an order that has nothing to do with their keys.
fn shuffled(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|(key, _)| {
        key.iter().fold(7u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
        })
    });
    entries
}

/// Entries that exceed the least memory budget, with values of some lengths.
fn many() -> Vec<Entry> {
    let value = |i: usize| vec![i as u8; i * 7 % 300];
    numbered(12_000).into_iter().enumerate().map(|(i, (key, _))| (key, value(i))).collect()
}

fn insert(options: &SetBuildOptions, path: &Path, entries: &[Entry]) -> SetBuilder {
    let mut builder = options.create(path).unwrap();
    entries.iter().for_each(|(key, value)| builder.insert(key, value).unwrap());
    builder
}

#[test]
fn any_order_gives_the_set_of_ascending_entries() {
    let dir = tempfile::tempdir().unwrap();
    let (ascending, any) = (many(), shuffled(many()));
    for (number, cut) in [
        quick().shard_bytes(300_000),
        quick().shard_entries(1_234),
        quick().range_shards(1),
        quick().range_shards(7).expected_entries(12_000),
        quick().hash_shards(1),
        quick().hash_shards(3),
        quick().hash_shards(257),
    ]
    .into_iter()
    .enumerate()
    {
        let id = |name: &str, options: SetBuildOptions, entries: &[Entry]| {
            let path = dir.path().join(format!("{name}{number}"));
            write(&options, &path, entries);
            let set = open(&path);
            set.verify().unwrap();
            assert_eq!(set.len(), 12_000);
            (set.manifest().id, set.manifest().shards.len())
        };
        let sorted = cut.clone().tables(tables().sorted(true));
        let direct = id("direct", sorted, &ascending);
        assert!(direct.1 > 1 || number == 2 || number == 4, "{direct:?}");
        assert_eq!(id("any", cut.clone(), &any), direct);
        assert_eq!(id("order", cut.clone(), &ascending), direct);
        // Most of these entries are sorted in files.
        let small = cut.clone().tables(tables().memory_budget(1 << 20));
        assert_eq!(id("small", small, &any), direct);
        let one = cut.clone().tables(tables().threads(1).memory_budget(1 << 20));
        assert_eq!(id("one", one, &any), direct);
    }
}

/// As many shards as were asked for, and about as many entries in each.
#[test]
fn range_shards_are_as_many_as_there_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut number = 0;
    let mut built = |options: SetBuildOptions, entries: &[Entry]| -> Vec<u64> {
        number += 1;
        let path = dir.path().join(number.to_string());
        write(&options, &path, entries);
        let set = open(&path);
        set.verify().unwrap();
        set.manifest().shards.iter().map(|shard| shard.entries).collect()
    };
    for (entries, shards, expected) in [
        (10, 4, &[3, 3, 2, 2][..]),
        (9, 4, &[3, 2, 2, 2]),
        (5, 4, &[2, 1, 1, 1]),
        (3, 4, &[1, 1, 1]),
        (1, 4, &[1]),
        (0, 4, &[0]),
        (7, 1, &[7]),
    ] {
        let any = shuffled(numbered(entries));
        assert_eq!(built(quick().range_shards(shards), &any), expected);
        let sorted = quick().tables(tables().sorted(true)).range_shards(shards);
        assert_eq!(built(sorted.clone(), &numbered(entries)), expected);
        let known = sorted.expected_entries(u64::from(entries));
        assert_eq!(built(known, &numbered(entries)), expected);
    }
    // A number that was wrong loses nothing.
    let sorted = quick().tables(tables().sorted(true)).range_shards(4);
    assert_eq!(built(sorted.clone().expected_entries(4), &numbered(10)), [1, 1, 1, 7]);
    assert_eq!(built(sorted.expected_entries(100), &numbered(10)), [10]);
    // A key that fills two shards takes from all others.
    let mut entries: Vec<Entry> = (0..20).map(|_| (b"b".to_vec(), Vec::new())).collect();
    entries.extend(["a", "c", "d", "e"].map(|key| (key.into(), Vec::new())));
    assert_eq!(built(quick().range_shards(4), &entries), [21, 1, 1, 1]);
}

/// What is left out does not count, whether it was sorted in memory or in files.
#[test]
fn entries_that_are_left_out_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries = Vec::new();
    for round in 0..10u32 {
        for (key, _) in numbered(3_000) {
            // Few of the keys are repeated often.
            if round == 0 || key < b"00000300".to_vec() {
                entries.push((key, [round.to_le_bytes().as_slice(), &[0; 200]].concat()));
            }
        }
    }
    for (policy, round) in [(Duplicates::KeepFirst, 0u32), (Duplicates::KeepLast, 9)] {
        for memory in [None, Some(1 << 20)] {
            let tables = tables().duplicates(policy).memory_budget(memory);
            for (name, options) in [
                ("range", quick().range_shards(3)),
                ("entries", quick().shard_entries(1_000)),
                ("hash", quick().hash_shards(3)),
            ] {
                let path = dir.path().join(format!("{name}{round}{memory:?}"));
                write(&options.tables(tables.clone()), &path, &shuffled(entries.clone()));
                let set = open(&path);
                set.verify().unwrap();
                let sizes: Vec<u64> = set.manifest().shards.iter().map(|s| s.entries).collect();
                assert!(name == "hash" || sizes == [1_000; 3], "{name} {policy:?} {sizes:?}");
                for entry in &set {
                    let (key, value) = entry.unwrap();
                    let repeated = key[..] < b"00000300"[..];
                    let expected = if repeated { round } else { 0 };
                    assert_eq!(value[..4], expected.to_le_bytes(), "{name} {policy:?} {memory:?}");
                }
                assert_eq!(set.len(), 3_000);
            }
        }
    }
    let twice = [(b"k".to_vec(), vec![1]), (b"a".to_vec(), vec![]), (b"k".to_vec(), vec![2])];
    for options in [quick().range_shards(2), quick().shard_bytes(1), quick().hash_shards(2)] {
        let options = options.tables(tables().duplicates(Duplicates::Reject));
        let error = insert(&options, &dir.path().join("no"), &twice).finish().unwrap_err();
        let PublishError::Target(BuildError::DuplicateKey { key }) = error else {
            panic!("{error}")
        };
        assert_eq!(key, b"k");
    }
    assert_eq!(common::names(&dir.path().join("no/versions")), [""; 0]);
}

/// The shortest and the longest keys and values, in memory and from readers, in every shard.
#[test]
fn lengths_at_their_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = BTreeMap::from([(Vec::new(), Vec::new())]);
    for i in 0..18u32 {
        let mut key = vec![b'k'; 65_535];
        key[65_531..].copy_from_slice(&i.to_be_bytes());
        model.insert(key[..65_535 - i as usize % 2].to_vec(), Vec::new());
        model.insert(i.to_be_bytes().to_vec(), vec![i as u8; i as usize * 150_000]);
    }
    let entries = shuffled(model.clone().into_iter().collect());
    let sorted: Vec<Entry> = model.into_iter().collect();
    for (name, cut) in [("range", quick().range_shards(300)), ("hash", quick().hash_shards(300))] {
        for (tables, entries) in [
            (tables().memory_budget(1 << 20), &entries),
            (tables(), &entries),
            (tables().sorted(true), &sorted),
        ] {
            let path = dir.path().join(name);
            let mut builder = cut.clone().tables(tables).create(&path).unwrap();
            for (key, value) in entries {
                builder.insert_from(key, &value[..]).unwrap();
            }
            builder.finish().unwrap();
            let set = open(&path);
            set.verify().unwrap();
            let found = set.iter().map(|entry| entry.unwrap());
            assert!(
                found.map(|(key, value)| (key.to_vec(), value.to_vec())).eq(sorted.iter().cloned())
            );
        }
    }
    for options in [quick(), quick().tables(tables().sorted(true)), quick().hash_shards(300)] {
        let mut builder = options.create(dir.path().join("long")).unwrap();
        let error = builder.insert(vec![0; 65_536], "").unwrap_err();
        assert!(matches!(error, BuildError::KeyTooLong { len: 65_536, entry: 0 }), "{error}");
        assert!(matches!(builder.insert("a", ""), Err(BuildError::Failed)));
    }
}

#[test]
fn a_promised_order_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let sorted = tables().sorted(true);
    for cut in [
        quick().shard_entries(1),
        quick().range_shards(2),
        quick().range_shards(2).expected_entries(3),
        quick().hash_shards(1),
        // These keys are in three shards.
        quick().hash_shards(30),
        quick().hash_shards(500),
    ] {
        let mut builder = cut.tables(sorted.clone()).create(dir.path()).unwrap();
        builder.insert("a", "").unwrap();
        builder.insert("c", "").unwrap();
        let error = builder.insert("b", "").unwrap_err();
        assert!(
            matches!(&error, BuildError::OutOfOrder { previous, key, entry: 2 } if previous == b"c" && key == b"b"),
            "{error}"
        );
        drop(builder);
    }
    assert_eq!(common::names(&dir.path().join("versions")), [""; 0]);
}

/// A reader of a value that fails.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("gone"))
    }
}

#[test]
fn a_value_that_cannot_be_read_ends_the_build() {
    let dir = tempfile::tempdir().unwrap();
    for options in [quick(), quick().tables(tables().sorted(true)), quick().hash_shards(2)] {
        let mut builder = options.create(dir.path()).unwrap();
        builder.insert("a", "").unwrap();
        let error = builder.insert_from("b", Broken).unwrap_err();
        assert!(matches!(error, BuildError::ValueReader { .. }), "{error}");
        assert!(matches!(builder.finish(), Err(PublishError::Target(BuildError::Failed))));
    }
    assert_eq!(common::names(&dir.path().join("versions")), [""; 0]);
}

#[test]
fn progress_is_that_of_all_shards() {
    let dir = tempfile::tempdir().unwrap();
    for cut in [quick().range_shards(5), quick().hash_shards(5)] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let tables = tables().progress(move |progress| heard.lock().unwrap().push(progress));
        write(&cut.tables(tables), dir.path(), &shuffled(many()));
        let told = told.lock().unwrap();
        let phases: Vec<BuildPhase> = told.iter().map(|told| told.phase).collect();
        assert!(phases.is_sorted(), "{phases:?}");
        let all = |told: &&graven::BuildProgress| told.done == 12_000 && told.total == 12_000;
        for phase in [BuildPhase::Merge, BuildPhase::Index] {
            assert!(told.iter().filter(all).any(|told| told.phase == phase), "{phase}");
        }
    }
    let options = quick().range_shards(2).tables(tables().cancel_when(|| true));
    let error = insert(&options, &dir.path().join("x"), &numbered(3)).finish().unwrap_err();
    assert!(matches!(error, PublishError::Target(BuildError::Cancelled)), "{error}");
    assert_eq!(common::names(&dir.path().join("x/versions")), [""; 0]);
}
