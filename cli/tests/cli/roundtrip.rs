//! What `dump` writes, `build` reads, to the last byte.

use crate::tool::Sandbox;

/// Every byte in keys and values, the empty key, empty values, repeated keys.
fn awkward() -> Vec<u8> {
    let mut raw = Vec::new();
    let mut push = |key: &[u8], value: &[u8]| {
        for field in [key, value] {
            raw.extend_from_slice(&(field.len() as u32).to_le_bytes());
        }
        raw.extend_from_slice(key);
        raw.extend_from_slice(value);
    };
    let all: Vec<u8> = (0..=255).collect();
    for &byte in &all {
        push(&[byte], &[byte, b'\\', byte]);
        push(&[b'k', byte, b'0'], &[]);
    }
    push(b"", b"under the empty key");
    push(&all, &all);
    push(&vec![b'\t'; 65_535], &vec![b'\n'; 1 << 20]);
    for value in [&b"third"[..], b"first", b"first", b"", b"second"] {
        push(b"repeated", value);
    }
    raw
}

#[test]
fn a_dump_builds_the_same_file() {
    let dir = Sandbox::new();
    dir.write("in", awkward());
    dir.run(&["build", "--quiet", "--dup", "keep", "-i", "raw", "t", "in"]).printed("");
    for format in ["tsv", "csv", "jsonl", "raw"] {
        let dump = dir.run(&["dump", "-o", format, "t"]);
        assert_eq!((dump.code, &dump.err[..]), (0, ""));
        let build = ["build", "--quiet", "--dup", "keep", "--sorted", "-i", format, "u"];
        dir.pipe(&build, &dump.out).printed("");
        assert!(dir.read("t") == dir.read("u"), "{format}: another table");
        let again = dir.run(&["dump", "-o", format, "u"]);
        assert!(again.out == dump.out, "{format}: another dump");
    }
}

#[test]
fn keys_alone_come_back_as_lines() {
    let dir = Sandbox::new();
    let mut raw = Vec::new();
    let all: Vec<u8> = (0..=255).collect();
    let single = all.iter().map(|&byte| vec![byte]);
    let marked: [&[u8]; 6] = [b"", b"twice", b"twice", b"\xef\xbb\xbf", b"a\tb\\\r\n", b"\x89GRV"];
    for key in single.chain(marked.map(<[u8]>::to_vec)).chain([all.clone()]) {
        raw.extend_from_slice(&(key.len() as u32).to_le_bytes());
        raw.extend_from_slice(&[0; 4]);
        raw.extend_from_slice(&key);
    }
    dir.pipe(&["build", "--quiet", "--dup", "keep", "-i", "raw", "t"], &raw).printed("");
    let dump = dir.run(&["dump", "-o", "lines", "t"]).out;
    dir.pipe(&["build", "--quiet", "--dup", "keep", "-i", "lines", "u"], &dump).printed("");
    assert!(dir.read("t") == dir.read("u"), "another table");
    dir.run(&["scan", "--keys", "t"]).printed(&dump);
}

/// The first key of an output may be what another format begins with.
#[test]
fn a_first_key_is_taken_for_no_other_format() {
    let dir = Sandbox::new();
    for key in [
        &b"\xef\xbb\xbf"[..],
        b"\xff\xfe\0",
        b"\xfe\xff",
        b"\x1f\x8b\x08\0",
        b"\x28\xb5\x2f\xfd",
        b"\x50\x2a\x4d\x18",
        b"\xfd7zXZ\0",
        b"BZh91AY&SY",
        b"\x04\x22\x4d\x18",
        b"PK\x03\x04",
        b"\x89GRV",
        b"SQLite format 3\0",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xde\xc0\xef\xbe",
        b"\"",
        b"{",
        b"",
    ] {
        let entry = |value: &[u8]| {
            let lengths = [key.len() as u8, 0, 0, 0, value.len() as u8, 0, 0, 0];
            [&lengths[..], key, value].concat()
        };
        for (formats, value) in
            [(&["tsv", "csv", "jsonl", "raw"][..], &b"v"[..]), (&["lines"], b"")]
        {
            dir.pipe(&["build", "--quiet", "-i", "raw", "t"], &entry(value)).printed("");
            for format in formats {
                let dump = dir.run(&["dump", "-o", format, "t"]).out;
                dir.pipe(&["build", "--quiet", "-i", format, "u"], &dump).printed("");
                assert!(dir.read("t") == dir.read("u"), "{format} {}", key.escape_ascii());
            }
        }
    }
}

#[test]
fn a_dump_is_sorted_input_and_nothing_else() {
    let dir = Sandbox::new();
    dir.table("t", "b\t2\na\\tx\t1\\n\n\\xff\t\\x80\\\\\nb\t1\n\t\n");
    dir.run(&["dump", "t"]).printed(b"\t\na\\tx\t1\\n\nb\t2\nb\t1\n\xff\t\x80\\\\\n");
    dir.run(&["dump", "-o", "tsv", "t"]).printed(b"\t\na\\tx\t1\\n\nb\t2\nb\t1\n\xff\t\x80\\\\\n");
    let raw = [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"\x03\0\0\0\x02\0\0\0a\tx1\n",
        b"\x01\0\0\0\x01\0\0\0b2",
        b"\x01\0\0\0\x01\0\0\0b1",
        b"\x01\0\0\0\x02\0\0\0\xff\x80\\",
    ];
    dir.run(&["dump", "-o", "raw", "t"]).printed(raw.concat());
}

#[test]
fn many_entries_come_back_from_any_order() {
    let dir = Sandbox::new();
    // A stride that is coprime to the number visits every key once, out of order.
    let lines = (0..100_000u64).map(|i| i * 61_803 % 100_000);
    let shuffled: Vec<_> = lines.map(|i| format!("key {i:06}\tvalue {}\n", i * i)).collect();
    let mut sorted = shuffled.clone();
    sorted.sort();
    dir.table("t", shuffled.concat());
    dir.table("u", sorted.concat());
    let dump = dir.run(&["dump", "t"]);
    assert!(dump.out == sorted.concat().as_bytes(), "not the sorted input");
    assert!(dir.read("t") == dir.read("u"), "the order of the input shows");
}

#[test]
fn an_empty_table_is_a_table() {
    let dir = Sandbox::new();
    dir.table("t", "");
    for format in ["tsv", "csv", "jsonl", "raw"] {
        dir.run(&["dump", "-o", format, "t"]).printed("");
        dir.run(&["build", "--quiet", "-i", format, "u"]).printed("");
        assert_eq!(dir.read("t"), dir.read("u"));
    }
    dir.run(&["scan", "t"]).printed("");
    dir.run(&["scan", "--reverse", "t"]).printed("");
    dir.run(&["scan", "--count", "t"]).printed("0\n");
    dir.run(&["scan", "--count", "--prefix", "a", "t"]).printed("0\n");
    dir.run(&["verify", "t"]).printed("");
    dir.run(&["get", "t", ""]).lacked("t", &[""], "");
    dir.pipe(&["mget", "t"], b"\na\n").ended(1, "");
    dir.pipe(&["mget", "t"], b"").printed("");
}
