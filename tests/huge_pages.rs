//! Guards against a writer that loses the 2 MiB pages: Linux keeps a file in 2 MiB folios only if
//! it was written in aligned chunks of at least that size, and then maps them by one entry each.
//! Smaller writes, another alignment or an unlucky pre-allocation cost 1.4 times the latency and
//! 512 times the page tables, and no other test would notice. Guards also against a warm-up that
//! leaves a table in the small pages in which it came, that reads what somebody else has mapped once
//! more, or that takes another file for the table.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Mapped, numbered_table, skip};
use graven::{OpenOptions, PublishOptions, Table, Warm};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const SIZE: usize = 64 << 20;
const ENTRIES: u64 = 700_000;
const ATTEMPTS: usize = 4;

/// Percent of this process's mapping of `path` that stand in 2 MiB pages.
fn percent_huge(path: &Path) -> u64 {
    let mapped = Mapped::of("self", path);
    mapped.sum("FilePmdMapped") * 100 / mapped.sum("Size")
}

/// Whether this kernel, file system and state of memory give a file 2 MiB pages at all: one that
/// is written in one piece.
fn control(directory: &Path) -> u64 {
    let path = directory.join("control");
    std::fs::write(&path, vec![1; SIZE]).expect("room for a file");
    let file = std::fs::File::open(&path).expect("the file");
    // SAFETY: nobody else knows the file.
    let map = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
    let sum: u64 = map.iter().step_by(4096).map(|&byte| u64::from(byte)).sum();
    assert_eq!(sum, SIZE as u64 / 4096);
    percent_huge(&path)
}

/// A directory on a file system whose files can have 2 MiB pages; a message where there is none.
fn directory_of_huge_pages(test: &str) -> Option<tempfile::TempDir> {
    let setting = "/sys/kernel/mm/transparent_hugepage/enabled";
    let missing = match std::fs::read_to_string(setting) {
        Err(error) => Some(format!("{setting}: {error}")),
        Ok(text) if text.contains("[never]") => Some(format!("{setting} says never")),
        Ok(_) => None,
    };
    if let Some(missing) = missing {
        skip(test, &missing);
        return None;
    }
    let directory = common::directory();
    let possible = control(directory.path());
    if possible < 99 {
        let why = "even a file that was written at once, on the file system of the build directory";
        skip(test, &format!("{why}, stands in 2 MiB pages by {possible} % only"));
        return None;
    }
    Some(directory)
}

#[test]
fn a_fresh_table_is_mapped_in_huge_pages() {
    if directory_of_huge_pages("a_fresh_table_is_mapped_in_huge_pages").is_none() {
        return;
    }
    // Which pages the kernel finds is no promise: of many runs one found too few for a table, and a
    // moment later enough. A writer that loses them loses them each time.
    let missing: Vec<String> = (1..=ATTEMPTS).map_while(|_| kept_in_huge_pages().err()).collect();
    assert!(missing.len() < ATTEMPTS, "a plain file has them; {missing:?}");
}

/// Builds a table, copies it, and copies it and reads the copy back. The error says which of them
/// stands in small pages.
fn kept_in_huge_pages() -> Result<(), String> {
    let directory = common::directory();
    let path = |name: &str| directory.path().join(name);
    let bytes = numbered_table(&path("fresh.grv"), ENTRIES, 1).file_bytes;
    assert!(bytes >= SIZE as u64, "{bytes} bytes");
    // Copying and reading back must not lose the large pages.
    PublishOptions::new().publish(path("fresh.grv"), path("copy.grv")).expect("a copy");
    let read_back = PublishOptions::new().verify_after_write(true);
    read_back.publish(path("fresh.grv"), path("read-back.grv")).expect("a copy");
    for name in ["fresh.grv", "copy.grv", "read-back.grv"] {
        let path = path(name);
        // SAFETY: nobody else knows the file.
        let table = unsafe { graven::Table::open(&path) }.expect("a table");
        table.verify().expect("a sound table");
        assert!(table.iter().all(|entry| entry.is_ok()));
        let percent = percent_huge(&path);
        eprintln!("{name}: {percent} % of {bytes} bytes in 2 MiB pages");
        if percent <= 90 {
            return Err(format!("{name}: {percent} % in 2 MiB pages"));
        }
    }
    Ok(())
}

/// Writes a copy of `from` as a downloader does, in pieces of 64 KiB.
fn download(from: &Path, to: &Path) {
    let (mut from, mut to) = (File::open(from).expect("a table"), File::create(to).expect("room"));
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece).expect("a table") {
            0 => return,
            got => to.write_all(&piece[..got]).expect("room"),
        }
    }
}

