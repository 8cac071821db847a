//! Guards against a process that dies because somebody truncated one of its tables, and against a
//! guard that does more than it should: one that keeps alive what must die, swallows what belongs
//! to another handler, silences Rust's stack-overflow report, or turns lost pages into wrong
//! answers instead of errors. Most of it happens in child processes, since it ends them.
//!
//! The number of truncations is 60; `GRAVEN_FULL=1 cargo test --release --test sigbus` makes
//! 10,000.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "maps files that are truncated on purpose, installs handlers")]

mod common;

use common::{
    Index, Peer, Rng, VALUE, answer, full, indexed_table, numbered_key, numbered_table,
    numbered_value, value_len,
};
use graven::{OpenOptions, PageChecks, ReadError, ReadFailure, Table, Warm, sigbus};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::BufRead;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

const READERS: usize = 8;
const THREADS: u64 = 4;
const ENTRIES: u64 = 3_000;
/// Set for a process that is a reader: the directory with its tables.
const TABLES: &str = "GRAVEN_TEST_SIGBUS_TABLES";
/// Set for a process that is to die: in which way.
const DEATH: &str = "GRAVEN_TEST_SIGBUS_DEATH";
/// Set for a process that dies without the guard.
const NO_GUARD: &str = "GRAVEN_TEST_SIGBUS_NO_GUARD";

fn open(path: &Path) -> Table {
    // SAFETY: not kept: the test truncates the file, which is what the guard is for.
    unsafe { Table::open(path) }.expect("a table")
}

fn truncate(path: &Path, len: u64) {
    File::options().write(true).open(path).expect("the table").set_len(len).expect("shorter");
}

/// A table that may be written to.
fn soft_table(path: &Path, entries: u64) -> u64 {
    let bytes = numbered_table(path, entries, 1).file_bytes;
    soften(path);
    bytes
}

fn soften(path: &Path) {
    let mut permissions = fs::metadata(path).expect("the table").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    fs::set_permissions(path, permissions).expect("the table's owner");
}

// ---------------------------------------------------------------------------------------------
// Truncation under live readers

/// What lookups gave.
#[derive(Default)]
struct Seen {
    right: AtomicU64,
    faulted: AtomicU64,
    wrong: AtomicU64,
}

impl Seen {
    /// Looks up every key; true if a page was lost.
    fn pass(&self, table: &Table, first: u64) -> bool {
        let mut expected = [0; VALUE];
        let mut lost = false;
        for n in 0..ENTRIES {
            let i = (first + n) % ENTRIES;
            numbered_value(i, 1, &mut expected);
            let right = match table.get(numbered_key(i)) {
                Ok(Some(value)) => value == &expected[..value_len(i, Index::Hash)],
                Ok(None) => false,
                Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. }) => {
                    self.faulted.fetch_add(1, Relaxed);
                    lost = true;
                    continue;
                }
                Err(_) => false,
            };
            // A slice is not protected after its lookup; the flag says that it may have changed.
            let excused = !right && table.is_faulted();
            let count = if right || excused { &self.right } else { &self.wrong };
            count.fetch_add(1, Relaxed);
        }
        lost
    }
}

/// Not a test when run by itself: the program of the reader processes. Obeys `open`, `read`
/// (begin to read on all threads), `end` (one last pass, then say what was seen).
#[test]
fn reader_process() {
    let Some(directory) = std::env::var_os(TABLES).map(PathBuf::from) else { return };
    sigbus::install().expect("the guard");
    let other = open(&directory.join("other"));
    answer("up");
    let mut lines = std::io::stdin().lock().lines().map(|line| line.expect("the parent writes"));
    while lines.next().is_some_and(|line| line == "open") {
        let table = open(&directory.join("table"));
        answer("opened");
        assert_eq!(lines.next().as_deref(), Some("read"));
        let (seen, others, truncated) = (Seen::default(), Seen::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (seen, truncated, table) = (&seen, &truncated, &table);
                scope.spawn(move || {
                    while !truncated.load(Relaxed) {
                        seen.pass(table, number * ENTRIES / THREADS);
                    }
                    seen.pass(table, 0);
                });
            }
            assert_eq!(lines.next().as_deref(), Some("end"));
            truncated.store(true, Relaxed);
        });
        assert!(!others.pass(&other, 0) && !other.is_faulted(), "the other table is whole");
        let counts = [&seen.right, &seen.faulted, &seen.wrong, &others.wrong];
        let counts = counts.map(|count| count.load(Relaxed).to_string());
        answer(&format!("{} {}", table.is_faulted(), counts.join(" ")));
    }
}

