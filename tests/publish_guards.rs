//! Guards against a table that takes the place of a good one though its build has lost its input;
//! against a stream of which half, or too much, becomes a table; and against a version that is
//! built in its place and is seen before it is complete, or left behind when it is not.

#![cfg(unix)]

mod common;

use common::names;
use graven::{
    BuildError, BuildOptions, ErrorKind, NewVersion, OpenFailure, PublishError, PublishOptions,
    Table, Versions,
};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A table of so many entries, each of about so many bytes.
fn table(path: &Path, entries: u32, bytes: usize) {
    let mut builder = BuildOptions::new().sorted(true).durable(false).create(path).unwrap();
    for i in 0..entries {
        builder.insert(i.to_be_bytes(), vec![7; bytes + i as usize % 3]).unwrap();
    }
    builder.finish().unwrap();
}

fn entries(path: &Path) -> u64 {
    Table::load(path).unwrap().len()
}

/// Every way to publish a table at a target, a file or a directory of versions.
type Way = fn(&Path, &Path, &PublishOptions) -> Result<(), PublishError>;

const WAYS: [Way; 5] = [
    |source, target, options| options.publish(source, target).map(drop),
    |source, target, options| {
        options.publish_from(fs::File::open(source).unwrap(), target).map(drop)
    },
    |source, target, options| Versions::new(target).publish(source, options).map(drop),
    |source, target, options| {
        let source = fs::File::open(source).unwrap();
        Versions::new(target).publish_from(source, options).map(drop)
    },
    |source, target, options| {
        let new = Versions::new(target).create(options)?;
        table(new.path(), entries(source) as u32, 50);
        new.publish().map(drop)
    },
];

/// The table that readers of a target open.
fn current(target: &Path) -> PathBuf {
    if target.is_dir() { target.join("CURRENT") } else { target.to_owned() }
}

#[test]
fn too_few_entries_are_refused() {
    let directory = directory();
    let source = directory.path().join("s");
    for (number, way) in WAYS.into_iter().enumerate() {
        let target = directory.path().join(format!("t{number}"));
        table(&source, 99, 50);
        let options = PublishOptions::new().min_entries(100);
        let error = way(&source, &target, &options).unwrap_err();
        let PublishError::TooFewEntries { entries: 99, min_entries: 100 } = error else {
            panic!("{number}: {error:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(!current(&target).exists(), "{number}");
        table(&source, 100, 50);
        way(&source, &target, &options).unwrap();
        assert_eq!(entries(&current(&target)), 100, "{number}");
        // The one that stands stays, and nothing is left of the refused one.
        let before = (names(directory.path()), fs::read(current(&target)).unwrap());
        table(&source, 1, 50);
        way(&source, &target, &options).unwrap_err();
        assert_eq!((names(directory.path()), fs::read(current(&target)).unwrap()), before);
        if target.is_dir() {
            assert_eq!(names(&target.join("versions")).len(), 1, "{number}");
        }
    }
}

#[test]
fn a_table_may_shrink_so_far_and_no_further() {
    let directory = directory();
    let source = directory.path().join("s");
    for (number, way) in WAYS.into_iter().enumerate() {
        let target = directory.path().join(format!("t{number}"));
        let publish = |count, max_shrink| {
            table(&source, count, 50);
            way(&source, &target, &PublishOptions::new().max_shrink(max_shrink))
        };
        // Where nothing stands, nothing can shrink.
        publish(100, 0.0).unwrap();
        publish(100, 0.0).unwrap();
        // 29 % of 100 is 29, though 0.29 * 100.0 is less.
        publish(71, 0.29).unwrap();
        publish(100, 0.0).unwrap();
        let error = publish(70, 0.29).unwrap_err();
        let PublishError::Shrunk { entries: 70, current: 100, max_shrink } = error else {
            panic!("{number}: {error:?}")
        };
        assert!((error.kind(), max_shrink) == (ErrorKind::Data, 0.29));
        assert!(error.to_string().contains("29 %"), "{error}");
        assert_eq!(entries(&current(&target)), 100, "{number}");
        publish(1000, 0.0).unwrap();
        publish(0, 0.999).unwrap_err();
        publish(0, 1.0).unwrap();
        publish(0, 0.0).unwrap();
        publish(5, 0.0).unwrap();
        assert_eq!(entries(&current(&target)), 5, "{number}");
    }
}

#[test]
fn a_current_table_that_cannot_be_read_is_compared_with_nothing() {
    let directory = directory();
    let (source, good) = (directory.path().join("s"), directory.path().join("good"));
    table(&source, 10, 50);
    table(&good, 10, 50);
    let guarded = PublishOptions::new().max_shrink(0.5);
    for (number, way) in WAYS.into_iter().enumerate() {
        let target = directory.path().join(format!("t{number}"));
        way(&good, &target, &PublishOptions::new()).unwrap();
        let path = fs::canonicalize(current(&target)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        let error = way(&source, &target, &guarded).unwrap_err();
        let header = OpenFailure::HeaderChecksum { expected: 0, got: 0 };
        let PublishError::Current { source: found, .. } = &error else {
            panic!("{number}: {error:?}")
        };
        assert_eq!(std::mem::discriminant(found), std::mem::discriminant(&header), "{found:?}");
        assert_eq!(error.kind(), ErrorKind::Data);
        way(&source, &target, &PublishOptions::new().min_entries(10)).unwrap();
        assert_eq!(entries(&current(&target)), 10, "{number}");
    }
    // An empty file, and a link that leads nowhere, are no tables: they may be replaced.
    let target = directory.path().join("empty");
    fs::write(&target, "").unwrap();
    guarded.publish(&source, &target).unwrap();
    let target = directory.path().join("link");
    std::os::unix::fs::symlink("nowhere", &target).unwrap();
    guarded.publish(&source, &target).unwrap();
    assert_eq!(entries(&target), 10);
}

#[test]
fn a_part_is_a_part() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    table(&source, 1, 1);
    for part in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        for way in WAYS {
            let error = way(&source, &target, &PublishOptions::new().max_shrink(part));
            let Err(PublishError::Target(BuildError::InvalidOption { option, .. })) = error else {
                panic!("{part}: {error:?}")
            };
            assert_eq!(option, "max_shrink");
        }
    }
    assert_eq!(names(directory.path()), ["s"]);
}

/// Gives a few bytes at a time, and calls a function when so many bytes were read.
struct Slow<'a> {
    bytes: &'a [u8],
    piece: usize,
    read: usize,
    at: usize,
    then: Option<Box<dyn FnOnce() + 'a>>,
}

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.piece.min(into.len());
        let len = self.bytes.read(&mut into[..len])?;
        self.read += len;
        if self.read > self.at
            && let Some(then) = self.then.take()
        {
            then();
        }
        Ok(len)
    }
}

