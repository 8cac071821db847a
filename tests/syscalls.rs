//! Guards against lookups that enter the kernel: an allocation that grows the heap, a lock, a
//! clock, a `pread` or `madvise` on some path that no other test looks at. A child process does
//! its lookups between two marker calls while strace writes down every system call it makes; on a
//! warm table there must be none between the markers. Guards also against an open whose cost
//! depends on the table's size: its system calls and its page faults are counted; and against a
//! refresh of an unchanged live table that is more than one look at the file.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Index, Rng, absent_key, answer, indexed_table, numbered_key, numbered_table, skip};
use graven::{RefreshOutcome, Table};
use std::path::Path;
use std::process::Command;

const ENTRIES: u64 = 200_000;
const GETS: usize = 100_000;
/// Opens that are traced.
const OPENS: usize = 5;
/// Set for a process that is traced: where the tables are.
const TABLES: &str = "GRAVEN_TEST_TRACED";
/// One table for each way in, and a small one.
const INDEXES: [(Index, &str); 3] =
    [(Index::Hash, "hash.grv"), (Index::Ordered, "ordered.grv"), (Index::Line, "line.grv")];
const SMALL: &str = "small.grv";
#[cfg(feature = "sets")]
const SET: &str = "set";

/// Does `work` between two system calls that nobody else makes, so that a trace shows where it
/// began and ended.
fn marked(name: &str, work: impl FnOnce()) {
    // Made beforehand: an allocation between them might be the one that grows the heap.
    let [begin, end] = ["begin", "end"].map(|part| format!("/graven-marker/{name}/{part}"));
    assert!(std::fs::metadata(begin).is_err());
    work();
    assert!(std::fs::metadata(end).is_err());
}

fn open(path: &Path) -> Table {
    // SAFETY: the parent made the table and leaves it as it is.
    unsafe { Table::open(path) }.expect("a table")
}

/// A key to look up, and whether it is stored.
#[derive(Clone, Copy)]
struct Wanted([u8; 16], bool);

impl AsRef<[u8]> for Wanted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Half of them stored.
fn wanted() -> Vec<Wanted> {
    let mut random = Rng::new(1);
    let mut wanted = |i| {
        let n = random.below(ENTRIES);
        if i % 2 == 0 { Wanted(numbered_key(n), true) } else { Wanted(absent_key(n), false) }
    };
    (0..GETS).map(&mut wanted).collect()
}

/// Everything that is promised to stay out of the kernel.
fn look_up<'t>(table: &'t Table, keys: &[Wanted], out: &mut Vec<Option<&'t [u8]>>) {
    for Wanted(key, stored) in keys {
        assert_eq!(table.get(key).expect("a sound table").is_some(), *stored);
    }
    for batch in keys.chunks(1000) {
        table.get_many_into(batch, out).expect("a sound table");
        assert!(out.iter().zip(batch).all(|(answer, wanted)| answer.is_some() == wanted.1));
    }
    for &Wanted(key, stored) in keys.iter().step_by(99) {
        assert_eq!(table.get_all(key).count(), usize::from(stored));
        let forward = table.range(&key[..]..).take(20).filter(Result::is_ok).count();
        let backward = table.range(..&key[..]).rev().take(20).filter(Result::is_ok).count();
        assert!(forward == 20 || backward == 20);
        assert_eq!(table.prefix(&key[..15]).filter(Result::is_ok).count(), usize::from(stored));
        let rank = table.rank(key).expect("a sound table");
        let at = table.nth(rank).expect("a sound table");
        assert_eq!(at, table.ceil(key).expect("a sound table"));
        assert!(table.floor(key).is_ok_and(|entry| entry.is_some()));
        assert!(table.longest_prefix(key).is_ok_and(|entry| entry.is_some() == stored));
        let mut cursor = table.cursor();
        assert!(cursor.seek_floor(key).expect("a sound table"));
        let value = table.get_owned(key).expect("a sound table");
        assert_eq!(value.as_deref(), table.get(key).expect("a sound table"));
        let mut owned = table.clone().into_range(key..);
        assert!((0..20).all(|_| owned.lend_next().is_none_or(|entry| entry.is_ok())));
    }
}

