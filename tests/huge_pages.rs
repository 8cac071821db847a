//! Guards against a writer that loses the 2 MiB pages: Linux keeps a file in 2 MiB folios only if
//! it was written in aligned chunks of at least that size, and then maps them by one entry each.
//! Smaller writes, another alignment or an unlucky pre-allocation cost 1.4 times the latency and
//! 512 times the page tables, and no other test would notice.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{Mapped, numbered_table, skip};
use graven::PublishOptions;
use std::path::Path;

const SIZE: usize = 64 << 20;
const NAME: &str = "a_fresh_table_is_mapped_in_huge_pages";
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

#[test]
fn a_fresh_table_is_mapped_in_huge_pages() {
    let setting = "/sys/kernel/mm/transparent_hugepage/enabled";
    match std::fs::read_to_string(setting) {
        Err(error) => return skip(NAME, &format!("{setting}: {error}")),
        Ok(text) if text.contains("[never]") => {
            return skip(NAME, &format!("{setting} says never"));
        }
        Ok(_) => {}
    }
    let directory = common::directory();
    let possible = control(directory.path());
    if possible < 99 {
        let why = "even a file that was written at once, on the file system of the build directory";
        return skip(NAME, &format!("{why}, stands in 2 MiB pages by {possible} % only"));
    }
    // Which pages the kernel finds is no promise: of many runs one found too few for a table, and a
    // moment later enough. A writer that loses them loses them each time.
    let missing: Vec<String> = (1..=ATTEMPTS).map_while(|_| kept_in_huge_pages().err()).collect();
    assert!(missing.len() < ATTEMPTS, "a plain file: {possible} %; {missing:?}");
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
