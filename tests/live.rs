//! Guards against a live table that goes wrong when something else does: a bad file at the path
//! that takes the good table away, a change that is not seen because an inode number came back, a
//! refresh that costs more than a look, an old table that never goes. Guards also against readers
//! that see a table change under them.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Mapped, field, numbered_table};
use graven::{
    BuildOptions, ErrorKind, Live, LiveStatus, OpenError, OpenFailure, OpenOptions, PageChecks,
    PublishOptions, RefreshOutcome, Table, TypedLive, TypedTable, Versions, Warm, sigbus,
};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Set for a process that goes through many replacements: its directory.
const REPLACED: &str = "GRAVEN_TEST_LIVE_REPLACED";

fn publish(path: &Path, value: &str) {
    // May be written to, so that tests can spoil it.
    let options = BuildOptions::new().durable(false).mode(0o644);
    let mut builder = options.create(path).expect("a builder");
    builder.insert(b"key", value.as_bytes()).expect("an entry");
    builder.finish().expect("a table");
}

/// A table, in a directory that vanishes with it.
fn table(value: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = common::directory();
    let path = directory.path().join("t.grv");
    publish(&path, value);
    (directory, path)
}

fn open(path: &Path) -> Live {
    // SAFETY: the tests replace by rename, or spoil files that nobody reads any more.
    unsafe { Live::open(path) }.expect("a table")
}

fn value(table: &Table) -> &str {
    std::str::from_utf8(table.get(b"key").expect("a sound table").expect("a value")).expect("text")
}

/// Puts other bytes in the table's place, by rename.
fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("room");
    fs::rename(&new, path).expect("renamed");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the table's owner");
}

#[test]
fn a_new_table_is_swapped_in_and_pins_stay() {
    let (_directory, path) = table("one");
    let live = open(&path);
    assert_eq!(live.path(), path);
    let first = live.pin();
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
    publish(&path, "two");
    assert_eq!(value(&live.pin()), "one", "nobody has looked yet");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
    assert_eq!((value(&first), value(&live.pin())), ("one", "two"));
    assert_eq!((first.generation(), live.pin().generation()), (1, 2));
    let kept = Table::clone(&first);
    drop((first, live));
    assert_eq!(value(&kept), "one", "a clone outlives the handle");
}

#[test]
fn the_status_tells_what_is_served() {
    let (_directory, path) = table("one");
    let live = open(&path);
    let status = live.status();
    assert_eq!((status.version, status.generation, status.failure), (None, 1, None));
    assert_eq!(status.build_id, live.pin().build_id());
    assert_eq!(status.build_id, live.pin().stats().expect("a sound table").build_id);
    thread::sleep(Duration::from_millis(5));
    let before = live.status();
    assert!(before.age >= Duration::from_millis(5));
    publish(&path, "two");
    live.refresh().expect("a table");
    let after = live.status();
    assert!(after.build_id != before.build_id && after.generation == 2);
}

