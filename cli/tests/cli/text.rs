//! Guards against text that is read as other bytes than its author sees: lines from Windows, whose
//! values would all end in CR; a byte order mark, which would make the first key unreachable;
//! UTF-16; backslashes of paths that would turn into other bytes. Each is an error that names the
//! way out, and the way out works.

use crate::tool::Sandbox;

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn lines_from_windows_are_refused_stripped_or_kept() {
    let dir = Sandbox::new();
    dir.write("in", "a\t1\r\nb\t2\\r\r\nc\t\r\n");
    let ran = dir.run(&["build", "t", "in"]);
    ran.failed(3, "in: ", &["CR before the LF", "--crlf strip", "--crlf keep", "line 1"]);
    let ran = dir.pipe(&["build", "--sorted", "t"], b"a\t1\nb\t2\r\n");
    ran.failed(3, "standard input: ", &["CR", "line 2"]);
    assert_eq!(dir.names(), ["in"]);
    for options in [&["--crlf", "strip"][..], &["--crlf=strip", "--sorted"]] {
        dir.run(&[&["build", "--quiet"], options, &["t", "in"]].concat()).printed("");
        dir.run(&["dump", "t"]).printed("a\t1\nb\t2\\r\nc\t\n");
    }
    dir.run(&["build", "--quiet", "--crlf", "keep", "t", "in"]).printed("");
    dir.run(&["dump", "t"]).printed("a\t1\\r\nb\t2\\r\\r\nc\t\\r\n");
    // What was dumped says CR by an escape, and is read as it is.
    let dumped = dir.run(&["dump", "t"]).out;
    dir.pipe(&["build", "--quiet", "u"], &dumped).printed("");
    assert!(dir.read("t") == dir.read("u"));
    // A CR elsewhere is a byte like any other.
    dir.table("t", "a\rb\tc\rd\n");
    dir.run(&["get", "t", "a\rb"]).printed("c\rd");
    // Where a key repeats, the input is read again in the same way.
    dir.write("in", "a\t1\r\nb\t2\r\na\t3\r\n");
    let ran = dir.run(&["build", "--crlf", "strip", "t", "in"]);
    ran.failed(3, "in: ", &["\"a\"", "line 1 and line 3"]);
}

#[test]
fn a_byte_order_mark_is_refused_stripped_or_kept() {
    let dir = Sandbox::new();
    dir.write("one", "\u{feff}a\t1\nb\t2\n");
    dir.write("two", "\u{feff}c\t3\n");
    let ran = dir.run(&["build", "t", "one"]);
    ran.failed(3, "one: ", &["byte order mark", "--bom strip", "--bom keep", "line 1"]);
    dir.write("plain", "c\t3\n");
    dir.run(&["build", "t", "plain", "one"]).failed(3, "one: ", &["byte order mark", "line 1"]);
    // Each input has a start of its own.
    dir.run(&["build", "--quiet", "--bom", "strip", "t", "one", "two"]).printed("");
    dir.run(&["dump", "t"]).printed("a\t1\nb\t2\nc\t3\n");
    dir.run(&["build", "--quiet", "--bom", "keep", "t", "two"]).printed("");
    dir.run(&["get", "t", "\u{feff}c"]).printed("3");
    // The first key that begins with a mark is dumped so that it is read.
    let dumped = dir.run(&["dump", "t"]);
    dumped.printed(b"\\xef\xbb\xbfc\t3\n");
    dir.pipe(&["build", "--quiet", "u"], &dumped.out).printed("");
    assert!(dir.read("t") == dir.read("u"));
    let keys = dir.run(&["scan", "--keys", "t"]).out;
    assert_eq!(dir.pipe(&["mget", "t"], &keys).out, dumped.out);
    // A mark and nothing else is a table without entries.
    dir.pipe(&["build", "--quiet", "--bom", "strip", "t"], "\u{feff}".as_bytes()).printed("");
    dir.run(&["scan", "--count", "t"]).printed("0\n");
    // In a long line, too.
    let long = format!("\u{feff}k\t{}\n", "v".repeat(3 << 20));
    dir.pipe(&["build", "t"], long.as_bytes()).failed(3, "standard input: ", &["--bom strip"]);
    dir.pipe(&["build", "--quiet", "--bom", "strip", "t"], long.as_bytes()).printed("");
    dir.run(&["scan", "--keys", "t"]).printed("k\n");
}

