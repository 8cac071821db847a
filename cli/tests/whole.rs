//! Guards against what shows only after a long time of everything together: tables are built by the
//! program and by the library, copied, and published as versions, over and over, on several file
//! systems; sixteen processes read them meanwhile; builders and readers are killed, disks are full,
//! and every table that stands after any of this is checked. Each value carries the number of its
//! table.
//!
//! Lasts 8 seconds; `GRAVEN_SOAK_SECONDS` asks for another time, `GRAVEN_FULL=1` for an hour, and
//! `GRAVEN_RECORD` names a file that gets a line for each run, so that pieces add up:
//!
//! ```sh
//! GRAVEN_SOAK_SECONDS=3600 bash .ci/full whole
//! ```
//!
//! Without root there are no disks to fill, and the test says so.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these are tables of its own")]

#[path = "../../tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the tests of faults use the rest")]
#[path = "faults/disks.rs"]
mod disks;

use common::{Parent, Peer, Rng, answer, counts, duration, names, record, skip, this_binary};
use disks::{Disk, says_full};
use graven::{BuildOptions, Live, RefreshOutcome, Table};
use std::fmt::Debug;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const GRAVEN: &str = env!("CARGO_BIN_EXE_graven");
const READERS: usize = 16;
const TABLE: &str = "table.grv";
const VERSIONS: &str = "versions";
/// Set for a process that is a reader: the paths that it follows, with colons between.
const PATHS: &str = "GRAVEN_TEST_WHOLE_PATHS";
/// Set for a process that builds with the library: the table's number, a colon, its path.
const BUILD: &str = "GRAVEN_TEST_WHOLE_BUILD";
/// What a builder ends with if it could not build, as the program does.
const REFUSED: i32 = 4;
/// What a reader ends with if it has seen what must not be.
const WRONG: i32 = 7;

/// Entries of a table. Every sixteenth exceeds 1 MiB of memory several times.
fn entries(number: u64) -> u64 {
    if number.is_multiple_of(16) { 30_000 } else { 100 + number * 37 % 3_000 }
}

fn key(i: u64) -> String {
    format!("{i:012}")
}

fn value(number: u64, i: u64) -> String {
    format!("{number}:{i}:{}", "x".repeat(i as usize % 90))
}

/// The number of the table with this value.
fn number_in(value: &[u8]) -> Option<u64> {
    let digits = value.split(|&byte| byte == b':').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// In no order: odd keys first.
fn numbers(number: u64) -> impl Iterator<Item = u64> {
    let entries = entries(number);
    (1..entries).step_by(2).chain((0..entries).step_by(2))
}

fn build(path: &Path, number: u64, options: &BuildOptions) -> Result<(), graven::BuildError> {
    let mut builder = options.create(path)?;
    for i in numbers(number) {
        builder.insert(key(i), value(number, i))?;
    }
    builder.finish().map(drop)
}

/// The number of a table that is what it should be, from its first byte to its last; else why not.
fn check(table: &Table) -> Result<u64, String> {
    table.verify().map_err(|error| error.to_string())?;
    let first = table.first().map_err(|error| error.to_string())?;
    let number = first.and_then(|(_, value)| number_in(value)).ok_or("no number")?;
    let mut found = 0;
    for (i, entry) in (0..).zip(table.iter()) {
        let (stored_key, stored_value) = entry.map_err(|error| error.to_string())?;
        if stored_key != key(i).as_bytes() || stored_value != value(number, i).as_bytes() {
            return Err(format!("table {number}: entry {i} is another"));
        }
        found += 1;
    }
    if found == entries(number) { Ok(number) } else { Err(format!("table {number}: {found}")) }
}

counts! {
    builds, killed, no_room, replaced, checks, reads, swaps, readers_killed, wrong, lost, crashed,
}

/// What all threads of the test share.
#[derive(Default)]
struct Run {
    counts: Counts,
    ended: AtomicBool,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.ended.load(Relaxed)
    }

    /// What must not happen. Ends the run.
    fn found(&self, count: &AtomicU64, what: &dyn Debug) {
        eprintln!("{what:?}");
        count.fetch_add(1, Relaxed);
        self.ended.store(true, Relaxed);
    }
}

