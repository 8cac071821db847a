//! `stat` and `verify` of several tables: a bad one must not hide the ones behind it, nor be hidden
//! by them.

use crate::tool::{Ran, Sandbox};
use serde_json::{Value, json};

fn tables() -> Sandbox {
    let dir = Sandbox::new();
    dir.table("a", "k\t1\n");
    dir.table("b", "x\t1\ny\t2\n");
    dir.table("whole", (0..500).map(|i| format!("{i:03}\tvalue\n")).collect::<String>());
    let mut bytes = dir.read("whole");
    let at = bytes.windows(8).position(|part| part == b"250value").expect("a record");
    bytes[at] ^= 1;
    dir.write("damaged", bytes);
    dir.write("notes", "these are notes, and no table at all");
    dir
}

/// The JSON objects on standard output, one after the other.
fn objects(ran: &Ran) -> Vec<Value> {
    serde_json::Deserializer::from_slice(&ran.out).into_iter().map(Result::unwrap).collect()
}

/// What standard error says first in each line, without the program's name.
fn blamed(ran: &Ran) -> Vec<&str> {
    let lines = ran.err.lines().map(|line| line.strip_prefix("graven: ").expect("its name"));
    lines.map(|line| line.split(": ").next().unwrap()).collect()
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let dir = tables();
    dir.run(&["verify", "a", "b"]).printed("");
    for (tables, code, bad) in [
        (&["a", "damaged", "b"][..], 3, &["damaged"][..]),
        (&["damaged", "gone", "a"], 4, &["damaged", "gone"]),
        (&["gone", "damaged", "notes"], 4, &["gone", "damaged", "notes"]),
        (&["notes", "a"], 3, &["notes"]),
    ] {
        for args in [&["verify"][..], &["verify", "--json"]] {
            let ran = dir.run(&[args, tables].concat());
            assert_eq!((ran.code, blamed(&ran)), (code, bad.to_vec()), "{tables:?}");
        }
    }
    let ran = dir.run(&["stat", "a", "gone", "notes", "b"]);
    assert_eq!((ran.code, blamed(&ran)), (4, vec!["gone", "notes"]));
    dir.run(&["verify"]).failed(2, "", &["TABLE"]);
    dir.run(&["stat"]).failed(2, "", &["TABLE"]);
}

#[test]
fn verify_tells_a_program_of_each_table() {
    let dir = tables();
    let ran = dir.run(&["verify", "--json", "a", "damaged", "gone", "b"]);
    let found = objects(&ran);
    let bytes = |name: &str| dir.read(name).len();
    assert_eq!(
        found[0],
        json!({
            "table": "a", "ok": true, "entries": 1, "keys": 1, "bytes": bytes("a"),
            "pages": found[0]["pages"],
        })
    );
    assert_eq!(found[0]["pages"], 1);
    assert_eq!((&found[3]["table"], &found[3]["entries"]), (&json!("b"), &json!(2)));
    for (at, name, word) in [(1, "damaged", "page"), (2, "gone", "No such file")] {
        assert_eq!((&found[at]["table"], &found[at]["ok"]), (&json!(name), &json!(false)));
        let error = found[at]["error"].as_str().expect("an error");
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(word), "{error}");
        assert!(ran.err.contains(error), "{}", ran.err);
    }
    // One line each, so that a program may read them as they come.
    assert_eq!(String::from_utf8(ran.out).unwrap().lines().count(), 4);
}

/// Flips a bit of each of these bytes.
fn flip(dir: &Sandbox, name: &str, places: &[usize]) {
    let mut bytes = dir.read(name);
    for &at in places {
        bytes[at] ^= 4;
    }
    dir.write(name, bytes);
}

