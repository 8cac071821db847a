//! Guards against a file that was made to hurt: checksums are right and the content lies. Such a
//! file must be refused, or answer within the table's bytes and in bounded time, and `verify`
//! must see through it. Nothing here may panic, hang or allocate by the file's word.
//!
//! One file per attack in `tests/data/bad`, made anew by `BLESS=1 cargo test --test bad`.

#![expect(unsafe_code, reason = "maps the files under test")]

mod bad_files;
mod common;

use bad_files::{Attack, Expect, attacks};
use common::exercise::{exercise, open_error, read_error};
use common::{blessing, data};
use graven::{OpenOptions, PageChecks, Table};
use std::fmt::Write;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Largest file of this collection.
const LARGEST: usize = 8 << 10;

/// Opens the bytes in one mode and does everything; returns what open and verify said.
fn try_all(bytes: &[u8], mode: PageChecks) -> (Result<(), String>, Result<(), String>) {
    let table = match OpenOptions::new().page_checks(mode).from_bytes(bytes.to_vec()) {
        Ok(table) => table,
        Err(error) => return (Err(open_error(&error)), Ok(())),
    };
    exercise(&table);
    (Ok(()), table.verify().map(drop).map_err(|error| read_error(&error)))
}

fn check(attack: &Attack, bytes: &[u8]) -> Result<(), String> {
    for mode in [PageChecks::FirstTouch, PageChecks::Never, PageChecks::AtOpen] {
        let right = match (attack.expect, try_all(bytes, mode)) {
            (Expect::Refused(name), (opened, _)) => opened == Err(name.to_owned()),
            // Checksums that do not fit are seen at open already, if asked for.
            (Expect::Damaged(name), (Err(opened), _)) => {
                mode == PageChecks::AtOpen && opened == name && name == "Checksum"
            }
            (Expect::Damaged(name), (Ok(()), verified)) => verified == Err(name.to_owned()),
            (Expect::Accepted, (opened, verified)) => opened.is_ok() && verified.is_ok(),
        };
        if !right {
            let got = try_all(bytes, mode);
            return Err(format!("{:?} in mode {mode:?}, got {got:?}", attack.expect));
        }
    }
    Ok(())
}

fn readme(attacks: &[Attack]) -> String {
    let mut text = String::from(
        "# Crafted tables\n\n\
         Files that lie, with checksums that are right unless the checksum is the lie. Each has\n\
         the error by which it must be refused or reported: `open` = at open, `verify` = opens, and\n\
         the audit finds it; `accepted` = must open and pass. Whatever the mode, no query may\n\
         panic or hang. Made by `BLESS=1 cargo test --test bad` from `tests/bad_files/mod.rs`.\n\n\
         | file | the lie | seen by | error |\n|---|---|---|---|\n",
    );
    for attack in attacks {
        let (by, error) = match attack.expect {
            Expect::Refused(name) => ("open", name),
            Expect::Damaged(name) => ("verify", name),
            Expect::Accepted => ("accepted", "none"),
        };
        writeln!(text, "| `{}.grv` | {} | {by} | {error} |", attack.name, attack.lie).unwrap();
    }
    text
}

#[test]
fn every_file_is_seen_through() {
    let attacks = attacks();
    let directory = data("bad");
    if blessing() {
        // A leftover of an attack that was renamed would look like a case.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        for attack in &attacks {
            fs::write(directory.join(attack.name).with_extension("grv"), attack.make()).unwrap();
        }
        fs::write(directory.join("README.md"), readme(&attacks)).unwrap();
    }
    assert_eq!(fs::read_to_string(directory.join("README.md")).unwrap(), readme(&attacks));
    let files = fs::read_dir(&directory).unwrap().count();
    assert_eq!(files, attacks.len() + 1, "a file without an attack, or the other way round");

    let count = attacks.len();
    let (mut wrong, mut crashed) = (Vec::new(), Vec::new());
    for attack in attacks {
        let bytes = fs::read(directory.join(attack.name).with_extension("grv")).unwrap();
        assert!(bytes.len() <= LARGEST, "{} has {} bytes", attack.name, bytes.len());
        let name = attack.name;
        let (report, done) = mpsc::channel();
        let worker = std::thread::spawn(move || report.send(check(&attack, &bytes)));
        match done.recv_timeout(Duration::from_secs(30)) {
            Ok(Ok(())) => {}
            Ok(Err(difference)) => wrong.push(format!("{name}: expected {difference}")),
            Err(mpsc::RecvTimeoutError::Timeout) => crashed.push(format!("{name}: hangs")),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                crashed.push(format!("{name}: panics, {}", worker.join().is_err()));
            }
        }
    }
    let detected = count - wrong.len() - crashed.len();
    println!(
        "crafted files: tried {count}, detected {detected}, lost {}, crashed {}",
        wrong.len(),
        crashed.len()
    );
    assert!(wrong.is_empty() && crashed.is_empty(), "\n{}", [crashed, wrong].concat().join("\n"));
    assert!(count >= 100);
}

/// What the generator makes of an unchanged base is the base: an attack's error comes from the
/// attack.
#[test]
fn sealing_changes_nothing() {
    for base in bad_files::BASES {
        let mut image = base();
        let before = image.bytes.clone();
        image.seal();
        assert!(image.bytes == before, "sealed to other bytes");
        Table::from_bytes(before).unwrap().verify().unwrap();
    }
}

/// A key longer than the format allows, in a record that is consistent in itself. No file of this
/// collection: it takes more than 64 KiB.
#[test]
fn key_longer_than_allowed() {
    let bytes = bad_files::key_too_long();
    for mode in [PageChecks::FirstTouch, PageChecks::Never, PageChecks::AtOpen] {
        let right = (Ok(()), Err("Corrupt(record makes no sense)".to_owned()));
        assert_eq!(try_all(&bytes, mode), right, "{mode:?}");
    }
}

/// Sparse files as long as the file system has them, without a table and with one's header in
/// front, are refused at once: no mode reads or allocates by length.
#[test]
fn huge_sparse_files_are_refused_at_once() {
    let header = bad_files::BASES[0]().bytes;
    let own = tempfile::tempdir().unwrap();
    let mut longest = 0;
    for directory in [own.path(), std::path::Path::new("/dev/shm")] {
        let Ok(file) = tempfile::NamedTempFile::new_in(directory) else { continue };
        for len in [i64::MAX as u64, 1 << 44, (1 << 44) - 4096, 1 << 40] {
            if file.as_file().set_len(len).is_err() {
                continue;
            }
            longest = longest.max(len);
            for front in [&b"\0"[..], &header[..8], &header[..384], &header] {
                fs::write(file.path(), front).unwrap();
                file.as_file().set_len(len).unwrap();
                let start = Instant::now();
                // SAFETY: nobody else knows the file.
                let mapped = unsafe { Table::open(file.path()) };
                assert!(mapped.is_err());
                assert!(Table::load(file.path()).is_err());
                let part = OpenOptions::new().section(0, len - 1);
                // SAFETY: nobody else knows the file.
                assert!(unsafe { part.open(file.path()) }.is_err());
                let took = start.elapsed();
                assert!(took < Duration::from_secs(2), "{len} bytes took {took:?}");
            }
            break;
        }
    }
    println!("longest sparse file: {longest} bytes");
    if longest < i64::MAX as u64 {
        println!("skipped: no file system here holds a file of 8 EiB");
    }
}
