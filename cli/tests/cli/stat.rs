//! `stat`: figures that add up, for programs and for people.

use crate::tool::Sandbox;
use serde_json::{Value, json};

fn json(dir: &Sandbox, table: &str) -> Value {
    let ran = dir.run(&["stat", "--json", table]);
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    assert_eq!(ran.out.last(), Some(&b'\n'));
    serde_json::from_slice(&ran.out).expect("one JSON value")
}

fn text(dir: &Sandbox, table: &str) -> String {
    let ran = dir.run(&["stat", table]);
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    String::from_utf8(ran.out).unwrap()
}

/// The value that stands behind a label in the text.
fn figure<'a>(text: &'a str, label: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(label));
    line.unwrap_or_else(|| panic!("no {label:?} in:\n{text}"))[label.len()..].trim()
}

fn sum(bins: &Value) -> u64 {
    bins.as_array().unwrap().iter().map(|bin| bin["count"].as_u64().unwrap()).sum()
}

#[test]
fn figures_add_up() {
    let dir = Sandbox::new();
    let line = |i: u64| format!("key {}\t{}\n", i * i % 8192, "x".repeat(i as usize % 37));
    let lines: Vec<_> = (0..10_000).map(line).collect();
    dir.write("in", lines.concat());
    dir.run(&["build", "--quiet", "--dup", "keep", "--hash-index", "always", "t", "in"])
        .printed("");

    let keys: Vec<&str> = lines.iter().map(|line| line.split('\t').next().unwrap()).collect();
    let distinct = keys.iter().collect::<std::collections::BTreeSet<_>>().len() as u64;
    let key_bytes: usize = keys.iter().map(|key| key.len()).sum();
    let value_bytes = lines.concat().len() - key_bytes - 2 * lines.len();
    let file_bytes = dir.read("t").len() as u64;

    let stat = json(&dir, "t");
    assert_eq!(stat["entries"], 10_000);
    assert_eq!(stat["keys"], distinct);
    assert_eq!(stat["file_bytes"], file_bytes);
    assert_eq!(stat["key_bytes"], key_bytes);
    assert_eq!(stat["value_bytes"], value_bytes);
    assert_eq!(stat["value_len"]["min"], 0);
    assert_eq!(stat["value_len"]["max"], 36);
    assert_eq!(stat["build_id"].as_str().unwrap().len(), 32);
    let overhead = (file_bytes as f64 - (key_bytes + value_bytes) as f64) / 10_000.0;
    assert!((stat["overhead_per_entry"].as_f64().unwrap() - overhead).abs() < 1e-9);
    for part in ["key_len", "value_len"] {
        assert_eq!(sum(&stat[part]["histogram"]), 10_000, "{part}");
    }
    let sections = stat["sections"].as_array().unwrap();
    let bytes: u64 = sections.iter().map(|section| section["bytes"].as_u64().unwrap()).sum();
    assert_eq!(bytes, file_bytes, "sections cover the file");
    let hash = &stat["hash"];
    assert_eq!(hash["keys"], distinct);
    let load = hash["load"].as_f64().unwrap();
    assert!(load > 0.3 && load <= 1.0, "{load}");
    let probes = hash["probes"].as_array().unwrap();
    let probed: u64 = probes.iter().map(|probe| probe["keys"].as_u64().unwrap()).sum();
    assert_eq!(probed, distinct);

    let text = text(&dir, "t");
    assert_eq!(figure(&text, "entries "), "10000");
    assert_eq!(figure(&text, "distinct keys "), distinct.to_string());
    assert_eq!(figure(&text, "file "), format!("{file_bytes} bytes"));
    assert_eq!(figure(&text, "build id "), stat["build_id"].as_str().unwrap());
    assert_eq!(figure(&text, "overhead "), format!("{overhead:.2} bytes per entry"));
    for section in sections {
        let figures = ["offset", "bytes"].map(|figure| section[figure].to_string());
        let row = |line: &&str| {
            let rest = line.strip_prefix(section["name"].as_str().unwrap()).unwrap_or_default();
            rest.split_whitespace().take(2).eq(&figures)
        };
        assert_eq!(text.lines().filter(row).count(), 1, "{section} in:\n{text}");
    }
    for label in ["key length", "value length", "hash index", "probe length", "ordered index"] {
        figure(&text, label);
    }
}

#[test]
fn histograms_count_lengths() {
    let dir = Sandbox::new();
    dir.table("t", "\t1\na\t\nb\t\nc\t\nlonger key\tlonger value\n");
    let stat = json(&dir, "t");
    let covering = |part: &str, len: u64| -> u64 {
        let bins = stat[part]["histogram"].as_array().unwrap();
        let covers =
            |bin: &&Value| (bin["min"].as_u64()..=bin["max"].as_u64()).contains(&Some(len));
        let found: Vec<_> = bins.iter().filter(covers).collect();
        assert!(found.len() <= 1, "one bin for a length");
        found.first().map_or(0, |bin| bin["count"].as_u64().unwrap())
    };
    assert_eq!(
        [covering("key_len", 0), covering("key_len", 1), covering("key_len", 10)],
        [1, 3, 1]
    );
    assert_eq!([covering("value_len", 0), covering("value_len", 12)], [3, 1]);
    assert_eq!(stat["key_len"]["max"], 10);
    assert_eq!(stat["value_len"]["max"], 12);
    assert_eq!(stat["metadata"], json!({}));
}

#[test]
fn an_empty_table_has_figures_too() {
    let dir = Sandbox::new();
    dir.table("t", "");
    let stat = json(&dir, "t");
    assert_eq!(stat["entries"], 0);
    assert_eq!(stat["overhead_per_entry"], 0.0);
    assert_eq!(stat["key_len"], json!({"min": null, "max": null, "histogram": []}));
    let text = text(&dir, "t");
    assert_eq!(figure(&text, "entries "), "0");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn metadata_that_is_no_text_is_still_json() {
    let dir = Sandbox::new();
    let args = [&b"build"[..], b"--quiet", b"t", b"--meta", b"\xffk=line\nbreak\xfe"];
    dir.pipe(&args.map(crate::tool::os), b"").printed("");
    assert_eq!(json(&dir, "t")["metadata"], json!({"\\xffk": "line\nbreak\\xfe"}));
    let text = text(&dir, "t");
    assert!(text.contains("k = line\\nbreak"), "one line each: {text}");
}

#[test]
fn types_of_a_typed_table() {
    graven::typed_value! {
        struct Shape {
            area: f64,
            sides: u64,
        }
    }
    let dir = Sandbox::new();
    let entries = [((1_u32, -1_i16), Shape { area: 0.5, sides: 3 })];
    let path = dir.path("t");
    graven::BuildOptions::new().durable(false).build_typed(path, entries).unwrap();
    let stat = json(&dir, "t");
    let (key, value) = ("(u32, i16)", "Shape { area: f64, sides: u64 }");
    assert_eq!((&stat["key_type"], &stat["value_type"]), (&json!(key), &json!(value)));
    let text_of = text(&dir, "t");
    assert_eq!((figure(&text_of, "key type"), figure(&text_of, "value type")), (key, value));
    assert!(stat["sections"].as_array().unwrap().iter().any(|part| part["name"] == "types"));

    dir.write("in", "a\t1\n");
    dir.run(&["build", "--quiet", "bytes", "in"]).printed("");
    let stat = json(&dir, "bytes");
    assert_eq!((&stat["key_type"], &stat["value_type"]), (&Value::Null, &Value::Null));
    assert!(!text(&dir, "bytes").contains("key type"));
}
