//! A full disk: found before the old table is at risk, said as such, and nothing left behind.
//! Guards against a half-written table under the final name, and against "input/output error"
//! for a full disk. Mounts a small tmpfs, which only root may; skips with a message otherwise.

#![cfg(target_os = "linux")]

mod common;

use common::{SmallDisk, names};
use graven::{BuildError, BuildOptions, Builder, Duplicates, ErrorKind, Table};

/// Three megabytes in, two megabytes of disk.
fn overfill(mut builder: Builder) -> BuildError {
    for i in 0..3_000u32 {
        if let Err(error) = builder.insert(i.to_be_bytes(), [7; 1 << 10]) {
            return error;
        }
    }
    builder.finish().expect_err("there is no room")
}

#[test]
fn a_full_disk_leaves_the_old_table() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("t.grv");
    let mut builder = Builder::create(&path).expect("the first table");
    builder.insert(b"old", b"table").expect("an entry");
    builder.finish().expect("the first table");

    // Unsorted: known before a byte is written. Sorted: when the disk is full.
    for (sorted, early) in [(false, true), (true, false)] {
        let spill = tempfile::tempdir().expect("a temporary directory");
        let options = BuildOptions::new().sorted(sorted).temp_dir(spill.path());
        let error = overfill(options.create(&path).expect("the second table"));
        assert!(matches!(error, BuildError::OutOfSpace { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(error.to_string().contains("bytes are needed"), early, "{error}");
        assert!(error.to_string().contains("free space"), "{error}");
        let mut names = names(disk.path());
        names.sort();
        assert_eq!(names, ["t.grv"]);
        let table = Table::load(&path).expect("the old table");
        assert_eq!(table.get(b"old").expect("an answer"), Some(&b"table"[..]));
    }
    // How much will come is known: nothing is begun.
    let options = BuildOptions::new().expected_bytes(3 << 20);
    let error = options.create(&path).map(drop).expect_err("there is no room");
    assert!(matches!(error, BuildError::OutOfSpace { .. }), "{error:?}");
    assert!(error.to_string().contains("3145728 bytes are needed"), "{error}");
    let dropping = options.duplicates(Duplicates::KeepLast).create(&path);
    dropping.map(drop).expect("what comes may be less");
    assert_eq!(names(disk.path()).len(), 1);
}
