//! Guards against an audit that looks at each piece of a table and at nothing between them:
//! `verify` reads the records in pieces of 1 MiB on all threads, and looks keys up in the hash
//! index in batches. The crafted files of `tests/bad.rs` are small and have one piece. Here tables
//! of several pieces are damaged, at the borders of pieces too, and sealed again with checksums
//! that are right.

mod common;

use common::Rng;
use common::craft::{HASH, Image, LINES, RECORDS, SUMS};
use graven::{BuildOptions, Duplicates, HashIndex, ReadError, ReadFailure, Table};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A table of some megabytes: bytes, and numbers of entries and of distinct keys.
struct Subject {
    name: &'static str,
    bytes: Vec<u8>,
    entries: u64,
    keys: u64,
}

fn subject(
    name: &'static str,
    options: BuildOptions,
    key: impl Fn(u64) -> Vec<u8>,
    value: usize,
) -> Subject {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let entries = 3_500_000 / (value as u64 + 16);
    let mut builder = options.create(&path).unwrap();
    let mut distinct = std::collections::BTreeSet::new();
    for i in 0..entries {
        let (key, len) = (
            key(i),
            if name == "fixed" || name == "lines" { value } else { value + i as usize % 7 },
        );
        builder.insert(&key, vec![i as u8; len]).unwrap();
        distinct.insert(key);
    }
    builder.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    Subject { name, bytes, entries, keys: distinct.len() as u64 }
}

fn mixed(i: u64) -> u64 {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn subjects() -> Vec<Subject> {
    let plain = BuildOptions::new;
    let hashed = || plain().hash_index(HashIndex::Always);
    let text = |i: u64| format!("key-{:016x}", mixed(i)).into_bytes();
    let dense = |i: u64| [&b"prefix--"[..], &mixed(i).to_be_bytes()].concat();
    vec![
        subject("hashed", hashed(), text, 40),
        subject("ordered", plain().hash_index(HashIndex::Never), text, 40),
        subject("repeated", hashed().duplicates(Duplicates::KeepAll), move |i| text(i / 900), 40),
        subject("fixed", hashed(), dense, 48),
        subject("lines", plain(), |i| mixed(i).to_be_bytes().to_vec(), 48),
        // One leaf is more than a piece.
        subject("large", hashed(), text, 100_000),
    ]
}

fn verify(bytes: &[u8]) -> Result<graven::VerifyReport, ReadError> {
    Table::from_bytes(bytes.to_vec()).expect("the ends are right").verify()
}

#[test]
fn sound_tables_of_many_pieces_pass() {
    for subject in subjects() {
        let report = verify(&subject.bytes).expect(subject.name);
        let counted = (report.entries, report.keys, report.bytes as usize);
        assert_eq!(
            counted,
            (subject.entries, subject.keys, subject.bytes.len()),
            "{}",
            subject.name
        );
    }
}

/// Every byte of these indexes has a meaning.
/// An audit that is stopped says nothing of the table, and begins no further piece.
#[test]
fn an_audit_stops_when_asked_to() {
    for Subject { name, bytes, entries, .. } in subjects() {
        let table = Table::from_bytes(bytes).unwrap();
        let reports = AtomicU64::new(0);
        let stopped = table.verify_while(|_| {
            reports.fetch_add(1, Relaxed);
            ControlFlow::Break(())
        });
        assert_eq!(stopped.unwrap(), None, "{name}");
        // One for each thread, at most, which may have begun a piece of its own.
        let threads = std::thread::available_parallelism().unwrap().get() as u64;
        assert!((1..=threads).contains(&reports.into_inner()), "{name}");
        let whole = table.verify_while(|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(whole.map(|report| report.entries), Some(entries), "{name}");
    }
}

#[test]
fn every_byte_of_the_hash_and_line_index_is_compared() {
    let mut rng = Rng::new(11);
    let mut tried = 0;
    for subject in subjects() {
        let kind = match subject.name {
            "ordered" => continue,
            "lines" => LINES,
            _ => HASH,
        };
        let (start, len) = Image::new(subject.bytes.clone()).section(kind);
        for _ in 0..60 {
            let mut image = Image::new(subject.bytes.clone());
            let at = start + rng.below(len);
            image.put8(at, image.get::<1>(at)[0] ^ (1 + rng.below(255) as u8));
            image.seal();
            let (name, at, found) = (subject.name, at - start, verify(&image.bytes));
            let corrupt = matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Corrupt { .. }));
            assert!(corrupt, "{name}: byte {at} of the index: {found:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 5 * 60);
}

/// The last record of a piece and the first of the next, exchanged.
#[test]
fn order_holds_over_the_borders_of_pieces() {
    for subject in subjects() {
        let stride = match subject.name {
            "fixed" => 64,
            "lines" => 56,
            _ => continue,
        };
        let start = Image::new(subject.bytes.clone()).section(RECORDS).0;
        // Wherever the borders are, one of so many ranks is at one.
        let ranks = (1..subject.entries as usize).filter(|rank| {
            let border = (1 << 20) / stride;
            rank % border == 0 || rank % border < 2 || subject.name == "fixed" && rank % 480 == 0
        });
        for rank in ranks {
            let mut image = Image::new(subject.bytes.clone());
            let at = start + rank * stride;
            image.bytes[at - stride..at + stride].rotate_left(stride);
            image.seal();
            let found = verify(&image.bytes);
            let corrupt = matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Corrupt { .. }));
            assert!(corrupt, "{}: ranks {} and {rank}: {found:?}", subject.name, rank - 1);
        }
    }
}

/// A flipped bit in any part is told as what it is: the page with the wrong sum.
#[test]
fn the_damaged_page_is_told() {
    let mut rng = Rng::new(12);
    for subject in subjects() {
        let sums = Image::new(subject.bytes.clone()).section(SUMS).0;
        for _ in 0..20 {
            let mut bytes = subject.bytes.clone();
            let at = 448 + rng.below(sums - 448);
            bytes[at] ^= 1 << rng.below(8);
            let page = at as u64 / 4096 * 4096;
            let found = verify(&bytes);
            assert!(
                matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Checksum { offset, .. } if offset == page)),
                "{}: byte {at}: {found:?}",
                subject.name
            );
        }
    }
}