// ---------------------------------------------------------------------------------------------
// Builders

/// A way to publish a table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Program,
    Library,
    Copy,
    Version,
}

/// Not a test when run by itself: builds with the library.
#[test]
fn builder_process() {
    let Ok(told) = std::env::var(BUILD) else { return };
    let (number, path) = told.split_once(':').expect("a number and a path");
    let options = BuildOptions::new().memory_budget(1 << 20);
    if let Err(error) = build(Path::new(path), number.parse().expect("a number"), &options) {
        eprintln!("{error}");
        std::process::exit(REFUSED);
    }
}

/// A place where a table stands that is replaced again and again.
struct Place {
    disk: Disk,
    /// Whether the disk is small enough to be filled.
    small: bool,
    directory: PathBuf,
    /// Another one, on a disk with room.
    inputs: tempfile::TempDir,
    versions: bool,
    random: Rng,
}

impl Place {
    /// A place where table 1 stands.
    fn new(disk: Disk, small: bool, versions: bool, seed: u64) -> Self {
        let (directory, inputs) = (disk.fresh(), common::directory());
        let random = Rng::new(seed);
        let mut place = Self { disk, small, directory, inputs, versions, random };
        let way = if versions { Way::Version } else { Way::Program };
        let ran = place.command(way, 1).output().expect("the program");
        assert!(ran.status.success(), "{ran:?}");
        place
    }

    /// What readers follow.
    fn followed(&self) -> PathBuf {
        self.directory.join(if self.versions { VERSIONS } else { TABLE })
    }

    /// Where the table stands.
    fn path(&self) -> PathBuf {
        if self.versions { self.followed().join("CURRENT") } else { self.followed() }
    }

    fn way(&mut self) -> Way {
        match self.random.below(3_u64) {
            _ if self.versions => Way::Version,
            0 => Way::Program,
            1 => Way::Library,
            _ => Way::Copy,
        }
    }

