//! How keys, values and ranges are written: whatever has bytes, without a slice cast.

use super::{both, found, keys, pairs, table, text};
use graven::{BuildError, BuildOptions, Builder, HashIndex, KeyRange, ReadError, Table};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};

const LETTERS: [(&str, &str); 5] = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")];

/// A path in a directory of its own.
fn scratch() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    (directory, path)
}

#[test]
fn entries_are_strings_byte_strings_vectors_and_arrays() {
    let (_directory, path) = scratch();
    let string = String::from("string");
    let mut builder = Builder::create(&path).expect("a builder");
    builder.insert("a", "1").expect("an insert");
    builder.insert(&string, b"2").expect("an insert");
    builder.insert(b"bytes", vec![3]).expect("an insert");
    builder.insert(string + " owned", String::from("4")).expect("an insert");
    builder.insert(7u32.to_be_bytes(), [5u8; 2]).expect("an insert");
    builder.insert_from("reader", &b"6"[..]).expect("an insert");
    builder.finish().expect("a table");
    let table = Table::load(&path).expect("a table");
    let right = [
        (&b"\0\0\0\x07"[..], &b"\x05\x05"[..]),
        (b"a", b"1"),
        (b"bytes", b"\x03"),
        (b"reader", b"6"),
        (b"string", b"2"),
        (b"string owned", b"4"),
    ];
    assert_eq!(table.iter().collect::<Result<Vec<_>, _>>().expect("sound"), right);
}

/// Every query with a key, for one way to write it.
fn ask<K: AsRef<[u8]> + Copy>(table: &Table, b: K) {
    let entry = Some(("b".to_owned(), "2".to_owned()));
    assert_eq!(table.get(b), Ok(Some(&b"2"[..])));
    assert_eq!(table.contains_key(b), Ok(true));
    assert_eq!(table.get_all(b).collect::<Vec<_>>(), [Ok(&b"2"[..])]);
    assert_eq!(table.get_many(&[b]), Ok(vec![Some(&b"2"[..])]));
    assert_eq!(table.count_of(b), Ok(1));
    assert_eq!(table.rank(b), Ok(1));
    assert_eq!(found(table.floor(b)), entry);
    assert_eq!(found(table.ceil(b)), entry);
    assert_eq!(found(table.longest_prefix(b)), entry);
    assert_eq!(keys(table.prefixes_of(b)), "b");
    assert_eq!(keys(table.prefix(b)), "b");
    let mut cursor = table.cursor();
    assert_eq!(cursor.seek_ceil(b), Ok(true));
    assert_eq!(cursor.key(), Some(&b"b"[..]));
    cursor.seek_last().expect("sound");
    assert_eq!(cursor.seek_floor(b), Ok(true));
    assert_eq!(cursor.key(), Some(&b"b"[..]));
}

#[test]
fn every_query_takes_a_key_in_every_form() {
    for table in both(&LETTERS) {
        ask(&table, "b");
        ask(&table, &String::from("b"));
        ask(&table, b"b");
        ask(&table, [b'b']);
        ask(&table, &b"b"[..]);
        ask(&table, &vec![b'b']);
        ask(&table, &std::borrow::Cow::Borrowed(&b"b"[..]));
        assert_eq!(table.get(String::from("b")), Ok(Some(&b"2"[..])));
        assert_eq!(table.get(vec![b'b']), Ok(Some(&b"2"[..])));
        assert_eq!(table.get(Box::<[u8]>::from(*b"b")), Ok(Some(&b"2"[..])));
    }
}

/// `range`, its reverse and `count`, and the same for a reference.
fn is(table: &Table, range: impl KeyRange, right: &str) {
    assert_eq!(keys(table.range(&range)), right);
    let backward: String = keys(table.range(&range).rev()).chars().rev().collect();
    assert_eq!(backward, right);
    assert_eq!(table.count(&range), Ok(right.split_whitespace().count() as u64));
    assert_eq!(keys(table.range(range)), right);
}

#[test]
fn every_form_of_a_range_compiles_and_has_its_ends() {
    for table in both(&LETTERS) {
        is(&table, .., "a b c d e");
        is(&table, b"b".., "b c d e");
        is(&table, ..b"d", "a b c");
        is(&table, b"b"..b"d", "b c");
        is(&table, b"b"..=b"d", "b c d");
        is(&table, ..=b"d", "a b c d");
        is(&table, "b".., "b c d e");
        is(&table, "bb".."d", "c");
        is(&table, "b"..="c", "b c");
        is(&table, String::from("b").., "b c d e");
        is(&table, String::from("b")..String::from("c"), "b");
        let (b, d) = (vec![b'b'], String::from("d"));
        is(&table, b.clone().., "b c d e");
        is(&table, &b.., "b c d e");
        is(&table, b.as_slice().., "b c d e");
        is(&table, ..=d.as_bytes(), "a b c d");
        is(&table, &b[..]..d.as_bytes(), "b c");
        is(&table, &b"b"[..].., "b c d e");
        is(&table, [b'b']..[b'd'], "b c");
        is(&table, (Excluded("b"), Included("d")), "c d");
        is(&table, (Excluded(b"b"), Excluded(b"d")), "c");
        is(&table, (Included(vec![b'b']), Unbounded), "b c d e");
        is(&table, (Unbounded, Excluded(&b)), "a");
        is(&table, &("b".."d"), "b c");
    }
}

