//! Comma-separated values: which columns become the entry, what is no csv, and that other programs
//! read what is written and write what is read.

use crate::tool::{Sandbox, lacks};
use proptest::prelude::*;

fn built(dir: &Sandbox, options: &[&str], csv: impl AsRef<[u8]>) -> Vec<u8> {
    let args = [&["build", "--quiet", "--dup", "keep", "-i", "csv", "t"], options].concat();
    dir.pipe(&args, csv.as_ref()).printed("");
    dir.run(&["dump", "t"]).out
}

#[track_caller]
fn makes(options: &[&str], csv: &str, tsv: &str) {
    let out = built(&Sandbox::new(), options, csv);
    assert_eq!(String::from_utf8(out).unwrap(), tsv, "{options:?} {csv:?}");
}

#[test]
fn columns_become_keys_and_values() {
    let csv = "id,name,city\n7,Ann,Bonn\n5,\"Bob, \"\"B\"\"\",\"Aa\nchen\"\n";
    // Without a word, the first column is the key and the others are the value, a row.
    makes(&[], csv, "5\t\"Bob, \"\"B\"\"\",\"Aa\\nchen\"\n7\tAnn,Bonn\nid\tname,city\n");
    makes(&["--header"], csv, "5\t\"Bob, \"\"B\"\"\",\"Aa\\nchen\"\n7\tAnn,Bonn\n");
    makes(&["--header", "--value", "name"], csv, "5\tBob, \"B\"\n7\tAnn\n");
    makes(&["--header", "--key", "name", "--value", "1"], csv, "Ann\t7\nBob, \"B\"\t5\n");
    makes(&["--header", "--key", "2"], csv, "Ann\t7,Bonn\nBob, \"B\"\t5,\"Aa\\nchen\"\n");
    // Several columns in the order that was asked for, the key among them.
    let several = ["--header", "--value", "city", "--value", "id"];
    makes(&several, csv, "5\t\"Aa\\nchen\",5\n7\tBonn,7\n");
    // One column has no other: its values are empty.
    makes(&[], "b\na\n", "a\t\nb\t\n");
    makes(&["--header"], "id,name\n", "");
    makes(&["--header"], "", "");
    makes(&[], "", "");
    // Other delimiters, also in the row.
    makes(&["--delimiter", ";"], "a;b,c;\"d;e\"\n", "a\tb,c;\"d;e\"\n");
    makes(&["--delimiter", "\\t", "--value", "2"], "a\tb c\td\n", "a\tb c\n");
}

#[test]
fn lines_end_in_every_way() {
    for csv in [
        "a,1\nb,2\n",
        "a,1\r\nb,2\r\n",
        "a,1\r\nb,2",
        "\n\na,1\n\r\n\nb,2\n\n",
        "\u{feff}a,1\r\nb,2\r\n",
        "\u{feff}\"a\",1\n\"b\",\"2\"\n",
    ] {
        makes(&[], csv, "a\t1\nb\t2\n");
    }
    // Inside of quotes they are bytes. What some programs write for null is bytes as well.
    makes(&[], "\"a\r\nb\",\"\"\n\"\",\\N\n", "\t\\\\N\na\\r\\nb\t\n");
    makes(&["--header"], "\u{feff}id,v\r\n1,2\r\n", "1\t2\n");
    makes(&["--header", "--key", "id"], "\u{feff}id,v\r\n1,2\r\n", "1\t2\n");
}

