//! `TypedTable`: keys that order as numbers, values that are read in place.

use graven::{BuildOptions, OpenError, OpenFailure, Table, TypedKey, TypedTable};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A typed table of these entries, in memory.
fn typed<K, V>(entries: &[(K, V)]) -> TypedTable<K, V>
where
    K: TypedKey,
    V: FromBytes + IntoBytes + Immutable + KnownLayout + 'static,
{
    TypedTable::new(untyped(entries)).expect("the same types")
}

/// The table beneath.
fn untyped<K, V>(entries: &[(K, V)]) -> Table
where
    K: TypedKey,
    V: FromBytes + IntoBytes + Immutable + KnownLayout + 'static,
{
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let options = BuildOptions::new().durable(false);
    let mut builder = options.create_typed::<K, V>(&path).expect("a builder");
    for (key, value) in entries {
        builder.insert(key, value).expect("an insert");
    }
    builder.finish().expect("a table");
    Table::load(&path).expect("a table")
}

#[test]
fn signed_keys_stand_in_numeric_order() {
    let table = typed(&[(7_i32, 700_u64), (-5, 500), (i32::MIN, 1), (0, 2), (i32::MAX, 3)]);
    let keys: Vec<i32> = table.iter().map(|entry| entry.expect("sound").0).collect();
    assert_eq!(keys, [i32::MIN, -5, 0, 7, i32::MAX]);
    assert_eq!(table.get(&-5).expect("sound"), Some(&500));
    assert_eq!(table.get(&5).expect("sound"), None);
    assert!(table.contains_key(&i32::MAX).expect("sound"));
}

#[test]
fn a_range_of_keys_is_half_open() {
    let table = typed(&[(1_u16, 10_u32), (2, 20), (256, 30), (65_535, 40)]);
    let range = |from: u16, to: u16| -> Vec<(u16, u32)> {
        let entries = table.range(&from, &to).map(|entry| entry.expect("sound"));
        entries.map(|(key, value)| (key, *value)).collect()
    };
    assert_eq!(range(2, 65_535), [(2, 20), (256, 30)]);
    assert_eq!(range(3, 3), []);
}

#[test]
fn structs_are_read_in_place() {
    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Debug)]
    #[repr(C)]
    struct Place {
        latitude: f64,
        longitude: f64,
    }
    let bern = || Place { latitude: 46.95, longitude: 7.45 };
    let table = typed(&[(*b"BERN", bern()), (*b"OSLO", Place { latitude: 59.9, longitude: 10.7 })]);
    let found = table.get(b"BERN").expect("sound").expect("a hit");
    assert_eq!(found, &bern());
    let bytes = table.table().get(b"BERN").expect("sound").expect("a hit");
    assert_eq!(std::ptr::from_ref(found).addr(), bytes.as_ptr().addr(), "without a copy");
}

#[test]
fn another_type_is_an_error_and_not_another_number() {
    let table = untyped(&[(1_u64, 2_u32)]);
    let opened = TypedTable::<i64, u32>::new(table.clone());
    assert!(matches!(
        opened.err(),
        Some(OpenError { failure: OpenFailure::TypeMismatch { part: "key", .. }, .. })
    ));
    let opened = TypedTable::<u64, f32>::new(table);
    assert!(matches!(
        opened.err(),
        Some(OpenError { failure: OpenFailure::TypeMismatch { part: "value", .. }, .. })
    ));
}

#[test]
fn an_empty_typed_table_opens_as_its_types_alone() {
    let table = untyped::<u64, u32>(&[]);
    assert!(TypedTable::<u64, u32>::new(table.clone()).is_ok());
    assert!(TypedTable::<u32, u32>::new(table).is_err());
}