#[test]
fn truncation_is_an_error_and_no_death() {
    let directory = common::directory();
    let (table, master) = (directory.path().join("table"), directory.path().join("master"));
    numbered_table(&directory.path().join("other"), ENTRIES, 1);
    let bytes = soft_table(&master, ENTRIES);
    let mut readers: Vec<Peer> = (0..READERS)
        .map(|_| Peer::start(common::this_binary("reader_process").env(TABLES, directory.path())))
        .collect();
    for reader in &mut readers {
        assert_eq!(reader.answer(), "up");
    }
    let mut random = Rng::new(13);
    let rounds = if full() { 10_000 } else { 60 };
    let (mut detected, mut lost) = (0u64, 0u64);
    for _ in 0..rounds {
        // A new file each time: the readers still map the old one.
        fs::copy(&master, directory.path().join("new")).expect("a copy");
        fs::rename(directory.path().join("new"), &table).expect("renamed");
        for reader in &mut readers {
            assert_eq!(reader.ask("open"), "opened");
        }
        for reader in &mut readers {
            reader.say("read");
        }
        thread::sleep(std::time::Duration::from_micros(random.below(3_000)));
        // Whole pages: what is left of a page that was cut is zeros without any fault.
        let pages = bytes / 4096;
        truncate(&table, 4096 * random.below(pages - 1));
        for reader in &mut readers {
            reader.say("end");
        }
        let mut silent = 0;
        for reader in &mut readers {
            let seen = reader.answer();
            let mut words = seen.split(' ');
            let faulted = words.next() == Some("true");
            let counts: Vec<u64> = words.map(|n| n.parse().expect("a count")).collect();
            let [_, errors, wrong, wrong_elsewhere] = counts[..] else { panic!("{seen}") };
            assert_eq!((wrong, wrong_elsewhere), (0, 0), "{seen}");
            // At least a page of records or of an index is gone, and every key was asked for.
            silent += u64::from(!faulted || errors == 0);
        }
        detected += u64::from(silent == 0);
        lost += u64::from(silent > 0);
    }
    println!(
        "T13: tried {rounds} truncations under {READERS} processes of {THREADS} threads, detected \
         {detected}, lost {lost}, crashed 0"
    );
    assert_eq!(lost, 0);
}

// ---------------------------------------------------------------------------------------------
// What every query says after a fault

/// A table in this process whose file is gone.
fn faulted_table(path: &Path, index: Index, options: OpenOptions) -> Table {
    sigbus::install().expect("the guard");
    indexed_table(path, ENTRIES, 1, index);
    soften(path);
    // SAFETY: not kept, as above.
    let table = unsafe { options.open(path) }.expect("a table");
    assert!(table.is_guarded() && !table.is_faulted());
    truncate(path, 0);
    table
}

