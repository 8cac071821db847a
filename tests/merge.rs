//! Guards against a merge, a diff or a patch that loses an entry, takes the value of the wrong table,
//! or gives a table that differs from the one that a build of the same entries gives. Such an error
//! is silent, since every checksum of the new table is right. The expected answers come from sorted
//! lists and `BTreeMap`s.

mod common;

use common::combined::{POLICIES, differences, lists, merged, run};
use common::craft::Image;
use common::generate::{entries, hash_index, runs, varied};
use common::{Case, Entry, Rng};
use graven::{
    BuildOptions, Change, Diff, Difference, Duplicates, ErrorKind, HashIndex, Merge, MergeError,
    MergePolicy, OpenFailure, OpenOptions, Patch, Patched, PublishError, PublishOptions, Table,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::Path;

fn table(case: &Case) -> Table {
    Table::from_bytes(case.bytes()).unwrap()
}

fn plain() -> BuildOptions {
    BuildOptions::new().durable(false)
}

fn check_merge(lists: &[Vec<Entry>]) {
    let tables: Vec<Table> = lists.iter().map(|list| table(&Case::of(list.clone()))).collect();
    let directory = tempfile::tempdir().unwrap();
    for policy in POLICIES {
        let path = directory.path().join("merged");
        let merge = Merge::new(&tables).policy(policy);
        let all: Result<Vec<_>, _> = merge.clone().collect();
        let options = merge.build_options().unwrap().durable(false);
        let built = merge.build(&path, &options);
        let Some(right) = merged(lists, policy) else {
            let count = |key: &[u8], list: &Vec<Entry>| list.iter().filter(|e| e.0 == key).count();
            for error in [all.err(), built.err()] {
                let Some(MergeError::DuplicateKey { key, tables: [a, b] }) = error else {
                    panic!("{error:?}")
                };
                let least = if a == b { 2 } else { 1 };
                assert!(count(&key, &lists[a]) >= least && count(&key, &lists[b]) >= least);
            }
            assert!(!path.exists(), "a merge that failed has published a table");
            continue;
        };
        let all: Vec<Entry> = all
            .unwrap()
            .into_iter()
            .map(|(key, value)| (key.to_vec(), value.into_owned()))
            .collect();
        let differs = all.iter().zip(&right).position(|(a, b)| a != b);
        assert!(
            all == right,
            "{policy:?}: {} entries, not {}, from {differs:?} on",
            all.len(),
            right.len()
        );
        assert_eq!(built.unwrap().entries, right.len() as u64);
        assert!(std::fs::read(&path).unwrap() == Case::of(right).bytes(), "{policy:?}");
    }
}

#[test]
fn merges_of_any_tables() {
    run(200, lists(0..6, 0..40), |lists| check_merge(&lists));
    run(60, vec(runs(60), 1..4), |lists| check_merge(&lists));
}

/// Named cases: no table, empty tables, the same table twice, ranges that do not meet.
#[test]
fn merges_of_chosen_tables() {
    let entry = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let one = vec![entry("", "")];
    let low: Vec<Entry> = (0..500).map(|i| entry(&format!("a{i:04}"), "low")).collect();
    let high: Vec<Entry> = (0..500).map(|i| entry(&format!("b{i:04}"), "high")).collect();
    let long = vec![(vec![b'k'; 65_535], vec![7; 100_000])];
    check_merge(&[]);
    check_merge(&[vec![]]);
    check_merge(&[vec![], one.clone(), vec![]]);
    check_merge(&[one.clone(), one.clone()]);
    check_merge(&[low.clone(), low.clone(), high.clone()]);
    check_merge(&[high, low]);
    check_merge(&[long.clone(), one, long]);
    check_merge(&[varied(3000), varied(2999), varied(2)]);
}

/// Entries of fixed width with the keys that `key` gives, and values that tell of `table`.
fn fixed(keys: impl Iterator<Item = Vec<u8>>, table: u8) -> Vec<Entry> {
    keys.map(|key| (key, vec![table; 5])).collect()
}

/// Tables of records of fixed width, whose entries are taken in batches and stretches: runs of every
/// length around that of a batch, in turn and at random; equal keys at the start, in the middle and at
/// the end of runs; keys that the first eight bytes do not tell apart, and keys of fewer.
#[test]
fn merges_and_diffs_in_runs() {
    let mut rng = Rng::new(22);
    // Suffixes of eight bytes, so that heads are equal; keys of three bytes, of eight, of twelve.
    let forms: [fn(u32) -> Vec<u8>; 5] = [
        |n| n.to_be_bytes()[1..].to_vec(),
        |n| (u64::from(n) << 17).to_be_bytes().to_vec(),
        |n| [&b"prefix--"[..], &n.to_be_bytes()].concat(),
        |n| [&(n / 50).to_be_bytes()[..], &[7; 4], &n.to_be_bytes()].concat(),
        |n| [&[0xFF; 8][..], &n.to_be_bytes()].concat(),
    ];
    for form in forms {
        for run in [1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 1000] {
            let part = |table: u32| (0..6 * run).filter(move |n| n / run % 2 == table).map(form);
            let (even, odd) = (fixed(part(0), 0), fixed(part(1), 1));
            check_merge(&[even.clone(), odd.clone()]);
            check_diff(&Case::of(even.clone()), &Case::of(odd.clone()));
            // The last key of each run is the first one of the next, too.
            let shared = (0..6 * run).filter(|n| n % run == 0 && n / run % 2 == 0).map(form);
            let both: Vec<Entry> = odd.into_iter().chain(fixed(shared, 1)).collect();
            check_merge(&[even.clone(), both.clone()]);
            check_merge(&[both.clone(), even.clone()]);
            check_diff(&Case::of(both.clone()), &Case::of(even.clone()));
            check_diff(&Case::of(even), &Case::of(both));
        }
        // One entry among many, and tables of one entry.
        let many = fixed((0..3000).map(form), 0);
        let few = |step: usize| fixed((0..3000).step_by(step).map(form), 1);
        for step in [7, 100, 4000] {
            check_merge(&[many.clone(), few(step)]);
            check_merge(&[few(step), many.clone()]);
            check_diff(&Case::of(many.clone()), &Case::of(few(step)));
        }
        for tables in [1, 2, 3, 5, 8, 64] {
            let mut lists = vec![Vec::new(); tables];
            let mut row = 1;
            for n in 0..4000 {
                // Rows of one table, some of them long; some keys in two tables.
                row = if rng.below(40) == 0 { [1, 20, 40][rng.below(3)] } else { row };
                let table = if n % row == 0 { rng.below(tables) } else { n as usize / 40 % tables };
                lists[table].push((form(n), vec![table as u8; 5]));
                let other = tables - 1 - table;
                if other != table && rng.below(30) == 0 {
                    lists[other].push((form(n), vec![200; 5]));
                }
            }
            check_merge(&lists);
            lists.push(Vec::new());
            lists[0].clear();
            check_merge(&lists);
        }
    }
}

/// Tables of fixed width beside tables of another width, with repeated keys, with keys of every
/// length.
#[test]
fn merges_of_tables_of_different_widths() {
    let key = |n: u32| n.to_be_bytes().to_vec();
    let five = fixed((0..1000).map(key), 0);
    let long = |list: &[Entry]| {
        let entry = |(key, _): &Entry| ([key, &b"longer"[..]].concat(), vec![1; 5]);
        list.iter().map(entry).collect::<Vec<_>>()
    };
    let wide: Vec<Entry> = (0..1000).map(|n| (key(2 * n), vec![2; 9])).collect();
    let repeated: Vec<Entry> = (0..1000).map(|n| (key(n / 30 * 11), vec![3; 5])).collect();
    let empty = vec![(vec![], vec![])];
    for other in [long(&five), wide, repeated, varied(2000), empty.clone(), vec![]] {
        check_merge(&[five.clone(), other.clone()]);
        check_merge(&[other.clone(), five.clone(), empty.clone()]);
        check_diff(&Case::of(five.clone()), &Case::of(other.clone()));
        check_diff(&Case::of(other), &Case::of(five.clone()));
    }
}

/// Whoever takes entries one by one, and the rest at once, gets what a loop gets.
#[test]
fn folds_go_on_where_steps_end() {
    let key = |n: u32| (u64::from(n) << 40).to_be_bytes().to_vec();
    let mut rng = Rng::new(7);
    let mut lists = [Vec::new(), Vec::new()];
    for n in 0..600 {
        let table = if n < 300 { rng.below(2) } else { n as usize / 60 % 2 };
        lists[table].push((key(n), vec![table as u8; 4]));
    }
    let tables = lists.clone().map(|list| table(&Case::of(list)));
    let all = merged(&lists, MergePolicy::Reject).unwrap();
    for steps in (0..90).chain([250, 333, 599, 600]) {
        let (mut merge, mut diff) = (Merge::new(&tables), Diff::new(&tables[0], &tables[1]));
        let mut found: Vec<Entry> = Vec::new();
        let mut take = |entry: Result<(&[u8], std::borrow::Cow<'_, [u8]>), MergeError>| {
            let (key, value) = entry.unwrap();
            found.push((key.to_vec(), value.to_vec()));
        };
        merge.by_ref().take(steps).for_each(&mut take);
        merge.for_each(&mut take);
        assert_eq!(found, all, "{steps}");
        let mut differences: Vec<Entry> = Vec::new();
        let mut take = |difference: Result<Difference<'_>, MergeError>| match difference.unwrap() {
            Difference::Added { key, value } => {
                assert_eq!(value, [1; 4]);
                differences.push((key.to_vec(), value.to_vec()));
            }
            Difference::Removed { key, value } => {
                assert_eq!(value, [0; 4]);
                differences.push((key.to_vec(), value.to_vec()));
            }
            changed => panic!("{changed:?}"),
        };
        diff.by_ref().take(steps).for_each(&mut take);
        diff.for_each(&mut take);
        assert_eq!(differences, all, "{steps}");
    }
}

