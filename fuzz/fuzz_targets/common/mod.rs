//! The bodies of the fuzz targets. Each takes the fuzzer's bytes, panics on a finding, and says whether the
//! bytes got past the parser: whether there was something to ask.
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
mod ranges;
mod shape;

use graven::{OpenOptions, PageChecks, Table};
use std::sync::LazyLock;

pub(crate) use damage::repair;
#[allow(unused_imports, reason = "each target calls one of the bodies")]
pub(crate) use packed::packed;
#[allow(unused_imports, reason = "each target calls one of the bodies")]
pub(crate) use patch::patch;
#[allow(unused_imports, reason = "each target calls one of the bodies")]
pub(crate) use ranges::ranges;

/// Arbitrary bytes. True if they open as a table.
pub(crate) fn open(data: &[u8]) -> bool {
    let mut opened = false;
    for verify in [PageChecks::FirstTouch, PageChecks::AtOpen, PageChecks::Never] {
        if let Ok(table) = OpenOptions::new().page_checks(verify).from_bytes(data.to_vec()) {
            opened = true;
            queries::ask_everything(&table, &[b"", b"a", b"key 1", data]);
        }
    }
    opened
}

/// What each golden table must answer.
static MODELS: LazyLock<Vec<model::Model>> = LazyLock::new(|| {
    let model = |&golden: &&'static [u8]| {
        let table = Table::from_bytes(golden).expect("a golden table opens");
        let entries = table.iter().map(|entry| entry.map(|(k, v)| (k.to_vec(), v.to_vec())));
        model::Model::of(entries.collect::<Result<_, _>>().expect("a golden table is sound"))
    };
    shape::GOLDEN.iter().map(model).collect()
});

/// A valid table, damaged by the input's patches: of the input's entries as they are built or with a
/// hash index of another shape, or one of the golden tables. True if the table opens.
pub(crate) fn lookup(data: &[u8]) -> bool {
    let mut input = input::Input::new(data);
    let how = input.byte();
    let options = input.options();
    let patches = input.patches();
    let which = usize::from(how >> 3);
    let mut built;
    let (good, model) = match shape::GOLDEN.get(which.wrapping_sub(1)) {
        Some(golden) => (*golden, &MODELS[which - 1]),
        None => {
            built = model::build(&options, &input.entries());
            let Some((good, model)) = &mut built else { return false };
            if let Some(how) = which.checked_sub(shape::GOLDEN.len() + 1) {
                shape::reshape(good, how as u8 % shape::SHAPES);
            }
            (&good[..], &*model)
        }
    };
    let keys = model.questions();
    let questions: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();

    match how % 4 {
        // At most three flipped bits: no answer may be wrong, and the audit finds them.
        0 | 1 => {
            let bad = damage::flip_bits(good, &patches);
            let intact = bad == good;
            let verify = if how & 4 == 0 { PageChecks::FirstTouch } else { PageChecks::AtOpen };
            match OpenOptions::new().page_checks(verify).from_bytes(bad) {
                Ok(table) => {
                    model.check_or_error(&table, &questions);
                    assert_eq!(table.verify().is_ok(), intact, "the audit and the damage disagree");
                    true
                }
                Err(error) => {
                    assert!(!intact, "a good table is refused: {error}");
                    false
                }
            }
        }
        // Any damage, checksums not looked at.
        2 => {
            let bad = damage::patch(good, &patches);
            let opened = OpenOptions::new().page_checks(PageChecks::Never).from_bytes(bad);
            opened.map(|table| queries::ask_everything(&table, &questions)).is_ok()
        }
        // Any damage, all checksums made right: what a hostile writer would do.
        _ => {
            let mut same = good.to_vec();
            repair(&mut same, true);
            assert!(same == good, "the repair does not know the format any more");
            let mut bad = damage::patch(good, &patches);
            repair(&mut bad, how & 4 == 0);
            let opened = Table::from_bytes(bad);
            opened.map(|table| queries::ask_everything(&table, &questions)).is_ok()
        }
    }
}

/// The builder and the reader against a sorted list. True if there is a table.
pub(crate) fn build_then_read(data: &[u8]) -> bool {
    let mut input = input::Input::new(data);
    let options = input.options();
    let entries = input.entries();
    let Some((bytes, model)) = model::build(&options, &entries) else { return false };
    let keys = model.questions();
    let questions: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let table = Table::from_bytes(bytes).expect("what was built opens");
    table.verify().expect("what was built is good");
    model.check(&table, &questions);
    queries::ask_everything(&table, &questions);
    true
}