#[test]
fn every_query_says_faulted() {
    let directory = common::directory();
    type Query = (&'static str, fn(&Table) -> Result<(), ReadError>);
    let queries: &[Query] = &[
        ("get", |t| t.get(numbered_key(7)).map(drop)),
        ("get_owned", |t| t.get_owned(numbered_key(7)).map(drop)),
        ("get, absent", |t| t.get(b"nowhere").map(drop)),
        ("contains_key", |t| t.contains_key(numbered_key(7)).map(drop)),
        ("get_all", |t| t.get_all(numbered_key(7)).next().expect("an item").map(drop)),
        ("get_many", |t| t.get_many(&[numbered_key(7), numbered_key(8)]).map(drop)),
        ("get_many, in parts", |t| t.get_many(&[7; 200].map(numbered_key)).map(drop)),
        ("iter", |t| t.iter().next().expect("an item").map(drop)),
        ("iter, back", |t| t.iter().next_back().expect("an item").map(drop)),
        ("into_iter", |t| t.clone().into_iter().next().expect("an item").map(drop)),
        ("into_iter, back", |t| t.clone().into_iter().next_back().expect("an item").map(drop)),
        ("into_iter, nth", |t| t.clone().into_iter().nth(1000).expect("an item").map(drop)),
        ("iter, nth", |t| t.iter().nth(1000).expect("an item").map(drop)),
        ("range", |t| t.range(&numbered_key(9)[..]..).next().expect("an item").map(drop)),
        ("prefix", |t| t.prefix([0]).next().expect("an item").map(drop)),
        ("first", |t| t.first().map(drop)),
        ("last", |t| t.last().map(drop)),
        ("floor", |t| t.floor(numbered_key(9)).map(drop)),
        ("ceil", |t| t.ceil(numbered_key(9)).map(drop)),
        ("nth", |t| t.nth(1234).map(drop)),
        ("longest_prefix", |t| t.longest_prefix(numbered_key(9)).map(drop)),
        ("rank", |t| t.rank(numbered_key(9)).map(drop)),
        ("rank_many", |t| t.rank_many(&[numbered_key(9)]).map(drop)),
        ("ceil_many", |t| t.ceil_many(&[numbered_key(9)]).map(drop)),
        ("count", |t| t.count(&numbered_key(9)[..]..).map(drop)),
        ("cursor", |t| t.cursor().seek_ceil(numbered_key(9)).map(drop)),
        ("cursor, next", |t| t.cursor().next().map(drop)),
        ("cursor, back", |t| t.cursor().seek_last().map(drop)),
        ("metadata", |t| t.metadata().map(drop)),
        ("stats", |t| t.stats().map(drop)),
        ("verify", |t| t.verify().map(drop)),
        ("warm", |t| t.warm(Warm::All)),
    ];
    for verify in [PageChecks::FirstTouch, PageChecks::Never, PageChecks::AtOpen] {
        let options = OpenOptions::new().page_checks(verify);
        for index in [Index::Hash, Index::Ordered, Index::Line] {
            for &(name, query) in queries {
                // Each as the first to touch the lost pages, and again.
                let table = faulted_table(&directory.path().join("t"), index, options);
                let told = query(&table);
                // Some need no page: an absent key of another length, a table without metadata.
                let untouched = told.is_ok() && !table.is_faulted();
                let faulted = matches!(&told, Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. }));
                assert!(faulted || untouched, "{name} {index:?} {verify:?}: {told:?}");
                // Where lengths are known and nothing is left to check, a slice is made without a look.
                let looks = verify == PageChecks::FirstTouch || index != Index::Line;
                let few = ["get, absent", "metadata", "rank", "count", "iter, nth"];
                if looks && !few.contains(&name) {
                    assert!(faulted, "{name} {index:?} {verify:?}: {told:?}");
                }
                let _ = table.get(numbered_key(1));
                assert!(table.is_faulted(), "{name} {index:?} {verify:?}");
                let again = query(&table);
                let faulted = matches!(&again, Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. }));
                let nothing_read = ["get, absent", "metadata"].contains(&name) && again.is_ok();
                assert!(faulted || nothing_read, "{name} {index:?} {verify:?}: {again:?}");
            }
        }
    }
}

/// Bytes of records that a walk may hand on between two looks at whether a page was lost: it goes
/// by whole runs where records have one width.
const RUN: u64 = 64 << 10;

type Item<'t> = Result<(&'t [u8], &'t [u8]), ReadError>;
type Each<'e> = &'e mut dyn FnMut(Item<'_>);
type Walk = (&'static str, bool, fn(&Table, Each<'_>));

