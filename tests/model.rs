//! Guards against a wrong answer: a table that any query, in any form and with any options, sees
//! otherwise than a `BTreeMap` with the same entries. Such an error is silent, since every
//! checksum is right.

mod common;

use common::generate::{LONGEST_KEY, case, entries, fixed, large_entries, runs, varied};
use common::{Case, Entry, Model, compare, each_form, run_child, scaled};
use graven::{BuildError, Duplicates, HashIndex, Table};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

const HASH_SETTINGS: [HashIndex; 3] = [HashIndex::Auto, HashIndex::Always, HashIndex::Never];

/// Builds a case and compares it with its model in every form of one process.
fn check(case: &Case) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    if let Some(model) = build(case, &path) {
        check_forms(case, &model, &path);
    }
}

/// Builds a case; `None` where repeated keys were rightly refused.
fn build(case: &Case, path: &Path) -> Option<Model> {
    let model = case.model();
    let built = case.build(path);
    if case.duplicates == Duplicates::Reject && model.repeats() {
        let Err(BuildError::DuplicateKey { key }) = built else { panic!("{built:?}") };
        assert!(model.map[&key].len() > 1);
        assert!(!path.exists());
        return None;
    }
    let summary = built.unwrap();
    assert_eq!(summary.entries, model.flat().len() as u64);
    assert_eq!(summary.keys, model.map.len() as u64);
    assert_eq!(summary.file_bytes, path.metadata().unwrap().len());
    Some(model)
}

fn check_forms(case: &Case, model: &Model, path: &Path) {
    let seed = case.entries.len() as u64;
    each_form(path, |form, table| {
        let align = if form.aligned() { case.value_align as usize } else { 1 };
        compare(table, model, align, seed ^ form as u64);
    });
}

/// Runs `count` cases of a strategy.
fn cases(name: &str, count: u32, strategy: impl Strategy<Value = Case>) {
    let count = scaled(count);
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |case| {
        check(&case);
        Ok(())
    });
    println!("{name}: {count} cases");
    if let Err(failure) = result {
        panic!("{name}: {failure}");
    }
}

#[test]
fn few_entries() {
    cases("few entries", 8_000, case(entries(0..30)));
}

#[test]
fn hundreds_of_entries() {
    cases("hundreds of entries", 1_500, case(entries(30..250)));
}

#[test]
fn thousands_of_entries() {
    cases("thousands of entries", 24, case(entries(1_000..3_000)));
}

#[test]
fn long_keys_and_values() {
    cases("long keys and values", 150, case(large_entries()));
}

/// Runs of equal keys that go on over several blocks and index nodes.
#[test]
fn repeated_keys() {
    cases("repeated keys", 300, case(runs(160)));
}

/// Sizes around the numbers at which blocks, index nodes and levels begin.
#[test]
fn grid_of_sizes() {
    let mut sizes = vec![0, 1, 2, 3];
    for block in [15, 16, 17, 23, 24, 25, 31, 32, 33, 63, 64, 65] {
        sizes.push(block);
    }
    // A node's fanout lies between 20 and 50 blocks of 16 to 32 entries.
    sizes.extend([480, 481, 575, 576, 577, 767, 768, 769, 1_536, 20_000]);
    for size in sizes {
        for hash_index in HASH_SETTINGS {
            for entries in [fixed(size, 8, 8), varied(size)] {
                check(&Case { hash_index, ..Case::of(entries) });
            }
        }
    }
}

/// Every number of blocks from one to beyond the first node, so that the last block and the last
/// node take every length.
#[test]
fn every_size_up_to_two_nodes() {
    for size in (0..400).chain((400..1_600).step_by(7)) {
        let entries = if size % 2 == 0 { varied(size) } else { fixed(size, 6, 3) };
        let hash_index = HASH_SETTINGS[size % 3];
        let case = Case { hash_index, ..Case::of(entries) };
        let table = Table::from_bytes(case.bytes()).unwrap();
        compare(&table, &case.model(), 1, size as u64);
    }
}

#[test]
fn a_hundred_thousand_entries() {
    for entries in [fixed(100_000, 16, 8), varied(100_000)] {
        for hash_index in [HashIndex::Always, HashIndex::Never] {
            check(&Case { hash_index, ..Case::of(entries.clone()) });
        }
    }
}

/// Files that end just below, at and above a multiple of 4 KiB, and records that do.
#[test]
fn page_boundaries() {
    let mut remainders = std::collections::BTreeSet::new();
    let mut check_len = |len: usize| {
        let entries = vec![(b"k".to_vec(), vec![7; len]), (b"l".to_vec(), vec![8; len % 5])];
        let case = Case::of(entries);
        let bytes = case.bytes();
        remainders.insert(bytes.len() % 4096);
        compare(&Table::from_bytes(bytes).unwrap(), &case.model(), 1, len as u64);
    };
    for page in [4096, 8192, 12_288] {
        // The header takes 384 bytes.
        (page - 384 - 24..page - 384 + 24).for_each(&mut check_len);
    }
    (0..4200).step_by(23).for_each(&mut check_len);
    let near = |distance: i64| {
        remainders.iter().any(|&r| {
            let r = r as i64;
            (if r > 2048 { r - 4096 } else { r } - distance).abs() <= 64
        })
    };
    assert!(near(-64) && near(0) && near(64), "{remainders:?}");
}

