//! The work that is disturbed: ways to publish a table, each in a directory of its own, and what
//! must hold afterwards.

use crate::common::{names, skip};
use graven::{BuildOptions, PublishOptions, Table, Versions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub(crate) const GRAVEN: &str = env!("CARGO_BIN_EXE_graven");
/// Names that no loader and no library opens.
pub(crate) const TABLE: &str = "fault-table.grv";
const INPUT: &str = "fault-in.tsv";
const SOURCE: &str = "fault-source.grv";
const VERSIONS: &str = "fault-versions";

/// A way to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) verb: Verb,
    /// Over an existing table.
    pub(crate) over: bool,
    /// As on a file system that has no files without names: without /proc they are of no use.
    pub(crate) named: bool,
    /// More than one chunk of output, and more than the memory for sorting.
    pub(crate) large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verb {
    Build,
    Publish,
    Versions,
}

/// The tables of the test, as bytes.
pub(crate) struct Tables {
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    input: String,
}

/// Entries in no order; large ones exceed 1 MiB of memory several times.
fn entries(large: bool) -> Vec<(String, String)> {
    let count = if large { 40_000u64 } else { 300 };
    let key = |i: u64| format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (0..count).map(|i| (key(i), format!("value {i} {}", "x".repeat(i as usize % 90)))).collect()
}

impl Tables {
    pub(crate) fn get(large: bool) -> &'static Self {
        static SMALL: OnceLock<Tables> = OnceLock::new();
        static LARGE: OnceLock<Tables> = OnceLock::new();
        let cell = if large { &LARGE } else { &SMALL };
        cell.get_or_init(|| {
            let directory = crate::common::directory();
            let build = |name: &str, edition: &str| {
                let path = directory.path().join(name);
                let mut builder = BuildOptions::new().durable(false).create(&path).unwrap();
                for (key, value) in entries(large) {
                    builder.insert(key.as_bytes(), format!("{edition}{value}").as_bytes()).unwrap();
                }
                builder.finish().unwrap();
                fs::read(path).unwrap()
            };
            let line = |(key, value)| format!("{key}\tnew {value}\n");
            let input = entries(large).into_iter().map(line).collect();
            Self { old: build("old", "old "), new: build("new", "new "), input }
        })
    }
}

impl Work {
    /// All ways, the most usual first.
    pub(crate) fn all(large: bool) -> Vec<Self> {
        let mut all = Vec::new();
        for named in [false, true] {
            for over in [true, false] {
                for verb in [Verb::Build, Verb::Publish, Verb::Versions] {
                    all.push(Self { verb, over, named, large });
                }
            }
        }
        if !unshare_works() {
            skip("named temporary files", "unshare --mount does not work here");
            all.retain(|work| !work.named);
        }
        all
    }

    fn tables(self) -> &'static Tables {
        Tables::get(self.large)
    }

    /// Where readers find the table.
    pub(crate) fn target(self) -> &'static str {
        match self.verb {
            Verb::Versions => "fault-versions/CURRENT",
            _ => TABLE,
        }
    }

    /// Sets the directory up.
    pub(crate) fn prepare(self, directory: &Path) {
        let tables = self.tables();
        let write = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).unwrap();
        match self.verb {
            Verb::Build => write(INPUT, tables.input.as_bytes()),
            _ => write(SOURCE, &tables.new),
        }
        if !self.over {
            return;
        }
        if self.verb == Verb::Versions {
            write("old", &tables.old);
            let options = PublishOptions::new().durable(false);
            let versions = Versions::new(directory.join(VERSIONS));
            versions.publish(directory.join("old"), &options).unwrap();
            fs::remove_file(directory.join("old")).unwrap();
        } else {
            write(TABLE, &tables.old);
        }
    }

    /// The program's arguments.
    fn arguments(self) -> Vec<&'static str> {
        match self.verb {
            Verb::Build if self.large => {
                vec!["build", "--quiet", "--memory", "1M", "--threads", "1", TABLE, INPUT]
            }
            Verb::Build => vec!["build", "--quiet", "--verify", TABLE, INPUT],
            Verb::Publish => vec!["publish", "--quiet", SOURCE, TABLE],
            Verb::Versions => {
                let keep = ["--keep", "1", "--min-age", "0"];
                [&["publish", "--quiet", "--dir", VERSIONS, SOURCE][..], &keep].concat()
            }
        }
    }

    /// The program, run under `before` (a tracer, or nothing).
    pub(crate) fn command(self, directory: &Path, before: &[&str]) -> Command {
        let hide = "mount -t tmpfs graven-test /proc && exec \"$@\"";
        let wrapper: &[&str] =
            if self.named { &["unshare", "--mount", "sh", "-c", hide, "sh"] } else { &[] };
        let words = [wrapper, before, &[GRAVEN], &self.arguments()].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(directory).env("LC_ALL", "C");
        command
    }

    /// Runs it undisturbed.
    pub(crate) fn run(self, directory: &Path) -> Output {
        self.command(directory, &[]).output().expect("the program starts")
    }

    /// What a reader finds: None if there is no table.
    pub(crate) fn found(self, directory: &Path) -> Option<Vec<u8>> {
        fs::read(directory.join(self.target())).ok()
    }

    /// The promise: the old table or the new one, complete. Says which.
    #[track_caller]
    pub(crate) fn check(self, directory: &Path, why: &dyn std::fmt::Debug) -> Found {
        let tables = self.tables();
        match self.found(directory) {
            None if !self.over => Found::Old,
            Some(found) if found == tables.new => Found::New,
            Some(found) if self.over && found == tables.old => Found::Old,
            Some(found) => panic!("lost: {self:?} {why:?}: {} bytes", found.len()),
            None => panic!("lost: {self:?} {why:?}: the table is gone"),
        }
    }

    /// The next publish succeeds and clears everything up.
    #[track_caller]
    pub(crate) fn recover(self, directory: &Path, why: &dyn std::fmt::Debug) {
        let next = self.run(directory);
        assert!(next.status.success(), "{self:?} {why:?}: {next:?}");
        assert_eq!(self.check(directory, why), Found::New);
        Table::load(directory.join(self.target())).unwrap().verify().unwrap();
        let expected: &[&str] = match self.verb {
            Verb::Build => &[INPUT, TABLE],
            Verb::Publish => &[SOURCE, TABLE],
            Verb::Versions => &[SOURCE, VERSIONS],
        };
        assert_eq!(names(directory), expected, "{self:?} {why:?}");
        if self.verb == Verb::Versions {
            let inside = directory.join(VERSIONS);
            let expected = ["CURRENT", "versions"];
            assert_eq!(names(&inside), expected, "{self:?} {why:?}");
            let current = Versions::new(&inside).current().unwrap();
            assert_eq!(names(current.parent().unwrap()), ["table.grv"], "{self:?} {why:?}");
            assert_eq!(names(&inside.join("versions")).len(), 1, "{self:?} {why:?}");
        }
    }
}

/// Which table stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Found {
    Old,
    New,
}

fn unshare_works() -> bool {
    let hide = "mount -t tmpfs graven-test /proc";
    let ran = Command::new("unshare").args(["--mount", "sh", "-c", hide]).output();
    ran.is_ok_and(|output| output.status.success())
}

/// A work's directory, with its trace beside it.
pub(crate) fn traced(work: Work, disk: &crate::disks::Disk) -> (PathBuf, PathBuf) {
    let directory = disk.fresh();
    work.prepare(&directory);
    (directory, disk.path().join("trace"))
}