/// A table of other types is refused as a broken one is; one of the same types heals.
#[test]
fn a_typed_handle_serves_its_types_alone() {
    let (_directory, path) = table("bytes");
    let options = BuildOptions::new().durable(false);
    // SAFETY: the tables of this test are replaced by rename.
    let error = unsafe { TypedLive::<u32, f64>::open(&path) }.expect_err("a table of bytes");
    assert!(matches!(error.failure(), OpenFailure::TypeMismatch { .. }), "{error}");

    options.build_typed(&path, [(7_u32, 1.5_f64)]).expect("a table");
    // SAFETY: the tables of this test are replaced by rename.
    let live = unsafe { TypedLive::<u32, f64>::open(&path) }.expect("these types");
    let (swaps, failures) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (swapped, failed) = (Arc::clone(&swaps), Arc::clone(&failures));
    live.on_swap(move |_| _ = swapped.fetch_add(1, Relaxed));
    live.on_failure(move |_| _ = failed.fetch_add(1, Relaxed));
    assert_eq!(live.path(), path);
    let first = live.pin();
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);

    options.build_typed(&path, [(7_u32, 1.5_f32)]).expect("a table");
    for _ in 0..2 {
        let error = live.refresh().expect_err("other values");
        assert!(
            matches!(error.failure(), OpenFailure::TypeMismatch { part: "value", .. }),
            "{error}"
        );
        let status = live.status();
        assert_eq!((status.failure, status.generation), (Some(error.to_string()), 1));
        assert_eq!(live.pin().get(&7).expect("a sound table"), Some(&1.5));
    }
    publish(&path, "bytes");
    let error = live.refresh().unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::TypeMismatch { part: "key", .. }));

    options.build_typed(&path, [(7_u32, 2.5_f64)]).expect("a table");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!((live.status().failure, live.status().generation), (None, 2));
    assert_eq!(live.pin().get(&7).expect("a sound table"), Some(&2.5));
    assert_eq!(first.get(&7).expect("a sound table"), Some(&1.5), "pinned, so unchanged");
    assert_eq!((first.generation(), live.pin().generation()), (1, 2));
    assert_eq!((swaps.load(Relaxed), failures.load(Relaxed)), (1, 3), "calls of the hooks");
    let kept = TypedTable::clone(&first);
    drop((first, live));
    assert_eq!(kept.get(&7).expect("a sound table"), Some(&1.5), "a clone outlives the handle");
}

/// The helper thread of a typed handle refuses other types as well.
#[test]
fn a_typed_handle_follows_by_itself() {
    let (_directory, path) = table("bytes");
    let options = BuildOptions::new().durable(false);
    options.build_typed(&path, [(1_u8, 1_u8)]).expect("a table");
    // SAFETY: the tables of this test are replaced by rename.
    let opened = unsafe { TypedLive::<u8, u8>::open_with(&path, &OpenOptions::new()) };
    let live = opened.expect("these types");
    live.refresh_every(Duration::from_millis(1), Duration::ZERO).expect("a thread");
    let until = |done: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(60);
        while !done() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(done());
    };
    options.build_typed(&path, [(1_u8, 1_i8)]).expect("a table");
    until(&|| live.status().failure.is_some());
    assert_eq!(live.status().generation, 1);
    options.build_typed(&path, [(1_u8, 3_u8)]).expect("a table");
    until(&|| live.status().generation == 2);
    assert_eq!(live.pin().get(&1).expect("a sound table"), Some(&3));
}

/// Every bad file is refused with its own error; the old table goes on, and a good one heals.
#[test]
fn a_bad_file_leaves_the_old_table() {
    let (directory, path) = table("one");
    let good = fs::read(&path).expect("the table");
    let live = open(&path);
    let spoiled = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let resealed = |at: usize, byte: u8| {
        spoiled(&|bytes| {
            bytes[at] = byte;
            bytes[112..116].fill(0);
            let size = u32::from_le_bytes(bytes[12..16].try_into().expect("four bytes")) as usize;
            let crc = crc32fast::hash(&bytes[..size]);
            bytes[112..116].copy_from_slice(&crc.to_le_bytes());
        })
    };
    type Check = fn(&OpenError) -> bool;
    let bad: [(&str, Vec<u8>, Check); 8] = [
        ("empty", Vec::new(), |e| matches!(e.failure(), OpenFailure::TooShort { .. })),
        ("foreign", b"PNG or whatever this is".repeat(99), |e| {
            matches!(e.failure(), OpenFailure::NotATable { .. })
        }),
        ("truncated", spoiled(&|bytes| bytes.truncate(bytes.len() - 1)), |e| {
            matches!(e.failure(), OpenFailure::Truncated { .. })
        }),
        ("longer", spoiled(&|bytes| bytes.push(0)), |e| {
            matches!(e.failure(), OpenFailure::TrailingBytes { .. })
        }),
        ("header", spoiled(&|bytes| bytes[20] ^= 1), |e| {
            matches!(e.failure(), OpenFailure::HeaderChecksum { .. })
        }),
        ("footer", spoiled(&|bytes| *bytes.last_mut().expect("a byte") ^= 1), |e| {
            matches!(e.failure(), OpenFailure::FooterMismatch { .. })
        }),
        ("later format", resealed(8, 9), |e| {
            matches!(e.failure(), OpenFailure::UnsupportedVersion { .. })
        }),
        ("older format", resealed(8, 0), |e| {
            matches!(e.failure(), OpenFailure::UnsupportedVersion { .. })
        }),
    ];
    for (name, bytes, expected) in bad {
        replace(&path, &bytes);
        for _ in 0..2 {
            let error = live.refresh().expect_err(name);
            assert!(expected(&error), "{name}: {error:?}");
            assert_eq!(live.status().failure, Some(error.to_string()), "{name}");
            assert_eq!(value(&live.pin()), "one", "{name}");
        }
    }
    fs::remove_file(&path).expect("a file");
    let error = live.refresh().expect_err("nothing is there");
    let OpenFailure::Io { source, .. } = &error.failure() else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    fs::create_dir(&path).expect("a directory");
    let error = live.refresh().expect_err("a directory is there");
    assert!(
        matches!(error.failure(), OpenFailure::NotARegularFile { kind: "directory" }),
        "{error}"
    );
    assert_eq!(value(&live.pin()), "one");
    fs::remove_dir(&path).expect("a directory");
    publish(&path, "two");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!((value(&live.pin()), live.status().failure), ("two", None));
    // The failure is also over when the very same file comes back.
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).expect("renamed");
    assert!(live.refresh().is_err() && live.status().failure.is_some());
    fs::rename(&aside, &path).expect("renamed");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
    assert_eq!(live.status().failure, None);
}

