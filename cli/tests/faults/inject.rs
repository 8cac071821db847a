//! T1: every system call of a publish fails, one after the other, once or from then on.

use crate::common::{Rng, skip};
use crate::disks::Disk;
use crate::work::{Found, Work, traced};
use crate::{Tally, figure, full};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// Calls that concern files. Those about memory, threads and signals are none of a publish.
const CALLS: &[&str] = &[
    "open",
    "openat",
    "read",
    "pread64",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "fchmod",
    "chmod",
    "fchmodat",
    "flock",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "readlink",
    "readlinkat",
    "getdents64",
    "stat",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "ftruncate",
    "fallocate",
    "fadvise64",
    "lseek",
    "fcntl",
    "utimensat",
    "close",
    "copy_file_range",
];

/// Errors, by name and in words.
const ERRORS: &[(&str, &str)] = &[
    ("EIO", "Input/output error"),
    ("ENOSPC", "No space left on device"),
    ("EINTR", "Interrupted system call"),
    ("EACCES", "Permission denied"),
    ("EROFS", "Read-only file system"),
];

/// A call of the program's, by its name and number within its thread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) call: String,
    pub(crate) number: usize,
}

/// Whether strace runs here.
pub(crate) fn strace() -> bool {
    let ran = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    ran.is_ok_and(|output| output.status.success())
}

/// All calls of the main thread from the first that names a file of the test on.
pub(crate) fn points(work: Work, directory: &Path, trace: &Path) -> Vec<Point> {
    let name = trace.to_str().unwrap();
    let ran = work.command(directory, &["strace", "-f", "-o", name]).output().expect("strace");
    assert!(ran.status.success(), "{work:?}: {ran:?}");
    let trace = std::fs::read_to_string(trace).unwrap();
    let main = trace.split_whitespace().next().unwrap();
    let mut counts = BTreeMap::<&str, usize>::new();
    let (mut begun, mut missing, mut points) = (false, 0, Vec::new());
    for line in trace.lines() {
        let Some((id, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if id != main || !CALLS.contains(&call) {
            continue;
        }
        let number = counts.entry(call).or_default();
        *number += 1;
        begun |= arguments.contains("fault-");
        // Of the looks for dead builders' files that are not there, one is like the other.
        let looks = arguments.contains(".graven-") && arguments.contains("ENOENT");
        missing += usize::from(looks);
        if begun && (!looks || missing % 16 == 1) {
            points.push(Point { call: call.to_owned(), number: *number });
        }
    }
    assert!(points.len() > 20, "{work:?}: {points:?}");
    points
}

/// How many calls of this name the main thread made, by the trace of its run with a fault.
pub(crate) fn made(trace: &Path, call: &str) -> usize {
    let trace = std::fs::read_to_string(trace).unwrap();
    trace.lines().filter(|line| line.split_once('(').is_some_and(|(name, _)| name == call)).count()
}

/// Whose calls get a fault. Each thread has numbers of its own.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Whose {
    /// Calls of the main thread, as the points are.
    Main,
    /// Calls of every thread. A sort may meet the fault before the table does.
    All,
}

/// Runs with something injected at a point.
pub(crate) fn injected(
    work: Work,
    directory: &Path,
    trace: &Path,
    point: &Point,
    fault: &str,
    more: &str,
    whose: Whose,
) -> Output {
    let Point { call, number } = point;
    let inject = format!("inject={call}:{fault}:when={number}{more}");
    let trace = trace.to_str().unwrap();
    // Whatever goes wrong ends.
    let mut tracer = vec!["timeout", "100", "strace", "-o", trace, "-e", &inject];
    if whose == Whose::All {
        tracer.push("-f");
    }
    work.command(directory, &tracer).output().expect("strace")
}

/// One run with a fault, and whether the program noticed.
fn try_one(work: Work, disk: &Disk, point: &Point, error: (&str, &str), from: bool) -> bool {
    let (directory, trace) = traced(work, disk);
    // A call that is interrupted for ever would rightly be tried for ever.
    let more = match (from, error.0) {
        (false, _) => "",
        (true, "EINTR") => "..+3",
        (true, _) => "+",
    };
    let whose = if from { Whose::All } else { Whose::Main };
    let number = point.number;
    let more = if more == "..+3" { format!("..{}", number + 3) } else { more.to_owned() };
    let ran =
        injected(work, &directory, &trace, point, &format!("error={}", error.0), &more, whose);
    let why = (point, error.0, from, disk.name, &ran);
    let said = String::from_utf8_lossy(&ran.stderr);
    let found = work.check(&directory, &why);
    let detected = match ran.status.code() {
        // Worked around: a lock is not needed to read, a sweep can wait, a close says nothing new.
        Some(0) => {
            assert_eq!(found, Found::New, "{why:?}");
            false
        }
        Some(4) => {
            let published = said.contains("is published and complete");
            assert_eq!(found == Found::New, published, "{why:?}");
            // The message goes through write itself, which may be what fails.
            let speechless = from && point.call == "write";
            assert!(speechless || said.contains(error.1), "names its cause: {why:?}");
            true
        }
        _ => panic!("crashed: {why:?}"),
    };
    work.recover(&directory, &why);
    detected
}

#[test]
fn t1_every_system_call_fails_in_turn() {
    if !strace() {
        return skip("T1", "strace does not run here");
    }
    let mut tally = Tally::default();
    let mut random = Rng::new(1);
    let disks = Disk::all();
    let mut cases = Vec::new();
    for large in if full() { &[false, true][..] } else { &[false] } {
        for disk in &disks {
            for work in Work::all(*large) {
                let (directory, trace) = traced(work, disk);
                for point in points(work, &directory, &trace) {
                    let each =
                        |error| [false, true].map(|from| (disk, work, point.clone(), error, from));
                    cases.extend(ERRORS.iter().flat_map(each));
                }
            }
        }
    }
    // The steps of the recipe are among them.
    for call in ["openat", "fallocate", "fchmod", "fsync", "flock", "linkat", "renameat"] {
        let found = cases.iter().any(|(_, _, point, ..)| point.call == call);
        assert!(found, "{call} is not made, or not seen");
    }
    // In full all small ones on the build directory's file system, which stand first, and thousands
    // of the rest; in CI a part of all.
    let all = cases.len();
    let first = |case: &&(&Disk, Work, _, _, _)| case.0.name == disks[0].name && !case.1.large;
    let sure = if full() { cases.iter().take_while(first).count() } else { 0 };
    let rest = all - sure;
    let chosen: Vec<usize> = (0..sure)
        .chain((0..figure(80, 5_000)).map(|_| sure + random.below(rest as u64) as usize))
        .collect();
    for at in chosen {
        let (disk, work, point, error, from) = &cases[at];
        tally.detected += u64::from(try_one(*work, disk, point, **error, *from));
        tally.tried += 1;
    }
    println!("T1: {all} cases on {} file systems, the first {sure} all tried", disks.len());
    tally.report("T1");
}
