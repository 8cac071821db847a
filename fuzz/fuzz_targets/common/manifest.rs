//! The body of the target `manifest`: any bytes as the manifest of a set.

use graven::{BuildOptions, Manifest, Partition, SetError, TableSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A directory with two tables, of which a manifest may speak.
fn tables() -> &'static Path {
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

/// An error, or a set that keeps what a manifest promises and answers every query. True if it opens.
pub(crate) fn manifest(data: &[u8]) -> bool {
    let directory = tables();
    fs::write(directory.join("MANIFEST.json"), data).expect("a file");
    // SAFETY: nobody changes the tables, and the manifest is not mapped.
    let Ok(set) = (unsafe { TableSet::open(directory) }) else { return false };
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

/// Makes a manifest's number of entries and its id those of its shards, where it is sound otherwise: the
/// error that says what they should be is what knows. Gives the new size.
pub(crate) fn repair(data: &mut [u8], size: usize, max_size: usize) -> usize {
    let mut text = data[..size].to_vec();
    // One round for each of the two.
    for _ in 0..2 {
        let Err(SetError::Manifest { field, what, .. }) = Manifest::from_json(&text, "") else {
            break;
        };
        let words: Vec<&str> = what.split_whitespace().collect();
        let (wrong, right) = match (field.as_str(), words.as_slice()) {
            ("entries", ["is", wrong, .., right]) => {
                let wrong = wrong.trim_end_matches(',');
                (format!("\"entries\": {wrong}"), format!("\"entries\": {right}"))
            }
            ("id", ["does", "not", "fit", .., right]) => match id_in(&text) {
                Some(wrong) => (wrong, (*right).to_owned()),
                None => break,
            },
            _ => break,
        };
        let Some(at) = find(&text, wrong.as_bytes()) else { break };
        text.splice(at..at + wrong.len(), right.bytes());
    }
    if text.len() > max_size.min(data.len()) {
        return size;
    }
    data[..text.len()].copy_from_slice(&text);
    text.len()
}

/// The text of the field `id`, if it stands as the writer of sets writes it.
fn id_in(text: &[u8]) -> Option<String> {
    let start = find(text, b"\"id\": \"")? + 7;
    let end = start + find(&text[start..], b"\"")?;
    String::from_utf8(text[start..end].to_vec()).ok()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