/// Ways to walk through a table, and whether records of fixed width may go by whole runs.
const WALKS: [Walk; 11] = [
    ("next", false, |table, each| {
        for item in table.iter() {
            each(item);
        }
    }),
    ("next_back", false, |table, each| {
        for item in table.iter().rev() {
            each(item);
        }
    }),
    ("fold", true, |table, each| table.iter().fold((), |(), item| each(item))),
    ("rfold", true, |table, each| table.iter().rfold((), |(), item| each(item))),
    ("for_each", true, |table, each| table.iter().for_each(each)),
    ("for_each, back", true, |table, each| table.iter().rev().for_each(each)),
    ("keys", false, |table, each| {
        table.keys().for_each(|item| each(item.map(|key| (key, &key[..0]))));
    }),
    ("values, back", false, |table, each| {
        table.values().rev().for_each(|item| each(item.map(|value| (&value[..0], value))));
    }),
    ("owned", false, |table, each| {
        for item in table.clone() {
            match item {
                Ok((key, value)) => each(Ok((&key, &value))),
                Err(error) => each(Err(error)),
            }
        }
    }),
    ("lent", false, |table, each| {
        let mut entries = table.clone().into_iter();
        while let Some(item) = entries.lend_next() {
            each(item);
        }
    }),
    ("lent, back", false, |table, each| {
        let mut entries = table.clone().into_iter();
        while let Some(item) = entries.lend_next_back() {
            each(item);
        }
    }),
];

/// Without checksums nothing but the guard's flag tells zeros from entries: a walk that asks for
/// it too seldom would hand on a table of zeros to its end.
/// The file shrinks while keys of one batch are in several stages: those that were answered before are
/// right, and the batch ends with the error.
#[test]
fn a_batch_says_that_a_page_was_lost_within_it() {
    let directory = common::directory();
    let path = directory.path().join("t");
    sigbus::install().expect("the guard");
    let keys: Vec<_> = (0..1_000).map(|i| numbered_key(i * 7_919 % ENTRIES)).collect();
    for index in [Index::Hash, Index::Ordered, Index::Line] {
        for verify in [PageChecks::Never, PageChecks::FirstTouch] {
            indexed_table(&path, ENTRIES, 1, index);
            soften(&path);
            // SAFETY: not kept, as above.
            let table =
                unsafe { OpenOptions::new().page_checks(verify).open(&path) }.expect("a table");
            let mut answered = 0;
            let ended = table.get_many_with(&keys, |answer| {
                // Those behind the first may be of the lost pages already, where bytes turn to zeros.
                assert!(answer.is_some(), "{index:?} {verify:?}: key {answered}");
                if answered == 0 {
                    truncate(&path, 0);
                }
                answered += 1;
            });
            let failure = ended.as_ref().map_err(ReadError::failure);
            assert!(
                matches!(failure, Err(ReadFailure::Faulted { .. })),
                "{index:?} {verify:?}: {ended:?} after {answered}"
            );
            assert!((1..=128).contains(&answered), "{index:?} {verify:?}: {answered}");
        }
    }
}

#[test]
fn a_walk_says_soon_that_a_page_was_lost() {
    const BEFORE: u64 = 500;
    let directory = common::directory();
    let path = directory.path().join("t");
    sigbus::install().expect("the guard");
    for index in [Index::Hash, Index::Ordered, Index::Line] {
        for (name, runs, walk) in WALKS {
            indexed_table(&path, ENTRIES, 1, index);
            soften(&path);
            let options = OpenOptions::new().page_checks(PageChecks::Never);
            // SAFETY: not kept, as above.
            let table = unsafe { options.open(&path) }.expect("a table");
            let (mut before, mut after, mut errors) = (0, 0, Vec::new());
            walk(&table, &mut |item| match item {
                Err(error) => errors.push(error),
                Ok((key, value)) => {
                    // Nobody has touched a lost page before somebody does.
                    black_box(key.iter().chain(value).fold(0, |all, byte| all ^ byte));
                    if before < BEFORE {
                        before += 1;
                        if before == BEFORE {
                            truncate(&path, 0);
                        }
                    } else {
                        after += 1;
                    }
                }
            });
            let width = numbered_key(0).len() + VALUE;
            // One is handed on before anybody has touched the lost pages.
            let most = if runs && index == Index::Line { RUN / width as u64 } else { 1 };
            assert!(after <= most, "{name} {index:?}: {after} entries after the loss");
            let failures: Vec<_> = errors.iter().map(ReadError::failure).collect();
            assert!(
                matches!(failures[..], [ReadFailure::Faulted { .. }]),
                "{name} {index:?}: {errors:?}"
            );
            assert_eq!(before, BEFORE, "{name} {index:?}");
        }
    }
}

