//! What a build spends its time on: the share of each phase, from sorted and from shuffled entries.
//!
//! ```sh
//! cargo bench --bench phases
//! ```
//!
//! `GRAVEN_BENCH_ENTRIES` is the number of entries. Medians of five rounds, of each share on its own, so they
//! need not add up to 100 %; not synced to disk. The parts are told apart by the reports of progress: `read`
//! takes entries from the caller, and where they come in order encodes and writes them as well; `sort`
//! sorts, and writes runs where the entries exceed the memory; `merge` encodes and writes entries that were
//! sorted; `index` waits for the last records, too; `publish` gives the table its name.

mod common;

use common::WORKLOADS;
use graven::{BuildOptions, BuildPhase, BuildProgress};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const PARTS: [&str; 6] = ["read", "sort", "merge", "compress", "index", "publish"];
const READ: usize = 0;

/// The time of each part.
struct Times {
    last: Instant,
    /// The part that the last report has begun.
    part: usize,
    parts: [Duration; PARTS.len()],
}

impl Times {
    fn new() -> Self {
        Self { last: Instant::now(), part: READ, parts: Default::default() }
    }

    /// The time since the last report belongs to the part that it has begun.
    fn begin(&mut self, part: usize) {
        self.parts[self.part] += self.last.elapsed();
        (self.last, self.part) = (Instant::now(), part);
    }

    fn report(&mut self, BuildProgress { phase, done, total, .. }: BuildProgress) {
        self.begin(match phase {
            BuildPhase::Sort if done < total => 1,
            // The run is sorted and written; others may come.
            BuildPhase::Sort => READ,
            BuildPhase::Merge => 2,
            BuildPhase::Compress => 3,
            BuildPhase::Index => 4,
            _ => 5,
        });
    }
}

/// Seconds of each part of one build.
fn build(entries: &[(Vec<u8>, Vec<u8>)], sorted: bool, path: &Path) -> [f64; PARTS.len()] {
    let times = Arc::new(Mutex::new(Times::new()));
    let reported = times.clone();
    let options = BuildOptions::new()
        .durable(false)
        .sorted(sorted)
        .progress(move |progress| reported.lock().expect("no panic").report(progress));
    let mut builder = options.create(path).expect("create");
    for (key, value) in entries {
        builder.insert(key, value).expect("insert");
    }
    builder.finish().expect("finish");
    let mut times = times.lock().expect("no panic");
    times.begin(READ);
    // Otherwise the next build would replace it, and pay for its pages.
    std::fs::remove_file(path).expect("the table");
    times.parts.map(|part| part.as_secs_f64())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("t");
    println!("| {} entries | seconds | {} |", common::entries(), PARTS.join(" | "));
    println!("|---|---:|{}", "---:|".repeat(PARTS.len()));
    for workload in WORKLOADS {
        for (order, sorted) in [("sorted", true), ("shuffled", false)] {
            let entries = workload.entries(common::entries(), sorted);
            let rounds: Vec<_> = (0..ROUNDS).map(|_| build(&entries, sorted, &path)).collect();
            let whole = median(rounds.iter().map(|parts| parts.iter().sum()).collect());
            let shares = (0..PARTS.len()).map(|part| {
                let share = |parts: &[f64; PARTS.len()]| parts[part] / parts.iter().sum::<f64>();
                format!("{:.0} %", 100.0 * median(rounds.iter().map(share).collect()))
            });
            let shares = shares.collect::<Vec<_>>().join(" | ");
            println!("| {}, {order} | {whole:.2} | {shares} |", workload.name());
        }
    }
}
