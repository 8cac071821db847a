//! Guards against a warm-up that reads less than it says, one that can't be stopped, a residency
//! that is made up, and options that are silently without effect: a lock that locks nothing, a
//! limit that nobody reports. Guards also against a reader that needs more than read permission.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Mapped, answer, numbered_key, numbered_table, skip};
use graven::{
    AccessPattern, BuildOptions, ErrorKind, OpenError, OpenFailure, OpenOptions, PageChecks,
    ReadFailure, Residency, Section, SectionResidency, Table, Warm,
};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

const ENTRIES: u64 = 600_000;
/// Set for a process with less rights: what it does, and with which table.
const TASK: &str = "GRAVEN_TEST_WARM_TASK";
/// A user without rights, on every system.
const NOBODY: u32 = 65_534;

/// A table that is on disk and, as far as the kernel obeys, not in memory.
fn cold_table(path: &Path) -> u64 {
    let bytes = numbered_table(path, ENTRIES, 1).file_bytes;
    let file = File::open(path).expect("the table");
    file.sync_all().expect("a disk");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a cache");
    bytes
}

fn open(options: OpenOptions, path: &Path) -> Table {
    // SAFETY: nobody else knows the file.
    unsafe { options.open(path) }.expect("a table")
}

fn sections(table: &Table) -> Vec<SectionResidency> {
    match table.residency() {
        Residency::Known(sections) => sections,
        other => panic!("the owner is told: {other:?}"),
    }
}

/// Whether the file system forgets what it is told to forget; a tmpfs can't.
fn forgets(table: &Table) -> bool {
    let resident = table.residency().resident().expect("the owner is told");
    let bytes = table.stats().expect("a sound table").file_bytes;
    let forgets = resident * 4 < bytes;
    if !forgets {
        skip("warm", &format!("{resident} of {bytes} bytes stay in memory, unused"));
    }
    forgets
}

#[test]
fn the_index_is_warm_and_then_everything() {
    let directory = common::directory();
    for access in [AccessPattern::Normal, AccessPattern::Random, AccessPattern::Sequential] {
        let path = directory.path().join("t");
        let bytes = cold_table(&path);
        let table = open(OpenOptions::new().access(access), &path);
        assert_eq!(sections(&table).iter().map(|section| section.bytes).sum::<u64>(), bytes);
        let cold = forgets(&table);

        table.warm(Warm::Index).expect("a sound table");
        for section in sections(&table) {
            let whole = section.resident == section.bytes;
            assert!(whole || section.section == Section::Records, "{access:?}: {section:?}");
            // Some of the records came with the pages around them.
            assert!(
                !cold || !whole || section.section != Section::Records,
                "{access:?}: {section:?}"
            );
        }
        table.warm(Warm::All).expect("a sound table");
        for section in sections(&table) {
            assert_eq!(section.resident, section.bytes, "{access:?}: {section:?}");
        }
        assert_eq!(table.residency().resident(), Some(bytes));
        let rss = Mapped::of("self", &path).sum("Rss") * 1024;
        assert!(rss >= bytes, "{rss} of {bytes} bytes are mapped");
    }
}

#[test]
fn options_warm_before_open_returns() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let bytes = cold_table(&path);
    let table = open(OpenOptions::new().warm(Warm::Index), &path);
    let resident = table.residency().resident().expect("the owner is told");
    assert!(resident >= bytes - sections(&table)[1].bytes, "{resident}");
    drop(table);
    let table = open(OpenOptions::new().warm(Warm::All).access(AccessPattern::Random), &path);
    assert_eq!(table.residency().resident(), Some(bytes));
}

