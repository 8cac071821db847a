//! `shard`, and the commands that read sets as they read tables.

use crate::tool::Sandbox;
use std::fs;

/// A table of 1,000 entries, with a key that is repeated, and the sets `range` and `hash` of it.
fn sets() -> Sandbox {
    let dir = Sandbox::new();
    let lines: String = (0..1000).map(|i| format!("key{:04}\tvalue {i}\n", i / 2 * 2)).collect();
    dir.write("in", format!("\tempty\n{lines}"));
    dir.run(&["build", "-qs", "--dup", "keep", "one.grv", "in"]).printed("");
    dir.run(&["shard", "-q", "one.grv", "range", "--shards", "7"]).printed("");
    dir.run(&["shard", "-q", "one.grv", "hash", "--shards", "5", "--partition", "hash"])
        .printed("");
    dir
}

/// The path of the current version.
fn version(dir: &Sandbox, set: &str) -> String {
    format!("{set}/{}", fs::read_link(dir.path(set).join("CURRENT")).unwrap().display())
}

#[test]
fn a_set_is_read_as_the_table() {
    let dir = sets();
    let versions = ["range".to_owned(), "hash".to_owned(), version(&dir, "range")];
    for set in versions.iter().map(String::as_str).chain(["hash/CURRENT"]) {
        for args in [
            &["scan", "@"][..],
            &["scan", "--reverse", "@"],
            &["scan", "--from", "key0100", "--to", "key0900", "--limit", "333", "@"],
            &["scan", "--prefix", "key05", "--values", "@"],
            &["scan", "--count", "--from", "key0100", "@"],
            &["scan", "-o", "jsonl", "@"],
            &["scan", "-o", "lines", "--limit", "1", "@"],
            &["dump", "@"],
            &["dump", "-o", "raw", "@"],
            &["dump", "-o", "mdb", "@"],
            &["get", "@", "key0500"],
            &["get", "--all", "--sep", "newline", "@", "key0500", "", "key0998"],
            &["get", "--quiet", "@", "absent", "key0000"],
        ] {
            let run = |name| {
                let args: Vec<_> = args.iter().map(|arg| arg.replace('@', name)).collect();
                let mut ran = dir.run(&args);
                ran.err = ran.err.replace(name, "@");
                ran
            };
            let (expected, found) = (run("one.grv"), run(set));
            assert!(!expected.out.is_empty() || expected.code != 0, "{args:?}");
            assert!(expected == found, "{set}: {args:?}: {}", found.err);
        }
        let keys = "key0998\n\nabsent\nkey0000\n";
        let asked = |table| dir.pipe(&["mget", "--missing", table], keys.as_bytes());
        assert_eq!(asked("one.grv"), asked(set));
        dir.run(&["verify", set]).printed("");
        let ran = dir.run(&["verify", "--json", set]);
        let text = String::from_utf8(ran.out).unwrap();
        assert!(text.contains("\"entries\":1001") && text.contains("\"ok\":true"), "{text}");
    }
    dir.run(&["get", "range", "nothing"]).failed(1, "range: ", &["no key \"nothing\""]);
    // A set of a set, by size: the largest shard has the most bytes that were asked for.
    dir.run(&["shard", "-q", "hash", "again", "--target-bytes", "4K"]).printed("");
    assert_eq!(dir.run(&["dump", "again"]), dir.run(&["dump", "one.grv"]));
    let ran = dir.run(&["stat", "again"]);
    let text = String::from_utf8(ran.out).unwrap();
    let shards = text.lines().find(|line| line.starts_with("shards ")).unwrap();
    assert_eq!(shards.split_whitespace().nth(1), Some("6"), "{text}");
}

#[test]
fn stat_shows_the_manifest() {
    let dir = sets();
    let ran = dir.run(&["stat", "range"]);
    let text = String::from_utf8(ran.out).unwrap();
    for line in [
        "partition      range",
        "shards         7",
        "entries        1001",
        "largest key    key0998",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let ran = dir.run(&["stat", "--json", "hash"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!((&json["set"], &json["partition"]), (&"hash".into(), &"hash".into()));
    assert_eq!((&json["entries"], json["shards"].as_array().unwrap().len()), (&1001.into(), 5));
}

#[test]
fn faults_of_a_set_are_named() {
    let dir = sets();
    let version = version(&dir, "range");
    let part = format!("{version}/part-00003.grv");
    let good = dir.read(&part);
    let path = fs::canonicalize(dir.path(&part)).unwrap().display().to_string();
    fs::remove_file(dir.path(&part)).unwrap();
    dir.run(&["verify", "range"]).failed(4, &format!("{path}: "), &["No such file"]);
    dir.run(&["scan", "--count", "range"]).printed("1001\n");
    let ran = dir.run(&["scan", "range"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    dir.write(&part, [&good[..600], b"x", &good[601..]].concat());
    dir.run(&["verify", "range"]).failed(3, &format!("{path}: "), &["SHA-256"]);
    dir.write(&part, dir.read(&format!("{version}/part-00002.grv")));
    let ran = dir.run(&["dump", "range"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    fs::remove_file(dir.path(&version).join("MANIFEST.json")).unwrap();
    dir.write(&format!("{version}/MANIFEST.json"), "{}");
    dir.run(&["get", "range", "k"]).failed(3, "", &["MANIFEST.json", "field format"]);
    // Commands that read no sets say so.
    dir.run(&["floor", "hash", "k"]).failed(2, "hash: ", &["is a set of tables"]);
    dir.run(&["merge", "out", "hash", "one.grv"]).failed(2, "hash: ", &["is a set of tables"]);
}

#[test]
fn shard_keeps_versions_and_guards() {
    let dir = sets();
    dir.write("few", "a\t1\n");
    dir.run(&["build", "-q", "few.grv", "few"]).printed("");
    let shard = ["shard", "few.grv", "range", "--max-shrink", "10%"];
    dir.run(&shard).failed(3, "range: ", &["1 entry", "1001"]);
    dir.run(&["scan", "--count", "range"]).printed("1001\n");
    let ran = dir.run(&["shard", "few.grv", "range"]);
    assert!(ran.code == 0 && ran.err.contains("is current"), "{}", ran.err);
    dir.run(&["scan", "range"]).printed("a\t1\n");
    dir.run(&["publish", "-q", "--dir", "range", "--rollback"]).printed("");
    dir.run(&["scan", "--count", "range"]).printed("1001\n");
    let hash = ["shard", "one.grv", "x", "--partition", "hash", "--shards", "4097"];
    dir.run(&hash).failed(2, "x: ", &["at most 4096"]);
    dir.run(&["shard", "none", "x"]).failed(4, "none: ", &["No such file"]);
    assert!(!dir.path("x").exists());
}
