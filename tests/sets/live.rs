//! A set that is followed while versions come and go.

#![expect(unsafe_code, reason = "tests follow what they have written")]

use super::super::{common, numbered, open, quick, write};
use graven::{
    BuildOptions, ErrorKind, HashIndex, LiveSet, OpenOptions, PageChecks, PublishOptions,
    RefreshOutcome, SetError, SetOptions, Versions, Warm, sigbus,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn follow(path: &Path, options: &SetOptions) -> Result<LiveSet, SetError> {
    // SAFETY: nobody changes the files of a set while a test has it open, but where it says so.
    unsafe { LiveSet::open_with(path, options) }
}

fn live(path: &Path) -> LiveSet {
    follow(path, &SetOptions::new()).unwrap()
}

fn soon(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "not yet: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts other bytes in place of a file, by rename.
fn replace(path: &Path, bytes: impl AsRef<[u8]>) {
    let new = path.with_extension("replaced");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_failure_is_told_until_a_refresh_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    let live = live(dir.path());
    let (swaps, failures) = (Arc::new(Mutex::new(vec![])), Arc::new(Mutex::new(vec![])));
    let (swapped, failed) = (Arc::clone(&swaps), Arc::clone(&failures));
    live.on_swap(move |status| swapped.lock().unwrap().push(status.clone()));
    live.on_failure(move |error| failed.lock().unwrap().push(error.to_string()));
    assert_eq!(live.path(), dir.path());
    let version = |live: &LiveSet| {
        let path = live.pin().path().to_owned();
        path.file_name().unwrap().to_string_lossy().into_owned()
    };
    let first = live.status();
    assert_eq!((first.generation, &first.failure), (1, &None));
    assert_eq!(first.version, Some(version(&live)));
    assert_eq!(first.build_id, live.pin().manifest().id);

    write(&quick().shard_entries(3), dir.path(), &numbered(20));
    let current = Versions::new(dir.path()).current().unwrap();
    let manifest = current.join("MANIFEST.json");
    let good = fs::read(&manifest).unwrap();
    replace(&manifest, "{}");
    for round in 1..=2 {
        let error = live.refresh().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert_eq!(live.status().failure, Some(error.to_string()));
        assert_eq!((live.pin().generation(), live.pin().len()), (1, 10));
        assert_eq!(*failures.lock().unwrap(), vec![error.to_string(); round]);
    }
    fs::remove_file(&manifest).unwrap();
    let error = live.refresh().unwrap_err();
    assert_eq!(
        (error.kind(), error.path()),
        (ErrorKind::Io, Some(&*dir.path().join("CURRENT/MANIFEST.json")))
    );
    assert!(swaps.lock().unwrap().is_empty());
    replace(&manifest, good);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    let status = live.status();
    assert_eq!((status.generation, &status.failure), (2, &None));
    assert_eq!((status.version, live.pin().len()), (Some(version(&live)), 20));
    let swaps = std::mem::take(&mut *swaps.lock().unwrap());
    let [swap] = &swaps[..] else { panic!("{swaps:?}") };
    assert_eq!((swap.generation, swap.build_id, &swap.failure), (2, status.build_id, &None));
    assert_eq!(failures.lock().unwrap().len(), 3);
}

#[test]
fn the_helper_thread_follows_a_set() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(1));
    let live = live(dir.path());
    live.refresh_every(Duration::from_millis(1), Duration::from_millis(1)).unwrap();
    for entries in 2..8 {
        write(&quick().hash_shards(2), dir.path(), &numbered(entries));
        soon("a swap", || live.pin().len() == u64::from(entries));
    }
    let current = dir.path().join("CURRENT");
    fs::rename(&current, dir.path().join("away")).unwrap();
    soon("a failure", || live.status().failure.is_some());
    fs::rename(dir.path().join("away"), &current).unwrap();
    soon("no failure", || live.status().failure.is_none());
    assert_eq!((live.status().generation, live.pin().len()), (7, 7));
}

/// Whatever happens to the manifest but not to its content reloads nothing; afterwards, the
/// version is held as it stands then.
#[test]
fn another_look_at_the_same_manifest_reloads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    let live = live(dir.path());
    let pinned = live.pin();
    assert_eq!(pinned.get("00000004").unwrap().unwrap(), 4u32.to_le_bytes());
    let mapped = pinned.mapped_bytes();
    let manifest = pinned.path().join("MANIFEST.json");
    set_mode(&manifest, 0o600);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    replace(&manifest, fs::read(&manifest).unwrap());
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    assert_eq!((live.pin().generation(), live.pin().mapped_bytes()), (1, mapped));
    drop(pinned);
    // The manifest that stands there now is locked as the first one was.
    write(&quick(), dir.path(), &numbered(11));
    let versions = Versions::new(dir.path());
    assert_eq!(versions.prune(0, Duration::ZERO).unwrap(), []);
    assert_eq!(live.pin().iter().count(), 10);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!(versions.prune(0, Duration::ZERO).unwrap().len(), 1);
}