/// With `PageChecks::AtOpen`, damage behind the header is found before the swap as well.
#[test]
fn damage_is_found_before_the_swap_if_asked_for() {
    let (directory, path) = table("one");
    let mut bytes = fs::read(&path).expect("the table");
    let other = directory.path().join("other");
    publish(&other, "two");
    bytes.clone_from(&fs::read(&other).expect("the table"));
    let at = bytes.windows(3).position(|three| three == b"two").expect("the value");
    bytes[at] ^= 1;
    let careful = OpenOptions::new().page_checks(PageChecks::AtOpen).warm(Warm::All);
    // SAFETY: as above.
    let live = unsafe { Live::open_with(&path, &careful) }.expect("a table");
    replace(&path, &bytes);
    assert!(matches!(live.refresh().unwrap_err().failure(), OpenFailure::Damaged(_)));
    assert_eq!(value(&live.pin()), "one");
}

/// An expected build holds for every later table: another one is refused, and the old one goes on.
#[test]
fn another_build_is_not_swapped_in() {
    let (_directory, path) = table("one");
    let id = Table::load(&path).expect("a table").build_id();
    let options = OpenOptions::new().expect_build_id(id);
    // SAFETY: as above.
    let live = unsafe { Live::open_with(&path, &options) }.expect("a table");
    publish(&path, "two");
    let refused = live.refresh().unwrap_err();
    assert!(matches!(refused.failure(), OpenFailure::OtherBuild { asked, .. } if *asked == id));
    assert_eq!(value(&live.pin()), "one");
    assert!(live.status().failure.is_some());
    // SAFETY: as above.
    let other = unsafe { Live::open_with(&path, &options) };
    assert!(matches!(other.unwrap_err().failure(), OpenFailure::OtherBuild { .. }));
    publish(&path, "one");
    assert_eq!(live.refresh().expect("the build"), RefreshOutcome::Unchanged);
    assert_eq!(live.status().failure, None);
}

