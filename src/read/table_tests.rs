//! Guards against walks that begin without the records that they read first.

use crate::{BuildOptions, Table};

#[test]
fn the_first_ten_records_of_a_walk_are_prefetched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let entries = (0..100u64).map(|key| (key.to_be_bytes(), [7u8; 92]));
    BuildOptions::new().durable(false).build(&path, entries).unwrap();
    assert_eq!(Table::load(&path).unwrap().first_walk(), 10 * 100);
}
