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

/// Commands that read the table `T`, where a set may stand as well.
const READING: [&[&str]; 20] = [
    &["get", "T", KEY],
    &["get", "--all", "T", KEY],
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
];
const KEY: &str = "warehouse/shelf-07/part-00712";

/// Compares what every reading command says of two tables.
fn compare(dir: &Sandbox, packed: &str, plain: &str) {
    let named = |args: &[&str], table: &str| -> Vec<String> {
        args.iter().map(|arg| if *arg == "T" { table } else { arg }.to_owned()).collect()
    };
    for args in READING {
        let ask = |table: &str| {
            let args = named(args, table);
            let mut ran = dir.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
            ran.err = ran.err.replace(table, "T");
            ran
        };
        assert_eq!(ask(packed), ask(plain), "{packed}: {args:?}");
    }
    let asked = b"warehouse/shelf-07/part-00712\nabsent\nwarehouse/shelf-29/part-02999\n";
    for args in [&["mget", "-q", "T"][..], &["mget", "--missing", "--values", "T"]] {
        let ask = |table: &str| {
            let args = named(args, table);
            dir.pipe(&args.iter().map(String::as_str).collect::<Vec<_>>(), asked)
        };
        assert_eq!(ask(packed), ask(plain), "{packed}: {args:?}");
    }
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
        compare(&tables(way), "packed", "plain");
    }
}

#[test]
fn every_reading_command_answers_of_sets_of_packed_shards() {
    let dir = tables(&[]);
    for cut in [&["--shards", "4"][..], &["--shards", "3", "--partition", "hash"]] {
        let plain = format!("plain-{}", cut[1]);
        dir.run(&[&["build", "-q", &plain, "in"], cut].concat()).printed("");
        for (number, way) in WAYS.iter().enumerate() {
            let [built, sharded, again] =
                ["built", "sharded", "again"].map(|how| format!("{how}-{}-{number}", cut[1]));
            dir.run(&[&["build", "-q", &built, "in"], cut, way].concat()).printed("");
            compare(&dir, &built, &plain);
            // Of a plain table, of a packed one, and of a set: the same shards.
            dir.run(&[&["shard", "-q", "plain", &sharded], cut, way].concat()).printed("");
            dir.run(&[&["shard", "-q", &built, &again], cut].concat()).printed("");
            let shards = |set: &str| {
                let told: Value =
                    serde_json::from_slice(&dir.run(&["stat", "--json", set]).out).unwrap();
                let shards = told["shards"].as_array().unwrap();
                assert!(shards.iter().all(|shard| shard["packed"] == true), "{told}");
                (told["id"].clone(), told["file_bytes"].as_u64().unwrap())
            };
            let right = shards(&built);
            assert_eq!((shards(&sharded), shards(&again)), (right.clone(), right), "{way:?}");
            let text = String::from_utf8(dir.run(&["stat", &built]).out).unwrap();
            assert!(text.contains(&format!("{0}, {0} packed", cut[1])), "{text}");
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
        (&["merge", "t", "plain", "--plain", "--compact-keys"], 2, "--plain"),
        (&["diff", "-o", "t", "plain", "packed"], 3, "packed in another way"),
    ] {
        let ran = dir.run(args);
        assert_eq!((ran.code, &ran.out[..]), (code, &b""[..]), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
    }
    assert_eq!(dir.names(), ["in", "packed", "plain"]);
}

#[test]
fn sets_of_packed_shards_are_merged_and_compared() {
    for way in WAYS {
        let dir = versions(way);
        dir.run(&[&["build", "-q", "s", "in", "--shards", "2"], way].concat()).printed("");
        dir.run(&["merge", "--quiet", "merged", "s"]).printed("");
        assert!(dir.read("merged") == dir.read("packed"), "{way:?}");
        for other in ["plain", "packed"] {
            assert_eq!(dir.run(&["diff", "s", other]).code, 0, "{way:?}");
        }
        let right = dir.run(&["diff", "new-plain", "plain"]);
        assert_eq!(right.code, 1);
        assert_eq!(dir.run(&["diff", "new-packed", "s"]), right, "{way:?}");
    }
}

/// A damaged shard of a set, and commands that take plain tables alone.
#[test]
fn sets_of_packed_shards_are_checked_and_refused_by_name() {
    let dir = tables(&[]);
    dir.run(&["build", "-q", "s", "in", "--shards", "2", "--compress", "zstd", "--compact-keys"])
        .printed("");
    for (args, code, text) in [
        (&["inspect", "s"][..], 2, "name one of its shards"),
        (&["shard", "s", "t", "--compress", "zstd", "--level", "23"], 2, "1 to 22"),
    ] {
        let ran = dir.run(args);
        assert_eq!((ran.code, &ran.out[..]), (code, &b""[..]), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
    }
    let shard = "s/CURRENT/part-00001.grv";
    let mut bytes = dir.read(shard);
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::remove_file(dir.path(shard)).unwrap();
    dir.write(shard, bytes);
    let ran = dir.run(&["verify", "s"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("part-00001.grv: ") && ran.err.contains("checksum"), "{}", ran.err);
    let ran = dir.run(&["scan", "--count", "s"]);
    assert_eq!((ran.code, &ran.out[..]), (0, &b"3000\n"[..]), "{}", ran.err);
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
        // A set of plain shards beside a packed table.
        dir.run(&["shard", "--quiet", "plain", "set", "--shards", "2"]).printed("");
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