#[test]
fn a_stream_becomes_the_table_byte_for_byte() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    for count in [0, 1, 100, 50_000] {
        table(&source, count, 50);
        let bytes = fs::read(&source).unwrap();
        for piece in [977, usize::MAX] {
            let stream = Slow { bytes: &bytes, piece, read: 0, at: usize::MAX, then: None };
            let options = PublishOptions::new().mode(0o440);
            let published = options.publish_from(stream, &target).unwrap();
            assert_eq!(published.file_bytes, bytes.len() as u64);
            assert_eq!(published.build_id, Table::load(&source).unwrap().build_id());
            assert!(fs::read(&target).unwrap() == bytes, "{count}");
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o440);
            let versions = Versions::new(directory.path().join("d"));
            let stream = Slow { bytes: &bytes, piece, read: 0, at: usize::MAX, then: None };
            let version = versions.publish_from(stream, &PublishOptions::new()).unwrap();
            assert!(fs::read(&version.path).unwrap() == bytes, "{count}");
            assert_eq!(version.file_bytes, bytes.len() as u64);
        }
    }
}

/// Fails after some bytes.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::Error::other("the line is cut")),
            len => Ok(len),
        }
    }
}

#[test]
fn a_stream_that_is_no_table_leaves_nothing() {
    let directory = directory();
    let (source, target) = (directory.path().join("s"), directory.path().join("t"));
    for count in [3, 60_000] {
        table(&source, count, 50);
        let whole = fs::read(&source).unwrap();
        let _ = fs::remove_file(&source);
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        let cut = |len: usize| whole[..len].to_vec();
        let streams = [
            Vec::new(),
            cut(3),
            cut(100),
            cut(whole.len() / 2),
            cut(whole.len() - 1),
            [&whole[..], b"x"].concat(),
            [&whole[..], &whole[..]].concat(),
            b"key\tvalue\n".repeat(100_000),
            flipped(0),
            flipped(50),
            flipped(whole.len() / 2),
            flipped(whole.len() - 1),
        ];
        for (number, bytes) in streams.iter().enumerate() {
            let error = PublishOptions::new().publish_from(&bytes[..], &target).unwrap_err();
            let PublishError::Stream { source } = &error else { panic!("{number}: {error:?}") };
            assert_eq!(error.kind(), ErrorKind::Data, "{number}: {error:?}");
            assert!(!error.to_string().ends_with('.'));
            // What a file with these bytes would be.
            if let Err(expected) = Table::from_bytes(bytes.clone()) {
                // A stream is not read to its end to find out how much too long it is.
                let trailing = matches!(source, OpenFailure::TrailingBytes { .. });
                let (found, expected) = (source.to_string(), expected.to_string());
                assert!(found == expected || trailing && expected.contains("appended"), "{found}");
            }
            let versions = Versions::new(directory.path().join("d"));
            let error = versions.publish_from(&bytes[..], &PublishOptions::new()).unwrap_err();
            assert!(matches!(error, PublishError::Stream { .. }), "{number}: {error:?}");
            assert_eq!(versions.list().unwrap(), []);
        }
        for len in [0, 1000, whole.len() - 1, whole.len()] {
            let broken = Broken(&whole[..len]);
            let error = PublishOptions::new().publish_from(broken, &target).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{len}: {error:?}");
            assert!(error.to_string().contains("the line is cut"), "{error}");
        }
        let versions = directory.path().join("d/versions");
        assert!(!versions.exists() || names(&versions).is_empty());
        assert!(!target.exists());
    }
}

