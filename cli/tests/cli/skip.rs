//! Malformed entries: without --skip-bad the first one ends the build, with it they are left out,
//! counted and reported, and nothing of them is in the table.

use crate::tool::Sandbox;

/// Builds `input` with and without --skip-bad. Expects the failure, the report and the entries.
#[track_caller]
fn skips(options: &[&str], input: &[u8], count: &str, what: &str, place: &str, tsv: &str) {
    let dir = Sandbox::new();
    dir.write("in", input);
    let build =
        |more: &[&str]| dir.run(&[&["build", "--quiet"], options, more, &["t", "in"]].concat());
    build(&[]).failed(3, "in: ", &[what, place]);
    assert_eq!(dir.names(), ["in"], "without --skip-bad");
    let ran = build(&["--skip-bad"]);
    assert_eq!((ran.code, ran.out.len()), (0, 0), "{}", ran.err);
    let start = format!("graven: in: left out {count}; the first one: ");
    assert!(ran.err.starts_with(&start), "{:?}", ran.err);
    assert!(ran.err.contains(what) && ran.err.ends_with(&format!(", {place}\n")), "{:?}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{:?}", ran.err);
    dir.run(&["dump", "t"]).printed(tsv);
    dir.run(&["verify", "t"]).printed("");
}

#[test]
fn malformed_entries_are_left_out_and_counted() {
    skips(
        &[],
        b"a\t1\nb\nc\\q\t3\nd\t4\\\ne\t5",
        "3 malformed entries, kept 2",
        "no TAB",
        "line 2",
        "a\t1\ne\t5\n",
    );
    skips(
        &[],
        b"x\r\na\t1\n",
        "1 malformed entry, kept 1",
        "a CR before the LF",
        "line 1",
        "a\t1\n",
    );
    let csv = b"a,1\nb\nc,2,3\nd,4\ne,\"5\nf,6\n";
    skips(
        &["-i", "csv"],
        csv,
        "3 malformed entries, kept 2",
        "1 field where",
        "line 2",
        "a\t1\nd\t4\n",
    );
    let jsonl = b"{\"id\":1}\n{}\nnull\n{\"id\":2}\n";
    skips(
        &["-i", "jsonl", "--key", "id"],
        jsonl,
        "2 malformed entries, kept 2",
        "no field \"id\"",
        "line 2",
        "1\t{\"id\":1}\n2\t{\"id\":2}\n",
    );
    skips(
        &["-i", "lines"],
        b"a\nb\tc\nd\n",
        "1 malformed entry, kept 2",
        "a raw TAB",
        "line 2",
        "a\t\nd\t\n",
    );
    // A key that no table can hold.
    let long = [&b"a\t1\n"[..], &vec![b'k'; 65_536], b"\tv\nb\t2\n"].concat();
    skips(&[], &long, "1 malformed entry, kept 2", "65536 bytes, 65535", "line 2", "a\t1\nb\t2\n");
}

/// Of a value that is read as a stream, the bytes before the bad ones must not be in the table.
#[test]
fn a_long_value_that_turns_out_malformed_leaves_nothing() {
    let dir = Sandbox::new();
    let long = vec![b'x'; 5 << 20];
    let input =
        [b"a\t1\nb\t", &long[..], b"\\q", &long[..7], b"\nc\t", &long[..], b"\nd\t4\n"].concat();
    dir.write("in", &input);
    for sorted in [&[][..], &["--sorted"]] {
        let args = [&["build", "--quiet", "--skip-bad"], sorted, &["t", "in"]].concat();
        let ran = dir.run(&args);
        let report = "graven: in: left out 1 malformed entry, kept 3; the first one: unknown escape \
                      \\q, line 2\n";
        assert_eq!((ran.code, &ran.err[..]), (0, report));
        dir.run(&["scan", "--keys", "t"]).printed("a\nc\nd\n");
        dir.run(&["get", "t", "c"]).printed(&long);
        dir.write("good", [b"a\t1\nc\t", &long[..], b"\nd\t4\n"].concat());
        dir.run(&[&["build", "--quiet"], sorted, &["u", "good"]].concat()).printed("");
        assert!(dir.read("t") == dir.read("u"), "another table than without the bad line");
    }
    // A long line without a TAB, and one whose key is malformed.
    let input = [&long[..], b"\n\\q\t", &long, b"\na\t1\n"].concat();
    let ran = dir.pipe(&["build", "--quiet", "--skip-bad", "t"], &input);
    assert!(
        ran.err.contains("left out 2 malformed entries, kept 1; the first one: no TAB"),
        "{}",
        ran.err
    );
    dir.run(&["dump", "t"]).printed("a\t1\n");
}

