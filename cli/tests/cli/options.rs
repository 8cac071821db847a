//! The options of `build`: those that change the table, and those that must not change a byte.

use crate::tool::Sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Enough to exceed the smallest memory for sorting several times.
fn shuffled() -> String {
    (0..50_000u64).map(|i| format!("{:016x}\tvalue {i}\n", i.wrapping_mul(0x9e37_79b9))).collect()
}

#[test]
fn duplicates_follow_the_policy() {
    let input = b"b\t1\na\t2\nb\t3\nb\t3\na\t4\n";
    let sorted = b"a\t2\na\t4\nb\t1\nb\t3\nb\t3\n";
    for (dup, expected) in [
        ("first", "a\t2\nb\t1\n"),
        ("last", "a\t4\nb\t3\n"),
        ("keep", "a\t2\na\t4\nb\t1\nb\t3\nb\t3\n"),
    ] {
        let dir = Sandbox::new();
        dir.pipe(&["build", "--quiet", "--dup", dup, "t"], input).printed("");
        dir.run(&["dump", "t"]).printed(expected);
        dir.pipe(&["build", "--quiet", "--dup", dup, "--sorted", "u"], sorted).printed("");
        assert!(dir.read("t") == dir.read("u"), "{dup}: sorted input gives another table");
    }
}

#[test]
fn how_a_table_is_built_does_not_show() {
    let dir = Sandbox::new();
    dir.write("in", shuffled());
    dir.run(&["build", "--quiet", "t", "in"]).printed("");
    fs::create_dir(dir.path("tmp")).unwrap();
    let ways: [&[&str]; 6] = [
        &["--memory", "1M"],
        &["--memory", "1048576", "--tmp-dir", "tmp"],
        &["--threads", "1"],
        &["--threads", "3"],
        &["--no-sync"],
        &["--mode", "0600"],
    ];
    for way in ways {
        dir.run(&[&["build", "--quiet", "u", "in"], way].concat()).printed("");
        assert!(dir.read("u") == dir.read("t"), "{way:?} gives another table");
    }
    assert_eq!(fs::read_dir(dir.path("tmp")).unwrap().count(), 0, "sorting left something");
    assert_eq!(dir.names(), ["in", "t", "tmp", "u"]);
}

#[test]
fn the_mode_is_octal_and_0444_unless_said() {
    let dir = Sandbox::new();
    for (args, mode) in [
        (&["build", "--quiet", "t"][..], 0o444),
        (&["build", "--quiet", "--mode", "640", "t"], 0o640),
        (&["build", "--quiet", "--mode=0400", "t"], 0o400),
    ] {
        dir.pipe(args, b"a\t1\n").printed("");
        assert_eq!(fs::metadata(dir.path("t")).unwrap().permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn the_hash_index_is_built_or_not_as_said() {
    let dir = Sandbox::new();
    dir.write("in", shuffled());
    for (when, expected) in [("always", true), ("never", false)] {
        dir.run(&["build", "--quiet", "--hash-index", when, "t", "in"]).printed("");
        let stat: serde_json::Value =
            serde_json::from_slice(&dir.run(&["stat", "--json", "t"]).out).unwrap();
        assert_eq!(stat["hash"].is_object(), expected, "{when}");
        dir.run(&["get", "t", "0000000000000000"]).printed("value 0");
        dir.run(&["get", "--quiet", "t", "0000000000000001"]).ended(1, "");
    }
}

#[test]
fn values_are_aligned_as_said() {
    let dir = Sandbox::new();
    for align in ["1", "8", "64"] {
        let args = ["build", "--quiet", "--value-align", align, "t"];
        dir.pipe(&args, b"a\tAAAAAAAA\nbcd\tBBBBBBBB\nef\tCCCCCCCC\n").printed("");
        let bytes = dir.read("t");
        for value in [b"AAAAAAAA", b"BBBBBBBB", b"CCCCCCCC"] {
            let at = bytes.windows(8).position(|window| window == value).expect("the value");
            assert_eq!(at % align.parse::<usize>().unwrap(), 0, "{align}");
        }
        dir.run(&["get", "t", "bcd"]).printed("BBBBBBBB");
    }
}

#[test]
fn metadata_stays_with_the_table() {
    let dir = Sandbox::new();
    let args =
        ["build", "--quiet", "t", "--meta", "source=a=b", "--meta", "empty=", "--meta=-k=-v"];
    dir.pipe(&args, b"a\t1\n").printed("");
    let stat: serde_json::Value =
        serde_json::from_slice(&dir.run(&["stat", "--json", "t"]).out).unwrap();
    assert_eq!(stat["metadata"], serde_json::json!({"source": "a=b", "empty": "", "-k": "-v"}));
    let text = String::from_utf8(dir.run(&["stat", "t"]).out).unwrap();
    assert!(text.contains("source = a=b"), "{text}");
    // It is no entry.
    dir.run(&["dump", "t"]).printed("a\t1\n");
}

#[test]
fn options_out_of_range_are_usage() {
    let dir = Sandbox::new();
    for (option, value) in [
        ("--value-align", "3"),
        ("--value-align", "128"),
        ("--value-align", "x"),
        ("--memory", "1X"),
        ("--memory", "1"),
        ("--memory", "99999999999G"),
        ("--mode", "0888"),
        ("--mode", "7777777"),
        ("--threads", "0"),
        ("--threads", "-1"),
        ("--dup", "some"),
        ("--hash-index", "maybe"),
        ("--meta", "no pair"),
        ("-i", "xml"),
    ] {
        let ran = dir.pipe(&["build", &format!("{option}={value}"), "t"], b"a\t1\n");
        ran.failed(2, "", &[]);
        assert_eq!(dir.names(), [""; 0], "{option} {value}");
    }
}

#[test]
fn a_table_is_synced_unless_said_otherwise() {
    let dir = Sandbox::new();
    dir.write("in", "a\t1\n");
    for (option, syncs) in [("--quiet", true), ("--no-sync", false)] {
        let strace = Command::new("strace")
            .args(["-f", "-o", "trace", "-e", "trace=fsync,fdatasync,sync_file_range,syncfs"])
            .args([env!("CARGO_BIN_EXE_graven"), "build", option, "t", "in"])
            .current_dir(dir.path(""))
            .output();
        if !strace.is_ok_and(|ran| ran.status.success()) {
            return eprintln!("skipped: strace does not run here");
        }
        let trace = String::from_utf8(dir.read("trace")).unwrap();
        let calls = trace.lines().filter(|line| line.contains("sync(")).count();
        assert_eq!(calls >= 2, syncs, "file and directory, or none:\n{trace}");
        assert!(syncs || calls == 0, "{trace}");
    }
}
