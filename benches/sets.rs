//! A set against one table with the same entries: `get` and `get_many` over 64 range and 64 hash
//! shards, and the open of a set of 1,000 shards. `GRAVEN_BENCH_SHARDS` says another number than 64.
//!
//! ```sh
//! GRAVEN_BENCH_ENTRIES=10000000 cargo bench --features sets --bench sets
//! ```
//!
//! The contestants take turns, round by round, and a ratio is the median of the rounds' ratios, so
//! that what else the machine does touches all of them alike.

mod common;

use common::{BATCH, Fixture, Workload, touch};
use graven::{BuildOptions, PublishOptions, SetBuildOptions, TableSet};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const MANY_SHARDS: u64 = 1000;

#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
fn open(path: &Path) -> TableSet {
    // SAFETY: the files lie in a private temporary directory; nobody changes them.
    unsafe { TableSet::open(path) }.expect("open")
}

/// Writes the entries of the fixture as a set, opens it, and touches all pages.
fn set(fixture: &Fixture, options: SetBuildOptions, path: &Path) -> TableSet {
    let tables = BuildOptions::new().durable(false).sorted(true);
    let options = options.tables(tables).publish(PublishOptions::new().durable(false));
    let mut builder = options.create(path).expect("create");
    for entry in &fixture.table {
        let (key, value) = entry.expect("a good table");
        builder.insert(key, value).expect("insert");
    }
    builder.finish().expect("finish");
    let set = open(path);
    for shard in 0..set.manifest().shards.len() {
        set.table(shard).expect("a shard").verify().expect("a good shard");
    }
    set
}

fn timed(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Prints the time of the first contestant per query, and the ratios of the others.
fn compare(name: &str, queries: usize, contestants: &mut [(&str, &mut dyn FnMut())]) {
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 0..ROUNDS {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            times[at].push(timed(&mut contestants[at].1));
        }
    }
    let base = median(times[0].clone()) / queries as f64 * 1e9;
    println!("{name}: {} {base:.1} ns", contestants[0].0);
    for (at, (contestant, _)) in contestants.iter().enumerate().skip(1) {
        let ratios = times[at].iter().zip(&times[0]).map(|(a, b)| a / b).collect();
        println!("    {contestant}: {:.2} x", median(ratios));
    }
}

/// Shards of the sets that are compared with a table.
fn shards() -> usize {
    let said = std::env::var("GRAVEN_BENCH_SHARDS").ok();
    said.map_or(64, |number| number.parse().expect("a number of shards"))
}

fn main() {
    let shards = shards();
    let dir = tempfile::tempdir().expect("a temporary directory");
    for workload in [Workload::U64, Workload::Id] {
        let fixture = Fixture::new(workload);
        let entries = fixture.entries;
        println!("{}: {entries} entries, {shards} shards", workload.name());
        let per_shard = entries.div_ceil(shards as u64);
        let path = |name| dir.path().join(format!("{}-{name}", workload.name()));
        let range = SetBuildOptions::new().shard_entries(per_shard);
        let range = set(&fixture, range, &path("range"));
        let hash = set(&fixture, SetBuildOptions::new().hash_shards(shards), &path("hash"));
        let hits = workload.hits(entries, common::queries());
        let keys = hits.slices();
        let table = &fixture.table;
        let of_set = |set: &TableSet| {
            for key in &keys {
                black_box(touch(&set.get(key).expect("a good set").expect("a hit")));
            }
        };
        let by_reader = |set: &TableSet| {
            let reader = set.reader();
            for key in &keys {
                black_box(touch(reader.get(key).expect("a good set").expect("a hit")));
            }
        };
        compare(
            "get",
            keys.len(),
            &mut [
                ("table", &mut || {
                    for key in &keys {
                        black_box(touch(table.get(key).expect("a good table").expect("a hit")));
                    }
                }),
                ("table, owned", &mut || {
                    for key in &keys {
                        let value = table.get_owned(key).expect("a good table").expect("a hit");
                        black_box(touch(&value));
                    }
                }),
                ("range shards", &mut || by_reader(&range)),
                ("hash shards", &mut || by_reader(&hash)),
                ("range shards, owned", &mut || of_set(&range)),
                ("hash shards, owned", &mut || of_set(&hash)),
            ],
        );
        let many_of_set = |set: &TableSet| {
            for batch in keys.chunks(BATCH) {
                for value in set.get_many(batch).expect("a good set") {
                    black_box(value.expect("a hit")[0]);
                }
            }
        };
        let many_by_reader = |set: &TableSet| {
            let reader = set.reader();
            for batch in keys.chunks(BATCH) {
                for value in reader.get_many(batch).expect("a good set") {
                    black_box(value.expect("a hit")[0]);
                }
            }
        };
        compare(
            "get_many",
            keys.len(),
            &mut [
                ("table", &mut || {
                    for batch in keys.chunks(BATCH) {
                        for value in table.get_many(batch).expect("a good table") {
                            black_box(value.expect("a hit")[0]);
                        }
                    }
                }),
                ("range shards", &mut || many_by_reader(&range)),
                ("hash shards", &mut || many_by_reader(&hash)),
                ("range shards, owned", &mut || many_of_set(&range)),
                ("hash shards, owned", &mut || many_of_set(&hash)),
            ],
        );
    }
    let fixture = Fixture::new(Workload::U64);
    let path = dir.path().join("many");
    let per_shard = fixture.entries.div_ceil(MANY_SHARDS);
    drop(set(&fixture, SetBuildOptions::new().shard_entries(per_shard), &path));
    let opened = (0..ROUNDS).map(|_| timed(|| drop(black_box(open(&path))))).collect();
    let opened = Duration::from_secs_f64(median(opened));
    let shards = open(&path).manifest().shards.len();
    println!("open of {shards} shards: {opened:.1?}, {} bytes mapped", open(&path).mapped_bytes());
    let first = |set: TableSet| set.get([0; 8]).map(drop).expect("a good set");
    let once = (0..ROUNDS).map(|_| timed(|| first(open(&path)))).collect();
    println!("open and one get: {:.1?}", Duration::from_secs_f64(median(once)));
}
