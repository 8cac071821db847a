//! The bodies of the fuzz targets. Each takes the fuzzer's bytes and panics on a finding.
//!
//! Nothing here knows the fuzzer: `tests/fuzz_corpus.rs` includes this module and replays
//! the seeds.

#![allow(dead_code, reason = "each target calls one of the bodies")]

mod damage;
mod input;
mod model;
mod packed;
mod patch;
mod queries;

use graven::{OpenOptions, PageChecks, Table};

pub(crate) use damage::repair;
#[allow(unused_imports, reason = "each target calls one of the bodies")]
pub(crate) use packed::packed;
#[allow(unused_imports, reason = "each target calls one of the bodies")]
pub(crate) use patch::patch;

/// Arbitrary bytes.
pub(crate) fn open(data: &[u8]) {
    for verify in [PageChecks::FirstTouch, PageChecks::AtOpen, PageChecks::Never] {
        if let Ok(table) = OpenOptions::new().page_checks(verify).from_bytes(data.to_vec()) {
            queries::ask_everything(&table, &[b"", b"a", b"key 1", data]);
        }
    }
}

/// A valid table from the input's entries, damaged by the input's patches.
pub(crate) fn lookup(data: &[u8]) {
    let mut input = input::Input::new(data);
    let how = input.byte();
    let options = input.options();
    let patches = input.patches();
    let entries = input.entries();
    let Some((good, model)) = model::build(&options, &entries) else { return };
    let keys = model.questions();
    let questions: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();

    match how % 4 {
        // At most three flipped bits: no answer may be wrong, and the audit finds them.
        0 | 1 => {
            let bad = damage::flip_bits(&good, &patches);
            let intact = bad == good;
            let verify = if how & 4 == 0 { PageChecks::FirstTouch } else { PageChecks::AtOpen };
            match OpenOptions::new().page_checks(verify).from_bytes(bad) {
                Ok(table) => {
                    model.check_or_error(&table, &questions);
                    assert_eq!(table.verify().is_ok(), intact, "the audit and the damage disagree");
                }
                Err(error) => assert!(!intact, "a good table is refused: {error}"),
            }
        }
        // Any damage, checksums not looked at.
        2 => {
            let bad = damage::patch(&good, &patches);
            if let Ok(table) = OpenOptions::new().page_checks(PageChecks::Never).from_bytes(bad) {
                queries::ask_everything(&table, &questions);
            }
        }
        // Any damage, all checksums made right: what a hostile writer would do.
        _ => {
            let mut same = good.clone();
            repair(&mut same);
            assert!(same == good, "the repair does not know the format any more");
            let mut bad = damage::patch(&good, &patches);
            repair(&mut bad);
            if let Ok(table) = Table::from_bytes(bad) {
                queries::ask_everything(&table, &questions);
            }
        }
    }
}

/// The builder and the reader against a sorted list.
pub(crate) fn build_then_read(data: &[u8]) {
    let mut input = input::Input::new(data);
    let options = input.options();
    let entries = input.entries();
    let Some((bytes, model)) = model::build(&options, &entries) else { return };
    let keys = model.questions();
    let questions: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let table = Table::from_bytes(bytes).expect("what was built opens");
    table.verify().expect("what was built is good");
    model.check(&table, &questions);
    queries::ask_everything(&table, &questions);
}
