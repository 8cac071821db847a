//! `inspect`: the places that it prints are where the bytes are.

use crate::tool::Sandbox;
use serde_json::{Value, json};

fn object(dir: &Sandbox, args: &[&str]) -> (i32, Value) {
    let ran = dir.run(&[&["inspect", "--json"], args].concat());
    assert_eq!(ran.err, "");
    (ran.code, serde_json::from_slice(&ran.out).expect("one JSON object"))
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

#[test]
fn a_key_lies_where_it_is_said_to() {
    let dir = Sandbox::new();
    let line = |i: u32| format!("key {}\tvalue {i}\n", i * i);
    dir.write("in", (0..2000).map(line).collect::<String>());
    for (index, first) in [("always", "bucket"), ("never", "node")] {
        dir.run(&["build", "--quiet", "--hash-index", index, "t", "in"]).printed("");
        let bytes = dir.read("t");
        let (code, found) = object(&dir, &["t", "-k", "key 1764"]);
        assert_eq!(code, 0);
        let reads = found["reads"].as_array().expect("what is read");
        assert_eq!(reads[0]["part"], first);
        let part = |name: &str| {
            let read = reads.iter().find(|read| read["part"] == name).expect("a part");
            let start = number(&read["offset"]);
            (start, &bytes[start..start + number(&read["bytes"])])
        };
        let (start, key) = part("key");
        assert_eq!((key, part("value").1), (&b"key 1764"[..], &b"value 42"[..]));
        let rank = dir.run(&["scan", "t", "--to", "key 1764", "--count"]).out;
        assert_eq!(format!("{}\n", found["rank"]).as_bytes(), rank);
        // Pages and cache lines are those of the offsets, and each page has its sum.
        for read in reads {
            let (start, len) = (number(&read["offset"]), number(&read["bytes"]));
            for (unit, name) in [(4096, "pages"), (64, "cache_lines")] {
                assert_eq!(read[name], json!([start / unit, (start + len - 1) / unit]), "{read}");
            }
        }
        let sums = found["page_sums"].as_array().expect("sums");
        let sum = sums.iter().find(|sum| sum["page"] == start / 4096).expect("the sum of the page");
        let sections = found["sections"].as_array().expect("sections");
        let place = |name: &str| {
            let section = sections.iter().find(|section| section["name"] == name);
            let section = section.expect("a section");
            number(&section["offset"])..number(&section["offset"]) + number(&section["bytes"])
        };
        assert_eq!(number(&sum["offset"]), place("page sums").start + start / 4096 * 4);
        assert!(place("records").contains(&start));
        // Damage under the sum is found by a lookup of the key, damage elsewhere is not.
        let mut damaged = bytes.clone();
        damaged[number(&sum["offset"])] ^= 1;
        dir.write("damaged", &damaged);
        dir.run(&["get", "damaged", "key 1764"]).failed(3, "damaged: ", &["page"]);
        // The sections cover the file.
        let total: usize = sections.iter().map(|section| number(&section["bytes"])).sum();
        assert_eq!(total, bytes.len());
        // A key that is not there is looked for in the same places.
        let (code, found) = object(&dir, &["t", "--key", "key 1763"]);
        assert_eq!((code, &found["rank"]), (1, &Value::Null));
        assert_eq!(found["reads"][0]["part"], first);
    }
}

#[test]
fn the_text_shows_the_same() {
    let dir = Sandbox::new();
    dir.table("t", "a\t1\n\t\n");
    let text = |args: &[&str]| {
        let ran = dir.run(&[&["inspect"], args].concat());
        (ran.code, String::from_utf8(ran.out).unwrap())
    };
    let (code, whole) = text(&["t"]);
    assert_eq!(code, 0);
    for label in ["section ", "header ", "records ", "statistics ", "page sums ", "footer "] {
        assert_eq!(whole.lines().filter(|line| line.starts_with(label)).count(), 1, "{whole}");
    }
    assert!(!whole.contains("a get reads"), "{whole}");
    let (code, key) = text(&["t", "-k", "a"]);
    assert!(code == 0 && key.starts_with(&whole), "{key}");
    for label in ["rank            1", "a get reads ", "key ", "value ", "sum of page 0 at "] {
        assert_eq!(key.lines().filter(|line| line.starts_with(label)).count(), 1, "{label}: {key}");
    }
    // An empty value lies on no page.
    let (code, empty) = text(&["t", "--hex", "-k", ""]);
    assert!(code == 0 && empty.contains("\nrank            0\n"), "{empty}");
    let line = empty.lines().find(|line| line.starts_with("value ")).expect("a value");
    assert!(line.ends_with("none"), "{line}");
    let (code, missing) = text(&["t", "-k", "b"]);
    assert!(code == 1 && missing.contains("rank            none"), "{missing}");
    dir.table("empty", "");
    assert_eq!(text(&["empty", "-k", "b"]).0, 1);
    dir.run(&["inspect", "t", "--hex", "-k", "x"]).failed(2, "--key", &["hexadecimal"]);
    dir.run(&["inspect", "gone"]).failed(4, "gone: ", &[]);
}

/// A compact key is not in the file as it was given; its value is.
#[test]
fn a_compact_key_lies_where_it_is_said_to() {
    let dir = Sandbox::new();
    let line = |i: u32| format!("https://example.org/page/{i:05}\tvalue {i}\n");
    dir.write("in", (0..2000).map(line).collect::<String>());
    let key = "https://example.org/page/00042";
    for (index, first) in [("always", "bucket"), ("never", "node")] {
        let options = ["--quiet", "--compact-keys", "--hash-index", index];
        dir.run(&[&["build", "t", "in"], &options[..]].concat()).printed("");
        dir.run(&[&["build", "s", "in", "--shards", "2"], &options[..]].concat()).printed("");
        for (table, shard) in [("t", "t"), ("s", "s/CURRENT/part-00000.grv")] {
            let (code, found) = object(&dir, &[table, "-k", key]);
            assert_eq!((code, &found["rank"]), (0, &json!(42)), "{index} {table}");
            let reads = found["reads"].as_array().expect("what is read");
            assert_eq!(reads[0]["part"], first);
            let bytes = dir.read(shard);
            let part = |name: &str| {
                let read = reads.iter().find(|read| read["part"] == name).expect("a part");
                &bytes[number(&read["offset"])..][..number(&read["bytes"])]
            };
            assert_eq!(part("value"), b"value 42");
            assert!(part("key").len() < key.len() / 2, "{index} {table}");
            let (code, found) = object(&dir, &[table, "-k", "https://example.org/page/00042x"]);
            assert_eq!((code, &found["rank"]), (1, &Value::Null));
        }
    }
}