#[test]
fn a_warm_up_is_cancelled_half_way() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let bytes = cold_table(&path);
    let table = open(OpenOptions::new(), &path);
    let cold = forgets(&table);
    let mut told = Vec::new();
    let warmed = table.warm_with(Warm::All, |warmed| {
        told.push(warmed);
        match warmed.done * 2 >= warmed.total {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let warmed = warmed.expect("a sound table");
    assert_eq!(warmed.total, bytes);
    assert!((bytes / 2..bytes / 2 + (2 << 20)).contains(&warmed.done), "{warmed:?}");
    assert_eq!(told.last(), Some(&warmed));
    assert!(told.windows(2).all(|pair| pair[0].done < pair[1].done));
    if cold {
        // What the kernel reads ahead is not ours to stop.
        let resident = table.residency().resident().expect("the owner is told");
        assert!((warmed.done..bytes * 3 / 4).contains(&resident), "{resident} of {bytes}");
    }
    assert!(table.get(numbered_key(ENTRIES - 1)).expect("a sound table").is_some());
    table.warm(Warm::All).expect("a sound table");
    assert_eq!(table.residency().resident(), Some(bytes));
}

#[test]
fn nothing_is_read_for_nothing() {
    let directory = common::directory();
    let path = directory.path().join("t");
    numbered_table(&path, 1_000, 1);
    for table in [open(OpenOptions::new(), &path), Table::load(&path).expect("a table")] {
        let warmed = table.warm_with(Warm::None, |_| panic!("there is no progress to tell"));
        assert_eq!(warmed.map(|warmed| (warmed.done, warmed.total)), Ok((0, 0)));
        table.warm(Warm::All).expect("a sound table");
    }
    let part = fs::read(&path).expect("the table");
    let table = Table::from_bytes(part.clone()).expect("a table");
    assert_eq!(table.residency().resident(), Some(part.len() as u64), "memory is in memory");
    let borrowed = Table::from_bytes(&*part.leak()).expect("a table");
    assert_eq!(borrowed.residency(), Residency::Unknown, "whose memory that is, nobody knows");
}

/// A part of a larger file, at an offset that is no multiple of anything.
#[test]
fn an_embedded_table_is_warmed_and_counted_likewise() {
    let directory = common::directory();
    let (alone, path) = (directory.path().join("alone"), directory.path().join("embedded"));
    numbered_table(&alone, 50_000, 1);
    let table = fs::read(&alone).expect("the table");
    fs::write(&path, [&[1; 12_345][..], &table, &[2; 9_999]].concat()).expect("room");
    let len = table.len() as u64;
    let table = open(OpenOptions::new().section(12_345, len).warm(Warm::All), &path);
    assert_eq!(table.residency().resident(), Some(len));
    assert!(table.is_guarded());
    graven::sigbus::install().expect("the guard");
    File::options().write(true).open(&path).expect("the file").set_len(8192).expect("shorter");
    let told = table.get(numbered_key(40_000));
    let error = told.unwrap_err();
    let ReadFailure::Faulted { offset } = error.failure() else { panic!("{error:?}") };
    assert!(offset < len, "{offset}");
}

// ---------------------------------------------------------------------------------------------
// Limits and rights

/// Not a test when run by itself: a process of another user, or with a limit.
#[test]
fn limited_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (task, path) = task.split_once(' ').expect("a task and a path");
    let path = Path::new(path);
    match task {
        "locks" => {
            // SAFETY: nobody else knows the file.
            let error = unsafe { OpenOptions::new().lock_memory(true).open(path) };
            let error = error.expect_err("more than the limit");
            let OpenFailure::LockRefused { needed, limit, .. } = error.failure() else {
                panic!("{error}")
            };
            assert_eq!(*needed, fs::metadata(path).expect("the table").len());
            assert_eq!(*limit, Some(64 << 10));
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(error.to_string().contains("ulimit -l allows 65536 bytes"), "{error}");
            let error = OpenOptions::new().lock_memory(true).load(path).expect_err("likewise");
            assert!(matches!(error.failure(), OpenFailure::LockRefused { .. }), "{error}");
        }
        "asks" => {
            let table = open(OpenOptions::new().warm(Warm::All), path);
            assert_eq!(table.residency(), Residency::Unknown);
            let copy = Table::load(path).expect("a table");
            let bytes = fs::metadata(path).expect("the table").len();
            assert_eq!(copy.residency().resident(), Some(bytes), "memory of one's own");
        }
        "reads" => {
            assert!(File::options().append(true).open(path).is_err(), "it may write");
            let live = path.parent().expect("a directory").join("live");
            assert!(fs::write(live, "x").is_err(), "it may create files");
            let table = open(OpenOptions::new().warm(Warm::All), path);
            assert!(table.get(numbered_key(7)).expect("a sound table").is_some());
            table.verify().expect("a sound table");
            // SAFETY: nobody changes the file.
            let live = unsafe { graven::Live::open(path) }.expect("a table");
            assert_eq!(live.refresh().expect("still there"), graven::RefreshOutcome::Unchanged);
            assert!(live.pin().get(numbered_key(7)).expect("a sound table").is_some());
        }
        "alone" => {
            let limit = rustix::process::Rlimit { current: Some(1), maximum: Some(1) };
            rustix::process::setrlimit(rustix::process::Resource::Nproc, limit).expect("less");
            assert!(thread::Builder::new().spawn(|| ()).is_err(), "it may start threads");
            let table = open(OpenOptions::new().page_checks(PageChecks::AtOpen), path);
            table.verify().expect("a sound table");
            // A build that would divide its work does all of it in the thread that asks, too.
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("t");
            for threads in [None, Some(4)] {
                let options = BuildOptions::new().threads(threads).memory_budget(1 << 20);
                let mut builder = options.create(&path).expect("a builder");
                for i in (0..50_000).rev() {
                    builder.insert(numbered_key(i), numbered_key(i)).expect("an entry");
                }
                builder.finish().expect("a table");
                open(OpenOptions::new(), &path).verify().expect("a sound table");
            }
        }
        _ => panic!("{task}"),
    }
    answer("done");
}

/// Starts [`limited_process`] as a user without rights. `None`, with a message, where there is
/// no way to become that user or to get at the program.
fn as_nobody(name: &str, command: &mut Command, task: &str, path: &Path) -> Option<()> {
    if !rustix::process::geteuid().is_root() {
        skip(name, "only root may become another user");
        return None;
    }
    command.uid(NOBODY).gid(NOBODY).env(TASK, format!("{task} {}", path.display()));
    let probe = Command::new(std::env::current_exe().expect("the test binary"))
        .arg("--list")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .is_ok_and(|output| output.status.success());
    if !probe {
        skip(name, "that user can't run this program where it stands");
        return None;
    }
    let output = command.output().expect("a child process");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("@answer done"), "{output:?}");
    Some(())
}