/// What `verify --json` finds in one table: sections and offset of each place.
fn findings(dir: &Sandbox, table: &str) -> Vec<(Value, Value)> {
    let ran = dir.run(&["verify", "--json", table]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let found = objects(&ran).remove(0);
    let findings = found["findings"].as_array().expect("findings");
    for finding in findings {
        assert!(finding["file"].as_str().expect("a file").ends_with(table), "{finding}");
        assert!(!finding["what"].as_str().expect("a text").is_empty(), "{finding}");
    }
    findings.iter().map(|found| (found["sections"].clone(), found["offset"].clone())).collect()
}

/// A program learns of each damaged page, and not of the first alone, and what it holds.
#[test]
fn verify_tells_a_program_of_each_damaged_place() {
    let dir = Sandbox::new();
    let entries: String = (0..2000).map(|i| format!("{i:05}\tthe value of {i}\n")).collect();
    for name in ["pages", "footer", "header", "lie"] {
        dir.table(name, &entries);
    }
    flip(&dir, "pages", &[5000, 5001, 3 * 4096 + 7, 9 * 4096]);
    let records = |page: u64| (json!(["records"]), json!(page * 4096));
    assert_eq!(findings(&dir, "pages"), [records(1), records(3), records(9)]);

    let len = dir.read("footer").len();
    flip(&dir, "footer", &[len - 10]);
    assert_eq!(findings(&dir, "footer"), [(json!(["footer"]), json!(len - 32))]);
    flip(&dir, "header", &[41]);
    assert_eq!(findings(&dir, "header"), [(json!(["header"]), json!(112))]);
    // The first page has the header in it, too.
    flip(&dir, "lie", &[1000]);
    assert_eq!(findings(&dir, "lie"), [(json!(["header", "records"]), json!(0))]);
}

#[test]
fn verify_tells_of_damage_in_a_shard() {
    let dir = Sandbox::new();
    dir.table("t", (0..2000).map(|i| format!("{i:05}\tvalue\n")).collect::<String>());
    dir.run(&["shard", "-q", "t", "set", "--shards", "3"]).printed("");
    let current = std::fs::read_link(dir.path("set").join("CURRENT")).expect("a version");
    let shard = format!("set/{}/part-00001.grv", current.display());
    let bytes = dir.read(&shard);
    std::fs::remove_file(dir.path(&shard)).expect("a shard");
    dir.write(&shard, bytes);
    flip(&dir, &shard, &[5000]);
    let ran = dir.run(&["verify", "--json", "set"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let found = &objects(&ran)[0]["findings"];
    assert!(found[0]["file"].as_str().is_some_and(|file| file.ends_with("part-00001.grv")));
    assert_eq!(found[0]["offset"], 4096);
    assert_eq!(found[0]["sections"][0], "records");
}

/// A bound on bytes per second. That it holds over any time, and for several threads, is tested
/// without a clock where it is made.
#[test]
fn verify_keeps_to_a_rate() {
    let dir = Sandbox::new();
    let value = "v".repeat(1000);
    dir.table("t", (0..600).map(|i| format!("{i:05}\t{value}\n")).collect::<String>());
    let bytes = dir.read("t").len() as f64;
    let start = std::time::Instant::now();
    dir.run(&["verify", "--rate", "1MB", "t"]).printed("");
    let took = start.elapsed().as_secs_f64();
    assert!(took >= bytes / 1e6, "{bytes} bytes in {took} s");
    for rate in ["0", "fast", "-1"] {
        dir.run(&["verify", &format!("--rate={rate}"), "t"]).failed(2, "", &["--rate"]);
    }
}

/// The shards of a set share the rate, and so do several tables. A hash set is read three times.
#[test]
fn verify_keeps_to_one_rate_for_the_whole_run() {
    let dir = Sandbox::new();
    let value = "v".repeat(1000);
    dir.table("t", (0..300).map(|i| format!("{i:05}\t{value}\n")).collect::<String>());
    dir.run(&["shard", "-q", "t", "hash", "--shards", "4", "--partition", "hash"]).printed("");
    let version = std::fs::read_dir(dir.path("hash/CURRENT")).unwrap();
    let shards = version
        .map(|file| file.unwrap())
        .filter(|file| file.path().extension().is_some_and(|extension| extension == "grv"));
    let shards: Vec<_> = shards.map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(shards.len(), 4);
    let bytes = 3 * shards.iter().sum::<u64>() + dir.read("t").len() as u64;
    let start = std::time::Instant::now();
    dir.run(&["verify", "--rate", "1MB", "t", "hash"]).printed("");
    let took = start.elapsed().as_secs_f64();
    assert!(took >= bytes as f64 / 1e6, "{bytes} bytes in {took} s");
}

#[test]
fn stat_shows_the_keys_at_both_ends() {
    let dir = Sandbox::new();
    let ends = |tsv: &[u8]| {
        dir.table("t", tsv);
        let found = objects(&dir.run(&["stat", "--json", "t"])).remove(0);
        let text = String::from_utf8(dir.run(&["stat", "t"]).out).unwrap();
        let line = |label: &str| {
            let line = text.lines().find(|line| line.starts_with(label)).expect("a line");
            line[label.len()..].trim_start().to_owned()
        };
        (found, line("smallest key"), line("largest key"))
    };
    let (found, smallest, largest) = ends(b"b\t\nsp \t\n\t\n");
    assert_eq!((&found["smallest_key"], &found["largest_key"]), (&json!(""), &json!("sp ")));
    assert_eq!((&smallest[..], &largest[..]), ("\"\"", "\"sp \""));
    assert_eq!(found["table"], "t");
    let (found, smallest, largest) = ends(b"");
    assert_eq!((&found["smallest_key"], &found["largest_key"]), (&Value::Null, &Value::Null));
    assert_eq!((&smallest[..], &largest[..]), ("none", "none"));
    assert!(found.get("smallest_key_b64").is_none());
    let (found, smallest, largest) = ends(b"a\\tb\t\n\xff\\0\t\n");
    assert_eq!((&found["smallest_key"], &found["largest_key"]), (&json!("a\tb"), &Value::Null));
    assert_eq!(found["largest_key_b64"], "/wA=");
    assert!(found.get("smallest_key_b64").is_none());
    assert_eq!((&smallest[..], &largest[..]), ("\"a\\tb\"", "\"\u{fffd}\\0\""));
    let long = "k".repeat(65_535);
    let (found, smallest, _) = ends(format!("{long}\t\n").as_bytes());
    assert_eq!(found["smallest_key"], long);
    assert_eq!(smallest, format!("\"{}\"... (65535 bytes)", &long[..100]));
}

#[test]
fn stat_names_each_of_several_tables() {
    let dir = tables();
    let ran = dir.run(&["stat", "--json", "a", "b"]);
    let found = objects(&ran);
    let names: Vec<&str> = found.iter().map(|object| object["table"].as_str().unwrap()).collect();
    assert_eq!((ran.code, names), (0, vec!["a", "b"]));
    assert_eq!((&found[0]["entries"], &found[1]["entries"]), (&json!(1), &json!(2)));
    let text = String::from_utf8(dir.run(&["stat", "a", "b"]).out).unwrap();
    assert!(text.starts_with("table          a\nformat "), "{text}");
    assert!(text.contains("\n\ntable          b\nformat "), "{text}");
    let text = String::from_utf8(dir.run(&["stat", "a"]).out).unwrap();
    assert!(text.starts_with("format "), "{text}");
}

/// The figures stand in the statistics, so damage of a record hides none of them.
#[test]
fn stat_reads_no_record() {
    let dir = tables();
    let found = objects(&dir.run(&["stat", "--json", "damaged"])).remove(0);
    assert_eq!((&found["smallest_key"], &found["largest_key"]), (&json!("000"), &json!("499")));
}
