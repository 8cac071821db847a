//! Owned values and iterators: what they give, and what they keep alive.

use super::{Pair, both, pairs, repeated, table, text};
use graven::{
    BuildOptions, HashIndex, IntoIter, Live, OpenOptions, ReadError, ReadFailure, Section, Table,
    Value,
};
use std::collections::{HashMap, VecDeque};
use std::path::Path;

fn write(path: &Path, entries: &[(&str, &str)]) {
    let mut builder = BuildOptions::new().durable(false).create(path).expect("a builder");
    for (key, value) in entries {
        builder.insert(key.as_bytes(), value.as_bytes()).expect("an insert");
    }
    builder.finish().expect("a table");
}

#[expect(unsafe_code, reason = "maps a file of its own")]
fn mapped(path: &Path) -> Table {
    // SAFETY: nobody else knows the file.
    unsafe { Table::open(path) }.expect("a table")
}

#[expect(unsafe_code, reason = "maps a file of its own")]
fn live(path: &Path) -> Live {
    // SAFETY: nobody else knows the files at this path, and they are replaced by rename.
    unsafe { Live::open(path) }.expect("a table")
}

fn owned((key, value): (Value, Value)) -> Pair {
    (text(&key), text(&value))
}

/// The value of `key`, owned.
fn value(table: &Table, key: &str) -> Value {
    table.get_owned(key).expect("a sound table").expect("a stored key")
}

// Values

#[test]
fn values_go_anywhere() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
    check::<Value>();
    check::<Option<Value>>();
    fn moves<T: Send + Clone + std::fmt::Debug + 'static>() {}
    moves::<IntoIter>();
    assert_eq!(size_of::<Option<Value>>(), 3 * size_of::<usize>());
}

#[test]
fn an_owned_value_is_the_value() {
    for table in both(&[("", "nothing"), ("a", "1"), ("b", "")]) {
        assert_eq!(value(&table, ""), "nothing");
        assert_eq!(value(&table, "a"), "1");
        assert_eq!(value(&table, "b"), "");
        assert_eq!(table.get_owned("c").unwrap(), None);
        assert_eq!(table.get_owned(String::from("a")).unwrap().unwrap(), *b"1");
    }
    assert_eq!(table(&[]).get_owned("a").unwrap(), None);
    for table in repeated(&[("a", "1"), ("a", "2")]) {
        assert_eq!(value(&table, "a"), "1");
    }
}

/// A copy would lie elsewhere.
#[test]
fn an_owned_value_is_no_copy() {
    let table = table(&[("a", "the value")]);
    let borrowed = table.get(b"a").unwrap().unwrap();
    let owned = value(&table, "a");
    assert_eq!(owned.as_ptr_range(), borrowed.as_ptr_range());
    let moved = Box::new(owned.clone());
    drop(owned);
    assert_eq!(moved.as_ptr_range(), borrowed.as_ptr_range());
}

#[test]
fn a_value_outlives_its_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    write(&path, &[("a", "1"), ("b", "2")]);
    let (loaded, mapped) = (Table::load(&path).unwrap(), mapped(&path));
    let in_memory = Table::from_bytes(std::fs::read(&path).unwrap()).unwrap();
    for table in [loaded, mapped, in_memory] {
        let [a, b] = ["a", "b"].map(|key| value(&table, key));
        drop(table);
        assert_eq!([&a[..], &b[..]], [b"1", b"2"]);
        let clone = a.clone();
        drop(a);
        assert!(!clone.is_faulted());
        assert_eq!(clone, "1");
    }
}

#[test]
fn a_value_outlives_the_pin_and_the_handle() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    write(&path, &[("a", "old")]);
    let live = live(&path);
    let old = live.pin().get_owned("a").unwrap().unwrap();
    write(&path, &[("a", "new")]);
    live.refresh().unwrap();
    let new = live.pin().get_owned("a").unwrap().unwrap();
    drop(live);
    assert_eq!([old, new], ["old", "new"]);
}

