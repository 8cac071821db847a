//! A table larger than memory: entries of 16-byte keys and 64-byte values in random order, built
//! with a budget, beside what the disk asks for the same bytes at least.
//!
//! ```sh
//! cargo bench --bench scale -- --entries 100000000 --budget 1073741824 --rounds 5 --dir DIR
//! ```
//!
//! - random: the build, against writing all keys and values to a temporary file, reading them
//!   back, writing a file of the table's size, and syncing that;
//! - sorted: the same number of entries in order, against `cp` of the finished table, which is in
//!   the page cache, and `sync` of the copy.
//!
//! Times are medians of the rounds, whose contestants take turns at being first. The peak of
//! resident memory is what the kernel noted during the build, less what the process had before.
//! Linux only. Without arguments it does a million entries.

use graven::{BuildOptions, BuildSummary};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const KEY: usize = 16;
const VALUE: usize = 64;
const CHUNK: usize = 2 << 20;

struct Settings {
    entries: u64,
    budget: u64,
    rounds: usize,
    directory: PathBuf,
}

/// A build and what is plainly done with the same bytes, round by round.
#[derive(Default)]
struct Times {
    build: Vec<f64>,
    plain: Vec<f64>,
    /// KiB.
    peak: u64,
}

fn main() -> io::Result<()> {
    let settings = settings();
    let Settings { entries, budget, rounds, ref directory } = settings;
    println!(
        "{entries} entries, budget {} MiB, {rounds} rounds, in {}",
        budget >> 20,
        directory.display()
    );
    let (table, copy) = (directory.join("scale.grv"), directory.join("scale.copy"));
    let (mut random, mut sorted) = (Times::default(), Times::default());
    let mut file_bytes = 0;
    for round in 0..rounds {
        // Who comes second finds the memory that the first one left, so they take turns.
        for plain in [round % 2 == 1, round % 2 == 0] {
            if plain {
                random.plain(|| two_passes(&settings, file_bytes))?;
            } else {
                file_bytes = random.build(&settings, &table, false).file_bytes;
                fs::remove_file(&table)?;
            }
        }
        random.tell("random", round);
        sorted.build(&settings, &table, true);
        sorted.plain(|| copy_and_sync(&table, &copy))?;
        sorted.tell("sorted", round);
        fs::remove_file(&table)?;
        fs::remove_file(&copy)?;
    }
    random.report("random", "write, read, write, sync");
    sorted.report("sorted", "cp, sync");
    Ok(())
}

impl Times {
    fn build(&mut self, settings: &Settings, table: &Path, sorted: bool) -> BuildSummary {
        settle();
        let before = reset_peak();
        let (took, summary) = timed(|| build(settings, table, sorted));
        self.peak = self.peak.max(peak().saturating_sub(before));
        self.build.push(took);
        summary
    }

    fn plain(&mut self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        settle();
        let (took, done) = timed(work);
        self.plain.push(took);
        done
    }

    fn tell(&self, name: &str, round: usize) {
        let last = |times: &[f64]| times.last().copied().unwrap_or(f64::NAN);
        println!("round {round}, {name}: {:.1} s, {:.1} s", last(&self.build), last(&self.plain));
    }

    fn report(self, name: &str, plainly: &str) {
        let peak = self.peak >> 10;
        let (took, plain) = (median(self.build), median(self.plain));
        println!(
            "{name}: {took:.1} s, peak {peak} MiB; {plainly}: {plain:.1} s; speed {:.2} of that",
            plain / took
        );
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn settings() -> Settings {
    let mut settings = Settings {
        entries: 1_000_000,
        budget: 32 << 20,
        rounds: 1,
        directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().expect("a value after the option");
        let number = |value: String| value.parse().expect("a number");
        match name.as_str() {
            "--entries" => settings.entries = number(value()),
            "--budget" => settings.budget = number(value()),
            "--rounds" => settings.rounds = number(value()) as usize,
            "--dir" => settings.directory = value().into(),
            // What cargo adds.
            "--bench" => {}
            other => panic!("unknown option {other}"),
        }
    }
    settings
}

/// Mixes a number into another, each into its own.
fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ n >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ n >> 31
}

fn build(settings: &Settings, table: &Path, sorted: bool) -> BuildSummary {
    let options = BuildOptions::new().memory_budget(settings.budget).sorted(sorted);
    let mut builder = options.create(table).expect("a builder");
    let step = u64::MAX / settings.entries;
    let (mut key, mut value) = ([0; KEY], [0; VALUE]);
    for i in 0..settings.entries {
        let random = mix(i + 1);
        let head = if sorted { i * step + random % step } else { random };
        key[..8].copy_from_slice(&head.to_be_bytes());
        key[8..].copy_from_slice(&mix(!random).to_be_bytes());
        for (at, word) in value.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&random.wrapping_mul(at as u64 | 1).to_le_bytes());
        }
        builder.insert(key, value).expect("room for an entry");
    }
    let summary = builder.finish().expect("a table");
    assert_eq!(summary.entries, settings.entries);
    summary
}

/// What no sort of more than fits in memory can do without.
fn two_passes(settings: &Settings, file_bytes: u64) -> io::Result<()> {
    let bytes = settings.entries * (KEY + VALUE) as u64;
    let mut spill = tempfile::tempfile_in(&settings.directory)?;
    let mut chunk: Vec<u8> = (0..CHUNK as u64 / 8).flat_map(|i| mix(i).to_le_bytes()).collect();
    write(&mut spill, &chunk, bytes)?;
    io::Seek::rewind(&mut spill)?;
    let mut output = tempfile::tempfile_in(&settings.directory)?;
    let mut left = bytes;
    while left > 0 {
        let len = left.min(CHUNK as u64) as usize;
        spill.read_exact(&mut chunk[..len])?;
        output.write_all(&chunk[..len])?;
        left -= len as u64;
    }
    write(&mut output, &chunk, file_bytes.saturating_sub(bytes))?;
    output.sync_all()
}

fn write(file: &mut File, chunk: &[u8], mut left: u64) -> io::Result<()> {
    while left > 0 {
        let len = left.min(chunk.len() as u64) as usize;
        file.write_all(&chunk[..len])?;
        left -= len as u64;
    }
    Ok(())
}

fn copy_and_sync(from: &Path, to: &Path) -> io::Result<()> {
    let copied = Command::new("cp").args([from, to]).status()?.success();
    let synced = Command::new("sync").arg(to).status()?.success();
    assert!(copied && synced, "cp and sync");
    Ok(())
}

/// Seconds, and what came of it.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed().as_secs_f64(), result)
}

/// Nobody's unwritten pages are to be paid for by the next.
fn settle() {
    assert!(Command::new("sync").status().is_ok_and(|status| status.success()), "sync");
}

/// Forgets the peak of resident memory and gives what is resident now, in KiB.
fn reset_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the kernel's permission");
    peak()
}

/// The peak of resident memory, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