/// The types, the alignment and the metadata of a merged table.
#[test]
fn a_merged_table_is_built_like_its_tables() {
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let case = |metadata: Vec<Entry>, value_align| Case {
        metadata,
        value_align,
        ..Case::of(vec![pair("k", "v")])
    };
    let a = table(&case(vec![pair("source", "a"), pair("only a", "1")], 4));
    let b = table(&case(vec![pair("source", "b")], 16));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    for (policy, source) in [(MergePolicy::KeepFirst, &b"a"[..]), (MergePolicy::KeepLast, b"b")] {
        let merge = Merge::new([&a, &b]).policy(policy);
        let options = merge.build_options().unwrap();
        merge.build(&path, &options.durable(false)).unwrap();
        let merged = Table::load(&path).unwrap();
        let metadata = merged.metadata().unwrap();
        assert_eq!(metadata.get(b"source"), Some(source), "{policy:?}");
        assert_eq!(metadata.get(b"only a"), Some(&b"1"[..]));
        assert_eq!(merged.stats().unwrap().value_align, 16);
    }

    let typed = |name, values: [(u32, u64); 2]| {
        let path = directory.path().join(name);
        let mut builder = plain().create_typed::<u32, u64>(&path).unwrap();
        values.iter().for_each(|(key, value)| builder.insert(key, value).unwrap());
        builder.finish().unwrap();
        Table::load(&path).unwrap()
    };
    let tables = [typed("x", [(7, 70), (500, 5)]), typed("y", [(8, 80), (1 << 20, 2)])];
    let merge = Merge::new(&tables);
    let options = merge.build_options().unwrap();
    merge.build(&path, &options.durable(false)).unwrap();
    let merged = Table::load(&path).unwrap().typed::<u32, u64>().unwrap();
    assert_eq!(merged.get(&8).unwrap(), Some(&80));
    let keys: Vec<u32> = merged.iter().map(|entry| entry.unwrap().0).collect();
    assert_eq!(keys, [7, 8, 500, 1 << 20]);
    let mixed = Merge::new([&tables[0], &a]).build_options();
    assert!(matches!(mixed, Err(MergeError::TypeMismatch { table: 1 })), "{mixed:?}");
    // Types of one tag and one size: only their texts differ.
    plain().build_typed(directory.path().join("pair"), [(1_u32, [1_u16, 2])]).unwrap();
    plain().build_typed(directory.path().join("one"), [(1_u32, [1_u32])]).unwrap();
    let tables = ["pair", "one"].map(|name| Table::load(directory.path().join(name)).unwrap());
    let mixed = Merge::new(&tables).build_options();
    assert!(matches!(mixed, Err(MergeError::TypeMismatch { table: 1 })), "{mixed:?}");
}