/// The last value lets go of the mapping, and `to_vec` lets go of the value.
#[test]
#[cfg(target_os = "linux")]
fn the_mapping_lives_as_long_as_the_last_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("let-go.grv");
    write(&path, &[("a", "1")]);
    let is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.contains(path.to_str().unwrap())
    };
    let table = mapped(&path);
    let value = value(&table, "a");
    drop(table);
    let last = value.clone();
    drop(value);
    assert!(is_mapped());
    let copy = last.to_vec();
    drop(last);
    assert!(!is_mapped());
    assert_eq!(copy, b"1");
}

/// As the bytes are: maps keyed by values are asked by slices.
#[test]
#[expect(clippy::mutable_key_type, reason = "a value hashes as its bytes, which never change")]
fn values_compare_as_their_bytes() {
    let one = table(&[("a", "x"), ("b", "y")]);
    let other = table(&[("c", "x"), ("d", "\0\"\u{e9}")]);
    let (x, y) = (value(&one, "a"), value(&one, "b"));
    assert_eq!(x, value(&other, "c"));
    assert!(x < y && x != y);
    assert_eq!(x.cmp(&y), b"x".cmp(b"y"));
    assert!(x == "x" && x == *b"x" && x == b"x" && x == vec![b'x'] && x != [0u8; 0]);
    let ages = HashMap::from([(x, 1), (y, 2)]);
    assert_eq!(ages.get(&b"y"[..]), Some(&2));
    assert_eq!(ages.get(&b"z"[..]), None);
    assert_eq!(format!("{:?}", value(&other, "d")), r#"b"\x00\"\xc3\xa9""#);
}

#[test]
fn a_slice_of_any_query_becomes_a_value() {
    for table in both(&[("", "0"), ("a", "1"), ("ab", "22"), ("c", "")]) {
        let own = |slice: &[u8]| text(&table.slice_ref(slice).expect("a slice of this table"));
        let entry = |entry: Result<Option<(&[u8], &[u8])>, ReadError>| {
            let (key, value) = entry.unwrap().unwrap();
            (own(key), own(value))
        };
        assert_eq!(entry(table.first()), ("".into(), "0".into()));
        assert_eq!(entry(table.last()), ("c".into(), "".into()));
        assert_eq!(entry(table.floor(b"b")), ("ab".into(), "22".into()));
        assert_eq!(entry(table.ceil(b"aa")), ("ab".into(), "22".into()));
        assert_eq!(entry(table.nth(1)), ("a".into(), "1".into()));
        assert_eq!(entry(table.longest_prefix(b"aab")), ("a".into(), "1".into()));
        for found in table.iter() {
            let (key, value) = found.unwrap();
            assert_eq!((own(key).as_bytes(), own(value).as_bytes()), (key, value));
        }
        let all: Vec<_> = table.get_all(b"ab").map(|value| own(value.unwrap())).collect();
        assert_eq!(all, ["22"]);
        let many = table.get_many(&["ab", "x"]).unwrap();
        assert_eq!(own(many[0].unwrap()), "22");
        let mut cursor = table.cursor();
        assert!(cursor.seek_ceil(b"b").unwrap());
        assert_eq!(own(cursor.key().unwrap()), "c");
        // A part of a value will do.
        assert_eq!(own(&table.get(b"ab").unwrap().unwrap()[1..]), "2");
    }
}

#[test]
fn a_slice_of_something_else_is_refused() {
    let entries = [("a", "1"), ("b", "2")];
    let (one, other) = (table(&entries), table(&entries));
    let slice = one.get(b"a").unwrap().unwrap();
    assert!(one.slice_ref(slice).is_some());
    assert!(one.clone().slice_ref(slice).is_some());
    assert_eq!(other.slice_ref(slice), None);
    assert_eq!(one.slice_ref(b"1"), None);
    assert_eq!(one.slice_ref(&[]).unwrap(), "");

    // Neighbours in memory: the bytes right before and after a table, and those around it.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    write(&path, &entries);
    let file = std::fs::read(&path).unwrap();
    let len = file.len();
    let around: &'static [u8] = [&[7; 9], &file[..], &[7; 9]].concat().leak();
    let table = OpenOptions::new().section(9, len as u64).from_bytes(around).unwrap();
    let within = |from: usize, to: usize| table.slice_ref(&around[from..to]).is_some();
    assert!(within(9, 10) && within(9, 9 + len) && within(9 + len - 1, 9 + len));
    assert!(!within(8, 9) && !within(8, 10) && !within(9 + len, 9 + len + 1));
    assert!(!within(9 + len - 1, 9 + len + 1) && !within(0, around.len()));
}

// Iterators

/// Tables of every kind of layout: of none, one and many entries, of fixed and of varied width, with
/// values larger than a page, with repeated keys, with each index.
fn kinds() -> Vec<Table> {
    let numbered = |n: usize, len: fn(usize) -> usize| -> Vec<(String, String)> {
        (0..n).map(|i| (format!("{i:06}"), "v".repeat(len(i)))).collect()
    };
    let mut tables = vec![table(&[]), table(&[("", "")]), table(&[("a", "1")])];
    for entries in [
        numbered(500, |_| 4),
        numbered(700, |i| i % 50),
        numbered(60, |i| if i % 7 == 0 { 9_000 } else { i }),
        numbered(33, |_| 0),
    ] {
        let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        tables.extend(both(&entries));
    }
    let same = [("k", "1"), ("k", "22"), ("l", "3"), ("k", "4")].repeat(30);
    tables.extend(repeated(&same));
    tables
}

#[test]
fn owned_entries_are_the_entries() {
    for table in kinds() {
        let expected = pairs(table.iter());
        let forward = table.clone().into_iter().map(|entry| owned(entry.unwrap()));
        assert_eq!(forward.collect::<Vec<_>>(), expected);
        let backward = table.clone().into_iter().rev().map(|entry| owned(entry.unwrap()));
        assert_eq!(backward.collect::<Vec<_>>(), pairs(table.iter().rev()));

        let (mut lent, mut entries) = (Vec::new(), table.clone().into_iter());
        while let Some(entry) = entries.lend_next() {
            lent.push(super::pair(entry.unwrap()));
        }
        assert_eq!(lent, expected);
        assert!(entries.lend_next().is_none() && entries.lend_next_back().is_none());
        let (mut lent, mut entries) = (Vec::new(), table.clone().into_iter());
        while let Some(entry) = entries.lend_next_back() {
            lent.push(super::pair(entry.unwrap()));
        }
        assert_eq!(lent, pairs(table.iter().rev()));
        assert!(entries.next().is_none() && entries.next_back().is_none());

        assert_eq!(table.clone().into_iter().count(), expected.len());
        let last = table.into_iter().last().map(|entry| owned(entry.unwrap()));
        assert_eq!(last.as_ref(), expected.last());
    }
}

/// Any mix of steps and skips from both ends, against a queue.
#[test]
fn the_ends_meet() {
    for (number, table) in kinds().into_iter().enumerate() {
        let all: VecDeque<Pair> = pairs(table.iter()).into();
        for round in 0..60u64 {
            let mut random = (number as u64 * 60 + round) * 2 + 1;
            let mut next = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % below
            };
            // Long runs from one end in some rounds, close changes in others.
            let (turn, skip) = (1 + round % 30, round % 4);
            let (mut entries, mut left) = (table.clone().into_iter(), all.clone());
            let mut from_back = false;
            loop {
                assert_eq!(entries.len(), left.len());
                if next(turn) == 0 {
                    from_back = !from_back;
                }
                let n = if skip == 0 && next(5) == 0 { next(40) as usize } else { 0 };
                for _ in 0..n {
                    if from_back {
                        left.pop_back()
                    } else {
                        left.pop_front()
                    };
                }
                let expected = if from_back { left.pop_back() } else { left.pop_front() };
                let found = match (n, from_back) {
                    (0, false) => entries.next(),
                    (0, true) => entries.next_back(),
                    (n, false) => entries.nth(n),
                    (n, true) => entries.nth_back(n),
                };
                let found = found.map(|entry| owned(entry.unwrap()));
                assert_eq!(found, expected, "table {number}, round {round}");
                if found.is_none() {
                    break;
                }
            }
            assert!(entries.next().is_none() && entries.next_back().is_none());
        }
    }
}

