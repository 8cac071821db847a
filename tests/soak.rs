//! Guards against a hot replacement that shows: a reader that sees two versions within one table,
//! goes back to an older one, or meets an error; and against one that costs a little each time: a
//! file descriptor, a mapping, a page that stays behind. Sixteen processes read while a table is
//! replaced at least twenty times a second. Every value carries the number of its table.
//!
//! Lasts 15 seconds; `GRAVEN_FULL=1 cargo test --release --test soak` takes an hour.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Mapped, Parent, Peer, Rng, answer, field, full, numbered_key};
use graven::{BuildOptions, Live, Pinned, RefreshOutcome};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const READERS: usize = 16;
const ENTRIES: u64 = 2_000;
/// Values that are compared within one pinned table.
const READS: usize = 20;
/// Time from one replacement to the next: 25 a second.
const PACE: Duration = Duration::from_millis(40);
/// A reader must be on a new version after this.
const LATEST: Duration = Duration::from_secs(1);
/// Set for a process that is a reader: the table's path.
const TABLE: &str = "GRAVEN_TEST_SOAK_TABLE";

/// A value: the table's number, and filler up to a length of its own.
fn value(generation: u64, i: u64) -> Vec<u8> {
    let mut value = generation.to_le_bytes().to_vec();
    value.resize(8 + (i % 200) as usize, i as u8);
    value
}

fn publish(path: &Path, generation: u64) {
    let options = BuildOptions::new().sorted(true).durable(false);
    let options = options.metadata(*b"generation", generation.to_le_bytes());
    let mut builder = options.create(path).expect("a builder");
    for i in 0..ENTRIES {
        builder.insert(numbered_key(i), value(generation, i)).expect("an entry");
    }
    builder.finish().expect("a table");
}

/// What a reader has seen.
#[derive(Default)]
struct Seen {
    reads: u64,
    wrong: u64,
    mixed: u64,
    errors: u64,
    back: u64,
    swaps: u64,
    newest: u64,
}

impl Seen {
    fn read(&mut self, table: &Pinned, random: &mut Rng) {
        let metadata = table.metadata().ok();
        let metadata = metadata.and_then(|metadata| metadata.get(b"generation"));
        let Some(generation) = metadata.and_then(|bytes| bytes.try_into().ok()) else {
            self.errors += 1;
            return;
        };
        let generation = u64::from_le_bytes(generation);
        self.back += u64::from(generation < self.newest);
        self.newest = generation;
        for _ in 0..READS {
            let i = random.below(ENTRIES);
            self.reads += 1;
            match table.get(numbered_key(i)) {
                Ok(Some(found)) if found == value(generation, i) => {}
                Ok(Some(found)) if found.len() == value(generation, i).len() => self.mixed += 1,
                Ok(_) => self.wrong += 1,
                Err(_) => self.errors += 1,
            }
        }
    }
}

/// Not a test when run by itself: the program of the reader processes. Reads until told to tell
/// what it has seen, then goes on.
#[test]
fn reader_process() {
    let Some(path) = std::env::var_os(TABLE) else { return };
    // SAFETY: the parent replaces the file only by rename.
    let live = unsafe { Live::open(path) }.expect("a table");
    answer("up");
    let parent = Parent::default();
    thread::scope(|scope| {
        scope.spawn(|| parent.read_lines());
        let (mut seen, mut random) = (Seen::default(), Rng::new(u64::from(std::process::id())));
        while parent.goes_on() {
            match live.refresh() {
                Ok(RefreshOutcome::Unchanged) => {}
                Ok(_) => seen.swaps += 1,
                Err(_) => seen.errors += 1,
            }
            seen.read(&live.pin(), &mut random);
            if parent.has_asked() {
                let Seen { reads, wrong, mixed, errors, back, swaps, newest } = seen;
                answer(&format!("{reads} {wrong} {mixed} {errors} {back} {swaps} {newest}"));
            }
            // Requests come in now and then: sixteen busy loops would starve the publisher.
            thread::sleep(Duration::from_millis(2));
        }
    });
}

/// What must not grow: open files, mappings, private memory and the table's share of memory.
#[derive(Clone, Copy, Debug)]
struct Held {
    files: u64,
    mappings: u64,
    private: u64,
    table: u64,
}

fn held(readers: &[Peer], path: &Path) -> Held {
    let mut held = Held { files: 0, mappings: 0, private: 0, table: 0 };
    for reader in readers {
        let process = format!("/proc/{}", reader.id());
        let read = |name: &str| fs::read_to_string(format!("{process}/{name}")).expect(name);
        held.files += fs::read_dir(format!("{process}/fd")).expect("fd").count() as u64;
        held.mappings += read("maps").lines().count() as u64;
        let rollup = read("smaps_rollup");
        held.private += field(&rollup, "Private_Dirty");
        held.table += Mapped::of(&reader.id().to_string(), path).sum("Pss");
    }
    held
}

#[test]
fn replacements_do_not_show() {
    let directory = common::directory();
    let path = directory.path().join("live.grv");
    publish(&path, 1);
    let file = fs::metadata(&path).expect("the table").len().div_ceil(1024);
    let mut readers: Vec<Peer> = (0..READERS)
        .map(|_| Peer::start(common::this_binary("reader_process").env(TABLE, &path)))
        .collect();
    for reader in &mut readers {
        assert_eq!(reader.answer(), "up");
    }
    let duration = Duration::from_secs(if full() { 3600 } else { 15 });
    let start = Instant::now();
    let (mut generation, mut early) = (1, None);
    while start.elapsed() < duration {
        generation += 1;
        publish(&path, generation);
        let due = start + PACE * generation as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // Once everything has happened a few times.
        if start.elapsed() > duration / 3 && early.is_none() {
            early = Some(held(&readers, &path));
        }
    }
    let per_second = (generation - 1) as f64 / start.elapsed().as_secs_f64();
    let late = held(&readers, &path);
    thread::sleep(LATEST);
    let mut sums = [0u64; 6];
    for reader in &mut readers {
        let seen = reader.ask("tell");
        let seen: Vec<u64> = seen.split(' ').map(|n| n.parse().expect("a count")).collect();
        for (sum, seen) in sums.iter_mut().zip(&seen) {
            *sum += seen;
        }
        assert_eq!(seen[6], generation, "a reader has not come to the last version in time");
    }
    let [reads, wrong, mixed, errors, back, swaps] = sums;
    println!(
        "T15: tried {} replacements, {per_second:.1} a second, {swaps} swaps in {READERS} readers; \
         {reads} reads, wrong {wrong}, mixed {mixed}, errors {errors}, went back {back}",
        generation - 1
    );
    let early = early.expect("measured");
    println!("T15: early {early:?}, late {late:?}, the file has {file} KiB");
    assert_eq!((wrong, mixed, errors, back), (0, 0, 0, 0));
    assert!(swaps > generation * READERS as u64 / 4, "the readers were there: {swaps} swaps");
    let slack = READERS as u64;
    assert!(late.files <= early.files + slack, "open files grow");
    assert!(late.mappings <= early.mappings + 4 * slack, "mappings grow");
    assert!(late.private <= early.private + 64 * slack, "private memory grows");
    // Old and new at most, and what several snapshots of moving processes count twice.
    assert!(late.table <= 4 * file + 64 * slack, "{} KiB of a table of {file}", late.table);
    if full() {
        assert!(per_second >= 20.0, "{per_second:.1} replacements a second");
    }
}