/// An error names the file at fault once, with its causes, and stays whole as an `io::Error`.
#[test]
fn errors_name_files_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zebra");
    let mut bytes = Case::of(varied(100)).bytes();
    let good = Table::from_bytes(bytes.clone()).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let no_patch = Patch::new(Table::load(&path).unwrap()).unwrap_err();
    let taken = Merge::new([&good]).build(&path, &plain().replace(false)).unwrap_err();
    bytes[500] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let damaged = Table::load(&path).unwrap();
    let read = Diff::new(&damaged, &good).find_map(Result::err).unwrap();
    let kinds = [ErrorKind::Data, ErrorKind::Io, ErrorKind::Data];
    let io_kinds =
        [io::ErrorKind::InvalidData, io::ErrorKind::AlreadyExists, io::ErrorKind::InvalidData];
    for ((error, kind), io_kind) in [no_patch, taken, read].into_iter().zip(kinds).zip(io_kinds) {
        let text = error.to_string();
        assert_eq!(text.matches(path.to_str().unwrap()).count(), 1, "{text}");
        assert!(text.starts_with(path.to_str().unwrap()), "{text}");
        assert!(error.source().is_none() && !text.ends_with('.'), "{text}");
        assert_eq!((error.path(), error.kind()), (Some(&*path), kind), "{text}");
        let error = io::Error::from(error);
        assert_eq!((error.kind(), error.to_string()), (io_kind, text));
        assert!(error.get_ref().unwrap().is::<MergeError>());
    }
    // A table in memory has its number.
    bytes[500] ^= 3;
    let damaged = Table::from_bytes(bytes).unwrap();
    let error = Diff::new(&good, &damaged).find_map(Result::err).unwrap();
    assert!(error.to_string().starts_with("table 1: page at offset 0 is damaged"), "{error}");
    assert_eq!(error.path(), None);
}

