//! Keys that were chosen to harm the hash index: what they cost a build, and lookups of the other
//! keys. Half of the keys of each table are chosen, half are random; the table it is compared with
//! has random keys of the same number and lengths in their place. `SECURITY.md` says what must hold.
//!
//! `cargo bench --bench chosen`, with `GRAVEN_BENCH_ENTRIES` keys, 2,000,000 unless said.

mod common;

use common::chosen::{Places, mix, ordinary};
use common::computed;
use graven::{BuildOptions, BuildSummary, HashIndex, Table};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const BUILDS: usize = 3;
/// Short pieces, each measured several times in each table by turns, so that the least time of a
/// piece is that of an undisturbed processor.
const PIECES: usize = 60;
const PIECE: usize = 4096;
const ROUNDS: usize = 9;

fn main() {
    // What `cargo bench` and `cargo test` pass on means nothing here.
    let entries = std::env::var("GRAVEN_BENCH_ENTRIES");
    let entries: u64 = entries.map_or(2_000_000, |n| n.parse().expect("a number of entries"));
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let directory = tempfile::tempdir().expect("a temporary directory");
    println!(
        "{:28} {:>9} {:>8} {:>13} {:>11} {:>11} {:>11}",
        "chosen", "set aside", "attempts", "build", "hits", "misses", "batches"
    );
    for fixed in [false, true] {
        for (name, keys) in Places::of(entries).sets(entries / 2) {
            if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
                continue;
            }
            compare(name, &keys, entries, fixed, directory.path());
        }
    }
}

/// Builds a table of `keys` and as many ordinary ones as make up `entries`; seconds of all threads,
/// and what it is.
fn build(keys: &[Vec<u8>], entries: u64, fixed: bool, path: &Path) -> (f64, BuildSummary) {
    let len = keys[0].len();
    let before = computed();
    let options = BuildOptions::new().hash_index(HashIndex::Always).durable(false);
    let mut builder = options.create(path).expect("a builder");
    let value = [7; 40];
    let value_of = |i: u64| &value[..if fixed { 32 } else { 20 + i as usize % 20 }];
    for i in 0..entries - keys.len() as u64 {
        builder.insert(ordinary(i, len), value_of(i)).expect("room");
        if let Some(key) = keys.get(i as usize) {
            builder.insert(key, value_of(i)).expect("room");
        }
    }
    let summary = builder.finish().expect("a table");
    (computed() - before, summary)
}

/// What is looked up: keys that are there, others, and both in batches.
const KINDS: usize = 3;

fn look_up(table: &Table, kind: usize, there: &[Vec<u8>], absent: &[Vec<u8>]) -> f64 {
    let mut out = Vec::with_capacity(64);
    let start = Instant::now();
    match kind {
        0 | 1 => {
            for key in [there, absent][kind] {
                black_box(table.get(black_box(key)).expect("a sound table"));
            }
        }
        _ => {
            for keys in there.chunks(64).zip(absent.chunks(64)).flat_map(|(a, b)| [a, b]) {
                table.get_many_into(black_box(keys), &mut out).expect("a sound table");
            }
        }
    }
    start.elapsed().as_nanos() as f64 / if kind == 2 { 2.0 } else { 1.0 }
}

/// Nanoseconds of each kind of lookup in each table.
fn lookups(tables: &[Table; 2], others: u64, len: usize) -> [[f64; KINDS]; 2] {
    let keys = |base: u64| -> Vec<_> {
        (0..(PIECES * PIECE) as u64).map(|i| ordinary(base + mix(i) % others, len)).collect()
    };
    let (there, absent) = (keys(0), keys(1 << 40));
    let mut sums = [[0.0; KINDS]; 2];
    for (there, absent) in there.chunks(PIECE).zip(absent.chunks(PIECE)) {
        let mut least = [[f64::INFINITY; KINDS]; 2];
        for _ in 0..ROUNDS {
            for (least, table) in least.iter_mut().zip(tables) {
                for (kind, least) in least.iter_mut().enumerate() {
                    *least = least.min(look_up(table, kind, there, absent));
                }
            }
        }
        for (sum, least) in sums.as_flattened_mut().iter_mut().zip(least.as_flattened()) {
            *sum += least / (PIECES * PIECE) as f64;
        }
    }
    sums
}

fn compare(name: &str, keys: &[Vec<u8>], entries: u64, fixed: bool, directory: &Path) {
    let paths = ["random", "chosen"].map(|name| directory.join(name));
    let (len, others) = (keys[0].len(), entries - keys.len() as u64);
    // Random keys in place of the chosen ones, beside the same ordinary ones.
    let random: Vec<_> = (0..keys.len() as u64).map(|i| ordinary(1 << 41 | i, len)).collect();
    let mut seconds = [f64::INFINITY; 2];
    let mut built = None;
    for _ in 0..BUILDS {
        for (side, keys) in [&random[..], keys].into_iter().enumerate() {
            let (took, summary) = build(keys, entries, fixed, &paths[side]);
            seconds[side] = seconds[side].min(took);
            built = Some(summary);
        }
    }
    let tables = paths.map(|path| Table::load(path).expect("a table"));
    for table in &tables {
        table.verify().expect("a sound table");
    }
    let found = lookups(&tables, others, len);
    let [random, chosen] = [0, 1].map(|side| {
        let [hits, misses, batches] = found[side];
        [seconds[side], hits, misses, batches]
    });
    let attempts =
        tables[1].stats().expect("statistics").hash_index.map_or(0, |hash| hash.attempts);
    let set_aside = built.map_or(0, |summary| summary.set_aside);
    let name = format!("{name}{}", if fixed { ", fixed" } else { "" });
    print!("{name:28} {set_aside:>9} {attempts:>8} {:>5.2} s", chosen[0]);
    for (i, most) in [3.0, 1.2, 1.2, 1.2].into_iter().enumerate() {
        let ratio = chosen[i] / random[i];
        let verdict = if ratio > most { "!" } else { " " };
        if i > 0 {
            print!(" {:>3.0} ns", chosen[i]);
        }
        print!(" {ratio:.2}{verdict}");
    }
    println!();
}