/// Whatever happens to a file but not to its content reloads nothing: readers keep their pages,
/// and from then on the file as it is now is the one that is compared with.
#[test]
fn chmod_a_hard_link_a_new_time_and_a_copy_reload_nothing() {
    let (directory, path) = table("one");
    let options = OpenOptions::new().page_checks(PageChecks::AtOpen).warm(Warm::All);
    // SAFETY: as above.
    let live = unsafe { Live::open_with(&path, &options) }.expect("a table");
    let other = directory.path().join("other");
    let backup = path.with_extension("new");
    let touches: [(&str, &dyn Fn()); 6] = [
        ("chmod", &|| set_mode(&path, 0o600)),
        ("hard link", &|| fs::hard_link(&path, &other).expect("a link")),
        ("hard link gone", &|| fs::remove_file(&other).expect("a link")),
        ("time", &|| {
            let file = File::options().write(true).open(&path).expect("the table");
            file.set_modified(std::time::UNIX_EPOCH).expect("another time");
        }),
        ("renamed away and back", &|| {
            fs::rename(&path, &other).expect("renamed");
            fs::rename(&other, &path).expect("renamed");
        }),
        ("copy", &|| {
            fs::copy(&path, &backup).expect("a copy");
            fs::rename(&backup, &path).expect("renamed");
        }),
    ];
    let before = live.pin();
    let since = live.status().age;
    for (name, touch) in touches {
        touch();
        for _ in 0..3 {
            assert_eq!(live.refresh().expect(name), RefreshOutcome::Unchanged, "{name}");
            let after = live.pin();
            assert_eq!(value(&after).as_ptr(), value(&before).as_ptr(), "{name}");
            assert_eq!((after.generation(), live.status().failure), (1, None), "{name}");
        }
    }
    assert!(live.status().age >= since, "no other table has come");
    publish(&path, "two");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(value(&live.pin()), "two");
}

/// The same content in another file is not worth new pages. But the new file must be held: if it
/// went and a third one got its number, that one would pass for it.
#[test]
fn the_same_content_is_no_new_table_but_is_followed() {
    let (directory, path) = table("one");
    let other = directory.path().join("other");
    let live = open(&path);
    for round in 0..100 {
        let same = fs::read(&path).expect("the table");
        let before = live.pin();
        replace(&path, &same);
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
        let after = live.pin();
        assert_eq!(value(&after).as_ptr(), value(&before).as_ptr(), "readers keep their pages");
        assert_eq!(after.generation(), before.generation());

        let text = format!("{round:03}");
        publish(&other, &text);
        let new = fs::read(&other).expect("the table");
        fs::remove_file(&path).expect("a file");
        // The file that is made next gets the number, if it is free.
        replace(&path, &new);
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped, "round {round}");
        assert_eq!(value(&live.pin()), text);
    }
}

/// ext4 gives the number of a removed file to the next one at once. A file that is in use keeps
/// its number, so a change is seen even if the two files look alike in all that `stat` says.
#[test]
fn a_reused_inode_number_hides_nothing() {
    let (_directory, path) = table("a-1");
    let live = open(&path);
    let mut reused = 0;
    let mut last = 0;
    for round in 0..200 {
        fs::remove_file(&path).expect("a file");
        publish(&path, &format!("{}-{round:03}", ["b", "a"][round % 2]));
        let inode = fs::metadata(&path).expect("the table").ino();
        reused += u32::from(inode == last);
        last = inode;
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped, "round {round}");
        assert!(value(&live.pin()).ends_with(&format!("{round:03}")));
    }
    assert_eq!(reused, 0, "the number of a table in use was given out");
}

#[test]
fn a_table_that_lost_pages_is_replaced_by_the_same_file_made_whole() {
    let (_directory, path) = table("one");
    sigbus::install().expect("the guard");
    let live = open(&path);
    let whole = fs::read(&path).expect("the table");
    // What `cp` over a table does.
    let file = File::options().write(true).open(&path).expect("the table");
    file.set_len(0).expect("shorter");
    assert!(live.pin().get(b"key").is_err() && live.pin().is_faulted());
    assert!(live.refresh().is_err(), "an empty file");
    std::os::unix::fs::FileExt::write_all_at(&file, &whole, 0).expect("room");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(value(&live.pin()), "one");
}

/// What `cp` over a table does, when nobody reads meanwhile: the same file, with a smaller table.
/// It is opened anew, and not met as pages that are gone.
#[test]
fn a_smaller_table_written_over_the_file_is_opened_anew() {
    let (directory, path) = table("small");
    let small = fs::read(&path).expect("the table");
    let large = directory.path().join("large");
    numbered_table(&large, 20_000, 1);
    replace(&path, &fs::read(&large).expect("the table"));
    let live = open(&path);
    assert_eq!(live.pin().len(), 20_000);
    let inode = fs::metadata(&path).expect("the table").ino();
    fs::write(&path, &small).expect("room");
    assert_eq!(fs::metadata(&path).expect("the table").ino(), inode);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!((live.pin().len(), value(&live.pin())), (1, "small"));
    live.pin().verify().expect("a sound table");
}

