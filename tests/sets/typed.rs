//! Typed sets: against a map of the same entries, and with shards of other types.

#![expect(unsafe_code, reason = "tests map what they have written")]

use super::super::{open, quick, tables};
use graven::{
    BuildError, BuildOptions, Duplicates, OpenFailure, PublishError, RefreshOutcome,
    SetBuildOptions, SetError, SetOptions, TypedKey, TypedLiveSet, TypedSetValue, TypedTableSet,
    TypedValue,
};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::Path;

fn typed<K: TypedKey, V: TypedValue>(path: &Path) -> Result<TypedTableSet<K, V>, SetError> {
    // SAFETY: nobody changes the files of a set while a test has it open.
    unsafe { TypedTableSet::open(path) }
}

fn publish<K: TypedKey, V: TypedValue>(
    options: &SetBuildOptions,
    path: &Path,
    entries: impl IntoIterator<Item = (K, V)>,
) {
    let mut builder = options.create_typed::<K, V>(path).unwrap();
    builder.extend(entries).unwrap();
    assert!(builder.finish().unwrap().current);
}

graven::typed_value! {
    /// A value of 24 bytes, aligned to 8.
    #[derive(Debug, PartialEq)]
    struct Point {
        x: f64,
        y: f64,
        weight: u64,
    }
}

fn point(n: i32) -> Point {
    Point { x: f64::from(n), y: f64::from(n) / 2.0, weight: n.unsigned_abs().into() }
}

fn plain(entry: Option<(i32, TypedSetValue<Point>)>) -> Option<(i32, u64)> {
    entry.map(|(key, value)| (key, value.weight))
}

#[test]
fn a_typed_set_answers_as_a_map() {
    let dir = tempfile::tempdir().unwrap();
    let model: BTreeMap<i32, u64> = (-50..50).map(|n| (n * 3, point(n * 3).weight)).collect();
    let entries = || model.keys().map(|&n| (n, point(n)));
    for (name, options) in [("range", quick().shard_entries(7)), ("hash", quick().hash_shards(3))] {
        let path = dir.path().join(name);
        publish(&options, &path, entries());
        let set = typed::<i32, Point>(&path).unwrap();
        assert_eq!((set.len(), set.is_empty()), (100, false));
        let asked: Vec<i32> = (-160..160).collect();
        let many = set.get_many(&asked).unwrap();
        assert_eq!(many.len(), asked.len());
        for (key, many) in asked.iter().zip(&many) {
            let expected = model.contains_key(key).then(|| point(*key));
            assert_eq!(set.get(key).unwrap().as_deref(), expected.as_ref());
            assert_eq!(many.as_deref(), expected.as_ref());
            assert_eq!(set.contains_key(key).unwrap(), expected.is_some());
            let all = set.get_all(key).unwrap();
            assert_eq!(all.len(), usize::from(expected.is_some()));
            assert_eq!(set.count_of(key).unwrap(), all.len() as u64);
            let below = model.range(..key).count();
            assert_eq!(set.rank(key).unwrap(), below as u64);
            let of = |entry: Option<(&i32, &u64)>| entry.map(|(&key, &weight)| (key, weight));
            assert_eq!(plain(set.floor(key).unwrap()), of(model.range(..=key).next_back()));
            assert_eq!(plain(set.ceil(key).unwrap()), of(model.range(key..).next()));
            let range = (Bound::Excluded(*key), Bound::Included(*key + 20));
            assert_eq!(set.count(range).unwrap(), model.range(range).count() as u64);
            let walked = set.range(range).map(|item| plain(item.ok()).unwrap());
            assert!(walked.eq(model.range(range).map(|(&key, &weight)| (key, weight))));
        }
        let walked: Vec<_> = (&set).into_iter().map(|item| plain(item.ok()).unwrap()).collect();
        assert!(walked.iter().copied().eq(model.iter().map(|(&key, &weight)| (key, weight))));
        let mut reversed: Vec<_> = set.iter().rev().map(|item| plain(item.ok()).unwrap()).collect();
        reversed.reverse();
        assert_eq!(reversed, walked);
        assert_eq!(plain(set.first().unwrap()), walked.first().copied());
        assert_eq!(plain(set.last().unwrap()), walked.last().copied());
        match name {
            "range" => assert_eq!(plain(set.nth(7).unwrap()), walked.get(7).copied()),
            _ => assert!(matches!(set.nth(7), Err(SetError::Unsupported { .. }))),
        }
        assert_eq!(set.set().verify().unwrap().entries, 100);
    }
}