/// A table that everybody may read, in a directory that everybody may enter.
fn public_table(directory: &Path) -> PathBuf {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("the owner");
    let path = directory.join("t");
    numbered_table(&path, 20_000, 1);
    path
}

#[test]
fn a_lock_beyond_the_limit_is_an_error_with_numbers() {
    let directory = common::directory();
    let path = public_table(directory.path());
    let mut command = Command::new("sh");
    // The limit first, then the program in the shell's place.
    command.args(["-c", "ulimit -l 64 && exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().expect("the test binary"));
    command.args(common::arguments("limited_process"));
    as_nobody("a_lock_beyond_the_limit", &mut command, "locks", &path);
}

/// As in a container whose number of processes is limited.
#[test]
fn a_table_is_verified_where_no_thread_can_be_started() {
    let directory = common::directory();
    let path = public_table(directory.path());
    let mut command = common::this_binary("limited_process");
    as_nobody("a_table_is_verified", &mut command, "alone", &path);
}

#[test]
fn a_locked_table_is_in_memory() {
    let directory = common::directory();
    let path = directory.path().join("t");
    let bytes = cold_table(&path);
    // SAFETY: nobody else knows the file.
    match unsafe { OpenOptions::new().lock_memory(true).open(&path) }
        .map_err(OpenError::into_failure)
    {
        Ok(table) => {
            assert_eq!(table.residency().resident(), Some(bytes));
            assert!(Mapped::of("self", &path).sum("Locked") * 1024 >= bytes);
        }
        Err(OpenFailure::LockRefused { limit, .. }) => {
            skip("a_locked_table", &format!("the limit is {limit:?}"));
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn residency_is_unknown_to_a_user_who_would_be_told_a_lie() {
    let directory = common::directory();
    let path = public_table(directory.path());
    let mut command = common::this_binary("limited_process");
    as_nobody("residency_is_unknown", &mut command, "asks", &path);
}

/// Unmounts when dropped.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(from: &Path, to: &Path) -> Option<Self> {
        let mount = |args: &[&str], paths: &[&Path]| {
            let status = Command::new("mount").args(args).args(paths).output();
            status.is_ok_and(|output| output.status.success())
        };
        fs::create_dir(to).expect("a directory");
        if !mount(&["--bind"], &[from, to]) {
            return None;
        }
        let mounted = Self(to.to_owned());
        mount(&["-o", "remount,bind,ro"], &[to]).then_some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn read_permission_on_a_read_only_mount_is_enough() {
    let directory = common::directory();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("the owner");
    let (real, seen) = (directory.path().join("real"), directory.path().join("seen"));
    fs::create_dir(&real).expect("a directory");
    let path = public_table(&real);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("the owner");
    let Some(mounted) = ReadOnly::mount(&real, &seen) else {
        return skip("read_permission", "nothing can be mounted here");
    };
    let mut command = common::this_binary("limited_process");
    as_nobody("read_permission", &mut command, "reads", &seen.join("t"));
    drop(mounted);
}