#[test]
fn what_cannot_be_skipped_still_ends_the_build() {
    let dir = Sandbox::new();
    let skip = |options: &[&str], input: &[u8]| {
        dir.write("in", input);
        dir.run(&[&["build", "--skip-bad"], options, &["t", "in"]].concat())
    };
    // An input of another format is no table without entries.
    skip(&[], b"a,1\nb,2\n").failed(
        3,
        "in: all entries are malformed, the first one: no TAB",
        &["line 1"],
    );
    skip(&[], b"\xfd7zXZ\0\n").failed(3, "in: is compressed by xz", &[]);
    // Nothing leads to the entry behind wrong lengths.
    skip(&["-i", "raw"], b"\x01\0\0\0\0\0\0\0a\xff\xff\xff\xff\0\0\0\0").failed(
        3,
        "in: key length 4294967295",
        &["entry 2 at byte 9"],
    );
    skip(&["-i", "raw"], b"\x01\0\0\0\0\0\0\0a\x01\0").failed(3, "in: cut short", &["entry 2"]);
    // Repeated keys and order have options of their own.
    skip(&[], b"a\t1\nx\na\t2\n").failed(3, "in: key \"a\" is repeated", &["line 1 and line 3"]);
    skip(&["--sorted"], b"b\t1\nx\na\t2\n").failed(3, "in: key \"a\" is smaller", &["line 3"]);
    assert_eq!(dir.names(), ["in"]);
    // Each input has a report of its own.
    dir.write("in", "a\t1\nx\n");
    dir.write("more", "b\t1\ny\nz\n");
    let ran = dir.run(&["build", "--quiet", "--skip-bad", "t", "in", "more"]);
    let lines: Vec<_> = ran.err.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("graven: in: left out 1 "), "{lines:?}");
    assert!(lines[1].starts_with("graven: more: left out 2 "), "{lines:?}");
    dir.run(&["dump", "t"]).printed("a\t1\nb\t1\n");
    // An empty input has no malformed entries.
    skip(&["--quiet"], b"").printed("");
}

#[test]
fn lines_hold_no_values() {
    let dir = Sandbox::new();
    dir.table("t", "a\t\nb\t\nc\t3\n");
    dir.run(&["dump", "-o", "lines", "t"]).failed(
        3,
        "t: key \"c\" has a value, and lines holds keys alone",
        &["scan --keys"],
    );
    assert_eq!(dir.run(&["dump", "-o", "lines", "t"]).out, b"", "nothing before the error");
    dir.run(&["scan", "-o", "lines", "--to", "c", "t"]).printed("a\nb\n");
    dir.run(&["scan", "-o", "lines", "--limit", "1", "--reverse", "t"]).failed(
        3,
        "t: key \"c\"",
        &[],
    );
    dir.pipe(&["build", "--quiet", "-i", "lines", "t"], b"a\\nb\nc\\t\n").printed("");
    dir.run(&["dump", "-o", "lines", "t"]).printed("a\\nb\nc\\t\n");
    dir.run(&["dump", "-o", "lines", "--no-escape", "t"]).failed(
        3,
        "t: a line without escapes cannot hold the LF in key \"a\\nb\"",
        &[],
    );
    dir.run(&["scan", "-o", "lines", "--no-escape", "--from", "c", "t"]).printed("c\t\n");
    dir.pipe(&["build", "--quiet", "-i", "lines", "--no-escape", "t"], b"C:\\new\tx\n").printed("");
    dir.run(&["get", "-e", "t", "C:\\\\new\\tx"]).printed("");
    // Windows, as with tsv.
    dir.pipe(&["build", "-i", "lines", "t"], b"a\r\n").failed(
        3,
        "standard input: a CR before",
        &["--crlf"],
    );
    dir.pipe(
        &["build", "--quiet", "-i", "lines", "--crlf", "strip", "--bom", "strip", "t"],
        b"\xef\xbb\xbfa\r\nb\r\n",
    )
    .printed("");
    dir.run(&["scan", "--keys", "t"]).printed("a\nb\n");
    dir.run(&["build", "-i", "lines", "u", "t"]).failed(3, "t: is a graven table", &[]);
    dir.run(&["build", "-i", "lines", "u", "/dev/zero"]).failed(
        3,
        "/dev/zero: more than 262140 bytes in a line",
        &["line 1"],
    );
}
