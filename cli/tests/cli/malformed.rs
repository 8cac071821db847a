//! Input that is no good: exit code 3, a message with file and place, nothing published.

use crate::tool::{Ran, Sandbox};

/// Builds over an existing table from a file that is no good, and sees that the table stays.
#[track_caller]
fn refused(options: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let dir = Sandbox::new();
    dir.table("t", "stays\tas it is\n");
    dir.write("in", input);
    let before = dir.read("t");
    let ran = dir.run(&[&["build"], options, &["t", "in"]].concat());
    assert_eq!(ran.out, b"");
    assert_eq!(dir.names(), ["in", "t"], "something was left behind");
    assert_eq!(dir.read("t"), before, "the old table changed");
    // And where no table was, there is none.
    std::fs::remove_file(dir.path("t")).unwrap();
    let again = dir.run(&[&["build"], options, &["t", "in"]].concat());
    assert_eq!(again, ran);
    assert_eq!(dir.names(), ["in"]);
    ran
}

#[test]
fn a_malformed_line_is_named() {
    let cases: [(&[u8], &[&str]); 10] = [
        (b"a\t1\nno tab here\nc\t3\n", &["no TAB", "line 2"]),
        (b"a\t1\nb\t2\nno tab at the end", &["no TAB", "line 3"]),
        (b"\na\t1\n", &["no TAB", "line 1"]),
        (b"a\t1\n\n", &["no TAB", "line 2"]),
        (b"a\\tb\n", &["no TAB", "line 1"]),
        (b"a\t1\nb\t\\q\n", &["escape \\q", "line 2"]),
        (b"a\\\t1\n", &["backslash at the end", "line 1"]),
        (b"a\t1\\", &["backslash at the end", "line 1"]),
        (b"a\t\\xf\n", &["\\x", "hexadecimal", "line 1"]),
        (b"a\t\\xg0\n", &["\\x", "hexadecimal", "line 1"]),
    ];
    for (input, words) in cases {
        refused(&[], input).failed(3, "in: ", words);
        refused(&["--sorted"], input).failed(3, "in: ", words);
    }
}

#[test]
fn lines_are_counted_beyond_what_one_read_brings() {
    let mut input = "key\tvalue\n".repeat(300_000).into_bytes();
    input.extend_from_slice(b"broken\n");
    refused(&["--dup", "first"], &input).failed(3, "in: ", &["no TAB", "line 300001"]);
}

#[test]
fn each_input_counts_its_own_lines() {
    let dir = Sandbox::new();
    dir.write("one", "a\t1\nb\t2\n");
    dir.write("two", "c\t3\nbroken\n");
    dir.run(&["build", "t", "one", "two"]).failed(3, "two: ", &["no TAB", "line 2"]);
    let ran = dir.pipe(&["build", "t", "one", "-"], b"broken\n");
    ran.failed(3, "standard input: ", &["no TAB", "line 1"]);
    assert_eq!(dir.names(), ["one", "two"]);
}

#[test]
fn a_repeated_key_is_named_with_both_lines() {
    let input = b"b\t1\na\t2\nc\t3\na\t2\nb\t5\na\t6\nb\t7\n";
    let ran = refused(&[], input);
    // Which of the two is found first is left open.
    match ran.err.contains("\"a\"") {
        true => ran.failed(3, "in: ", &["repeated", "line 2 and line 4"]),
        false => ran.failed(3, "in: ", &["\"b\"", "repeated", "line 1 and line 5"]),
    }
    let ran = refused(&["--dup", "error", "--sorted"], b"a\t1\nb\t2\nb\t3\nc\t4\n");
    ran.failed(3, "in: ", &["\"b\"", "repeated", "line 3"]);
}

#[test]
fn a_key_repeated_in_another_input_is_named_with_both_files() {
    let dir = Sandbox::new();
    dir.write("one", "b\t1\na\t2\n");
    dir.write("two", "c\t3\nb\t4\n");
    let ran = dir.run(&["build", "t", "one", "two"]);
    ran.failed(3, "two: ", &["\"b\"", "repeated", "line 2", "one, line 1"]);
    let ran = dir.pipe(&["build", "t"], b"b\t1\nb\t2\n");
    ran.failed(3, "standard input: ", &["\"b\"", "repeated"]);
    assert_eq!(dir.names(), ["one", "two"]);
}

#[test]
fn a_key_out_of_order_is_shown_with_the_one_before() {
    for dup in ["error", "first", "last", "keep"] {
        let ran = refused(&["--sorted", "--dup", dup], b"a\t1\nc\t2\nb\\n\t3\nd\t4\n");
        ran.failed(3, "in: ", &["\"b\\n\"", "\"c\"", "line 3"]);
    }
    let dir = Sandbox::new();
    dir.write("one", "b\t1\n");
    dir.write("two", "a\t1\n");
    dir.run(&["build", "--sorted", "t", "one", "two"]).failed(3, "two: ", &["line 1"]);
}

#[test]
fn a_key_too_long_is_named() {
    let key = "k".repeat(65_536);
    refused(&[], format!("a\t1\n{key}\t2\n")).failed(3, "in: ", &["65536", "line 2"]);
    let dir = Sandbox::new();
    dir.table("t", format!("{}\t1\n", &key[1..]));
    dir.run(&["scan", "--count", "t"]).printed("1\n");
}

#[test]
fn raw_input_that_is_cut_short_is_placed() {
    let whole = b"\x01\0\0\0\x02\0\0\0abc\x01\0\0\0\x01\0\0\0de";
    for cut in 12..whole.len() {
        let ran = refused(&["-i", "raw"], &whole[..cut]);
        ran.failed(3, "in: ", &["cut short", "entry 2", "byte 11"]);
    }
    let dir = Sandbox::new();
    dir.pipe(&["build", "--quiet", "-i", "raw", "t"], whole).printed("");
    dir.run(&["dump", "t"]).printed("a\tbc\nd\te\n");
}

#[test]
fn raw_input_with_impossible_lengths_is_refused() {
    let ran = refused(&["-i", "raw"], b"\0\0\x01\0\0\0\0\0");
    ran.failed(3, "in: ", &["65536", "entry 1"]);
    let ran = refused(&["-i", "raw"], b"\x01\0\0\0\xff\xff\xff\xffab");
    ran.failed(3, "in: ", &["cut short", "entry 1"]);
    let ran = refused(&["-i", "raw"], "a tsv file\tis not raw\n");
    ran.failed(3, "in: ", &["entry 1"]);
}
