//! Manifests and shards that lie.

use super::super::{numbered, open, open_with, quick, write};
use graven::{ErrorKind, SetError, SetOptions, TableSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A set of three range shards, and the directory of its version.
fn set() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(4), dir.path(), &numbered(12));
    let version = open(dir.path()).path().to_owned();
    (dir, version)
}

fn replace(path: &Path, bytes: impl AsRef<[u8]>) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// The field at fault and what is wrong with it, when a set with this manifest is opened.
fn fault(version: &Path, text: impl AsRef<[u8]>) -> (String, String) {
    let path = version.join("MANIFEST.json");
    replace(&path, text);
    let error = open_with(&SetOptions::new(), version).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert_eq!(error.path(), Some(path.as_path()));
    assert!(error.to_string().starts_with(&format!("{}: field ", path.display())), "{error}");
    match error {
        SetError::Manifest { field, what, .. } => (field, what),
        other => panic!("{other}"),
    }
}

#[test]
fn each_lie_of_a_manifest_is_named() {
    let (_dir, version) = set();
    let good = fs::read_to_string(version.join("MANIFEST.json")).unwrap();
    let hex = |key: &str| key.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let [first, second, fifth] = ["00000000", "00000004", "00000005"].map(hex);
    let last_of_first = hex("00000003");
    let key = |name: &str, key: &str| format!("\"{name}\":\"{key}\"");
    let long = "61".repeat(65_536);
    let lies: &[(&str, &str, &str, &str)] = &[
        ("part-00001.grv", "../part-00001.grv", "shards[1].file", "no plain name"),
        ("part-00001.grv", "/etc/passwd", "shards[1].file", "no plain name"),
        ("part-00001.grv", "a/b.grv", "shards[1].file", "no plain name"),
        ("part-00001.grv", "..", "shards[1].file", "no plain name"),
        ("part-00001.grv", "", "shards[1].file", "no plain name"),
        ("part-00001.grv", ".hidden", "shards[1].file", "no plain name"),
        ("part-00001.grv", "a\\u0000b", "shards[1].file", "no plain name"),
        ("part-00001.grv", "a\\\\b", "shards[1].file", "no plain name"),
        ("part-00001.grv", "MANIFEST.json", "shards[1].file", "own files"),
        ("part-00001.grv", "table.grv", "shards[1].file", "own files"),
        ("part-00001.grv", "new.json", "shards[1].file", "own files"),
        ("part-00001.grv", "part-00000.grv", "shards[1].file", "occurs twice"),
        (
            &key("first_key", &second),
            &key("first_key", &last_of_first),
            "shards[1].first_key",
            "is not above the last key",
        ),
        (
            &key("first_key", &second),
            &key("first_key", &first),
            "shards[1].first_key",
            "is not above the last key",
        ),
        (
            &key("last_key", &last_of_first),
            &key("last_key", &fifth),
            "shards[1].first_key",
            "is not above the last key",
        ),
        (
            &key("last_key", &last_of_first),
            &key("last_key", ""),
            "shards[0].first_key",
            "is above the last key",
        ),
        (&key("first_key", &first), "\"first_key\":null", "shards[0].first_key", "is null"),
        (&key("last_key", &last_of_first), "\"last_key\":null", "shards[0].last_key", "is null"),
        (
            &key("last_key", &last_of_first),
            &key("last_key", &long),
            "shards[0].last_key",
            "is longer than a key",
        ),
        (&key("first_key", &first), &key("first_key", "0"), "(JSON)", "hex"),
        (&key("first_key", &first), &key("first_key", "AA"), "(JSON)", "hex"),
        ("\"entries\":4,", "\"entries\":0,", "shards[0].first_key", "has no entries"),
        ("\"entries\":4,", "\"entries\":18446744073709551615,", "shards[].entries", "2^63"),
        ("\"entries\":4,", "\"entries\":18446744073709551616,", "(JSON)", "invalid"),
        ("\"entries\":4,", "\"entries\":-1,", "(JSON)", "invalid"),
        ("\"entries\":4,", "\"entries\":5,", "entries", "is 12, but the shards have 13"),
        ("\"bytes\":", "\"bytes\":9223372036854775808,\"old\":", "shards[].bytes", "2^63"),
        ("\"sha256\":\"", "\"sha256\":\"0", "(JSON)", "64 digits"),
        ("\"id\": \"", "\"id\": \"0", "id", "does not fit"),
        ("\"range\"", "\"hash\"", "id", "does not fit"),
        ("\"range\"", "\"letter\"", "partition", "neither"),
        ("graven-set", "graven-zet", "format", "is not"),
        ("\"version\": 1", "\"version\": 2", "version", "is 2, this library reads 1"),
        ("\"version\": 1", "\"version\": \"1\"", "version", "is no number"),
        ("\"shards\"", "\"shard\"", "(JSON)", "missing field `shards`"),
        ("\"bytes\"", "\"entries\"", "(JSON)", "duplicate field"),
        ("]}", "]", "(JSON)", "EOF"),
        ("]}", "]} x", "(JSON)", "trailing"),
    ];
    for (from, to, field, what) in lies {
        assert!(good.contains(from), "{from}");
        let found = fault(&version, good.replacen(from, to, 1));
        assert_eq!(found.0, *field, "{from} -> {to}: {}", found.1);
        assert!(found.1.contains(what), "{from} -> {to}: {}", found.1);
    }
    let none = format!("{}[]}}", good.split_once('[').unwrap().0);
    assert_eq!(fault(&version, none).0, "shards");
    let swapped = {
        let mut lines: Vec<_> = good.lines().collect();
        lines[1..=2].reverse();
        lines.join("\n")
    };
    assert_eq!(fault(&version, swapped).0, "shards[1].first_key");
    // A version that is unknown is named before its fields are asked for.
    let later = "{\"format\": \"graven-set\", \"version\": 9, \"shards\": {}}";
    assert_eq!(fault(&version, later).0, "version");
    // Fields of later libraries do not matter.
    replace(&version.join("MANIFEST.json"), good.replacen('{', "{\"note\": [{}],", 1));
    assert_eq!(open(&version).len(), 12);
}

