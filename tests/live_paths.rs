//! Guards against a live table that is never replaced, or read beyond its end, on a file system
//! whose inode numbers stand for paths (FUSE without `use_ino`, as sshfs and cloud mounts): what
//! replaces a table there has the table's device and inode number.
//!
//! The file system here has one file, with one number for ever. It needs `/dev/fuse` and the right
//! to mount; without them the tests skip and say so.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyOpen, Request,
};
use graven::{BuildOptions, Live, OpenFailure, RefreshOutcome, Table};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAME: &str = "t.grv";
const FILE: INodeNo = INodeNo(2);
/// Nothing that `stat` says is remembered by the kernel.
const AT_ONCE: Duration = Duration::ZERO;

#[derive(Default)]
struct State {
    bytes: Arc<Vec<u8>>,
    modified: Duration,
    changed: Duration,
    /// Whoever has the file open goes on reading what stood at the path then.
    open: HashMap<u64, Arc<Vec<u8>>>,
    opened: u64,
}

#[derive(Clone, Default)]
struct Paths(Arc<Mutex<State>>);

impl Paths {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let state = self.0.lock().expect("no panic");
        let size = if inode == FILE { state.bytes.len() as u64 } else { 0 };
        let time = |since: Duration| -> SystemTime { UNIX_EPOCH + since };
        FileAttr {
            ino: inode,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: time(state.modified),
            ctime: time(state.changed),
            crtime: UNIX_EPOCH,
            kind: if inode == FILE { FileType::RegularFile } else { FileType::Directory },
            perm: if inode == FILE { 0o444 } else { 0o755 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Paths {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&AT_ONCE, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&AT_ONCE, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let mut state = self.0.lock().expect("no panic");
        state.opened += 1;
        let (handle, bytes) = (state.opened, Arc::clone(&state.bytes));
        state.open.insert(handle, bytes);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let bytes = self.0.lock().expect("no panic").open.get(&handle.0).cloned();
        let bytes = bytes.expect("an open file");
        let from = (offset as usize).min(bytes.len());
        reply.data(&bytes[from..(from + size as usize).min(bytes.len())]);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.0.lock().expect("no panic").open.remove(&handle.0);
        reply.ok();
    }
}

/// The mounted file system, with a table in its one file.
struct Mount {
    paths: Paths,
    path: PathBuf,
    /// Dropped before its directory.
    _session: BackgroundSession,
    _directory: tempfile::TempDir,
}

impl Mount {
    /// `None` where nothing can be mounted.
    fn with(bytes: Vec<u8>) -> Option<Self> {
        let directory = common::directory();
        let at = directory.path().join("mount");
        fs::create_dir(&at).expect("a directory");
        let paths = Paths::default();
        match fuser::spawn_mount(paths.clone(), &at, &Config::default()) {
            Ok(session) => {
                let mount =
                    Self { paths, path: at.join(NAME), _session: session, _directory: directory };
                mount.replace(bytes, Duration::new(1_000, 1));
                Some(mount)
            }
            Err(error) => {
                common::skip("live_paths", &format!("no FUSE file system can be mounted: {error}"));
                None
            }
        }
    }

    /// What another machine does with the file: other content under the same number.
    fn replace(&self, bytes: Vec<u8>, time: Duration) {
        let mut state = self.paths.0.lock().expect("no panic");
        (state.bytes, state.modified, state.changed) = (Arc::new(bytes), time, time);
    }

    fn chmod(&self, time: Duration) {
        self.paths.0.lock().expect("no panic").changed = time;
    }

    /// How often the file was opened so far.
    fn opened(&self) -> u64 {
        self.paths.0.lock().expect("no panic").opened
    }

    fn live(&self) -> Live {
        // SAFETY: a table of which a page was replaced under its mapping is not read any more.
        unsafe { Live::open(&self.path) }.expect("a table")
    }

    /// The bytes of a table of `entries` keys, each with `value`.
    fn table(entries: u32, value: &str) -> Vec<u8> {
        let directory = common::directory();
        let path = directory.path().join("t");
        let mut builder = BuildOptions::new().durable(false).create(&path).expect("a builder");
        for key in 0..entries {
            builder.insert(key.to_be_bytes(), value.as_bytes()).expect("an entry");
        }
        builder.finish().expect("a table");
        fs::read(&path).expect("the table")
    }
}

/// Reads the whole table.
fn all_are(table: &Table, entries: u64, value: &str) {
    table.verify().expect("a sound table");
    assert_eq!(table.len(), entries);
    assert!(table.values().all(|found| found.expect("a sound table") == value.as_bytes()));
}

fn inode(path: &Path) -> (u64, u64) {
    let metadata = fs::metadata(path).expect("the file");
    (metadata.dev(), metadata.ino())
}

#[test]
fn a_replacement_under_the_same_number_is_seen() {
    let Some(mount) = Mount::with(Mount::table(20_000, "one")) else { return };
    let live = mount.live();
    let number = inode(&mount.path);
    all_are(&live.pin(), 20_000, "one");
    // Of the same length, smaller by many pages, larger: nothing but the time tells the first.
    let steps = [(20_000, "two"), (100, "three"), (30_000, "four")];
    for (step, (entries, value)) in steps.into_iter().enumerate() {
        mount.replace(Mount::table(entries, value), Duration::new(2_000, step as u32 + 1));
        assert_eq!(inode(&mount.path), number, "the number stands for the path");
        assert_eq!(live.refresh().expect(value), RefreshOutcome::Swapped, "{value}");
        // No guard is installed: a lost page would end this process.
        all_are(&live.pin(), entries.into(), value);
        let opened = mount.opened();
        for _ in 0..5 {
            assert_eq!(live.refresh().expect(value), RefreshOutcome::Unchanged);
        }
        assert_eq!(mount.opened(), opened, "an unchanged file is not opened");
    }
}

/// Only the size differs.
#[test]
fn a_file_of_another_size_is_opened_whatever_its_times() {
    let time = Duration::new(1_000, 1);
    let Some(mount) = Mount::with(Mount::table(5_000, "one")) else { return };
    let live = mount.live();
    mount.replace(Mount::table(50, "two"), time);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    all_are(&live.pin(), 50, "two");
    mount.replace(vec![0; 5_000], time);
    // The old table stays, but here its pages are those of the new file.
    let error = live.refresh().unwrap_err();
    assert!(matches!(error.failure(), OpenFailure::NotATable { .. }), "{error}");
    assert_eq!(live.pin().generation(), 2);
}

#[test]
fn what_leaves_the_content_is_read_once_and_reloads_nothing() {
    let Some(mount) = Mount::with(Mount::table(5_000, "one")) else { return };
    let live = mount.live();
    let before = live.pin();
    let address = before.first().expect("a sound table").expect("an entry").0.as_ptr();
    for step in 2..5 {
        mount.chmod(Duration::new(1_000, step));
        let opened = mount.opened();
        for _ in 0..5 {
            assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
        }
        assert_eq!(mount.opened(), opened + 1, "header and footer are read once");
        let after = live.pin();
        assert_eq!(after.first().expect("sound").expect("an entry").0.as_ptr(), address);
        assert_eq!(after.generation(), 1);
    }
}

/// Two tables that come in one second, of one length, have the same `stat` where times are whole
/// seconds.
#[test]
fn a_second_replacement_in_one_second_is_seen_when_the_second_is_over() {
    let Some(mount) = Mount::with(Mount::table(5_000, "one")) else { return };
    let second = Duration::from_secs(3_000);
    let live = mount.live();
    mount.replace(Mount::table(5_000, "two"), second);
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    mount.replace(Mount::table(5_000, "six"), second);
    assert_eq!(
        live.refresh().expect("a table"),
        RefreshOutcome::Unchanged,
        "nothing tells them apart"
    );
    thread::sleep(Duration::from_millis(2_100));
    assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Swapped);
    all_are(&live.pin(), 5_000, "six");
    thread::sleep(Duration::from_millis(2_100));
    let opened = mount.opened();
    for _ in 0..5 {
        assert_eq!(live.refresh().expect("a table"), RefreshOutcome::Unchanged);
    }
    assert_eq!(mount.opened(), opened + 1, "read once more, and then not again");
}
