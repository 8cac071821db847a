//! `merge`, `diff` and `salvage`: tables made of tables, as a shell would.

use crate::tool::Sandbox;
use serde_json::{Value, json};

#[test]
fn tables_are_merged_by_policy() {
    let dir = Sandbox::new();
    dir.table("a", "both\t1\nonly a\tx\n");
    dir.table("b", "both\t2\nonly b\ty\n");
    for (policy, lines) in [
        ("first", "both\t1\n"),
        ("last", "both\t2\n"),
        ("keep", "both\t1\nboth\t2\n"),
        ("concat", "both\t12\n"),
    ] {
        dir.run(&["merge", "--quiet", "out", "a", "b", "--dup", policy]).printed("");
        dir.run(&["dump", "out"]).printed(format!("{lines}only a\tx\nonly b\ty\n"));
    }
    let ran = dir.run(&["merge", "new", "a", "b"]);
    assert_eq!(ran.code, 3);
    assert_eq!(
        ran.err,
        "graven: b: key \"both\" is in a as well, and --dup says what to do then\n"
    );
    assert!(!dir.path("new").exists());
    // An input may be replaced.
    let ran = dir.run(&["merge", "a", "a", "b", "--dup", "last", "--meta", "k=v"]);
    assert_eq!((ran.code, &ran.err[..5]), (0, "a: 3 "), "{}", ran.err);
    let ran = dir.run(&["stat", "--json", "a"]);
    let stat: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(stat["metadata"], json!({"k": "v"}));
    dir.run(&["merge", "--quiet", "one", "b"]).printed("");
    dir.run(&["dump", "one"]).printed("both\t2\nonly b\ty\n");
}

/// What the options say of OUT, and what it has from its tables without them.
#[test]
fn a_merged_table_is_built_as_asked() {
    let dir = Sandbox::new();
    dir.pipe(&["build", "--quiet", "a", "--value-align", "4", "--meta", "m=a"], b"a\t1\n")
        .printed("");
    dir.pipe(&["build", "--quiet", "b", "--meta", "m=b"], b"b\t2\nc\t33\n").printed("");
    for (options, align, hash, meta) in [
        (&[][..], 4, false, "b"),
        (&["--dup", "first"], 4, false, "a"),
        (&["--value-align", "16"], 16, false, "b"),
        (&["--hash-index", "always"], 4, true, "b"),
        (&["--meta", "m=c"], 4, false, "c"),
    ] {
        dir.run(&[&["merge", "--quiet", "out", "a", "b"], options].concat()).printed("");
        let stat: Value = serde_json::from_slice(&dir.run(&["stat", "--json", "out"]).out).unwrap();
        assert_eq!(stat["value_align"], json!(align), "{options:?}");
        assert_eq!(stat["hash"].is_object(), hash, "{options:?}: {stat}");
        assert_eq!(stat["metadata"], json!({ "m": meta }), "{options:?}");
        dir.run(&["dump", "out"]).printed("a\t1\nb\t2\nc\t33\n");
    }
    // A key that one table has twice.
    dir.pipe(&["build", "--quiet", "--dup", "keep", "twice"], b"k\t1\nk\t2\n").printed("");
    let ran = dir.run(&["merge", "new", "a", "twice"]);
    let expected = "graven: twice: key \"k\" is repeated, and --dup says what to do then\n";
    assert_eq!((ran.code, &ran.err[..]), (3, expected));
    assert!(!dir.path("new").exists());
}