#[test]
fn no_size_is_believed() {
    let (_dir, version) = set();
    let path = version.join("MANIFEST.json");
    replace(&path, "");
    // A gigabyte, of which nothing is read.
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
    let error = open_with(&SetOptions::new(), &version).unwrap_err();
    assert!(error.to_string().contains("has more than 268435456 bytes"), "{error}");

    let deep = "[".repeat(1 << 20);
    assert_eq!(fault(&version, deep).0, "(JSON)");
    let shard = "{\"file\":\"a\",\"entries\":0,\"bytes\":1,\"build_id\":\"\
                 00000000000000000000000000000000\",\"first_key\":null,\"last_key\":null,\
                 \"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
    let shards = vec![shard; 1_000_001].join(",");
    let text = format!(
        "{{\"format\":\"graven-set\",\"version\":1,\"id\":\"\",\"partition\":\"hash\",\
         \"entries\":0,\"shards\":[{shards}]}}"
    );
    let (field, what) = fault(&version, text);
    assert_eq!(field, "(JSON)");
    assert!(what.contains("more than 1000000 shards"), "{what}");
}

#[test]
fn what_is_no_set_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| open_with(&SetOptions::new(), path).unwrap_err();
    for path in [dir.path().join("missing"), dir.path().to_owned()] {
        let error = error(&path);
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.path().unwrap().starts_with(&path), "{error}");
    }
    fs::create_dir(dir.path().join("MANIFEST.json")).unwrap();
    assert!(error(dir.path()).to_string().contains("is a directory"));
}

/// What a set says of a shard, whose file a test has replaced.
fn asked(set: &TableSet, key: &str) -> SetError {
    set.get_many(&[key]).unwrap_err();
    set.contains_key(key).unwrap_err();
    assert!(set.iter().any(|item| item.is_err()), "a walk passes over a bad shard");
    assert!(set.verify().is_err());
    set.get(key).unwrap_err()
}

#[test]
fn a_shard_is_the_one_of_the_manifest() {
    let (_dir, version) = set();
    let [first, second] = ["part-00000.grv", "part-00001.grv"].map(|name| version.join(name));
    let good = fs::read(&second).unwrap();
    let at = |error: &SetError| error.path().unwrap().to_owned();

    fs::remove_file(&second).unwrap();
    let missing = asked(&open(&version), "00000004");
    assert_eq!((missing.kind(), at(&missing)), (ErrorKind::Io, second.clone()));
    // The other shards still answer.
    assert_eq!(open(&version).get("00000003").unwrap().unwrap(), 3u32.to_le_bytes());

    fs::copy(&first, &second).unwrap();
    let other = asked(&open(&version), "00000004");
    assert_eq!((other.kind(), at(&other)), (ErrorKind::Data, second.clone()));
    assert!(other.to_string().contains("build"), "{other}");

    replace(&second, &good[..good.len() - 1]);
    let short = asked(&open(&version), "00000004");
    assert_eq!((short.kind(), at(&short)), (ErrorKind::Data, second.clone()));

    let place = good.windows(8).position(|bytes| bytes == b"00000005").unwrap();
    let mut damaged = good.clone();
    damaged[place] ^= 1;
    replace(&second, damaged);
    let damaged = asked(&open(&version), "00000005");
    assert_eq!((damaged.kind(), at(&damaged)), (ErrorKind::Data, second.clone()));
    replace(&second, good);
    assert_eq!(open(&version).verify().unwrap().entries, 12);
}

#[test]
fn a_manifest_that_lies_of_its_shards_is_found_out() {
    let (_dir, version) = set();
    let path = version.join("MANIFEST.json");
    let good = fs::read_to_string(&path).unwrap();
    // Keys that would be missed in silence: the second shard begins with 00000004.
    let [true_key, late] = ["3030303030303034", "3030303030303035"];
    for (from, to, what) in [
        (format!("\"first_key\":\"{true_key}\""), format!("\"first_key\":\"{late}\""), "first key"),
        (
            "\"last_key\":\"3030303030303037\"".into(),
            "\"last_key\":\"3030303030303036\"".into(),
            "last key",
        ),
    ] {
        assert!(good.contains(&from));
        replace(&path, good.replacen(&from, &to, 1));
        let error = open(&version).get("00000006").unwrap_err();
        assert!(matches!(error, SetError::Shard { .. }) && error.to_string().contains(what));
    }
    // Hash shards in the wrong order, which only the audit can see.
    let dir = tempfile::tempdir().unwrap();
    write(&quick().hash_shards(2), dir.path(), &numbered(100));
    let version = open(dir.path()).path().to_owned();
    let path = version.join("MANIFEST.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.swap(1, 2);
    let swapped = format!("{}\n{},\n{}\n]}}\n", lines[0], lines[1], lines[2]);
    let (field, what) = fault(&version, &swapped);
    assert_eq!(field, "id");
    let id = what.rsplit(' ').next().unwrap();
    let old = text.split("\"id\": \"").nth(1).unwrap()[..32].to_owned();
    replace(&path, swapped.replacen(&old, id, 1));
    let error = open(&version).verify().unwrap_err();
    assert!(error.to_string().contains("which belongs to shard"), "{error}");
}
