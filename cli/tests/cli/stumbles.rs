//! Ordinary mistakes: the message says what was wrong, in the words of the command line, and comes
//! before the work, not after.

use crate::tool::{Ran, Sandbox};
use std::fs::{self, File};
use std::process::Command;

fn ran(mut command: Command) -> Ran {
    command.output().unwrap().into()
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
fn a_directory_of_versions_stands_for_the_current_one() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    dir.run(&["publish", "--quiet", "--dir", "d", "t"]).printed("");
    dir.table("t", "a\t2\nb\t3\n");
    dir.run(&["publish", "--quiet", "--dir", "d", "t"]).printed("");
    dir.run(&["get", "d", "a"]).printed("2");
    dir.run(&["get", "d/", "a"]).printed("2");
    dir.pipe(&["mget", "d"], b"a\n").printed("a\t2\n");
    dir.run(&["scan", "d"]).printed("a\t2\nb\t3\n");
    dir.run(&["dump", "d"]).printed("a\t2\nb\t3\n");
    for args in [
        &["stat", "d"][..],
        &["verify", "d"],
        &["warm", "--quiet", "d"],
        &["bench", "d", "--procs", "1", "--seconds", "0.1"],
        &["bench", "t", "--procs", "1", "--seconds", "0.1", "--replace", "d"],
    ] {
        let ran = dir.run(args);
        assert_eq!((ran.code, &ran.err[..]), (0, ""), "{args:?}");
    }
    dir.run(&["publish", "--quiet", "d", "u"]).printed("");
    assert!(dir.read("u") == dir.read("t"));
    dir.run(&["publish", "--quiet", "--dir", "d", "--rollback"]).printed("");
    dir.run(&["get", "d", "a"]).printed("1");
    // What is said names the file that was read.
    dir.run(&["get", "d", "x"]).lacked("d/CURRENT", &["x"], "");
    fs::remove_dir_all(dir.path("d/versions")).unwrap();
    dir.run(&["get", "d", "a"]).failed(4, "d/CURRENT: ", &["No such file"]);
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
fn paths_in_the_wrong_order_are_seen() {
    let dir = Sandbox::new();
    dir.write("in.tsv", "a\t1\n");
    let ran = dir.run(&["build", "in.tsv", "x.grv"]);
    ran.failed(4, "x.grv: ", &["no such file", "OUT is the first", "graven build x.grv in.tsv"]);
    assert_eq!(dir.names(), ["in.tsv"]);
    // A table that is to be replaced, and one that is not there yet, stand in the right place.
    dir.table("t", "a\t1\n");
    for out in ["t", "new"] {
        let ran = dir.run(&["build", out, "none"]);
        ran.failed(4, "none: ", &["No such file"]);
        assert!(!ran.err.contains("OUT"), "{}", ran.err);
    }
}

#[test]
fn the_table_may_be_named_by_an_option() {
    let dir = Sandbox::new();
    dir.write("in1", "a\t1\n");
    dir.write("in2", "b\t2\n");
    dir.run(&["build", "--quiet", "in1", "in2", "-o", "t"]).printed("");
    dir.run(&["dump", "t"]).printed("a\t1\nb\t2\n");
    dir.pipe(&["build", "--quiet", "-o", "u"], b"c\t3\n").printed("");
    dir.run(&["dump", "u"]).printed("c\t3\n");
    dir.run(&["build"]).failed(2, "", &["<OUT>", "graven build --help"]);
    // Where it is the format, that is said.
    dir.run(&["dump", "-o", "x.tsv", "t"]).failed(2, "", &["'x.tsv'", "tsv, csv", "> FILE"]);
}

#[test]
fn a_dash_in_front_is_explained() {
    let dir = Sandbox::new();
    dir.table("t", "-foo\t1\n");
    for (args, words) in [
        (&["get", "t", "-foo"][..], &["'-foo'", "KEY", "-- -foo", "graven get --help"][..]),
        (&["get", "t", "--foo"], &["'--foo'", "-- --foo"]),
        (&["get", "t", "-1"], &["'-1'", "-- -1"]),
        (&["stat", "-table"], &["TABLE", "-- -table"]),
        (&["build", "--tmp-dir", "-x", "t"], &["'-x'", "--tmp-dir=-x"]),
        (&["scan", "t", "--limit", "-x"], &["--limit=-x"]),
    ] {
        dir.run(args).failed(2, "", words);
    }
    dir.run(&["get", "t", "--", "-foo"]).printed("1");
    // Numbers are values: what is wrong is that they are negative.
    for (args, option) in [
        (&["scan", "t", "--limit", "-1"][..], "--limit <N>"),
        (&["build", "t", "--threads", "-1"], "--threads <N>"),
        (&["build", "t", "--value-align", "-1"], "--value-align <N>"),
        (&["build", "t", "--memory", "-1"], "--memory <SIZE>"),
        (&["publish", "t", "u", "--min-age", "-1"], "--min-age <SECONDS>"),
        (&["publish", "t", "u", "--keep", "-1"], "--keep <N>"),
        (&["bench", "t", "--seconds", "-0.5"], "--seconds <S>"),
        (&["bench", "t", "--every", "-1", "--replace", "t"], "--every <MS>"),
    ] {
        let ran = dir.run(args);
        ran.failed(2, "invalid value '-", &[option, "expected"]);
        assert!(!ran.err.contains("-- -"), "{}", ran.err);
    }
    // A misspelt option is one.
    let ran = dir.run(&["scan", "t", "--limt", "1"]);
    ran.failed(2, "", &["'--limt'", "'--limit'"]);
}

#[test]
fn commands_that_are_none_are_explained() {
    let dir = Sandbox::new();
    for args in [&[""; 0][..], &["bench-reade"], &["frobnicate"]] {
        let ran = dir.run(args);
        ran.failed(2, "", &["subcommand", "graven --help"]);
        assert!(!ran.err.contains("bench-reader"), "{}", ran.err);
    }
    dir.run(&[""; 0]).failed(2, "", &["build, get, mget, scan, floor, ceil"]);
    dir.run(&["biuld"]).failed(2, "", &["'biuld'", "build"]);
    for change in ["put", "set", "del", "delete", "insert", "update", "remove", "PUT"] {
        let ran = dir.run(&[change, "t", "a", "1"]);
        ran.failed(2, &format!("there is no {change}: "), &["never changes", "build a new one"]);
    }
}

/// The error names the limit, and no way out that needs as much room.
#[test]
fn a_table_beyond_the_address_space_names_the_limit() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n");
    // A right header that speaks of 64 GiB.
    let mut header = dir.read("t")[..448].to_vec();
    header[16..24].copy_from_slice(&(64u64 << 30).to_le_bytes());
    header[112..116].fill(0);
    let checksum = crc32fast::hash(&header);
    header[112..116].copy_from_slice(&checksum.to_le_bytes());
    dir.write("large", header);
    let file = std::fs::File::options().write(true).open(dir.path("large")).unwrap();
    file.set_len(64 << 30).unwrap();
    let graven = env!("CARGO_BIN_EXE_graven");
    let mut shell = Command::new("sh");
    let script = format!("ulimit -v 4000000; exec {graven} get large a");
    shell.args(["-c", &script]).current_dir(dir.path(""));
    let ran = ran(shell);
    let told = ["68719476736", "ulimit -v allows 4096000000 in all", "raise the limit"];
    ran.failed(4, "large: ", &told);
    assert!(!ran.err.contains("range") && !ran.err.contains("load"), "{}", ran.err);
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
