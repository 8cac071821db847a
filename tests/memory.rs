//! Guards against a table that exceeds the memory and is read over and over: lookups whose faults
//! read far more than the page they need, which evicts what the next one needs; walks that fault
//! page by page; checks that go through the table in another order than that of the file. Each
//! task runs in a process of its own, in a memory cgroup of half the file, cold, and the bytes are
//! counted that it read from the disk.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Rng, absent_key, directory, numbered_key, numbered_table, skip};
use graven::{AccessPattern, OpenOptions, PageChecks, PublishOptions, Table, Warm};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Entries of the table: some 100 MB.
const ENTRIES: u64 = 800_000;
const PAGE: u64 = 4096;
/// Set for a process in a cgroup: its cgroup, the task and the table.
const TASK: &str = "GRAVEN_TEST_MEMORY_TASK";
/// Lookups or short walks of a task.
const GETS: u64 = 4000;

/// Lookups of [`an_index_stays_in_memory`] that are counted.
const SPREAD: u64 = 15_000;

/// Bytes that this process has read from disks so far.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").expect("proc is mounted");
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).expect("a figure")
}

/// A memory cgroup, removed when it is dropped.
struct Group(PathBuf);

impl Group {
    /// Below the group of this process; `None` without the right to make one.
    fn new(name: &str, limit: u64) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let of = |controller: &str| {
            own.lines().find_map(|line| line.split_once(&format!(":{controller}:")))
        };
        let (root, file, (_, group)) = match of("memory") {
            Some(group) => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", group),
            None => ("/sys/fs/cgroup", "memory.max", of("")?),
        };
        // Beside this process's own: in version 2 a group with processes has no children.
        let parent = Path::new(root).join(group.trim_start_matches('/'));
        let parent = if file == "memory.max" { parent.parent()?.to_owned() } else { parent };
        // Tests run side by side.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Relaxed);
        let group = parent.join(format!("graven_test_{}_{number}_{name}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let group = Self(group);
        fs::write(group.0.join(file), limit.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            // Its process has just ended.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// A table that is on disk and not in memory, and its length.
fn cold(path: &Path) -> u64 {
    let file = File::open(path).expect("the table");
    file.sync_all().expect("a disk");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a cache");
    file.metadata().expect("a file").len()
}

/// Bytes that a task reads, cold, in a cgroup of half the table; `None` where there is none.
fn read_by(task: &str, path: &Path) -> Option<u64> {
    let len = cold(path);
    let group = Group::new(task, len / 2)?;
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["in_a_cgroup", "--exact", "--nocapture"]);
    command.env(TASK, format!("{} {task} {}", group.0.display(), path.display()));
    let output = command.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{task}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.split_once("bytes read: "));
    line.map(|(_, bytes)| bytes.trim().parse().expect("a number"))
}

/// The table, and what reading it once reads; `None` where nothing can be measured.
fn table(test: &str, directory: &Path) -> Option<(PathBuf, u64)> {
    let path = directory.join("table");
    numbered_table(&path, ENTRIES, 1);
    let Some(plain) = read_by("plain", &path) else {
        skip(test, "no right to make a memory cgroup");
        return None;
    };
    if plain * 2 < cold(&path) {
        skip(test, "the file system keeps its files in memory");
        return None;
    }
    Some((path, plain))
}

#[test]
fn checks_and_walks_read_a_large_table_once() {
    let directory = directory();
    let Some((path, plain)) = table("memory", directory.path()) else { return };
    for (task, most) in [
        // Records once, and the indexes three times.
        ("verify", 1.3),
        ("verify-random", 1.3),
        ("at-open", 1.1),
        ("warm", 1.1),
        ("publish", 1.1),
        ("scan", 1.1),
        ("scan-back", 1.1),
        ("cursor", 1.1),
        ("stats", 0.1),
    ] {
        let read = read_by(task, &path).expect("there was a cgroup before");
        let ratio = read as f64 / plain as f64;
        println!("{task}: {ratio:.3} of the file");
        assert!(ratio <= most, "{task} reads {ratio:.2} times the file");
    }
}

#[test]
fn lookups_in_a_large_table_read_single_pages() {
    let directory = directory();
    let Some((path, _)) = table("memory", directory.path()) else { return };
    let pages = |task: &str| {
        let read = read_by(task, &path).expect("there was a cgroup before");
        let pages = read as f64 / (GETS * PAGE) as f64;
        println!("{task}: {pages:.2} pages each");
        pages
    };
    for (task, most) in [
        ("hits", 2.2),
        ("batches", 2.2),
        ("misses", 1.1),
        // The indexes are read beforehand, and not counted.
        ("hits-warm", 1.1),
        // Nodes of the tree as well, and both sides of a page's end.
        ("short-walks", 4.0),
    ] {
        let pages = pages(task);
        assert!(pages <= most, "{task} reads {pages:.2} pages each");
    }
    // What the kernel does by itself, and did here before.
    let (normal, random) = (pages("hits-normal"), pages("hits-random"));
    assert!(random <= 2.2, "AccessPattern::Random reads {random:.2} pages each");
    assert!(normal > random, "AccessPattern overrides: {normal:.2} and {random:.2} pages each");
}

/// Pages of the index, which lookups read over and over, stay in memory, and pages of records, each
/// of which is read once here, come and go. With an index that the kernel drops as it drops records
/// a lookup reads 1.1 pages and more.
#[test]
fn an_index_stays_in_memory() {
    let directory = directory();
    let Some((path, _)) = table("an_index_stays_in_memory", directory.path()) else { return };
    let read = read_by("spread", &path).expect("there was a cgroup before");
    let pages = read as f64 / (SPREAD * PAGE) as f64;
    println!("spread: {pages:.3} pages each");
    assert!(pages <= 1.02, "a lookup reads {pages:.3} pages");
}

/// What the processes in cgroups do.
#[test]
fn in_a_cgroup() {
    let Ok(task) = std::env::var(TASK) else { return };
    let mut words = task.splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let (group, task, path) = (word(), word(), word());
    fs::write(Path::new(group).join("cgroup.procs"), std::process::id().to_string()).unwrap();
    let start = bytes_read();
    let uncounted = work(task, Path::new(path));
    println!("bytes read: {}", bytes_read() - start - uncounted);
}

fn open(path: &Path, options: OpenOptions) -> Table {
    // SAFETY: nobody else knows the file.
    unsafe { options.open(path) }.expect("a table")
}

/// Does a task; returns how many of the bytes that it has read do not count.
fn work(task: &str, path: &Path) -> u64 {
    let access = match task.split_once('-') {
        Some((_, "random")) => AccessPattern::Random,
        Some((_, "normal")) => AccessPattern::Normal,
        _ => AccessPattern::default(),
    };
    let options = OpenOptions::new().access(access);
    let table = || open(path, options);
    let mut random = Rng::new(7);
    let mut keys = (0..GETS).map(|_| random.below(ENTRIES));
    match task.split('-').next().expect("a word") {
        "plain" => {
            let mut file = File::open(path).unwrap();
            let mut buffer = vec![0; 1 << 20];
            while file.read(&mut buffer).unwrap() > 0 {}
        }
        "verify" => assert_eq!(table().verify().unwrap().entries, ENTRIES),
        "at" => drop(open(path, options.page_checks(PageChecks::AtOpen))),
        "warm" => table().warm(Warm::All).unwrap(),
        "publish" => {
            let target = path.with_extension(task);
            PublishOptions::new().publish(path, &target).unwrap();
            fs::remove_file(target).unwrap();
        }
        "scan" => {
            let table = table();
            let len = |entry: Result<(&[u8], &[u8]), _>| entry.unwrap().1.len();
            let bytes: usize = match task {
                "scan" => table.iter().map(len).sum(),
                _ => table.iter().rev().map(len).sum(),
            };
            assert!(bytes as u64 > ENTRIES * 8);
        }
        "cursor" => {
            let table = table();
            let (mut cursor, mut entries) = (table.cursor(), 0);
            while cursor.next().unwrap() {
                entries += 1;
            }
            assert_eq!(entries, ENTRIES);
        }
        "stats" => assert_eq!(table().stats().unwrap().entries, ENTRIES),
        "hits" => {
            let (table, start) = (table(), bytes_read());
            if task == "hits-warm" {
                table.warm(Warm::Index).unwrap();
            }
            let warm = bytes_read() - start;
            keys.for_each(|i| assert!(table.get(numbered_key(i)).unwrap().is_some()));
            return warm;
        }
        "spread" => {
            let (table, start) = (table(), bytes_read());
            // About a page of records further each time. The first ones bring in the index, the next
            // ones fill the memory, and then pages have to go.
            let mut spread = (0..ENTRIES).step_by(34);
            let mut get = |i| assert!(table.get(numbered_key(i)).unwrap().is_some());
            spread.by_ref().take(8000).for_each(&mut get);
            let filled = bytes_read() - start;
            spread.take(SPREAD as usize).for_each(&mut get);
            return filled;
        }
        "batches" => {
            let (table, mut found) = (table(), Vec::new());
            let keys: Vec<_> = keys.map(numbered_key).collect();
            for batch in keys.chunks(64) {
                table.get_many_into(batch, &mut found).unwrap();
                assert!(found.iter().all(Option::is_some));
            }
        }
        "misses" => {
            let table = table();
            assert!(keys.all(|i| table.get(absent_key(i)).unwrap().is_none()));
        }
        "short" => {
            let table = table();
            for i in keys.map(|i| i.min(ENTRIES - 10)) {
                let key = numbered_key(i);
                assert_eq!(table.range(&key[..]..).take(10).filter(Result::is_ok).count(), 10);
            }
        }
        other => panic!("no task {other}"),
    }
    0
}
