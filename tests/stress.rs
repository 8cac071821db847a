//! Guards against what shows only when everything happens at once in one process: a table that is
//! replaced while threads come and go, pins and owned values that outlive many replacements, children
//! that are forked in between, tables that are truncated under the guard, and helper threads that are
//! started anew. Each value carries the number of its table, and each answer is compared.
//!
//! Lasts 8 seconds; an hour with `GRAVEN_FULL=1 cargo test --release --test stress`, or as many
//! seconds as `GRAVEN_STRESS_SECONDS` says. `GRAVEN_RECORD` names a file that gets a line for each
//! run, so that pieces add up.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "forks, and maps files that are replaced and truncated")]

mod common;

use common::{Peer, Rng, answer, counts, duration, numbered_key, record};
use graven::{BuildOptions, HashIndex, Live, ReadError, ReadFailure, RefreshOutcome};
use graven::{Table, Value, sigbus};
use std::fs::{self, File};
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const SERVERS: usize = 4;
/// Time from one replacement to the next.
const PACE: Duration = Duration::from_millis(30);
/// A server must be on a new version after this.
const LATEST: Duration = Duration::from_secs(5);
/// Most threads that read at once in a server.
const THREADS: u64 = 6;
/// Owned values and clones of tables that a server keeps.
const VALUES: usize = 64;
const TABLES: usize = 4;
/// Longest value.
const LONGEST: usize = 208;
/// Set for a process that is a server: the directory with the table.
const DIRECTORY: &str = "GRAVEN_TEST_STRESS_DIRECTORY";

/// Entries of a table: every eighth is too large to be unmapped by the thread that replaces it.
fn entries(number: u64) -> u64 {
    if number.is_multiple_of(8) { 45_000 } else { 200 + number * 37 % 2_000 }
}

/// Value `i` of a table: the table's number, and filler up to a length of its own. Values of every
/// third table have one length, as the line index wants it.
fn value(number: u64, i: u64, buffer: &mut [u8; LONGEST]) -> &[u8] {
    let len = if number % 3 == 2 { 40 } else { 8 + (i % 200) as usize };
    buffer.fill(i as u8 ^ number as u8);
    buffer[..8].copy_from_slice(&number.to_le_bytes());
    &buffer[..len]
}

fn publish(path: &Path, number: u64) {
    let index = match number % 3 {
        0 => HashIndex::Always,
        1 => HashIndex::Never,
        _ => HashIndex::Auto,
    };
    let options = BuildOptions::new().sorted(true).durable(false).hash_index(index);
    let options = options.metadata(*b"number", number.to_le_bytes());
    let mut builder = options.create(path).expect("a builder");
    let mut buffer = [0; LONGEST];
    for i in 0..entries(number) {
        builder.insert(numbered_key(i), value(number, i, &mut buffer)).expect("an entry");
    }
    builder.finish().expect("a table");
}

/// A table's number, from its metadata.
fn number(table: &Table) -> Result<u64, ReadError> {
    let metadata = table.metadata()?;
    let number = metadata.get(b"number").and_then(|bytes| bytes.try_into().ok());
    Ok(u64::from_le_bytes(number.expect("each table has its number")))
}

/// Whether this is the answer for key `i`. Does not allocate, so that a forked child may ask.
fn is_right(number: u64, i: u64, answer: Option<&[u8]>) -> bool {
    let mut buffer = [0; LONGEST];
    match answer {
        Some(found) => i < entries(number) && found == value(number, i, &mut buffer),
        None => i >= entries(number),
    }
}

/// A key's number: stored, or behind the last one.
fn any_key(number: u64, random: &mut Rng) -> u64 {
    random.below(entries(number) * 9 / 8)
}

counts! { swaps, threads, reads, kept, forks, truncations, faults, helpers, wrong, errors, back }

fn count(count: &AtomicU64, n: u64) {
    count.fetch_add(n, Relaxed);
}

/// What is kept over replacements, with the number of its table.
#[derive(Default)]
struct Kept {
    values: Vec<(u64, u64, Value)>,
    tables: Vec<(u64, Table)>,
}

struct Server {
    directory: PathBuf,
    live: Live,
    kept: Mutex<Kept>,
    counts: &'static Counts,
    ended: AtomicBool,
}

impl Server {
    fn open(directory: PathBuf, counts: &'static Counts) -> Self {
        // SAFETY: the parent replaces the file only by rename.
        let live = unsafe { Live::open(directory.join("live.grv")) }.expect("a table");
        live.on_swap(|_| count(&counts.swaps, 1));
        live.on_failure(|error| {
            eprintln!("{error}");
            count(&counts.errors, 1);
        });
        Self { directory, live, kept: Mutex::default(), counts, ended: AtomicBool::new(false) }
    }

    fn goes_on(&self) -> bool {
        !self.ended.load(Relaxed)
    }