#[test]
fn a_range_whose_start_is_beyond_its_end_is_empty() {
    for table in both(&LETTERS) {
        is(&table, "d".."b", "");
        is(&table, "d"..="b", "");
        is(&table, "b".."b", "");
        is(&table, "f".., "");
        is(&table, (Excluded("b"), Excluded("b")), "");
        is(&table, (Excluded("e"), Unbounded), "");
    }
    for table in both(&[]) {
        is(&table, .., "");
        is(&table, "a".., "");
        is(&table, "b".."a", "");
    }
}

#[test]
fn a_type_of_ones_own_is_a_key_if_it_has_bytes() {
    #[derive(Clone, Copy)]
    struct Letter;
    impl AsRef<[u8]> for Letter {
        fn as_ref(&self) -> &[u8] {
            b"c"
        }
    }
    let table = table(&LETTERS);
    is(&table, Letter..=Letter, "c");
    is(&table, Letter..Letter, "");
    assert_eq!(table.get(Letter), Ok(Some(&b"3"[..])));
}

#[test]
fn a_for_loop_takes_a_table_and_metadata_by_reference() {
    let (_directory, path) = scratch();
    let options = BuildOptions::new().metadata("a", "1").metadata("b", "2");
    options.build(&path, LETTERS).expect("a table");
    let table = Table::load(&path).expect("a table");
    let mut all = String::new();
    for entry in &table {
        let (key, value) = entry.expect("sound");
        all += &(text(key) + &text(value));
    }
    assert_eq!(all, "a1b2c3d4e5");
    let metadata = table.metadata().expect("sound");
    let mut pairs = Vec::new();
    for pair in &metadata {
        pairs.push(pair);
    }
    assert_eq!(pairs, [(&b"a"[..], &b"1"[..]), (b"b", b"2")]);
    assert_eq!(metadata.get(String::from("b")), Some(&b"2"[..]));
    assert_eq!(metadata.iter().size_hint().1, Some(2));
}

#[test]
fn extend_takes_whatever_gives_pairs() {
    let (_directory, path) = scratch();
    let map = BTreeMap::from([(String::from("m"), vec![1]), (String::from("n"), vec![])]);
    let mut builder = Builder::create(&path).expect("a builder");
    builder.extend(LETTERS).expect("entries");
    builder.extend(&map).expect("entries");
    builder.extend(map.into_iter().map(|(k, v)| (k + "!", v))).expect("entries");
    builder.extend(std::iter::empty::<(&str, &str)>()).expect("no entries");
    builder.insert("z", "").expect("an insert");
    assert_eq!(builder.finish().expect("a table").entries, 10);
    let table = Table::load(&path).expect("a table");
    assert_eq!(keys(table.iter()), "a b c d e m m! n n! z");
}

#[test]
fn an_error_in_extend_ends_it_and_the_build() {
    let (_directory, path) = scratch();
    let asked = Cell::new(0);
    let entries = ["a", "c", "b", "d"].map(|key| (key, ""));
    let mut builder = BuildOptions::new().sorted(true).create(&path).expect("a builder");
    let error = builder.extend(entries.into_iter().inspect(|_| asked.set(asked.get() + 1)));
    assert!(matches!(error, Err(BuildError::OutOfOrder { .. })), "{error:?}");
    assert_eq!(asked.get(), 3, "nothing is taken after an error");
    let again = builder.extend([("e", "")]);
    assert!(matches!(again, Err(BuildError::Failed)), "{again:?}");
    assert!(matches!(builder.insert("e", ""), Err(BuildError::Failed)));
    assert!(matches!(builder.finish(), Err(BuildError::Failed)));
    assert!(!path.exists());

    let refused = BuildOptions::new().build(&path, [("a", "1"), ("a", "2")]);
    assert!(matches!(refused, Err(BuildError::DuplicateKey { .. })), "{refused:?}");
    assert!(!path.exists());
}

/// What an iterator has not given is missing, so nothing may be published.
#[test]
fn a_panic_of_an_iterator_ends_the_build() {
    let (_directory, path) = scratch();
    let mut builder = Builder::create(&path).expect("a builder");
    let entries = (0..3).map(|i| if i < 2 { ([i], "v") } else { panic!("the input ends") });
    let panicked = catch_unwind(AssertUnwindSafe(|| builder.extend(entries)));
    assert!(panicked.is_err());
    assert!(matches!(builder.finish(), Err(BuildError::Failed)));
    assert!(!path.exists());
}

#[test]
fn build_writes_a_table_in_one_call() {
    let (_directory, path) = scratch();
    let options = BuildOptions::new().hash_index(HashIndex::Never);
    let summary = options.build(&path, LETTERS).expect("a table");
    assert_eq!((summary.entries, summary.keys), (5, 5));
    let table = Table::load(&path).expect("a table");
    assert_eq!(pairs(table.iter()).len(), 5);
    // The options serve again, and an empty table is one.
    let summary = options.build(&path, Vec::<(String, String)>::new()).expect("a table");
    assert_eq!(summary.entries, 0);
    let empty = Table::load(&path).expect("a table");
    assert!(empty.is_empty());
    let none: Result<Vec<_>, ReadError> = (&empty).into_iter().collect();
    assert_eq!(none, Ok(vec![]));
}
