//! `floor`, `ceil`, `longest-prefix`, `prefixes`, `sample` and `split`: an answer that is off by one
//! entry looks as good as the right one. So all answers are compared with those of a plain search
//! through all keys.

use crate::tool::{Sandbox, os};
use std::collections::BTreeSet;

/// Keys in which prefixes nest, among them the empty key and bytes at both ends.
fn keys() -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::from([b"".to_vec(), b"\xff\xff".to_vec(), b"\t\n".to_vec()]);
    for i in 0..400u32 {
        let digits = format!("{:b}", i * i % 1021);
        keys.insert(digits.into_bytes());
        keys.insert(vec![b'a'; i as usize % 40]);
    }
    keys
}

fn escaped(key: &[u8]) -> String {
    key.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The keys in the output of a command, which prints whole entries.
fn hex(keys: &[&Vec<u8>]) -> String {
    keys.iter().map(|key| escaped(key).replace("\\x", "") + "\n").collect()
}

#[test]
fn neighbours_and_prefixes_are_those_of_a_plain_search() {
    let dir = Sandbox::new();
    let keys = keys();
    // The value is the key in hexadecimal.
    let line = |key: &Vec<u8>| format!("{}\t{}", escaped(key), hex(&[key]));
    dir.table("t", keys.iter().map(line).collect::<String>());
    let asked: Vec<Vec<u8>> = keys
        .iter()
        .flat_map(|key| [key.clone(), [key, &b"0"[..]].concat(), [key, &b"\xff"[..]].concat()])
        .collect();
    for chunk in asked.chunks(50) {
        for verb in ["floor", "ceil", "longest-prefix", "prefixes"] {
            let mut expected = String::new();
            let mut code = 0;
            for key in chunk {
                let prefixes = keys.iter().rev().filter(|other| key.starts_with(other));
                let found: Vec<&Vec<u8>> = match verb {
                    "floor" => keys.range(..=key.clone()).next_back().into_iter().collect(),
                    "ceil" => keys.range(key.clone()..).next().into_iter().collect(),
                    "longest-prefix" => prefixes.take(1).collect(),
                    _ => prefixes.collect(),
                };
                code |= i32::from(found.is_empty());
                expected += &hex(&found);
            }
            let args = [verb, "--quiet", "--values", "-e", "t"].map(str::to_owned).into_iter();
            let args: Vec<String> = args.chain(chunk.iter().map(|key| escaped(key))).collect();
            dir.run(&args).ended(code, expected);
        }
    }
}

#[test]
fn entries_are_printed_whole_or_in_part() {
    let dir = Sandbox::new();
    dir.table("t", "/\troot\n/api\told\n/api\tnew\n/api/v2\ttwo\\n\n-x\tdash\n");
    dir.run(&["prefixes", "t", "/api/v2/user"])
        .printed("/api/v2\ttwo\\n\n/api\told\n/api\tnew\n/\troot\n");
    dir.run(&["longest-prefix", "t", "/apix", "/x"]).printed("/api\told\n/\troot\n");
    dir.run(&["floor", "t", "/api"]).printed("/api\tnew\n");
    dir.run(&["ceil", "t", "/api"]).printed("/api\told\n");
    dir.run(&["ceil", "-k", "t", "--", "-x", "/api/"]).printed("-x\n/api/v2\n");
    dir.run(&["floor", "-v", "--sep", "none", "t", "/b"]).printed("two\n");
    dir.run(&["prefixes", "-k0", "--hex", "t", "2f617069"]).printed("/api\0/api\0/\0");
    dir.run(&[os(b"floor"), os(b"t"), os(b"\xff")]).printed("/api/v2\ttwo\\n\n");
}

#[test]
fn where_there_is_none_it_is_said() {
    let dir = Sandbox::new();
    dir.table("t", "b\t1\n");
    dir.table("empty", "");
    for (args, words) in [
        (["floor", "t", "a\n"], "t: no key at or below \"a\\n\""),
        (["ceil", "t", "c"], "t: no key at or above \"c\""),
        (["longest-prefix", "t", "ab"], "t: no key is a prefix of \"ab\""),
        (["prefixes", "t", ""], "t: no key is a prefix of \"\""),
        (["floor", "empty", ""], "empty: no key at or below \"\""),
        (["ceil", "empty", ""], "empty: no key at or above \"\""),
        (["prefixes", "empty", "x"], "empty: no key is a prefix of \"x\""),
    ] {
        let ran = dir.run(&args);
        ran.failed(1, words, &[]);
        assert_eq!(ran.out, b"");
        let [verb, table, key] = args;
        dir.run(&[verb, "-q", table, key]).ended(1, "");
    }
    let ran = dir.run(&["ceil", "t", "c", "a"]);
    assert_eq!((ran.code, &ran.out[..]), (1, &b"b\t1\n"[..]));
    for verb in ["floor", "ceil", "longest-prefix", "prefixes"] {
        dir.run(&[verb, "t"]).failed(2, "", &["KEY"]);
        dir.run(&[verb, "t", "-0", "b"]).failed(2, "", &["--values or --keys"]);
        dir.run(&[verb, "t", "-k", "-v", "b"]).failed(2, "", &["--keys"]);
        dir.run(&[verb, "gone", "b"]).failed(4, "gone: ", &[]);
    }
}

#[test]
fn a_sample_is_drawn_without_repetition() {
    let dir = Sandbox::new();
    let lines: Vec<String> = (0..1000).map(|i| format!("{i:03}\tvalue {i}\n")).collect();
    dir.table("t", lines.concat());
    let draw = |args: &[&str]| {
        let ran = dir.run(&[&["sample", "t"], args].concat());
        assert_eq!((ran.code, &ran.err[..]), (0, ""));
        let text = String::from_utf8(ran.out).unwrap();
        text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>()
    };
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let drawn = draw(&["50", "--seed", &seed.to_string()]);
        assert!(drawn.len() == 50 && drawn.is_sorted_by(|a, b| a < b), "{drawn:?}");
        assert!(drawn.iter().all(|line| lines.contains(line)), "{drawn:?}");
        assert_eq!(draw(&["-s", &seed.to_string(), "50"]), drawn);
        seen.extend(drawn);
    }
    // An entry is in none of 20 samples with a probability of 0.95^20 = 0.36.
    assert!((560..720).contains(&seen.len()), "{}", seen.len());
    // Two samples of 50 are the same with a probability below 10^-80.
    assert_ne!(draw(&["50"]), draw(&["50"]));
    assert_eq!(draw(&["1000"]), lines);
    assert_eq!(draw(&["18446744073709551615"]), lines);
    assert_eq!(draw(&["0"]).len(), 0);
    let keys = draw(&["-k", "--seed=1", "3"]);
    let values = draw(&["--values", "--seed=1", "3"]);
    let both = draw(&["--seed=1", "3"]);
    for ((key, value), line) in keys.iter().zip(values).zip(both) {
        assert_eq!(format!("{}\t{value}", key.trim_end()), line);
    }
    dir.table("empty", "");
    dir.run(&["sample", "empty", "5"]).printed("");
    dir.run(&["sample", "t", "-1"]).failed(2, "", &[]);
    dir.run(&["sample", "t"]).failed(2, "", &["N"]);
}

