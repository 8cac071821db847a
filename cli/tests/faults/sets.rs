//! T7 and T2 for sets: the disk is full, at every size, and the program is killed at any time, while
//! a set is written over another one. The old set or the new one is current, whole, and after the
//! next run nothing else is there.

use crate::common::{Rng, names, skip};
use crate::disks::{Disk, says_full};
use crate::work::GRAVEN;
use crate::{Tally, figure};
use graven::{PublishOptions, SetBuildOptions, Versions};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SET: &str = "fault-set";
const INPUT: &str = "fault-in.tsv";
const TABLE: &str = "fault-table.grv";
const ENTRIES: u64 = 20_000;

/// Ways to write a set.
const WORKS: [&[&str]; 4] = [
    &["build", "--shards", "9", "--memory", "1M", SET, INPUT],
    &["build", "--shards", "5", "--partition", "hash", "--memory", "2M", SET, INPUT],
    &["shard", "--shards", "9", TABLE, SET],
    &["shard", "--shards", "5", "--partition", "hash", TABLE, SET],
];

fn key(i: u64) -> String {
    format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// A directory with the input, the table of it, and an older set of one entry.
fn prepare(directory: &Path) {
    let line = |i| format!("{}\tvalue {i} {}\n", key(i), "x".repeat(i as usize % 90));
    fs::write(directory.join(INPUT), (0..ENTRIES).map(line).collect::<String>()).unwrap();
    let mut build = Command::new(GRAVEN);
    build.args(["build", "--quiet", TABLE, INPUT]).current_dir(directory);
    assert!(build.status().unwrap().success());
    reset(directory);
}

/// Makes the older set the only version.
fn reset(directory: &Path) {
    let set = directory.join(SET);
    let _ = fs::remove_dir_all(&set);
    let options = SetBuildOptions::new().publish(PublishOptions::new().durable(false));
    let mut builder = options.create(&set).unwrap();
    builder.insert("old", "entry").unwrap();
    builder.finish().unwrap();
}

fn command(directory: &Path, work: &[&str]) -> Command {
    let mut command = Command::new(GRAVEN);
    command.args(work).args(["--quiet", "--keep", "1", "--min-age", "0"]);
    command.current_dir(directory).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// The number of entries of the current version, which is complete.
#[track_caller]
fn check(directory: &Path, why: &dyn std::fmt::Debug) -> u64 {
    let mut verify = Command::new(GRAVEN);
    let ran = verify.args(["verify", "--json", SET]).current_dir(directory).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "lost: {why:?}: {said} {ran:?}");
    match said.contains(&format!("\"entries\":{ENTRIES},")) {
        true => ENTRIES,
        false => {
            assert!(said.contains("\"entries\":1,"), "lost: {why:?}: {said}");
            1
        }
    }
}

/// The next run makes the new set current, and leaves nothing else.
#[track_caller]
fn recover(directory: &Path, work: &[&str], why: &dyn std::fmt::Debug) {
    let ran = command(directory, work).output().unwrap();
    assert!(ran.status.success(), "{why:?}: {ran:?}");
    assert_eq!(check(directory, why), ENTRIES, "{why:?}");
    assert_eq!(names(&directory.join(SET)), ["CURRENT", "versions"], "{why:?}");
    let versions = names(&directory.join(SET).join("versions"));
    assert_eq!(versions.len(), 1, "{why:?}: {versions:?}");
    let files = names(&directory.join(SET).join("versions").join(&versions[0]));
    assert!(files.iter().all(|file| file == "MANIFEST.json" || file.starts_with("part-")));
}

/// What must hold after a run that may have had no room; whether it had.
fn judge(directory: &Path, ran: &Output, current: &Path, why: &dyn std::fmt::Debug) -> bool {
    let why = (why, ran);
    let entries = check(directory, &why);
    if ran.status.success() {
        assert_eq!(entries, ENTRIES, "{why:?}");
        return true;
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(says_full(&said), "{why:?}");
    assert!(said.starts_with("graven: ") && said.lines().count() == 1, "{why:?}");
    assert_eq!(ran.status.code(), Some(4), "{why:?}");
    assert_eq!(fs::read_link(directory.join(SET).join("CURRENT")).unwrap(), current, "{why:?}");
    assert_eq!(names(&directory.join(SET).join("versions")).len(), 1, "{why:?}");
    false
}

#[test]
fn t7_the_disk_is_full_for_a_set() {
    let disks = [Disk::tmpfs(24 << 10), Disk::image("ext4", 64)];
    let disks: Vec<Disk> = disks.into_iter().flatten().collect();
    if disks.is_empty() {
        return skip("T7 sets", "no file system can be mounted here");
    }
    let (mut tally, mut random, mut fitted) = (Tally::default(), Rng::new(17), 0);
    for disk in &disks {
        let directory = disk.fresh();
        prepare(&directory);
        for i in 0..figure(12, 400) {
            let work = WORKS[(i % WORKS.len() as u64) as usize];
            disk.empty();
            reset(&directory);
            let current = fs::read_link(directory.join(SET).join("CURRENT")).unwrap();
            // From none to all that a sort and a set need.
            let free = if i % 10 == 0 { 0 } else { random.below(8 << 20) };
            disk.fill(free).unwrap();
            let ran = command(&directory, work).output().unwrap();
            let fits = judge(&directory, &ran, &current, &(disk.name, work, free));
            tally.tried += 1;
            tally.detected += u64::from(!fits);
            fitted += u64::from(fits);
            disk.empty();
            recover(&directory, work, &(disk.name, work, free));
        }
    }
    assert!(fitted > 0 && tally.detected > 0, "{fitted} of {} had room", tally.tried);
    tally.report("T7 full disk, sets");
}

#[test]
fn t2_a_set_is_killed_at_random_times() {
    let (mut tally, mut random) = (Tally::default(), Rng::new(27));
    let disk = Disk::plain();
    let directory = disk.fresh();
    prepare(&directory);
    for work in WORKS {
        // How long it takes undisturbed.
        let begun = Instant::now();
        assert!(command(&directory, work).status().unwrap().success());
        let whole = begun.elapsed().as_nanos() as u64;
        for _ in 0..figure(4, 10) {
            // Several kills over the same directory, so that leftovers meet.
            reset(&directory);
            for _ in 0..figure(4, 50) {
                let mut child = command(&directory, work).spawn().unwrap();
                sleep(Duration::from_nanos(random.below(whole * 11 / 10)));
                child.kill().unwrap();
                let status = child.wait().unwrap();
                assert!(status.success() || status.signal() == Some(9), "crashed: {status:?}");
                let entries = check(&directory, &(work, status));
                assert!(!status.success() || entries == ENTRIES, "{work:?}");
                tally.tried += 1;
                tally.detected += u64::from(entries == ENTRIES);
            }
            recover(&directory, work, &work);
        }
    }
    tally.report("T2 sets at random times (detected: new set in place)");
}

/// INT and TERM: shards that are complete are removed at once, not by the next run.
#[test]
fn an_interrupted_set_leaves_nothing() {
    let disk = Disk::plain();
    let directory = disk.fresh();
    prepare(&directory);
    let current = Versions::new(directory.join(SET)).current().unwrap();
    let input = directory.join("fault-fifo");
    let made = Command::new("mkfifo").arg(&input).status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("signals for sets", "no mkfifo");
    }
    let sorted = ["build", "--sorted", "--target-bytes", "1K", SET, "fault-fifo"];
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = command(&directory, &sorted).stderr(Stdio::null()).spawn().unwrap();
        let mut writer = fs::File::options().write(true).open(&input).unwrap();
        // Some shards are complete while more entries are to come.
        let lines: String = (0..2_000).map(|i| format!("{i:08}\tvalue\n")).collect();
        std::io::Write::write_all(&mut writer, lines.as_bytes()).unwrap();
        let versions = directory.join(SET).join("versions");
        let begun = || {
            let mut names = names(&versions).into_iter();
            names.find(|name| name.ends_with("-new")).map(|name| versions.join(name))
        };
        let since = Instant::now();
        while !begun().is_some_and(|new| names(&new).contains(&"part-00002.grv".into())) {
            assert!(since.elapsed() < Duration::from_secs(60), "no shard comes");
            sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        drop(writer);
        assert_eq!(names(&versions).len(), 1, "{signal}");
        assert_eq!(Versions::new(directory.join(SET)).current().unwrap(), current);
        assert_eq!(check(&directory, &signal), 1);
    }
}