/// An entry that deviates after the layout was chosen from the sample: all is encoded again.
#[test]
fn deviation_after_the_sample() {
    let deviations: [&[(usize, usize)]; 6] = [
        &[(8, 9)],
        &[(9, 8)],
        &[(9, 9)],
        &[(8, 0), (300, 8)],
        &[(300, 8), (8, 9000)],
        &[(0, 70_000)],
    ];
    for (number, deviation) in deviations.into_iter().enumerate() {
        {
            let base = [(8, 8), (4, 0)][number % 2];
            let mut entries = fixed(16_500, base.0, base.1);
            for (i, &(key, value)) in deviation.iter().enumerate() {
                // Keys at the end of the order, so that they come after the sample.
                let mut bytes = vec![0xFF; key];
                if let Some(last) = bytes.last_mut() {
                    *last -= i as u8;
                }
                entries.push((bytes, vec![3; value]));
            }
            let value_align = [1, 8, 64][number % 3];
            let hash_index = HASH_SETTINGS[number % 3];
            check(&Case { value_align, hash_index, ..Case::of(entries) });
        }
    }
}

/// The same for entries of no bytes at all, which only repeated keys can have.
#[test]
fn deviation_after_empty_entries() {
    for deviation in [(vec![], vec![1]), (vec![1], vec![]), (vec![1; 3], vec![2; 9])] {
        let mut entries: Vec<Entry> = vec![Default::default(); 17_000];
        entries.push(deviation);
        check(&Case { value_align: 4, ..Case::of(entries) });
    }
}

/// Keys of the greatest length that differ only in their last byte.
#[test]
fn longest_keys() {
    for hash_index in HASH_SETTINGS {
        let entries = (0..60u8).map(|i| {
            let mut key = vec![0xFF; LONGEST_KEY - usize::from(i % 2)];
            *key.last_mut().unwrap() = i;
            (key, vec![i; usize::from(i)])
        });
        check(&Case { hash_index, ..Case::of(entries.collect()) });
    }
}

const CHILD: &str = "GRAVEN_TEST_MODEL_CHILD";

/// Tables that one process builds and another one opens.
#[test]
fn another_process() {
    let directory = tempfile::tempdir().unwrap();
    let strategy = prop_oneof![case(entries(0..200)), case(runs(100)), case(large_entries())];
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for number in 0..scaled(60) {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        let path = directory.path().join(format!("{number}.grv"));
        let Some(model) = build(&case, &path) else { continue };
        let flat: Vec<Entry> =
            model.flat().iter().map(|entry| (entry.0.to_vec(), entry.1.to_vec())).collect();
        std::fs::write(path.with_extension("entries"), write_entries(&flat)).unwrap();
        let pairs: Vec<Entry> = model.metadata.into_iter().collect();
        std::fs::write(path.with_extension("pairs"), write_entries(&pairs)).unwrap();
    }
    run_child("another_process_child", CHILD, directory.path());
}

/// The other process's part: opens each table and reads its model from the file beside it.
#[test]
fn another_process_child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mut seen = 0;
    for file in Path::new(&directory).read_dir().unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "grv") {
            let read =
                |extension| read_entries(&std::fs::read(path.with_extension(extension)).unwrap());
            let mut model = Model::new(&read("entries"), Duplicates::KeepAll);
            model.metadata = read("pairs").into_iter().collect();
            each_form(&path, |_, table| compare(table, &model, 1, seen));
            seen += 1;
        }
    }
    assert!(seen > 0);
}

fn write_entries(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value);
    }
    out
}

fn read_entries(mut bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some((lengths, rest)) = bytes.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *lengths;
        let key = u32::from_le_bytes([a, b, c, d]) as usize;
        let value = u32::from_le_bytes([e, f, g, h]) as usize;
        entries.push((rest[..key].to_vec(), rest[key..key + value].to_vec()));
        bytes = &rest[key + value..];
    }
    entries
}

/// Nothing is asked of the generator's settings that it does not deliver.
#[test]
fn the_generator_reaches_what_it_should() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let strategy = case(entries(0..60));
    let (mut long, mut repeated, mut empty_key, mut always) = (0, 0, 0, 0);
    for _ in 0..300 {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        let model = case.model();
        long += u32::from(case.entries.iter().filter(|entry| entry.0.len() > 208).count() > 24);
        repeated += u32::from(model.repeats());
        empty_key += u32::from(model.map.contains_key(&b""[..]));
        always += u32::from(case.hash_index == HashIndex::Always);
    }
    assert!(long > 5 && repeated > 20 && empty_key > 10 && always > 30);
}