/// An error names the damaged table, and nothing is published.
#[test]
fn a_damaged_table_is_named() {
    let good = table(&Case::of(varied(2000)));
    let mut bytes = Case::of(varied(1999)).bytes();
    bytes[20_000] ^= 1;
    let bad = Table::from_bytes(bytes).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    for policy in POLICIES {
        let merge = Merge::new([&good, &bad]).policy(policy);
        let mut read = merge.clone();
        let error = read.by_ref().find_map(Result::err);
        assert!(read.next().is_none());
        if policy != MergePolicy::Reject {
            assert!(matches!(error, Some(MergeError::Read { table: 1, .. })), "{error:?}");
        }
        assert!(merge.build(&path, &plain()).is_err() && !path.exists());
    }
    let error = Diff::new(&bad, &good).find_map(Result::err);
    assert!(matches!(error, Some(MergeError::Read { table: 0, .. })), "{error:?}");
    let error = Patch::create(&good, &bad, &path, &plain()).unwrap_err();
    assert!(matches!(error, MergeError::Read { table: 1, .. }), "{error:?}");
    assert!(!path.exists());
}

fn check_diff(old: &Case, new: &Case) {
    let (models, tables) = ((old.model(), new.model()), (table(old), table(new)));
    let right = differences(&models.0, &models.1);
    let found: Vec<_> = Diff::new(&tables.0, &tables.1).map(Result::unwrap).collect();
    assert_eq!(found, right);
    check_patch(old, std::slice::from_ref(new));
}