#[test]
fn utf_16_is_told_with_and_without_a_mark() {
    let dir = Sandbox::new();
    for text in ["\u{feff}key\tvalue\r\n", "key\tvalue\r\n", "Schlüssel\tWert\nb\t2\n"] {
        for (unit, order) in
            [(u16::to_le_bytes as fn(u16) -> [u8; 2], "UTF-16LE"), (u16::to_be_bytes, "UTF-16BE")]
        {
            dir.write("in put", utf16(text, unit));
            let convert = format!("iconv -f {order} -t UTF-8 'in put' | graven build t");
            let ran = dir.run(&["build", "t", "in put"]);
            ran.failed(3, "in put: ", &["line 1", order, &convert, "--bom keep"]);
            let ran = dir.run(&["build", "--bom", "strip", "t", "in put"]);
            ran.failed(3, "in put: ", &["line 1", order]);
        }
    }
    // Bytes are taken as they are where that is said.
    dir.write("in", b"\xff\xfe\t1\n");
    dir.run(&["build", "--quiet", "--bom", "keep", "t", "in"]).printed("");
    let dumped = dir.run(&["dump", "t"]).out;
    assert_eq!(dumped, b"\\xff\xfe\t1\n");
    dir.pipe(&["build", "--quiet", "u"], &dumped).printed("");
    assert!(dir.read("t") == dir.read("u"));
}

#[test]
fn keys_to_look_up_have_the_same_guards() {
    let dir = Sandbox::new();
    dir.table("t", "a\tone\nb\ttwo\n");
    let ran = dir.pipe(&["mget", "t"], b"a\nb\r\n");
    ran.failed(3, "standard input: ", &["CR before the LF", "--crlf strip", "line 2"]);
    assert_eq!(ran.out, b"a\tone\n", "what came before is answered");
    dir.pipe(&["mget", "--crlf", "strip", "t"], b"a\r\nb\r\n").printed("a\tone\nb\ttwo\n");
    dir.pipe(&["mget", "--crlf", "keep", "t"], b"a\r\nb\n").ended(1, "b\ttwo\n");
    let marked = "\u{feff}a\nb\n".as_bytes();
    let ran = dir.pipe(&["mget", "t"], marked);
    ran.failed(3, "standard input: ", &["byte order mark", "--bom strip", "line 1"]);
    dir.pipe(&["mget", "--bom", "strip", "t"], marked).printed("a\tone\nb\ttwo\n");
    dir.pipe(&["mget", "--bom", "strip", "t"], "\u{feff}".as_bytes()).printed("");
    dir.pipe(&["mget", "--bom", "keep", "t"], marked).ended(1, "b\ttwo\n");
    let ran = dir.pipe(&["mget", "t"], &utf16("\u{feff}a\n", u16::to_le_bytes));
    ran.failed(3, "standard input: ", &["UTF-16LE", "iconv"]);
}

#[test]
fn without_escapes_a_backslash_is_a_byte() {
    let dir = Sandbox::new();
    let lines = "C:\\temp\\new\tD:\\x\\q\tE:\\\nk\\\t\\\n";
    dir.write("in", lines);
    dir.run(&["build", "t", "in"]).failed(3, "in: ", &["hexadecimal", "line 1"]);
    for more in [&[][..], &["--sorted"]] {
        dir.run(&[&["build", "--quiet", "--no-escape"], more, &["t", "in"]].concat()).printed("");
        dir.run(&["get", "t", "C:\\temp\\new"]).printed("D:\\x\\q\tE:\\");
    }
    dir.pipe(&["mget", "--no-escape", "t"], b"k\\\nC:\\temp\\new\nnone\\\n")
        .ended(1, "k\\\t\\\nC:\\temp\\new\tD:\\x\\q\tE:\\\n");
    dir.run(&["dump", "--no-escape", "t"]).printed(lines);
    dir.run(&["scan", "--no-escape", "t"]).printed(lines);
    dir.run(&["scan", "--no-escape", "--keys", "t"]).printed("C:\\temp\\new\nk\\\n");
    dir.run(&["scan", "--no-escape", "--values", "t"]).printed("D:\\x\\q\tE:\\\n\\\n");
    let ran = dir.pipe(&["mget", "--no-escape", "t"], b"k\\\na\tb\n");
    ran.failed(3, "standard input: ", &["TAB", "line 2"]);
}

/// What a line without escapes cannot hold is an error, and of its line nothing is written.
#[test]
fn what_needs_an_escape_is_refused_without() {
    let dir = Sandbox::new();
    let tab = "the TAB in key \"b\\tb\"";
    let lf = "the LF in key \"b\\nb\"";
    let value = "the LF in the value of key \"b\"";
    for (entry, whole, keys, values) in [
        ("b\\tb\t2", Some(tab), Some(tab), None),
        ("b\\nb\t2", Some(lf), Some(lf), None),
        ("b\t2\\n", Some(value), None, Some("the LF in a value")),
        ("b\t2\\t\\r\\0\\\\", None, None, None),
    ] {
        dir.table("t", format!("a\t1\n{entry}\nc\t3\n"));
        for (args, refused) in [
            (&["dump", "--no-escape", "t"][..], whole),
            (&["scan", "--no-escape", "t"], whole),
            (&["scan", "--no-escape", "--keys", "t"], keys),
            (&["scan", "--no-escape", "--values", "t"], values),
        ] {
            let ran = dir.run(args);
            match refused {
                Some(what) => {
                    ran.failed(3, "standard output: ", &[what, "--no-escape"]);
                    let first: &[u8] = match args {
                        [.., "--keys", _] => b"a\n",
                        [.., "--values", _] => b"1\n",
                        _ => b"a\t1\n",
                    };
                    assert_eq!(ran.out, first, "{args:?}");
                }
                None => assert_eq!(ran.code, 0, "{args:?}: {}", ran.err),
            }
        }
    }
    dir.table("t", "a\t1\\n2\n");
    let ran = dir.pipe(&["mget", "--no-escape", "t"], b"a\n");
    ran.failed(3, "standard output: ", &["the LF in the value of key \"a\""]);
    assert_eq!(ran.out, b"");
    // Nothing is escaped in raw.
    assert_eq!(
        dir.run(&["dump", "-o", "raw", "--no-escape", "t"]).out,
        b"\x01\0\0\0\x03\0\0\0a1\n2"
    );
}

