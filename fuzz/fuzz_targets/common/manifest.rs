//! The body of the target `manifest`: any bytes as the manifest of a set.

use graven::{BuildOptions, Manifest, Partition, SetError, TableSet};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use tempfile::TempDir;

/// A directory with two tables, of which a manifest may speak.
pub(crate) fn tables() -> &'static Path {
    static TABLES: OnceLock<TempDir> = OnceLock::new();
    let directory = TABLES.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, keys) in [("part-00000.grv", ["a", "b"]), ("part-00001.grv", ["c", "d"])] {
            let options = BuildOptions::new().durable(false).threads(1);
            let entries = keys.map(|key| (key, "value"));
            options.build(directory.path().join(name), entries).expect("a table");
        }
        directory
    });
    directory.path()
}

/// An error, or a set that keeps what a manifest promises and answers every query. True if the manifest is sound.
pub(crate) fn manifest(data: &[u8]) -> bool {
    // Tests of one process run beside each other, and the directory has room for one manifest.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tables();
    fs::write(directory.join("MANIFEST.json"), data).expect("a file");
    // SAFETY: nobody changes the tables, and the manifest is not mapped.
    let set = match unsafe { TableSet::open(directory) } {
        Ok(set) => set,
        Err(error) => return !matches!(error, SetError::Manifest { .. }),
    };
    let manifest = set.manifest();
    let sum: u64 = manifest.shards.iter().map(|shard| shard.entries).sum();
    assert_eq!((set.len(), manifest.entries), (sum, sum));
    for shard in &manifest.shards {
        let path = directory.join(&shard.file);
        assert_eq!(path.parent(), Some(directory), "a path that climbs");
    }
    if manifest.partition == Partition::Range {
        for pair in manifest.shards.windows(2) {
            assert!(pair[0].last_key < pair[1].first_key, "ranges that overlap");
        }
    }
    for key in ["", "a", "b", "bb", "d", "\u{ff}"] {
        let _ = (set.get(key), set.floor(key), set.ceil(key), set.rank(key), set.count(key..));
        let _ = set.get_many(&[key, "c"]);
    }
    let _ = (set.nth(0), set.nth(sum), set.first(), set.last(), set.verify());
    // After an error a walk is over, and a shard has no more entries than its table.
    assert!(set.iter().count() <= 4 + 1 && set.iter().rev().count() <= 4 + 1);
    true
}

/// Manifests that are sound, for the mutator.
const SOUND: [&[u8]; 2] = [
    include_bytes!("../../corpus/manifest/range.seed"),
    include_bytes!("../../corpus/manifest/hash.seed"),
];

/// Another manifest, which differs from `text` in one value (in its place or in a digit), or from one that is sound if `text` is not: a
/// text that is no manifest any more hardly ever becomes one again.
pub(crate) fn other(text: &[u8], seed: u32) -> Vec<u8> {
    let mut text = text.to_vec();
    repair(&mut text);
    if Manifest::from_json(&text, "").is_err() {
        text = SOUND[seed as usize % SOUND.len()].to_vec();
    }
    match seed.is_multiple_of(4) {
        true => exchange(&mut text, seed / 4),
        false => change_digit(&mut text, seed / 4),
    }
    repair(&mut text);
    text
}

/// Corrects a manifest's number of entries and its id, where it is sound otherwise: the error names the right
/// values.
pub(crate) fn repair(text: &mut Vec<u8>) {
    // One round for each of the two.
    for _ in 0..2 {
        let Err(SetError::Manifest { field, what, .. }) = Manifest::from_json(text, "") else {
            return;
        };
        let Some(right) = what.rsplit(' ').next() else { return };
        let place = match field.as_str() {
            "entries" if what.starts_with("is ") => behind(text, b"\"entries\": ", b","),
            "id" if what.starts_with("does not fit") => behind(text, b"\"id\": \"", b"\""),
            _ => None,
        };
        let Some(place) = place else { return };
        text.splice(place, right.bytes());
    }
}

/// Values that are right in one place of a manifest and wrong in others, and borders of numbers.
const VALUES: [&[u8]; 12] = [
    b"0",
    b"1",
    b"2",
    b"9007199254740993",
    b"9223372036854775808",
    b"18446744073709551616",
    b"null",
    b"\"\"",
    b"\"6\"",
    b"\"ff\"",
    b"\"range\"",
    b"\"hash\"",
];

/// Where the values of the text stand: what no colon follows.
fn values(text: &[u8]) -> Vec<Range<usize>> {
    let mut start = 0;
    let pieces = text.split(|byte| b"{}[],: \n".contains(byte)).map(|piece| {
        let value = start..start + piece.len();
        start = value.end + 1;
        value
    });
    pieces.filter(|value| !value.is_empty() && text.get(value.end) != Some(&b':')).collect()
}

/// Puts a value of the text, or one of [`VALUES`], in the place of another one.
pub(crate) fn exchange(text: &mut Vec<u8>, seed: u32) {
    let values = values(text);
    let Some(count) = NonZeroUsize::new(values.len()) else { return };
    let (place, what) = (seed as usize % count, seed as usize / count);
    let what = what % (VALUES.len() + values.len());
    let new = match VALUES.get(what) {
        Some(value) => value.to_vec(),
        None => text[values[what - VALUES.len()].clone()].to_vec(),
    };
    text.splice(values[place].clone(), new);
}

/// Changes a digit of a value, a hexadecimal one inside of text.
pub(crate) fn change_digit(text: &mut [u8], seed: u32) {
    let values = values(text);
    let Some(count) = NonZeroUsize::new(values.len()) else { return };
    let (value, seed) = (&mut text[values[seed as usize % count].clone()], seed as usize / count);
    let digits: &[u8] = if value.starts_with(b"\"") { b"0123456789abcdef" } else { b"0123456789" };
    let places = value.iter_mut().filter(|byte| digits.contains(byte)).collect::<Vec<_>>();
    let Some(count) = NonZeroUsize::new(places.len()) else { return };
    let (place, seed) = (seed % count, seed / count);
    if let Some(byte) = places.into_iter().nth(place) {
        *byte = digits[seed % digits.len()];
    }
}

/// What stands between the first `start` and the next `end`.
fn behind(text: &[u8], start: &[u8], end: &[u8]) -> Option<Range<usize>> {
    let find = |text: &[u8], what: &[u8]| text.windows(what.len()).position(|w| w == what);
    let first = find(text, start)? + start.len();
    Some(first..first + find(&text[first..], end)?)
}