/// Patches from a table to the next, applied to the first one step by step and at once.
fn check_patch(base: &Case, others: &[Case]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("patch");
    let (base, others) = (table(base), others.iter().map(table).collect::<Vec<_>>());
    let mut patches = Vec::new();
    for (old, new) in [&base].into_iter().chain(&others).zip(&others) {
        Patch::create(old, new, &path, &plain()).unwrap();
        let options = OpenOptions::new().allow_patch(true);
        let patch = Patch::new(options.load(&path).unwrap()).unwrap();
        assert_eq!((patch.base(), patch.result()), (old.build_id(), new.build_id()));
        patch.table().verify().unwrap();
        patches.push(patch);
    }
    for (number, new) in others.iter().enumerate() {
        let patched = Patched::new(&base, &patches[..=number]).unwrap();
        let found: Result<Vec<_>, _> = patched.clone().collect();
        let right: Result<Vec<_>, _> = new.iter().collect();
        assert_eq!(found.unwrap(), right.unwrap());
        let out = directory.path().join("new");
        let summary = patched.build(&out, &plain().metadata("not", "taken")).unwrap();
        assert_eq!(summary.build_id, new.build_id());
        let loaded = Table::load(&out).unwrap();
        assert_eq!(loaded.stats().unwrap().file_bytes, new.stats().unwrap().file_bytes);
    }
}

/// Cases of two tables that share keys, with options of their own.
fn options(entries: Vec<Vec<Entry>>) -> impl Strategy<Value = Vec<Case>> {
    let metadata = prop_oneof![Just(vec![]), Just(vec![(b"m".to_vec(), b"1".to_vec())])];
    let form = (hash_index(), select(&[1u32, 1, 8, 64][..]), metadata);
    let count = entries.len();
    (Just(entries), vec(form, count)).prop_map(|(entries, forms)| {
        let cases = entries.into_iter().zip(forms);
        cases
            .map(|(entries, (hash_index, value_align, metadata))| Case {
                entries,
                duplicates: Duplicates::KeepAll,
                hash_index,
                value_align,
                metadata,
            })
            .collect()
    })
}

#[test]
fn diffs_of_any_tables() {
    run(300, lists(2..3, 0..60).prop_flat_map(options), |cases| check_diff(&cases[0], &cases[1]));
    run(40, vec(runs(60), 2).prop_flat_map(options), |cases| check_diff(&cases[0], &cases[1]));
}

/// Nearly equal tables, whose equal stretches are passed without a look: with differences at the
/// start, at the end, in a row, in entries of the same length and of another one.
#[test]
fn diffs_of_nearly_equal_tables() {
    let edited = |mut entries: Vec<Entry>, edits: usize, seed| {
        let mut rng = Rng::new(seed);
        for _ in 0..edits {
            let at = rng.below(entries.len());
            match rng.below(4) {
                0 => drop(entries.remove(at)),
                1 => entries[at].1.push(1),
                2 => entries[at].1.iter_mut().for_each(|byte| *byte ^= 1),
                _ => {
                    let mut entry = entries[at].clone();
                    entry.0.push(b'x');
                    entries.push(entry);
                }
            }
        }
        entries
    };
    let fixed = |n: u32| {
        let entry = |i: u32| (i.wrapping_mul(77_777).to_be_bytes().to_vec(), vec![i as u8; 12]);
        (0..n).map(entry).collect::<Vec<_>>()
    };
    for align in [1, 8] {
        for edits in [0, 1, 2, 5, 50] {
            let case = |entries| Case { value_align: align, ..Case::of(entries) };
            let old = case(varied(4000));
            check_diff(&old, &case(edited(old.entries.clone(), edits, edits as u64)));
            check_diff(&case(edited(old.entries.clone(), edits, 99)), &old);
            let old = case(fixed(5000));
            let mut new = old.clone();
            new.entries.truncate(5000 - edits);
            new.entries.iter_mut().take(edits).for_each(|entry| entry.1[11] ^= 1);
            check_diff(&old, &new);
            check_diff(&new, &old);
            // Differences far from each other, with equal stretches between them.
            let mut new = old.clone();
            let spread = new.entries.iter_mut().step_by(5000 / (edits + 1) + 1);
            spread.for_each(|entry| entry.1[0] ^= 1);
            check_diff(&old, &new);
        }
    }
    // Repeated keys, where a run of equal keys is passed up to its middle.
    let repeated = |values: &[u8]| {
        let entries =
            (0..40u8).flat_map(|key| values.iter().map(move |v| (vec![key], vec![*v; 9])));
        Case::of(entries.collect())
    };
    let values: Vec<u8> = (0..100).collect();
    let mut others = values.clone();
    others[50] = 200;
    others.truncate(90);
    check_diff(&repeated(&values), &repeated(&others));
    check_diff(&repeated(&others), &repeated(&values));
    check_diff(&Case::default(), &repeated(&others));
    check_diff(&repeated(&others), &Case::default());
    // A value longer than what goes to a patch in one piece.
    let long = |byte| Case::of(vec![(b"long".to_vec(), vec![byte; 300_000])]);
    check_diff(&long(1), &long(2));
}

