//! Ordinary mistakes: the message says what was wrong, in the words of the command line, and comes
//! before the work, not after.

use crate::tool::{Ran, Sandbox};
use std::fs::{self, File};
use std::process::Command;

fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn what_is_no_tsv_is_told_by_its_start() {
    let dir = Sandbox::new();
    dir.table("table", "a\t1\n");
    let raw = dir.run(&["dump", "-o", "raw", "table"]).out;
    let cases: [(&[u8], &str); 6] = [
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "zcat"),
        (b"\x28\xb5\x2f\xfd\x24", "zstdcat"),
        (b"\xfd7zXZ\x00\x00", "xzcat"),
        (&dir.read("table"), "graven dump"),
        (&raw, "-i raw"),
        (b"plain text", "between key and value, line 1"),
    ];
    for (input, hint) in cases {
        dir.pipe(&["build", "t"], input).failed(3, "standard input: ", &["no TAB", hint, "line 1"]);
    }
    // Further down it is a line like any other.
    let ran = dir.pipe(&["build", "t"], b"a\t1\n\x1f\x8b\x08\n");
    ran.failed(3, "standard input: ", &["key and value, line 2"]);
    assert_eq!(dir.names(), ["table"]);
}

#[test]
fn places_that_cannot_be_written_are_found_first() {
    let dir = Sandbox::new();
    fs::create_dir(dir.path("d")).unwrap();
    dir.write("file", "");
    let long = "x".repeat(256);
    // The input is no good either, but nobody gets that far.
    for (args, about, words) in [
        (&["build", "--tmp-dir", "none", "t"][..], "none: ", &["temporary", "No such file"][..]),
        (&["build", "--tmp-dir", "file", "t"], "file: ", &["temporary", "Not a directory"]),
        (&["build", "none/t"], "none/t: ", &["directory", "No such file"]),
        (&["build", "file/t"], "file/t: ", &["Not a directory"]),
        (&["build", "t/"], "t/: ", &["file name"]),
        (&["build", "d/."], "d/.: ", &["file name"]),
        (&["build", ".."], "..: ", &["file name"]),
        (&["build", &long], &long, &["name too long"]),
    ] {
        let ran = dir.pipe(args, b"no good");
        assert_eq!(ran.code, 4, "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with(&format!("graven: {about}")), "{}", ran.err);
        for word in words {
            assert!(ran.err.to_lowercase().contains(&word.to_lowercase()), "{word}: {}", ran.err);
        }
    }
    assert_eq!(dir.names(), ["d", "file"]);
}

#[test]
fn options_are_named_as_they_are_written() {
    let dir = Sandbox::new();
    for (option, value) in [("--memory", "1"), ("--value-align", "3"), ("--mode", "1777")] {
        let ran = dir.pipe(&["build", option, value, "t"], b"a\t1\n");
        ran.failed(2, option, &["expected", "graven build --help"]);
    }
    dir.table("t", "a\t1\n");
    let ran = dir.run(&["publish", "--mode", "1777", "t", "u"]);
    ran.failed(2, "--mode", &["expected"]);
}

#[test]
fn a_directory_of_versions_is_no_table_but_has_one() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    dir.run(&["publish", "--dir", "d", "t"]);
    for args in [&["get", "d", "a"][..], &["warm", "d"], &["bench", "d"], &["publish", "d", "u"]] {
        dir.run(args).failed(4, "d: ", &["directory of versions", "d/CURRENT"]);
    }
    dir.run(&["get", "d/CURRENT", "a"]).printed("1");
    fs::create_dir(dir.path("plain")).unwrap();
    let ran = dir.run(&["get", "plain", "a"]);
    ran.failed(4, "plain: ", &["is a directory", "regular file"]);
    // What these lack is the directory alone.
    for option in ["--list", "--rollback"] {
        let ran = dir.run(&["publish", option]);
        ran.failed(2, "", &["--dir <D>;"]);
        assert!(!ran.err.contains("<DST>"), "{}", ran.err);
    }
}

#[test]
fn messages_are_not_for_programmers() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    dir.write("longer", [&dir.read("t")[..], b"x"].concat());
    let ran = dir.run(&["get", "longer", "a"]);
    ran.failed(3, "longer: ", &["appended"]);
    assert!(!ran.err.contains("()"), "{}", ran.err);
}

#[test]
fn a_repeated_key_in_a_file_behind_standard_input_is_placed() {
    let dir = Sandbox::new();
    dir.write("in", "b\t1\na\t2\nb\t3\n");
    let mut command = dir.command(&["build", "t"]);
    command.stdin(File::open(dir.path("in")).unwrap());
    ran(command).failed(3, "standard input: ", &["\"b\"", "line 1 and line 3"]);
    // A pipe is gone by then, and the message says so.
    let ran = dir.pipe(&["build", "t"], b"b\t1\na\t2\nb\t3\n");
    ran.failed(3, "standard input: ", &["\"b\"", "repeated", "only once"]);
}

#[test]
fn a_closed_standard_input_is_no_empty_table() {
    let dir = Sandbox::new();
    let ran = dir.shell("graven build --quiet t <&-");
    ran.failed(4, "standard input: ", &["closed", "</dev/null"]);
    assert_eq!(dir.names(), [""; 0]);
    // Many programs open /dev/null for reading and writing where a shell opens it for reading.
    for redirect in ["</dev/null", "<>/dev/null"] {
        dir.shell(&format!("graven build --quiet t {redirect}")).printed("");
        dir.run(&["scan", "--count", "t"]).printed("0\n");
    }
}

#[test]
fn a_file_beyond_the_limit_is_an_error_not_a_death() {
    let dir = Sandbox::new();
    let lines: String = (0..50_000).map(|i| format!("key {i}\tvalue\n")).collect();
    dir.write("in", lines);
    let graven = env!("CARGO_BIN_EXE_graven");
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(dir.path(""));
        ran(shell)
    };
    let small = shell(&format!("ulimit -f 100; exec {graven} build --quiet t in"));
    small.failed(4, "t: ", &["no space"]);
    assert_eq!(dir.names(), ["in"]);
    dir.run(&["build", "--quiet", "t", "in"]).printed("");
    let ran = shell(&format!("ulimit -f 100; exec {graven} dump t >out"));
    ran.failed(4, "standard output: ", &["too large"]);
}