#[test]
fn owned_ranges_and_prefixes() {
    for table in both(&[("a", "1"), ("ab", "2"), ("abc", "3"), ("b", "4"), ("c", "5")]) {
        let keys = |entries: IntoIter| {
            entries.map(|entry| owned(entry.unwrap()).0).collect::<Vec<_>>().join(" ")
        };
        let table = || table.clone();
        assert_eq!(keys(table().into_range("ab"..)), "ab abc b c");
        assert_eq!(keys(table().into_range("ab".."b")), "ab abc");
        assert_eq!(keys(table().into_range(..="ab")), "a ab");
        assert_eq!(keys(table().into_range("b".."a")), "");
        assert_eq!(keys(table().into_prefix("ab")), "ab abc");
        assert_eq!(keys(table().into_prefix("")), "a ab abc b c");
        assert_eq!(keys(table().into_prefix("x")), "");
        // The rank of this start is unknown where the hash index found it.
        let mut from = table().into_range("abc"..);
        assert_eq!(from.len(), 3);
        assert_eq!(owned(from.nth(1).unwrap().unwrap()).0, "b");
        assert_eq!(from.len(), 1);
    }
}

/// A table of 100 entries of 200 bytes whose bytes `damaged` are flipped.
fn damaged_table(damaged: &[usize]) -> Table {
    let entries: Vec<_> = (0..100).map(|i| (format!("{i:03}"), "v".repeat(190 + i % 3))).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    let mut builder = BuildOptions::new().hash_index(HashIndex::Never).create(&path).unwrap();
    for (key, value) in &entries {
        builder.insert(key.as_bytes(), value.as_bytes()).unwrap();
    }
    builder.finish().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    for &at in damaged {
        bytes[at] ^= 1;
    }
    Table::from_bytes(bytes).unwrap()
}