    /// Counts an answer for key `i`.
    fn judge(&self, number: u64, i: u64, answer: Result<Option<&[u8]>, ReadError>) {
        count(&self.counts.reads, 1);
        match answer {
            Ok(answer) if is_right(number, i, answer) => {}
            Ok(answer) => {
                eprintln!("table {number}, key {i}: {answer:?}");
                count(&self.counts.wrong, 1);
            }
            Err(error) => {
                eprintln!("table {number}, key {i}: {error}");
                count(&self.counts.errors, 1);
            }
        }
    }

    /// A thread that answers some requests and ends.
    fn answer_requests(&self, mut random: Rng) {
        count(&self.counts.threads, 1);
        let mut newest = 0;
        for _ in 0..random.below(200_u64) {
            if random.below(8_u64) == 0 && self.live.refresh().is_err() {
                // The hook has counted it.
                return;
            }
            let pin = self.live.pin();
            count(&self.counts.back, u64::from(pin.generation() < newest));
            newest = pin.generation();
            let Ok(number) = number(&pin) else {
                count(&self.counts.errors, 1);
                continue;
            };
            for _ in 0..10 {
                let i = any_key(number, &mut random);
                self.judge(number, i, pin.get(numbered_key(i)));
            }
            let keys: [u64; 20] = std::array::from_fn(|_| any_key(number, &mut random));
            match pin.get_many(&keys.map(numbered_key)) {
                Ok(found) => {
                    for (&i, answer) in keys.iter().zip(found) {
                        self.judge(number, i, Ok(answer));
                    }
                }
                Err(error) => self.judge(number, 0, Err(error)),
            }
            let first = random.below(entries(number));
            for (i, entry) in (first..).zip(pin.range(&numbered_key(first)[..]..).take(8)) {
                match entry {
                    Ok((key, _)) if key != numbered_key(i) => count(&self.counts.wrong, 1),
                    entry => self.judge(number, i, entry.map(|(_, value)| Some(value))),
                }
            }
            if random.below(8_u64) == 0 {
                self.keep(number, &pin, &mut random);
            }
        }
    }

    /// Keeps a value of this table, and sometimes the table itself, in the place of older ones, which
    /// must be as they were.
    fn keep(&self, number: u64, table: &Table, random: &mut Rng) {
        let i = random.below(entries(number));
        let Ok(Some(value)) = table.get_owned(numbered_key(i)) else {
            return count(&self.counts.wrong, 1);
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        count(&self.counts.kept, 1);
        kept.values.push((number, i, value));
        let value = (kept.values.len() > VALUES).then(|| {
            let old = random.below(VALUES);
            kept.values.swap_remove(old)
        });
        let mut table = (random.below(8_u64) == 0).then(|| (number, table.clone()));
        if let Some(new) = table.take_if(|_| kept.tables.len() < TABLES) {
            kept.tables.push(new);
        } else if let Some(new) = &mut table {
            std::mem::swap(new, &mut kept.tables[random.below(TABLES)]);
        }
        drop(kept);
        if let Some((number, i, value)) = value {
            self.judge(number, i, Ok(Some(&value)));
        }
        if let Some((number, table)) = table {
            let i = any_key(number, random);
            self.judge(number, i, table.get(numbered_key(i)));
        }
    }

    /// Threads come and go.
    fn crowd(&self, mut random: Rng) {
        while self.goes_on() {
            thread::scope(|scope| {
                for _ in 0..=random.below(THREADS - 1) {
                    let random = Rng::new(random.next());
                    scope.spawn(|| self.answer_requests(random));
                }
            });
            thread::sleep(Duration::from_millis(random.below(4)));
        }
    }

    /// The thread that refreshes is started anew now and then, while it may be refreshing.
    fn restart_helpers(&self, mut random: Rng) {
        while self.goes_on() {
            let interval = Duration::from_millis(1 + random.below(10_u64));
            self.live.refresh_every(interval, interval).expect("a thread");
            count(&self.counts.helpers, 1);
            thread::sleep(Duration::from_millis(random.below(200)));
        }
    }

    /// Children that are forked while the other threads are at work. A child has only the thread that
    /// forked it: whatever lock another one held stays held, so it may do nothing but lookups.
    fn fork(&self, mut random: Rng) {
        while self.goes_on() {
            let pin = self.live.pin();
            let number = number(&pin).expect("a sound table");
            // SAFETY: the child takes no lock and allocates nothing.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: no precondition.
                unsafe { libc::alarm(60) };
                let right = (0..300).all(|_| {
                    let i = any_key(number, &mut random);
                    matches!(pin.get(numbered_key(i)), Ok(found) if is_right(number, i, found))
                });
                // SAFETY: no precondition.
                unsafe { libc::_exit(if right { 0 } else { 1 }) }
            }
            assert!(child > 0, "no child process");
            let mut status = 0;
            // SAFETY: the pointer is valid for the answer.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            count(&self.counts.forks, 1);
            count(&self.counts.wrong, u64::from(status != 0));
            random.next();
            thread::sleep(Duration::from_millis(random.below(60)));
        }
    }

    /// A copy of the table under a name of this process, in the place of the one before.
    fn copy(&self) -> PathBuf {
        let path = self.directory.join(format!("lossy-{}", std::process::id()));
        let new = path.with_extension("new");
        fs::copy(self.directory.join("live.grv"), &new).expect("a copy");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("the owner");
        fs::rename(&new, &path).expect("renamed");
        path
    }

