//! Guards against a file that was made to hurt: checksums are right and the content lies. Such a
//! file must be refused, or answer within the table's bytes and in bounded time, and `verify`
//! must see through it. Nothing here may panic, hang or allocate by the file's word.
//!
//! One file per attack in `tests/data/bad`, made anew by `BLESS=1 cargo test --test bad`.

#![expect(unsafe_code, reason = "maps the files under test")]

mod bad_files;
mod common;

use bad_files::{Attack, Expect, attacks};
use common::{blessing, data};
use graven::{
    Cursor, Iter, OpenError, OpenFailure, OpenOptions, PageChecks, ReadError, ReadFailure, Table,
};
use std::fmt::Write;
use std::fs;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Largest file of this collection.
const LARGEST: usize = 8 << 10;

/// A short name of an error: its variant, and the field or text that tells its cause.
fn open_error(error: &OpenError) -> String {
    match &error.failure() {
        OpenFailure::InvalidHeader { field, .. } => format!("InvalidHeader({field})"),
        OpenFailure::FooterMismatch { field, .. } => format!("FooterMismatch({field})"),
        OpenFailure::UnsupportedFeature { feature, .. } => format!("UnsupportedFeature({feature})"),
        OpenFailure::Damaged(failure) => read_failure(failure),
        other => variant(other),
    }
}

fn read_error(error: &ReadError) -> String {
    read_failure(&error.failure())
}

fn read_failure(failure: &ReadFailure) -> String {
    match failure {
        ReadFailure::Corrupt { what, .. } => format!("Corrupt({what})"),
        other => variant(other),
    }
}

fn variant(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    // The text ends in the name of the variant: "… (ReadFailure::Checksum)".
    let (_, variant) = text.rsplit_once("::").expect("the name of a variant");
    variant.trim_end_matches(')').to_owned()
}

/// Every query, answers ignored: only panics, hangs and bounds count.
fn exercise(table: &Table) {
    let n = table.len();
    let mut keys: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xFF; 9], b"key-017".to_vec()];
    keys.extend((0..40).map(|i| format!("key-{i:03}").into_bytes()));
    keys.extend((0..40).map(|i: u32| (i * 3).to_be_bytes().to_vec()));
    keys.extend((0..40).map(|i: u32| (i * i * i + i % 2).to_be_bytes().to_vec()));
    keys.extend(table.keys().take(2_000).step_by(7).map_while(Result::ok).map(<[u8]>::to_vec));
    for key in &keys {
        let _ = table.get(key);
        let _ = table.contains_key(key);
        bounded("get_all", n, &mut table.get_all(key), |values| values.next().map(|v| v.is_ok()));
        let _ = (table.floor(key), table.ceil(key), table.rank(key), table.longest_prefix(key));
        bounded("prefixes_of", n, &mut table.prefixes_of(key), |entries| {
            entries.next().map(|entry| entry.is_ok())
        });
        let _ = (table.count(key.as_slice()..), table.count_of(key));
        walks(n, &table.prefix(key));
        walks(n, &table.range(key.as_slice()..));
        walks(n, &table.range(..=key.as_slice()));
        cursor_walks(table, key);
    }
    // Ends at every key of a small table: the place of each is what the index says.
    let every = if n <= 200 { 1 } else { 7 };
    for key in table.keys().take(2_000).step_by(every).map_while(Result::ok) {
        walks(n, &table.range(..key));
    }
    let mut out = Vec::new();
    let _ = table.get_many_into(&keys, &mut out);
    let _ = (table.rank_many(&keys), table.ceil_many(&keys));
    walks(n, &table.iter());
    parts(table);
    bounded("keys", n, &mut table.keys(), |keys| keys.nth(1).map(|key| key.is_ok()));
    bounded("keys back", n, &mut table.keys(), |keys| keys.nth_back(1).map(|key| key.is_ok()));
    bounded("values", n, &mut table.values(), |values| values.nth(1).map(|v| v.is_ok()));
    bounded("values back", n, &mut table.values(), |v| v.nth_back(1).map(|v| v.is_ok()));
    for rank in (0..40).chain([n / 2, n.wrapping_sub(1), n, u64::MAX]) {
        let _ = table.nth(rank);
        table.iter().nth(rank as usize).into_iter().for_each(drop);
        table.iter().nth_back(rank as usize).into_iter().for_each(drop);
    }
    let _ = (table.first(), table.last(), table.stats());
    if let Ok(metadata) = table.metadata() {
        metadata.iter().take(1 << 16).for_each(drop);
        let _ = metadata.get(b"absent");
    }
}