#[test]
fn a_slice_that_was_handed_out_turns_to_zeros_and_the_flag_tells() {
    let directory = common::directory();
    let path = directory.path().join("t");
    sigbus::install().expect("the guard");
    soft_table(&path, ENTRIES);
    let table = open(&path);
    let value = table.get(numbered_key(2000)).expect("a sound table").expect("a value");
    truncate(&path, 4096);
    let owned = table.slice_ref(value).expect("a slice of the table");
    assert!(!table.is_faulted() && !owned.is_faulted(), "nobody has touched it yet");
    assert!(black_box(value).iter().all(|&byte| byte == 0));
    assert!(table.is_faulted() && owned.is_faulted());
    let error = table.get(numbered_key(2)).expect_err("the table is given up");
    let ReadFailure::Faulted { offset } = error.failure() else { panic!("{error}") };
    assert!((4096..table.stats().map_or(u64::MAX, |stats| stats.file_bytes)).contains(&offset));
    // A new open of what is left says what it is.
    // SAFETY: nobody touches the file any more.
    assert!(unsafe { Table::open(&path) }.is_err());
}

#[test]
fn threads_that_fault_together_all_go_on() {
    const TOGETHER: usize = 16;
    let directory = common::directory();
    let path = directory.path().join("t");
    sigbus::install().expect("the guard");
    for round in 0..50 {
        soft_table(&path, 500);
        let table = open(&path);
        truncate(&path, 0);
        let barrier = Barrier::new(TOGETHER);
        thread::scope(|scope| {
            for _ in 0..TOGETHER {
                scope.spawn(|| {
                    barrier.wait();
                    let told = table.get(numbered_key(7));
                    assert!(
                        matches!(&told, Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. })),
                        "{round}: {told:?}"
                    );
                });
            }
        });
    }
}

#[test]
fn the_loss_of_a_hundred_thousand_pages_is_survived() {
    const PIECE: usize = 4 << 20;
    const PIECES: u64 = 100;
    let directory = common::directory();
    let path = directory.path().join("t");
    sigbus::install().expect("the guard");
    let options = graven::BuildOptions::new().sorted(true).durable(false).mode(0o644);
    let mut builder = options.create(&path).expect("a builder");
    let value = vec![7; PIECE];
    for i in 0..PIECES {
        builder.insert(numbered_key(i), &value).expect("room");
    }
    builder.finish().expect("a table");
    // SAFETY: not kept, as above.
    let table =
        unsafe { OpenOptions::new().page_checks(PageChecks::Never).open(&path) }.expect("a table");
    let values: Vec<&[u8]> = table.values().map(|value| value.expect("a value")).collect();
    // The mappings of this table alone: other tests of this process make some meanwhile.
    let first = values.first().expect("a value").as_ptr_range().start as usize;
    let last = values.last().expect("a value").as_ptr_range().end as usize;
    let mappings = || {
        let maps = fs::read_to_string("/proc/self/maps").expect("maps");
        let overlaps = |line: &&str| {
            let ends = line.split(' ').next().and_then(|range| range.split_once('-'));
            let (start, end) = ends.expect("two addresses");
            let address = |text| usize::from_str_radix(text, 16).expect("an address");
            address(start) < last && address(end) > first
        };
        maps.lines().filter(overlaps).count()
    };
    let before = mappings();
    assert!((1..5).contains(&before), "{before} mappings of one table");
    truncate(&path, 0);
    // From the end, so that no page is next to one that was replaced.
    let mut pages = 0;
    for value in values.iter().rev() {
        for page in value.chunks(4096).rev() {
            assert_eq!(black_box(page)[0], 0);
            pages += 1;
        }
    }
    assert!(pages >= 100_000, "{pages} pages");
    assert!(table.is_faulted());
    assert!(mappings() < before + 50, "{before} mappings before, {} after", mappings());
}