/// The ranges between the printed keys cover the table, and none has many more entries than others.
#[test]
fn a_table_is_split_into_even_ranges() {
    let dir = Sandbox::new();
    let lines = |n: usize| (0..n).map(|i| format!("k{i:04}\t{i}\n")).collect::<String>();
    dir.table("t", lines(1000));
    for ranges in [1, 2, 3, 7, 64, 999, 1000] {
        let printed = dir.run(&["split", "t", &ranges.to_string()]);
        let printed = String::from_utf8(printed.out).unwrap();
        let bounds: Vec<&str> = printed.lines().collect();
        assert_eq!(bounds.len(), ranges - 1);
        let starts = std::iter::once("").chain(bounds.iter().copied());
        let ends = bounds.iter().copied().chain(["l"]);
        let mut all = 0;
        for (from, to) in starts.zip(ends) {
            let count = dir.run(&["scan", "t", "--count", "--from", from, "--to", to]).out;
            let count: usize = String::from_utf8(count).unwrap().trim().parse().unwrap();
            assert!(count.abs_diff(1000 / ranges) <= 1, "{count} of 1000 in one of {ranges}");
            all += count;
        }
        assert_eq!(all, 1000);
    }
}

#[test]
fn no_range_is_empty_and_no_key_is_divided() {
    let dir = Sandbox::new();
    dir.table("few", "a\t\nb\t\nc\t\n");
    dir.run(&["split", "few", "100"]).printed("b\nc\n");
    dir.run(&["split", "few", "18446744073709551615"]).printed("b\nc\n");
    dir.run(&["split", "few", "1"]).printed("");
    let repeated = |counts: &[(&str, usize)]| {
        let entries = counts.iter().map(|(key, n)| format!("{key}\t\n").repeat(*n));
        entries.collect::<String>()
    };
    dir.table("one", repeated(&[("a", 100)]));
    dir.run(&["split", "one", "4"]).printed("");
    dir.table("heavy", repeated(&[("a", 10), ("b", 80), ("c", 10)]));
    dir.run(&["split", "heavy", "4"]).printed("b\n");
    dir.table("late", repeated(&[("a", 80), ("b\\t", 10), ("c", 10)]));
    dir.run(&["split", "late", "10"]).printed("b\\t\nc\n");
    dir.run(&["split", "-0", "late", "10"]).printed("b\t\0c\0");
    dir.table("empty", "");
    dir.run(&["split", "empty", "4"]).printed("");
    dir.run(&["split", "few", "0"]).failed(2, "", &["from 1 on"]);
    dir.table("single", repeated(&[("x", 1)]));
    dir.run(&["split", "single", "2"]).printed("");
}
