//! Merges and diffs beside scans of the same tables, in turns: a round takes each once, so that
//! whatever else the machine does meets them alike. Prints the median of each per entry of the
//! inputs, and its ratio to the scan. Times are those that the process had a processor, on all its
//! threads, so that other programs do not count.
//!
//! A scan reads every byte of all inputs, as the others do: `merge` those of the entries that it gives,
//! `diff` those of both tables, compared or, where they differ, read. `build` is a scan of the merged
//! table into a builder, `merge+build` a merge into the same builder; nothing is synced.
//!
//! The inputs: `halves` alternate at random, entry by entry; `runs` have about a hundred entries of
//! one table in a row; `ranges` do not meet; `delta` is a table of every hundredth entry beside one of
//! all others; `eight` alternate at random; `packed` are the halves once more, packed by FSST and
//! compact keys, with the feature `fsst`. `arrays` are two sorted arrays of numbers in memory: what
//! a merge of them costs is the floor of any merge that takes one entry after the other.

mod common;

use common::{WORKLOADS, Workload, entries, mix, open, touch};
use graven::{BuildOptions, Diff, Difference, Merge, MergePolicy, Table};
use std::hint::{black_box, select_unpredictable};
use std::path::Path;
use std::time::Duration;

const ROUNDS: usize = 15;

fn main() {
    // Cargo asks each bench for its tests.
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    for workload in WORKLOADS {
        measure(workload);
    }
}

/// Builds the table of the entries that `edit` gives for each number.
fn build(path: &Path, workload: Workload, edit: impl Fn(u64, &mut Vec<u8>) -> bool) -> Table {
    let mut builder = BuildOptions::new().durable(false).create(path).expect("create");
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for i in 0..entries() {
        workload.key(i, &mut key);
        workload.value(i, &mut value);
        if edit(i, &mut value) {
            builder.insert(&key, &value).expect("insert");
        }
    }
    builder.finish().expect("finish");
    let table = open(path);
    table.verify().expect("a good table");
    table
}

type Work<'w> = (&'static str, Box<dyn Fn() -> u64 + 'w>);

fn measure(workload: Workload) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name);
    let all = build(&path("all"), workload, |_, _| true);
    let copy = build(&path("copy"), workload, |_, _| true);
    let edited = build(&path("edited"), workload, |i, value| {
        value[0] ^= u8::from(i % 100 == 0);
        i % 100 != 1
    });
    let even = build(&path("even"), workload, |i, _| i % 2 == 0);
    let odd = build(&path("odd"), workload, |i, _| i % 2 == 1);
    let options = BuildOptions::new().durable(false).sorted(true);
    let out = path("out");

    let merge = || Merge::new([&even, &odd]).policy(MergePolicy::KeepLast);
    compare(workload, "halves", &[&even, &odd]);
    let ranks = ranks(workload);
    let part =
        |name: &str, edit: &dyn Fn(u64) -> bool| build(&path(name), workload, |i, _| edit(i));
    for (inputs, is_first) in [
        ("runs", &(|i: u64| (ranks[i as usize] / 100).is_multiple_of(2)) as &dyn Fn(u64) -> bool),
        ("ranges", &|i| ranks[i as usize] < ranks.len() / 2),
        ("delta", &|i| !i.is_multiple_of(100)),
    ] {
        let tables = [part("first", is_first), part("second", &|i| !is_first(i))];
        compare(workload, inputs, &[&tables[0], &tables[1]]);
    }
    let eight: Vec<Table> = (0..8).map(|n| part(&format!("{n}"), &|i| i % 8 == n)).collect();
    compare(workload, "eight", &eight.iter().collect::<Vec<_>>());
    if workload == Workload::U64 {
        arrays();
    }
    let sinks: Vec<Work<'_>> = vec![
        (
            "build",
            Box::new(|| {
                let mut builder = options.create(&out).expect("create");
                for entry in all.iter() {
                    let (key, value) = entry.expect("a good table");
                    builder.insert(key, value).expect("insert");
                }
                builder.finish().expect("finish").entries
            }),
        ),
        ("merge+build", Box::new(|| merge().build(&out, &options).expect("merged").entries)),
    ];
    report(workload, "halves", entries(), &sinks);
    #[cfg(feature = "fsst")]
    packed(workload, &even, &odd, &out);
    let nearly: Vec<Work<'_>> = vec![
        ("scan", Box::new(|| scan(&all).wrapping_add(scan(&copy)))),
        ("diff, equal", Box::new(|| differences(&all, &copy))),
        ("diff, 2 % edited", Box::new(|| differences(&all, &edited))),
    ];
    report(workload, "whole", 2 * entries(), &nearly);
}

