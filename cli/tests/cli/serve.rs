//! `bench` and `warm`, and what `stat` says about memory: figures that add up, and an exit code
//! that tells of wrong answers.

use crate::tool::{Ran, Sandbox};
use serde_json::Value;

/// The names that `bench --json` promises.
const FIGURES: [&str; 20] = [
    "file_bytes",
    "processes",
    "threads",
    "seconds",
    "lookups",
    "wrong",
    "errors",
    "lookups_per_second",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "max_ns",
    "minor_faults",
    "major_faults",
    "pss_bytes",
    "private_added_max_bytes",
    "page_table_bytes",
    "huge_page_share",
    "replacements",
    "versions_mixed",
];

fn lines(edition: u64) -> String {
    let line =
        |i: u64| format!("key {i}\tvalue {i} of {edition} {}\n", "x".repeat(i as usize % 99));
    (0..20_000).map(line).collect()
}

fn table(dir: &Sandbox, name: &str, edition: u64) {
    dir.table(name, lines(edition));
}

fn bench(dir: &Sandbox, args: &[&str]) -> Value {
    let ran = dir.run(&[&["bench", "--json", "--seconds", "0.5"], args].concat());
    assert_eq!((ran.code, &ran.err[..]), (0, ""), "{args:?}");
    let json: Value = serde_json::from_slice(&ran.out).expect("one JSON object");
    for figure in FIGURES {
        let given = json.get(figure).is_some_and(|value| value.is_number());
        assert!(given || figure == "huge_page_share", "{figure} in {json}");
    }
    json
}

fn number(json: &Value, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("{name} in {json}"))
}

/// Nothing is left beside the tables.
fn assert_tidy(dir: &Sandbox, names: &[&str]) {
    assert_eq!(dir.names(), names);
}

/// Packed tables and sets of them, also where a table is replaced by one of the other kind.
#[test]
fn a_bench_reads_what_is_packed() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    let way = ["--compress", "fsst", "--compact-keys"];
    dir.write("in", lines(2));
    dir.run(&[&["build", "-q", "packed", "in"][..], &way].concat()).printed("");
    dir.run(&[&["build", "-q", "set", "in", "--shards", "2"][..], &way].concat()).printed("");
    for args in [
        &["packed"][..],
        &["packed", "--batch", "7", "--hit", "0.5"],
        &["set"],
        &["set", "--batch", "7", "--threads", "2"],
        &["packed", "--replace", "t", "--every", "20"],
    ] {
        let json = bench(&dir, args);
        for figure in ["wrong", "errors", "versions_mixed"] {
            assert_eq!(number(&json, figure), 0, "{args:?}: {figure} in {json}");
        }
        assert!(number(&json, "lookups") >= 64, "{args:?}: {json}");
    }
}

#[test]
fn a_bench_reads_in_many_processes() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    let json = bench(&dir, &["--procs", "3", "--threads", "2", "t"]);
    assert_eq!((number(&json, "processes"), number(&json, "threads")), (3, 2));
    assert_eq!(number(&json, "file_bytes"), dir.read("t").len() as u64);
    for figure in ["wrong", "errors", "replacements", "versions_mixed"] {
        assert_eq!(number(&json, figure), 0, "{figure}");
    }
    let lookups = number(&json, "lookups");
    assert!(lookups >= 6 * 64, "{lookups} lookups");
    let rate = json["lookups_per_second"].as_f64().unwrap();
    let seconds = json["seconds"].as_f64().unwrap();
    assert!(seconds >= 0.5 && (rate * seconds / lookups as f64 - 1.0).abs() < 0.01, "{json}");
    let order = ["p50_ns", "p99_ns", "p999_ns", "max_ns"].map(|name| number(&json, name));
    assert!(order.is_sorted() && order[0] > 0, "{order:?}");
    if cfg!(target_os = "linux") {
        assert!(number(&json, "page_table_bytes") > 0 && number(&json, "minor_faults") > 0);
        // One copy in memory, whoever reads it; a page may be missing or be counted twice.
        let (pss, file) = (number(&json, "pss_bytes"), number(&json, "file_bytes"));
        assert!(pss > file / 2 && pss <= file + (64 << 10), "{pss} of {file}");
    }
    assert_tidy(&dir, &["t"]);
}

#[test]
fn batches_misses_and_skew_are_answered_rightly() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    dir.run(&["build", "--quiet", "--dup", "keep", "many", "t2", "t2"]).failed(4, "t2", &[]);
    dir.write("in", lines(1) + &lines(2));
    dir.run(&["build", "--quiet", "--dup", "keep", "many", "in"]).printed("");
    dir.table("one", "\t\n");
    for args in [
        &["--batch", "100", "--hit", "0.5", "t"][..],
        &["--batch", "7", "--zipf", "1.1", "t"],
        &["--hit", "0", "--zipf", "0.9", "t"],
        &["--hit", "0.3", "many"],
        &["--hit", "0.5", "one"],
    ] {
        let json = bench(&dir, &[&["--procs", "1"], args].concat());
        assert_eq!((number(&json, "wrong"), number(&json, "errors")), (0, 0), "{args:?}");
        assert!(number(&json, "lookups") > 0, "{args:?}");
    }
}

