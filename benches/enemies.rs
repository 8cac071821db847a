//! What a build of keys takes that an enemy chose, next to one of random keys of the same number and
//! lengths: chosen for their hashes, for what they share, for the place where they stand. Both are
//! built by turns, in the order of a shuffle, and the medians are compared. `SECURITY.md` says that a
//! build takes at most 3 times as long.
//!
//! `cargo bench --bench enemies`, with `GRAVEN_BENCH_ENTRIES` keys of 16 bytes, 1,000,000 unless said, and
//! as many bytes of longer ones.

mod common;

use common::chosen::{Places, mix, ordinary};
use common::computed;
use common::enemies::enemies;
use graven::{BuildOptions, Duplicates, Table};
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 5;
/// Memory of a build, less than what most of the sets take.
const BUDGET: u64 = 32 << 20;
/// What SECURITY.md promises.
const MOST: f64 = 3.0;

type Keys<'k> = Box<dyn Fn(u64) -> Vec<u8> + 'k>;

fn main() {
    // What `cargo bench` and `cargo test` pass on means nothing here.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let entries = std::env::var("GRAVEN_BENCH_ENTRIES");
    let entries: u64 = entries.map_or(1_000_000, |n| n.parse().expect("a number of entries"));
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    println!("| keys | number | random | chosen | ratio | seconds of all threads: ratio |");
    println!("|---|---:|---:|---:|---:|---:|");
    let mut worst = 0.0_f64;
    // Half of the keys are chosen, half are ordinary ones.
    for (name, keys) in Places::of(entries).sets(entries / 2) {
        if wanted(name) {
            let (len, half) = (keys[0].len(), keys.len() as u64);
            let chosen = |i: u64| match keys.get(i as usize) {
                Some(key) => key.clone(),
                None => ordinary(i - half, len),
            };
            let random = |i| if i < half { ordinary(1 << 41 | i, len) } else { chosen(i) };
            worst = worst.max(compare(name, entries, [Box::new(random), Box::new(chosen)]));
        }
    }
    for enemy in enemies(16 * entries) {
        if wanted(enemy.name) {
            let random = |i| enemy.ordinary(i);
            let keys: [Keys<'_>; 2] = [Box::new(random), Box::new(enemy.chosen)];
            worst = worst.max(compare(enemy.name, enemy.keys, keys));
        }
    }
    let verdict = if worst > MOST { "MORE than" } else { "at most" };
    println!("\nthe largest ratio: {worst:.2}, {verdict} {MOST}");
}

/// Builds tables of random and of chosen keys by turns. Prints a line and returns the larger ratio.
fn compare(name: &str, keys: u64, sides: [Keys<'_>; 2]) -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("t");
    // The same shuffle on both sides: an odd factor makes a permutation of a power of two.
    let (room, odd) = (keys.next_power_of_two(), mix(7) | 1);
    let order = (0..room).map(|i| i.wrapping_mul(odd) & (room - 1)).filter(|&i| i < keys);
    // One after the other in memory, so that a build reads both alike.
    let sides = sides.map(|key| Flat::of(order.clone().map(key)));
    let mut took: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..ROUNDS {
        for side in [round % 2, 1 - round % 2] {
            let [wall, all] = build(&sides[side], &path);
            took[side][0].push(wall);
            took[side][1].push(all);
            if round == 0 {
                Table::load(&path).expect("a table").verify().expect("a sound table");
            }
        }
    }
    let [random, chosen] = took.map(|[wall, all]| [median(wall), median(all)]);
    let [wall, all] = [0, 1].map(|i| chosen[i] / random[i].max(0.01));
    println!(
        "| {name} | {keys} | {:.2} s | {:.2} s | {wall:.2} | {all:.2} |",
        random[0], chosen[0]
    );
    wall
}

fn median(mut took: Vec<f64>) -> f64 {
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

/// Keys in one piece of memory.
struct Flat {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Flat {
    fn of(keys: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut flat = Self { bytes: Vec::new(), ends: Vec::new() };
        for key in keys {
            flat.bytes.extend(key);
            flat.ends.push(flat.bytes.len());
        }
        flat
    }
}

/// Seconds of a build, and seconds of all its threads.
fn build(keys: &Flat, path: &Path) -> [f64; 2] {
    let (start, before) = (Instant::now(), computed());
    let options = BuildOptions::new().duplicates(Duplicates::KeepAll).memory_budget(BUDGET);
    let mut builder = options.durable(false).create(path).expect("a builder");
    let mut from = 0;
    for (&end, i) in keys.ends.iter().zip(0u64..) {
        builder.insert(&keys.bytes[from..end], i.to_be_bytes()).expect("room");
        from = end;
    }
    builder.finish().expect("a table");
    [start.elapsed().as_secs_f64(), computed() - before]
}