#[test]
fn values_outlive_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let keep = BuildOptions::new().durable(false).duplicates(Duplicates::KeepAll);
    let twice = [(1_u16, [1_u32, 2]), (1, [3, 4]), (2, [5, 6])];
    publish(&quick().tables(keep).shard_entries(1), dir.path(), twice);
    let set = typed::<u16, [u32; 2]>(dir.path()).unwrap();
    let values = set.get_all(&1).unwrap();
    let one = values[0].clone();
    drop((set, values));
    assert_eq!(*one, [1, 2]);
    assert_eq!(one, [1, 2]);
    assert_eq!(one.bytes().as_ref(), [1, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(format!("{one:?}"), "[1, 2]");
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<TypedSetValue<Point>>();
    crosses::<TypedTableSet<u8, Point>>();
    crosses::<TypedLiveSet<u8, Point>>();
}

#[test]
fn keys_without_values_and_sets_without_keys() {
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [("range", quick()), ("hash", quick().hash_shards(4))] {
        let path = dir.path().join(name);
        publish::<u64, ()>(&options, &path, []);
        let set = typed::<u64, ()>(&path).unwrap();
        assert!(set.is_empty() && set.first().unwrap().is_none() && set.get(&0).unwrap().is_none());
        publish(&options, &path, [(7_u64, ())]);
        assert_eq!(typed::<u64, ()>(&path).unwrap().get(&7).unwrap().map(|unit| *unit), Some(()));
        assert!(typed::<u64, u8>(&path).is_err());
    }
}

fn mismatch(error: &SetError) -> bool {
    let SetError::Open(open) = error else { return false };
    matches!(open.failure(), OpenFailure::TypeMismatch { .. })
}

#[test]
fn other_types_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    publish(&quick().shard_entries(2), &path("a"), [(1_u32, 1_u32), (2, 2), (3, 3), (4, 4)]);
    publish(&quick().shard_entries(2), &path("b"), [(1_u32, 1_f32), (2, 2.0), (3, 3.0), (4, 4.0)]);
    let error = typed::<u32, f32>(&path("a")).unwrap_err();
    assert!(mismatch(&error), "{error}");
    assert!(error.path().unwrap().ends_with("part-00000.grv"), "{error}");
    assert!(mismatch(&typed::<i32, u32>(&path("a")).unwrap_err()));
    let mut bytes = quick().create(path("bytes")).unwrap();
    bytes.insert([0, 0, 0, 1], [1, 0, 0, 0]).unwrap();
    bytes.finish().unwrap();
    assert!(mismatch(&typed::<u32, u32>(&path("bytes")).unwrap_err()));

    // A set of which the second shard has other types, and the same lengths.
    let [a, b] = ["a", "b"].map(|name| open(&path(name)).path().to_owned());
    let text = |directory: &Path| fs::read_to_string(directory.join("MANIFEST.json")).unwrap();
    let line =
        |text: &str| text.lines().find(|line| line.contains("part-00001")).unwrap().to_owned();
    let (of_a, of_b) = (text(&a), text(&b));
    let mixed = of_a.replace(&line(&of_a), &line(&of_b));
    fs::rename(b.join("part-00001.grv"), a.join("part-00001.grv")).unwrap();
    let put = |text: &str| {
        fs::remove_file(a.join("MANIFEST.json")).unwrap();
        fs::write(a.join("MANIFEST.json"), text).unwrap();
    };
    put(&mixed);
    let SetError::Manifest { what, .. } = typed::<u32, u32>(&a).unwrap_err() else {
        panic!("the id")
    };
    let id = of_a.split("\"id\": \"").nth(1).unwrap()[..32].to_owned();
    put(&mixed.replace(&id, what.rsplit(' ').next().unwrap()));
    assert_eq!(open(&a).iter().filter(Result::is_ok).count(), 4);
    let set = typed::<u32, u32>(&a).unwrap();
    assert_eq!(set.get(&1).unwrap().unwrap(), 1);
    for error in [
        set.get(&3).map(drop),
        set.get_many(&[1, 3]).map(drop),
        set.contains_key(&4).map(drop),
        set.get_all(&3).map(drop),
        set.last().map(drop),
        set.ceil(&3).map(drop),
        set.nth(2).map(drop),
        set.rank(&4).map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(mismatch(&error), "{error}");
        assert!(error.path().unwrap().ends_with("part-00001.grv"), "{error}");
    }
    let walked: Vec<_> = set.iter().collect();
    assert!(walked.len() == 3 && mismatch(walked[2].as_ref().unwrap_err()));
    assert!(mismatch(set.iter().next_back().unwrap().as_ref().unwrap_err()));
}

#[test]
fn a_typed_set_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    publish(&quick(), dir.path(), [(7_u32, 1.5_f64)]);
    // SAFETY: nobody changes the files of a set while this test has it open.
    let live = unsafe { TypedLiveSet::<u32, f64>::open(dir.path()) }.unwrap();
    let first = live.pin();
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    publish(&quick().hash_shards(2), dir.path(), [(7_u32, 1.5_f32)]);
    let error = live.refresh().unwrap_err();
    assert!(mismatch(&error), "{error}");
    assert_eq!(live.status().failure, Some(error.to_string()));
    assert_eq!((live.pin().generation(), *live.pin().get(&7).unwrap().unwrap()), (1, 1.5));
    publish(&quick().hash_shards(2), dir.path(), [(7_u32, 2.5_f64)]);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!((live.pin().generation(), *live.pin().get(&7).unwrap().unwrap()), (2, 2.5));
    assert_eq!(*first.get(&7).unwrap().unwrap(), 1.5);
    let options = SetOptions::new();
    // SAFETY: as above.
    let other = unsafe { TypedLiveSet::<u32, f32>::open_with(dir.path(), &options) };
    assert!(mismatch(&other.unwrap_err()));
}

#[test]
fn a_typed_builder_that_failed_publishes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ascending = quick().tables(tables().sorted(true));
    let mut builder = ascending.create_typed::<u8, u8>(dir.path()).unwrap();
    builder.insert(&2, &0).unwrap();
    assert!(matches!(builder.insert(&1, &0), Err(BuildError::OutOfOrder { .. })));
    assert!(matches!(builder.finish(), Err(PublishError::Target(BuildError::Failed))));
    let mut builder = quick().hash_shards(2).create_typed::<u8, u8>(dir.path()).unwrap();
    let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        builder.extend((0..3).map(|n| if n < 2 { (n, n) } else { panic!("no third entry") }))
    }));
    assert!(panics.is_err());
    assert!(matches!(builder.finish(), Err(PublishError::Target(BuildError::Failed))));
    assert!(!dir.path().join("CURRENT").exists());
}