/// The guard compares with the version that is current when the pointer would move.
#[test]
fn a_version_that_comes_meanwhile_is_compared() {
    let directory = directory();
    let (small, large) = (directory.path().join("small"), directory.path().join("large"));
    table(&small, 60_000, 50);
    table(&large, 100_000, 1);
    let bytes = fs::read(&small).unwrap();
    let versions = Versions::new(directory.path().join("d"));
    let stream = |then: Option<Box<dyn FnOnce()>>| Slow {
        bytes: &bytes,
        piece: 1 << 20,
        read: 0,
        // Behind the first chunk, which has the header.
        at: 5 << 19,
        then,
    };
    let guarded = PublishOptions::new().max_shrink(0.1);
    versions.publish_from(stream(None), &guarded).unwrap();
    let (others, other) = (versions.clone(), large.clone());
    let comes = move || drop(others.publish(&other, &PublishOptions::new()).unwrap());
    let error = versions.publish_from(stream(Some(Box::new(comes))), &guarded).unwrap_err();
    assert!(matches!(error, PublishError::Shrunk { current: 100_000, .. }), "{error:?}");
    assert_eq!(entries(&versions.current().unwrap()), 100_000);
    assert_eq!(versions.list().unwrap().len(), 2);

    let target = directory.path().join("t");
    guarded.publish_from(stream(None), &target).unwrap();
    let (to, other) = (target.clone(), large.clone());
    let comes = move || {
        PublishOptions::new().publish(&other, &to).unwrap();
    };
    let error = guarded.publish_from(stream(Some(Box::new(comes))), &target).unwrap_err();
    assert!(matches!(error, PublishError::Shrunk { current: 100_000, .. }), "{error:?}");
    assert_eq!(entries(&target), 100_000);
}

fn begin(versions: &Versions) -> NewVersion {
    versions.create(&PublishOptions::new()).unwrap()
}

#[test]
fn a_version_is_built_in_its_place() {
    let directory = directory();
    let other = directory.path().join("other");
    table(&other, 10, 50);
    let versions = Versions::new(directory.path().join("d"));
    let first = begin(&versions);
    let second = begin(&versions);
    assert_ne!(first.path(), second.path());
    table(first.path(), 20, 50);
    let built = (fs::read(first.path()).unwrap(), fs::metadata(first.path()).unwrap().ino());
    // A version that is being made is none yet, also when its table is complete.
    assert_eq!(versions.list().unwrap(), []);
    // One that comes meanwhile gets a number of its own and removes nothing.
    let published = versions.publish(&other, &PublishOptions::new()).unwrap();
    assert!(published.id.starts_with("00000003-"), "{}", published.id);
    let version = first.publish().unwrap();
    assert!(version.current && version.id.starts_with("00000001-"), "{version:?}");
    assert_eq!(versions.list().unwrap()[0], version);
    let path = fs::canonicalize(versions.current().unwrap()).unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().ino()), built);
    assert_eq!(version.file_bytes, built.0.len() as u64);
    // The name is that of a version that was copied.
    let copied = versions.publish(&path, &PublishOptions::new()).unwrap();
    assert_eq!(copied.id[9..], version.id[9..]);
    assert_eq!(names(version.path.parent().unwrap()), ["table.grv"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o444);
    table(second.path(), 5, 50);
    let second = second.publish().unwrap();
    assert_eq!(entries(&second.path), 5);
    assert_eq!(versions.roll_back(Some(&version.id)).unwrap().id, version.id);
}