/// Not a test when run by itself: the program that is traced.
#[test]
fn traced_process() {
    let Some(directory) = std::env::var_os(TABLES) else { return };
    let path = |name: &str| Path::new(&directory).join(name);
    let (large, small) = (path(INDEXES[0].1), path(SMALL));
    // Once for the allocator and for what the first call of anything sets up.
    drop((open(&large), open(&small)));
    for at in 0..OPENS {
        marked(&format!("open-large {at}"), || drop(open(&large)));
        marked(&format!("open-small {at}"), || drop(open(&small)));
    }

    let keys = wanted();
    for (_, name) in INDEXES {
        let table = open(&path(name));
        let mut out = Vec::with_capacity(1000);
        look_up(&table, &keys, &mut out);
        marked(name, || look_up(&table, &keys, &mut out));
    }
    // SAFETY: as above.
    let live = unsafe { graven::Live::open(&large) }.expect("a table");
    let refresh = || assert_eq!(live.refresh().expect("still there"), RefreshOutcome::Unchanged);
    refresh();
    marked("refresh", refresh);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(&large, mode).expect("the table's owner");
    marked("refresh after chmod", refresh);
    marked("second refresh after chmod", refresh);
    marked("pin", || assert!(!live.pin().is_empty()));
    #[cfg(feature = "sets")]
    {
        // SAFETY: as above.
        let live = unsafe { graven::LiveSet::open(path(SET)) }.expect("a set");
        assert!(live.pin().get(b"1").expect("a sound set").is_some());
        let refresh = || assert_eq!(live.refresh().expect("a set"), RefreshOutcome::Unchanged);
        refresh();
        marked("refresh of a set", refresh);
        marked("pin of a set", || assert!(live.pin().get(b"1").expect("a sound set").is_some()));
    }
    marked("control", || assert!(std::fs::metadata("/").is_ok()));
    answer("done");
}

/// The system calls between two markers, from the traces of all threads.
fn between<'t>(traces: &'t [String], name: &str) -> Vec<&'t str> {
    let [begin, end] = ["begin", "end"].map(|part| format!("/graven-marker/{name}/{part}\""));
    let thread = traces.iter().find(|trace| trace.contains(&begin));
    let thread = thread.unwrap_or_else(|| panic!("the trace lacks the marker {begin}"));
    let line_of = |wanted: &str| {
        let found = thread.lines().position(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("the thread's trace lacks the marker {wanted}"))
    };
    let (begin, end) = (line_of(&begin), line_of(&end));
    thread.lines().skip(begin + 1).take(end - begin - 1).collect()
}

/// What strace wrote: a file per thread, so that no call is split by another thread's.
fn traces(directory: &Path) -> Vec<String> {
    let files = std::fs::read_dir(directory).expect("the traces' directory");
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| std::fs::read_to_string(path).expect("a trace")).collect()
}

/// Why strace cannot be used here, if so.
fn no_strace(directory: &Path) -> Option<String> {
    let probe =
        Command::new("strace").args(["-f", "-o"]).arg(directory.join("probe")).arg("true").output();
    match probe {
        Err(error) => Some(format!("strace does not start: {error}")),
        Ok(done) if !done.status.success() => {
            Some(format!("strace may not trace: {}", String::from_utf8_lossy(&done.stderr).trim()))
        }
        Ok(_) => None,
    }
}