#[test]
fn a_versioned_directory_is_followed_through_its_link() {
    let directory = common::directory();
    let root = directory.path().join("prices");
    let version = |name: &str, text: &str| {
        let home = root.join("versions").join(name);
        fs::create_dir_all(&home).expect("a directory");
        publish(&home.join("table.grv"), text);
        let link = root.join("next");
        symlink(format!("versions/{name}/table.grv"), &link).expect("a link");
        fs::rename(link, root.join("CURRENT")).expect("renamed");
    };
    version("7", "seven");
    let live = open(&root);
    assert_eq!((value(&live.pin()), live.status().version.as_deref()), ("seven", Some("7")));
    version("8", "eight");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!((value(&live.pin()), live.status().version.as_deref()), ("eight", Some("8")));
    // Back again, with the new version swept away.
    version("7", "seven");
    fs::remove_dir_all(root.join("versions/8")).expect("a directory");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!((value(&live.pin()), live.status().version.as_deref()), ("seven", Some("7")));
    // A link to nowhere.
    fs::remove_dir_all(root.join("versions/7")).expect("a directory");
    assert!(matches!(live.refresh().unwrap_err().failure(), OpenFailure::Io { .. }));
    assert_eq!(value(&live.pin()), "seven");
}

/// The same with what `graven publish --dir` calls: published, rolled back, removed.
#[test]
fn published_versions_are_followed() {
    let (directory, source) = table("one");
    let root = directory.path().join("prices");
    let (versions, options) = (Versions::new(&root), PublishOptions::new().durable(false));
    let first = versions.publish(&source, &options).expect("a version");
    let live = open(&root);
    let served = || (live.status().version.expect("a name"), value(&live.pin()).to_owned());
    assert_eq!(served(), (first.id.clone(), "one".to_owned()));
    publish(&source, "two");
    let second = versions.publish(&source, &options).expect("a version");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(served(), (second.id.clone(), "two".to_owned()));
    versions.roll_back(None).expect("the first one");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(served(), (first.id, "one".to_owned()));
    // Removed under a reader that has not looked.
    versions.roll_back(Some(&second.id)).expect("the second one");
    assert_eq!(versions.prune(1, Duration::ZERO).expect("the first one").len(), 1);
    assert_eq!(value(&live.pin()), "one");
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    assert_eq!(served(), (second.id, "two".to_owned()));
}

/// Forth and back between two versions while eight threads read.
#[test]
fn rollback_under_load() {
    let (_directory, path) = table("old");
    let live = open(&path);
    let (ended, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !ended.load(Relaxed) {
                    let table = live.pin();
                    let first = value(&table);
                    for _ in 0..50 {
                        assert_eq!(value(&table), first, "one table, one version");
                    }
                    reads.fetch_add(50, Relaxed);
                }
            });
        }
        for round in 0..300 {
            let version = ["new", "old"][round % 2];
            publish(&path, version);
            assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
            assert_eq!(value(&live.pin()), version);
        }
        ended.store(true, Relaxed);
    });
    assert!(reads.load(Relaxed) > 0);
}

#[test]
fn threads_that_refresh_together_swap_once() {
    let (_directory, path) = table("0");
    let live = open(&path);
    for round in 1..50u64 {
        publish(&path, &round.to_string());
        let swaps = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let refreshed = live.refresh().expect("a table");
                    swaps.fetch_add(u64::from(refreshed == RefreshOutcome::Swapped), Relaxed);
                });
            }
        });
        assert_eq!((swaps.load(Relaxed), live.pin().generation()), (1, round + 1));
    }
}