#[test]
fn a_version_that_is_not_published_leaves_nothing() {
    let directory = directory();
    let versions = Versions::new(directory.path().join("d"));
    let inside = directory.path().join("d/versions");
    drop(begin(&versions));
    assert_eq!(names(&inside), [""; 0]);
    let new = begin(&versions);
    table(new.path(), 5, 50);
    drop(new);
    assert_eq!(names(&inside), [""; 0]);
    // A builder that was not finished.
    let new = begin(&versions);
    let mut builder = BuildOptions::new().create(new.path()).unwrap();
    builder.insert(b"a", b"1").unwrap();
    let error = new.publish().unwrap_err();
    let PublishError::Source { source: OpenFailure::Io { source, .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    drop(builder);
    assert_eq!(names(&inside), [""; 0]);
    // What is there is no table, or a damaged one.
    let new = begin(&versions);
    fs::write(new.path(), "notes").unwrap();
    assert_eq!(new.publish().unwrap_err().kind(), ErrorKind::Data);
    let verified = PublishOptions::new().verify_after_write(true);
    let new = versions.create(&verified).unwrap();
    table(new.path(), 500, 50);
    let mut bytes = fs::read(new.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(new.path()).unwrap();
    fs::write(new.path(), &bytes).unwrap();
    let error = new.publish().unwrap_err();
    let damaged = matches!(&error, PublishError::Target(BuildError::ReadBack { .. }));
    assert!(damaged, "{error:?}");
    assert_eq!(names(&inside), [""; 0]);
    assert!(matches!(versions.current(), Err(PublishError::NoVersion { .. })));
}

#[test]
fn what_a_killed_build_left_goes_with_the_next_version() {
    let directory = directory();
    let versions = Versions::new(directory.path().join("d"));
    let alive = begin(&versions);
    // As a killed process leaves it: no lock, and the table may be complete.
    let dead = directory.path().join("d/versions/00000007-new");
    fs::create_dir(&dead).unwrap();
    table(&dead.join("new.grv"), 5, 50);
    assert_eq!(versions.list().unwrap(), []);
    let new = begin(&versions);
    assert!(!dead.exists());
    table(new.path(), 5, 50);
    let version = new.publish().unwrap();
    assert!(version.id.starts_with("00000008-"), "{}", version.id);
    table(alive.path(), 6, 50);
    assert_eq!(entries(&alive.publish().unwrap().path), 6);
}

#[test]
fn a_first_version_is_the_first() {
    let directory = directory();
    let versions = Versions::new(directory.path().join("d"));
    let only = PublishOptions::new().replace(false);
    let (one, two) = (versions.create(&only).unwrap(), versions.create(&only).unwrap());
    table(one.path(), 1, 1);
    table(two.path(), 2, 1);
    one.publish().unwrap();
    let error = two.publish().unwrap_err();
    let exists = matches!(&error, PublishError::Target(BuildError::AlreadyExists { .. }));
    assert!(exists, "{error:?}");
    let error = versions.create(&only).unwrap_err();
    let exists = matches!(&error, PublishError::Target(BuildError::AlreadyExists { .. }));
    assert!(exists, "{error:?}");
    assert_eq!(entries(&versions.current().unwrap()), 1);
    // The directories have the mode that was asked for, whatever the id was at first.
    let open = PublishOptions::new().directory_mode(0o2775);
    let shared = Versions::new(directory.path().join("shared"));
    let new = shared.create(&open).unwrap();
    table(new.path(), 1, 1);
    let version = new.publish().unwrap();
    let mode = fs::metadata(version.path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o2775);
}
