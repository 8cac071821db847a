//! Packed tables: built by options, read, merged and compared by every command that takes a table,
//! refused by name by those that don't.

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
        (&["merge", "t", "plain", "--plain", "--compact-keys"], 2, "--plain"),
        (&["diff", "-o", "t", "plain", "packed"], 3, "packed in another way"),
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

/// Lines of another version of the table: some changed, some gone, some new.
fn edited() -> Vec<String> {
    let mut lines = lines();
    lines.iter_mut().step_by(100).for_each(|line| *line = line.replace("red", "blue"));
    lines.drain(500..510);
    lines.extend((0..7).map(|i| format!("warehouse/yard/part-{i}\tnew\n")));
    lines
}

/// The directory with a table and an edited one, both plain and packed.
fn versions(way: &[&str]) -> Sandbox {
    let dir = tables(way);
    dir.write("edited", edited().concat());
    dir.run(&["build", "--quiet", "new-plain", "edited"]).printed("");
    dir.run(&[&["build", "--quiet", "new-packed", "edited"], way].concat()).printed("");
    dir
}

#[test]
fn differences_are_those_of_plain_tables() {
    for way in WAYS {
        let dir = versions(way);
        for form in [&[][..], &["--json"], &["-q"]] {
            let diff = |old, new| dir.run(&[&["diff", old, new], form].concat());
            let right = diff("plain", "new-plain");
            assert_eq!(right.code, 1);
            for (old, new) in
                [("packed", "new-packed"), ("plain", "new-packed"), ("packed", "new-plain")]
            {
                assert_eq!(diff(old, new), right, "{way:?}: {old} {new}");
            }
            assert_eq!(diff("plain", "packed").code, 0);
        }
        // A set, whose shards are plain, beside a packed table.
        dir.run(&["shard", "--quiet", "packed", "set", "--shards", "2"]).printed("");
        assert_eq!(dir.run(&["diff", "set", "packed"]).code, 0);
        let right = dir.run(&["diff", "plain", "new-plain"]);
        assert_eq!(dir.run(&["diff", "set", "new-packed"]), right);
    }
}

#[test]
fn merged_tables_are_those_of_a_build() {
    for way in WAYS {
        let dir = versions(way);
        let merge = |options: &[&str], tables: &[&str]| {
            let args = [&["merge", "--quiet", "merged", "--dup", "last"], tables, options].concat();
            dir.run(&args).printed("");
            dir.read("merged")
        };
        dir.write("both", [lines(), edited()].concat().concat());
        dir.run(&["build", "--quiet", "--dup", "last", "right-plain", "both"]).printed("");
        let build = ["build", "--quiet", "--dup", "last", "right-packed", "both"];
        dir.run(&[&build, way].concat()).printed("");
        let (plain, packed) = (dir.read("right-plain"), dir.read("right-packed"));
        assert!(merge(&[], &["plain", "new-plain"]) == plain);
        assert!(merge(&[], &["packed", "new-packed"]) == packed, "{way:?}");
        assert!(merge(&[], &["plain", "new-packed"]) == plain, "{way:?}");
        assert!(merge(&["--plain"], &["packed", "new-packed"]) == plain, "{way:?}");
        assert!(merge(way, &["plain", "new-packed"]) == packed, "{way:?}");
        assert!(merge(way, &["packed"]) == dir.read("packed"), "{way:?}");
        assert!(merge(&["--plain"], &["packed"]) == dir.read("plain"), "{way:?}");
        // A key that is in both.
        let ran = dir.run(&["merge", "twice", "packed", "new-packed"]);
        assert_eq!((ran.code, dir.names().contains(&"twice".into())), (3, false));
        assert!(ran.err.contains("is in packed as well"), "{}", ran.err);
    }
}

#[test]
fn a_patch_of_packed_tables_gives_the_new_one() {
    for way in WAYS {
        let dir = versions(way);
        dir.run(&["diff", "--quiet", "-o", "patch", "packed", "new-packed"]).printed("");
        dir.run(&["merge", "--quiet", "again", "packed", "patch"]).printed("");
        assert!(dir.read("again") == dir.read("new-packed"), "{way:?}");
        let ran = dir.run(&["merge", "again", "packed", "patch", "--compact-keys"]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("--compact-keys does not go with patches"), "{}", ran.err);
        let ran = dir.run(&["merge", "again", "plain", "patch"]);
        assert_eq!(ran.code, 3, "{}", ran.err);
    }
}

/// A page of a packed table is damaged: the error names the table, and nothing is published.
#[test]
fn damage_is_named() {
    let dir = versions(&["--compress", "zstd", "--compact-keys"]);
    let mut bytes = dir.read("new-packed");
    bytes[9000] ^= 1;
    dir.write("broken", bytes);
    for args in [
        &["merge", "t", "packed", "broken", "--dup", "last"][..],
        &["diff", "packed", "broken"],
        &["diff", "-o", "t", "packed", "broken"],
    ] {
        let ran = dir.run(args);
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.err);
        assert!(
            ran.err.contains("broken: page at offset 8192 is damaged"),
            "{args:?}: {}",
            ran.err
        );
        assert!(!dir.names().contains(&"t".into()), "{args:?}");
    }
}

#[test]
fn a_damaged_table_is_salvaged() {
    for way in WAYS {
        let dir = tables(way);
        dir.run(&["salvage", "--quiet", "packed", "saved"]).printed("");
        assert!(dir.read("saved") == dir.read("packed"), "{way:?}");
        let mut bytes = dir.read("packed");
        bytes[9000] ^= 1;
        dir.write("broken", bytes);
        let ran = dir.run(&["salvage", "broken", "saved"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let losses = String::from_utf8(ran.out).unwrap();
        let loss: Vec<&str> = losses.trim_end().split('\t').collect();
        let [after, before, _, "1"] = loss[..] else { panic!("{losses}") };
        let saved = String::from_utf8(dir.run(&["dump", "saved"]).out).unwrap();
        let lines = lines();
        let right = lines.iter().filter(|line| {
            let key = line.split('\t').next().unwrap();
            key <= after || key >= before
        });
        assert_eq!(saved, right.map(String::as_str).collect::<String>(), "{way:?}");
        let stat = dir.run(&["stat", "--json", "saved"]);
        let stat: Value = serde_json::from_slice(&stat.out).unwrap();
        assert_eq!(stat["packing"]["compact_keys"], way.contains(&"--compact-keys"));
    }
}