    /// A table of its own is truncated under two threads, again and again, and replaced.
    fn truncate(&self, mut random: Rng) {
        let path = self.copy();
        // SAFETY: not kept: the file is truncated, which is what the guard is for.
        let live = unsafe { Live::open(&path) }.expect("a table");
        while self.goes_on() {
            let table = live.pin();
            let number = number(&table).expect("a sound table");
            let truncated = AtomicBool::new(false);
            thread::scope(|scope| {
                for first in [0, entries(number) / 2] {
                    let (table, truncated) = (&table, &truncated);
                    scope.spawn(move || {
                        while !truncated.load(Relaxed) {
                            self.pass(table, number, first);
                        }
                        self.pass(table, number, first);
                    });
                }
                thread::sleep(Duration::from_micros(random.below(3_000)));
                // Whole pages: what is left of a page that was cut is zeros without any fault.
                let file = File::options().write(true).open(&path).expect("the table");
                let pages = file.metadata().expect("the table").len() / 4096;
                file.set_len(4096 * random.below(pages / 2)).expect("shorter");
                truncated.store(true, Relaxed);
            });
            count(&self.counts.truncations, 1);
            if !table.is_faulted() {
                eprintln!("table {number}: half of it is gone, and nobody knows");
                count(&self.counts.wrong, 1);
            }
            self.copy();
            let outcome = live.refresh().expect("a table");
            let fine = outcome == RefreshOutcome::Swapped && !live.pin().is_faulted();
            count(&self.counts.wrong, u64::from(!fine));
            thread::sleep(Duration::from_millis(random.below(20)));
        }
    }

    /// Looks up every key of a table that may be truncated meanwhile, from the key `first` on.
    fn pass(&self, table: &Table, number: u64, first: u64) {
        let entries = entries(number);
        for n in 0..entries {
            let i = (first + n) % entries;
            count(&self.counts.reads, 1);
            match table.get(numbered_key(i)) {
                Ok(found) if is_right(number, i, found) => {}
                // A slice is not protected after its lookup; the flag says that it may have changed.
                Ok(Some(_)) if table.is_faulted() => {}
                Ok(found) => {
                    eprintln!("truncated table {number}, key {i}: {found:?}");
                    count(&self.counts.wrong, 1);
                }
                Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. }) => {
                    count(&self.counts.faults, 1);
                }
                Err(error) => {
                    eprintln!("truncated table {number}, key {i}: {error}");
                    count(&self.counts.errors, 1);
                }
            }
        }
    }
}

/// Not a test when run by itself: the program of the servers. Serves until its input ends, or until
/// it is asked what it has seen.
#[test]
fn server_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    sigbus::install().expect("the guard");
    let server = Server::open(directory, Box::leak(Box::default()));
    answer("up");
    let mut random = Rng::new(u64::from(std::process::id()));
    let work = [Server::crowd, Server::restart_helpers, Server::fork, Server::truncate];
    thread::scope(|scope| {
        for work in work {
            let (random, server) = (Rng::new(random.next()), &server);
            scope.spawn(move || work(server, random));
        }
        let _ = std::io::stdin().lock().lines().next();
        server.ended.store(true, Relaxed);
    });
    let newest = number(&server.live.pin()).expect("a sound table");
    let counts = server.counts.all().iter().map(u64::to_string).collect::<Vec<_>>();
    answer(&format!("{newest} {}", counts.join(" ")));
}

#[test]
fn everything_at_once() {
    let directory = common::directory();
    let path = directory.path().join("live.grv");
    publish(&path, 1);
    let mut servers: Vec<Peer> = (0..SERVERS)
        .map(|_| {
            Peer::start(common::this_binary("server_process").env(DIRECTORY, directory.path()))
        })
        .collect();
    for server in &mut servers {
        assert_eq!(server.answer(), "up");
    }
    let (start, duration) = (Instant::now(), duration("GRAVEN_STRESS_SECONDS", 8));
    let mut number = 1;
    while start.elapsed() < duration {
        number += 1;
        publish(&path, number);
        thread::sleep(PACE);
    }
    // The last one has come to every server before they are asked.
    thread::sleep(LATEST.min(duration / 4));
    for server in &mut servers {
        server.say("tell");
    }
    let mut sums = vec![0; Counts::NAMES.len()];
    for server in &mut servers {
        let told = server.answer();
        let told: Vec<u64> = told.split(' ').map(|n| n.parse().expect("a count")).collect();
        assert_eq!(told[0], number, "a server has not come to the last version in time");
        for (sum, count) in sums.iter_mut().zip(&told[1..]) {
            *sum += count;
        }
    }
    let counts: Vec<(&str, u64)> = Counts::NAMES.iter().copied().zip(sums).collect();
    record("stress", start.elapsed(), &[&[("replacements", number - 1)], &counts[..]].concat());
    for (name, count) in counts {
        let must_be_none = ["wrong", "errors", "back"].contains(&name);
        assert_eq!(count == 0, must_be_none, "{name}: {count}");
    }
}
