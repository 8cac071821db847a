//! `scan` against a model: a sorted list that is filtered, turned round and cut.

use crate::tool::{Sandbox, os};
use std::ffi::OsStr;

const KEYS: [&[u8]; 14] = [
    b"",
    b"a",
    b"a",
    b"ab",
    b"aba",
    b"abb",
    b"ac",
    b"b",
    b"b\xff",
    b"b\xff\xff",
    b"c",
    b"\xff",
    b"\xff\xfd",
    b"\xff\xff",
];

/// The model's entries: the value is the entry's number, so that equal keys can be told apart.
fn entries() -> Vec<(Vec<u8>, Vec<u8>)> {
    let number = |number: usize| format!("v{number}").into_bytes();
    KEYS.iter().enumerate().map(|(i, key)| (key.to_vec(), number(i))).collect()
}

fn sandbox() -> Sandbox {
    let dir = Sandbox::new();
    let line = |(key, value): (Vec<u8>, Vec<u8>)| [&key[..], b"\t", &value, b"\n"].concat();
    dir.table("t", entries().into_iter().flat_map(line).collect::<Vec<u8>>());
    dir
}

struct Query<'a> {
    from: Option<&'a [u8]>,
    to: Option<&'a [u8]>,
    prefix: Option<&'a [u8]>,
}

impl Query<'_> {
    fn args(&self) -> Vec<&OsStr> {
        let options = [("--from", self.from), ("--to", self.to), ("--prefix", self.prefix)];
        let given =
            options.into_iter().filter_map(|(name, key)| Some([OsStr::new(name), os(key?)]));
        [OsStr::new("scan"), OsStr::new("t")].into_iter().chain(given.flatten()).collect()
    }

    fn expected(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut entries = entries();
        entries.retain(|(key, _)| {
            self.from.is_none_or(|from| &key[..] >= from)
                && self.to.is_none_or(|to| &key[..] < to)
                && self.prefix.is_none_or(|prefix| key.starts_with(prefix))
        });
        entries
    }
}

fn printed(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [&key[..], b"\t", value, b"\n"].concat()).collect()
}

#[test]
fn every_interval_holds_what_it_should() {
    let dir = sandbox();
    let bounds: [Option<&[u8]>; 5] = [None, Some(b""), Some(b"a"), Some(b"abab"), Some(b"b\xff")];
    let prefixes: [Option<&[u8]>; 6] =
        [None, Some(b""), Some(b"a"), Some(b"b\xff"), Some(b"\xff"), Some(b"\xff\xff\xff")];
    for from in bounds {
        for to in bounds {
            for prefix in prefixes {
                let query = Query { from, to, prefix };
                let mut expected = query.expected();
                let mut args = query.args();
                let run = |args: &[&OsStr]| {
                    let mut ran = dir.run(args);
                    if expected.is_empty() {
                        // Whether it may say why is not the question here.
                        ran.err.clear();
                    }
                    ran
                };
                run(&args).printed(printed(&expected));
                args.push(os(b"--count"));
                run(&args).printed(format!("{}\n", expected.len()));
                args.pop();
                args.push(os(b"--reverse"));
                let ran = run(&args);
                expected.reverse();
                ran.printed(printed(&expected));
            }
        }
    }
}

#[test]
fn a_limit_cuts_at_the_end_that_is_walked_to() {
    let dir = sandbox();
    let query = Query { from: Some(b"a"), to: Some(b"c"), prefix: None };
    for limit in [0usize, 1, 2, 8, 9, 10, 1000] {
        let number = limit.to_string();
        let mut args = query.args();
        args.extend([os(b"--limit"), os(number.as_bytes())]);
        let mut expected = query.expected();
        expected.truncate(limit);
        dir.run(&args).printed(printed(&expected));
        args.push(os(b"--reverse"));
        let mut expected = query.expected();
        expected.reverse();
        expected.truncate(limit);
        dir.run(&args).printed(printed(&expected));
        args.push(os(b"--count"));
        dir.run(&args).printed(format!("{}\n", expected.len()));
    }
}

#[test]
fn keys_and_values_are_printed_alone_and_escaped() {
    let dir = Sandbox::new();
    let lines = "\t\n\\0\\\\\tx\\r\nk\\n\tv\\t1\nk\\n\tv\\t2\n";
    dir.table("t", lines);
    dir.run(&["scan", "t"]).printed(lines);
    dir.run(&["scan", "--keys", "t"]).printed("\n\\0\\\\\nk\\n\nk\\n\n");
    dir.run(&["scan", "--values", "t"]).printed("\nx\\r\nv\\t1\nv\\t2\n");
    dir.run(&["scan", "--values", "--reverse", "--limit", "2", "t"]).printed("v\\t2\nv\\t1\n");
    dir.run(&["scan", "--count", "t"]).printed("4\n");
}

#[test]
fn bounds_may_start_with_a_dash() {
    let dir = Sandbox::new();
    dir.table("t", "-a\t1\n-b\t2\n-c\t3\n");
    dir.run(&["scan", "--from", "-b", "t"]).printed("-b\t2\n-c\t3\n");
    dir.run(&["scan", "--to=-b", "t"]).printed("-a\t1\n");
    dir.run(&["scan", "t", "--prefix", "-c"]).printed("-c\t3\n");
}

#[test]
fn a_count_does_not_walk() {
    let dir = Sandbox::new();
    let lines = |range: std::ops::Range<u32>| -> String {
        range.map(|i| format!("{i:06}\t{}\n", "x".repeat(i as usize % 50))).collect()
    };
    dir.table("t", lines(0..200_000));
    dir.run(&["scan", "--count", "t"]).printed("200000\n");
    dir.run(&["scan", "--count", "--from", "000123", "--to", "150000", "t"]).printed("149877\n");
    dir.run(&["scan", "--count", "--prefix", "0012", "t"]).printed("100\n");
    dir.run(&["scan", "--prefix", "0012", "t"]).printed(lines(1200..1300));
    dir.run(&["scan", "--limit", "3", "--from", "19", "t"]).printed(lines(190_000..190_003));
    // Damage in the middle of the records is not seen by a count that only looks at both ends.
    let mut bytes = dir.read("t");
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    dir.write("damaged", bytes);
    dir.run(&["scan", "--count", "damaged"]).printed("200000\n");
    dir.run(&["scan", "--count", "--from", "000123", "damaged"]).printed("199877\n");
    assert_eq!(dir.run(&["scan", "damaged"]).code, 3);
}

#[test]
fn an_interval_without_keys_is_said_to_be_one() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nk\t2\n");
    for (args, words) in [
        (&["--from", "z", "--to", "a"][..], &["--from \"z\"", "not below --to \"a\""][..]),
        (&["--from", "a", "--to", "a"], &["--from \"a\"", "--to \"a\""]),
        (&["--to", ""], &["below --to \"\""]),
        (&["--prefix", "k", "--to", "b"], &["--to \"b\"", "--prefix \"k\""]),
        (&["--prefix", "a", "--from", "b"], &["--from \"b\"", "--prefix \"a\""]),
        (&["--from", "z", "--to", "\x1b", "--reverse"], &["--to \"\\x1b\"", "--reverse"]),
    ] {
        for (option, printed) in [("--keys", ""), ("--count", "0\n")] {
            let ran = dir.run(&[&["scan", "t", option], args].concat());
            ran.failed(0, "t: ", words);
            assert_eq!(ran.out, printed.as_bytes());
        }
    }
    // One that this table happens to have no key in is nothing to be said about.
    dir.run(&["scan", "t", "--from", "x", "--to", "y"]).printed("");
}
