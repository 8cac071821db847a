//! Keys that are no text on the command line, values told apart on the way out, and neither of
//! them in charge of a terminal.

use crate::tool::{Sandbox, os};

/// Keys and values of every kind of byte.
const LINES: &[u8] = b"\\0\xff\tnul and no text\n\\n\tline\\nbreak\na\tone\nb\t\n\
    esc\t\x1b]0;title\x07\nc1\t\xc2\x9b31m\x9b\xe2\x80\xae\nk\t1\nk\t2\nk\\\\0\tbackslash\n";

fn sandbox() -> Sandbox {
    let dir = Sandbox::new();
    dir.table("t", LINES);
    dir
}

#[test]
fn every_key_of_a_dump_is_found() {
    let dir = sandbox();
    let dump = dir.run(&["dump", "t"]).out;
    for line in dump.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let key = os(line.split(|&byte| byte == b'\t').next().unwrap());
        let ran = dir.run(&[os(b"get"), os(b"-e"), os(b"t"), key]);
        assert_eq!((ran.code, &ran.err[..]), (0, ""), "{key:?}");
        let ran =
            dir.run(&[os(b"scan"), os(b"t"), os(b"--from"), key, os(b"-e"), os(b"--limit=1")]);
        assert!(ran.out.starts_with(&[key.as_encoded_bytes(), b"\t"].concat()), "{key:?}: {ran:?}");
    }
    // Without -e, a key that looks copied from there says so.
    let ran = dir.run(&["get", "t", "\\0\\xff"]);
    ran.failed(1, "t: no key ", &["\"\\\\0\\\\xff\"", "-e"]);
}

#[test]
fn keys_are_named_in_hexadecimal_and_base64() {
    let dir = sandbox();
    dir.run(&["get", "--hex", "t", "00ff"]).printed("nul and no text");
    dir.run(&["get", "--hex", "t", "00FF", "61"]).printed("nul and no textone");
    for key in ["AP8=", "AP8"] {
        dir.run(&["get", "--b64", "t", key]).printed("nul and no text");
    }
    dir.run(&["get", "--escaped", "t", "\\x61"]).printed("one");
    dir.run(&["scan", "--count", "--hex", "--prefix", "00", "t"]).printed("1\n");
    dir.run(&["scan", "--keys", "--hex", "--from", "61", "--to", "6200", "t"]).printed("a\nb\n");
    dir.run(&["scan", "--keys", "--b64", "--from", "YQ", "--to", "Yg==", "t"]).printed("a\n");
    dir.run(&["scan", "--keys", "-e", "--to", "\\x01", "t"]).printed(b"\\0\xff\n");
    // A missing one is named by its escapes.
    dir.run(&["get", "--hex", "t", "001b"]).lacked("t", &["\\0\\x1b"], "");
}

#[test]
fn a_key_that_is_not_in_its_form_is_named() {
    let dir = sandbox();
    for (args, about, words) in [
        (&["get", "--hex", "t", "6z"][..], "KEY \"6z\"", &["hexadecimal", "character 2"][..]),
        (&["get", "--hex", "t", "61", "616"], "KEY \"616\"", &["hexadecimal", "odd"]),
        (&["get", "--b64", "t", "Y*"], "KEY \"Y*\"", &["Base64", "character 2"]),
        (&["get", "--b64", "t", "YQ==", "Y"], "KEY \"Y\"", &["Base64", "cut short"]),
        (&["get", "-e", "t", "\\q"], "KEY \"\\\\q\"", &["escape \\q"]),
        (&["scan", "--hex", "t", "--from", "x"], "--from \"x\"", &["hexadecimal"]),
        (&["scan", "--b64", "t", "--to", "?"], "--to \"?\"", &["Base64"]),
        (&["scan", "-e", "t", "--prefix", "a\\"], "--prefix \"a\\\\\"", &["backslash"]),
        (&["get", "-e", "--hex", "t", "61"], "", &["cannot be used with"]),
        (&["scan", "--b64", "--hex", "t"], "", &["cannot be used with"]),
    ] {
        let ran = dir.run(args);
        ran.failed(2, about, words);
        assert_eq!(ran.out, b"", "{args:?}");
    }
    // Found before the table is looked at.
    dir.run(&["get", "--hex", "none", "zz"]).failed(2, "KEY \"zz\"", &[]);
}

#[test]
fn values_are_told_apart_where_that_is_asked_for() {
    let dir = sandbox();
    let get = |options: &[&str]| dir.run(&[&["get", "t", "a", "b", "k"], options].concat());
    get(&[]).printed("one1");
    get(&["--sep", "none"]).printed("one1");
    get(&["--sep", "newline"]).printed("one\n\n1\n");
    get(&["--sep", "nul", "--all"]).printed("one\0\x001\x002\0");
    get(&["-0", "--all"]).printed("one\0\x001\x002\0");
    get(&["--sep", "length"]).printed("\x03\0\0\0one\0\0\0\0\x01\0\0\x001");
    dir.run(&["get", "-0", "t", "a", "absent", "k"]).lacked("t", &["absent"], "one\x001\0");

    let from_a =
        |options: &[&str]| dir.run(&[&["scan", "t", "--from", "a", "--to", "c"], options].concat());
    from_a(&["--values", "--sep", "nul"]).printed("one\0\0");
    from_a(&["--values", "-0", "--reverse"]).printed("\0one\0");
    from_a(&["--values", "--sep", "length"]).printed("\x03\0\0\0one\0\0\0\0");
    from_a(&["--values", "--sep", "none"]).printed("one");
    from_a(&["--keys", "-0"]).printed("a\0b\0");
    // As they are: nothing is escaped.
    dir.run(&["scan", "--values", "-0", "--limit", "2", "t"])
        .printed("nul and no text\0line\nbreak\0");
    dir.run(&["scan", "--values", "--sep", "newline", "--limit", "2", "t"])
        .printed("nul and no text\nline\nbreak\n");
    dir.run(&["scan", "--values", "--limit", "2", "t"]).printed("nul and no text\nline\\nbreak\n");

    dir.pipe(&["mget", "--values", "t"], b"\\n\na\n").printed("line\\nbreak\none\n");
    dir.pipe(&["mget", "--values", "-0", "t"], b"\\n\na\n").printed("line\nbreak\0one\0");
    let ran = dir.pipe(&["mget", "--values", "-0", "t"], b"x\na\n\\x1b\n");
    ran.lacked("t", &["x", "\\x1b"], "one\0");
    dir.pipe(&["mget", "--values", "--quiet", "t"], b"x\na\n").ended(1, "one\n");

    for args in [&["scan", "-0", "t"][..], &["scan", "-0", "--count", "t"], &["mget", "-0", "t"]] {
        dir.run(args).failed(2, "--sep and -0 go with --values", &[]);
    }
    dir.run(&["get", "-0", "--sep", "nul", "t", "a"]).failed(2, "", &["cannot be used with"]);
}

