//! Guards against an error that is wrong, missing, or leaves something behind: a build that fails
//! and still changes the directory, an open that hangs on a FIFO, a wrong type that is read as
//! another. Whoever handles errors relies on each cause having its own.

#![expect(unsafe_code, reason = "maps the files under test")]

mod common;

use common::{Case, generate};
use graven::{
    BuildError, BuildId, BuildOptions, Builder, Duplicates, ErrorKind, OpenError, OpenFailure,
    OpenOptions, PageChecks, Table, TypedValue,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A small table in a directory of its own.
fn table() -> (TempDir, PathBuf) {
    let directory = directory();
    let path = directory.path().join("table");
    Case::of(generate::varied(100)).build(&path).unwrap();
    (directory, path)
}

/// What opening by mapping says; copying must say the same.
#[track_caller]
fn open_error(path: &Path) -> OpenError {
    let options = OpenOptions::new();
    let loaded = options.load(path).unwrap_err();
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { options.open(path) }.unwrap_err();
    assert_eq!(std::mem::discriminant(mapped.failure()), std::mem::discriminant(loaded.failure()));
    assert!(!mapped.to_string().is_empty() && !mapped.to_string().ends_with('.'));
    mapped
}

/// Opens damaged copies of a table.
#[track_caller]
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> OpenError {
    let (directory, path) = table();
    let mut bytes = fs::read(path).unwrap();
    damage(&mut bytes);
    let path = directory.path().join("damaged");
    fs::write(&path, &bytes).unwrap();
    let error = open_error(&path);
    let in_memory = Table::from_bytes(bytes.clone()).unwrap_err();
    assert_eq!(
        std::mem::discriminant(error.failure()),
        std::mem::discriminant(in_memory.failure())
    );
    let streamed = Table::from_reader(bytes.as_slice()).unwrap_err();
    assert_eq!(std::mem::discriminant(error.failure()), std::mem::discriminant(streamed.failure()));
    error
}

#[test]
fn missing_file() {
    let directory = directory();
    let error = open_error(&directory.path().join("absent"));
    let OpenFailure::Io { source, .. } = &error.failure() else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    assert!(error.path().unwrap().ends_with("absent"));
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn not_a_regular_file() {
    let directory = directory();
    let kind = |path: &Path| match open_error(path).into_failure() {
        OpenFailure::NotARegularFile { kind } => kind,
        other => panic!("{}: {other:?}", path.display()),
    };
    assert_eq!(kind(directory.path()), "directory");
    #[cfg(unix)]
    {
        assert!(kind(Path::new("/dev/null")).contains("device"));
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(kind(&socket), "socket");
    }
}

/// Makes a FIFO; false where that is not possible.
#[cfg(unix)]
fn make_fifo(path: &Path) -> bool {
    std::process::Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

/// Nobody writes into the FIFO: a plain open would wait for ever.
#[test]
#[cfg(unix)]
fn fifo_does_not_hang() {
    let directory = directory();
    let path = directory.path().join("fifo");
    if !make_fifo(&path) {
        println!("skipped: no mkfifo");
        return;
    }
    let (done, wait) = std::sync::mpsc::channel();
    let fifo = path.clone();
    std::thread::spawn(move || done.send(open_error(&fifo)));
    let error = wait.recv_timeout(std::time::Duration::from_secs(10)).expect("open hangs");
    assert!(matches!(error.failure(), OpenFailure::NotARegularFile { kind: "FIFO" }), "{error:?}");
    let error = BuildOptions::new().create(&path).err().unwrap();
    assert!(matches!(error, BuildError::NotARegularFile { .. }), "{error:?}");
}

#[test]
fn too_short() {
    for len in [0, 1, 7, 8, 479] {
        let error = damaged(|bytes| bytes.truncate(len));
        let OpenFailure::TooShort { got, expected } = error.failure() else {
            panic!("{len}: {error:?}")
        };
        assert_eq!((*got, *expected), (len as u64, 480));
    }
}

#[test]
fn foreign_files() {
    let error = damaged(|bytes| bytes[..4].copy_from_slice(b"\x7fELF"));
    assert!(
        matches!(error.failure(), OpenFailure::NotATable { found } if found.starts_with(b"\x7fELF"))
    );
    let error = damaged(|bytes| *bytes = b"key\tvalue\n".to_vec());
    assert!(matches!(error.failure(), OpenFailure::NotATable { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[test]
fn newer_major_version() {
    // The version comes before the checksum, which a later version may compute otherwise.
    let error = damaged(|bytes| bytes[8] = 2);
    let OpenFailure::UnsupportedVersion { major: 2, supported: 1, .. } = error.failure() else {
        panic!("{error:?}")
    };
    assert!(error.to_string().contains("newer"), "says what to do: {error}");
}

#[test]
fn damaged_ends() {
    let error = damaged(|bytes| bytes[40] ^= 1);
    assert!(matches!(error.failure(), OpenFailure::HeaderChecksum { .. }), "{error:?}");
    let error = damaged(|bytes| bytes.truncate(bytes.len() - 1));
    let OpenFailure::Truncated { expected, got } = error.failure() else { panic!("{error:?}") };
    assert_eq!(*expected, got + 1);
    let error = damaged(|bytes| bytes.push(0));
    let OpenFailure::TrailingBytes { expected, got } = error.failure() else { panic!("{error:?}") };
    assert_eq!(expected + 1, *got);
    let error = damaged(|bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    assert!(matches!(error.failure(), OpenFailure::FooterMismatch { .. }), "{error:?}");
}

/// Damage in the middle is found at open only if that is asked for.
#[test]
fn damaged_page() {
    let (_directory, path) = table();
    let mut bytes = fs::read(path).unwrap();
    bytes[500] ^= 1;
    Table::from_bytes(bytes.clone()).unwrap();
    let error = OpenOptions::new().page_checks(PageChecks::AtOpen).from_bytes(bytes).unwrap_err();
    assert!(matches!(
        error.failure(),
        OpenFailure::Damaged(graven::ReadFailure::Checksum { offset: 0, .. })
    ));
}

/// A truncated file is an error of the audit, whatever was mapped before: no SIGBUS.
#[cfg(target_os = "linux")]
const TRUNCATED: &str = "GRAVEN_TEST_TRUNCATED";

#[test]
#[cfg(target_os = "linux")]
fn verify_of_a_truncated_file() {
    let directory = directory();
    let path = directory.path().join("t");
    let mut builder = Builder::create(&path).unwrap();
    for i in 0..40_000u32 {
        builder.insert(i.to_be_bytes(), [7; 100]).unwrap();
    }
    builder.finish().unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    common::run_child("verify_of_a_truncated_file_child", TRUNCATED, &path);
}

#[test]
#[cfg(target_os = "linux")]
fn verify_of_a_truncated_file_child() {
    let Some(path) = std::env::var_os(TRUNCATED) else { return };
    // SAFETY: the test breaks the promise on purpose, and reads through `verify` only.
    let table = unsafe { Table::open(&path) }.unwrap();
    for len in [3_000_000, 8_192, 0] {
        fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let error = table.verify().unwrap_err();
        assert!(matches!(error.failure(), graven::ReadFailure::Faulted { .. }), "{len}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

/// A link to a device is as little a place for a table as the device.
#[test]
#[cfg(unix)]
fn a_link_to_a_device_is_refused() {
    let directory = directory();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let error = Builder::create(&link).err().unwrap();
    assert!(matches!(error, BuildError::NotARegularFile { .. }), "{error:?}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

/// What a failed insert left out must not be missing from a published table.
#[test]
fn a_failed_insert_ends_the_build() {
    let directory = directory();
    let path = directory.path().join("t");
    for sorted in [false, true] {
        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        builder.insert(b"a", b"1").unwrap();
        builder.insert(vec![0; 65_536], b"").unwrap_err();
        let error = builder.insert(b"b", b"2").unwrap_err();
        assert!(matches!(error, BuildError::Failed), "{error:?}");
        let error = builder.finish().unwrap_err();
        assert!(matches!(error, BuildError::Failed), "{error:?}");
        assert_only(directory.path(), &[]);
    }
}

#[test]
fn range_out_of_bounds() {
    let (_directory, path) = table();
    let len = path.metadata().unwrap().len();
    for (offset, length) in [(1, len), (len + 1, 0), (0, len + 1), (u64::MAX, 2), (8, u64::MAX)] {
        let options = OpenOptions::new().section(offset, length);
        // SAFETY: nobody else knows the file.
        let mapped = unsafe { options.open(&path) }.unwrap_err();
        for error in [mapped, options.load(&path).unwrap_err()] {
            let OpenFailure::SectionOutOfBounds { file_len, .. } = error.failure() else {
                panic!("{error:?}")
            };
            assert_eq!((*file_len, error.kind()), (len, ErrorKind::Usage));
        }
        let error = options.from_bytes(fs::read(&path).unwrap()).unwrap_err();
        assert!(matches!(error.failure(), OpenFailure::SectionOutOfBounds { .. }), "{error:?}");
    }
    let error = OpenOptions::new().section(len, 0).load(&path).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::TooShort { got: 0, .. }), "{error:?}");
}

/// Each way to open a table refuses another build, shows both ids, and opens the expected one.
#[test]
fn another_build() {
    let (_directory, path) = table();
    let bytes = fs::read(&path).unwrap();
    let id = Table::load(&path).unwrap().build_id();
    let mut other = *id.as_bytes();
    other[15] ^= 1;
    let other = BuildId::from(other);
    let options = OpenOptions::new();
    let (wrong, right) = (options.expect_build_id(other), options.expect_build_id(id));
    let warm = wrong.warm(graven::Warm::All).lock_memory(true);
    // A damaged page is not reached: the header alone tells.
    let late = wrong.page_checks(PageChecks::AtOpen);
    let mut damaged = bytes.clone();
    damaged[600] ^= 1;
    let damaged_path = path.with_extension("damaged");
    fs::write(&damaged_path, &damaged).unwrap();
    for error in [
        wrong.load(&path),
        // SAFETY: nobody else knows the files.
        unsafe { wrong.open(&path) },
        // SAFETY: as above.
        unsafe { warm.open(&path) },
        wrong.from_bytes(bytes.clone()),
        wrong.from_reader(&bytes[..]),
        late.load(&damaged_path),
        // SAFETY: as above.
        unsafe { late.open(&damaged_path) },
    ] {
        let error = error.unwrap_err();
        let OpenFailure::OtherBuild { asked, stored } = error.failure() else {
            panic!("{error:?}")
        };
        assert_eq!((*asked, *stored), (other, id));
        assert_eq!(error.kind(), ErrorKind::Data);
        let text = error.to_string();
        assert!(text.contains(&id.to_string()) && text.contains(&other.to_string()), "{text}");
    }
    assert_eq!(right.load(&path).unwrap().len(), 100);
    // SAFETY: as above.
    assert_eq!(unsafe { right.open(&path) }.unwrap().len(), 100);
    assert_eq!(right.from_bytes(bytes.clone()).unwrap().len(), 100);
    assert_eq!(right.from_reader(&bytes[..]).unwrap().len(), 100);
    // What is no table is refused as that.
    let error = wrong.from_bytes(&b"no table at all"[..]).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::NotATable { .. }));
    let error = wrong.load(path.with_extension("none")).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::Io { .. }));
}

/// The options hold for a stream: its section, its checks, and a reader that fails.
#[test]
fn from_reader_with_options() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the socket is gone"))
        }
    }
    let (_directory, path) = table();
    let bytes = fs::read(&path).unwrap();
    let around = [&[7; 9], &bytes[..], &[7; 5]].concat();
    let section = OpenOptions::new().section(9, bytes.len() as u64);
    assert_eq!(section.from_reader(&around[..]).unwrap().len(), 100);
    let warm = section.warm(graven::Warm::All);
    assert_eq!(warm.from_reader(&around[..]).unwrap().len(), 100);
    let error = section.from_reader(&around[..20]).unwrap_err();
    assert!(
        matches!(error.failure(), OpenFailure::SectionOutOfBounds { file_len: 20, .. }),
        "{error:?}"
    );
    let empty = OpenOptions::new().from_reader(&[][..]).unwrap_err();
    assert!(matches!(empty.failure(), OpenFailure::TooShort { got: 0, .. }));

    let mut damaged = bytes;
    damaged[600] ^= 1;
    let checked = OpenOptions::new().page_checks(PageChecks::AtOpen);
    let error = checked.from_reader(&damaged[..]).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::Damaged(_)));
    assert!(OpenOptions::new().from_reader(&damaged[..]).is_ok());
    let error = checked.from_reader(Failing).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error.failure(), OpenFailure::Io { .. }) && text.contains("socket"), "{text}");
}

