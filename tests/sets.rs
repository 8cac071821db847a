//! Guards against a set that answers differently than one table would: a key looked for in the
//! wrong shard, a repeated key cut in two, a walk that loses or repeats the entries where shards
//! meet; against a manifest that leads out of its directory, contradicts itself or its shards, or
//! takes memory for what it only claims; and against a set of which half is current.

#![cfg(unix)]

mod common;

mod sets {
    mod audit;
    mod build;
    #[cfg(target_os = "linux")]
    mod full_disk;
    mod golden;
    mod hostile;
    mod jobs;
    mod live;
    mod mapping;
    mod model;
    #[cfg(all(feature = "fsst", feature = "zstd"))]
    mod packed;
    mod reader;
    mod received;
    mod typed;
    mod versions;
}

use graven::{
    BuildOptions, Duplicates, PublishOptions, SetBuildOptions, SetError, SetOptions, TableSet,
};
use std::path::Path;

/// Options of tables that keep all entries and sync nothing.
fn tables() -> BuildOptions {
    BuildOptions::new().durable(false).duplicates(Duplicates::KeepAll)
}

/// Options that keep all entries and sync nothing.
fn quick() -> SetBuildOptions {
    SetBuildOptions::new().tables(tables()).publish(PublishOptions::new().durable(false))
}

fn write(options: &SetBuildOptions, path: &Path, entries: &[(Vec<u8>, Vec<u8>)]) {
    let mut builder = options.create(path).unwrap();
    for (key, value) in entries {
        builder.insert(key, value).unwrap();
    }
    assert!(builder.finish().unwrap().current);
}

#[expect(unsafe_code, reason = "tests map what they have written")]
fn open_with(options: &SetOptions, path: &Path) -> Result<TableSet, SetError> {
    // SAFETY: nobody changes the files of a set while a test has it open.
    unsafe { options.open(path) }
}

fn open(path: &Path) -> TableSet {
    open_with(&SetOptions::new(), path).unwrap()
}

/// Keys of eight digits, with their numbers as values.
fn numbered(entries: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..entries).map(|i| (format!("{i:08}").into_bytes(), i.to_le_bytes().to_vec())).collect()
}