/// Merges of the halves, plain and packed by FSST and compact keys, alone and into a plain table.
#[cfg(feature = "fsst")]
fn packed(workload: Workload, even: &Table, odd: &Table, out: &Path) {
    use graven::{Compression, PackedTable};
    let options = BuildOptions::new().durable(false);
    let pack = options.clone().compress(Compression::fsst()).compact_keys(true);
    let packed = [even, odd].map(|table| {
        Merge::new([table]).build(out, &pack).expect("packed");
        PackedTable::load(out).expect("a packed table")
    });
    let plain = [even, odd];
    let works: Vec<Work<'_>> = vec![
        (
            "merge",
            Box::new(|| {
                Merge::new(plain).fold(0, |all: u64, entry| {
                    let (key, value) = entry.expect("a good table");
                    all.wrapping_add(touch(key)).wrapping_add(touch(&value))
                })
            }),
        ),
        (
            "merge, packed",
            Box::new(|| {
                Merge::new(&packed).fold(0, |all: u64, entry| {
                    let (key, value) = entry.expect("a good table");
                    all.wrapping_add(touch(&key)).wrapping_add(touch(&value))
                })
            }),
        ),
        ("+build", Box::new(|| Merge::new(plain).build(out, &options).expect("merged").entries)),
        (
            "packed+build",
            Box::new(|| Merge::new(&packed).build(out, &options).expect("merged").entries),
        ),
    ];
    report(workload, "packed", entries(), &works);
}

/// The rank of each entry by its number.
fn ranks(workload: Workload) -> Vec<usize> {
    let mut numbers: Vec<(Vec<u8>, u64)> = Vec::new();
    for i in 0..entries() {
        let mut key = Vec::new();
        workload.key(i, &mut key);
        numbers.push((key, i));
    }
    numbers.sort_unstable();
    let mut ranks = vec![0; numbers.len()];
    for (rank, (_, i)) in numbers.iter().enumerate() {
        ranks[*i as usize] = rank;
    }
    ranks
}

/// Scan, merge and, of two tables, diff.
fn compare(workload: Workload, inputs: &str, tables: &[&Table]) {
    let merge = || Merge::new(tables.iter().copied()).policy(MergePolicy::KeepLast);
    let sum = |all: u64, (key, value): (&[u8], &[u8])| {
        all.wrapping_add(touch(key)).wrapping_add(touch(value))
    };
    let mut works: Vec<Work<'_>> = vec![
        ("scan", Box::new(|| tables.iter().map(|table| scan(table)).fold(0, u64::wrapping_add))),
        (
            "scan, loop",
            Box::new(|| {
                let mut all = 0;
                for entry in tables.iter().flat_map(|table| table.iter()) {
                    all = sum(all, entry.expect("a good table"));
                }
                all
            }),
        ),
        (
            "merge",
            Box::new(|| {
                merge().fold(0, |all, entry| {
                    let (key, value) = entry.expect("a good table");
                    sum(all, (key, &value))
                })
            }),
        ),
        (
            "merge, loop",
            Box::new(|| {
                let mut all = 0;
                for entry in merge() {
                    let (key, value) = entry.expect("a good table");
                    all = sum(all, (key, &value));
                }
                all
            }),
        ),
    ];
    if let &[old, new] = tables {
        works.push(("diff", Box::new(|| differences(old, new))));
    }
    report(workload, inputs, entries(), &works);
}

/// The floor: the numbers of two sorted arrays, in order. Which one is smaller is selected, not
/// branched on.
fn arrays() {
    let sorted = |half: u64| {
        let mut keys: Vec<u64> = (0..entries()).filter(|i| i % 2 == half).map(mix).collect();
        keys.sort_unstable();
        // No key is greater, so no step has to ask for the end.
        keys.push(u64::MAX);
        keys
    };
    let (even, odd) = (sorted(0), sorted(1));
    let works: Vec<Work<'_>> = vec![
        ("scan", Box::new(|| even.iter().chain(&odd).fold(0, |all, key| all ^ key.swap_bytes()))),
        (
            "merge",
            Box::new(|| {
                let (mut at, mut other) = (0, 0);
                (0..entries()).fold(0, |all, _| {
                    let second = odd[other] < even[at];
                    let key = select_unpredictable(second, odd[other], even[at]);
                    other += usize::from(second);
                    at += usize::from(!second);
                    all ^ key.swap_bytes()
                })
            }),
        ),
    ];
    report(Workload::U64, "arrays", entries(), &works);
}

fn scan(table: &Table) -> u64 {
    table.iter().fold(0, |sum: u64, entry| {
        let (key, value) = entry.expect("a good table");
        sum.wrapping_add(touch(key)).wrapping_add(touch(value))
    })
}

fn differences(old: &Table, new: &Table) -> u64 {
    Diff::new(old, new).fold(0, |sum: u64, difference| {
        let found = match difference.expect("good tables") {
            Difference::Added { key, value } | Difference::Removed { key, value } => {
                touch(key).wrapping_add(touch(value))
            }
            Difference::Changed { key, old, new } => {
                touch(key).wrapping_add(touch(old)).wrapping_add(touch(new))
            }
        };
        sum.wrapping_add(found)
    })
}

/// How long this process had a processor, on all its threads; where the system does not say, the time of day.
fn clock() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}

/// Runs each work once per round, and prints the medians.
fn report(workload: Workload, inputs: &str, entries: u64, works: &[Work<'_>]) {
    let mut times = vec![Vec::with_capacity(ROUNDS); works.len()];
    for _ in 0..ROUNDS {
        for ((_, work), times) in works.iter().zip(&mut times) {
            let start = clock();
            black_box(work());
            times.push(clock() - start);
        }
    }
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|times| {
            times.sort();
            times[ROUNDS / 2]
        })
        .collect();
    for ((name, _), median) in works.iter().zip(&medians) {
        let each = median.as_nanos() as f64 / entries as f64;
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        let workload = workload.name();
        println!("{workload:4} {inputs:7} {name:18} {each:7.1} ns/entry {ratio:6.2}");
    }
}
