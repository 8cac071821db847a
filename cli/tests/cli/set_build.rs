//! `build --shards`: sets of entries in any order and any format.

use crate::tool::{Ran, Sandbox};
use std::fs;

/// 3,000 entries in no order, with a key and a value that are empty.
fn entries() -> String {
    let line = |i: u64| {
        let i = i * 7919 % 3000;
        format!("key{i:05}\tvalue {i} {}\n", "x".repeat(i as usize % 50))
    };
    format!("{}\t\n", (0..3000).map(line).collect::<String>())
}

fn sandbox() -> Sandbox {
    let dir = Sandbox::new();
    dir.write("in", entries());
    dir.run(&["build", "-q", "one.grv", "in"]).printed("");
    dir
}

/// A figure that `stat` prints.
fn figure(dir: &Sandbox, set: &str, name: &str) -> String {
    let text = String::from_utf8(dir.run(&["stat", set]).out).unwrap();
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.split_once("  ").unwrap().1.trim().to_owned()
}

/// The versions of a set, and nothing else in the directory.
fn versions(dir: &Sandbox, set: &str) -> Vec<String> {
    let names = |path: &str| {
        let entries = fs::read_dir(dir.path(path)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let versions = names(&format!("{set}/versions"));
    assert!(names(set).iter().all(|name| ["CURRENT", "versions"].contains(&&name[..])));
    assert!(versions.iter().all(|version| !version.ends_with("-new")), "{versions:?}");
    versions
}

#[test]
fn a_set_of_any_order_is_the_set_of_the_table() {
    let dir = sandbox();
    for (number, args) in [
        &["--shards", "7"][..],
        &["--shards", "7", "--memory", "1M"],
        &["--shards", "1"],
        &["--target-bytes", "16K"],
        &["--target-bytes", "16K", "--partition", "range"],
        &["--shards", "7", "--partition", "hash"],
        &["--shards", "300", "--partition", "hash", "--memory", "1M"],
        &["--shards", "7", "--threads", "1", "--value-align", "8", "--hash-index", "always"],
    ]
    .into_iter()
    .enumerate()
    {
        let set = format!("set{number}");
        let ran = dir.run(&[&["build", &set, "in"], args].concat());
        let said = format!("{set}: 3001 entries in ");
        assert!(ran.code == 0 && ran.err.starts_with(&said), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("is current"), "{}", ran.err);
        assert_eq!(dir.run(&["dump", &set]), dir.run(&["dump", "one.grv"]), "{args:?}");
        dir.run(&["verify", &set]).printed("");
        if let ["--shards", shards, ..] = args {
            assert_eq!(figure(&dir, &set, "shards"), *shards);
        }
        assert_eq!(versions(&dir, &set).len(), 1);
    }
    assert!(figure(&dir, "set3", "shards").parse::<u32>().unwrap() > 5);
    // What ascends may be written as it comes.
    dir.write("sorted", dir.run(&["dump", "one.grv"]).out);
    for args in [&["--shards", "7"][..], &["--shards", "7", "--partition", "hash"]] {
        let build = |set, more: &[&str]| {
            dir.run(&[&["build", "-q", set], more, args].concat()).printed("");
            let text = String::from_utf8(dir.run(&["stat", set]).out).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(build("a", &["in"]), build("b", &["--sorted", "sorted"]), "{args:?}");
    }
}

/// Whatever build reads, also in several inputs, it reads for a set.
#[test]
fn every_format_becomes_a_set() {
    let dir = sandbox();
    // LMDB has no empty keys.
    dir.table("full.grv", entries().strip_suffix("\t\n").unwrap());
    for format in ["csv", "jsonl", "raw", "cdb", "mdb"] {
        let dumped = dir.run(&["dump", "-o", format, "full.grv"]);
        assert_eq!(dumped.code, 0, "{}", dumped.err);
        dir.write("dumped", dumped.out);
        let args = ["build", "-q", "-i", format, "set", "dumped", "--shards", "3"];
        dir.run(&args).printed("");
        assert_eq!(dir.run(&["dump", "set"]), dir.run(&["dump", "full.grv"]), "{format}");
    }
    dir.write("words", "one\ntwo\nthree\n");
    dir.run(&["build", "-q", "-i", "lines", "set", "words", "--shards", "2"]).printed("");
    dir.run(&["scan", "--count", "set"]).printed("3\n");
    let lines = entries();
    let (first, second) = lines.split_at(lines.find("key00100").unwrap());
    dir.write("first", first);
    dir.write("second", second);
    let args = ["build", "-q", "--dir", "set", "--shards", "3", "first", "second"];
    dir.run(&args).printed("");
    assert_eq!(dir.run(&["dump", "set"]), dir.run(&["dump", "one.grv"]));
    let piped = dir.pipe(&["build", "-q", "--shards", "3", "-o", "piped"], lines.as_bytes());
    piped.printed("");
    assert_eq!(dir.run(&["dump", "piped"]), dir.run(&["dump", "one.grv"]));
    // A value that is read in pieces.
    let long = format!("long\t{}\nshort\t\n", "v".repeat(5 << 20));
    for partition in ["range", "hash"] {
        for memory in ["1M", "64M"] {
            let args = ["build", "-q", "--shards", "2", "--partition", partition];
            let args = [&args[..], &["--memory", memory, "long"]].concat();
            dir.pipe(&args, long.as_bytes()).printed("");
            dir.run(&["dump", "long"]).printed(&long);
        }
    }
}

#[test]
fn sets_at_their_ends() {
    let dir = Sandbox::new();
    let longest = "k".repeat(65_535);
    for (name, lines, ranges) in [
        ("empty", String::new(), 1),
        ("one", "a\t1\n".into(), 1),
        ("few", "a\t1\nb\t2\nc\t\n".into(), 3),
        ("nothing", "\t\n".into(), 1),
        ("longest", format!("\t\na\t1\n{longest}\t\n"), 3),
        // The cut would be in the middle of a repeated key.
        ("repeated", "a\t1\nb\t1\nb\t2\nb\t\nc\t9\n".into(), 3),
        ("same", "b\t1\n".repeat(9), 1),
    ] {
        for (partition, shards) in [("range", ranges), ("hash", 5)] {
            let args = ["build", "-q", "--dup", "keep", "--shards", "5", "--partition", partition];
            dir.pipe(&[&args[..], &["set"]].concat(), lines.as_bytes()).printed("");
            assert_eq!(figure(&dir, "set", "shards"), shards.to_string(), "{name} {partition}");
            dir.run(&["dump", "set"]).printed(&lines);
            dir.run(&["verify", "set"]).printed("");
            dir.table("one.grv", &lines);
            let sharded = ["shard", "-q", "one.grv", "other", "--shards", "5"];
            dir.run(&[&sharded[..], &["--partition", partition]].concat()).printed("");
            assert_eq!(figure(&dir, "other", "shards"), shards.to_string(), "{name} {partition}");
            dir.run(&["dump", "other"]).printed(&lines);
            for command in ["first", "last"] {
                let args = match command {
                    "first" => ["scan", "--limit", "1", "set"],
                    _ => ["scan", "--limit=1", "--reverse", "set"],
                };
                let of_table = args.map(|arg| if arg == "set" { "one.grv" } else { arg });
                assert_eq!(dir.run(&args), dir.run(&of_table), "{name} {partition} {command}");
            }
        }
    }
}

/// Faults of the input are those of a build of a table, and the current version stays.
#[test]
fn a_build_that_fails_leaves_the_set_as_it_is() {
    let dir = sandbox();
    dir.run(&["build", "-q", "set", "in", "--shards", "3"]).printed("");
    let before = versions(&dir, "set");
    let fails = |args: &[&str], input: &str, about: &str, words: &[&str]| {
        for partition in ["range", "hash"] {
            let shards = ["--shards", "2", "--partition", partition];
            dir.write("bad", input);
            let ran: Ran = dir.run(&[&["build", "set"], args, &shards, &["bad"]].concat());
            ran.failed(3, about, words);
            assert_eq!(versions(&dir, "set"), before);
            dir.run(&["scan", "--count", "set"]).printed("3001\n");
        }
    };
    fails(&[], "a\t1\nb\t2\na\t3\n", "bad: ", &["key \"a\" is repeated", "line 1 and line 3"]);
    fails(&["-s"], "a\t1\na\t3\n", "bad: ", &["key \"a\" is repeated", "line 2"]);
    fails(&["-s"], "b\t1\na\t3\n", "bad: ", &["is smaller than", "line 2"]);
    fails(&[], "a\t1\nbroken\n", "bad: ", &["line 2"]);
    fails(&[], &format!("a\t1\n{}\t\n", "k".repeat(65_536)), "bad: ", &["65535", "line 2"]);
    fails(&["--max-shrink", "10%"], "a\t1\n", "set: ", &["1 entry", "3001"]);
    fails(&["--min-entries", "5"], "a\t1\n", "set: ", &["--min-entries asks for 5"]);
    dir.run(&["build", "set", "--shards", "2", "none"]).failed(4, "none: ", &["No such file"]);
    dir.run(&["build", "set", "--shards", "2", "--no-replace", "in"]).failed(
        4,
        "set: ",
        &["exists already"],
    );
    let ran = dir.run(&["build", "set", "--shards", "2", "--skip-bad", "bad"]);
    assert!(ran.code == 0 && ran.err.contains("set: 1 entry in 1 shard"), "{}", ran.err);
    dir.write("bad", "a\t1\nbroken\nb\t\n");
    let ran = dir.run(&["build", "-q", "set", "--shards", "2", "--skip-bad", "bad"]);
    assert!(ran.code == 0 && ran.err.contains("1 malformed entry"), "{}", ran.err);
    dir.run(&["dump", "set"]).printed("a\t1\nb\t\n");
}

#[test]
fn options_are_those_of_tables_and_of_versions() {
    use std::os::unix::fs::PermissionsExt;
    let dir = sandbox();
    let args =
        ["build", "-q", "set", "in", "--shards", "2", "--mode", "0640", "--dir-mode", "0750"];
    let more = ["--meta", "source=census", "--verify", "--no-sync", "--tmp-dir", "."];
    dir.run(&[&args[..], &more].concat()).printed("");
    let version = format!("set/versions/{}", versions(&dir, "set")[0]);
    let mode = |path: &str| fs::metadata(dir.path(path)).unwrap().permissions().mode() & 0o777;
    for file in ["part-00000.grv", "part-00001.grv", "MANIFEST.json"] {
        assert_eq!(mode(&format!("{version}/{file}")), 0o640, "{file}");
    }
    assert_eq!(mode(&version), 0o750);
    let text = String::from_utf8(dir.run(&["stat", &format!("{version}/part-00001.grv")]).out);
    assert!(text.unwrap().contains("census"));
    for (policy, value) in [("first", "1"), ("last", "3")] {
        for partition in ["range", "hash"] {
            let args = ["build", "-q", "--dup", policy, "--shards", "2", "--partition", partition];
            let set = ["--keep", "1", "--min-age", "0", "set"];
            dir.pipe(&[&args[..], &set].concat(), b"b\t1\na\t\nb\t2\nb\t3\n").printed("");
            dir.run(&["dump", "set"]).printed(format!("a\t\nb\t{value}\n"));
            assert_eq!(versions(&dir, "set").len(), 1);
        }
    }
    // A table may take the place of a set, and the other way round.
    dir.run(&["build", "-q", "--dir", "set", "in"]).printed("");
    assert_eq!(dir.run(&["dump", "set"]), dir.run(&["dump", "one.grv"]));
    dir.run(&["build", "-q", "--dir", "set", "--shards", "2", "in"]).printed("");
    assert_eq!(figure(&dir, "set", "shards"), "2");
}

#[test]
fn options_that_contradict_each_other() {
    let dir = sandbox();
    for (args, about, word) in [
        (&["x", "in", "--partition", "hash"][..], "--partition", "give --shards"),
        (&["x", "in", "--partition", "range"], "--partition", "--target-bytes"),
        (
            &["x", "in", "--partition", "hash", "--target-bytes", "1M"],
            "--partition hash",
            "--shards",
        ),
        (&["x", "in", "--shards", "2", "--target-bytes", "1M"], "the argument", "cannot be used"),
        (&["x", "in", "--shards", "0"], "invalid value '0'", "from 1 on"),
        (&["x", "in", "--shards", "-1"], "invalid value '-1'", "from 1 on"),
        (&["x", "in", "--target-bytes", "0"], "invalid value '0'", "from 1 on"),
        (&["x", "in", "--shards", "1000001"], "--shards is 1000001", "1 to 1000000"),
        (&["-", "in", "--shards", "2"], "-: ", "name a directory"),
        (&["one.grv", "in", "--shards", "2"], "one.grv: ", "is a file"),
        (&["-o", "x", "--dir", "y", "--shards", "2", "in"], "the argument", "cannot be used"),
        (&["x", "in", "--keep", "2"], "the following", "--shards"),
        (&["x", "in", "--min-entries", "2"], "the following", "--shards"),
        (&["x", "in", "--shards", "2", "--memory", "1K"], "--memory is 1024", "at least 1 MiB"),
    ] {
        dir.run(&[&["build"], args].concat()).failed(2, about, &[word]);
        assert_eq!(dir.names(), ["in", "one.grv"], "{args:?}");
    }
}
