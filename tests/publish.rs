//! Guards against a copy that is not the table: damage carried on, a half-copied file under the
//! name, permissions or large pages lost on the way; and against a directory of versions that
//! points nowhere, at a damaged version, or forgets the one that readers are about to open.

#![cfg(unix)]

mod common;

use common::names;
use graven::{
    BuildError, BuildOptions, Builder, ErrorKind, OpenFailure, PublishError, PublishOptions, Table,
    Versions,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const AT_ONCE: Duration = Duration::ZERO;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A table whose every value is `edition`.
fn table(path: &Path, entries: u32, edition: u8) {
    let mut builder = BuildOptions::new().sorted(true).durable(false).create(path).unwrap();
    for i in 0..entries {
        builder.insert(i.to_be_bytes(), vec![edition; 50 + i as usize % 3]).unwrap();
    }
    builder.finish().unwrap();
}

#[track_caller]
fn assert_edition(path: &Path, edition: u8) {
    let table = Table::load(path).unwrap();
    assert_eq!(table.get(0u32.to_be_bytes()).unwrap().unwrap()[0], edition);
}

/// Flips a bit of a file, published or not.
fn damage(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

fn publish(source: &Path, target: &Path) -> Result<(), PublishError> {
    PublishOptions::new().publish(source, target).map(drop)
}

#[test]
fn a_copy_is_the_table_byte_for_byte() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    for entries in [0, 1, 1000, 100_000] {
        table(&source, entries, 1);
        let published = PublishOptions::new().publish(&source, &target).unwrap();
        assert_eq!(published.file_bytes, fs::metadata(&source).unwrap().len());
        assert_eq!(published.build_id, Table::load(&source).unwrap().stats().unwrap().build_id);
        assert!(fs::read(&source).unwrap() == fs::read(&target).unwrap(), "{entries}");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o444);
        assert_eq!(fs::metadata(&target).unwrap().nlink(), 1);
    }
    let options = PublishOptions::new().mode(0o640).durable(false).verify_after_write(true);
    options.publish(&source, &target).unwrap();
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(names(directory.path()), ["s", "t"]);
}