#[test]
fn the_helper_thread_follows_and_ends_with_the_handle() {
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").expect("tasks");
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let names = tasks.filter_map(|task| name(task.expect("a task")));
        names.filter(|name| name.starts_with("graven-refresh")).count()
    };
    let (_directory, path) = table("0");
    let live = open(&path);
    live.refresh_every(Duration::from_millis(2), Duration::from_millis(2)).expect("a thread");
    for round in 1..20 {
        publish(&path, &round.to_string());
        let start = Instant::now();
        while value(&live.pin()) != round.to_string() {
            assert!(start.elapsed() < Duration::from_secs(30), "nobody has refreshed");
            thread::sleep(Duration::from_millis(1));
        }
    }
    fs::write(path.with_extension("bad"), "bad").expect("a file");
    fs::rename(path.with_extension("bad"), &path).expect("renamed");
    let start = Instant::now();
    while live.status().failure.is_none() {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody has told");
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(value(&live.pin()), "19");
    // Replaced by a lazy one, which is stopped while it waits.
    live.refresh_every(Duration::from_secs(3600), Duration::MAX).expect("a thread");
    let start = Instant::now();
    // A thread takes its name when it first runs.
    while threads() != 1 {
        assert!(start.elapsed() < Duration::from_secs(30), "{} threads", threads());
    }
    drop(live);
    assert_eq!(threads(), 0);
}

/// Puts the start of the table in its place: a table that is damaged, which builds replace.
fn cut(path: &Path) {
    let bytes = fs::read(path).expect("a table");
    replace(path, &bytes[..100]);
}

/// What a hook was called with, and on which thread.
type Calls<T> = Arc<Mutex<Vec<(T, thread::ThreadId)>>>;

fn soon(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "not yet: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn hooks_tell_of_each_swap_and_each_failure() {
    let (_directory, path) = table("0");
    let live = open(&path);
    let (swaps, failures): (Calls<_>, Calls<_>) = Default::default();
    let (seen, told) = (Arc::clone(&swaps), Arc::clone(&failures));
    live.on_swap(move |status| seen.lock().unwrap().push((status.clone(), thread::current().id())));
    live.on_failure(move |error| {
        told.lock().unwrap().push((error.to_string(), thread::current().id()));
    });
    let taken = |calls: &Calls<LiveStatus>| std::mem::take(&mut *calls.lock().unwrap());
    live.refresh().expect("a table");
    assert!(taken(&swaps).is_empty(), "nothing has changed");
    publish(&path, "1");
    live.refresh().expect("a table");
    let [(status, thread)] = &taken(&swaps)[..] else { panic!("one call") };
    assert_eq!((status.generation, *thread), (2, thread::current().id()));
    assert_eq!((status.build_id, &status.failure), (live.status().build_id, &None));
    // The same content under another look is no swap.
    set_mode(&path, 0o600);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
    assert!(taken(&swaps).is_empty() && failures.lock().unwrap().is_empty());
    cut(&path);
    for _ in 0..2 {
        let error = live.refresh().expect_err("no table");
        let calls = std::mem::take(&mut *failures.lock().unwrap());
        assert_eq!(calls, [(error.to_string(), thread::current().id())]);
    }
    // The status that a swap after a failure comes with has no failure any more.
    publish(&path, "2");
    live.refresh().expect("a table");
    let [(status, _)] = &taken(&swaps)[..] else { panic!("one call") };
    assert_eq!((status.generation, &status.failure), (3, &None));
    // Another hook takes the place of the first.
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    live.on_swap(move |_| {
        counter.fetch_add(1, Relaxed);
    });
    publish(&path, "3");
    live.refresh().expect("a table");
    assert_eq!((count.load(Relaxed), taken(&swaps).len()), (1, 0));
}

#[test]
fn a_panic_in_a_hook_does_not_end_the_thread() {
    let (_directory, path) = table("0");
    let live = open(&path);
    let here = thread::current().id();
    let (swaps, failures) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (seen, told) = (Arc::clone(&swaps), Arc::clone(&failures));
    live.on_swap(move |_| {
        assert_ne!(thread::current().id(), here);
        seen.fetch_add(1, Relaxed);
        panic!("a hook of a test panics");
    });
    live.on_failure(move |_| {
        told.fetch_add(1, Relaxed);
        panic!("a hook of a test panics");
    });
    live.refresh_every(Duration::from_millis(1), Duration::ZERO).expect("a thread");
    for round in 1..4 {
        publish(&path, &round.to_string());
        soon("a swap", || swaps.load(Relaxed) == round);
        assert_eq!(value(&live.pin()), round.to_string());
    }
    cut(&path);
    soon("failures", || failures.load(Relaxed) >= 2);
    publish(&path, "4");
    soon("a swap", || swaps.load(Relaxed) == 4);
}

