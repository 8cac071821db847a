//! T7: the disk is full, at every size; or a file may not grow beyond a limit.

use crate::common::{Rng, skip};
use crate::disks::{Disk, says_full};
use crate::work::{Found, Tables, Work};
use crate::{Tally, figure, full};
use std::path::Path;
use std::process::{Command, Output};

/// What must hold after a run for which there may not have been room; whether there was.
fn judge(work: Work, directory: &Path, ran: &Output, what: &dyn std::fmt::Debug) -> bool {
    let why = (what, ran);
    let found = work.check(directory, &why);
    let said = String::from_utf8_lossy(&ran.stderr);
    match ran.status.code() {
        Some(0) => assert_eq!(found, Found::New, "{why:?}"),
        Some(4) => {
            assert_eq!(found, Found::Old, "{why:?}");
            assert!(says_full(&said), "{why:?}");
        }
        _ => panic!("crashed: {why:?}"),
    }
    let names = crate::common::names(directory);
    assert!(!names.iter().any(|name| name.contains(".graven-")), "{why:?}: {names:?}");
    found == Found::New
}

#[test]
fn t7_the_disk_is_full_at_every_size() {
    let disks = [Disk::tmpfs(16 << 10), Disk::image("ext4", 64), Disk::image("xfs", 320)];
    let disks: Vec<Disk> = disks.into_iter().flatten().collect();
    if disks.is_empty() {
        return skip("T7", "no file system can be mounted here");
    }
    let mut tally = Tally::default();
    let mut random = Rng::new(7);
    let works: Vec<Work> = [Work::all(false), Work::all(true)].concat();
    let sizes = figure(10, 1000);
    let (mut fitted, mut large) = (vec![0; disks.len()], 0);
    let mut refused = fitted.clone();
    for i in 0..sizes {
        let at = random.below(disks.len() as u64) as usize;
        let disk = &disks[at];
        let work = works[random.below(works.len() as u64) as usize];
        disk.empty();
        let directory = disk.fresh();
        work.prepare(&directory);
        // From none to all that a sort and a table need.
        let most = 3 * Tables::get(work.large).new.len() as u64 + 4096;
        let free = if i % 10 == 0 { 0 } else { random.below(most) };
        if let Err(error) = disk.fill(free) {
            panic!("{}: the ballast: {error}", disk.name);
        }
        let ran = work.run(&directory);
        let fits = judge(work, &directory, &ran, &(disk.name, work, free));
        tally.tried += 1;
        tally.detected += u64::from(!fits);
        fitted[at] += u64::from(fits);
        refused[at] += u64::from(!fits);
        large += u64::from(work.large);
        disk.empty();
        work.recover(&directory, &(disk.name, free));
    }
    let both = |counts: &[u64]| match full() {
        true => counts.iter().all(|&count| count > 0),
        false => counts.iter().any(|&count| count > 0),
    };
    assert!(both(&fitted) && both(&refused) && large > 0, "room {fitted:?}, none {refused:?}");
    tally.report("T7 full disk");
}

#[test]
fn t7_a_file_may_not_grow() {
    let limit = |bytes: u64| format!("--fsize={bytes}");
    if !Command::new("prlimit").args([&limit(1 << 20), "true"]).status().is_ok_and(|s| s.success())
    {
        return skip("T7", "no prlimit");
    }
    let disk = Disk::plain();
    let mut tally = Tally::default();
    let mut random = Rng::new(77);
    let works: Vec<Work> = [Work::all(false), Work::all(true)].concat();
    let mut fitted = 0;
    for _ in 0..figure(10, 1000) {
        let work = works[random.below(works.len() as u64) as usize];
        let directory = disk.fresh();
        work.prepare(&directory);
        let bytes = random.below(Tables::get(work.large).new.len() as u64 * 4 / 3);
        let ran = work.command(&directory, &["prlimit", &limit(bytes)]).output().unwrap();
        let fits = judge(work, &directory, &ran, &(work, bytes));
        tally.tried += 1;
        tally.detected += u64::from(!fits);
        fitted += u64::from(fits);
        work.recover(&directory, &bytes);
    }
    assert!(fitted > 0 && tally.detected > 0, "{fitted} had room");
    tally.report("T7 file size limit");
}