/// The same content as a version of its own: the old version would be held for ever.
#[test]
fn the_same_content_in_a_new_version_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let versions = Versions::new(dir.path());
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    let live = live(dir.path());
    let before = live.status();
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    let after = live.status();
    assert_eq!(after.build_id, before.build_id);
    assert_ne!(after.version, before.version);
    let pruned = versions.prune(0, Duration::ZERO).unwrap();
    assert_eq!(
        pruned.iter().map(|version| Some(version.id.clone())).collect::<Vec<_>>(),
        [before.version]
    );
    versions.roll_back(None).unwrap_err();
    assert_eq!(live.pin().iter().count(), 10);
}

#[test]
fn a_pointer_to_a_table_leaves_the_set() {
    let dir = tempfile::tempdir().unwrap();
    let (served, table) = (dir.path().join("served"), dir.path().join("t.grv"));
    write(&quick(), &served, &numbered(10));
    let live = live(&served);
    graven::Builder::create(&table).unwrap().finish().unwrap();
    let versions = Versions::new(&served);
    versions.publish(&table, &PublishOptions::new().durable(false)).unwrap();
    let error = live.refresh().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(live.pin().len(), 10);
    versions.roll_back(None).unwrap();
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    assert_eq!(live.status().failure, None);
}

/// A damaged page of the second shard, in a version that is current.
fn damaged(path: &Path, entries: u32) {
    write(&quick().shard_entries(5), path, &numbered(entries));
    let shard = open(path).path().join("part-00001.grv");
    let mut bytes = fs::read(&shard).unwrap();
    let place = bytes.windows(8).position(|window| window == b"00000007").unwrap();
    bytes[place] ^= 1;
    replace(&shard, bytes);
}

#[test]
fn shards_are_prepared_before_a_version_is_served() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(5), dir.path(), &numbered(20));
    let bytes = |live: &LiveSet| live.pin().manifest().bytes;
    let options = |tables: OpenOptions| SetOptions::new().tables(tables);
    let plain = live(dir.path());
    assert_eq!(plain.pin().mapped_bytes(), 0);
    for tables in [
        OpenOptions::new().warm(Warm::Index),
        OpenOptions::new().warm(Warm::All),
        OpenOptions::new().lock_memory(true),
        OpenOptions::new().page_checks(PageChecks::AtOpen),
    ] {
        let prepared = follow(dir.path(), &options(tables)).unwrap();
        assert_eq!(prepared.pin().mapped_bytes(), bytes(&prepared));
        // No more than fits is prepared.
        let shard = prepared.pin().manifest().shards[0].bytes;
        let bound = options(tables).max_mapped_bytes(2 * shard + 1);
        let bounded = follow(dir.path(), &bound).unwrap();
        assert_eq!(bounded.pin().mapped_bytes(), 2 * shard);
        if cfg!(target_os = "linux") {
            // The first ones: none was let go for a later one.
            drop(prepared);
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let mapped = |part| maps.contains(bounded.pin().path().join(part).to_str().unwrap());
            assert!(mapped("part-00000.grv") && !mapped("part-00002.grv"));
        }
        assert_eq!(bounded.pin().iter().count(), 20);
    }
    let careful = OpenOptions::new().page_checks(PageChecks::AtOpen);
    let careful = follow(dir.path(), &options(careful)).unwrap();
    damaged(dir.path(), 30);
    let error = careful.refresh().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert!(error.path().unwrap().ends_with("part-00001.grv"), "{error}");
    assert_eq!(careful.pin().len(), 20);
    // Without such options the shard is found out by the lookup that asks it.
    assert_eq!(plain.refresh().unwrap(), RefreshOutcome::Swapped);
    assert!(plain.pin().get("00000007").is_err());
    assert!(plain.pin().get("00000001").unwrap().is_some());
    write(&quick().shard_entries(5), dir.path(), &numbered(30));
    assert_eq!(careful.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!(careful.pin().mapped_bytes(), bytes(&careful));
}

