//! Guards against a fuzz finding that comes back: every input of the committed corpus goes
//! through the body of its target. The fuzzer itself is not needed.

#[path = "../fuzz/fuzz_targets/common/mod.rs"]
mod fuzz;
#[cfg(feature = "sets")]
#[expect(unsafe_code, reason = "maps tables that it has built")]
#[path = "../fuzz/fuzz_targets/common/manifest.rs"]
mod fuzz_sets;

use std::fs;
use std::path::Path;

/// Some seeds must get past the parser: the fuzzer begins with them.
fn replay(target: &str, body: fn(&[u8]) -> bool) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let seeds =
        fs::read_dir(&corpus).expect("a corpus").map(|entry| entry.expect("an entry").path());
    let seeds: Vec<_> =
        seeds.filter(|path| path.extension().is_some_and(|e| e == "seed")).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", corpus.display());
    let mut past = 0;
    for seed in &seeds {
        println!("{}", seed.display());
        past += usize::from(body(&fs::read(seed).expect("a seed")));
    }
    assert!(past > 0, "none of {} seeds of {target}", seeds.len());
}

#[test]
fn open() {
    replay("open", fuzz::open);
}

#[test]
fn lookup() {
    replay("lookup", fuzz::lookup);
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn ranges() {
    replay("ranges", fuzz::ranges);
}

#[test]
fn patch() {
    replay("patch", fuzz::patch);
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn packed() {
    replay("packed", fuzz::packed);
}

#[test]
fn build_then_read() {
    replay("build_then_read", fuzz::build_then_read);
}

#[cfg(feature = "sets")]
#[test]
fn manifest() {
    replay("manifest", fuzz_sets::manifest);
}

/// The mutator of the target knows the manifest: it gives back what was changed of one that opens.
#[cfg(feature = "sets")]
#[test]
fn a_manifest_is_repaired() {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/manifest/range.seed");
    let good = fs::read_to_string(seed).expect("a seed");
    let id = good.split('"').nth(9).expect("the id");
    for wrong in ["", "1", "f142", "00000000000000000000000000000000"] {
        let other = good.replacen(id, wrong, 1).replacen("\"entries\": 4", "\"entries\": 4000", 1);
        assert!(!fuzz_sets::manifest(other.as_bytes()));
        let mut text = other.into_bytes();
        fuzz_sets::repair(&mut text);
        assert_eq!(std::str::from_utf8(&text), Ok(good.as_str()));
    }
}

/// Shards are opened when they are asked: the seeds must know the tables, or no shard ever is.
#[cfg(feature = "sets")]
#[expect(unsafe_code, reason = "maps tables that it has copied")]
#[test]
fn seeds_of_sets_open_their_shards() {
    for name in ["range", "hash"] {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/manifest");
        let dir = tempfile::tempdir().expect("a directory");
        fs::copy(corpus.join(name).with_extension("seed"), dir.path().join("MANIFEST.json"))
            .expect("a seed");
        for table in ["part-00000.grv", "part-00001.grv"] {
            fs::copy(fuzz_sets::tables().join(table), dir.path().join(table)).expect("a table");
        }
        // SAFETY: nobody changes the directory.
        let set = unsafe { graven::TableSet::open(dir.path()) }.expect("a set");
        let keys: Vec<_> = set.iter().map(|entry| entry.expect("an entry").0.to_vec()).collect();
        assert_eq!(keys, [b"a", b"b", b"c", b"d"]);
    }
}

/// The mutator puts values in each other's places, and borders of numbers; names of fields stay.
#[cfg(feature = "sets")]
#[test]
fn values_of_a_manifest_are_exchanged() {
    let text = br#"{"a": 12, "b": ["x", null]}"#;
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut text = text.to_vec();
        fuzz_sets::exchange(&mut text, seed);
        seen.insert(String::from_utf8(text).expect("text"));
    }
    for made in [
        r#"{"a": "x", "b": ["x", null]}"#,
        r#"{"a": 12, "b": [12, null]}"#,
        r#"{"a": 12, "b": ["x", 18446744073709551616]}"#,
        r#"{"a": "hash", "b": ["x", null]}"#,
    ] {
        assert!(seen.contains(made), "{made} is not among {seen:?}");
    }
}

/// Most of what the mutator makes of a text, sound or not, gets past the parser.
#[cfg(feature = "sets")]
#[test]
fn other_manifests_are_mostly_sound() {
    for text in [&b""[..], b"{\"format\": \"graven-set\"}", b"\xFF"] {
        let made: Vec<_> = (0..200).map(|seed| fuzz_sets::other(text, seed * 7919)).collect();
        let sound = made.iter().filter(|text| fuzz_sets::manifest(text)).count();
        let distinct = made.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(sound > 100 && distinct > 100, "{sound} sound, {distinct} distinct");
    }
}

/// What a set wrote is a seed as well: each byte of it is flipped.
#[cfg(feature = "sets")]
#[test]
fn flipped_bytes_of_a_manifest() {
    let dir = tempfile::tempdir().expect("a directory");
    let publish = graven::PublishOptions::new().durable(false);
    let options = graven::SetBuildOptions::new().publish(publish).shard_entries(1);
    let mut builder = options.create(dir.path()).expect("a builder");
    builder.insert("00000000", "0").expect("room");
    builder.insert("00000001", "1").expect("room");
    builder.finish().expect("a set");
    let good = fs::read(dir.path().join("CURRENT/MANIFEST.json")).expect("the manifest");
    for at in 0..good.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            fuzz_sets::manifest(&bad);
        }
    }
}