/// Damage in one of many tables is that table's, and costs nothing that was published before.
#[test]
fn a_merge_names_the_damaged_table() {
    let dir = Sandbox::new();
    let lines =
        |first| (first..4000).step_by(2).map(|i| format!("{i:08}\t{i:08}\n")).collect::<String>();
    dir.table("even", lines(0));
    dir.table("odd", lines(1));
    dir.run(&["merge", "--quiet", "out", "even", "odd"]).printed("");
    let before = dir.read("out");
    let mut bytes = dir.read("odd");
    bytes[20_000] ^= 1;
    dir.write("odd", &bytes);
    let ran = dir.run(&["merge", "--quiet", "out", "even", "odd"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.starts_with("graven: odd: page at offset 16384 is damaged"), "{}", ran.err);
    assert!(dir.read("out") == before);
    let ran = dir.run(&["diff", "even", "odd"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.starts_with("graven: odd: page at offset 16384 is damaged"), "{}", ran.err);
}

#[test]
fn a_merge_names_what_is_wrong() {
    let dir = Sandbox::new();
    dir.table("a", "k\t1\n");
    dir.write("text", "this is no table, but long enough to be one\n".repeat(20));
    for (args, code, text) in [
        (&["merge", "out"][..], 2, "TABLE"),
        (&["merge", "-", "a"], 2, "standard output"),
        (&["merge", "out", "a", "missing"], 4, "missing: "),
        (&["merge", "out", "a", "text"], 3, "text: "),
        (&["merge", "text", "a"], 4, "text: is a file but no graven table"),
        (&["merge", "out", "a", "--dup", "all"], 2, "all"),
    ] {
        let ran = dir.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
        assert!(!dir.path("out").exists());
    }
}

#[test]
fn differences_are_lines() {
    let dir = Sandbox::new();
    dir.table("a", "gone\t1\nsame\ts\ntab\\tkey\told\\n\n");
    dir.table("b", "new\t2\nsame\ts\ntab\\tkey\tnew\n");
    let ran = dir.run(&["diff", "a", "b"]);
    assert_eq!(
        String::from_utf8_lossy(&ran.out),
        "-\tgone\t1\n+\tnew\t2\n~\ttab\\tkey\told\\n\tnew\n"
    );
    assert_eq!((ran.code, &ran.err[..]), (1, ""));
    let ran = dir.run(&["diff", "a", "a"]);
    assert_eq!((ran.code, &ran.out[..], &ran.err[..]), (0, &b""[..], ""));
    for (other, code) in [("a", 0), ("b", 1)] {
        let ran = dir.run(&["diff", "-q", "a", other]);
        assert_eq!((ran.code, &ran.out[..]), (code, &b""[..]));
    }
    dir.table("bytes", "\\xff\t\\xfe\nk\tv\n");
    dir.table("text", "k\tw\n");
    let ran = dir.run(&["diff", "--json", "bytes", "text"]);
    let lines = String::from_utf8(ran.out).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        json!({"op": "~", "k": "k", "old": "v", "new": "w"}),
        json!({"op": "-", "k_b64": "/w==", "v_b64": "/g=="}),
    ];
    assert_eq!(lines, expected);
    let ran = dir.run(&["diff", "a", "missing"]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.starts_with("graven: missing: "), "{}", ran.err);
}

/// A patch brings NEW where only OLD is, byte for byte; nothing else takes it for a table.
#[test]
fn patches_make_the_new_table() {
    let dir = Sandbox::new();
    let lines =
        |edit: &str| (0..2000).map(|i| format!("key {i}\t{}\n", i % 7)).collect::<String>() + edit;
    let build = |name, edit: &str, args: &[&str]| {
        let args = [&["build", "--quiet", "--dup", "keep", name][..], args].concat();
        dir.pipe(&args, lines(edit).as_bytes()).printed("");
    };
    build("v1", "", &[]);
    build("v2", "new\tx\n", &["--meta", "version=2", "--value-align", "8"]);
    build("v3", "key 7\tagain\n", &["--hash-index", "never"]);
    dir.run(&["diff", "--quiet", "-o", "p12", "v1", "v2"]).printed("");
    let ran = dir.run(&["diff", "-o", "p23", "v2", "v3"]);
    assert_eq!((ran.code, &ran.out[..]), (0, &b""[..]));
    assert!(ran.err.starts_with("p23: a patch of 2 keys, "), "{}", ran.err);
    dir.run(&["merge", "--quiet", "out", "v1", "p12"]).printed("");
    assert!(dir.read("out") == dir.read("v2"));
    dir.run(&["merge", "--quiet", "out", "v1", "p12", "p23"]).printed("");
    assert!(dir.read("out") == dir.read("v3"));
    dir.run(&["diff", "--quiet", "-o", "none", "v1", "v1"]).printed("");
    dir.run(&["merge", "--quiet", "out", "v1", "none"]).printed("");
    assert!(dir.read("out") == dir.read("v1"));

    dir.run(&["verify", "p12"]).printed("");
    let stat = String::from_utf8(dir.run(&["stat", "p12"]).out).unwrap();
    assert!(stat.contains("\npatch  "), "{stat}");
    for (args, code, text) in [
        (&["get", "p12", "new"][..], 3, "p12: is a patch"),
        (&["dump", "p12"], 3, "p12: is a patch"),
        (&["diff", "v1", "p12"], 3, "p12: is a patch"),
        (&["merge", "new", "p12", "v1"], 3, "p12: is a patch"),
        (&["publish", "p12", "new"], 3, "is a patch"),
        (&["merge", "new", "v2", "p12"], 3, "p12: is a patch for the table with build id"),
        (&["merge", "new", "v1", "p23"], 3, "p23: is a patch for the table with build id"),
        (&["merge", "new", "v1", "p12", "v2"], 3, "v2: is a table among patches"),
        (&["merge", "new", "v1", "p12", "--dup", "last"], 2, "--dup does not go with patches"),
        (&["merge", "new", "v1", "p12", "--meta", "a=b"], 2, "--meta does not go with patches"),
        (
            &["merge", "new", "v1", "p12", "--value-align", "4"],
            2,
            "--value-align does not go with patches",
        ),
        (
            &["merge", "new", "v1", "p12", "--hash-index", "never"],
            2,
            "--hash-index does not go with patches",
        ),
        (&["diff", "-o", "-", "v1", "v2"], 2, "standard output"),
    ] {
        let ran = dir.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
        assert!(!dir.path("new").exists());
    }
}

#[test]
fn damaged_tables_are_salvaged() {
    let dir = Sandbox::new();
    let lines: Vec<_> = (0..20_000).map(|i| format!("key {i:05}\t{}\n", i * 77)).collect();
    dir.table("t", lines.concat());
    let ran = dir.run(&["salvage", "t", "saved"]);
    assert_eq!((ran.code, &ran.out[..]), (0, &b""[..]));
    assert_eq!(ran.err, "saved: 20000 of 20000 entries, 0 lost in 0 places\n");
    assert!(dir.read("saved") == dir.read("t"));

    let mut bytes = dir.read("t");
    bytes[50_000] ^= 1;
    dir.write("broken", &bytes);
    let ran = dir.run(&["salvage", "broken", "saved"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let loss = String::from_utf8(ran.out).unwrap();
    let fields: Vec<_> = loss.trim_end().split('\t').collect();
    let [after, before, bytes_lost, pages] = fields[..] else { panic!("{loss}") };
    assert_eq!(pages, "1");
    assert!((4096..4200).contains(&bytes_lost.parse::<u32>().unwrap()), "{loss}");
    let saved = String::from_utf8(dir.run(&["dump", "saved"]).out).unwrap();
    let lost = |line: &&String| line[..9] > *after && line[..9] < *before;
    let right: String = lines.iter().filter(|line| !lost(line)).cloned().collect();
    assert!(saved == right);
    let count = lines.iter().filter(lost).count();
    let expected = format!("saved: {} of 20000 entries, {count} lost in 1 place\n", 20_000 - count);
    assert_eq!(ran.err, expected);
    dir.run(&["verify", "saved"]).printed("");

    // Only the footer is damaged: no entry is lost, and OUT is what the table was.
    let mut footer = dir.read("t");
    let last = footer.len() - 5;
    footer[last] ^= 1;
    dir.write("footer", &footer);
    assert_eq!(dir.run(&["get", "footer", "key 00001"]).code, 3);
    let ran = dir.run(&["salvage", "--quiet", "footer", "saved"]);
    assert_eq!((ran.code, &ran.out[..], &ran.err[..]), (0, &b""[..], ""));
    assert!(dir.read("saved") == dir.read("t"));

    dir.write("short", &bytes[..bytes.len() - 5]);
    bytes[60] ^= 1;
    dir.write("header", &bytes);
    dir.table("small", "k\tv\n");
    let mut small = dir.read("small");
    small[448] ^= 1;
    dir.write("nothing", &small);
    for (args, code, text) in [
        (&["salvage", "short", "new"][..], 3, "is cut off"),
        (&["salvage", "header", "new"], 3, "header is damaged"),
        (&["salvage", "nothing", "new"], 3, "none of 1 entry is good"),
        (&["salvage", "broken", "./broken"], 2, "is the damaged table"),
        (&["salvage", "broken", "-"], 2, "standard output"),
    ] {
        let ran = dir.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{args:?}: {}", ran.err);
        assert!(!dir.path("new").exists());
    }
}