#[cfg(target_os = "linux")]
#[test]
fn a_shard_that_lost_pages_is_opened_anew() {
    let dir = common::directory();
    sigbus::install().unwrap();
    write(&quick().shard_entries(5), dir.path(), &numbered(20));
    let live = live(dir.path());
    assert!(live.pin().get("00000007").unwrap().is_some());
    let shard = live.pin().path().join("part-00001.grv");
    set_mode(&shard, 0o600);
    let whole = fs::read(&shard).unwrap();
    let file = fs::File::options().write(true).open(&shard).unwrap();
    file.set_len(0).unwrap();
    assert!(live.pin().get("00000007").is_err());
    file.set_len(whole.len() as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &whole, 0).unwrap();
    // The mapping that lost its pages is not that of the file any more.
    assert!(live.pin().get("00000007").is_err());
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!(live.pin().get("00000007").unwrap().unwrap(), 7u32.to_le_bytes());
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
}

/// A batch asks each table of its keys whether a page was lost, not that of the first key alone.
#[cfg(target_os = "linux")]
#[test]
fn a_batch_sees_what_any_shard_has_lost() {
    let dir = common::directory();
    sigbus::install().unwrap();
    let hashed = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
    write(&quick().tables(hashed).shard_entries(50), dir.path(), &numbered(150));
    let unchecked = SetOptions::new().tables(OpenOptions::new().page_checks(PageChecks::Never));
    let live = follow(dir.path(), &unchecked).unwrap();
    let pin = live.pin();
    let keys: Vec<String> = (0..150).map(|i| format!("{i:08}")).collect();
    for keys in [&keys[40..56], &keys[..]] {
        assert!(pin.get_many(keys).unwrap().iter().all(Option::is_some));
    }
    let shard = pin.path().join("part-00001.grv");
    set_mode(&shard, 0o600);
    fs::File::options().write(true).open(&shard).unwrap().set_len(0).unwrap();
    // Few keys, and more than one part of a batch.
    for keys in [&keys[40..56], &keys[..]] {
        let error = pin.get_many(keys).unwrap_err();
        assert!(error.path().unwrap().ends_with("part-00001.grv"), "{error}");
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
    assert!(pin.get_many(&keys[..50]).unwrap().iter().all(Option::is_some));
}

/// What is unmapped after a swap is unmapped by a thread of its own, also where a value of a shard
/// is all that is left of the old version.
#[cfg(target_os = "linux")]
#[test]
fn an_old_version_is_retired_elsewhere() {
    let Some(path) = std::env::var_os(RETIRED) else {
        let dir = common::directory();
        return common::run_child(
            "sets::live::an_old_version_is_retired_elsewhere",
            RETIRED,
            dir.path(),
        );
    };
    let path = Path::new(&path);
    let mappings = |directory: &Path| {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(directory.to_str().unwrap())).count()
    };
    let retiring = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let names = tasks.filter_map(|task| name(task.unwrap()));
        names.filter(|name| name.starts_with("graven-retire")).count()
    };
    let large = |fill: u8| [(vec![0], vec![fill; 6 << 20]), (vec![1], vec![fill; 100])];
    write(&quick().shard_entries(1), path, &large(1));
    let live = live(path);
    let old = live.pin();
    let directory = old.path().to_owned();
    let value = old.get([0]).unwrap().unwrap();
    assert_eq!(mappings(&directory), 1);
    write(&quick().shard_entries(1), path, &large(2));
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    drop(old);
    soon("the thread that waits", || retiring() == 1);
    // Longer than the thread sleeps between two looks.
    thread::sleep(Duration::from_millis(100));
    assert_eq!((mappings(&directory), retiring()), (1, 1));
    assert!(value.iter().all(|&byte| byte == 1));
    drop(value);
    soon("the old version is unmapped", || mappings(&directory) == 0 && retiring() == 0);
    // A small set is unmapped at once.
    write(&quick().shard_entries(1), path, &numbered(3));
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    soon("the large version is unmapped", || retiring() == 0);
    assert!(live.pin().get("00000001").unwrap().is_some());
    assert_eq!(mappings(path), 1);
    write(&quick().shard_entries(1), path, &numbered(4));
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!((mappings(path), retiring()), (0, 0));
}

const RETIRED: &str = "GRAVEN_TEST_RETIRED_SET";

#[test]
fn threads_pin_while_versions_change() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(10));
    // Shards are mapped again and again, also after a swap.
    let live = follow(dir.path(), &SetOptions::new().max_mapped_bytes(1)).unwrap();
    // A pin of each thread, while another one swaps: none is lost, and none sees two versions.
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let pinned = live.pin();
                    let entries = pinned.len();
                    // Time for a swap: shards that are mapped later are of the pinned version.
                    thread::sleep(Duration::from_millis(2));
                    assert_eq!(pinned.iter().count() as u64, entries);
                    assert_eq!(pinned.len(), entries);
                }
            });
        }
        for entries in 11..30 {
            write(&quick().shard_entries(4), dir.path(), &numbered(entries));
            assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
