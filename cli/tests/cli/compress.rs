//! Packed tables: built by options, read by every command that reads a table, refused by name by those
//! that don't.

use crate::tool::Sandbox;
use serde_json::Value;

const WAYS: [&[&str]; 4] = [
    &["--compress", "zstd"],
    &["--compress", "fsst"],
    &["--compact-keys"],
    &["--compress", "zstd", "--level", "19", "--dictionary", "16K", "--compact-keys"],
];

/// Lines of a table, ascending.
fn lines() -> Vec<String> {
    let value =
        |i: u32| format!("{{\"name\":\"part {i}\",\"stock\":{},\"colour\":\"red\"}}", i * i % 97);
    (0..3_000)
        .map(|i| format!("warehouse/shelf-{:02}/part-{i:05}\t{}\n", i / 100, value(i)))
        .collect()
}

/// The directory with a plain table and a packed one of the same entries.
fn tables(way: &[&str]) -> Sandbox {
    let dir = Sandbox::new();
    dir.write("in", lines().concat());
    dir.run(&["build", "--quiet", "plain", "in"]).printed("");
    let options = [&["build", "--quiet", "packed", "in"], way].concat();
    dir.run(&options).printed("");
    dir
}

#[test]
fn every_reading_command_answers_as_with_a_plain_table() {
    for way in WAYS {
        let dir = tables(way);
        let key = "warehouse/shelf-07/part-00712";
        for args in [
            &["get", "T", key][..],
            &["get", "--all", "T", key],
            &["get", "T", "absent"],
            &["scan", "T"],
            &["scan", "T", "--reverse", "--limit", "7"],
            &["scan", "T", "--from", "warehouse/shelf-03", "--to", "warehouse/shelf-04", "--keys"],
            &["scan", "T", "--prefix", "warehouse/shelf-1", "--values"],
            &["scan", "T", "--prefix", "warehouse/shelf-1", "--count"],
            &["dump", "T"],
            &["dump", "-o", "jsonl", "T"],
            &["dump", "-o", "cdb", "T"],
            &["floor", "T", "warehouse/shelf-07/part-00712x"],
            &["ceil", "T", "warehouse/shelf-07/part-00712x"],
            &["longest-prefix", "T", "warehouse/shelf-07/part-00712/screw"],
            &["longest-prefix", "T", "warehouse/shelf"],
            &["prefixes", "T", "warehouse/shelf-07/part-00712/screw"],
            &["sample", "--seed", "7", "-n", "20", "T"],
            &["split", "T", "4"],
            &["verify", "T"],
            &["warm", "--quiet", "T"],
        ] {
            let ask = |table: &str| {
                let args: Vec<_> =
                    args.iter().map(|&arg| if arg == "T" { table } else { arg }).collect();
                let mut ran = dir.run(&args);
                ran.err = ran.err.replace(table, "T");
                ran
            };
            assert_eq!(ask("packed"), ask("plain"), "{way:?}: {args:?}");
        }
        let asked = b"warehouse/shelf-07/part-00712\nabsent\nwarehouse/shelf-29/part-02999\n";
        for args in [&["mget", "-q", "T"][..], &["mget", "--missing", "--values", "T"]] {
            let ask = |table: &str| {
                let args: Vec<_> =
                    args.iter().map(|&arg| if arg == "T" { table } else { arg }).collect();
                dir.pipe(&args, asked)
            };
            assert_eq!(ask("packed"), ask("plain"), "{way:?}: {args:?}");
        }
    }
}

#[test]
fn stat_tells_what_is_stored_and_what_it_is() {
    let dir = tables(&["--compress", "fsst", "--compact-keys"]);
    let stat = |table: &str| -> Value {
        serde_json::from_slice(&dir.run(&["stat", "--json", table]).out).unwrap()
    };
    let (plain, packed) = (stat("plain"), stat("packed"));
    assert_eq!(plain["packing"], Value::Null);
    let packing = &packed["packing"];
    assert_eq!((&packing["codec"], &packing["compact_keys"]), (&"fsst".into(), &true.into()));
    for (raw, stored) in [("key_bytes", "stored_key_bytes"), ("value_bytes", "stored_value_bytes")]
    {
        assert_eq!(packing[raw], plain[raw]);
        assert_eq!(packing[stored], packed[raw]);
        assert!(
            packing[stored].as_u64().unwrap() * 3 < packing[raw].as_u64().unwrap() * 2,
            "{packing}"
        );
    }
    assert!(packed["file_bytes"].as_u64().unwrap() * 2 < plain["file_bytes"].as_u64().unwrap());
    let text = String::from_utf8(dir.run(&["stat", "packed"]).out).unwrap();
    assert!(
        text.contains("\ncompact keys   ") && text.contains("\ncompression    fsst: "),
        "{text}"
    );
    let built = dir.run(&["build", "again", "in", "--compress", "fsst", "--compact-keys"]).err;
    assert!(
        built.contains(" stored, ") && built.contains(" bytes of overhead per entry"),
        "{built}"
    );
    assert_eq!(dir.read("again"), dir.read("packed"));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let dir = tables(&["--compress", "zstd"]);
    for (args, code, text) in [
        (&["build", "t", "in", "--level", "5"][..], 2, "--compress"),
        (&["build", "t", "in", "--compress", "lz4"], 2, "zstd, fsst"),
        (&["build", "t", "in", "--compress", "zstd", "--level", "23"], 2, "1 to 22"),
        (&["build", "t", "in", "--compress", "zstd", "--dictionary", "2M"], 2, "at most 1 MiB"),
        (&["build", "t", "in", "--compact-keys", "--value-align", "8"], 2, "value_align"),
        (&["build", "s", "in", "--compress", "zstd", "--shards", "2"], 2, "plain shards"),
        (&["merge", "t", "plain", "packed"], 2, "packed: is a packed table"),
        (&["merge", "t", "packed"], 2, "packed: is a packed table"),
        (&["diff", "packed", "plain"], 2, "packed: is a packed table"),
        (&["diff", "plain", "packed"], 2, "packed: is a packed table"),
        (&["salvage", "packed", "t"], 3, "open it as a packed table"),
    ] {
        let ran = dir.run(args);
        assert_eq!((ran.code, &ran.out[..]), (code, &b""[..]), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
    }
    assert_eq!(dir.names(), ["in", "packed", "plain"]);
    // Shards are plain tables of the same entries.
    let ran = dir.run(&["shard", "--quiet", "packed", "s", "--shards", "2"]);
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    assert_eq!(dir.run(&["dump", "s"]), dir.run(&["dump", "plain"]));
}
