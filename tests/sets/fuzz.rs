//! Every input of the fuzz target `manifest`'s corpus goes through its body.

#[expect(unsafe_code, reason = "maps tables that it has built")]
#[path = "../../fuzz/fuzz_targets/common/manifest.rs"]
mod body;

use super::super::{numbered, open, quick, write};
use std::fs;
use std::path::Path;

#[test]
fn the_corpus_of_manifests() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/manifest");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seed") {
            println!("{}", path.display());
            body::manifest(&fs::read(path).unwrap());
            seeds += 1;
        }
    }
    assert!(seeds >= 4, "{seeds} seeds");
}

/// What a set wrote is a seed as well: each byte of it is flipped.
#[test]
fn flipped_bytes_of_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(1), dir.path(), &numbered(2));
    let good = fs::read(open(dir.path()).path().join("MANIFEST.json")).unwrap();
    for at in 0..good.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            body::manifest(&bad);
        }
    }
}
