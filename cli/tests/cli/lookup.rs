//! `get` and `mget`: the bytes of the values, in the order asked, and 1 for what is missing.

use crate::tool::{Sandbox, os};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

fn sandbox() -> Sandbox {
    let dir = Sandbox::new();
    dir.table("t", b"b\ttwo\na\tone\n\tempty key\n-k\tdash\n\\xff\\x00\tzero\n\xfe\t\\n\nnone\t\n");
    dir
}

#[test]
fn get_writes_values_and_nothing_else() {
    let dir = sandbox();
    dir.run(&["get", "t", "a"]).printed("one");
    dir.run(&["get", "t", "b", "a", "b"]).printed("twoonetwo");
    dir.run(&["get", "t", "none"]).printed("");
    dir.run(&["get", "t", ""]).printed("empty key");
    dir.run(&["get", "t", "--", "-k", "a"]).printed("dashone");
    dir.run(&[os(b"get"), os(b"t"), os(b"\xfe")]).printed("\n");
}

#[test]
fn get_takes_its_keys_as_they_are() {
    let dir = sandbox();
    // An argument is not tsv: a backslash is a backslash.
    dir.run(&["get", "--quiet", "t", "\\xfe"]).ended(1, "");
    let dir = Sandbox::new();
    dir.table("t", "\\\\n\tbackslash\n\\n\tnewline\n");
    dir.run(&["get", "t", "\\n"]).printed("backslash");
    dir.run(&["get", "t", "\n"]).printed("newline");
}

#[test]
fn get_ends_with_1_if_any_key_is_missing() {
    let dir = sandbox();
    dir.run(&["get", "t", "x"]).lacked("t", &["x"], "");
    dir.run(&["get", "t", "a", "x", "b"]).lacked("t", &["x"], "onetwo");
    dir.run(&["get", "t", "x", "a", "", "y z"]).lacked("t", &["x", "y z"], "oneempty key");
    dir.run(&[os(b"get"), os(b"t"), os(b"\xff\x1b\n")]).lacked("t", &["\\xff\\x1b\\n"], "");
    dir.run(&["get", "--all", "t", "a", "x"]).lacked("t", &["x"], "one");
    dir.run(&["get", "--quiet", "t", "x", "a"]).ended(1, "one");
}

#[test]
fn get_writes_the_first_value_or_all() {
    let dir = Sandbox::new();
    dir.table("t", "k\t3\nj\t0\nk\t1\nk\t2\nl\t9\n");
    dir.run(&["get", "t", "k"]).printed("3");
    dir.run(&["get", "--all", "t", "k"]).printed("312");
    dir.run(&["get", "--all", "t", "l", "k", "j"]).printed("93120");
}

#[test]
fn get_writes_large_values_whole() {
    let dir = Sandbox::new();
    let value: Vec<u8> = (0..3_000_000u32).map(|i| b'a' + (i % 26) as u8).collect();
    dir.table("t", [b"k\t", &value[..], b"\n"].concat());
    assert!(dir.run(&["get", "t", "k"]).out == value);
}

#[test]
fn mget_prints_what_it_finds_in_input_order() {
    let dir = sandbox();
    dir.pipe(&["mget", "t"], b"b\na\nb\n").printed("b\ttwo\na\tone\nb\ttwo\n");
    dir.pipe(&["mget", "t"], b"b\nx\na").ended(1, "b\ttwo\na\tone\n");
    dir.pipe(&["mget", "t"], b"x\n").ended(1, "");
    dir.pipe(&["mget", "t"], b"").printed("");
    dir.pipe(&["mget", "t"], b"\n").printed("\tempty key\n");
    dir.pipe(&["mget", "t"], b"none").printed("none\t\n");
}

#[test]
fn mget_reads_and_writes_escapes() {
    let dir = sandbox();
    let ran = dir.pipe(&["mget", "t"], b"\\xff\\0\n\\xfe\n\xfe\n\\x61\n");
    ran.printed(b"\xff\\0\tzero\n\xfe\t\\n\n\xfe\t\\n\na\tone\n");
    dir.pipe(&["mget", "t"], b"a\\r\n").ended(1, "");
}

#[test]
fn mget_names_a_malformed_line() {
    let dir = sandbox();
    for (input, words) in [
        (&b"a\nb\\q\na\n"[..], ["escape \\q", "line 2"]),
        (b"a\nb\\", ["backslash at the end", "line 2"]),
        (b"a\n\\x1\n", ["hexadecimal", "line 2"]),
        (b"a\nb\ttwo\n", ["TAB", "line 2"]),
    ] {
        let ran = dir.pipe(&["mget", "t"], input);
        ran.failed(3, "standard input: ", &words);
        assert_eq!(ran.out, b"a\tone\n", "what came before is answered");
    }
}

#[test]
fn mget_answers_many_keys() {
    let dir = Sandbox::new();
    let line = |i: u32| format!("key {i:06}\tvalue {}\n", i ^ 0x5555);
    dir.table("t", (0..50_000).map(line).collect::<String>());
    let asked: Vec<u32> = (0..100_000u32).map(|i| i * 7919 % 100_000).collect();
    let keys: String = asked.iter().map(|i| format!("key {i:06}\n")).collect();
    let found: String = asked.iter().filter(|&&i| i < 50_000).map(|&i| line(i)).collect();
    let ran = dir.pipe(&["mget", "t"], keys.as_bytes());
    assert_eq!(ran.code, 1);
    assert!(ran.out == found.as_bytes());
}

#[test]
fn mget_answers_while_its_input_is_open() {
    let dir = sandbox();
    let mut child = dir.command(&["mget", "t"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut ask = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for (key, expected) in [("b", "b\ttwo\n"), ("a", "a\tone\n")] {
        writeln!(ask, "{key}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
    drop(ask);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