#[test]
fn tables_after_the_fault_are_whole() {
    let directory = common::directory();
    let path = directory.path().join("t");
    // Slots are used again, and begin anew.
    for _ in 0..100 {
        let table = faulted_table(&path, Index::Hash, OpenOptions::new());
        assert!(table.get(numbered_key(7)).is_err());
        drop(table);
        numbered_table(&path, 100, 2);
        let table = open(&path);
        assert!(table.get(numbered_key(7)).expect("a sound table").is_some());
        assert!(!table.is_faulted());
    }
}

// ---------------------------------------------------------------------------------------------
// Processes that end

fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + frame[(depth % 64) as usize] }
}

/// A page of a foreign mapping that is gone.
fn touch_a_lost_page(path: &Path) {
    fs::write(path, [1; 8192]).expect("a file");
    let file = File::open(path).expect("the file");
    // SAFETY: not kept: the fault is the point.
    let map = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
    truncate(path, 0);
    println!("{}", black_box(&map)[4096]);
}

fn handle(flags: libc::c_int, handler: usize) {
    // SAFETY: all zeros are a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    (action.sa_sigaction, action.sa_flags) = (handler, flags);
    // SAFETY: a valid set of signals, and a signal.
    unsafe { libc::sigaddset(&mut action.sa_mask, libc::SIGUSR1) };
    // SAFETY: the handlers below do only what a signal handler may.
    let set = unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

extern "C" fn plain_handler(signal: libc::c_int) {
    // SAFETY: no precondition.
    unsafe { libc::_exit(if signal == libc::SIGBUS { 41 } else { 1 }) }
}

extern "C" fn informed_handler(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel, or the guard, passes a valid one.
    let code = unsafe { (*info).si_code };
    // SAFETY: no precondition.
    unsafe { libc::_exit(if code == libc::BUS_ADRERR { 42 } else { 1 }) }
}

/// Logs and returns, as crash handlers do that were installed to run once. Gives up when it is
/// called for ever.
extern "C" fn logging_handler(_: libc::c_int) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    const LOGGED: &[u8] = b"logged\n";
    // SAFETY: the bytes are there, and the descriptor is standard output.
    unsafe { libc::write(1, LOGGED.as_ptr().cast(), LOGGED.len()) };
    if CALLS.fetch_add(1, Relaxed) == 5 {
        // SAFETY: no precondition.
        unsafe { libc::_exit(1) }
    }
}

/// Ends with the sum of what holds while it runs: 1 = SIGBUS is blocked, 2 = SIGUSR1 is, 4 =
/// SIGUSR2 is, 8 = it has a stack of its own; and 16.
extern "C" fn telling_handler(_: libc::c_int) {
    // SAFETY: all zeros are a valid set of signals.
    let mut blocked: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer changes nothing; the other one is valid for the answer.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut blocked) };
    // SAFETY: a valid set of signals, and a signal.
    let is_blocked = |signal| unsafe { libc::sigismember(&blocked, signal) };
    // SAFETY: all zeros are a valid description of a stack.
    let mut stack: libc::stack_t = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer changes nothing; the other one is valid for the answer.
    unsafe { libc::sigaltstack(std::ptr::null(), &mut stack) };
    let signals = [libc::SIGBUS, libc::SIGUSR1, libc::SIGUSR2].map(is_blocked);
    let own = libc::c_int::from(stack.ss_flags & libc::SS_ONSTACK != 0);
    // SAFETY: no precondition.
    unsafe { libc::_exit(16 + signals[0] + 2 * signals[1] + 4 * signals[2] + 8 * own) }
}

