//! Sets that were written once and committed: they must be written to the same bytes and be read for
//! ever. As the golden tables, they are frozen with version 1.0 of the format.

use super::super::common::{blessing, data};
use super::super::{open_with, quick, write};
use graven::{SetBuildOptions, SetOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Entries of which one key is repeated, one is empty, and one has no value.
fn entries() -> Vec<(Vec<u8>, Vec<u8>)> {
    let entry = |i: u32| (format!("key/{i:03}").into_bytes(), format!("value {i}").into_bytes());
    let mut entries: Vec<_> = (0..40).map(entry).collect();
    entries.push((b"key/020".to_vec(), b"another value".to_vec()));
    entries.push((vec![], b"of the empty key".to_vec()));
    entries.push((b"none".to_vec(), vec![]));
    entries
}

/// Name, options and CRC-32 of the manifest, which holds a digest of each shard.
fn sets() -> Vec<(&'static str, SetBuildOptions, u32)> {
    #[cfg_attr(not(all(feature = "fsst", feature = "zstd")), expect(unused_mut))]
    let mut sets = vec![
        ("set-ranges", quick().range_shards(3), 0x7CF2_90A2),
        ("set-hashes", quick().hash_shards(3), 0xFD55_F92D),
    ];
    #[cfg(all(feature = "fsst", feature = "zstd"))]
    sets.push((
        "set-packed",
        quick()
            .tables(super::super::tables().compress(graven::Compression::fsst()).compact_keys(true))
            .range_shards(2),
        0xA369_951E,
    ));
    sets
}

/// Names and bytes of the files in a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|file| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
    });
    files.collect()
}

#[test]
fn sets_are_written_to_the_same_bytes_and_read() {
    for (name, options, frozen) in sets() {
        let directory = tempfile::tempdir().unwrap();
        write(&options, directory.path(), &entries());
        let written = graven::Versions::new(directory.path()).current().unwrap();
        let committed = data("v1").join(name);
        if blessing() && !committed.exists() {
            fs::create_dir(&committed).unwrap();
            for (file, bytes) in files(&written) {
                fs::write(committed.join(file), bytes).unwrap();
            }
        }
        assert!(files(&written) == files(&committed), "{name} is written to other bytes");
        let crc = crc32fast::hash(&files(&committed)["MANIFEST.json"]);
        assert_eq!(crc, frozen, "{name} is frozen: see the top of tests/golden.rs");
        answers(name, &committed);
    }
}

#[expect(unsafe_code, reason = "maps a committed set")]
fn answers(name: &str, set: &Path) {
    let mut sorted = entries();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    if name == "set-packed" {
        // SAFETY: nobody changes a committed file while tests run.
        let set = unsafe { graven::PackedSet::open(set) }.unwrap();
        assert!(set.manifest().has_packed_shards());
        assert_eq!(set.iter().map(Result::unwrap).collect::<Vec<_>>(), sorted, "{name}");
        set.verify().unwrap();
    } else {
        let set = open_with(&SetOptions::new(), set).unwrap();
        assert_eq!(set.manifest().shards.len(), 3);
        let found = set.iter().map(|entry| {
            let (key, value) = entry.unwrap();
            (key.to_vec(), value.to_vec())
        });
        assert_eq!(found.collect::<Vec<_>>(), sorted, "{name}");
        for (key, _) in &sorted {
            let first = sorted.iter().find(|entry| entry.0 == *key).unwrap();
            assert_eq!(set.get(key).unwrap().as_deref(), Some(&first.1[..]), "{name}");
        }
        set.verify().unwrap();
    }
}