/// A hook may use the handle: no lock is held while it runs.
#[test]
fn a_hook_may_use_and_drop_the_handle() {
    let (_directory, path) = table("0");
    let live = Arc::new(open(&path));
    let weak = Arc::downgrade(&live);
    let generations = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&generations);
    live.on_swap(move |status| {
        let Some(live) = weak.upgrade() else { return };
        live.on_failure(|_| {});
        let refreshed = live.refresh().expect("a table");
        assert_eq!(refreshed, RefreshOutcome::Unchanged);
        seen.lock().unwrap().push((status.generation, live.pin().generation()));
    });
    publish(&path, "1");
    live.refresh().expect("a table");
    assert_eq!(*generations.lock().unwrap(), [(2, 2)]);

    // The last handle is dropped by the thread that it would wait for.
    let dropped = Arc::new(AtomicBool::new(false));
    let (done, last) = (Arc::clone(&dropped), Arc::new(Mutex::new(None::<Arc<Live>>)));
    let held = Arc::clone(&last);
    live.on_swap(move |_| {
        drop(held.lock().unwrap().take());
        done.store(true, Relaxed);
    });
    live.refresh_every(Duration::from_millis(1), Duration::ZERO).expect("a thread");
    *last.lock().unwrap() = Some(live);
    publish(&path, "2");
    soon("the handle is dropped", || dropped.load(Relaxed));
}

/// Not a test when run by itself: a process in which nothing else happens.
#[test]
fn replacing_process() {
    let Some(directory) = std::env::var_os(REPLACED).map(PathBuf::from) else { return };
    let path = directory.join("t.grv");
    let tables = [1, 2].map(|edition| {
        numbered_table(&path, 20_000, edition);
        fs::read(&path).expect("the table")
    });
    let file = tables[0].len() as u64 / 1024;
    let live = open(&path);
    let held = || {
        let files = fs::read_dir("/proc/self/fd").expect("fd").count();
        let mappings = fs::read_to_string("/proc/self/maps").expect("maps").lines().count();
        let rollup = fs::read_to_string("/proc/self/smaps_rollup").expect("smaps_rollup");
        let pss = Mapped::of("self", &path).sum("Pss");
        (files, mappings, field(&rollup, "Private_Dirty"), pss)
    };
    let mut early = None;
    for round in 0..1_000usize {
        replace(&path, &tables[round % 2]);
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
        live.pin().warm(Warm::All).expect("a sound table");
        if round == 100 {
            early = Some(held());
        }
    }
    let (early, late) = (early.expect("measured"), held());
    println!("open files, mappings, private and shared KiB: {early:?}, later {late:?}");
    assert!(late.0 <= early.0 && late.1 <= early.1 + 2, "{early:?} grew to {late:?}");
    assert!(late.2 <= early.2 + 256, "{early:?} grew to {late:?}");
    assert!(late.3 <= file * 11 / 10 + 8, "{late:?} of a table of {file} KiB");
    println!("as it should be");
}

#[test]
fn a_thousand_replacements_leave_nothing_behind() {
    let directory = common::directory();
    let mut process = common::this_binary("replacing_process");
    let output = process.env(REPLACED, directory.path()).output().expect("a child process");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("as it should be"), "{output:?}");
}

#[test]
fn a_deleted_table_is_read_to_the_end() {
    let (directory, path) = table("one");
    let live = open(&path);
    fs::remove_file(&path).expect("a file");
    fs::remove_dir_all(directory.path()).expect("a directory");
    let error = live.refresh().expect_err("there is nothing");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("look for a new table"), "{error}");
    assert_eq!(value(&live.pin()), "one");
    live.pin().verify().expect("a sound table");
}
