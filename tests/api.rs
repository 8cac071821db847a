//! Guards against a query that answers something else than its documentation says. One file per
//! kind of query, with short examples on a table that fits on a screen: the place to look up what
//! a query does at its edges. How the queries behave on large, random and damaged tables is
//! tested by `model`, `bad` and `corrupt`.

#[path = "api/arguments.rs"]
mod arguments;
#[path = "api/batch.rs"]
mod batch;
#[path = "api/cursor.rs"]
mod cursor;
#[path = "api/get.rs"]
mod get;
#[path = "api/locate.rs"]
mod locate;
#[path = "api/metadata.rs"]
mod metadata;
#[path = "api/owned.rs"]
mod owned;
#[path = "api/parts.rs"]
mod parts;
#[path = "api/range.rs"]
mod range;
#[path = "api/rank.rs"]
mod rank;
#[path = "api/typed.rs"]
mod typed;

mod common;

use graven::{BuildOptions, Duplicates, HashIndex, ReadError, Table};

/// An entry as text.
type Pair = (String, String);

/// A table of these entries, in memory, with the index that the builder chooses.
fn table(entries: &[(&str, &str)]) -> Table {
    table_with(BuildOptions::new(), entries)
}

/// A table of these entries, in memory, built with these options.
fn table_with(options: BuildOptions, entries: &[(&str, &str)]) -> Table {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.grv");
    let mut builder = options.durable(false).create(&path).expect("a builder");
    for (key, value) in entries {
        builder.insert(key.as_bytes(), value.as_bytes()).expect("an insert");
    }
    builder.finish().expect("a table");
    Table::load(&path).expect("a table")
}

/// The same entries with and without a hash index, since the two answer by different code.
fn both(entries: &[(&str, &str)]) -> [Table; 2] {
    [HashIndex::Always, HashIndex::Never]
        .map(|index| table_with(BuildOptions::new().hash_index(index), entries))
}

/// A table in which a key has many values.
fn repeated(entries: &[(&str, &str)]) -> [Table; 2] {
    [HashIndex::Always, HashIndex::Never].map(|index| {
        let options = BuildOptions::new().duplicates(Duplicates::KeepAll).hash_index(index);
        table_with(options, entries)
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn pair((key, value): (&[u8], &[u8])) -> Pair {
    (text(key), text(value))
}

/// An entry that a query may have found.
fn found(answer: Result<Option<(&[u8], &[u8])>, ReadError>) -> Option<Pair> {
    answer.expect("a sound table").map(pair)
}

/// The entries that an iterator gives.
fn pairs<'t>(entries: impl Iterator<Item = Result<(&'t [u8], &'t [u8]), ReadError>>) -> Vec<Pair> {
    entries.map(|entry| pair(entry.expect("a sound table"))).collect()
}

/// The keys that an iterator gives, with a space between two.
fn keys<'t>(entries: impl Iterator<Item = Result<(&'t [u8], &'t [u8]), ReadError>>) -> String {
    pairs(entries).into_iter().map(|pair| pair.0).collect::<Vec<_>>().join(" ")
}