#[cfg(target_os = "linux")]
const LIMITED: &str = "GRAVEN_TEST_ADDRESS_SPACE";

#[test]
#[cfg(target_os = "linux")]
fn address_space_exhausted() {
    let directory = directory();
    let path = directory.path().join("sparse");
    // A right header that speaks of 64 GiB, so that nothing but the memory is missing.
    let (_small, table) = table();
    let mut header = fs::read(table).unwrap()[..448].to_vec();
    header[16..24].copy_from_slice(&(64u64 << 30).to_le_bytes());
    header[112..116].fill(0);
    let checksum = crc32fast::hash(&header);
    header[112..116].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, &header).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(64 << 30).unwrap();
    common::run_child_after("ulimit -v 4000000", "address_space_exhausted_child", LIMITED, &path);
}

#[test]
#[cfg(target_os = "linux")]
fn address_space_exhausted_child() {
    let Some(path) = std::env::var_os(LIMITED) else { return };
    // SAFETY: nobody else knows the file.
    let error = unsafe { Table::open(&path) }.unwrap_err();
    let OpenFailure::AddressSpaceExhausted { needed, limit } = error.failure() else {
        panic!("{error}")
    };
    assert_eq!((*needed, *limit), (64 << 30, Some(4_000_000 << 10)));
    for words in ["68719476736", "ulimit -v allows the process 4096000000", "raise the limit"] {
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
    }
    // A copy takes as much, and a part of a table is no table.
    for words in ["range", "load", "open"] {
        assert!(!error.to_string().contains(words), "{words:?} is in {error}");
    }
    let copied = Table::load(&path).unwrap_err();
    let same = matches!(copied.failure(),
        OpenFailure::AddressSpaceExhausted { needed, limit: Some(4_096_000_000) } if *needed == 64 << 30
    );
    assert!(same, "{copied:?}");
    assert_eq!(copied.to_string(), error.to_string());
    // What is no table is refused as that.
    let foreign = Path::new(&path).with_extension("foreign");
    fs::write(&foreign, "no table").unwrap();
    fs::File::options().write(true).open(&foreign).unwrap().set_len(64 << 30).unwrap();
    assert!(matches!(open_error(&foreign).failure(), OpenFailure::NotATable { .. }));
}

