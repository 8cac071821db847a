//! A set against a sorted vector of the same entries.

use super::super::{open, open_with, quick, write};
use graven::{Partition, SetBuildOptions, SetIter, SetOptions, TableSet, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::Bound;
use std::path::Path;

type Entry = (Vec<u8>, Vec<u8>);

fn plain(entry: Option<(Value, Value)>) -> Option<Entry> {
    entry.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

fn walked(items: impl Iterator<Item = Result<(Value, Value), graven::SetError>>) -> Vec<Entry> {
    items.map(|item| plain(Some(item.unwrap())).unwrap()).collect()
}

/// Walks from both ends in turn, until they meet.
fn from_both_ends(mut walk: SetIter) -> Vec<Entry> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    loop {
        let Some(item) = walk.next() else { break };
        front.push(plain(Some(item.unwrap())).unwrap());
        let Some(item) = walk.next_back() else { break };
        back.push(plain(Some(item.unwrap())).unwrap());
    }
    assert!(walk.next().is_none() && walk.next_back().is_none());
    front.extend(back.into_iter().rev());
    front
}

/// Compares every query with the model; `asked` are keys that may be there.
fn compare(set: &TableSet, model: &[Entry], asked: &[Vec<u8>]) {
    assert_eq!(set.len(), model.len() as u64);
    assert_eq!(walked(set.iter()), model);
    let mut reversed = walked(set.iter().rev());
    reversed.reverse();
    assert_eq!(reversed, model);
    assert_eq!(plain(set.first().unwrap()), model.first().cloned());
    assert_eq!(plain(set.last().unwrap()), model.last().cloned());
    assert_eq!(from_both_ends(set.iter()), model);

    let found = set.get_many(asked).unwrap();
    assert_eq!(found.len(), asked.len());
    for (key, many) in asked.iter().zip(found) {
        let values: Vec<_> = model.iter().filter(|(other, _)| other == key).collect();
        let first = values.first().map(|(_, value)| value.clone());
        assert_eq!(set.get(key).unwrap().map(|value| value.to_vec()), first);
        assert_eq!(many.map(|value| value.to_vec()), first);
        assert_eq!(set.contains_key(key).unwrap(), first.is_some());
        let all: Vec<_> = set.get_all(key).unwrap().iter().map(|value| value.to_vec()).collect();
        assert_eq!(all, values.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>());
        let below = model.iter().filter(|(other, _)| other < key).count();
        let up_to = model.iter().filter(|(other, _)| other <= key).count();
        assert_eq!(set.rank(key).unwrap(), below as u64);
        assert_eq!(plain(set.ceil(key).unwrap()), model.get(below).cloned());
        let floor = up_to.checked_sub(1).map(|at| model[at].clone());
        assert_eq!(plain(set.floor(key).unwrap()), floor);
        let prefixed = model.iter().filter(|(other, _)| other.starts_with(key)).cloned();
        assert_eq!(walked(set.prefix(key)), prefixed.collect::<Vec<_>>());
    }
    for (a, b) in asked.iter().zip(asked.iter().rev()) {
        for range in [
            (Bound::Included(a), Bound::Excluded(b)),
            (Bound::Excluded(a), Bound::Included(b)),
            (Bound::Unbounded, Bound::Included(b)),
            (Bound::Excluded(a), Bound::Unbounded),
        ] {
            let inside = |key: &Vec<u8>| {
                let from = match range.0 {
                    Bound::Included(a) => key >= a,
                    Bound::Excluded(a) => key > a,
                    Bound::Unbounded => true,
                };
                from && match range.1 {
                    Bound::Included(b) => key <= b,
                    Bound::Excluded(b) => key < b,
                    Bound::Unbounded => true,
                }
            };
            let expected: Vec<_> = model.iter().filter(|(key, _)| inside(key)).cloned().collect();
            assert_eq!(set.count(range).unwrap(), expected.len() as u64);
            assert_eq!(walked(set.range(range)), expected);
            assert_eq!(from_both_ends(set.range(range)), expected);
            let mut reversed = walked(set.range(range).rev());
            reversed.reverse();
            assert_eq!(reversed, expected);
        }
    }
    for rank in 0..=model.len() {
        let found = set.nth(rank as u64);
        match set.manifest().partition {
            Partition::Range => assert_eq!(plain(found.unwrap()), model.get(rank).cloned()),
            _ => assert!(matches!(found, Err(graven::SetError::Unsupported { .. }))),
        }
    }
    let report = set.verify().unwrap();
    assert_eq!(report.entries, model.len() as u64);
    assert_eq!(report.shards, set.manifest().shards.len() as u64);
}

/// Writes the entries as a set, and compares it, with and without a bound that fits one shard.
fn check(options: &SetBuildOptions, path: &Path, entries: &[Entry], asked: &[Vec<u8>]) {
    write(options, path, entries);
    let mut model = entries.to_vec();
    model.sort_by(|a, b| a.0.cmp(&b.0));
    compare(&open(path), &model, asked);
    compare(&open_with(&SetOptions::new().max_mapped_bytes(1), path).unwrap(), &model, asked);
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0u8), Just(b'a'), Just(b'b'), Just(255)];
    vec(byte, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_set_answers_as_a_sorted_vector(
        entries in vec((key(), vec(any::<u8>(), 0..3)), 0..40),
        asked in vec(key(), 1..12),
        shard_entries in 1u64..9,
        shards in 1usize..6,
    ) {
        let dir = tempfile::tempdir().unwrap();
        check(&quick().hash_shards(shards), &dir.path().join("hash"), &entries, &asked);
        let mut ascending = entries;
        ascending.sort_by(|a, b| a.0.cmp(&b.0));
        let range = quick().shard_entries(shard_entries);
        check(&range, &dir.path().join("range"), &ascending, &asked);
    }
}

#[test]
fn the_empty_set_has_one_empty_shard() {
    let dir = tempfile::tempdir().unwrap();
    for (name, options, shards) in
        [("range", quick().shard_bytes(1), 1), ("hash", quick().hash_shards(3), 3)]
    {
        let path = dir.path().join(name);
        check(&options, &path, &[], &[b"".to_vec(), b"a".to_vec()]);
        assert_eq!(open(&path).manifest().shards.len(), shards);
        assert!(open(&path).is_empty());
    }
}

#[test]
fn a_repeated_key_is_never_cut() {
    let dir = tempfile::tempdir().unwrap();
    let entry = |key: &str, value: u8| (key.as_bytes().to_vec(), vec![value]);
    let mut entries = vec![entry("", 0), entry("", 1), entry("", 2)];
    entries.extend((0..50).map(|i| entry("b", i)));
    entries.push(entry("c", 0));
    check(&quick().shard_entries(2), dir.path(), &entries, &[b"".to_vec(), b"b".to_vec()]);
    let set = open(dir.path());
    let entries = set.manifest().shards.iter().map(|shard| shard.entries);
    assert_eq!(entries.collect::<Vec<_>>(), [3, 50, 1]);
}

#[test]
fn shards_end_where_they_have_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let entries: Vec<Entry> = (0..64u8).map(|i| (vec![i], vec![i; 10_000])).collect();
    write(&quick().shard_bytes(100_000), dir.path(), &entries);
    let set = open(dir.path());
    let shards = &set.manifest().shards;
    assert_eq!(shards.len(), 7);
    assert!(shards[..6].iter().all(|shard| shard.entries == 10), "{shards:?}");
}