/// Parts and counts of distinct keys: they cover all entries, or one of them is an error.
fn parts(table: &Table) {
    let n = table.len();
    for asked in [2, 3, 17] {
        let parts = table.split(asked);
        let (count, ranks) = (parts.len() as u128, u128::from(n));
        for (mut part, i) in parts.into_iter().zip(0..) {
            // As many as the ranks of its ends say.
            let right = (ranks * (i + 1) / count - ranks * i / count) as u64;
            let (mut entries, mut failed) = (0, false);
            bounded("split", right, &mut part, |part| {
                let is_entry = part.next()?.is_ok();
                (entries, failed) = (entries + u64::from(is_entry), failed | !is_entry);
                Some(is_entry)
            });
            assert!(failed || entries == right, "{entries} of {right} in part {i} of {count}");
        }
    }
    let (mut entries, mut failed) = (0, false);
    bounded("key_counts", n, &mut table.key_counts(), |counts| {
        let count = counts.next()?;
        failed |= count.is_err();
        entries += count.as_ref().map_or(0, |(_, count)| *count);
        Some(count.is_ok())
    });
    assert!(entries <= n && (failed || entries == n), "{entries} of {n} in keys");
}

/// The ways to step through entries; each gives an item, says whether it is an entry, or is over.
/// The number is that of the step.
type Step = fn(&mut Iter<'_>, usize) -> Option<bool>;
const STEPS: [(&str, Step); 9] = [
    ("next", |iter, _| Some(iter.next()?.is_ok())),
    ("next_back", |iter, _| Some(iter.next_back()?.is_ok())),
    ("both ends", |iter, i| match i % 2 {
        0 => Some(iter.next()?.is_ok()),
        _ => Some(iter.next_back()?.is_ok()),
    }),
    ("step_by 2", |iter, _| Some(iter.nth(1)?.is_ok())),
    ("step_by 2, back", |iter, _| Some(iter.nth_back(1)?.is_ok())),
    ("step_by 31", |iter, _| Some(iter.nth(30)?.is_ok())),
    ("step_by 31, back", |iter, _| Some(iter.nth_back(30)?.is_ok())),
    ("step_by 2, both ends", |iter, i| match i % 2 {
        0 => Some(iter.nth(1)?.is_ok()),
        _ => Some(iter.nth_back(1)?.is_ok()),
    }),
    ("all ways", |iter, i| match i % 5 {
        0 => Some(iter.nth_back(2)?.is_ok()),
        1 => Some(iter.next()?.is_ok()),
        2 => Some(iter.nth(1)?.is_ok()),
        3 => Some(iter.next_back()?.is_ok()),
        _ => Some(iter.nth(i % 3)?.is_ok()),
    }),
];

/// Goes through the entries in every way: none gives more than the table has, nothing follows an
/// error, and what is left to come is never said to be more than the table has.
fn walks(most: u64, entries: &Iter<'_>) {
    for (way, step) in STEPS {
        let mut number = 0;
        bounded(way, most, &mut entries.clone(), |iter| {
            assert!(iter.len() as u64 <= most.max(1), "{way}: {} of {most} are left", iter.len());
            number += 1;
            step(iter, number)
        });
    }
    let folded = entries.clone().fold(0, |sum, entry| sum + u64::from(entry.is_ok()));
    assert!(folded <= most, "fold: {folded} of {most} entries");
    let folded = entries.clone().rfold(0, |sum, entry| sum + u64::from(entry.is_ok()));
    assert!(folded <= most, "rfold: {folded} of {most} entries");
}

/// Steps until the end or the first error, after which there is nothing.
fn bounded<I>(way: &str, most: u64, iter: &mut I, mut step: impl FnMut(&mut I) -> Option<bool>) {
    let mut entries = 0;
    while let Some(is_entry) = step(iter) {
        if !is_entry {
            assert_eq!(step(iter), None, "{way}: goes on after an error");
            break;
        }
        entries += 1;
        assert!(entries <= most, "{way}: more than the table's {most} entries");
    }
    assert_eq!(step(iter), None, "{way}: goes on after its end");
}

/// From a key to both ends of the table, and from both ends through all of it.
fn cursor_walks(table: &Table, key: &[u8]) {
    type Seek = fn(&mut Cursor<'_>, &[u8]) -> Result<bool, ReadError>;
    let seeks: [(&str, Seek); 4] = [
        ("seek", |cursor, key| cursor.seek_ceil(key)),
        ("seek_floor", |cursor, key| cursor.seek_floor(key)),
        ("seek_first", |cursor, _| cursor.seek_first()),
        ("seek_last", |cursor, _| cursor.seek_last()),
    ];
    for (way, seek) in seeks {
        for turn in [Cursor::next, Cursor::prev] {
            let mut cursor = table.cursor();
            let (mut on_entry, mut entries) = (seek(&mut cursor, key), 0);
            while matches!(on_entry, Ok(true)) {
                entries += 1;
                assert!(entries <= table.len(), "{way}: more than the table's entries");
                on_entry = turn(&mut cursor);
            }
        }
        let mut cursor = table.cursor();
        let _ = (seek(&mut cursor, key), cursor.prev(), cursor.next(), cursor.next());
        let _ = (cursor.prev(), cursor.prev(), cursor.next());
    }
}

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
