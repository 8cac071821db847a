//! T2: the program is killed at each system call, and at any time.

use crate::common::{Rng, skip};
use crate::disks::Disk;
use crate::inject::{Whose, injected, made, points, strace};
use crate::work::{Found, Verb, Work, traced};
use crate::{Tally, figure, full};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn t2_killed_at_each_system_call() {
    if !strace() {
        return skip("T2", "strace does not run here");
    }
    let mut tally = Tally::default();
    for disk in if full() { Disk::all() } else { vec![Disk::plain()] } {
        for large in if full() { &[false, true][..] } else { &[false] } {
            for work in Work::all(*large) {
                let (directory, trace) = traced(work, &disk);
                for (i, point) in points(work, &directory, &trace).iter().enumerate() {
                    // In CI every seventh, but all from the seal on of the most usual way.
                    let usual = work.verb == Verb::Build && !work.named && work.over;
                    if !full() && !usual && i % 7 != 0 {
                        continue;
                    }
                    let (directory, trace) = traced(work, &disk);
                    let ran =
                        injected(work, &directory, &trace, point, "signal=KILL", "", Whose::Main);
                    let why = (point, disk.name, &ran);
                    // The list of mounts may have become shorter, when another process unmounts: then
                    // there are fewer reads than before, and nothing was killed.
                    let made = made(&trace, &point.call);
                    if ran.status.success() && point.call == "read" && made < point.number {
                        assert!(work.check(&directory, &why) == Found::New, "{work:?} {why:?}");
                        continue;
                    }
                    // strace dies as its child does, at the call that was meant.
                    assert!(!ran.status.success(), "{work:?} {why:?}");
                    assert_eq!(made, point.number, "{work:?} {why:?}");
                    tally.detected += u64::from(work.check(&directory, &why) == Found::New);
                    work.recover(&directory, &why);
                    tally.tried += 1;
                }
            }
        }
    }
    tally.report("T2 at each system call (detected: new table in place)");
}

/// The process that publishes: the wrapper replaces itself by it.
fn start(work: Work, directory: &std::path::Path) -> Child {
    let mut command = work.command(directory, &[]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Kills works, chosen at random, at random times until so many were killed or done.
fn kill_at_random(works: &[Work], seed: u64, budget: u64) -> Tally {
    let (mut tally, mut random) = (Tally::default(), Rng::new(seed));
    let disks = Disk::all();
    while tally.tried < budget {
        let disk = &disks[random.below(disks.len() as u64) as usize];
        let work = works[random.below(works.len() as u64) as usize];
        let directory = disk.fresh();
        work.prepare(&directory);
        // How long it takes undisturbed, this time.
        let begun = Instant::now();
        assert!(start(work, &directory).wait().unwrap().success());
        let whole = begun.elapsed();
        // Several kills over the same directory, so that leftovers meet.
        for _ in 0..10 {
            if work.verb != Verb::Versions {
                let path = directory.join(work.target());
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, &crate::work::Tables::get(work.large).old).unwrap();
            }
            let mut child = start(work, &directory);
            sleep(Duration::from_nanos(random.below(whole.as_nanos() as u64 * 11 / 10)));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert!(status.success() || status.signal() == Some(9), "crashed: {status:?}");
            let found = work.check(&directory, &(disk.name, status));
            tally.detected += u64::from(found == Found::New);
            tally.tried += 1;
        }
        work.recover(&directory, &disk.name);
    }
    tally
}

/// Over an existing table, which is what matters most, in every way to publish.
#[test]
fn t2_killed_at_random_times() {
    let mut works: Vec<Work> = Work::all(true);
    works.retain(|work| work.over);
    let tally = kill_at_random(&works, 2, figure(60, 10_000));
    tally.report("T2 at random times (detected: new table in place)");
}

/// The same with `graven build` alone: each time the old table or the new one, and after the next
/// build nothing else.
#[test]
fn t2_a_build_killed_at_random_times() {
    let mut works: Vec<Work> = Work::all(true);
    works.retain(|work| work.over && work.verb == Verb::Build);
    let tally = kill_at_random(&works, 3, figure(60, 2_000));
    tally.report("T2 builds at random times (detected: new table in place)");
}

/// INT and TERM: what was begun is removed at once, not by the next publish.
#[test]
fn an_interrupted_run_cleans_up_and_says_so() {
    let disk = Disk::plain();
    for work in Work::all(false).into_iter().filter(|work| work.verb == Verb::Build && work.over) {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let directory = disk.fresh();
            work.prepare(&directory);
            let input = directory.join("fault-in.tsv");
            std::fs::remove_file(&input).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&input).status();
            if !made.is_ok_and(|status| status.success()) {
                return skip("signals", "no mkfifo");
            }
            let mut child = start(work, &directory);
            // It has opened its input, so it has its temporary file.
            let writer = std::fs::File::options().write(true).open(&input).unwrap();
            let before = crate::common::names(&directory);
            assert_eq!(
                before.iter().any(|name| name.contains(".graven-")),
                work.named,
                "{before:?}"
            );
            let id = child.id().to_string();
            let sent = std::process::Command::new("kill").args(["-s", signal, &id]).status();
            assert!(sent.unwrap().success());
            let status = child.wait().unwrap();
            drop(writer);
            assert_eq!(status.code(), Some(code), "{work:?} {signal}: {status:?}");
            assert_eq!(work.check(&directory, &signal), Found::Old);
            assert_eq!(crate::common::names(&directory), ["fault-in.tsv", "fault-table.grv"]);
        }
    }
}