/// What the errors advise works: a table that had no room has it under a higher limit, or once
/// other mappings are gone.
#[test]
#[cfg(target_os = "linux")]
fn room_that_the_errors_advise_to_make() {
    let directory = directory();
    let path = directory.path().join("table");
    let mut builder = Builder::create(&path).unwrap();
    builder.insert(b"key", vec![7; 16 << 20]).unwrap();
    builder.finish().unwrap();
    common::run_child("room_below_a_limit", LIMITED, &path);
    common::run_child("room_among_many_mappings", LIMITED, &path);
    common::run_child("room_for_no_copy", LIMITED, &path);
}

#[test]
#[cfg(target_os = "linux")]
fn room_below_a_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(path) = std::env::var_os(LIMITED).map(PathBuf::from) else { return };
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    let before = getrlimit(Resource::As);
    // Less than the table needs, and more than it needs alone.
    let limit = pages * rustix::param::page_size() as u64 + (8 << 20);
    setrlimit(Resource::As, Rlimit { current: Some(limit), ..before }).unwrap();
    let error = open_error(&path);
    let OpenFailure::AddressSpaceExhausted { needed, limit: Some(told) } = error.failure() else {
        panic!("{error:?}")
    };
    assert!(*told == limit && (16 << 20..17 << 20).contains(needed), "{error}");
    assert!(error.to_string().contains("raise the limit"), "{error}");
    setrlimit(Resource::As, before).unwrap();
    Table::load(&path).unwrap();
    // SAFETY: nobody else knows the file.
    unsafe { Table::open(&path) }.unwrap();
}