#[test]
fn patches_in_a_chain() {
    run(80, lists(2..5, 0..60).prop_flat_map(options), |cases| {
        check_patch(&cases[0], &cases[1..]);
    });
    run(20, (entries(100..200), vec(runs(40), 1..3)), |(first, others)| {
        let others: Vec<Case> = others.into_iter().map(Case::of).collect();
        check_patch(&Case::of(first), &others);
    });
}

/// A patch of a typed table gives a typed table.
#[test]
fn patches_of_typed_tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let build = |name: &str, entries: &[(i32, f64)]| {
        let mut builder = plain().create_typed::<i32, f64>(path(name)).unwrap();
        entries.iter().for_each(|(key, value)| builder.insert(key, value).unwrap());
        builder.finish().unwrap();
        Table::load(path(name)).unwrap()
    };
    let old = build("old", &[(-3, 0.5), (1, 1.0)]);
    let new = build("new", &[(-3, 0.5), (1, 2.0), (9, 9.0)]);
    Patch::create(&old, &new, path("patch"), &plain()).unwrap();
    let patch = OpenOptions::new().allow_patch(true).load(path("patch")).unwrap();
    let patch = Patch::new(patch).unwrap();
    let changes: Vec<_> = patch.changes().map(Result::unwrap).collect();
    assert_eq!(changes.len(), 2);
    assert!(matches!(changes[1].1, Change::Put(value) if value.len() == size_of::<f64>()));
    Patched::new(&old, [&patch]).unwrap().build(path("copy"), &plain()).unwrap();
    assert!(std::fs::read(path("copy")).unwrap() == std::fs::read(path("new")).unwrap());
}

/// Who does not ask for a patch does not get one, and a patch applies to its base alone.
#[test]
fn patches_are_refused_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("patch");
    let case = |value: &[u8]| Case::of(vec![(b"k".to_vec(), value.to_vec())]);
    let [a, b, c] = [b"1", b"2", b"3"].map(|value| table(&case(value)));
    Patch::create(&a, &b, &path, &plain()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for opened in
        [Table::load(&path), Table::from_bytes(bytes.clone()), Table::from_reader(&*bytes)]
    {
        let error = opened.unwrap_err();
        assert!(matches!(error.failure(), OpenFailure::IsPatch), "{error:?}");
        assert!(error.failure().to_string().starts_with("is a patch"), "{error}");
    }
    let error = publish(&path, &directory.path().join("published"));
    assert!(
        matches!(error, PublishError::Source { source: OpenFailure::IsPatch, .. }),
        "{error:?}"
    );
    let open = |bytes: Vec<u8>| OpenOptions::new().allow_patch(true).from_bytes(bytes).unwrap();
    let patch = Patch::new(open(bytes.clone())).unwrap();
    let error = Patched::new(&c, [&patch]).err().unwrap();
    let MergeError::OtherBase { patch: 0, expected, got } = error else { panic!("{error:?}") };
    assert_eq!((expected, got), (a.build_id(), c.build_id()));
    let error = Patched::new(&a, [&patch, &patch]).err().unwrap();
    assert!(matches!(error, MergeError::OtherBase { patch: 1, .. }), "{error:?}");
    assert!(matches!(Patch::new(a.clone()), Err(MergeError::NotAPatch { path: None })));

    // The same entries, but built otherwise: nothing is published.
    let mut image = Image::new(bytes);
    let (at, _) = image.section(9);
    image.put8(at + 32, 3);
    image.seal();
    let other = Patch::new(open(image.bytes)).unwrap();
    let out = directory.path().join("out");
    let error = Patched::new(&a, [&other]).unwrap().build(&out, &plain()).unwrap_err();
    assert!(matches!(error, MergeError::OtherResult { .. }), "{error:?}");
    assert!(!out.exists());
}