#[test]
fn lookups_in_a_warm_table_make_no_system_call() {
    let directory = common::directory();
    if let Some(why) = no_strace(directory.path()) {
        return skip("lookups_in_a_warm_table_make_no_system_call", &why);
    }
    let traced = directory.path().join("traces");
    std::fs::create_dir(&traced).expect("a directory");
    let mut large_bytes = 0;
    for (index, name) in INDEXES {
        large_bytes = indexed_table(&directory.path().join(name), ENTRIES, 1, index).file_bytes;
    }
    let small_bytes = numbered_table(&directory.path().join(SMALL), 10, 1).file_bytes;
    assert!(large_bytes > 1000 * small_bytes);
    #[cfg(feature = "sets")]
    {
        let options = graven::SetBuildOptions::new().shard_entries(1);
        let mut builder = options.create(directory.path().join(SET)).expect("a builder");
        for key in ["0", "1", "2"] {
            builder.insert(key, key).expect("an entry");
        }
        builder.finish().expect("a set");
    }
    let run = Command::new("strace")
        .args(["-ff", "-o"])
        .arg(traced.join("trace"))
        .arg(std::env::current_exe().expect("the test binary"))
        .args(common::arguments("traced_process"))
        .env(TABLES, directory.path())
        .output()
        .expect("strace starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("@answer done"), "{said}{run:?}");
    let trace = traces(&traced);

    // The method sees a system call where there is one.
    let control = between(&trace, "control");
    assert!(control.len() == 1 && control[0].contains("\"/\""), "{control:?}");

    for (index, name) in INDEXES {
        let calls = between(&trace, name);
        let first = calls.first();
        assert!(calls.is_empty(), "{index:?}: {} system calls, first: {first:?}", calls.len());
    }

    let refresh = between(&trace, "refresh");
    assert!(refresh.len() == 1 && refresh[0].contains("stat"), "{refresh:?}");
    let looked = between(&trace, "refresh after chmod");
    let maps = looked.iter().any(|call| call.contains("mmap"));
    assert!(!maps && looked.len() <= 8, "header and footer are read: {looked:?}");
    let refresh = between(&trace, "second refresh after chmod");
    assert!(refresh.len() == 1 && refresh[0].contains("stat"), "{refresh:?}");
    assert_eq!(between(&trace, "pin"), [""; 0]);
    if cfg!(feature = "sets") {
        let refresh = between(&trace, "refresh of a set");
        assert!(refresh.len() == 1 && refresh[0].contains("stat"), "{refresh:?}");
        assert_eq!(between(&trace, "pin of a set"), [""; 0]);
    }

    // What an open costs does not depend on the table.
    let name = |line: &&str| line.split('(').next().unwrap_or_default().to_owned();
    let opened = |which: &str| -> Vec<String> {
        // The first open in a second of a table of this length asks how much memory there is.
        let opens = (0..OPENS).map(|at| between(&trace, &format!("{which} {at}")));
        let calls = opens.min_by_key(Vec::len).expect("several opens");
        calls.iter().map(name).collect()
    };
    let (large, small) = (opened("open-large"), opened("open-small"));
    eprintln!("open and drop: {large:?}");
    assert_eq!(large, small, "a table of {large_bytes} bytes, one of {small_bytes}");
    assert!(large.len() <= 8, "{} system calls: {large:?}", large.len());
}

/// Page faults of this thread so far, those that needed no input or output.
fn minor_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("stat");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(7).and_then(|n| n.parse().ok()).expect("minflt")
}

/// Not a test when run by itself: counts the page faults of opens.
#[test]
fn faulting_process() {
    let Some(directory) = std::env::var_os(TABLES) else { return };
    let path = |name: &str| Path::new(&directory).join(name);
    let (large, small) = (path(INDEXES[0].1), path(SMALL));
    let faults = |path: &Path| {
        let mut counts = Vec::new();
        for _ in 0..9 {
            let before = minor_faults();
            let table = open(path);
            let after = minor_faults();
            drop(table);
            counts.push(after - before);
        }
        // The first open also faults in code and heap.
        *counts.iter().min().expect("nine counts")
    };
    let reading = |path: &Path| {
        let table = open(path);
        let before = minor_faults();
        assert!(table.iter().all(|entry| entry.is_ok()));
        minor_faults() - before
    };
    answer(&format!("{} {} {}", faults(&large), faults(&small), reading(&large)));
}

/// Header and footer are read, so that no page of the mapping is touched.
#[test]
fn open_touches_as_many_pages_of_a_large_table() {
    let directory = common::directory();
    numbered_table(&directory.path().join(INDEXES[0].1), ENTRIES * 3, 1);
    numbered_table(&directory.path().join(SMALL), 10, 1);
    let mut command = common::this_binary("faulting_process");
    let mut peer = common::Peer::start(command.env(TABLES, directory.path()));
    let answer = peer.answer();
    let counts: Vec<u64> = answer.split(' ').map(|n| n.parse().expect("a count")).collect();
    let &[large, small, all] = counts.as_slice() else { panic!("three counts: {answer}") };
    eprintln!("page faults: open {large}, open of a small table {small}, reading {all}");
    // Reading faults, so faults are counted.
    assert!(all > 10, "{all} faults while reading the whole table");
    assert!(large <= 1, "{large} faults to open");
    assert!(small <= large && large <= small + 1, "{large} faults, {small} for a small table");
}