extern "C" fn idle_handler(_: libc::c_int) {}

/// Whether a read of a pipe goes on after SIGBUS was sent to its thread.
fn read_goes_on() -> bool {
    let (mut from, mut to) = std::io::pipe().expect("a pipe");
    let (tell, thread) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        // SAFETY: no precondition.
        tell.send(unsafe { libc::pthread_self() }).expect("somebody listens");
        std::io::Read::read(&mut from, &mut [0; 1]).is_ok_and(|read| read == 1)
    });
    let thread = thread.recv().expect("a thread");
    // Long enough for the thread to wait in the read.
    thread::sleep(std::time::Duration::from_millis(200));
    // SAFETY: the thread is not joined yet.
    unsafe { libc::pthread_kill(thread, libc::SIGBUS) };
    thread::sleep(std::time::Duration::from_millis(200));
    // Nobody reads any more where the read was interrupted.
    let _ = std::io::Write::write_all(&mut to, &[1]);
    reader.join().expect("no panic")
}

/// Not a test when run by itself: a process that ends as it is told to.
#[test]
fn dying_process() {
    let Ok(task) = std::env::var(DEATH) else { return };
    let (how, directory) = task.split_once(':').expect("how, and a directory");
    let path = Path::new(directory).join("t");
    match how {
        "unguarded" => {
            soft_table(&path, ENTRIES);
            let table = open(&path);
            truncate(&path, 0);
            let _ = table.get(numbered_key(7));
        }
        "populated" => {
            soft_table(&path, ENTRIES);
            let table = open(&path);
            truncate(&path, 4096);
            for told in [table.verify().map(drop), table.warm(Warm::All), table.warm(Warm::Index)] {
                assert!(
                    matches!(&told, Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. })),
                    "{told:?}"
                );
            }
            assert!(!table.is_faulted(), "nothing was touched");
            std::process::exit(0);
        }
        "crowded" => {
            crowd(&path);
            std::process::exit(0);
        }
        _ => {}
    }
    match how {
        "plain" => handle(0, plain_handler as *const () as usize),
        "informed" => handle(libc::SA_SIGINFO, informed_handler as *const () as usize),
        "default" => handle(0, libc::SIG_DFL),
        "ignored" | "ignored, sent" => handle(0, libc::SIG_IGN),
        "once" | "once, sent" => handle(libc::SA_RESETHAND, logging_handler as *const () as usize),
        "once, informed" => {
            handle(libc::SA_RESETHAND | libc::SA_SIGINFO, logging_handler as *const () as usize);
        }
        "masked" => handle(0, telling_handler as *const () as usize),
        "undeferred" => handle(libc::SA_NODEFER, telling_handler as *const () as usize),
        "own stack" => handle(libc::SA_ONSTACK, telling_handler as *const () as usize),
        "restarted" => handle(libc::SA_RESTART, idle_handler as *const () as usize),
        "interrupted" => handle(0, idle_handler as *const () as usize),
        _ => {}
    }
    let guard = std::env::var_os(NO_GUARD).is_none();
    if guard {
        guarded(&path);
    }
    match how {
        "overflow" => println!("{}", overflow(0)),
        "restarted" | "interrupted" => std::process::exit(read_goes_on().into()),
        "ignored, sent" => std::process::exit(if read_goes_on() { 0 } else { 1 }),
        "sent" => {
            // SAFETY: no precondition.
            unsafe { libc::raise(libc::SIGBUS) };
        }
        "once, sent" => {
            // SAFETY: no precondition.
            unsafe { libc::raise(libc::SIGBUS) };
            println!("went on");
            // The handler is spent; the guard is not.
            if guard {
                guarded(&path);
            }
            // SAFETY: no precondition.
            unsafe { libc::raise(libc::SIGBUS) };
        }
        _ => touch_a_lost_page(&Path::new(directory).join("foreign")),
    }
    println!("still here");
}