/// Patches with right checksums that make no sense.
#[test]
fn bad_patches_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("patch");
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let old = table(&Case::of(vec![entry(b"gone", b"1"), entry(b"k", b"old")]));
    let new = Case::of(vec![entry(b"k", b"first"), entry(b"k", b"other")]);
    Patch::create(&old, &table(&new), &path, &plain()).unwrap();
    let image = || Image::new(std::fs::read(&path).unwrap());
    let open = |image: Image| OpenOptions::new().allow_patch(true).from_bytes(image.bytes).unwrap();
    let first = image().find(b"\x01first", 0);
    let gone = image().find(b"gone\x00", 0) + 4;
    // Neither put nor delete; deleted with a value; put after deletes and among values.
    for (at, byte, key) in [(first, 2, "k"), (first, 0, "k"), (gone, 3, "gone")] {
        let mut image = image();
        image.put8(at, byte);
        image.seal();
        let patch = Patch::new(open(image)).unwrap();
        let error = Patched::new(&old, [&patch]).unwrap().find_map(Result::err).unwrap();
        let MergeError::BadPatch { patch: 0, key: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!(found, key.as_bytes());
        assert!(patch.changes().any(|change| change.is_err()));
        let out = directory.path().join("out");
        let built = Patched::new(&old, [&patch]).unwrap().build(&out, &plain());
        assert!(built.is_err() && !out.exists());
    }
    let (section, _) = image().section(9);
    for (offset, byte) in [(32, 7), (33, 3), (37, 1), (39, 1)] {
        let mut image = image();
        image.put8(section + offset, byte);
        image.seal();
        let error = Patch::new(open(image)).unwrap_err();
        assert!(matches!(error, MergeError::Read { .. }), "byte {offset}: {error:?}");
    }
    // A deleted key that has a value as well.
    let twice = Case::of(vec![entry(b"k", b""), entry(b"k", b"")]);
    Patch::create(&old, &table(&twice), &path, &plain()).unwrap();
    let mut image = image();
    let at = image.find(b"k\x01", image.records());
    for at in [at + 1, image.find(b"k\x01", at + 1) + 1] {
        let before = image.bytes[at];
        image.put8(at, 0);
        image.seal();
        let patch = Patch::new(open(Image::new(image.bytes.clone()))).unwrap();
        let error = Patched::new(&old, [&patch]).unwrap().find_map(Result::err);
        assert!(matches!(error, Some(MergeError::BadPatch { .. })), "{error:?}");
        image.put8(at, before);
    }
}

fn publish(source: &Path, target: &Path) -> PublishError {
    PublishOptions::new().publish(source, target).unwrap_err()
}

/// The options of a table give the same table again.
#[test]
fn build_options_give_the_same_bytes() {
    let cases = [entries(0..300).boxed(), runs(30).boxed()];
    for strategy in cases {
        run(100, vec(strategy, 1).prop_flat_map(options), |cases| {
            let bytes = cases[0].bytes();
            let table = Table::from_bytes(bytes.clone()).unwrap();
            let options = table.build_options().unwrap().durable(false);
            let copy = Case::of(cases[0].entries.clone());
            assert!(copy.bytes_with(options) == bytes);
        });
    }
    // Keys that a line index suits, and keys for which the writer tries one in vain.
    let even = common::generate::fixed(3000, 8, 4);
    let uneven = (0..3000u32).map(|i| ((i * i % 65_521).to_be_bytes().to_vec(), vec![1, 2, 3]));
    for entries in [even, uneven.collect::<BTreeMap<_, _>>().into_iter().collect()] {
        for hash_index in [HashIndex::Auto, HashIndex::Always, HashIndex::Never] {
            let bytes = Case { hash_index, ..Case::of(entries.clone()) }.bytes();
            let options = Table::from_bytes(bytes.clone()).unwrap().build_options().unwrap();
            assert!(Case::of(entries.clone()).bytes_with(options.durable(false)) == bytes);
        }
    }
}
