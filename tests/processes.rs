//! Guards against a table that costs memory per reader instead of once per machine: a lookup that
//! copies, a mapping that turns private, a checksum map that grows with the table. Four reader
//! processes go through one table of more than 100 MB; the kernel's accounting must show one copy
//! in memory and next to nothing for each reader. Guards also against a replacement that shows
//! through: a reader that holds the old table must not see a byte of the new one.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "mapping a path is unsafe; these tests map files of their own")]

mod common;

use common::{
    Index, Mapped, Peer, VALUE, answer, field, numbered_key, numbered_table, numbered_value,
    value_len,
};
use graven::Table;
use std::io::BufRead;
use std::path::Path;

const READERS: usize = 4;
const ENTRIES: u64 = 1_000_000;
/// Set for a process that is a reader: the table's path.
const TABLE: &str = "GRAVEN_TEST_READER";

/// Goes through all entries twice, by get and in order, so that every page of the table is
/// mapped; returns the number of entries.
fn read_everything(table: &Table, edition: u8) -> u64 {
    let mut value = [0; VALUE];
    let mut entries = table.iter();
    for i in 0..table.len() {
        numbered_value(i, edition, &mut value);
        let expected = &value[..value_len(i, Index::Hash)];
        let key = numbered_key(i);
        assert_eq!(table.get(key).expect("a sound table"), Some(expected), "get of {i}");
        let entry = entries.next().expect("as many entries as counted").expect("a sound table");
        assert_eq!(entry, (&key[..], expected), "entry {i}");
    }
    assert!(entries.next().is_none());
    table.len()
}

/// Not a test when run by itself: the program of the reader processes. Obeys `open EDITION`,
/// `read EDITION` (the table that was opened first), `end`.
#[test]
fn reader_process() {
    let Ok(path) = std::env::var(TABLE) else { return };
    let mut tables = Vec::new();
    answer("up");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the parent writes");
        let (verb, edition) = line.split_once(' ').unwrap_or((&line, "0"));
        let edition = edition.parse().expect("an edition");
        match verb {
            "open" => {
                // SAFETY: the parent replaces the file only by rename.
                let table = unsafe { Table::open(&path) }.expect("a table");
                let read = read_everything(&table, edition);
                tables.push(table);
                answer(&read.to_string());
            }
            "read" => answer(&read_everything(&tables[0], edition).to_string()),
            _ => break,
        }
    }
}

fn reader(path: &Path) -> Peer {
    let mut peer = Peer::start(common::this_binary("reader_process").env(TABLE, path));
    assert_eq!(peer.answer(), "up");
    peer
}

fn rollup(peer: &Peer) -> String {
    std::fs::read_to_string(format!("/proc/{}/smaps_rollup", peer.id())).expect("smaps_rollup")
}

/// Memory that belongs to this process alone, in KiB.
fn private(rollup: &str) -> u64 {
    field(rollup, "Private_Clean") + field(rollup, "Private_Dirty")
}

#[test]
fn four_readers_share_one_table() {
    let directory = common::directory();
    let path = directory.path().join("shared.grv");
    let summary = numbered_table(&path, ENTRIES, 1);
    assert!(summary.file_bytes >= 100_000_000, "{} bytes are too few", summary.file_bytes);
    let file = summary.file_bytes.div_ceil(4096) * 4;

    let mut readers: Vec<Peer> = (0..READERS).map(|_| reader(&path)).collect();
    let before: Vec<String> = readers.iter().map(rollup).collect();
    for peer in &mut readers {
        assert_eq!(peer.ask("open 1"), ENTRIES.to_string());
    }
    let after: Vec<String> = readers.iter().map(rollup).collect();
    let mapped: Vec<Mapped<'_>> =
        readers.iter().map(|peer| Mapped::of(&peer.id().to_string(), &path)).collect();

    let resident: Vec<u64> = mapped.iter().map(|mapped| mapped.sum("Rss")).collect();
    let pss: u64 = mapped.iter().map(|mapped| mapped.sum("Pss")).sum();
    let pss_added: u64 = after.iter().map(|text| field(text, "Pss")).sum::<u64>()
        - before.iter().map(|text| field(text, "Pss")).sum::<u64>();
    let private_added: Vec<u64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| private(after).saturating_sub(private(before)))
        .collect();
    eprintln!(
        "file {file} KiB, resident {resident:?} KiB, Pss of the mappings {pss} KiB, of the \
         processes {pss_added} KiB more, private {private_added:?} KiB more"
    );
    // Every reader has the whole table in its address space …
    assert!(resident.iter().all(|&rss| rss * 100 >= file * 95), "{resident:?} of {file} KiB");
    // … and together they have it once.
    assert!(pss * 100 <= file * 105, "{READERS} readers hold {pss} KiB of a file of {file} KiB");
    assert!(pss * 100 >= file * 95, "{pss} KiB of {file} are accounted for");
    assert!(pss_added * 100 <= file * 105, "{READERS} readers grew by {pss_added} KiB");
    assert!(private_added.iter().all(|&added| added < 1024), "{private_added:?} KiB");
    assert!(mapped.iter().all(|mapped| mapped.sum("Private_Dirty") == 0));
}

#[test]
fn a_reader_keeps_the_table_that_it_opened() {
    const FEW: u64 = 20_000;
    let directory = common::directory();
    let path = directory.path().join("replaced.grv");
    numbered_table(&path, FEW, 1);
    let mut early = reader(&path);
    assert_eq!(early.ask("open 1"), FEW.to_string());

    // Twice, and the second one smaller: a mapping of the name instead of the file would fault.
    numbered_table(&path, FEW * 2, 2);
    assert_eq!(early.ask("read 1"), FEW.to_string());
    numbered_table(&path, FEW / 2, 3);
    assert_eq!(early.ask("read 1"), FEW.to_string());

    // A new open sees the new table, in an old process as in a new one.
    assert_eq!(early.ask("open 3"), (FEW / 2).to_string());
    assert_eq!(early.ask("read 1"), FEW.to_string());
    assert_eq!(reader(&path).ask("open 3"), (FEW / 2).to_string());
}
