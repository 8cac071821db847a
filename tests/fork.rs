//! Guards against a table that does not survive `fork`: prefork servers open it once in the parent
//! and read it in every child. Guards also against a handle whose helper thread, which no child
//! has, is waited for in a child for ever, or a pool of threads that only the parent has.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "forks, and maps files of its own")]

mod common;

use common::{Index, VALUE};
use common::{Mapped, numbered_key, numbered_table, numbered_value, value_len};
use graven::{Live, OpenOptions, PageChecks, RefreshOutcome, Table, sigbus};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

const ENTRIES: u64 = 20_000;
const CHILDREN: usize = 8;
/// Set for a process that forks: its directory. Beside the thread that forks it has only the test
/// harness, which waits.
const FORKS: &str = "GRAVEN_TEST_FORK";

/// Runs `work` in a child; gives its process number. A child that panics or hangs fails.
fn child(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: no other thread is at work when the process forks, so the child may do anything.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: no precondition.
            unsafe { libc::alarm(60) };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: no precondition.
            unsafe { libc::_exit(if done { 0 } else { 1 }) }
        }
        child => {
            assert!(child > 0, "no child process");
            child
        }
    }
}

fn wait(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: the pointer is valid for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "child {child}");
}

fn read_all(table: &Table, edition: u8) {
    let mut expected = [0; VALUE];
    for i in 0..ENTRIES {
        numbered_value(i, edition, &mut expected);
        let found = table.get(numbered_key(i)).expect("a sound table");
        assert_eq!(found, Some(&expected[..value_len(i, Index::Hash)]), "{i}");
    }
}

fn open(path: &Path) -> Live {
    open_with(path, &OpenOptions::new())
}

fn open_with(path: &Path, options: &OpenOptions) -> Live {
    // SAFETY: replaced by rename alone, until the end.
    unsafe { Live::open_with(path, options) }.expect("a table")
}

/// Not a test when run by itself: a server that forks.
#[test]
fn forking_process() {
    let Some(directory) = std::env::var_os(FORKS) else { return };
    let path = Path::new(&directory).join("t");
    numbered_table(&path, ENTRIES, 1);
    // What is not on disk yet counts as dirty, whoever maps it.
    File::open(&path).and_then(|file| file.sync_all()).expect("a disk");
    sigbus::install().expect("the guard");
    let live = open(&path);
    let pinned = live.pin();

    // Every child reads the parent's table, without a copy of it.
    let children: Vec<_> = (0..CHILDREN)
        .map(|_| {
            child(|| {
                read_all(&pinned, 1);
                assert_eq!(live.refresh().expect("the same table"), RefreshOutcome::Unchanged);
                assert_eq!(Mapped::of("self", &path).sum("Private_Dirty"), 0);
            })
        })
        .collect();
    children.into_iter().for_each(wait);

    // Whatever threads checked the table in the parent, a child has none of them.
    let checked = open_with(&path, &OpenOptions::new().page_checks(PageChecks::AtOpen));
    pinned.verify().expect("a sound table");
    wait(child(|| _ = pinned.verify().expect("a sound table")));

    // Nor has it those that built one there: it builds with its own.
    wait(child(|| _ = numbered_table(&Path::new(&directory).join("of a child"), ENTRIES, 1)));

    // A child that finds a new table leaves the parent's alone.
    numbered_table(&path, ENTRIES, 2);
    wait(child(|| {
        assert_eq!(checked.refresh().expect("a table"), RefreshOutcome::Swapped);
        read_all(&checked.pin(), 2);
    }));
    wait(child(|| {
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
        read_all(&live.pin(), 2);
        read_all(&pinned, 1);
        live.refresh_every(Duration::from_millis(1), Duration::ZERO).expect("a thread");
    }));
    read_all(&live.pin(), 1);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);

    // Dropped in a child, the handle does not wait for the parent's thread.
    live.refresh_every(Duration::from_secs(3600), Duration::ZERO).expect("a thread");
    let mut live = Some(live);
    wait(child(|| {
        read_all(&live.as_ref().expect("still there").pin(), 2);
        drop(live.take());
    }));
    read_all(&live.as_ref().expect("the parent's own").pin(), 2);

    // The guard is inherited: what a child loses, it loses alone.
    let other = Path::new(&directory).join("other");
    numbered_table(&other, ENTRIES, 1);
    let lossy = open(&other);
    std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("the owner");
    File::options().write(true).open(&other).expect("the table").set_len(0).expect("shorter");
    wait(child(|| {
        assert!(lossy.pin().get(numbered_key(7)).is_err() && lossy.pin().is_faulted());
        read_all(&pinned, 1);
    }));
    assert!(!lossy.pin().is_faulted(), "the parent has not touched it");
    println!("as it should be");
}

#[test]
fn a_table_opened_before_fork_works_in_every_child() {
    let directory = common::directory();
    let mut process = common::this_binary("forking_process");
    let output = process.env(FORKS, directory.path()).output().expect("a process");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("as it should be"), "{output:?}");
}