fn open(options: OpenOptions, path: &Path) -> Table {
    // SAFETY: nobody else knows the file.
    unsafe { options.open(path) }.expect("a table")
}

/// Every attempt fails if the warm-up loses; one of them may for want of pages.
fn in_some_attempt(works: impl Fn() -> Result<(), String>) {
    let failed: Vec<String> = (1..=ATTEMPTS).map_while(|_| works().err()).collect();
    assert!(failed.len() < ATTEMPTS, "{failed:?}");
}

#[test]
fn a_table_that_came_in_small_pages_gets_large_ones() {
    let test = "a_table_that_came_in_small_pages_gets_large_ones";
    let Some(directory) = directory_of_huge_pages(test) else { return };
    let [fresh, copy] = ["fresh.grv", "copy.grv"].map(|name| directory.path().join(name));
    numbered_table(&fresh, ENTRIES, 1);
    let entries = |table: &Table| {
        let entries = table.iter().map(|entry| entry.expect("a sound table"));
        entries.fold((0, 0), |(count, sum), (key, value)| {
            let bytes: u64 = key.iter().chain(value).map(|&byte| u64::from(byte)).sum();
            (count + 1, sum + bytes)
        })
    };
    let wanted = entries(&open(OpenOptions::new(), &fresh));
    in_some_attempt(|| {
        download(&fresh, &copy);
        // Its pages are dirty. Without the option they stay as they are.
        let table = open(OpenOptions::new().warm(Warm::All), &copy);
        let small = percent_huge(&copy);
        if small > 50 {
            return Err(format!("{small} % came in large pages"));
        }
        table.warm(Warm::All).expect("a sound table");
        assert_eq!(percent_huge(&copy), small, "Warm::All gave pages back");
        // In the same table, which is read meanwhile.
        let reads = std::thread::scope(|scope| {
            let reader = scope.spawn(|| entries(&table));
            table.warm(Warm::LargePages).expect("a sound table");
            reader.join().expect("a reader")
        });
        assert_eq!((reads, entries(&table)), (wanted, wanted));
        drop(table);
        let table = open(OpenOptions::new().warm(Warm::LargePages), &copy);
        assert_eq!(entries(&table), wanted);
        let large = percent_huge(&copy);
        eprintln!("warmed: {large} % in 2 MiB pages, {small} % before");
        if large < 95 { Err(format!("warmed: {large} % in 2 MiB pages")) } else { Ok(()) }
    });
    // A cold table, as after a restart, of which some pages have come back.
    in_some_attempt(|| {
        let file = File::open(&copy).expect("the table");
        file.sync_all().expect("a disk");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a cache");
        assert_eq!(open(OpenOptions::new(), &copy).get("nothing"), Ok(None));
        let table = open(OpenOptions::new().warm(Warm::LargePages), &copy);
        let large = percent_huge(&copy);
        assert_eq!(entries(&table), wanted);
        if large < 95 { Err(format!("cold: {large} % in 2 MiB pages")) } else { Ok(()) }
    });
}

/// Pages that somebody else has mapped are not read again, and none of another file are given back.
#[test]
fn the_pages_of_others_stay() {
    let Some(directory) = directory_of_huge_pages("the_pages_of_others_stay") else { return };
    let [fresh, copy, moved] =
        ["fresh.grv", "copy.grv", "moved.grv"].map(|name| directory.path().join(name));
    numbered_table(&fresh, ENTRIES, 1);
    download(&fresh, &copy);
    let other = open(OpenOptions::new().warm(Warm::All), &copy);
    let before = percent_huge(&copy);
    let table = open(OpenOptions::new().warm(Warm::LargePages), &copy);
    // Both are mapped here, so the percents are of both.
    assert!(percent_huge(&copy) <= before + 2, "{} of {before} %", percent_huge(&copy));
    assert!(other.verify().is_ok() && table.verify().is_ok());
    drop(other);
    // Another file has the name now: its pages stay, and the table's as well.
    std::fs::rename(&copy, &moved).expect("a name");
    std::fs::copy(&fresh, &copy).expect("room");
    let bystander = open(OpenOptions::new(), &copy);
    let bytes = bystander.residency().resident();
    table.warm(Warm::LargePages).expect("a sound table");
    assert_eq!(bystander.residency().resident(), bytes);
    assert_eq!(percent_huge(&moved), before, "it was read again");
    // Whoever opens a FIFO to read waits for a writer.
    std::fs::remove_file(&copy).expect("a name");
    if std::process::Command::new("mkfifo").arg(&copy).status().is_ok_and(|made| made.success()) {
        table.warm(Warm::LargePages).expect("a sound table");
        assert_eq!(percent_huge(&moved), before, "it was read again");
    }
}
