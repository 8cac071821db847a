//! Audits that report how far they are, and are stopped.

use super::super::{numbered, open, quick, write};
use graven::{SetBuildOptions, TableSet, VerifyProgress};
use std::fs;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tempfile::TempDir;

fn set(options: &SetBuildOptions) -> (TempDir, TableSet) {
    let dir = tempfile::tempdir().unwrap();
    // More than one piece of each shard, and more keys than pass between two reports.
    let entries: Vec<_> =
        numbered(60_000).into_iter().map(|(key, value)| (key, value.repeat(16))).collect();
    write(options, dir.path(), &entries);
    let set = open(dir.path());
    (dir, set)
}

/// The bytes that an audit reads: of each shard its file, what the audit of the table reads, and in a
/// hash set, which has three passes, its entries.
fn bytes_to_read(set: &TableSet, passes: u64) -> u64 {
    let of_shard = |number: usize| {
        let of_table = AtomicU64::new(0);
        let table = set.table(number).unwrap();
        table.verify_with(|progress| of_table.store(progress.total, Relaxed)).unwrap();
        let bytes = set.manifest().shards[number].bytes;
        (passes - 1) * bytes + of_table.into_inner().max(bytes)
    };
    (0..set.manifest().shards.len()).map(of_shard).sum()
}

/// All reports of an audit that stops after so many.
fn reports(set: &TableSet, most: usize) -> (bool, Vec<VerifyProgress>) {
    let seen = Mutex::new(Vec::new());
    let report = set.verify_while(|progress| {
        let mut seen = seen.lock().unwrap();
        seen.push(progress);
        if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let report = report.unwrap();
    assert!(report.is_none_or(|report| report == set.verify().unwrap()));
    (report.is_some(), seen.into_inner().unwrap())
}

#[test]
fn an_audit_reports_and_may_be_stopped_anywhere() {
    for (options, passes) in [(quick().shard_entries(25_000), 2), (quick().hash_shards(3), 3)] {
        let (_dir, set) = set(&options);
        assert_eq!(set.manifest().shards.len(), 3);
        let (whole, all) = reports(&set, usize::MAX);
        assert!(whole);
        let total = all.last().unwrap().total;
        assert!(all.iter().all(|progress| progress.total <= total));
        assert!(all.iter().all(|progress| progress.done <= progress.total));
        assert_eq!(all.last().unwrap().done, total);
        assert_eq!(total, bytes_to_read(&set, passes));
        // Each pass over each shard is reported.
        for part in 0..3 * passes {
            let bounds = [part, part + 1].map(|part| part * total / (3 * passes));
            let inside =
                |progress: &VerifyProgress| (bounds[0]..=bounds[1]).contains(&progress.done);
            assert!(all.iter().any(inside), "{bounds:?}: {all:?}");
        }
        for most in 1..=all.len() {
            let (whole, seen) = reports(&set, most);
            assert!(!whole, "{most} of {}", all.len());
            // Threads that work on a piece may finish it.
            assert!(seen.len() <= most + 8, "{} after {most}", seen.len());
        }
    }
}

#[test]
fn damage_is_found_unless_the_audit_is_stopped_before() {
    let (_dir, set) = set(&quick().shard_entries(25_000));
    let shard = set.path().join("part-00002.grv");
    let mut bytes = fs::read(&shard).unwrap();
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    fs::remove_file(&shard).unwrap();
    fs::write(&shard, bytes).unwrap();
    let error = set.verify_while(|_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.path(), Some(shard.as_path()));
    assert_eq!(set.verify().unwrap_err().to_string(), error.to_string());
    let two_shards = |progress: VerifyProgress| match progress.done * 3 < progress.total * 2 {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    };
    assert_eq!(set.verify_while(two_shards).unwrap(), None);
}