/// Where a copy is refused and a mapping is not, the mapping is advised.
#[test]
#[cfg(target_os = "linux")]
fn room_for_no_copy() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Some(path) = std::env::var_os(LIMITED).map(PathBuf::from) else { return };
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    let kib: u64 = data.split_whitespace().next().unwrap().parse().unwrap();
    let limit = Rlimit { current: Some((kib << 10) + (8 << 20)), ..getrlimit(Resource::Data) };
    setrlimit(Resource::Data, limit).unwrap();
    let error = Table::load(&path).unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::OutOfMemory { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("ulimit -d") && text.contains("open()"), "{text}");
    // SAFETY: nobody else knows the file.
    unsafe { Table::open(&path) }.unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn room_among_many_mappings() {
    let Some(path) = std::env::var_os(LIMITED).map(PathBuf::from) else { return };
    let limit = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: u64 = limit.trim().parse().unwrap();
    if limit > 4 << 20 {
        eprintln!("room_among_many_mappings: skipped: {limit} mappings take too long");
        return;
    }
    // Neighbours of different rights, which the kernel does not join.
    let mut mappings = Vec::with_capacity(limit as usize);
    while let Ok(memory) = memmap2::MmapMut::map_anon(1) {
        match mappings.len() % 2 {
            0 => mappings.push(memory.make_read_only().unwrap()),
            _ => mappings.push(memory.make_exec().unwrap()),
        }
    }
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { Table::open(&path) };
    let copied = Table::load(&path);
    let most = mappings.len() as u64;
    mappings.truncate(mappings.len() - 8);
    assert!(most > limit / 2, "{most} of {limit} mappings");
    for error in [mapped.unwrap_err(), copied.unwrap_err()] {
        let OpenFailure::TooManyMappings { mappings, limit: told } = error.failure() else {
            panic!("{error:?}")
        };
        assert!(*told == limit && *mappings >= most, "{error}");
        let text = error.to_string();
        assert!(text.contains("vm.max_map_count allows") && !text.contains("ulimit"), "{text}");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
    Table::load(&path).unwrap();
    // SAFETY: nobody else knows the file.
    unsafe { Table::open(&path) }.unwrap();
}

/// What a failed or abandoned build leaves in its directory.
#[track_caller]
fn assert_only(directory: &Path, expected: &[&str]) {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, expected);
}