#[test]
fn tables_are_replaced_in_turn_and_the_originals_stay() {
    let dir = Sandbox::new();
    table(&dir, "old", 1);
    table(&dir, "new", 2);
    let before = ["old", "new"].map(|name| dir.read(name));
    let args = ["--procs", "2", "--replace", "new", "--every", "20", "old"];
    let json = bench(&dir, &args);
    for figure in ["wrong", "errors", "versions_mixed"] {
        assert_eq!(number(&json, figure), 0, "{figure}");
    }
    assert!(number(&json, "replacements") >= 2, "{json}");
    assert!(number(&json, "swaps") >= 2, "{json}");
    assert!(json["version_lag_max_ns"].as_u64() > Some(0));
    assert_eq!(["old", "new"].map(|name| dir.read(name)), before);
    assert_tidy(&dir, &["new", "old"]);
}

/// Waits, for a minute at most.
#[cfg(target_os = "linux")]
fn soon(what: &str, done: &dyn Fn() -> bool) {
    let started = std::time::Instant::now();
    while !done() {
        assert!(started.elapsed().as_secs() < 60, "not yet: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Processes that map a file whose path begins so.
#[cfg(target_os = "linux")]
fn readers(path: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("proc is mounted").flatten();
    let maps = processes.map(|process| std::fs::read_to_string(process.path().join("maps")));
    maps.flatten().filter(|maps| maps.contains(path)).count()
}

/// The program, the readers that it started and the copies that it made all go.
#[test]
#[cfg(target_os = "linux")]
fn an_interrupted_bench_leaves_nothing() {
    let dir = Sandbox::new();
    table(&dir, "old", 1);
    table(&dir, "new", 2);
    let args = ["bench", "--procs", "3", "--seconds", "600", "--every", "5", "--replace", "new"];
    let mut bench = dir.command(&[&args[..], &["old"]].concat()).spawn().expect("the program");
    let served = dir.path(".graven-bench-").to_string_lossy().into_owned();
    soon("all readers read", &|| readers(&served) == 3);
    let id = bench.id().to_string();
    let sent = std::process::Command::new("kill").args(["-s", "TERM", &id]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(bench.wait().expect("its end").code(), Some(143));
    assert_tidy(&dir, &["new", "old"]);
    soon("all readers end", &|| readers(&served) == 0);
}

/// Values that turn to zeros because their file is truncated are no wrong answers of the table's.
#[test]
#[cfg(target_os = "linux")]
fn a_table_that_is_truncated_meanwhile_is_no_wrong_one() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    // `cp` makes a file that may be written, as this one is.
    dir.write("copy", dir.read("t"));
    // Most of the time goes by between a lookup and the look at its answer.
    let args = ["bench", "--json", "--procs", "3", "--seconds", "2", "--batch", "4096", "copy"];
    let mut command = dir.command(&args);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let bench = command.spawn().expect("the program");
    let path = dir.path("copy").to_string_lossy().into_owned();
    soon("all readers have it open", &|| readers(&path) >= 3);
    std::thread::sleep(std::time::Duration::from_millis(300));
    dir.write("copy", "");
    let output = bench.wait_with_output().expect("its end");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.starts_with("graven: copy: ") && told.contains("truncated"), "{told}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((number(&json, "wrong"), number(&json, "versions_mixed")), (0, 0));
    assert!(number(&json, "errors") > 0);
}

#[test]
fn the_text_shows_the_same() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    let ran = dir.run(&["bench", "--procs", "2", "--seconds", "0.1", "t"]);
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    let text = String::from_utf8(ran.out).unwrap();
    for label in [
        "readers ",
        "file ",
        "lookups ",
        "  per process ",
        "  wrong        0, errors 0, of two versions 0",
        "latency        p50 ",
        "page faults ",
        "memory (PSS) ",
        "private ",
        "page tables ",
        "2 MiB pages ",
    ] {
        assert_eq!(text.lines().filter(|line| line.starts_with(label)).count(), 1, "{label}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn usage_is_checked() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    dir.table("empty", "");
    for (args, word) in [
        (&["--procs", "0"][..], "1 to 4096"),
        (&["--hit", "1.5"], "0 to 1"),
        (&["--zipf", "11"], "0 to 10"),
        (&["--seconds", "0"], "seconds"),
        (&["--batch", "x"], "1 to 4096"),
        (&["--every", "5"], "--replace"),
    ] {
        let ran: Ran = dir.run(&[&["bench", "t"], args].concat());
        ran.failed(2, "", &[word]);
    }
    dir.run(&["bench", "empty"]).failed(2, "empty: ", &["no entries"]);
    dir.run(&["bench", "t", "--replace", "gone"]).failed(4, "gone: ", &[]);
    dir.run(&["warm", "gone"]).failed(4, "gone: ", &[]);
    assert_tidy(&dir, &["empty", "t"]);
}

/// A table whose answers are not those of the sample, as a faulty index would give them.
#[test]
fn a_damaged_table_fails_the_bench() {
    let dir = Sandbox::new();
    table(&dir, "old", 1);
    table(&dir, "t", 2);
    let mut bytes = dir.read("t");
    let at = bytes.windows(11).position(|part| part == b"value 7 of ").expect("the value");
    bytes[at] ^= 1;
    dir.write("bad", &bytes);
    // The sample is drawn from a damaged table.
    dir.run(&["bench", "bad"]).failed(3, "bad: ", &["page", "damaged"]);
    dir.run(&["bench", "old", "--replace", "bad"]).failed(3, "bad: ", &["page", "damaged"]);
    assert_tidy(&dir, &["bad", "old", "t"]);
}

/// A reader whose table gives other answers than it expects says so.
#[test]
fn wrong_and_mixed_answers_are_counted() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    let stat = dir.run(&["stat", "--json", "t"]);
    let stat: Value = serde_json::from_slice(&stat.out).expect("one JSON object");
    let id = stat["build_id"].as_str().expect("an id").as_bytes();
    let id: Vec<u8> = id.chunks(2).map(hexadecimal).collect();
    assert!(!id.contains(&0), "arguments hold no zeros: choose another table");
    // Twice a key that is not stored: once the other version has none either, once both have one.
    let mut sample = Vec::new();
    for (number, answers) in [(0u32, [7u64, 0]), (1, [7, 8])] {
        sample.extend(
            [&4u32.to_le_bytes()[..], &22u32.to_le_bytes(), &number.to_be_bytes()].concat(),
        );
        sample.extend(answers.map(u64::to_le_bytes).concat());
        sample.extend(b"absent");
    }
    let meta = |name: &[u8], id: &[u8]| [name, b"=", id].concat();
    let (first, second) = (meta(b"version 1", &id), meta(b"version 2", &[1; 16]));
    let build =
        [&b"build"[..], b"--quiet", b"-i", b"raw", b"--meta", &first, b"--meta", &second, b"s"];
    dir.pipe(&build.map(crate::tool::os), &sample).printed("");
    let figures = ["--number=0", "--procs=1", "--threads=1", "--seconds=0.05", "--batch=1"];
    let reader = [&["bench-reader"], &figures[..], &["--refresh=50", "t", "s"]].concat();
    let ran = dir.pipe(&reader, b"open\ngo\n");
    assert_eq!((ran.code, &ran.err[..]), (0, ""));
    let told = String::from_utf8(ran.out).expect("text");
    let last = told.lines().last().expect("a result");
    let json: Value = serde_json::from_str(last).expect("one JSON object");
    let [lookups, wrong, mixed] = ["lookups", "wrong", "mixed"].map(|name| number(&json, name));
    assert!(wrong == mixed && wrong + mixed == lookups && lookups > 0, "{json}");
}

fn hexadecimal(digits: &[u8]) -> u8 {
    let digits = std::str::from_utf8(digits).expect("digits");
    u8::from_str_radix(digits, 16).expect("digits")
}

#[test]
fn warm_reads_and_stat_tells() {
    let dir = Sandbox::new();
    table(&dir, "t", 1);
    let silent: [&[&str]; 3] =
        [&["warm", "t"], &["warm", "--index", "--quiet", "t"], &["warm", "--as-is", "t"]];
    for args in silent {
        dir.run(args).printed("");
    }
    let both = "the argument '--index' cannot be used with '--as-is'";
    dir.run(&["warm", "--index", "--as-is", "t"]).failed(2, both, &[]);
    let ran = dir.run(&["stat", "--json", "t"]);
    let stat: Value = serde_json::from_slice(&ran.out).expect("one JSON object");
    let text = String::from_utf8(dir.run(&["stat", "t"]).out).unwrap();
    if cfg!(target_os = "linux") {
        let bytes = dir.read("t").len() as u64;
        assert_eq!(stat["residency"]["resident"], bytes);
        let sections = stat["residency"]["sections"].as_array().expect("sections");
        assert_eq!(sections.len(), stat["sections"].as_array().expect("sections").len());
        let sum: u64 = sections.iter().map(|section| number(section, "resident")).sum();
        assert_eq!(sum, bytes);
        let share = stat["huge_page_share"].as_f64().expect("a share");
        assert!((0.0..=1.0).contains(&share), "{share}");
        assert!(text.contains(&format!("in memory      {bytes} bytes, 100.0 %\n")), "{text}");
        assert!(text.contains("2 MiB pages    "), "{text}");
    } else {
        assert!(stat["residency"].is_null() && text.contains("in memory      unknown"));
    }
}