#[test]
fn what_is_no_csv_is_placed() {
    let dir = Sandbox::new();
    let build = |options: &[&str], csv: &[u8]| {
        dir.write("in", csv);
        dir.run(&[&["build", "-i", "csv", "t", "in"], options].concat())
    };
    build(&[], b"a,1\n\nb,2,3\n").failed(
        3,
        "in: 3 fields where the first record has 2",
        &["line 3"],
    );
    build(&[], b"a,\"1\n\n2\"\nb\n").failed(3, "in: 1 field where", &[", line 4"]);
    build(&[], b"a,1\r\nb,\"2\r\n3").failed(3, "in: a quote that is not closed", &[", line 2"]);
    build(&[], b"a,1\nb,2\"\n").failed(3, "in: a quote that is not closed", &[", line 2"]);
    build(&["--key", "3"], b"a,1\n").failed(3, "in: no column 3: the first", &["2 fields, line 1"]);
    let header = ["--header", "--value", "x"];
    build(&header, b"a,b\n").failed(3, "in: no column \"x\": the header names \"a\", \"b\"", &[]);
    build(&header, b"x,x\n").failed(3, "in: the header names two columns \"x\"", &["line 1"]);
    build(&[], "a,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice())
        .failed(3, "in: the text is UTF-16LE", &["iconv -f UTF-16LE"]);
    build(&[], b"\xfe\xff\0a\0,").failed(3, "in: the text is UTF-16BE", &["iconv"]);
    dir.table("other", "a\t1\n");
    build(&[], &dir.read("other")).failed(3, "in: is a graven table", &[]);
    dir.run(&["build", "-i", "csv", "t", "/dev/zero"]).failed(
        3,
        "/dev/zero: more than 65535 bytes in a key",
        &["quote", "line 1"],
    );
    let open = [b"a,1\nb,1\n\"c", &vec![b'x'; 300_000][..]].concat();
    build(&[], &open).failed(3, "in: more than 65535 bytes in a key", &[", line 3"]);
    let open = [b"1,a\n2,b\n3,\"c", &vec![b'x'; 300_000][..]].concat();
    build(&["--key", "2"], &open).failed(3, "in: more than 65535 bytes in a key", &[", line 3"]);
    build(&[], &open).failed(3, "in: a quote that is not closed", &[", line 3"]);
    build(&[], b"a,1\na,2\n").failed(3, "in: key \"a\" is repeated", &["line 1 and line 2"]);
    // Options that do not fit.
    let usage = |options: &[&str], words: &[&str]| {
        dir.run(&[&["build", "t", "in"], options].concat()).failed(2, "", words);
    };
    usage(&["-i", "csv", "--key", "id"], &["column \"id\" is a name", "--header"]);
    usage(&["-i", "csv", "--key", "0"], &["numbered from 1"]);
    usage(&["-i", "csv", "--crlf", "strip"], &["--crlf goes with tsv"]);
    usage(&["-i", "csv", "--delimiter", "\""], &["neither a quote nor"]);
    usage(&["-i", "csv", "--delimiter", "ab"], &["one byte"]);
    usage(&["--header"], &["--header goes with csv", "the format is tsv"]);
    usage(&["-i", "raw", "--value", "2"], &["--value goes with csv, jsonl"]);
    assert_eq!(dir.names(), ["in", "other"]);
}

#[test]
fn dumps_are_plain_records() {
    let dir = Sandbox::new();
    dir.table("t", "\t\na,b\t1\nc\t\\\"d\\\"\n".replace("\\\"", "\"") + "e\tf\\ng\nh\ti j;k\n");
    dir.run(&["dump", "-o", "csv", "t"])
        .printed(",\n\"a,b\",1\nc,\"\"\"d\"\"\"\ne,\"f\ng\"\nh,i j;k\n");
    dir.run(&["scan", "-o", "csv", "--delimiter", ";", "--header", "--from", "c", "t"])
        .printed("key;value\nc;\"\"\"d\"\"\"\ne;\"f\ng\"\nh;\"i j;k\"\n");
    dir.run(&["scan", "-o", "csv", "--reverse", "--limit", "1", "t"]).printed("h,i j;k\n");
    dir.run(&["scan", "-o", "csv", "--keys", "t"]).failed(2, "-o csv writes entries", &["--keys"]);
    dir.run(&["dump", "-o", "csv", "--no-escape", "t"]).failed(2, "--no-escape goes with tsv", &[]);
    dir.run(&["dump", "--header", "t"]).failed(2, "--header goes with csv", &[]);
    // A terminal gets no control characters.
    dir.table("u", "k\t\\x1b[31m,\n");
    let shown = dir.on_terminal(&["dump", "-o", "csv", "u"]);
    assert_eq!(String::from_utf8(shown.out).unwrap(), "k,\"\\x1b[31m,\"\n");
}

/// Entries of printable and of awkward bytes.
fn raw_of(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut raw = Vec::new();
    for (key, value) in entries {
        raw.extend_from_slice(&(key.len() as u32).to_le_bytes());
        raw.extend_from_slice(&(value.len() as u32).to_le_bytes());
        raw.extend_from_slice(key);
        raw.extend_from_slice(value);
    }
    raw
}

/// A first line of seven bytes, which looks like lengths with the line behind it.
#[test]
fn a_short_line_is_not_taken_for_lengths() {
    comes_back(&[(vec![], vec![0, 0, b'"']), (vec![], vec![])]);
}

/// A first line with zeros where UTF-16 has them.
#[test]
fn zeros_are_not_taken_for_utf_16() {
    comes_back(&[(vec![], vec![0]), (vec![0, b'x'], vec![])]);
    comes_back(&[(vec![0], vec![b'x', 0]), (vec![1], vec![])]);
}

#[track_caller]
fn comes_back(entries: &[(Vec<u8>, Vec<u8>)]) {
    let dir = Sandbox::new();
    let keep = ["build", "--quiet", "--dup", "keep"];
    dir.pipe(&[&keep[..], &["-i", "raw", "t"]].concat(), &raw_of(entries)).printed("");
    let dump = dir.run(&["dump", "-o", "csv", "t"]);
    dir.pipe(&[&keep[..], &["--sorted", "-i", "csv", "u"]].concat(), &dump.out).printed("");
    assert!(dir.read("t") == dir.read("u"), "{}", dump.out.escape_ascii());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any bytes come back from csv and jsonl, the entries in their order.
    #[test]
    fn any_bytes_come_back(entries in proptest::collection::vec((
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            proptest::collection::vec(proptest::sample::select(&b"\",\\\r\n\t a\xef\xbb\xbf{}\0"[..]), 0..6),
        ],
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(proptest::sample::select(&b"\",\\\r\n\t a\xc3\xa9\x7f\0"[..]), 0..12),
        ],
    ), 0..12)) {
        let dir = Sandbox::new();
        let keep = ["build", "--quiet", "--dup", "keep"];
        dir.pipe(&[&keep[..], &["-i", "raw", "t"]].concat(), &raw_of(&entries)).printed("");
        for format in ["csv", "jsonl"] {
            let dump = dir.run(&["dump", "-o", format, "t"]);
            prop_assert_eq!((dump.code, &dump.err[..]), (0, ""));
            dir.pipe(&[&keep[..], &["--sorted", "-i", format, "u"]].concat(), &dump.out).printed("");
            prop_assert!(dir.read("t") == dir.read("u"), "{} {:?}", format, dump.out.escape_ascii());
        }
    }
}

