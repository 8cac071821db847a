//! Keys that were chosen for their hashes, through whole builds: whoever knows the hash function can
//! make as many as they like. Guards against an index that drops one of them, against one that
//! slows the others down, and against a build that fails, or takes for ever, because it can't place
//! them.

#[path = "../benches/common/chosen.rs"]
mod chosen;
mod common;

use chosen::{Places, of_hash, of_one_hash, ordinary};
use common::directory;
use graven::{
    BuildOptions, Duplicates, HashIndex, HashIndexOutcome, OpenOptions, PageChecks, Table,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn always() -> BuildOptions {
    BuildOptions::new().durable(false).hash_index(HashIndex::Always)
}

/// Each key is found by every kind of query, `absent` keys are not, with pages left to check, without,
/// and without any checks.
fn check(path: &Path, model: &Model, step: usize, absent: &[Vec<u8>], case: &str) {
    for verify in [PageChecks::FirstTouch, PageChecks::AtOpen, PageChecks::Never] {
        let table = OpenOptions::new().page_checks(verify).load(path).expect("a table");
        let keys: Vec<&[u8]> = model.keys().step_by(step).map(Vec::as_slice).collect();
        let keys = [&keys[..], &absent.iter().map(Vec::as_slice).collect::<Vec<_>>()].concat();
        let mut found = Vec::new();
        table.get_many_into(&keys, &mut found).expect("a sound table");
        for (key, in_batch) in keys.iter().zip(found) {
            let right = model.get(*key).map(Vec::as_slice);
            let case = format!("{case}, {verify:?}, key {key:x?}");
            assert_eq!(in_batch, right, "{case}");
            assert_eq!(table.get(key).expect("a sound table"), right, "{case}");
            assert_eq!(table.contains_key(key).expect("a sound table"), right.is_some(), "{case}");
            let all: Result<Vec<_>, _> = table.get_all(key).collect();
            assert_eq!(all.expect("a sound table"), Vec::from_iter(right), "{case}");
            let next = model.range(key.to_vec()..).next();
            let next = next.map(|(key, value)| (&key[..], &value[..]));
            let first = table.range(*key..).next().transpose().expect("a sound table");
            assert_eq!(first, next, "{case}");
            let mut cursor = table.cursor();
            cursor.seek_ceil(key).expect("a sound table");
            assert_eq!(cursor.key(), next.map(|next| next.0), "{case}");
        }
    }
}

/// Few and many, alone and among others, with ranks for references and with places.
#[test]
fn keys_of_one_hash_are_all_found() {
    const ORDINARY: u64 = 30_000;
    let directory = directory();
    let path = directory.path().join("t");
    for (equal, budget) in
        [(2, 30), (7, 20), (7, 30), (100, 20), (100, 30), (50_000, 20), (50_000, 30)]
    {
        for (others, fixed) in [(0, false), (ORDINARY, false), (ORDINARY, true)] {
            let value = |i: u64| vec![i as u8; if fixed { 9 } else { i as usize % 20 }];
            let case = format!("{equal} keys of one hash, budget 2^{budget}, {others}, {fixed}");
            let mut model = Model::new();
            model.extend((0..others).map(|i| (ordinary(i, 16), value(i))));
            model.extend((0..equal).map(|i| (of_one_hash(i), value(i))));
            let mut builder = always().memory_budget(1 << budget).create(&path).expect("a builder");
            for (key, value) in model.iter().rev() {
                builder.insert(key, value).expect("room");
            }
            let summary = builder.finish().expect("a table");
            assert_eq!(summary.hash_index, HashIndexOutcome::Built, "{case}");
            assert_eq!(summary.set_aside, equal - 1, "{case}");
            let table = Table::load(&path).expect("a table");
            table.verify().expect("a sound table");
            let hash = table.stats().expect("statistics").hash_index.expect("a hash index");
            assert_eq!((hash.keys, hash.set_aside, hash.attempts), (others + 1, equal - 1, 0));
            // Absent, with the hash of those that are there.
            let absent = [equal, equal + 1, u64::MAX].map(of_one_hash);
            check(&path, &model, 7, &absent, &case);
        }
    }
}

/// Every set of chosen keys, half of a table: all are found, none but those of equal hashes is set
/// aside, and the bytes depend on neither order, threads nor memory.
#[test]
fn chosen_keys_are_placed_or_set_aside() {
    const ENTRIES: u64 = 60_000;
    let directory = directory();
    let paths = ["a", "b"].map(|name| directory.path().join(name));
    for (name, keys) in Places::of(ENTRIES).sets(ENTRIES / 2) {
        let mut model = Model::new();
        let others = ENTRIES - keys.len() as u64;
        model.extend((0..others).map(|i| (ordinary(i, keys[0].len()), vec![1; i as usize % 9])));
        model.extend(keys.iter().map(|key| (key.clone(), vec![2; key[15] as usize % 9])));
        let mut hashes: Vec<u64> = model.keys().map(|key| chosen::hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        for (path, (budget, threads)) in paths.iter().zip([(1 << 30, 1), (1 << 20, 3)]) {
            let options = always().memory_budget(budget).threads(threads);
            let mut builder = options.create(path).expect("a builder");
            let mut entries: Vec<_> = model.iter().collect();
            if threads == 3 {
                entries.reverse();
            }
            for (key, value) in entries {
                builder.insert(key, value).expect("room");
            }
            let summary = builder.finish().expect("a table");
            assert_eq!(summary.hash_index, HashIndexOutcome::Built, "{name}");
            assert_eq!(summary.set_aside, ENTRIES - hashes.len() as u64, "{name}");
        }
        let bytes = paths.each_ref().map(|path| std::fs::read(path).expect("a table"));
        assert!(bytes[0] == bytes[1], "{name}: other bytes with little memory");
        let table = Table::load(&paths[0]).expect("a table");
        table.verify().expect("a sound table");
        let hash = table.stats().expect("statistics").hash_index.expect("a hash index");
        // Those with other hashes than the known function gives are spread as random keys are.
        let share = hash.second_bucket_keys as f64 / hash.keys as f64;
        assert!(share < 0.115, "{name}: {share} of the keys are in their second bucket");
        println!("{name}: attempts {}, set aside {}", hash.attempts, hash.set_aside);
        let absent: Vec<_> = (0..500).map(|i| ordinary(i + (1 << 40), keys[0].len())).collect();
        check(&paths[0], &model, 13, &absent, name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Any number of keys of any number of hashes, and repeated keys among them, against a model.
    #[test]
    fn chosen_keys_against_a_model(
        sets in prop::collection::vec((0u64..40, 0u32..12), 0..150),
        ones in prop::collection::vec(0u64..30, 0..60),
        others in prop::collection::vec(0u64..2_000, 0..400),
        keep: bool,
        fixed: bool,
    ) {
        let directory = directory();
        let path = directory.path().join("t");
        let keys = sets.iter().map(|&(set, i)| of_hash(set, i));
        let ones = ones.iter().map(|&i| of_one_hash(i));
        let others = others.iter().map(|&i| ordinary(i, 32));
        let keys: Vec<_> = if fixed {
            keys.chain(others).collect()
        } else {
            keys.chain(ones).chain(others).collect()
        };
        let duplicates = if keep { Duplicates::KeepAll } else { Duplicates::KeepFirst };
        let mut builder = always().duplicates(duplicates).create(&path).expect("a builder");
        let mut model: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (i, key) in (0u32..).zip(&keys) {
            let value = [&i.to_be_bytes()[..], &vec![7; if fixed { 4 } else { i as usize % 5 }]].concat();
            builder.insert(key, &value).expect("room");
            let values = model.entry(key.clone()).or_default();
            if keep || values.is_empty() {
                values.push(value);
            }
        }
        let summary = builder.finish().expect("a table");
        let mut hashes: Vec<u64> = model.keys().map(|key| chosen::hash(key)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        prop_assert_eq!(summary.set_aside, (model.len() - hashes.len()) as u64);
        let table = Table::load(&path).expect("a table");
        table.verify().expect("a sound table");
        for (set, i) in (0..40).flat_map(|set| (0..12).map(move |i| (set, i))) {
            let key = of_hash(set, i);
            let values: Result<Vec<_>, _> = table.get_all(&key).collect();
            let right = model.get(&key).cloned().unwrap_or_default();
            prop_assert_eq!(values.expect("a sound table"), right.clone());
            let first = table.get(&key).expect("a sound table");
            prop_assert_eq!(first, right.first().map(Vec::as_slice));
        }
        let firsts = model.into_iter().map(|(key, mut values)| (key, values.swap_remove(0)));
        if !keep {
            check(&path, &firsts.collect(), 3, &[], "model");
        }
    }
}

/// Repeated keys have equal hashes, too, and are no collision.
#[test]
fn a_repeated_key_is_no_collision() {
    let directory = directory();
    let path = directory.path().join("t");
    let options = BuildOptions::new().duplicates(Duplicates::KeepAll).hash_index(HashIndex::Always);
    let mut builder = options.memory_budget(1 << 20).create(&path).expect("a builder");
    for i in 0..60_000u64 {
        builder.insert(of_one_hash(i % 3), i.to_be_bytes()).expect("room");
    }
    let summary = builder.finish().expect("a table");
    assert_eq!((summary.entries, summary.keys), (60_000, 3));
    assert_eq!(summary.hash_index, HashIndexOutcome::Built);
    let table = OpenOptions::new().load(&path).expect("a table");
    for key in 0..3u64 {
        let values: Result<Vec<_>, _> = table.get_all(of_one_hash(key)).collect();
        let values = values.expect("a sound table");
        assert_eq!(values.len(), 20_000);
        let expected = (0..60_000).filter(|i| i % 3 == key);
        assert!(values.iter().zip(expected).all(|(found, i)| *found == i.to_be_bytes()));
    }
    assert_eq!(table.get(of_one_hash(3)).expect("a sound table"), None);
}

/// Keys of one tag in a line of the line index, whose first eight bytes are equal: in lines with
/// fewer keys than tags and with more, the last tag's among them. Those that are there are found,
/// and those that are not, one byte away, are absent, by one get and in batches, with pages left to
/// check and without.
#[test]
fn keys_of_one_tag_are_told_apart() {
    const STEP: u64 = 1 << 48;
    let directory = directory();
    let path = directory.path().join("t");
    // The last byte of a group's keys is odd.
    let key = |head: u64, last: u8| [&head.to_be_bytes()[..], &[7, last]].concat();
    let value = |key: &[u8]| key.iter().rev().copied().collect::<Vec<u8>>();
    let mut heads: Vec<(u64, u8)> = (0..8000).map(|i| (i * STEP, (i % 97 % 8) as u8 + 1)).collect();
    // Some lines of 20 heads have 24 to 34 more, in groups that end before, on and after the last tag.
    for (number, line) in (100..160).enumerate() {
        let extra = (0..12 + number as u64 % 6).map(|i| ((line * 20 + i) * STEP + STEP / 3, 2));
        heads.extend(extra);
    }
    let mut builder = BuildOptions::new().durable(false).create(&path).expect("a builder");
    for &(head, count) in &heads {
        for last in 0..count {
            let key = key(head, 2 * last + 1);
            builder.insert(&key, value(&key)).expect("room");
        }
    }
    let summary = builder.finish().expect("a table");
    assert_eq!(summary.hash_index, HashIndexOutcome::NotNeeded);
    for verify in [PageChecks::FirstTouch, PageChecks::AtOpen] {
        let table = OpenOptions::new().page_checks(verify).load(&path).expect("a table");
        assert!(table.stats().expect("a sound table").line_index.is_some());
        for &(head, count) in &heads {
            let keys: Vec<_> = (0..=2 * count).map(|last| key(head, last)).collect();
            let mut found = Vec::new();
            table.get_many_into(&keys, &mut found).expect("a sound table");
            for (key, found) in keys.iter().zip(found) {
                let there = key[9] % 2 == 1;
                let expected = there.then(|| value(key));
                assert_eq!(found, expected.as_deref(), "{key:?} in a batch");
                assert_eq!(table.get(key).expect("a sound table"), expected.as_deref(), "{key:?}");
            }
        }
    }
}
