//! Sets as versions: how they come, go, and become current.

use super::super::{common, numbered, open, open_with, quick, tables, write};
use graven::{
    BuildError, BuildOptions, Builder, LiveSet, PublishError, PublishOptions, RefreshOutcome,
    SetBuildOptions, SetOptions, Versions,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn sets_are_versions() {
    let dir = tempfile::tempdir().unwrap();
    let versions = Versions::new(dir.path());
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    let old = open(dir.path());
    write(&quick().hash_shards(2), dir.path(), &numbered(20));
    let list = versions.list().unwrap();
    assert_eq!(list.iter().map(|version| version.current).collect::<Vec<_>>(), [false, true]);
    for version in &list {
        let set = open(&version.path);
        assert!(version.id.ends_with(&set.manifest().id.to_string()[..8]), "{}", version.id);
        let manifest = fs::metadata(version.path.join("MANIFEST.json")).unwrap().len();
        assert_eq!(version.file_bytes, set.manifest().bytes + manifest);
    }
    assert_eq!(versions.current().unwrap(), list[1].path);
    // Neither the old set nor a new one sees half of the other.
    assert_eq!((old.len(), open(dir.path()).len()), (10, 20));
    assert_eq!(old.get("00000009").unwrap().unwrap(), 9u32.to_le_bytes());
    let back = versions.roll_back(None).unwrap();
    assert_eq!((back.id, back.current), (list[0].id.clone(), true));
    assert_eq!(open(dir.path()).len(), 10);
    // A damaged version does not become current.
    let part = list[1].path.join("part-00001.grv");
    let mut bytes = fs::read(&part).unwrap();
    bytes[500] ^= 1;
    fs::remove_file(&part).unwrap();
    fs::write(&part, bytes).unwrap();
    let error = versions.roll_back(Some(&list[1].id)).unwrap_err();
    assert!(matches!(error, PublishError::Set(_)), "{error}");
    assert_eq!(error.path(), Some(part.as_path()));
    assert_eq!(open(dir.path()).len(), 10);
}

#[test]
fn tables_and_sets_may_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (table, served) = (dir.path().join("t"), dir.path().join("served"));
    Builder::create(&table).unwrap().finish().unwrap();
    let versions = Versions::new(&served);
    versions.publish(&table, &PublishOptions::new()).unwrap();
    write(&quick(), &served, &numbered(10));
    assert_eq!(open(&served).len(), 10);
    versions.publish(&table, &PublishOptions::new()).unwrap();
    assert!(open_with(&SetOptions::new(), &served).is_err());
    versions.roll_back(None).unwrap();
    assert_eq!(open(&served).len(), 10);
    assert_eq!(versions.list().unwrap().len(), 3);
}

#[test]
fn a_set_that_is_open_is_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let versions = Versions::new(dir.path());
    write(&quick().shard_entries(3), dir.path(), &numbered(10));
    let reader = open(dir.path());
    write(&quick().shard_entries(3), dir.path(), &numbered(20));
    assert_eq!(versions.prune(0, Duration::ZERO).unwrap(), []);
    // No shard was mapped before.
    assert_eq!(reader.iter().count(), 10);
    let path = reader.path().to_owned();
    drop(reader);
    assert_eq!(versions.prune(0, Duration::ZERO).unwrap().len(), 1);
    assert!(!path.exists());
    assert_eq!(open(dir.path()).iter().count(), 20);
}

#[expect(unsafe_code, reason = "tests map what they have written")]
#[test]
fn a_pin_sees_one_version_of_the_whole_set() {
    let dir = tempfile::tempdir().unwrap();
    let numbers = |from: u32| -> Vec<_> {
        let keys = numbered(10).into_iter().map(|(key, _)| key);
        keys.zip(from..).map(|(key, i)| (key, i.to_le_bytes().to_vec())).collect()
    };
    write(&quick().shard_entries(3), dir.path(), &numbers(0));
    // SAFETY: nobody changes the files of a set while this test has it open.
    let live = unsafe { LiveSet::open(dir.path()) }.unwrap();
    let pinned = live.pin();
    assert_eq!(pinned.get("00000000").unwrap().unwrap(), 0u32.to_le_bytes());
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);
    write(&quick().hash_shards(2), dir.path(), &numbers(100));
    assert_eq!(live.pin().generation(), 1);
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Swapped);
    assert_eq!(Versions::new(dir.path()).prune(0, Duration::ZERO).unwrap(), []);
    let last = |set: &graven::TableSet| set.get("00000009").unwrap().unwrap().to_vec();
    // This shard of the old version was not mapped before.
    assert_eq!(last(&pinned), 9u32.to_le_bytes());
    assert_eq!(last(&live.pin()), 109u32.to_le_bytes());
    assert_eq!(live.pin().generation(), 2);
    // What cannot be opened leaves the version in place that is in use.
    let manifest = live.pin().path().join("MANIFEST.json");
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, "{}").unwrap();
    live.refresh().unwrap_err();
    assert_eq!((live.pin().generation(), live.pin().len()), (2, 10));
}