/// Entries as text, up to and with the first error.
fn outcome(entry: Option<Result<Pair, ReadError>>) -> Result<Option<Pair>, ReadError> {
    entry.transpose()
}

/// Every entry before the damage, the error once, and then nothing: from either end, and whichever
/// end comes upon the damage.
#[test]
fn damage_ends_an_owned_iteration_once() {
    let table = || damaged_table(&[10_000]);
    type Entries<'a> = Box<dyn Iterator<Item = Result<Pair, ReadError>> + 'a>;
    let whole = table();
    let both_ways: [(Entries, Entries); 2] = [
        (
            Box::new(whole.iter().map(|entry| entry.map(super::pair))),
            Box::new(table().into_iter().map(|entry| entry.map(owned))),
        ),
        (
            Box::new(whole.iter().rev().map(|entry| entry.map(super::pair))),
            Box::new(table().into_iter().rev().map(|entry| entry.map(owned))),
        ),
    ];
    for (borrowed, owned) in both_ways {
        let (borrowed, owned): (Vec<_>, Vec<_>) = (borrowed.collect(), owned.collect());
        assert!((5..90).contains(&borrowed.len()), "{} items", borrowed.len());
        let last = borrowed.last().map(|item| item.as_ref().map_err(ReadError::failure));
        assert!(matches!(last, Some(Err(ReadFailure::Checksum { .. }))));
        assert_eq!(owned, borrowed);
    }
    // Each end in turn: one error, and no entry twice or from behind the damage.
    let expected = pairs(damaged_table(&[]).iter());
    let (mut entries, mut errors, mut keys) = (table().into_iter(), 0, Vec::new());
    for turn in 0.. {
        let entry = if turn % 2 == 0 { entries.next() } else { entries.next_back() };
        match outcome(entry.map(|entry| entry.map(owned))) {
            Ok(Some(pair)) => {
                assert!(errors == 0 && expected.contains(&pair));
                keys.push(pair.0);
            }
            Ok(None) => break,
            Err(error) => {
                assert!(matches!(error.failure(), ReadFailure::Checksum { offset: 8192, .. }));
                errors += 1;
            }
        }
    }
    assert_eq!(errors, 1);
    assert!(entries.next().is_none() && entries.next_back().is_none());
    assert!(entries.nth(3).is_none());
    assert_eq!(entries.len(), 0);
    keys.sort();
    let found = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), found);
}

