//! Guards against an error that does not say which file it concerns, or says it twice: `main` that
//! returns `Box<dyn Error>` prints an error and nothing else, and an operator who reads "No such
//! file or directory" in a log has to guess. Every variant of every error is made; those that the
//! system has to be driven to are made by hand.

#![expect(unsafe_code, reason = "maps the files under test")]

mod common;

use common::{Case, generate};
use graven::{
    BuildError, BuildOptions, Builder, ErrorKind, Live, OpenError, OpenFailure, OpenOptions,
    PageChecks, PublishError, PublishOptions, ReadFailure, Table, Versions, Warm,
};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A table in a directory of its own, under a name that no other text contains.
fn table() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zebra");
    Case::of(generate::varied(100)).build(&path).unwrap();
    (directory, path)
}

/// The text, and the texts of all sources, hold the path once. So does what `main` prints of an
/// error that it returns.
#[track_caller]
fn names(error: &(dyn Error + 'static), path: &Path) {
    let mut text = error.to_string();
    assert!(!text.ends_with('.'), "{text}");
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    let name = path.to_str().unwrap();
    assert_eq!(text.matches(name).count(), 1, "{text}");
    let printed = format!("{error:?}");
    assert_eq!(printed.matches(name).count(), 1, "{printed}");
    assert!(printed.contains(&format!("{error} (")), "{printed}");
}

/// `main` that returns an error prints its `Debug`, and so does `unwrap`: the text, which says what
/// to do, and the variant, for whoever writes a `match`.
#[test]
fn debug_is_the_text_and_the_variant() {
    let failure = OpenFailure::TooShort { got: 0, expected: 480 };
    let text = "has 0 bytes, the smallest table has 480: the file is empty, cut off or no table";
    assert_eq!(format!("{failure:?}"), format!("{text} (OpenFailure::TooShort)"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty");
    fs::write(&path, "").unwrap();
    let error = Table::load(&path).unwrap_err();
    let shown = path.display();
    assert_eq!(format!("{error:?}"), format!("{shown}: {text} (OpenFailure::TooShort)"));
    let boxed: Box<dyn Error> = error.into();
    assert_eq!(format!("{boxed:?}"), format!("{shown}: {text} (OpenFailure::TooShort)"));

    let failure = ReadFailure::Faulted { offset: 4096 };
    let text = "page at offset 4096 cannot be read: the file was truncated or its device failed";
    assert_eq!(format!("{failure:?}"), format!("{text} (ReadFailure::Faulted)"));
    let error = graven::ReadError::from(failure);
    assert_eq!(format!("{error:?}"), format!("{text} (ReadFailure::Faulted)"));
    let error = OpenFailure::Damaged(failure);
    assert_eq!(format!("{error:?}"), format!("{text} (OpenFailure::Damaged)"));

    let error = BuildError::DuplicateKey { key: b"a\tb".to_vec() };
    let text = "key \"a\\tb\" occurs more than once: remove one, or choose to keep the first, the \
                last or all";
    assert_eq!(format!("{error:?}"), format!("{text} (BuildError::DuplicateKey)"));
    let error = BuildError::Failed;
    assert_eq!(format!("{error:?}"), format!("{error} (BuildError::Failed)"));
    let error = PublishError::from(error);
    assert_eq!(format!("{error:?}"), format!("{error} (PublishError::Target)"));
    let error = graven::MergeError::TypeMismatch { table: 1 };
    assert_eq!(format!("{error:?}"), format!("{error} (MergeError::TypeMismatch)"));
}

/// Opens a damaged copy of a table in every way; all errors are alike but for the name.
#[track_caller]
fn opened(options: &OpenOptions, damage: impl FnOnce(&mut Vec<u8>)) -> OpenError {
    let (directory, path) = table();
    let mut bytes = fs::read(path).unwrap();
    damage(&mut bytes);
    let path = directory.path().join("damaged");
    fs::write(&path, &bytes).unwrap();
    let loaded = options.load(&path).unwrap_err();
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { options.open(&path) }.unwrap_err();
    // SAFETY: nobody else knows the file.
    let live = unsafe { Live::open_with(&path, options) }.unwrap_err();
    let in_memory = options.from_bytes(bytes).unwrap_err();
    assert_eq!(in_memory.path(), None);
    for error in [&loaded, &mapped, &live] {
        assert_eq!(error.path(), Some(path.as_path()));
        assert_eq!(error.to_string(), format!("{}: {in_memory}", path.display()));
        assert_eq!(error.to_string(), format!("{}: {}", path.display(), error.failure()));
        names(error, &path);
    }
    mapped
}

#[test]
fn what_can_be_wrong_with_the_bytes_of_a_file() {
    let failure = |damage: fn(&mut Vec<u8>)| opened(&OpenOptions::new(), damage).into_failure();
    assert!(matches!(failure(|bytes| bytes.truncate(9)), OpenFailure::TooShort { .. }));
    assert!(matches!(failure(|bytes| bytes[0] = 0), OpenFailure::NotATable { .. }));
    let newer = failure(|bytes| bytes[8] = 9);
    assert!(matches!(newer, OpenFailure::UnsupportedVersion { major: 9, .. }), "{newer:?}");
    assert!(matches!(failure(|bytes| bytes[40] ^= 1), OpenFailure::HeaderChecksum { .. }));
    let cut = failure(|bytes| bytes.truncate(bytes.len() - 1));
    assert!(matches!(cut, OpenFailure::Truncated { .. }), "{cut:?}");
    assert!(matches!(failure(|bytes| bytes.push(0)), OpenFailure::TrailingBytes { .. }));
    let torn = failure(|bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(matches!(torn, OpenFailure::FooterMismatch { .. }), "{torn:?}");

    let at_open = OpenOptions::new().page_checks(PageChecks::AtOpen);
    let damaged = opened(&at_open, |bytes| bytes[500] ^= 1).into_failure();
    assert!(matches!(damaged, OpenFailure::Damaged(ReadFailure::Checksum { offset: 0, .. })));
    let outside = opened(&OpenOptions::new().section(1, u64::MAX), |_| {});
    assert!(matches!(outside.failure(), OpenFailure::SectionOutOfBounds { .. }), "{outside:?}");

    // Headers that contradict themselves, under right checksums.
    let (mut invalid, mut unsupported) = (0, 0);
    for file in fs::read_dir(common::data("bad")).unwrap() {
        let Err(failure) =
            Table::load(file.as_ref().unwrap().path()).map_err(OpenError::into_failure)
        else {
            continue;
        };
        match &failure {
            OpenFailure::InvalidHeader { .. } => invalid += 1,
            OpenFailure::UnsupportedFeature { .. } => unsupported += 1,
            _ => continue,
        }
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let error = opened(&OpenOptions::new(), |damaged| *damaged = bytes);
        assert_eq!(format!("{:?}", error.failure()), format!("{failure:?}"));
    }
    assert!(invalid > 20 && unsupported > 1, "{invalid} invalid, {unsupported} unsupported");
}

#[test]
fn what_stands_under_a_name() {
    let (directory, path) = table();
    let absent = directory.path().join("absent");
    let error = Table::load(&absent).unwrap_err();
    assert!(matches!(&error.failure(), OpenFailure::Io { source, .. }
        if source.kind() == io::ErrorKind::NotFound));
    names(&error, &absent);
    // SAFETY: nobody else knows the file.
    let error = unsafe { Table::open(directory.path()) }.unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::NotARegularFile { kind: "directory" }));
    names(&error, directory.path());

    // SAFETY: nobody else knows the file, and it is replaced by rename.
    let live = unsafe { Live::open(&path) }.unwrap();
    fs::remove_file(&path).unwrap();
    let error = live.refresh().unwrap_err();
    names(&error, &path);
    assert_eq!(live.status().failure, Some(error.to_string()));
}

#[test]
fn a_table_of_other_types() {
    let (directory, path) = table();
    let error = Table::load(&path).unwrap().typed::<u32, u64>().err().unwrap();
    assert!(matches!(error.failure(), OpenFailure::TypeMismatch { .. }), "{error:?}");
    names(&error, &path);
    let bytes = fs::read(&path).unwrap();
    let error = Table::from_bytes(bytes).unwrap().typed::<u32, u64>().err().unwrap();
    assert_eq!(error.path(), None);

    let typed = directory.path().join("typed");
    let mut builder = BuildOptions::new().durable(false).create_typed::<u32, u64>(&typed).unwrap();
    builder.insert(&1, &2).unwrap();
    builder.finish().unwrap();
    let moved = directory.path().join("moved");
    let bytes = fs::read(&typed).unwrap();
    fs::write(&moved, [b"1", &bytes[..]].concat()).unwrap();
    // SAFETY: nobody else knows the file.
    let table = unsafe { OpenOptions::new().section(1, bytes.len() as u64).open(&moved) }.unwrap();
    let error = table.typed::<u32, u64>().err().unwrap();
    assert!(matches!(error.failure(), OpenFailure::Misaligned { needed: 8, got: 1 }), "{error:?}");
    names(&error, &moved);
}

/// Damage that a lookup or a walk meets, wherever it is met.
#[test]
fn lookups_name_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zebra");
    let mut builder = BuildOptions::new().durable(false).create(&path).unwrap();
    for i in 0..5_000u32 {
        builder.insert(format!("key {i:05}").as_bytes(), [7; 40]).unwrap();
    }
    builder.finish().unwrap();
    let sound = fs::read(&path).unwrap();
    let key = b"key 02500";
    fs::remove_file(&path).unwrap();

    // A wrong checksum, and bytes that break the format where no checksum is asked.
    for (checks, damage) in [(PageChecks::FirstTouch, 1), (PageChecks::Never, 0xFF)] {
        let mut bytes = sound.clone();
        match checks {
            PageChecks::Never => bytes[512..].fill(damage),
            _ => bytes[512..].iter_mut().for_each(|byte| *byte ^= damage),
        }
        bytes[sound.len() - 64..].copy_from_slice(&sound[sound.len() - 64..]);
        fs::write(&path, &bytes).unwrap();
        let options = OpenOptions::new().page_checks(checks);
        // SAFETY: nobody else knows the file.
        let mapped = unsafe { options.open(&path) }.unwrap();
        for table in [mapped, options.load(&path).unwrap()] {
            assert_eq!(table.path(), Some(path.as_path()));
            assert!(format!("{table:?}").contains("zebra"), "{table:?}");
            let mut errors = vec![
                ("get", table.get(key).err()),
                ("get_many", table.get_many(&[key]).err()),
                ("get_all", table.get_all(key).find_map(Result::err)),
                ("first", table.first().err()),
                ("last", table.last().err()),
                ("floor", table.floor(key).err()),
                ("ceil", table.ceil(key).err()),
                ("nth", table.nth(2_500).err()),
                ("rank", table.rank(key).err()),
                ("longest_prefix", table.longest_prefix(key).err()),
                ("iter", table.iter().find_map(Result::err)),
                ("rev", table.iter().rev().find_map(Result::err)),
                ("cursor", table.cursor().seek_ceil(key).err()),
                ("stats", table.stats().err()),
                ("verify", table.verify().err()),
            ];
            errors.retain(|(_, error)| error.is_some());
            // With checks all of them fail; without, those that see the nonsense.
            let least = if checks == PageChecks::Never { 5 } else { 15 };
            assert!(errors.len() >= least, "{checks:?}: {errors:?}");
            for (query, error) in errors {
                let error = error.unwrap();
                assert_eq!(error.path(), Some(path.as_path()), "{query}: {error}");
                assert_eq!(error.to_string(), format!("{}: {}", path.display(), error.failure()));
                names(&error, &path);
            }
        }
        let error = options.from_bytes(bytes).unwrap().verify().unwrap_err();
        assert_eq!((error.path(), error.to_string()), (None, error.failure().to_string()));
        fs::remove_file(&path).unwrap();
    }
}

/// A page that is gone.
#[test]
#[cfg(target_os = "linux")]
fn lost_pages_name_the_table() {
    let (_directory, path) = table();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    // SAFETY: the test breaks the promise on purpose, and reads by calls that raise no signal.
    let table = unsafe { Table::open(&path) }.unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    for error in [table.verify().unwrap_err(), table.warm(Warm::All).unwrap_err()] {
        assert!(matches!(error.failure(), ReadFailure::Faulted { .. }), "{error:?}");
        names(&error, &path);
    }
}

#[test]
fn a_build_names_what_stands_in_its_way() {
    let (directory, path) = table();
    let refused = |options: BuildOptions, path: &Path| options.create(path).err().unwrap();
    let absent = directory.path().join("absent");
    let error = refused(BuildOptions::new(), &absent.join("t"));
    assert!(matches!(error, BuildError::Io { .. }), "{error:?}");
    names(&error, &absent);
    let error = refused(BuildOptions::new().temp_dir(&absent), &path);
    assert!(matches!(error, BuildError::Io { .. }), "{error:?}");
    names(&error, &absent);
    let error = refused(BuildOptions::new().replace(false), &path);
    assert!(matches!(error, BuildError::AlreadyExists { .. }), "{error:?}");
    names(&error, &path);
    let error = refused(BuildOptions::new(), directory.path());
    assert!(matches!(error, BuildError::NotARegularFile { .. }), "{error:?}");
    names(&error, directory.path());
    let foreign = directory.path().join("foreign");
    fs::write(&foreign, "text").unwrap();
    let error = Builder::create(&foreign).err().unwrap();
    assert!(matches!(error, BuildError::NotATable { .. }), "{error:?}");
    names(&error, &foreign);
}

/// The others take a full disk, a mount point, a failing disk: their texts.
#[test]
fn the_texts_of_rare_build_errors() {
    let path = PathBuf::from("some/zebra");
    let source = || io::Error::from_raw_os_error(28);
    let concerning = [
        BuildError::OutOfSpace {
            action: "write",
            path: path.clone(),
            written: 9,
            source: source(),
        },
        BuildError::NotReplaceable { path: path.clone(), reason: "is a mount point" },
        BuildError::Locked { path: path.clone(), source: io::ErrorKind::WouldBlock.into() },
        BuildError::Locked { path: path.clone(), source: source() },
        BuildError::ReadBack {
            path: path.clone(),
            source: OpenFailure::Damaged(ReadFailure::Faulted { offset: 4096 }),
        },
        BuildError::PublishedButNotDurable { path: path.clone(), source: source() },
    ];
    for error in concerning {
        assert_eq!(error.path(), Some(path.as_path()));
        names(&error, &path);
        let error = PublishError::Target(error);
        assert_eq!(error.path(), Some(path.as_path()));
        names(&error, &path);
    }
    // These concern an entry or an option.
    let others = [
        BuildError::KeyTooLong { len: 65_536, entry: 7 },
        BuildError::ValueTooLong { len: 9, entry: 7 },
        BuildError::ValueReader { entry: 7, source: source() },
        BuildError::OutOfOrder { previous: b"b".to_vec(), key: b"a".to_vec(), entry: 7 },
        BuildError::DuplicateKey { key: b"a".to_vec() },
        BuildError::OtherShard { key: b"a".to_vec(), shard: 1, expected: 2, of: 3 },
        BuildError::InvalidOption { option: "mode", got: "8".into(), expected: "less" },
        BuildError::TableTooLarge { bytes: 1 << 45 },
        BuildError::Failed,
        BuildError::Cancelled,
    ];
    for error in others {
        assert_eq!(error.path(), None, "{error:?}");
        assert!(!error.to_string().ends_with('.') && error.source().is_none(), "{error}");
    }
    // Limits of the machine: tests/errors.rs meets them.
    let limits = [
        OpenFailure::AddressSpaceExhausted { needed: 1, limit: None },
        OpenFailure::TooManyMappings { mappings: 1, limit: 1 },
        OpenFailure::LockRefused { needed: 1, limit: None, source: source() },
        OpenFailure::OutOfMemory { needed: 1 },
    ];
    for source in limits {
        let error = PublishError::Source { path: path.clone(), source };
        assert_eq!((error.path(), error.kind()), (Some(path.as_path()), ErrorKind::Io));
        names(&error, &path);
    }
}

#[test]
fn publishing_names_the_side_at_fault() {
    let (directory, path) = table();
    let absent = directory.path().join("absent");
    let target = directory.path().join("target");
    let publish = |from: &Path, to: &Path| PublishOptions::new().publish(from, to).unwrap_err();
    let error = publish(&absent, &target);
    assert!(matches!(error, PublishError::Source { .. }), "{error:?}");
    names(&error, &absent);
    let error = publish(&path, &absent.join("t"));
    assert!(matches!(error, PublishError::Target(_)), "{error:?}");
    names(&error, &absent);
    let damaged = directory.path().join("damaged");
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let error = publish(&damaged, &target);
    assert_eq!((error.path(), error.kind()), (Some(damaged.as_path()), ErrorKind::Data));
    names(&error, &damaged);

    let versions = Versions::new(&absent);
    let errors =
        [versions.current().unwrap_err(), versions.roll_back(Some("00000009-x")).unwrap_err()];
    for error in errors {
        assert!(matches!(error, PublishError::NoVersion { .. }), "{error:?}");
        names(&error, &absent);
    }
    versions.publish(&path, &PublishOptions::new()).unwrap();
    let error = versions.publish(&damaged, &PublishOptions::new()).unwrap_err();
    names(&error, &damaged);
    let current = versions.current().unwrap();
    fs::set_permissions(&current, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&current, "text").unwrap();
    let id = versions.list().unwrap()[0].id.clone();
    let error = versions.roll_back(Some(&id)).unwrap_err();
    assert!(matches!(error, PublishError::Source { .. }), "{error:?}");
    assert!(error.to_string().contains(&id), "{error}");
}

/// `?` in a function that returns `io::Result`: the kind is the system's where it refused, and the
/// error is inside.
#[test]
fn errors_as_io_errors() {
    let (directory, path) = table();
    let absent = directory.path().join("absent");
    let kind = |error: io::Error| {
        assert!(error.get_ref().is_some());
        names(&error, if error.to_string().contains("absent") { &absent } else { &path });
        error.kind()
    };
    let open = |path: &Path| -> io::Result<Table> { Ok(Table::load(path)?) };
    assert_eq!(kind(open(&absent).unwrap_err()), io::ErrorKind::NotFound);
    let build = |options: BuildOptions, path: &Path| -> io::Result<()> {
        options.create(path)?.finish()?;
        Ok(())
    };
    assert_eq!(
        kind(build(BuildOptions::new(), &absent.join("t")).unwrap_err()),
        io::ErrorKind::NotFound
    );
    let stay = BuildOptions::new().replace(false);
    assert_eq!(kind(build(stay, &path).unwrap_err()), io::ErrorKind::AlreadyExists);
    let publish = |from: &Path| -> io::Result<()> {
        PublishOptions::new().publish(from, directory.path().join("target"))?;
        Ok(())
    };
    assert_eq!(kind(publish(&absent).unwrap_err()), io::ErrorKind::NotFound);
    let unset = BuildOptions::new().value_align(3);
    let error = build(unset, &path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);

    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    let verify =
        |path: &Path| -> io::Result<()> { open(path)?.verify().map(drop).map_err(From::from) };
    let error = verify(&path).unwrap_err();
    assert_eq!(
        error.get_ref().unwrap().downcast_ref::<graven::ReadError>().unwrap().path(),
        Some(path.as_path())
    );
    assert_eq!(kind(error), io::ErrorKind::InvalidData);
    fs::write(&path, "text, and more of it").unwrap();
    assert_eq!(kind(open(&path).unwrap_err()), io::ErrorKind::InvalidData);
}