/// Text with everything that csv quotes. sqlite3 and Python end texts at a NUL or refuse one.
fn awkward_text() -> String {
    let mut tsv: String =
        (1..128u8).map(|byte| format!("k\\x{byte:02x}\tv\\x{byte:02x}w\n")).collect();
    tsv.push_str("\tempty key\nempty\t\né\tü\n\\\"\t\\\"\\\"\n".replace("\\\"", "\"").as_str());
    tsv
}

#[test]
fn sqlite_reads_and_writes_it() {
    if lacks(&["sqlite3"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.table("t", awkward_text());
    dir.run(&["dump", "-o", "csv", "t"]);
    let line = "graven dump -o csv t >in.csv && \
                sqlite3 db 'create table t (k text, v text)' && \
                sqlite3 db '.mode csv' '.import in.csv t' && \
                sqlite3 db 'select count(*) from t' && \
                sqlite3 -csv db 'select k, v from t' | graven build --quiet -i csv u";
    let ran = dir.shell(line);
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    let entries = dir.run(&["scan", "--count", "t"]).out;
    assert_eq!(ran.out, entries, "entries in sqlite");
    assert!(dir.read("t") == dir.read("u"), "another table");
    // With a header, whose names give the columns.
    let line = "sqlite3 -csv -header db 'select v, k from t' | \
                graven build --quiet -i csv --header --key k --value v u";
    dir.shell(line).printed("");
    assert!(dir.read("t") == dir.read("u"), "another table by names");
}

#[test]
fn python_reads_and_writes_it() {
    if lacks(&["python3"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.table("t", awkward_text());
    dir.write(
        "copy.py",
        "import csv, sys\n\
         source = open(sys.argv[1], newline='', encoding='utf-8')\n\
         target = open(sys.argv[2], 'w', newline='', encoding='utf-8')\n\
         rows = list(csv.reader(source, strict=True))\n\
         assert all(len(row) == 2 for row in rows), rows\n\
         csv.writer(target, quoting=getattr(csv, sys.argv[3])).writerows(rows)\n",
    );
    for quoting in ["QUOTE_MINIMAL", "QUOTE_ALL", "QUOTE_NONNUMERIC"] {
        let line = format!(
            "graven dump -o csv t >a && python3 copy.py a b {quoting} && \
             graven build --quiet -i csv u b"
        );
        dir.shell(&line).printed("");
        assert!(dir.read("t") == dir.read("u"), "{quoting}: another table");
    }
}