#[test]
fn key_too_long() {
    let directory = directory();
    let path = directory.path().join("t");
    for sorted in [false, true] {
        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        builder.insert(vec![0xAA; generate::LONGEST_KEY], b"").unwrap();
        let key = vec![0xBB; generate::LONGEST_KEY + 1];
        let error = builder.insert(&key, b"").unwrap_err();
        assert!(matches!(error, BuildError::KeyTooLong { len: 65_536, entry: 1 }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Data);
        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        let error = builder.insert_from(&key, &b""[..]).unwrap_err();
        assert!(matches!(error, BuildError::KeyTooLong { len: 65_536, entry: 0 }), "{error:?}");
    }
    assert_only(directory.path(), &[]);
}

/// A reader that fails, or panics, at its first byte or after some MiB: nothing of its entry, and
/// nothing without its entry, is ever published.
#[test]
fn value_reader() {
    struct Broken(usize, bool);
    impl std::io::Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let len = into.len().min(self.0);
            self.0 -= len;
            match len {
                0 if self.1 => panic!("the reader's own panic"),
                0 => Err(std::io::Error::other("the reader's own error")),
                len => Ok(len),
            }
        }
    }
    let directory = directory();
    let path = directory.path().join("t");
    for (sorted, len) in [(false, 0), (false, 5 << 20), (true, 0), (true, 5 << 20)] {
        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        builder.insert_from(b"a", &b"whole"[..]).unwrap();
        let error = builder.insert_from(b"b", Broken(len, false)).unwrap_err();
        let BuildError::ValueReader { entry: 1, source } = &error else { panic!("{error:?}") };
        assert_eq!(source.to_string(), "the reader's own error");
        assert_eq!(error.kind(), ErrorKind::Io);
        let text = "could not read the value of entry 1: the reader's own error";
        assert_eq!(error.to_string(), text);
        let error = builder.insert_from(b"c", &b""[..]).unwrap_err();
        assert!(matches!(error, BuildError::Failed), "{error:?}");
        let error = builder.finish().unwrap_err();
        assert!(matches!(error, BuildError::Failed), "{error:?}");

        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        let insert = || builder.insert_from(b"b", Broken(len, true));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(insert)).unwrap_err();
        let error = builder.finish().unwrap_err();
        assert!(matches!(error, BuildError::Failed), "{error:?}");
    }
    assert_only(directory.path(), &[]);
}

/// 4 GiB of zeros that nobody ever touches.
#[test]
#[cfg(target_pointer_width = "64")]
fn value_too_long() {
    let Ok(zeros) = memmap2::MmapMut::map_anon(1 << 32) else {
        println!("skipped: no 4 GiB of address space");
        return;
    };
    let directory = directory();
    let mut builder = Builder::create(directory.path().join("t")).unwrap();
    let error = builder.insert(b"k", &zeros).unwrap_err();
    assert!(matches!(error, BuildError::ValueTooLong { len: 4_294_967_296, entry: 0 }));
}