#[test]
fn values_are_lines_on_a_terminal() {
    let dir = sandbox();
    dir.on_terminal(&["get", "t", "a"]).printed("one\n");
    dir.on_terminal(&["get", "t", "a", "b", "k"]).printed("one\n\n1\n");
    dir.on_terminal(&["get", "--all", "t", "k"]).printed("1\n2\n");
    dir.on_terminal(&["get", "t", "a", "x", "k"]).lacked("t", &["x"], "one\n1\n");
    dir.on_terminal(&["get", "--sep", "none", "t", "a", "k"]).printed("one1");
}

#[test]
fn nothing_drives_a_terminal() {
    let dir = sandbox();
    let args = ["build", "--quiet", "m", "--meta", "k=\x1b]0;x\x07\u{9b}\u{202e}"];
    dir.pipe(&args, b"").printed("");
    dir.write("keys", "\x1b\n");
    let commands: [&[&str]; 15] = [
        &["get", "t", "esc", "c1"],
        &["get", "--all", "t", "esc", "c1"],
        &["get", "--sep", "newline", "t", "esc", "c1"],
        &["get", "--sep", "none", "t", "esc", "c1"],
        &["scan", "t"],
        &["scan", "--values", "t"],
        &["scan", "--keys", "t"],
        &["scan", "--values", "--sep", "newline", "t"],
        &["dump", "t"],
        &["stat", "m"],
        &["stat", "--json", "m"],
        &["get", "t", "no\x1bkey\u{9b}"],
        &["get", "no\x1btable", "a"],
        &["frobnicate\x1b"],
        &["scan", "t", "--from", "\x1b\u{9b}", "--to", "\x1b"],
    ];
    for args in commands {
        let ran = dir.on_terminal(args);
        let out = String::from_utf8(ran.out).unwrap_or_else(|_| panic!("{args:?}: no text"));
        for text in [&out, &ran.err] {
            let drives =
                |char: char| !"\n\t".contains(char) && (char.is_control() || char == '\u{202e}');
            assert!(!text.contains(drives), "{args:?}: {text:?}");
        }
        assert!(out.len() + ran.err.len() > 0, "{args:?}");
    }
    dir.on_terminal(&["get", "t", "esc"]).printed("\\x1b]0;title\\x07\n");
    dir.on_terminal(&["get", "t", "c1"]).printed("\\xc2\\x9b31m\\x9b\\xe2\\x80\\xae\n");
    dir.on_terminal(&["scan", "--from", "esc", "--limit", "1", "t"])
        .printed("esc\t\\x1b]0;title\\x07\n");
    let stat = dir.on_terminal(&["stat", "--json", "m"]).out;
    let stat: serde_json::Value = serde_json::from_slice(&stat).unwrap();
    assert_eq!(stat["metadata"]["k"], "\x1b]0;x\x07\u{9b}\u{202e}");
    // In a pipe they are what they are.
    dir.run(&["get", "t", "esc"]).printed("\x1b]0;title\x07");
    dir.run(&["get", "t", "c1"]).printed(b"\xc2\x9b31m\x9b\xe2\x80\xae");
    dir.run(&["scan", "--values", "--from", "esc", "--limit", "1", "t"])
        .printed("\x1b]0;title\x07\n");
}

#[test]
fn what_a_terminal_shows_is_read_back() {
    let dir = sandbox();
    let shown = dir.on_terminal(&["dump", "t"]).out;
    dir.pipe(&["build", "--quiet", "--dup", "keep", "u"], &shown).printed("");
    assert!(dir.read("u") == dir.read("t"));
}

#[test]
fn the_name_of_a_table_does_not_drive_a_terminal_either() {
    let dir = Sandbox::new();
    let ran = dir.pipe(&["build", "o\x1b[31m"], b"a\t1\n");
    assert_eq!(ran.code, 0);
    assert!(ran.err.starts_with("o\\u{1b}[31m: 1 entry,"), "{:?}", ran.err);
    let ran = dir.run(&["publish", "o\x1b[31m", "p\u{9b}"]);
    assert!(ran.err.starts_with("p\\u{9b}: "), "{:?}", ran.err);
}

#[test]
fn binary_output_does_not_go_to_a_terminal() {
    let dir = sandbox();
    for args in [
        &["dump", "-o", "raw", "t"][..],
        &["get", "--sep", "length", "t", "a"],
        &["scan", "--values", "--sep", "length", "t"],
    ] {
        let ran = dir.on_terminal(args);
        ran.failed(2, "", &["terminal", "> FILE"]);
        assert_eq!(ran.out, b"");
    }
}