#[test]
fn what_is_no_tsv_is_told_by_its_start() {
    let dir = Sandbox::new();
    dir.table("table", "a\t1\n");
    let raw = dir.run(&["dump", "-o", "raw", "table"]).out;
    let table = dir.read("table");
    let mut lmdb = vec![0; 8192];
    lmdb[10] = 8;
    lmdb[16..20].copy_from_slice(&0xBEEF_C0DEu32.to_le_bytes());
    let cases: [(&[u8], &str); 9] = [
        (b"\xfd7zXZ\x00\x00", "is compressed by xz: use xzcat 'my in' | graven build t\n"),
        // With a TAB before the first LF, too.
        (b"\xfd7zXZ\t\\q\n", "is compressed by xz: use xzcat 'my in' | graven build t\n"),
        (b"\xfd7zXZ\t\na\r\n", "is compressed by xz: use xzcat 'my in' | graven build t\n"),
        (b"\x04\x22\x4d\x18", "by lz4: use lz4cat 'my in' | graven build t\n"),
        (b"BZh91AY&SY", "by bzip2: use bzcat 'my in' | graven build t\n"),
        (&table, "is a graven table: graven dump 'my in' writes its entries\n"),
        (&raw, "looks like raw, which -i raw reads\n"),
        (&lmdb, "is a data file of LMDB 0.9: mdb_dump -n 'my in' | graven build -i mdb t\n"),
        (b"plain text", "no TAB between key and value, line 1\n"),
    ];
    for (input, what) in cases {
        dir.write("my in", input);
        let ran = dir.run(&["build", "t", "my in"]);
        ran.failed(3, "my in: ", &[what]);
    }
    // Among others, and from a pipe.
    dir.write("b.xz", b"\xfd7zXZ\x00\x00");
    let ran = dir.run(&["build", "t", "table", "b.xz"]);
    ran.failed(3, "table: ", &["graven dump table"]);
    dir.write("a", "a\t1\n");
    let ran = dir.run(&["build", "t", "a", "b.xz"]);
    ran.failed(3, "b.xz: ", &["use xzcat b.xz | graven build t a -\n"]);
    let ran = dir.pipe(&["build", "t"], b"\xfd7zXZ\x00\x00");
    ran.failed(3, "standard input: ", &["put xzcat in front of graven build t\n"]);
    // Raw knows them, too.
    let ran = dir.run(&["build", "-i", "raw", "t", "b.xz"]);
    ran.failed(3, "b.xz: ", &["is compressed by xz: use xzcat b.xz | graven build t\n"]);
    // Further down it is a line like any other.
    let ran = dir.pipe(&["build", "t"], b"a\t1\n\xfd7zXZ\n");
    ran.failed(3, "standard input: ", &["key and value, line 2"]);
    assert_eq!(dir.names(), ["a", "b.xz", "my in", "table"]);
}

#[test]
fn out_of_order_says_how_to_sort() {
    let dir = Sandbox::new();
    let ran = dir.pipe(&["build", "--sorted", "t"], b"b\t1\na\t2\n");
    ran.failed(3, "standard input: ", &["LC_ALL=C sort", "leave --sorted out", "line 2"]);
}

#[test]
fn memory_is_said_in_any_unit() {
    let dir = Sandbox::new();
    for size in ["2000000", "2M", "2m", "2MB", "2MiB", "2048K", "2048KiB", "1G", "1GB", "1GiB"] {
        let ran = dir.pipe(&["build", "--quiet", "--memory", size, "t"], b"a\t1\n");
        assert_eq!(ran.code, 0, "{size}: {}", ran.err);
    }
    for size in ["2MBit", "2 M", "M", "-2M", "2Mi"] {
        let ran = dir.pipe(&["build", &format!("--memory={size}"), "t"], b"a\t1\n");
        assert_eq!(ran.code, 2, "{size}");
        assert!(ran.err.contains("KiB, MiB, GiB"), "{}", ran.err);
    }
}
