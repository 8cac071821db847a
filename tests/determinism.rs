//! Guards against bytes that depend on anything but the content: the order of the input, the
//! number of threads, the memory at hand, a hash map's seed. Without it, tables can't be compared
//! by their bytes or cached by their build id, and a rebuild is not a proof.

mod common;

use common::generate::{case, entries, fixed, runs, varied};
use common::{Case, Entry, Rng, scaled};
use graven::{BuildId, BuildOptions, Duplicates, HashIndex, Table};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The same entries in another order; equal keys keep theirs.
fn permuted(entries: &[Entry], rng: &mut Rng) -> Vec<Entry> {
    let mut keys: Vec<&[u8]> = entries.iter().map(|entry| entry.0.as_slice()).collect();
    rng.shuffle(&mut keys);
    let mut values: std::collections::HashMap<&[u8], std::collections::VecDeque<&[u8]>> =
        std::collections::HashMap::new();
    for (key, value) in entries {
        values.entry(key).or_default().push_back(value);
    }
    keys.into_iter()
        .map(|key| {
            let value = values.get_mut(key).and_then(|values| values.pop_front());
            (key.to_vec(), value.unwrap().to_vec())
        })
        .collect()
}

/// Sorted by key; equal keys keep their order.
fn sorted(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

/// All ways to build a case that must give the same bytes.
fn check_all_ways(case: &Case) {
    let right = case.bytes();
    let mut rng = Rng::new(case.entries.len() as u64);
    let same = |what: &str, bytes: Vec<u8>| assert!(bytes == right, "{what} changes the bytes");
    for _ in 0..3 {
        let entries = permuted(&case.entries, &mut rng);
        same("another order", Case { entries, ..case.clone() }.bytes());
    }
    for threads in [1, 2, 4] {
        same("the number of threads", case.bytes_with(case.options().threads(threads)));
    }
    let small = case.options().memory_budget(1 << 20);
    same("a small memory budget", case.bytes_with(small.clone()));
    let entries = permuted(&case.entries, &mut rng);
    let spilled = Case { entries, ..case.clone() };
    same("order, threads and budget", spilled.bytes_with(small.threads(2)));
    let ascending = Case { entries: sorted(&case.entries), ..case.clone() };
    same("sorted(true)", ascending.bytes_with(case.options().sorted(true)));
    same("sorted input", ascending.bytes());

    let elsewhere = tempfile::tempdir().unwrap();
    let other = case.options().temp_dir(elsewhere.path()).mode(0o600).replace(false);
    same("an option that is not about content", case.bytes_with(other));
}

#[test]
fn any_small_table() {
    let config = Config { cases: scaled(250), failure_persistence: None, ..Config::default() };
    let strategy = prop_oneof![case(entries(0..120)), case(runs(60))];
    let result = TestRunner::new(config).run(&strategy, |case| {
        let refused = case.duplicates == Duplicates::Reject && case.model().repeats();
        prop_assume!(!refused);
        check_all_ways(&case);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// More than the smallest memory budget holds: many spilled runs.
#[test]
fn large_tables() {
    let longer = |entries: Vec<Entry>| {
        let longer = entries.into_iter().map(|(key, value)| {
            let value = value.repeat(4);
            (key, value)
        });
        longer.collect::<Vec<_>>()
    };
    for hash_index in [HashIndex::Auto, HashIndex::Always] {
        check_all_ways(&Case { hash_index, ..Case::of(longer(varied(60_000))) });
        check_all_ways(&Case { hash_index, ..Case::of(fixed(70_000, 12, 40)) });
    }
    // Repeated keys whose values tell the order of insertion, over many runs.
    let mut rng = Rng::new(7);
    let entries = (0..60_000u32).map(|i| {
        let key = (rng.next() % 3_000).to_string().into_bytes();
        (key, [&i.to_be_bytes()[..], &[0; 40]].concat())
    });
    let repeated: Vec<Entry> = entries.collect();
    for duplicates in [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast] {
        check_all_ways(&Case { duplicates, ..Case::of(repeated.clone()) });
    }
}

/// Entries without any byte have no place of their own in memory, and still an order.
#[test]
fn empty_entries_keep_their_order() {
    let mut entries: Vec<Entry> = (0..300u16).map(|i| (i.to_be_bytes().to_vec(), vec![])).collect();
    for i in 0..40u8 {
        entries.insert(usize::from(i) * 7, (vec![], vec![i; usize::from(i % 3)]));
    }
    for duplicates in [Duplicates::KeepAll, Duplicates::KeepFirst, Duplicates::KeepLast] {
        let case = Case { duplicates, ..Case::of(entries.clone()) };
        check_all_ways(&case);
        let table = Table::from_bytes(case.bytes()).unwrap();
        let values: Vec<_> = table.get_all(b"").map(|value| value.unwrap().to_vec()).collect();
        assert_eq!(values, case.model().map[&b""[..]]);
    }
}

/// Insertion order among equal keys is content: another order gives another table.
#[test]
fn order_among_equals_is_content() {
    let entry = |value: &str| (b"k".to_vec(), value.as_bytes().to_vec());
    let one = Case::of(vec![entry("a"), entry("b")]);
    let other = Case::of(vec![entry("b"), entry("a")]);
    assert!(one.bytes() != other.bytes());
}

fn build_id(case: &Case) -> BuildId {
    Table::from_bytes(case.bytes()).unwrap().stats().unwrap().build_id
}

/// The build id is equal exactly where the bytes are.
#[test]
fn build_id_tells_content() {
    let base = Case::of(varied(500));
    let changed = |change: &dyn Fn(&mut Case)| {
        let mut case = base.clone();
        change(&mut case);
        case
    };
    let mut seen = std::collections::BTreeMap::new();
    let different = [
        ("nothing", base.clone()),
        (
            "a value's bit",
            changed(&|case| {
                let entry = case.entries.iter_mut().find(|entry| !entry.1.is_empty()).unwrap();
                entry.1[0] ^= 1;
            }),
        ),
        ("a value's length", changed(&|case| case.entries[3].1.push(0))),
        ("a key's bit", changed(&|case| *case.entries[3].0.last_mut().unwrap() ^= 0x80)),
        ("a key's length", changed(&|case| case.entries[3].0.push(0))),
        ("an entry less", changed(&|case| drop(case.entries.pop()))),
        ("an entry more", changed(&|case| case.entries.push((b"zzz".to_vec(), vec![])))),
        (
            "two values exchanged",
            changed(&|case| {
                let value = std::mem::take(&mut case.entries[5].1);
                case.entries[5].1 = std::mem::replace(&mut case.entries[6].1, value);
            }),
        ),
        ("value_align", changed(&|case| case.value_align = 8)),
        ("no hash index", changed(&|case| case.hash_index = HashIndex::Never)),
        ("metadata", changed(&|case| case.metadata.push((b"a".to_vec(), b"b".to_vec())))),
        ("other metadata", changed(&|case| case.metadata.push((b"ab".to_vec(), vec![])))),
        ("no entries", changed(&|case| case.entries.clear())),
    ];
    for (what, case) in different {
        let bytes = case.bytes();
        let id = build_id(&case);
        for (known, (name, other)) in &seen {
            let equal: &Vec<u8> = other;
            assert_eq!(*known == id, *equal == bytes, "{name} and {what}");
        }
        assert!(seen.insert(id, (what, bytes)).is_none(), "{what} leaves the build id");
    }
    // What changes no byte changes no id.
    assert_eq!(
        build_id(&base),
        build_id(&changed(&|case| case.duplicates = Duplicates::KeepFirst))
    );
    assert_eq!(build_id(&base), build_id(&changed(&|case| case.entries.reverse())));
    let directory = tempfile::tempdir().unwrap();
    let summary = base.build(&directory.path().join("t")).unwrap();
    assert_eq!(summary.build_id, build_id(&base), "the summary tells another build id");
}

/// Types are content: the same bytes of keys and values, typed and not.
#[test]
fn types_are_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let options = BuildOptions::new().durable(false);
    let mut typed = options.create_typed::<u32, [u8; 4]>(&path).unwrap();
    let mut plain = Case::default();
    for i in 0..50u32 {
        typed.insert(&i, &[i as u8; 4]).unwrap();
        plain.entries.push((i.to_be_bytes().to_vec(), vec![i as u8; 4]));
    }
    let typed = typed.finish().unwrap();
    assert_ne!(typed.build_id, build_id(&plain));
}
