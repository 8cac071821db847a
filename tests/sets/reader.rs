//! Readers: many keys that go through several shards at once must not get each other's answers.

use super::super::{open, open_with, quick, write};
use graven::{BuildOptions, Duplicates, HashIndex, SetBuildOptions, SetOptions, TableSet};
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Sizes of batches at which something changes inside.
const SIZES: [usize; 15] = [0, 1, 2, 15, 16, 17, 31, 63, 64, 65, 100, 127, 128, 129, 300];

/// Every entry, absent keys between them, before all of them and behind them, in an order that
/// changes the shard from key to key.
fn asked(model: &Model) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = vec![Vec::new(), vec![0xFF; 9]];
    for key in model.keys() {
        let mut absent = key.clone();
        if let Some(last) = absent.last_mut() {
            *last ^= 0x80;
        }
        keys.extend([key.clone(), absent, [key, &b"\0"[..]].concat()]);
    }
    let len = keys.len();
    (0..len).map(|i| keys[i * 7919 % len].clone()).collect()
}

fn compare(set: &TableSet, model: &Model) {
    let keys = asked(model);
    let mut reader = set.reader();
    for _ in 0..2 {
        let mut from = 0;
        for size in SIZES.into_iter().cycle() {
            let batch = &keys[from..keys.len().min(from + size)];
            let expected: Vec<_> = batch.iter().map(|key| model.get(key).map(|v| &v[..])).collect();
            assert_eq!(reader.get_many(batch).unwrap(), expected, "{size} keys from {from}");
            let mut handed = Vec::new();
            reader.get_many_with(batch, |answer| handed.push(answer)).unwrap();
            assert_eq!(handed, expected);
            let owned = set.get_many(batch).unwrap();
            assert_eq!(owned.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
            from += size;
            if from >= keys.len() {
                break;
            }
        }
        for key in &keys {
            let expected = model.get(key).map(|value| &value[..]);
            assert_eq!(reader.get(key).unwrap(), expected);
            assert_eq!(reader.contains_key(key).unwrap(), expected.is_some());
        }
        reader.release();
    }
}

fn check(name: &str, tables: BuildOptions, model: &Model) {
    let dir = tempfile::tempdir().unwrap();
    let entries: Vec<_> = model.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    let tables = tables.durable(false).duplicates(Duplicates::KeepAll);
    let most = model.len().div_ceil(5).max(1) as u64;
    for (division, options) in [
        ("range", SetBuildOptions::new().shard_entries(most)),
        ("hash", SetBuildOptions::new().hash_shards(5)),
        ("one", SetBuildOptions::new().hash_shards(1)),
    ] {
        let path = dir.path().join(format!("{name}-{division}"));
        write(&options.tables(tables.clone()), &path, &entries);
        compare(&open(&path), model);
        compare(&open_with(&SetOptions::new().max_mapped_bytes(1), &path).unwrap(), model);
    }
}

#[test]
fn keys_of_many_shards_are_answered_as_single_keys_are() {
    let of = |key: fn(u64) -> Vec<u8>, value: fn(u64) -> Vec<u8>| -> Model {
        (0..700).map(|n: u64| (key(n), value(n))).collect()
    };
    let number = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec();
    let long = |n: u64| n.to_string().into_bytes().repeat(1 + (n % 40) as usize);
    let options = BuildOptions::new;
    check("lines", options(), &of(number, number));
    check("fixed", options().hash_index(HashIndex::Always), &of(number, number));
    check("plain", options(), &of(long, long));
    check("aligned", options().value_align(8), &of(long, long));
    check("ordered", options().hash_index(HashIndex::Never), &of(long, number));
    check("empty", options(), &Model::new());
    check("empty key", options(), &Model::from([(Vec::new(), b"value".to_vec())]));
}

/// Shards whose records differ in shape can't share the stages of a batch.
#[test]
fn shards_of_several_kinds_are_answered_one_key_after_the_other() {
    let fixed = (0..300u64).map(|n| (format!("a{n:07}").into_bytes(), n.to_le_bytes().to_vec()));
    let longer = (0..300u64).map(|n| {
        let key = format!("b{n}").into_bytes().repeat(1 + n as usize % 9);
        (key, vec![n as u8; n as usize % 50])
    });
    check("several", BuildOptions::new(), &fixed.chain(longer).collect());
}

/// Shards with line indexes share the stages whatever the lengths of their keys: each asks for its own.
#[test]
fn shards_of_keys_of_several_lengths_are_asked_together() {
    let spread = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    // Five shards of 150 keys of one length.
    let entries = (0..750u64).map(|n| {
        let group = n / 150;
        let key = [&[b'a' + group as u8], &spread(n)[1..]].concat();
        let len = [8, 16, 24, 8, 16][group as usize];
        (key.iter().copied().cycle().take(len).collect(), n.to_le_bytes().to_vec())
    });
    let model: Model = entries.collect();
    check("lengths", BuildOptions::new(), &model);

    let dir = tempfile::tempdir().unwrap();
    let entries: Vec<_> = model.into_iter().collect();
    write(&quick().shard_entries(150), dir.path(), &entries);
    let set = open(dir.path());
    for shard in &set.manifest().shards {
        let table = graven::Table::load(set.path().join(&shard.file)).unwrap();
        assert!(table.stats().unwrap().line_index.is_some(), "{shard:?}");
    }
}

/// A reader keeps the answers of shards that the set has let go.
#[test]
fn answers_of_a_reader_outlive_the_shard_in_its_set() {
    let dir = tempfile::tempdir().unwrap();
    let entries = super::super::numbered(60);
    write(&quick().shard_entries(20), dir.path(), &entries);
    let set = open_with(&SetOptions::new().max_mapped_bytes(1), dir.path()).unwrap();
    let reader = set.reader();
    let first = reader.get("00000000").unwrap().unwrap();
    for (key, value) in &entries {
        assert_eq!(set.get(key).unwrap().unwrap(), value[..]);
    }
    drop(set);
    assert_eq!(first, 0u32.to_le_bytes());
    assert_eq!(reader.get("00000059").unwrap().unwrap(), 59u32.to_le_bytes());
    assert!(format!("{reader:?}").contains("kept: 2"), "{reader:?}");
}

#[test]
fn a_reader_names_the_shard_that_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(2), dir.path(), &super::super::numbered(4));
    let set = open(dir.path());
    std::fs::remove_file(set.path().join(&set.manifest().shards[1].file)).unwrap();
    let reader = set.reader();
    assert!(reader.get("00000000").unwrap().is_some());
    let error = reader.get("00000003").unwrap_err().to_string();
    assert!(error.contains("part-00001"), "{error}");
    let error = reader.get_many(&["00000000", "00000003"]).unwrap_err().to_string();
    assert!(error.contains("part-00001"), "{error}");
}