/// Damage that one end comes upon ends the iteration of the other, too.
#[test]
fn an_error_at_one_end_is_the_end_of_both() {
    let table = damaged_table(&[10_000]);
    let before = table.iter().take_while(Result::is_ok).count();
    for taken in 1..before {
        let mut entries = damaged_table(&[10_000]).into_iter();
        assert!(entries.by_ref().take(taken).all(|entry| entry.is_ok()));
        let backward: Vec<_> = entries.by_ref().rev().map(|entry| entry.map(owned)).collect();
        let (last, found) = backward.split_last().expect("the error");
        let failure = last.as_ref().map_err(ReadError::failure);
        assert!(matches!(failure, Err(ReadFailure::Checksum { .. })), "{taken} taken, {last:?}");
        assert!(found.iter().all(Result::is_ok));
        assert!(entries.next().is_none());
    }
}

/// A search that fails is the one item.
#[test]
fn a_damaged_index_is_an_error() {
    let stats = damaged_table(&[]).stats().unwrap();
    let index =
        stats.sections.iter().find(|section| section.section == Section::OrderedIndex).unwrap();
    let table = damaged_table(&[index.offset as usize]);
    assert!(table.range(&b"050"[..]..).next().is_some_and(|entry| entry.is_err()));
    let mut entries = table.into_range("050"..);
    assert_eq!(entries.len(), 1);
    assert!(entries.nth(5).is_some_and(|entry| entry.is_err()));
    assert!(entries.next().is_none());
}

// Async

/// A handler looks up, drops table and pin, and returns the bytes, which another task gets.
#[test]
fn bytes_leave_an_async_handler() {
    async fn handler(live: &Live, key: &str) -> Option<bytes::Bytes> {
        let value = live.pin().get_owned(key).expect("a sound table")?;
        tokio::task::yield_now().await;
        Some(bytes::Bytes::from_owner(value))
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.grv");
    write(&path, &[("page", "<html>")]);
    let live = live(&path);
    let address = live.pin().get(b"page").unwrap().unwrap().as_ptr().addr();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let body = runtime.block_on(async move {
        let serving = async move {
            let found = (handler(&live, "page").await, handler(&live, "nothing").await);
            drop(live);
            found
        };
        let (page, nothing) = tokio::spawn(serving).await.unwrap();
        assert_eq!(nothing, None);
        let page = page.unwrap();
        tokio::spawn(async move { page.slice(1..5) }).await.unwrap()
    });
    drop(runtime);
    assert_eq!(body, "html");
    assert_eq!(body.as_ptr().addr(), address + 1, "copied");
}

/// A task holds an owned walk across its awaits and lends from it in between.
#[test]
fn a_walk_lives_in_an_async_task() {
    let expected: Vec<String> = (0..100).map(|i| format!("{i:03}")).collect();
    let entries: Vec<_> = expected.iter().map(|key| (key.as_str(), "v")).collect();
    let mut walk = table(&entries).into_range("010"..);
    let task = async move {
        let mut keys = Vec::new();
        while let Some(entry) = walk.lend_next() {
            keys.push(text(entry.unwrap().0));
            tokio::task::yield_now().await;
        }
        keys
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let keys = runtime.block_on(async move { tokio::spawn(task).await.unwrap() });
    assert_eq!(keys, expected[10..]);
}
