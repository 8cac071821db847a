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
            &["floor", "@", "key0501", "", "key", "zzz"],
            &["floor", "--values", "@", "key0500"],
            &["ceil", "@", "key0501", "", "zzz"],
            &["longest-prefix", "@", "key0500.html", "key0500", "nothing"],
            &["longest-prefix", "--keys", "@", "", "key"],
            &["prefixes", "@", "key0500.html", "x"],
            &["sample", "@", "2000"],
            &["sample", "--keys", "@", "0"],
            &["split", "@", "7"],
            &["split", "@", "5000"],
            &["split", "@", "1"],
            &["warm", "@"],
            &["warm", "--index", "@"],
        ] {
            let run = |name| {
                let args: Vec<_> = args.iter().map(|arg| arg.replace('@', name)).collect();
                let mut ran = dir.run(&args);
                ran.err = ran.err.replace(name, "@");
                ran
            };
            let (expected, found) = (run("one.grv"), run(set));
            let silent = ["warm", "sample", "split"].contains(&args[0]);
            assert!(!expected.out.is_empty() || expected.code != 0 || silent, "{args:?}");
            assert!(expected == found, "{set}: {args:?}: {}", found.err);
        }
        let keys = "key0998\n\nabsent\nkey0000\n";
        for options in [&["mget", "--missing"][..], &["mget", "--values", "-q"], &["mget", "-m=-"]]
        {
            let asked = |table| dir.pipe(&[options, &[table]].concat(), keys.as_bytes());
            assert_eq!(asked("one.grv"), asked(set));
        }
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
    dir.run(&["verify", "range"]).failed(
        3,
        &format!("{path}: "),
        &["SHA-256", "page at offset 0 is damaged"],
    );
    dir.write(&part, dir.read(&format!("{version}/part-00002.grv")));
    let ran = dir.run(&["dump", "range"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    fs::remove_file(dir.path(&version).join("MANIFEST.json")).unwrap();
    dir.write(&format!("{version}/MANIFEST.json"), "{}");
    dir.run(&["get", "range", "k"]).failed(3, "", &["MANIFEST.json", "field format"]);
}

/// A sample of a set has every entry with the same probability, and comes in key order; the same seed
/// gives the same sample.
#[test]
fn samples_of_sets() {
    let dir = sets();
    for set in ["range", "hash"] {
        let sampled = |seed| dir.run(&["sample", "--keys", "--seed", seed, set, "300"]).out;
        let first = sampled("1");
        let keys: Vec<&[u8]> = first.split(|&byte| byte == b'\n').collect();
        assert_eq!(keys.len(), 301);
        assert!(keys[..300].is_sorted(), "{set}");
        assert_eq!(first, sampled("1"));
        assert_ne!(first, sampled("2"));
        let lines = dir.run(&["sample", "--seed", "1", set, "300"]).out;
        let all = dir.run(&["dump", "one.grv"]).out;
        let all: Vec<&[u8]> = all.split(|&byte| byte == b'\n').collect();
        let mut drawn: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').collect();
        assert!(drawn.iter().all(|line| all.contains(line)), "{set}");
        drawn.pop();
        drawn.sort();
        drawn.dedup();
        assert_eq!(drawn.len(), 300, "{set}: no entry comes twice");
    }
    assert_eq!(
        dir.run(&["sample", "--seed", "1", "range", "300"]).out,
        dir.run(&["sample", "--seed", "1", "one.grv", "300"]).out
    );
}

/// Merging, set by set or with tables, gives the table that the merge of tables gives.
#[test]
fn sets_are_merged_as_tables() {
    let dir = sets();
    let lines: String = (990..1010).map(|i| format!("key{i:04}\tnew {i}\n")).collect();
    dir.write("more", format!("\tother\n{lines}"));
    dir.run(&["build", "-q", "more.grv", "more"]).printed("");
    dir.run(&["shard", "-q", "more.grv", "more-set", "--shards", "3"]).printed("");
    for policy in ["first", "last", "keep", "concat"] {
        let merged = |tables: [&str; 2]| {
            let args = ["merge", "--quiet", "--dup", policy, "out.grv"];
            dir.run(&[&args[..], &tables].concat()).printed("");
            dir.read("out.grv")
        };
        for order in [["one.grv", "more.grv"], ["more.grv", "one.grv"]] {
            let expected = merged(order);
            for one in ["one.grv", "range", "hash"] {
                for more in ["more.grv", "more-set"] {
                    let named = order.map(|name| if name == "one.grv" { one } else { more });
                    assert!(merged(named) == expected, "{policy} {named:?}");
                }
            }
        }
    }
    dir.run(&["merge", "--quiet", "--dup", "keep", "again.grv", "hash"]).printed("");
    assert_eq!(dir.run(&["dump", "again.grv"]), dir.run(&["dump", "one.grv"]));
    // What fails names the file: the shard, or the table.
    let ran = dir.run(&["merge", "no.grv", "more-set", "more.grv"]);
    ran.failed(3, "more.grv: ", &["is in ", "part-00000.grv as well", "--dup"]);
    dir.run(&["diff", "-q", "range", "more.grv"]).ended(1, "");
    dir.run(&["diff", "-o", "patch", "one.grv", "more.grv"]);
    dir.run(&["merge", "no.grv", "range", "patch"]).failed(
        2,
        "range: ",
        &["patches apply to a table"],
    );
    dir.run(&["diff", "-o", "p", "more.grv", "hash"]).failed(
        2,
        "hash: ",
        &["graven merge OUT SET"],
    );
    let part = format!("{}/part-00001.grv", version(&dir, "more-set"));
    let mut bytes = dir.read(&part);
    bytes[600] ^= 1;
    fs::remove_file(dir.path(&part)).unwrap();
    dir.write(&part, bytes);
    let path = fs::canonicalize(dir.path(&part)).unwrap().display().to_string();
    for args in [&["merge", "no.grv", "more-set"][..], &["diff", "hash", "more-set"]] {
        let ran = dir.run(args);
        assert!(ran.code == 3 && ran.err.contains(&path), "{}", ran.err);
    }
    assert!(!dir.path("no.grv").exists());
}

/// The differences of sets are those of tables, also where shards are equal and left out.
#[test]
fn sets_are_compared_as_tables() {
    let dir = sets();
    let mut lines = String::from("a\tnew\n\tempty\n");
    for i in (0..1000).filter(|i| i % 400 != 7) {
        let value = if i % 300 == 5 { "changed" } else { "value" };
        lines += &format!("key{:04}\t{value} {i}\n", i / 2 * 2);
    }
    lines += "key0998\tthird\nz\t\n";
    dir.write("in2", lines);
    let build = |args: &[&str]| dir.run(&[&["build", "-q", "--dup", "keep"], args].concat());
    build(&["two.grv", "in2"]).printed("");
    build(&["range2", "in2", "--shards", "7"]).printed("");
    build(&["hash2", "in2", "--shards", "5", "--partition", "hash"]).printed("");
    for options in [&["diff"][..], &["diff", "--json"], &["diff", "-q"]] {
        let expected = dir.run(&[options, &["one.grv", "two.grv"]].concat());
        assert_eq!((expected.code, &expected.err[..]), (1, ""));
        let back = dir.run(&[options, &["two.grv", "one.grv"]].concat());
        for one in ["one.grv", "range", "hash"] {
            for two in ["two.grv", "range2", "hash2"] {
                assert_eq!(dir.run(&[options, &[one, two]].concat()), expected, "{one} {two}");
                assert_eq!(dir.run(&[options, &[two, one]].concat()), back, "{two} {one}");
            }
        }
        for equal in [["range", "hash"], ["hash", "one.grv"], ["range", "range"]] {
            dir.run(&[options, &equal].concat()).printed("");
        }
    }
}

#[test]
fn commands_on_a_file_say_what_to_do_with_a_set() {
    let dir = sets();
    let part = format!(
        "{}/part-00000.grv",
        fs::canonicalize(dir.path(&version(&dir, "range"))).unwrap().display()
    );
    dir.run(&["inspect", "range"]).failed(2, "range: ", &[&part, "--key"]);
    for set in ["range", "hash"] {
        let ran = dir.run(&["inspect", "--key", "key0500", set]);
        assert_eq!((ran.code, &ran.err[..]), (0, ""));
        let text = String::from_utf8(ran.out).unwrap();
        let shard = text.lines().next().unwrap().split_whitespace().nth(1).unwrap();
        let alone = dir.run(&["inspect", "--key", "key0500", shard]);
        assert!(text.ends_with(std::str::from_utf8(&alone.out).unwrap()), "{text}");
        let ran = dir.run(&["inspect", "--json", "--key", "key0500", set]);
        let json: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
        assert_eq!(json["shard"], shard);
        assert!(json["rank"].is_number());
    }
    // Below the keys of all shards, there is none to look at.
    dir.write("b", "b\t1\n");
    dir.run(&["build", "-q", "--shards", "1", "b-set", "b"]).printed("");
    dir.run(&["inspect", "--key", "a", "b-set"]).failed(
        2,
        "b-set: ",
        &["no shard can have this key"],
    );
    dir.run(&["salvage", "range", "x"]).failed(2, "range: ", &["name one of its shards"]);
    dir.run(&["publish", "range", "x"]).failed(2, "range: ", &["graven shard"]);
    dir.run(&["publish", "--dir", "x", "range"]).failed(2, "range: ", &["graven shard"]);
    let replace = ["bench", "--replace", "range", "one.grv"];
    dir.run(&replace).failed(2, "range: ", &["--replace"]);
    assert!(!dir.path("x").exists());
}

#[test]
fn bench_asks_sets() {
    let dir = sets();
    for set in ["range", "hash"] {
        for batch in ["1", "64"] {
            let args = ["bench", "--json", "--seconds", "0.2", "--procs", "2", "--hit", "0.5"];
            let ran = dir.run(&[&args[..], &["--batch", batch, set]].concat());
            assert_eq!((ran.code, &ran.err[..]), (0, ""));
            let json: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
            assert_eq!((&json["wrong"], &json["errors"]), (&0.into(), &0.into()), "{json}");
            assert!(json["lookups"].as_u64() > Some(100), "{json}");
            assert!(!cfg!(target_os = "linux") || json["pss_bytes"].as_u64() > Some(0), "{json}");
        }
    }
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
    let hash = ["shard", "one.grv", "x", "--partition", "hash", "--shards", "1000001"];
    dir.run(&hash).failed(2, "--shards is 1000001", &["1 to 1000000"]);
    dir.run(&["shard", "one.grv", "-"]).failed(2, "-: ", &["name a directory"]);
    dir.run(&["shard", "one.grv", "few.grv"]).failed(2, "few.grv: ", &["is a file"]);
    dir.run(&["shard", "none", "x"]).failed(4, "none: ", &["No such file"]);
    assert!(!dir.path("x").exists());
}
