//! Instructions per lookup, counted by callgrind: repeatable where times are not. The counts stand
//! in `instructions.txt`; a count that grew by more than 5 % fails. Point lookups and batches are
//! counted for each instruction set that callgrind knows and the processor has (`GRAVEN_SIMD`
//! chooses it; callgrind has no AVX-512), everything else for the last of them.
//!
//! `cargo bench --bench instructions` compares, `BLESS=1 cargo bench --bench instructions` records.

use graven::{
    BuildOptions, HashIndex, InstructionSet, OpenOptions, PageChecks, SetBuildOptions, SetOptions,
    SetReader, Table,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

/// Tells the child what to run: workload, table, lookups.
const CHILD: &str = "GRAVEN_INSTRUCTIONS";
const LOOKUPS: usize = 20_000;
const ENTRIES: u64 = 50_000;
const SHARDS: usize = 64;
const GROWTH: f64 = 1.05;
/// Instruction sets, the best one last.
const SETS: [&str; 3] = ["portable", "sse2", "avx2"];
/// Names the instruction set to the library.
const SET: &str = "GRAVEN_SIMD";

fn main() -> ExitCode {
    if let Ok(task) = std::env::var(CHILD) {
        let mut words = task.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (workload, lookups, path) = (next(), next(), next());
        if workload == "set" {
            let wanted = std::env::var(SET).expect("an instruction set");
            let has_it = InstructionSet::in_use().to_string() == wanted;
            return if has_it { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        run(&workload, lookups.parse().expect("a number of lookups"), Path::new(&path));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: skipped, valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    compare()
}

/// The sets that the processor has as callgrind shows it.
fn sets() -> Vec<&'static str> {
    let mut sets = Vec::from(SETS);
    sets.retain(|set| {
        let found = callgrind(set, "set 0 -").status.success();
        if !found {
            println!("instructions: {set} is left out, this processor lacks it");
        }
        found
    });
    sets
}

/// The workloads: a name, and the table they look up in.
fn workloads() -> Vec<(&'static str, &'static str, HashIndex)> {
    vec![
        ("hit u64 lines", "u64", HashIndex::Auto),
        ("hit u64 hash", "u64", HashIndex::Always),
        ("hit id lines", "id", HashIndex::Auto),
        ("hit id hash", "id", HashIndex::Always),
        ("hit url hash", "url", HashIndex::Always),
        ("miss id lines", "id", HashIndex::Auto),
        ("miss id hash", "id", HashIndex::Always),
        ("miss url hash", "url", HashIndex::Always),
        ("batch url hash", "url", HashIndex::Always),
        ("batch u64 lines", "u64", HashIndex::Auto),
        ("seek url tree", "url", HashIndex::Never),
        ("iter url hash", "url", HashIndex::Always),
        ("lend url hash", "url", HashIndex::Always),
        ("owned url hash", "url", HashIndex::Always),
        ("iter u64 lines", "u64", HashIndex::Auto),
        ("lend u64 lines", "u64", HashIndex::Auto),
        ("owned u64 lines", "u64", HashIndex::Auto),
        ("back_iter url hash", "url", HashIndex::Always),
        ("back_lend url hash", "url", HashIndex::Always),
        ("value url hash", "url", HashIndex::Always),
        ("typed u64 lines", "u64", HashIndex::Auto),
        ("typed u64 hash", "u64", HashIndex::Always),
        ("range_set u64 lines", "u64", HashIndex::Auto),
        ("range_set id lines", "id", HashIndex::Auto),
        ("hash_set u64 lines", "u64", HashIndex::Auto),
        ("hash_set id lines", "id", HashIndex::Auto),
        ("batch_of_range_set u64 lines", "u64", HashIndex::Auto),
        ("batch_of_hash_set u64 lines", "u64", HashIndex::Auto),
    ]
}

fn compare() -> ExitCode {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let recorded = recorded(&std::fs::read_to_string(&file).unwrap_or_default());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut text = String::from("# Instructions per lookup, x86-64, counted by callgrind.\n");
    let mut grown = false;
    let sets = sets();
    for (workload, data, hash_index) in workloads() {
        let path = directory.path().join(workload);
        match workload.contains("_set") {
            true => build_set(data, workload.contains("hash"), &path),
            false => build(data, hash_index, &path),
        }
        let point = ["hit ", "miss ", "batch "].iter().any(|measure| workload.starts_with(measure));
        let first = if point { 0 } else { sets.len().saturating_sub(1) };
        for set in &sets[first..] {
            let name = if point { format!("{workload} {set}") } else { workload.to_owned() };
            // The difference of two runs leaves out start-up, opening and first touches.
            let few = count(workload, set, LOOKUPS, &path);
            let many = count(workload, set, 2 * LOOKUPS, &path);
            let per = (many - few) as f64 / LOOKUPS as f64;
            let before = recorded.get(&name).copied();
            let verdict = match before {
                Some(before) if per > before * GROWTH => "GREW",
                Some(_) => "ok",
                None => "new",
            };
            grown |= verdict == "GREW";
            println!("{name:28} {per:8.1} (recorded {}) {verdict}", before.unwrap_or(f64::NAN));
            text.push_str(&format!("{name} = {per:.1}\n"));
        }
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, text).expect("instructions.txt");
        return ExitCode::SUCCESS;
    }
    if grown { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn recorded(text: &str) -> BTreeMap<String, f64> {
    let pairs = text.lines().filter_map(|line| line.split_once(" = "));
    pairs.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

/// This program under callgrind, with a task for [`CHILD`].
fn callgrind(set: &str, task: &str) -> Output {
    Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("own path"))
        .env(CHILD, task)
        .env(SET, set)
        .output()
        .expect("valgrind runs")
}

fn count(workload: &str, set: &str, lookups: usize, path: &Path) -> u64 {
    let words = workload.replace(' ', "-");
    let output = callgrind(set, &format!("{words} {lookups} {}", path.display()));
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = collected.unwrap_or_else(|| panic!("callgrind counted nothing: {text}"));
    number.trim().parse().expect("a count")
}

/// A keyed mix of `i`: splitmix64 (Steele, Lea and Flood 2014).
fn mix(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn key(data: &str, i: u64) -> Vec<u8> {
    match data {
        "u64" => mix(i).to_be_bytes().to_vec(),
        "id" => [mix(i).to_be_bytes(), mix(!i).to_be_bytes()].concat(),
        _ => format!("https://example.org/{}/item/{:x}", mix(i) % 100, mix(i)).into_bytes(),
    }
}

fn build(data: &str, hash_index: HashIndex, path: &Path) {
    let options = BuildOptions::new().hash_index(hash_index).durable(false);
    if data == "u64" {
        // Typed or not, the records are the same.
        let mut builder = options.create_typed::<u64, u64>(path).expect("the table is created");
        for i in 0..ENTRIES {
            builder.insert(&mix(i), &i).expect("an entry");
        }
        builder.finish().expect("the table is published");
        return;
    }
    let mut builder = options.create(path).expect("the table is created");
    for i in 0..ENTRIES {
        let len = match data {
            "id" => 64,
            _ => 20 + mix(i) as usize % 100,
        };
        builder.insert(key(data, i), vec![i as u8; len]).expect("an entry");
    }
    builder.finish().expect("the table is published");
}

/// A set of 64 shards.
fn build_set(data: &str, hashed: bool, path: &Path) {
    let tables = BuildOptions::new().durable(false);
    let options = SetBuildOptions::new().tables(tables);
    let options = match hashed {
        true => options.hash_shards(SHARDS),
        false => options.range_shards(SHARDS),
    };
    let mut builder = options.create(path).expect("the set is created");
    for i in 0..ENTRIES {
        builder.insert(key(data, i), [i as u8; 8]).expect("an entry");
    }
    builder.finish().expect("the set is published");
}

/// Lookups by a reader that has all shards.
#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
fn run_set(measure: &str, keys: &[Vec<u8>], path: &Path) -> usize {
    let tables = OpenOptions::new().page_checks(PageChecks::AtOpen);
    // SAFETY: the files lie in a private temporary directory; nobody changes them.
    let set = unsafe { SetOptions::new().tables(tables).open(path) }.expect("the set opens");
    let reader = set.reader();
    for shard in 0..set.manifest().shards.len() {
        reader.table(shard).expect("a shard");
    }
    if !measure.starts_with("batch") {
        return get_each_of_set(&reader, keys);
    }
    let mut found = 0;
    for batch in keys.chunks(64) {
        let count = |answer: Option<&[u8]>| found += usize::from(answer.is_some());
        reader.get_many_with(batch, count).expect("an answer");
    }
    found
}

/// As [`get_each`].
#[inline(never)]
fn get_each_of_set(reader: &SetReader, keys: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for key in keys {
        found += usize::from(reader.get(key).expect("an answer").is_some());
    }
    found
}

fn run(workload: &str, lookups: usize, path: &Path) {
    // Every page is checked before anything is counted twice. The work of `verify` depends on how its
    // threads divide the records, and would be counted with the lookups.
    let mut words = workload.split('-');
    let mut next = || words.next().unwrap_or_default();
    let (measure, data) = (next(), next());
    let base = if measure == "miss" { 1 << 40 } else { 0 };
    // Keys of both runs are made beforehand, so that only lookups differ.
    let keys: Vec<_> = (0..2 * LOOKUPS as u64).map(|i| key(data, base + i)).collect();
    if measure.ends_with("_set") {
        assert_eq!(run_set(measure, &keys[..lookups], path), lookups);
        return;
    }
    let options = OpenOptions::new().page_checks(PageChecks::AtOpen);
    let table = options.load(path).expect("the table opens");
    let mut found = 0usize;
    match measure {
        "batch" => {
            let mut out = Vec::with_capacity(64);
            for batch in keys[..lookups].chunks(64) {
                table.get_many_into(batch, &mut out).expect("an answer");
                found += out.iter().flatten().count();
            }
        }
        "seek" => {
            for key in &keys[..lookups] {
                found += usize::from(table.ceil(key).expect("an answer").is_some());
            }
        }
        // Entries of a walk, borrowed and owned.
        "iter" => found = table.iter().map(sum).take(lookups).filter(|&n| n > 0).count(),
        "back_iter" => found = table.iter().rev().map(sum).take(lookups).filter(|&n| n > 0).count(),
        "owned" => {
            let entries = table.into_iter().map(|entry| {
                let (key, value) = entry.expect("an entry");
                key.len() + value.len()
            });
            found = entries.take(lookups).filter(|&n| n > 0).count();
        }
        "lend" => {
            let mut entries = table.into_iter();
            while found < lookups {
                found += usize::from(entries.lend_next().map(sum).is_some_and(|n| n > 0));
            }
        }
        "back_lend" => {
            let mut entries = table.into_iter();
            while found < lookups {
                found += usize::from(entries.lend_next_back().map(sum).is_some_and(|n| n > 0));
            }
        }
        "value" => {
            for key in &keys[..lookups] {
                found += usize::from(table.get_owned(key).expect("an answer").is_some());
            }
        }
        "typed" => {
            let table = table.typed::<u64, u64>().expect("these types");
            let keys: Vec<u64> = (0..2 * LOOKUPS as u64).map(mix).collect();
            for key in &keys[..lookups] {
                found += usize::from(table.get(key).expect("an answer").is_some());
            }
        }
        _ => found = get_each(&table, &keys[..lookups]),
    }
    assert_eq!(found, if measure == "miss" { 0 } else { lookups });
}

/// A function of its own, so that the loop keeps in registers what a lookup needs.
#[inline(never)]
fn get_each(table: &Table, keys: &[Vec<u8>]) -> usize {
    let mut found = 0;
    for key in keys {
        found += usize::from(table.get(key).expect("an answer").is_some());
    }
    found
}

fn sum(entry: Result<(&[u8], &[u8]), graven::ReadError>) -> usize {
    let (key, value) = entry.expect("an entry");
    key.len() + value.len()
}