    /// A process that publishes a table.
    fn command(&mut self, way: Way, number: u64) -> Command {
        let input = self.inputs.path().join("input.tsv");
        let source = self.inputs.path().join("source.grv");
        let mut command = match way {
            Way::Library => this_binary("builder_process"),
            _ => Command::new(GRAVEN),
        };
        match way {
            Way::Program => {
                let lines = numbers(number).map(|i| format!("{}\t{}\n", key(i), value(number, i)));
                fs::write(&input, lines.collect::<String>()).expect("room for an input");
                command.args(["build", "--quiet"]);
                match self.random.below(2_u64) {
                    0 => command.args(["--memory", "1M", "--threads", "1"]),
                    _ => command.arg("--verify"),
                };
                command.arg(TABLE).arg(&input);
            }
            Way::Library => {
                command.env(BUILD, format!("{number}:{TABLE}"));
            }
            Way::Copy | Way::Version => {
                let options = BuildOptions::new().durable(false);
                build(&source, number, &options).expect("room for a source");
                command.args(["publish", "--quiet"]);
                match way {
                    Way::Version => command.args(["--dir", VERSIONS, "--keep", "2"]),
                    _ => &mut command,
                };
                command.arg(&source);
                match way {
                    Way::Version => command.args(["--min-age", "0"]),
                    _ => command.arg(TABLE),
                };
            }
        }
        command.current_dir(&self.directory).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Names that a publish leaves behind when it succeeds.
    fn is_tidy(&self) -> bool {
        let all = names(&self.directory);
        if !self.versions {
            return all == [TABLE];
        }
        let inside = names(&self.followed());
        let kept = names(&self.followed().join("versions")).len();
        all == [VERSIONS] && inside == ["CURRENT", "versions"] && kept <= 2
    }

    /// Replaces the table until the run ends. What stands after each try is checked.
    fn replace(&mut self, run: &Run) {
        let counts = &run.counts;
        let (mut number, mut stands, mut usual) = (1, 1, Duration::from_millis(20));
        while run.goes_on() {
            number += 1;
            let way = self.way();
            let mut command = self.command(way, number);
            let full = self.small && self.random.below(3_u64) == 0;
            let free = self.random.below(entries(number) * 150);
            if full && let Err(error) = self.disk.fill(free) {
                panic!("{}: the ballast: {error}", self.disk.name);
            }
            let kill = self.random.below(4_u64) == 0;
            let begun = Instant::now();
            let mut child = command.spawn().expect("a builder");
            if kill {
                thread::sleep(usual.mul_f64(self.random.below(1_200_u64) as f64 / 1_000.0));
                child.kill().expect("a builder");
            }
            let ran = child.wait_with_output().expect("a builder");
            counts.builds.fetch_add(1, Relaxed);
            let why = (way, number, stands, self.disk.name, full.then_some(free), kill, &ran);
            let done = self.judge(run, &ran, (kill, full), &why);
            self.disk.empty();
            let found = self.check(run, number);
            match found {
                Ok(found) if found == number || found == stands && !done => {
                    counts.replaced.fetch_add(u64::from(found == number), Relaxed);
                    stands = found;
                }
                found => run.found(&counts.lost, &(found, why)),
            }
            if done && !self.is_tidy() {
                run.found(&counts.lost, &("left behind", names(&self.directory), why));
            }
            if done && !full {
                usual = begun.elapsed();
            }
        }
    }

    /// How a builder ended; whether it has published.
    fn judge(&self, run: &Run, ran: &Output, (kill, full): (bool, bool), why: &dyn Debug) -> bool {
        let counts = &run.counts;
        match (ran.status.code(), ran.status.signal()) {
            (Some(0), _) => return true,
            (_, Some(9)) if kill => counts.killed.fetch_add(1, Relaxed),
            (Some(REFUSED), _) if full && says_full(&String::from_utf8_lossy(&ran.stderr)) => {
                counts.no_room.fetch_add(1, Relaxed)
            }
            _ => {
                run.found(&counts.crashed, why);
                0
            }
        };
        false
    }

    /// Checks the table that stands, by the library or by the program.
    fn check(&mut self, run: &Run, number: u64) -> Result<u64, String> {
        run.counts.checks.fetch_add(1, Relaxed);
        if number % 8 == 1 {
            let ran = Command::new(GRAVEN).args(["verify", "--quiet"]).arg(self.path()).output();
            let ran = ran.expect("the program");
            if !ran.status.success() {
                return Err(format!("{ran:?}"));
            }
        }
        check(&Table::load(self.path()).map_err(|error| error.to_string())?)
    }
}

// ---------------------------------------------------------------------------------------------
// Readers

/// Ends a reader that has seen what must not be.
fn wrong(what: &dyn Debug) -> ! {
    eprintln!("a reader: {what:?}");
    std::process::exit(WRONG);
}

/// Reads some of the table that is served; returns how many entries.
fn read(live: &Live, newest: &mut u64, random: &mut Rng) -> u64 {
    let table = live.pin();
    let Ok(Some((_, first))) = table.first() else { wrong(&("no first entry", live.path())) };
    let Some(number) = number_in(first) else { wrong(&("no number", live.path())) };
    let why = (live.path(), number);
    if number < *newest || table.len() != entries(number) {
        wrong(&(why, "went back, or has another length", *newest, table.len()));
    }
    *newest = number;
    for _ in 0..20 {
        let i = random.below(entries(number) + 10);
        let expected = (i < entries(number)).then(|| value(number, i));
        match table.get(key(i)) {
            Ok(found) if found == expected.as_deref().map(str::as_bytes) => {}
            found => wrong(&(why, i, found)),
        }
    }
    let start = random.below(entries(number));
    for (i, entry) in (start..).zip(table.range(key(start).as_bytes()..).take(10)) {
        let (key, value) = (key(i), value(number, i));
        match entry {
            Ok(found) if found == (key.as_bytes(), value.as_bytes()) => {}
            found => wrong(&(why, i, found)),
        }
    }
    30
}

/// Not a test when run by itself: the program of the reader processes. Each line is a question how
/// much was read since the last one.
#[test]
fn reader_process() {
    let Ok(paths) = std::env::var(PATHS) else { return };
    let mut lives: Vec<(Live, u64)> = paths
        .split(':')
        // SAFETY: tables at these paths are replaced by rename alone.
        .map(|path| (unsafe { Live::open(path) }.unwrap_or_else(|error| wrong(&error)), 0))
        .collect();
    let mut random = Rng::new(u64::from(std::process::id()));
    let parent = Parent::default();
    answer("up");
    thread::scope(|scope| {
        scope.spawn(|| parent.read_lines());
        let (mut reads, mut swaps) = (0, 0);
        while parent.goes_on() {
            for (live, newest) in &mut lives {
                match live.refresh() {
                    Ok(outcome) => swaps += u64::from(outcome == RefreshOutcome::Swapped),
                    Err(error) => wrong(&error),
                }
                reads += read(live, newest, &mut random);
            }
            if parent.has_asked() {
                answer(&format!("{reads} {swaps}"));
                (reads, swaps) = (0, 0);
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
}

fn reader(paths: &str) -> Peer {
    let mut reader = Peer::start(this_binary("reader_process").env(PATHS, paths));
    assert_eq!(reader.answer(), "up");
    reader
}

/// Asks the readers in turn, and kills one now and then, until the run ends.
fn watch_readers(paths: &str, run: &Run, until: Instant) {
    let (counts, mut random) = (&run.counts, Rng::new(16));
    let mut readers: Vec<Peer> = (0..READERS).map(|_| reader(paths)).collect();
    let ask = |reader: &mut Peer| {
        let told = reader.ask("tell");
        let (reads, swaps) = told.split_once(' ').expect("two counts");
        counts.reads.fetch_add(reads.parse().expect("a count"), Relaxed);
        counts.swaps.fetch_add(swaps.parse().expect("a count"), Relaxed);
    };
    while run.goes_on() && Instant::now() < until {
        for slot in &mut readers {
            ask(slot);
            thread::sleep(Duration::from_millis(random.below(60)));
        }
        let killed = random.below(READERS);
        let killed = std::mem::replace(&mut readers[killed], reader(paths));
        let status = killed.kill();
        counts.readers_killed.fetch_add(1, Relaxed);
        match (status.code(), status.signal()) {
            (_, Some(9)) => {}
            (Some(WRONG), _) => run.found(&counts.wrong, &status),
            _ => run.found(&counts.crashed, &status),
        }
    }
    readers.iter_mut().for_each(ask);
}

#[test]
fn everything_for_a_while() {
    let duration = duration("GRAVEN_SOAK_SECONDS", 8);
    let mut places =
        vec![Place::new(Disk::plain(), false, false, 1), Place::new(Disk::plain(), false, true, 2)];
    let small = [(Disk::tmpfs(16 << 10), true), (Disk::image("ext4", 64), false)];
    for (seed, (disk, versions)) in (3..).zip(small) {
        if let Some(disk) = disk {
            places.push(Place::new(disk, true, versions, seed));
        }
    }
    let filled = places.len() > 2;
    if !filled {
        skip("full disks", "no file system can be mounted here");
    }
    let paths: Vec<PathBuf> = places.iter().map(Place::followed).collect();
    let paths: Vec<&str> = paths.iter().map(|path| path.to_str().expect("UTF-8")).collect();
    let (run, start) = (Run::default(), Instant::now());
    thread::scope(|scope| {
        // Whatever ends this thread ends the run.
        struct End<'r>(&'r Run);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.ended.store(true, Relaxed);
            }
        }
        for place in &mut places {
            let run = &run;
            scope.spawn(move || {
                let _end = End(run);
                place.replace(run);
            });
        }
        let _end = End(&run);
        watch_readers(&paths.join(":"), &run, start + duration);
    });
    let counts: Vec<(&str, u64)> = Counts::NAMES.iter().copied().zip(run.counts.all()).collect();
    record("whole", start.elapsed(), &counts);
    for (name, count) in counts {
        let must_be_none = ["wrong", "lost", "crashed"].contains(&name);
        let may_be_none = name == "no_room" && !filled;
        assert!(may_be_none || (count == 0) == must_be_none, "{name}: {count}");
    }
}