/// The guard does its own work whoever else is there.
fn guarded(path: &Path) {
    sigbus::install().expect("the guard");
    sigbus::install().expect("the guard, once more");
    assert!(sigbus::is_installed());
    soft_table(path, ENTRIES);
    let table = open(path);
    truncate(path, 0);
    assert!(
        matches!(&table.get(numbered_key(7)), Err(error) if matches!(error.failure(), ReadFailure::Faulted { .. }))
    );
}

/// One table more than the guard watches at once.
fn crowd(path: &Path) {
    sigbus::install().expect("the guard");
    soft_table(path, 1);
    let mut tables: Vec<Table> = (0..4096).map(|_| open(path)).collect();
    assert!(tables.iter().all(Table::is_guarded));
    let one_more = open(path);
    assert!(!one_more.is_guarded());
    assert!(one_more.get(numbered_key(0)).expect("nothing is lost").is_some());
    drop(one_more);
    // The last place is as good as the others, and is free again for the next table.
    tables.pop();
    tables.push(open(path));
    assert!(tables.iter().all(Table::is_guarded));
    truncate(path, 0);
    for table in [&tables[0], &tables[4095]] {
        let error = table.get(numbered_key(0)).expect_err("all of the file is gone");
        assert!(matches!(error.failure(), ReadFailure::Faulted { .. }), "{error}");
    }
}

fn death(how: &str) -> Output {
    process(how).0.output().expect("a child process")
}

/// How it ends without the guard.
fn unguarded_death(how: &str) -> Output {
    process(how).0.env(NO_GUARD, "1").output().expect("a child process")
}

fn process(how: &str) -> (Command, tempfile::TempDir) {
    let directory = common::directory();
    let task = format!("{how}:{}", directory.path().display());
    let mut process = common::this_binary("dying_process");
    process.env(DEATH, task);
    (process, directory)
}

#[test]
fn without_the_guard_a_lost_page_ends_the_process() {
    assert_eq!(death("unguarded").status.signal(), Some(libc::SIGBUS));
}

#[test]
fn verify_and_warm_need_no_guard() {
    let output = death("populated");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_table_that_the_guard_has_no_place_for_says_so() {
    let output = death("crowded");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_foreign_fault_still_ends_the_process() {
    for how in ["foreign", "default", "ignored", "sent"] {
        assert_eq!(death(how).status.signal(), Some(libc::SIGBUS), "{how}");
    }
}

#[test]
fn a_foreign_handler_gets_its_faults() {
    assert_eq!(death("plain").status.code(), Some(41));
    assert_eq!(death("informed").status.code(), Some(42));
}

/// A handler with SA_RESETHAND that logs and returns is called once; then the default action ends
/// the process. The guard stays for the tables until then.
#[test]
fn a_handler_that_is_to_run_once_runs_once() {
    for how in ["once", "once, informed", "once, sent"] {
        for output in [unguarded_death(how), death(how)] {
            let told = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{how}: {output:?}");
            assert_eq!(told.matches("logged").count(), 1, "{how}: {told}");
            assert_eq!(told.contains("went on"), how == "once, sent", "{how}: {told}");
        }
    }
}

/// With the signals held back that it asked for, on the stack that it asked for, and with system
/// calls that go on or do not.
#[test]
fn a_foreign_handler_runs_as_it_was_installed() {
    let ways = [
        ("masked", 16 + 1 + 2),
        ("undeferred", 16 + 2),
        ("own stack", 16 + 1 + 2 + 8),
        ("restarted", 1),
        ("interrupted", 0),
        ("ignored, sent", 0),
    ];
    for (how, expected) in ways {
        for output in [unguarded_death(how), death(how)] {
            assert_eq!(output.status.code(), Some(expected), "{how}: {output:?}");
        }
    }
}

#[test]
fn a_stack_overflow_is_still_reported() {
    let output = death("overflow");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{told}");
    assert!(told.contains("overflowed its stack"), "{told}");
}