#[test]
fn a_copy_takes_the_place_of_the_old_table() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    table(&source, 100, 2);
    table(&target, 100, 1);
    let held = fs::File::open(&target).unwrap();
    let refused = PublishOptions::new().replace(false).publish(&source, &target);
    let Err(PublishError::Target(BuildError::AlreadyExists { .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_edition(&target, 1);
    publish(&source, &target).unwrap();
    assert_edition(&target, 2);
    // Whoever had the old one open still has it, and nobody else.
    assert_eq!(held.metadata().unwrap().nlink(), 0);
    // A table may be published onto itself.
    publish(&target, &target).unwrap();
    assert_edition(&target, 2);
}

#[test]
fn damage_is_found_on_the_way() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    table(&target, 100, 1);
    table(&source, 60_000, 2);
    let len = fs::metadata(&source).unwrap().len() as usize;
    assert!(len > 3 << 20, "{len} bytes");
    for at in [9, 100, 3000, 5000, len / 2, (2 << 20) + 1, len - 5000, len - 40, len - 1] {
        damage(&source, at);
        let error = publish(&source, &target).unwrap_err();
        let PublishError::Source { path, .. } = &error else { panic!("{at}: {error:?}") };
        assert_eq!((path, error.kind()), (&source, ErrorKind::Data));
        damage(&source, at);
        assert_edition(&target, 1);
    }
    let bytes = fs::read(&source).unwrap();
    for len in [0, 1, 8, 479, 481, 4096, 2 << 20, len - 1, len + 1] {
        let mut bytes = bytes.clone();
        bytes.resize(len, 0);
        fs::remove_file(&source).unwrap();
        fs::write(&source, bytes).unwrap();
        let error = publish(&source, &target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{len}: {error:?}");
        assert_edition(&target, 1);
    }
    assert_eq!(names(directory.path()), ["s", "t"]);
}

#[test]
fn only_tables_are_published_and_only_over_tables() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    table(&source, 10, 1);
    let kind = |path: &Path| match publish(path, &target).unwrap_err() {
        PublishError::Source { source: OpenFailure::NotARegularFile { kind }, .. } => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(directory.path()), "directory");
    assert!(kind(Path::new("/dev/null")).contains("device"));
    let error = publish(&directory.path().join("none"), &target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    let notes = "notes, and no table";
    fs::write(&target, notes).unwrap();
    let error = publish(&target, &source).unwrap_err();
    let none = matches!(&error, PublishError::Source { source: OpenFailure::NotATable { .. }, .. });
    assert!(none, "{error:?}");
    let error = publish(&source, &target).unwrap_err();
    assert!(matches!(error, PublishError::Target(BuildError::NotATable { .. })), "{error:?}");
    assert_eq!(fs::read(&target).unwrap(), notes.as_bytes());
}

/// A source table for each edition, and an empty directory of versions.
fn editions(count: u8) -> (TempDir, Vec<PathBuf>, Versions) {
    let directory = directory();
    let sources = (0..count).map(|edition| {
        let path = directory.path().join(format!("s{edition}"));
        table(&path, 100, edition);
        path
    });
    let sources = sources.collect();
    let versions = Versions::new(directory.path().join("d"));
    (directory, sources, versions)
}

fn ids(versions: &Versions) -> Vec<String> {
    versions.list().unwrap().into_iter().map(|version| version.id).collect()
}

#[test]
fn the_current_version_is_the_last_one_published() {
    let (directory, sources, versions) = editions(3);
    assert_eq!(versions.list().unwrap(), []);
    assert!(matches!(versions.current(), Err(PublishError::NoVersion { .. })));
    for (edition, source) in (0..).zip(&sources) {
        let version = versions.publish(source, &PublishOptions::new()).unwrap();
        assert_eq!(versions.current().unwrap(), version.path);
        assert_edition(&directory.path().join("d/CURRENT"), edition);
        let list = versions.list().unwrap();
        assert_eq!(list.len(), usize::from(edition) + 1);
        assert_eq!(list.last(), Some(&version));
        assert_eq!(list.iter().filter(|version| version.current).count(), 1);
        assert!(fs::read(source).unwrap() == fs::read(&version.path).unwrap());
    }
    // The pointer holds wherever the directory is seen from.
    fs::rename(directory.path().join("d"), directory.path().join("e")).unwrap();
    assert_edition(&directory.path().join("e/CURRENT"), 2);
    assert_eq!(names(&directory.path().join("e")), ["CURRENT", "versions"]);
}

#[test]
fn directories_can_be_entered_by_those_who_may_read() {
    let (_directory, sources, versions) = editions(1);
    for (mode, above) in [(0o444, 0o755), (0o440, 0o750), (0o400, 0o700)] {
        let options = PublishOptions::new().mode(mode);
        let version = versions.publish(&sources[0], &options).unwrap();
        let found = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found(&version.path), mode);
        assert_eq!(found(version.path.parent().unwrap()), above);
    }
}

#[test]
fn versions_go_back_and_forth() {
    let (directory, sources, versions) = editions(3);
    assert!(matches!(versions.roll_back(None), Err(PublishError::NoVersion { id: None, .. })));
    let published: Vec<_> =
        sources.iter().map(|s| versions.publish(s, &PublishOptions::new()).unwrap()).collect();
    let current = directory.path().join("d/CURRENT");
    assert_eq!(versions.roll_back(None).unwrap(), published[1]);
    assert_edition(&current, 1);
    assert_eq!(versions.roll_back(None).unwrap(), published[0]);
    assert_edition(&current, 0);
    let error = versions.roll_back(None).unwrap_err();
    let oldest = published[0].id.as_str();
    assert!(
        matches!(&error, PublishError::NoOlderVersion { current: Some(id), .. } if id == oldest),
        "{error:?}"
    );
    let root = directory.path().join("d");
    let text = format!(
        "{} has no version older than {oldest}, which is current: list the versions, and name the \
         one to go to",
        root.display()
    );
    assert_eq!((error.to_string(), error.path()), (text, Some(root.as_path())));
    assert_edition(&current, 0);
    versions.roll_back(Some(&published[2].id)).unwrap();
    assert_edition(&current, 2);
    let unknown = versions.roll_back(Some("00000009-00000000"));
    assert!(matches!(unknown, Err(PublishError::NoVersion { id: Some(_), .. })), "{unknown:?}");
    assert_edition(&current, 2);
    assert!(ids(&versions).iter().eq(published.iter().map(|version| &version.id)));
}

#[test]
fn the_pointer_never_moves_to_damage() {
    let (directory, sources, versions) = editions(3);
    let first = versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    versions.publish(&sources[1], &PublishOptions::new()).unwrap();
    let current = directory.path().join("d/CURRENT");
    damage(&first.path, 1000);
    let error = versions.roll_back(None).unwrap_err();
    assert!(matches!(&error, PublishError::Source { path, .. } if *path == first.path));
    assert_edition(&current, 1);
    damage(&sources[2], 1000);
    let before = ids(&versions);
    let error = versions.publish(&sources[2], &PublishOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_edition(&current, 1);
    assert_eq!(ids(&versions), before);
    assert_eq!(names(&directory.path().join("d/versions")), before, "nothing is left behind");
}

#[test]
fn old_versions_go_by_count_and_age() {
    let (directory, sources, versions) = editions(5);
    for source in &sources {
        versions.publish(source, &PublishOptions::new()).unwrap();
    }
    let all = ids(&versions);
    assert_eq!(versions.prune(2, Duration::from_secs(3600)).unwrap(), []);
    assert_eq!(ids(&versions), all, "all were current a moment ago");
    // The current one stays however old it is.
    versions.roll_back(Some(&all[1])).unwrap();
    let removed = versions.prune(2, AT_ONCE).unwrap();
    assert_eq!(removed.iter().map(|v| &v.id).collect::<Vec<_>>(), [&all[0], &all[2]]);
    assert_eq!(ids(&versions), [&all[1], &all[3], &all[4]].map(String::clone));
    assert_edition(&directory.path().join("d/CURRENT"), 1);
    // The one that was rolled back from was current until now, whenever it was made.
    let old = filetime(&directory.path().join("d/versions").join(&all[1]));
    versions.roll_back(Some(&all[4])).unwrap();
    assert!(old <= filetime(&directory.path().join("d/versions").join(&all[1])));
    assert_eq!(versions.prune(1, Duration::from_secs(3600)).unwrap(), []);
    assert_eq!(versions.prune(1, AT_ONCE).unwrap().len(), 2);
    // Ids are never given twice.
    let next = versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    assert!(next.id > all[4], "{} after {}", next.id, all[4]);
}

fn filetime(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn what_dead_publishers_left_goes_and_what_the_living_fill_stays() {
    let (directory, sources, versions) = editions(2);
    versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    let inside = directory.path().join("d/versions");
    let (dead, live) = (inside.join("00000007-dddddddd"), inside.join("00000008-aaaaaaaa"));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(".table.grv.graven-0123456789abcdef"), "half").unwrap();
    fs::create_dir(&live).unwrap();
    let held = fs::File::open(&live).unwrap();
    fs2::FileExt::try_lock_exclusive(&held).unwrap();
    fs::create_dir(inside.join("mine")).unwrap();
    symlink("nowhere", directory.path().join("d/.CURRENT.next")).unwrap();
    let version = versions.publish(&sources[1], &PublishOptions::new()).unwrap();
    assert!(version.id.starts_with("00000009-"), "{}", version.id);
    assert!(!dead.exists() && live.exists() && inside.join("mine").exists());
    assert_eq!(versions.list().unwrap().len(), 2);
    assert_edition(&directory.path().join("d/CURRENT"), 1);
}

#[test]
fn many_may_publish_versions_at_once() {
    let (directory, sources, versions) = editions(8);
    std::thread::scope(|scope| {
        for source in &sources {
            let versions = &versions;
            scope.spawn(move || {
                for _ in 0..5 {
                    versions.publish(source, &PublishOptions::new().durable(false)).unwrap();
                    versions.prune(4, Duration::from_secs(3600)).unwrap();
                }
            });
        }
    });
    let mut all = ids(&versions);
    assert_eq!(all.len(), 40);
    all.dedup_by_key(|id| id[..8].to_owned());
    assert_eq!(all.len(), 40, "two versions of one number");
    for version in versions.list().unwrap() {
        Table::load(&version.path).unwrap().verify().unwrap();
    }
    assert_eq!(versions.prune(1, AT_ONCE).unwrap().len() + ids(&versions).len(), 40);
    assert!(Table::load(directory.path().join("d/CURRENT")).is_ok());
}

/// However the pointer is written, the version that it leads to is the current one.
#[test]
fn a_pointer_made_by_hand_leads_to_the_current_version() {
    let (directory, sources, _) = editions(3);
    // As the program sees it that is started beside the directory.
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count());
    let relative = Path::new(&up).join(directory.path().strip_prefix("/").unwrap()).join("d");
    let versions = Versions::new(&relative);
    let published: Vec<_> =
        sources.iter().map(|s| versions.publish(s, &PublishOptions::new()).unwrap()).collect();
    let root = directory.path().join("d");
    let version = |at: usize| root.join("versions").join(&published[at].id);
    let point = |to: &Path| {
        fs::remove_file(root.join("CURRENT")).unwrap();
        symlink(to, root.join("CURRENT")).unwrap();
    };
    symlink(version(1), directory.path().join("aside")).unwrap();
    symlink(version(1).join("table.grv"), root.join("latest")).unwrap();
    let doubled = format!("./versions//{}/table.grv", published[1].id);
    for to in [
        version(1).join("table.grv"),
        directory.path().join("aside/table.grv"),
        PathBuf::from("latest"),
        PathBuf::from(doubled),
    ] {
        point(&to);
        let current: Vec<_> = versions.list().unwrap().iter().map(|v| v.current).collect();
        assert_eq!(current, [false, true, false], "{to:?}");
        let back = versions.roll_back(None).unwrap();
        assert_eq!(back.id, published[0].id, "{to:?}");
    }
    point(&version(1).join("table.grv"));
    let removed = versions.prune(1, AT_ONCE).unwrap();
    assert_eq!(removed.iter().map(|v| &v.id).collect::<Vec<_>>(), [&published[0].id]);
    assert_edition(&root.join("CURRENT"), 1);
    // One that leads to no version has none before it: back is not forth.
    point(&sources[0]);
    let back = versions.roll_back(None);
    assert!(matches!(back, Err(PublishError::NoOlderVersion { current: None, .. })), "{back:?}");
    assert_edition(&root.join("CURRENT"), 0);
}

#[test]
fn one_of_many_is_the_first() {
    for _ in 0..10 {
        let (directory, sources, versions) = editions(8);
        let options = PublishOptions::new().durable(false).replace(false);
        let results = std::thread::scope(|scope| {
            let publish = |source| versions.publish(source, &options);
            let threads: Vec<_> = sources.iter().map(|s| scope.spawn(move || publish(s))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let (done, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 1, "{done:?}");
        for error in refused.into_iter().map(Result::unwrap_err) {
            let exists = matches!(error, PublishError::Target(BuildError::AlreadyExists { .. }));
            assert!(exists, "{error:?}");
        }
        assert_eq!(versions.list().unwrap().len(), 1);
        assert_eq!(names(&directory.path().join("d")), ["CURRENT", "versions"]);
        assert_eq!(names(&directory.path().join("d/versions")).len(), 1);
    }
}

#[test]
fn ids_end_before_they_wrap() {
    let (directory, sources, versions) = editions(2);
    let first = versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    let inside = directory.path().join("d/versions");
    let make = |id: &str| {
        fs::create_dir(inside.join(id)).unwrap();
        fs::copy(&sources[1], inside.join(id).join("table.grv")).unwrap();
    };
    // No numbers of ours.
    for id in ["+0000009-aaaaaaaa", "18446744073709551616-aaaaaaaa", "0000009-aaaaaaaa"] {
        make(id);
        assert_eq!(ids(&versions), std::slice::from_ref(&first.id), "{id}");
    }
    make("18446744073709551614-aaaaaaaa");
    let last = versions.publish(&sources[1], &PublishOptions::new()).unwrap();
    assert!(last.id.starts_with("18446744073709551615-"), "{}", last.id);
    let before = names(&inside);
    let error = versions.publish(&sources[0], &PublishOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("18446744073709551615"), "{error}");
    assert_eq!(versions.current().unwrap(), last.path);
    assert_eq!(names(&inside), before);
}

/// Checking takes as long as reading: nobody waits for it, and nobody is waited for.
#[test]
fn a_version_is_checked_before_the_lock() {
    let (directory, sources, versions) = editions(2);
    let first = versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    versions.publish(&sources[1], &PublishOptions::new()).unwrap();
    damage(&first.path, 1000);
    let lock = fs::File::create(directory.path().join("d/.CURRENT.lock")).unwrap();
    fs2::FileExt::try_lock_exclusive(&lock).unwrap();
    // With the lock it would wait a minute and then say so.
    let error = versions.roll_back(None).unwrap_err();
    assert!(matches!(error, PublishError::Source { .. }), "{error:?}");
    // A sound one waits for the lock, and looks again: the other one has gone back meanwhile.
    damage(&first.path, 1000);
    let waiting = std::thread::spawn({
        let versions = versions.clone();
        move || versions.roll_back(None)
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    let pointer = directory.path().join("d/CURRENT");
    fs::remove_file(&pointer).unwrap();
    symlink(format!("versions/{}/table.grv", first.id), &pointer).unwrap();
    drop(lock);
    let late = waiting.join().unwrap();
    assert!(matches!(late, Err(PublishError::NoOlderVersion { .. })), "{late:?}");
    assert_edition(&pointer, 0);
}

/// A pointer that is none is not replaced, and that is found before the copy.
#[test]
fn what_is_no_pointer_stays() {
    let (directory, sources, versions) = editions(1);
    let root = directory.path().join("d");
    let pointer = root.join("CURRENT");
    fs::create_dir(&root).unwrap();
    fs::write(&pointer, "precious").unwrap();
    let refused = || match versions.publish(&sources[0], &PublishOptions::new()) {
        Err(PublishError::Target(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(), BuildError::NotATable { .. }));
    assert_eq!(fs::read(&pointer).unwrap(), b"precious");
    let error = versions.list().unwrap_err().to_string();
    assert!(error.contains("no symbolic link"), "{error}");
    fs::remove_file(&pointer).unwrap();
    fs::create_dir(&pointer).unwrap();
    assert!(matches!(refused(), BuildError::NotARegularFile { kind: "directory", .. }));
    fs::remove_dir(&pointer).unwrap();
    assert!(!root.join("versions").exists(), "nothing was copied");
    // A link that leads nowhere may go.
    symlink("nowhere", &pointer).unwrap();
    versions.publish(&sources[0], &PublishOptions::new()).unwrap();
    assert_edition(&pointer, 0);
}

#[test]
fn directories_get_the_mode_that_was_asked_for() {
    let (directory, sources, versions) = editions(2);
    for (edition, mode) in [(0, 0o2775), (1, 0o750)] {
        let options = PublishOptions::new().directory_mode(mode);
        let version = versions.publish(&sources[edition], &options).unwrap();
        let found = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(found(version.path.parent().unwrap()), mode);
        // Those that exist keep theirs.
        assert_eq!(found(&directory.path().join("d")), 0o2775);
        assert_eq!(found(&directory.path().join("d/versions")), 0o2775);
    }
    for mode in [0o10_000, 0o577, 0] {
        let options = PublishOptions::new().directory_mode(mode);
        let error = versions.publish(&sources[0], &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error:?}");
    }
}

/// Another program's file at the lock's name is locked and left as it is.
#[test]
fn a_lock_with_content_is_somebody_elses() {
    let directory = directory();
    let lock = directory.path().join(".t.lock");
    fs::write(&lock, "1234").unwrap();
    table(&directory.path().join("t"), 10, 1);
    assert_eq!(fs::read(&lock).unwrap(), b"1234");
    assert_edition(&directory.path().join("t"), 1);
}

/// The lock is for those who publish: a second builder of the same table waits for it at the end,
/// and both tables were published.
#[test]
fn two_builders_of_one_table_both_publish() {
    let directory = directory();
    let path = directory.path().join("t");
    let mut one = Builder::create(&path).unwrap();
    let mut two = Builder::create(&path).unwrap();
    one.insert(b"k", b"one").unwrap();
    two.insert(b"k", b"two").unwrap();
    two.finish().unwrap();
    assert_eq!(Table::load(&path).unwrap().get(b"k").unwrap(), Some(&b"two"[..]));
    one.finish().unwrap();
    assert_eq!(Table::load(&path).unwrap().get(b"k").unwrap(), Some(&b"one"[..]));
}

#[test]
fn a_builder_waits_for_the_lock() {
    let directory = directory();
    let path = directory.path().join("t");
    table(&path, 10, 1);
    let lock = fs::File::create(directory.path().join(".t.lock")).unwrap();
    fs2::FileExt::try_lock_exclusive(&lock).unwrap();
    let builder = std::thread::spawn({
        let path = path.clone();
        move || table(&path, 10, 2)
    });
    // However long it is held, up to a minute.
    std::thread::sleep(Duration::from_millis(200));
    assert!(!builder.is_finished());
    assert_edition(&path, 1);
    drop(lock);
    builder.join().unwrap();
    assert_edition(&path, 2);
    assert_eq!(names(directory.path()), ["t"]);
}
