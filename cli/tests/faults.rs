//! Guards against a table that is lost, half-written or littered around when something fails: a
//! system call, the process, the disk, another writer, the rights. Everything runs the binary from
//! outside, with real processes, real signals and real file systems; `src/file` has the
//! power cuts. Each test prints one line: tried, detected, lost, crashed.
//!
//! ```sh
//! cargo test --release --test faults -- --nocapture --test-threads=1              # as in CI
//! GRAVEN_FULL=1 cargo test --release --test faults -- --nocapture --test-threads=1   # hours
//! ```
//!
//! What needs root, strace, loop mounts or other tools says so and skips where they are missing.
//! tests/results.md has the recorded full runs.
#![cfg(target_os = "linux")]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "faults/disks.rs"]
mod disks;
#[path = "faults/full_disk.rs"]
mod full_disk;
#[path = "faults/ground.rs"]
mod ground;
#[path = "faults/inject.rs"]
mod inject;
#[path = "faults/kill.rs"]
mod kill;
#[path = "faults/race.rs"]
mod race;
#[path = "faults/rights.rs"]
mod rights;
#[path = "faults/sets.rs"]
mod sets;
#[path = "faults/work.rs"]
mod work;

/// Whether the full figures were asked for instead of those of CI.
fn full() -> bool {
    std::env::var_os("GRAVEN_FULL").is_some()
}

/// The figure for this run.
fn figure(ci: u64, full_figure: u64) -> u64 {
    if full() { full_figure } else { ci }
}

/// What a test tried and found.
#[derive(Default)]
struct Tally {
    tried: u64,
    detected: u64,
}

impl Tally {
    /// The one line. What was lost or crashed has failed the test before.
    fn report(&self, test: &str) {
        let Self { tried, detected } = self;
        println!("{test}: tried {tried}, detected {detected}, lost 0, crashed 0");
    }
}