#[test]
fn out_of_order_shows_both_keys() {
    let directory = directory();
    let path = directory.path().join("t");
    let mut builder = BuildOptions::new().sorted(true).create(&path).unwrap();
    builder.insert(b"apple", b"").unwrap();
    builder.insert(b"pear", b"").unwrap();
    let error = builder.insert(b"orange", b"").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"pear\"") && text.contains("\"orange\""), "{text}");
    let BuildError::OutOfOrder { previous, key, entry: 2 } = error else { panic!("{error:?}") };
    assert_eq!((previous.as_slice(), key.as_slice()), (&b"pear"[..], &b"orange"[..]));
    drop(builder);
    assert_only(directory.path(), &[]);
    // Without the promise any order will do.
    let mut builder = Builder::create(&path).unwrap();
    for key in ["apple", "pear", "orange"] {
        builder.insert(key.as_bytes(), b"").unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn duplicate_key() {
    let directory = directory();
    let path = directory.path().join("t");
    let twice = |sorted| {
        let mut builder = BuildOptions::new().sorted(sorted).create(&path).unwrap();
        builder.insert(b"a", b"1").unwrap();
        builder.insert(b"a", b"2")?;
        builder.finish().map(drop)
    };
    for sorted in [false, true] {
        let error = twice(sorted).unwrap_err();
        assert!(matches!(&error, BuildError::DuplicateKey { key } if key == b"a"), "{error:?}");
        assert!(error.to_string().contains("\"a\""));
    }
    assert_only(directory.path(), &[]);
}

#[test]
fn already_exists() {
    let (directory, path) = table();
    let before = fs::read(&path).unwrap();
    let options = BuildOptions::new().replace(false);
    let error = options.create(&path).err().unwrap();
    assert!(matches!(&error, BuildError::AlreadyExists { path: p } if *p == path), "{error:?}");
    // One that appears while the table is built is not replaced either.
    let late = directory.path().join("late");
    let mut builder = options.create(&late).unwrap();
    builder.insert(b"k", b"v").unwrap();
    fs::write(&late, b"somebody else's").unwrap();
    let error = builder.finish().unwrap_err();
    assert!(matches!(error, BuildError::AlreadyExists { .. }), "{error:?}");
    assert_eq!(fs::read(&late).unwrap(), b"somebody else's");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_only(directory.path(), &["late", "table"]);
}

#[test]
fn invalid_options() {
    let directory = directory();
    let path = directory.path().join("t");
    let new = BuildOptions::new;
    let invalid = [
        ("value_align", new().value_align(0)),
        ("value_align", new().value_align(3)),
        ("value_align", new().value_align(128)),
        ("value_align", new().value_align(u32::MAX)),
        ("memory_budget", new().memory_budget(0)),
        ("memory_budget", new().memory_budget((1 << 20) - 1)),
        ("threads", new().threads(1025)),
        ("mode", new().mode(0o1000)),
        ("mode", new().mode(0o100_644)),
        ("metadata", new().metadata(vec![0; 65_536], "")),
        ("metadata", new().metadata("", vec![0; (16 << 20) + 1])),
    ];
    for (name, options) in invalid {
        let error = options.create(&path).err().unwrap();
        let BuildError::InvalidOption { option, .. } = error else { panic!("{name}: {error:?}") };
        assert_eq!((option, error.kind()), (name, ErrorKind::Usage));
    }
    assert_only(directory.path(), &[]);
}

#[test]
fn target_is_no_regular_file() {
    let directory = directory();
    let target = directory.path().join("directory");
    fs::create_dir(&target).unwrap();
    let error = Builder::create(&target).err().unwrap();
    let BuildError::NotARegularFile { kind, .. } = error else { panic!("{error:?}") };
    assert_eq!((kind, error.kind()), ("directory", ErrorKind::Io));
    assert_only(directory.path(), &["directory"]);
    let error = Builder::create(directory.path().join("absent/t")).err().unwrap();
    assert!(matches!(error, BuildError::Io { .. }), "{error:?}");
}

/// Builders that are dropped, before and after they wrote to the disk, and after an error.
#[test]
fn dropped_builder_leaves_nothing() {
    let directory = directory();
    let path = directory.path().join("t");
    drop(Builder::create(&path).unwrap());
    for sorted in [false, true] {
        let options = BuildOptions::new().sorted(sorted).memory_budget(1 << 20);
        let mut builder = options.create(&path).unwrap();
        for i in 0..20_000u32 {
            builder.insert(i.to_be_bytes(), [7; 300]).unwrap();
        }
        // Another width: the second unpublished file.
        builder.insert(20_000u64.to_be_bytes(), b"").err();
        drop(builder);
        assert_only(directory.path(), &[]);
    }
}

/// After any failure the table that stood there is untouched.
#[test]
fn failed_build_keeps_the_old_table() {
    let (directory, path) = table();
    let before = fs::read(&path).unwrap();
    let mut builder = BuildOptions::new().duplicates(Duplicates::Reject).create(&path).unwrap();
    builder.insert(b"k", b"1").unwrap();
    builder.insert(b"k", b"2").unwrap();
    assert!(builder.finish().is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_only(directory.path(), &["table"]);
}

#[cfg(unix)]
const UMASK: &str = "GRAVEN_TEST_UMASK";

#[test]
#[cfg(unix)]
fn permissions_whatever_the_umask() {
    for umask in ["000", "022", "077", "777"] {
        let directory = directory();
        let prepare = format!("umask {umask}");
        common::run_child_after(&prepare, "permissions_child", UMASK, directory.path());
    }
}

#[test]
#[cfg(unix)]
fn permissions_child() {
    use std::os::unix::fs::PermissionsExt;
    let Some(directory) = std::env::var_os(UMASK) else { return };
    let directory = Path::new(&directory);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    let path = directory.join("default");
    Case::default().build(&path).unwrap();
    assert_eq!(mode(&path), 0o444);
    for asked in [0o600, 0o640, 0o664, 0o400] {
        let path = directory.join(format!("{asked:o}"));
        Case::default().build_with(BuildOptions::new().mode(asked), &path).unwrap();
        assert_eq!(mode(&path), asked);
    }
    // Until it is published nobody else may read it.
    let builder = Builder::create(directory.join("unpublished")).unwrap();
    let hidden = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    for entry in hidden.filter(|e| e.file_name().to_string_lossy().starts_with('.')) {
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
    }
    drop(builder);
}

/// A typed table of five entries.
fn typed<K, V>(directory: &TempDir, entry: impl Fn(u8) -> (K, V)) -> PathBuf
where
    K: graven::TypedKey,
    V: TypedValue,
{
    let path = directory.path().join("typed");
    let mut builder = BuildOptions::new().durable(false).create_typed::<K, V>(&path).unwrap();
    for i in 0..5 {
        let (key, value) = entry(i);
        builder.insert(&key, &value).unwrap();
    }
    builder.finish().unwrap();
    path
}

#[track_caller]
fn mismatch<K, V>(path: &Path, part: &str, expected: &str, got: &str)
where
    K: graven::TypedKey,
    V: TypedValue,
{
    let error = OpenOptions::new().load_typed::<K, V>(path).unwrap_err();
    let text = format!("{part} type is {expected} in the table, {got} was asked for");
    assert!(error.to_string().contains(&text), "{error}");
    assert!(matches!(error.failure(), OpenFailure::TypeMismatch { .. }));
}

graven::typed_value! {
    /// A struct of 16 bytes, and others like it.
    struct Mixed {
        number: i64,
        code: [u8; 3],
        kind: u8,
        count: u32,
    }

    struct Other {
        number: f64,
        parts: [u16; 4],
    }

    struct Swapped {
        number: i64,
        code: [u8; 3],
        count: [u8; 4],
        kind: u8,
    }

    struct Outer {
        inner: Inner,
        id: u64,
    }

    struct Inner {
        number: u64,
    }
}

#[test]
fn types_do_not_mix() {
    let directory = directory();
    let path = typed(&directory, |i| (u64::from(i), u32::from(i)));
    Table::load(&path).unwrap().typed::<u64, u32>().unwrap();
    mismatch::<i64, u32>(&path, "key", "u64", "i64");
    mismatch::<u32, u32>(&path, "key", "u64", "u32");
    mismatch::<[u8; 8], u32>(&path, "key", "u64", "[u8; 8]");
    mismatch::<(u32, u32), u32>(&path, "key", "u64", "(u32, u32)");
    mismatch::<u64, i32>(&path, "value", "u32", "i32");
    mismatch::<u64, f32>(&path, "value", "u32", "f32");
    mismatch::<u64, u64>(&path, "value", "u32", "u64");
    mismatch::<u64, [u8; 4]>(&path, "value", "u32", "[u8; 4]");
    mismatch::<u64, ()>(&path, "value", "u32", "()");

    let path = typed(&directory, |i| ([i; 3], [u32::from(i); 3]));
    Table::load(&path).unwrap().typed::<[u8; 3], [u32; 3]>().unwrap();
    mismatch::<[u8; 3], [u32; 2]>(&path, "value", "[u32; 3]", "[u32; 2]");
    mismatch::<[u8; 3], [f32; 3]>(&path, "value", "[u32; 3]", "[f32; 3]");
    mismatch::<[u8; 4], [u32; 3]>(&path, "key", "[u8; 3]", "[u8; 4]");

    // Tuples of the same bytes.
    let path = typed(&directory, |i| ((u32::from(i), [i; 4]), i));
    mismatch::<([u8; 4], u32), u8>(&path, "key", "(u32, [u8; 4])", "([u8; 4], u32)");
    mismatch::<(u32, i32), u8>(&path, "key", "(u32, [u8; 4])", "(u32, i32)");
    mismatch::<(u32, [u8; 3]), u8>(&path, "key", "(u32, [u8; 4])", "(u32, [u8; 3])");
    mismatch::<(u32, [u8; 4]), i8>(&path, "value", "u8", "i8");

    // Structs of the same size.
    let mixed = "Mixed { number: i64, code: [u8; 3], kind: u8, count: u32 }";
    let other = "Other { number: f64, parts: [u16; 4] }";
    let path = typed(&directory, |i| (i, Mixed { number: 7, code: [i; 3], kind: i, count: 9 }));
    let table = OpenOptions::new().load_typed::<u8, Mixed>(&path).unwrap();
    let found = table.get(&3).unwrap().unwrap();
    assert_eq!((found.number, found.code, found.kind, found.count), (7, [3; 3], 3, 9));
    mismatch::<u8, Other>(&path, "value", mixed, other);
    mismatch::<u8, [f64; 2]>(&path, "value", mixed, "[f64; 2]");
    let swapped = "Swapped { number: i64, code: [u8; 3], count: [u8; 4], kind: u8 }";
    mismatch::<u8, Swapped>(&path, "value", mixed, swapped);
    let path = typed(&directory, |i| (i, Outer { inner: Inner { number: 7 }, id: i.into() }));
    let outer = "Outer { inner: Inner { number: u64 }, id: u64 }";
    mismatch::<u8, Other>(&path, "value", outer, other);
    assert_eq!(Table::load(&path).unwrap().stats().unwrap().value_type.as_deref(), Some(outer));

    // A table without types.
    let plain = directory.path().join("plain");
    Case::of(vec![(vec![0; 8], vec![0; 4])]).build(&plain).unwrap();
    mismatch::<u64, u32>(&plain, "key", "bytes", "u64");
}

/// At an offset that is no multiple of the alignment the values can't be read in place.
#[test]
fn misaligned_values() {
    let directory = directory();
    let path = typed(&directory, |i| (u32::from(i), u64::from(i)));
    let bytes = fs::read(&path).unwrap();
    for offset in 0..24usize {
        let embedded = directory.path().join("embedded");
        fs::write(&embedded, [&vec![0; offset][..], &bytes].concat()).unwrap();
        let options = OpenOptions::new().section(offset as u64, bytes.len() as u64);
        // SAFETY: nobody else knows the file.
        let table = unsafe { options.open(&embedded) }.unwrap();
        assert_eq!(table.len(), 5);
        match table.typed::<u32, u64>().map_err(OpenError::into_failure) {
            Ok(table) => {
                assert_eq!(offset % 8, 0);
                assert_eq!(table.get(&3).unwrap(), Some(&3));
            }
            Err(OpenFailure::Misaligned { needed: 8, got }) => {
                assert_eq!(got, offset % 8)
            }
            Err(other) => panic!("{other:?}"),
        }
        // A copy is aligned wherever it came from.
        options.load_typed::<u32, u64>(&embedded).unwrap();
    }
}

macro_rules! numeric_order {
    ($($type:ty),*) => {$({
        let directory = directory();
        let path = directory.path().join("t");
        let mut numbers = vec![<$type>::MIN, <$type>::MIN + 1, <$type>::MAX, <$type>::MAX - 1, 0, 1];
        numbers.extend([<$type>::MAX / 2, <$type>::MAX / 3, <$type>::MIN / 2, 2, 10, 100]);
        #[allow(clippy::unnecessary_cast, reason = "not for every type")]
        numbers.extend((1..100).map(|i| (0 as $type).wrapping_sub(i as $type)));
        let mut builder = BuildOptions::new()
            .duplicates(Duplicates::KeepFirst)
            .durable(false)
            .create_typed::<$type, u8>(&path)
            .unwrap();
        for number in &numbers {
            builder.insert(number, &(*number as u8)).unwrap();
        }
        builder.finish().unwrap();
        numbers.sort_unstable();
        numbers.dedup();
        let table = OpenOptions::new().load_typed::<$type, u8>(&path).unwrap();
        let keys: Vec<$type> = table.iter().map(|entry| entry.unwrap().0).collect();
        assert_eq!(keys, numbers);
        for (i, number) in numbers.iter().enumerate() {
            assert_eq!(table.get(number).unwrap(), Some(&(*number as u8)));
            let below: Vec<$type> =
                table.range(..number).map(|entry| entry.unwrap().0).collect();
            assert_eq!(below, numbers[..i]);
        }
    })*};
}

#[test]
fn integer_keys_order_as_numbers() {
    numeric_order!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128);
}
