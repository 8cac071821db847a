//! What a full audit takes, beside what it can't do without: tables of short entries beside a scan of
//! all entries and one `get_many` of all keys, a table of values of 10 kB beside the bare CRC of its
//! pages. Each on two threads.
//!
//! ```sh
//! cargo bench --bench verify
//! ```
//!
//! `GRAVEN_BENCH_ENTRIES` is the number of short entries. Rounds interleave both sides; medians.

mod common;

use common::{WORKLOADS, touch};
use graven::{BuildOptions, Table};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 7;
const THREADS: usize = 2;

/// Bytes of a page, which has a checksum of its own.
const PAGE: usize = 4096;

const LARGE_VALUES: usize = 20_000;
const LARGE_VALUE: usize = 10_000;

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

/// The medians of both sides and of the ratio within a round.
fn race(mut audit: impl FnMut(), mut other: impl FnMut()) -> [f64; 3] {
    let mut rounds: Vec<[f64; 3]> = Vec::new();
    // The first round brings pages and batches into memory.
    for _ in 0..=ROUNDS {
        let (audit, other) = (seconds(&mut audit), seconds(&mut other));
        rounds.push([audit, other, audit / other]);
    }
    rounds.remove(0);
    [0, 1, 2].map(|column| {
        let mut numbers: Vec<_> = rounds.iter().map(|round| round[column]).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[ROUNDS / 2]
    })
}

fn scan(table: &Table) {
    table.split(THREADS).into_par_iter().for_each(|part| {
        for entry in part {
            black_box(touch(entry.expect("a sound table").1));
        }
    });
}

fn get_all(table: &Table, keys: &[Vec<u8>]) {
    keys.par_chunks(keys.len().div_ceil(THREADS)).for_each(|keys| {
        let each = |value: Option<&[u8]>| {
            black_box(value.map(touch));
        };
        table.get_many_with(keys, each).expect("a sound table");
    });
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().expect("threads");
    let entries = common::entries();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("table");
    println!("{entries} entries, {THREADS} threads, medians of {ROUNDS} rounds by turns\n");
    println!("| table | MB | verify | MB/s | scan and get_many | ratio |");
    println!("|---|---:|---:|---:|---:|---:|");
    for workload in WORKLOADS {
        let all = workload.entries(entries, false);
        BuildOptions::new().durable(false).build(&path, all.iter().cloned()).expect("a table");
        let keys: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
        let table = common::open(&path);
        let megabytes = table.stats().expect("a sound table").file_bytes as f64 / 1e6;
        let [audit, other, ratio] = race(
            || {
                black_box(table.verify().expect("a sound table"));
            },
            || {
                scan(&table);
                get_all(&table, &keys);
            },
        );
        let (name, rate) = (workload.name(), megabytes / audit);
        let (audit, other) = (audit * 1e3, other * 1e3);
        println!(
            "| {name} | {megabytes:.0} | {audit:.0} ms | {rate:.0} | {other:.0} ms | {ratio:.2} |"
        );
    }
    let value = |i: usize| (0..LARGE_VALUE).map(|at| (i * 31 + at * 7) as u8).collect::<Vec<_>>();
    let large = (0..LARGE_VALUES).map(|i| ((i as u64).to_be_bytes().to_vec(), value(i)));
    BuildOptions::new().durable(false).build(&path, large).expect("a table");
    let bytes = std::fs::read(&path).expect("the table");
    let table = common::open(&path);
    let [audit, other, ratio] = race(
        || {
            black_box(table.verify().expect("a sound table"));
        },
        || {
            let sums = bytes.par_chunks(PAGE).map(crc32fast::hash).reduce(|| 0, |a, b| a ^ b);
            black_box(sums);
        },
    );
    let megabytes = bytes.len() as f64 / 1e6;
    println!("\n| table | MB | verify | MB/s | CRC alone | MB/s | share of its rate |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    println!(
        "| values of 10 kB | {megabytes:.0} | {:.0} ms | {:.0} | {:.0} ms | {:.0} | {:.2} |",
        audit * 1e3,
        megabytes / audit,
        other * 1e3,
        megabytes / other,
        1.0 / ratio
    );
}
