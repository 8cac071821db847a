//! Guards against a wrong longest prefix, or a wrong one among the shorter ones: keys that share
//! much with each other, so that the search ends and the walk over what is left begins, against the
//! plain definition.

mod common;

use common::{Case, Entry, scaled};
use graven::{Duplicates, HashIndex, Table};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Keys of runs of `a`, of which most end in a byte below or above it.
fn key(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![0..longest, 0..longest.div_ceil(8)];
    let ends = ["", "", "!", "!", "!x", "a!", "b", "\0", "!!!!!!!!!", "\u{7f}aaaa"];
    (run, proptest::sample::select(ends.to_vec()))
        .prop_map(|(len, end)| [&vec![b'a'; len], end.as_bytes()].concat())
}

fn case(longest: usize, entries: std::ops::Range<usize>) -> impl Strategy<Value = Case> {
    let hash = prop_oneof![Just(HashIndex::Always), Just(HashIndex::Never)];
    let duplicates = prop_oneof![Just(Duplicates::KeepAll), Just(Duplicates::KeepLast)];
    let entry = (key(longest), proptest::collection::vec(any::<u8>(), 0..9));
    let align = prop_oneof![Just(1), Just(8)];
    (proptest::collection::vec(entry, entries), hash, duplicates, align).prop_map(
        |(entries, hash_index, duplicates, value_align)| Case {
            hash_index,
            duplicates,
            value_align,
            ..Case::of(entries)
        },
    )
}

/// Compares the answers for `keys` with those of the model.
fn check(case: &Case, keys: &[Vec<u8>]) {
    let model = case.model();
    let table = Table::from_bytes(case.bytes()).unwrap();
    for key in keys {
        let prefixes = (0..=key.len()).rev().filter_map(|len| model.map.get_key_value(&key[..len]));
        let right: Vec<_> = prefixes
            .flat_map(|(found, values)| values.iter().map(|value| (&found[..], &value[..])))
            .collect();
        let longest = table.longest_prefix(key).unwrap();
        assert_eq!(longest, right.first().copied(), "{}", key.escape_ascii());
        let all: Result<Vec<_>, _> = table.prefixes_of(key).collect();
        assert_eq!(all.unwrap(), right, "{}", key.escape_ascii());
    }
}

fn cases(name: &str, count: u32, longest: usize, entries: std::ops::Range<usize>) {
    let config = Config { cases: scaled(count), failure_persistence: None, ..Config::default() };
    let keys = proptest::collection::vec(key(longest + 20), 1..60);
    let strategy = (case(longest, entries), keys);
    let result = TestRunner::new(config).run(&strategy, |(case, mut keys)| {
        keys.push(vec![b'a'; longest + 1]);
        check(&case, &keys);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
}

#[test]
fn one_block() {
    cases("one block", 1_500, 40, 0..30);
}

#[test]
fn several_blocks() {
    cases("several blocks", 400, 300, 30..400);
}

#[test]
fn long_keys() {
    cases("long keys", 30, 3_000, 200..1_000);
}

/// Every length up to some hundred ends in `!`, which no key goes on with, but a few that are
/// stored whole.
#[test]
fn falls_with_few_prefixes() {
    for step in [1, 7, 50, 399, 1_000] {
        for offset in [0, 1, step - 1] {
            for hash_index in [HashIndex::Always, HashIndex::Never] {
                let fall = (1..700).map(|len| [&vec![b'a'; len], &b"!"[..]].concat());
                let whole = (offset..700).step_by(step).map(|len| vec![b'a'; len]);
                let entries = fall.chain(whole).map(|key| (key, b"v".to_vec()));
                let case = Case { hash_index, ..Case::of(entries.collect()) };
                let keys: Vec<_> = (0..720).step_by(13).map(|len| vec![b'a'; len]).collect();
                check(&case, &keys);
            }
        }
    }
}

/// Keys of one length, with and without a line index: one candidate.
#[test]
fn keys_of_one_length() {
    for value_len in [4, 5] {
        for hash_index in [HashIndex::Always, HashIndex::Never] {
            let entries = (0..2_000u32).map(|i| {
                let value = vec![7; if i % 9 == 0 { value_len } else { 4 }];
                ((i * 3).to_be_bytes().to_vec(), value)
            });
            let case = Case { hash_index, ..Case::of(entries.collect()) };
            let keys = (0..6_100u32).step_by(7).flat_map(|i| {
                let key = i.to_be_bytes();
                [key.to_vec(), [&key[..], b"more"].concat(), key[..3].to_vec()]
            });
            check(&case, &keys.collect::<Vec<_>>());
        }
    }
}

/// The greatest length, the empty key, and repeated keys over several blocks.
#[test]
fn extremes() {
    const LONGEST: usize = 65_535;
    let mut entries: Vec<Entry> = Vec::new();
    for back in 0..40 {
        entries.push(([&vec![b'a'; LONGEST - 1 - back], &b"!"[..]].concat(), vec![1]));
    }
    entries.extend((0..100).map(|i| (vec![b'a'; 300], vec![i])));
    let longest = vec![b'a'; LONGEST];
    let keys = [longest.clone(), vec![b'a'; 70_000], vec![b'a'; 299], vec![], vec![b'b']];
    check(&Case::of(entries.clone()), &keys);
    entries.extend((0..70).map(|i| (Vec::new(), vec![i; 2])));
    check(&Case::of(entries.clone()), &keys);
    entries.push((longest, vec![9]));
    check(&Case::of(entries), &keys);
}