#[test]
fn guards_hold_for_sets() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(10));
    let publish = PublishOptions::new().durable(false).max_shrink(0.5);
    let build = |entries| {
        let mut builder = quick().publish(publish.clone()).create(dir.path()).unwrap();
        numbered(entries).iter().for_each(|(key, value)| builder.insert(key, value).unwrap());
        builder.finish()
    };
    let refused = build(4).unwrap_err();
    assert!(matches!(refused, PublishError::Shrunk { entries: 4, current: 10, .. }), "{refused}");
    build(5).unwrap();
    assert_eq!(open(dir.path()).len(), 5);
    assert_eq!(common::names(&dir.path().join("versions")).len(), 2);
}

#[test]
fn a_set_that_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(10));
    let left = || common::names(&dir.path().join("versions")).len();
    let ascending = quick().tables(tables().sorted(true)).shard_entries(1);
    let mut builder = ascending.create(dir.path()).unwrap();
    builder.insert("a", "").unwrap();
    builder.insert("c", "").unwrap();
    assert_eq!(left(), 2);
    let error = builder.insert("b", "").unwrap_err();
    assert!(
        matches!(&error, BuildError::OutOfOrder { previous, key, entry: 2 } if previous == b"c" && key == b"b"),
        "{error}"
    );
    assert!(matches!(builder.insert("d", ""), Err(BuildError::Failed)));
    assert!(matches!(builder.finish(), Err(PublishError::Target(BuildError::Failed))));
    assert_eq!(left(), 1);
    let tables = BuildOptions::new().durable(false);
    let mut builder = quick().tables(tables).shard_entries(1).create(dir.path()).unwrap();
    builder.insert("a", "").unwrap();
    let twice = builder.insert("a", "").and_then(|()| builder.insert("b", ""));
    match twice {
        Err(_) => drop(builder),
        Ok(()) => assert!(builder.finish().is_err()),
    }
    assert_eq!((left(), open(dir.path()).len()), (1, 10));
    for (options, name) in [
        (quick().shard_bytes(0), "shard_bytes"),
        (quick().shard_entries(0), "shard_entries"),
        (quick().hash_shards(0), "hash_shards"),
        (quick().hash_shards(1_000_001), "hash_shards"),
        (quick().range_shards(0), "range_shards"),
        (quick().range_shards(1_000_001), "range_shards"),
    ] {
        let error = options.create(dir.path()).unwrap_err();
        assert!(
            matches!(&error, PublishError::Target(BuildError::InvalidOption { option, .. }) if *option == name),
            "{error}"
        );
    }
}

const KILLED: &str = "GRAVEN_TEST_KILLED_SET";

#[cfg(target_os = "linux")]
#[test]
fn a_killed_writer_leaves_the_old_version_current() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(10));
    let mut child = common::this_binary("sets::versions::killed_child");
    assert!(!child.env(KILLED, dir.path()).output().unwrap().status.success());
    let versions = dir.path().join("versions");
    assert_eq!(common::names(&versions).len(), 2);
    let left = common::names(&versions)[1].clone();
    assert!(left.ends_with("-new"), "{left}");
    assert!(common::names(&versions.join(&left)).contains(&"part-00000.grv".into()));
    assert_eq!(open(dir.path()).len(), 10);
    // The next writer sweeps.
    write(&quick(), dir.path(), &numbered(11));
    assert_eq!(common::names(&versions).len(), 2);
    assert_eq!(open(dir.path()).len(), 11);
}

/// Writes some shards, and dies between them and the manifest.
#[cfg(target_os = "linux")]
#[test]
fn killed_child() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let ascending = quick().tables(tables().sorted(true)).shard_entries(1);
    let mut builder = ascending.create(Path::new(&path)).unwrap();
    let written = Path::new(&path).join("versions");
    for (key, value) in numbered(20) {
        builder.insert(key, value).unwrap();
    }
    assert!(common::names(&written).iter().any(|name| name.ends_with("-new")));
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
        .unwrap();
}

#[test]
fn sets_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<graven::TableSet>();
    crosses::<graven::SetError>();
    crosses::<graven::SetOptions>();
    crosses::<LiveSet>();
    crosses::<graven::PinnedSet>();
    fn moves<T: Send + 'static>() {}
    moves::<graven::SetIter>();
    moves::<graven::SetBuilder>();
}

/// Whoever may read a manifest may lock it, and must not stop its readers.
#[test]
fn a_lock_on_the_manifest_stops_no_reader() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick(), dir.path(), &numbered(10));
    let manifest = open(dir.path()).path().join("MANIFEST.json");
    let locked = fs::File::open(manifest).unwrap();
    locked.lock().unwrap();
    assert_eq!(open(dir.path()).iter().count(), 10);
    drop(locked);
}

/// The same entries give the same bytes, whatever the number of processors.
#[test]
fn equal_entries_give_equal_sets() {
    let dir = tempfile::tempdir().unwrap();
    let texts = ["a", "b"].map(|name| {
        let path = dir.path().join(name);
        let options: SetBuildOptions = quick().shard_entries(7);
        write(&options, &path, &numbered(100));
        fs::read_to_string(open(&path).path().join("MANIFEST.json")).unwrap()
    });
    assert_eq!(texts[0], texts[1]);
}
