//! Reads the table that the example `write` builds: character name → character.
//!
//! ```sh
//! cargo run --release --example write
//! cargo run --release --example read             # reads characters.grv
//! ```

use std::error::Error;
use std::ops::Bound;

use graven::Table;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "characters.grv".into());
    let table = open(&path)
        .map_err(|error| format!("{}: {error}; the example `write` builds it", path.display()))?;
    println!("{} characters, from {}", table.len(), source(&table)?);

    // A point read. The slice points into the mapping: nothing is copied.
    match table.get("CRAB")? {
        Some(value) => println!("CRAB is {}", text(value)?),
        None => println!("no CRAB"),
    }
    assert_eq!(table.get("CRAB CAKE")?, None);

    // Many point reads at once: one result per key, in the order asked.
    let keys = ["LION FACE", "UNICORN FACE", "DODO", "DRAGON FACE", "GRIFFIN"];
    let found = table.get_many(&keys)?;
    for (key, value) in keys.iter().zip(&found) {
        println!("{key} is {}", value.map_or(Ok("not there"), text)?);
    }

    // All keys with a prefix, in ascending order; `.rev()` walks backward.
    for entry in table.prefix("CHESS SYMBOL ").rev().take(3) {
        let (key, value) = entry?;
        println!("{} {}", text(value)?, text(key)?);
    }

    // A range of keys: `a..b`, `a..=b`, `a..` and so on; here everything after one key, up to and
    // with another.
    let (after, upto) = ("BLACK CHESS QUEEN", "BLACK CHESS ROOK");
    for entry in table.range((Bound::Excluded(after), Bound::Included(upto))) {
        let (key, value) = entry?;
        println!("{} {}", text(value)?, text(key)?);
    }

    // Neighbours and positions.
    if let Some((key, _)) = table.ceil("D")? {
        println!("the first name from D on is {}, number {}", text(key)?, table.rank(key)?);
    }
    if let Some((key, value)) = table.longest_prefix("OWL PELLET")? {
        println!("the longest name that OWL PELLET begins with is {} {}", text(key)?, text(value)?);
    }
    Ok(())
}

/// Maps the table. Where the promise below cannot be kept, `Table::load` reads the
/// file into memory and needs none.
#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
fn open(path: &std::ffi::OsStr) -> Result<Table, graven::OpenError> {
    // SAFETY: nobody modifies or truncates the file while it is open; `write` publishes
    // a new table by renaming it over the old one.
    unsafe { Table::open(path) }
}

fn source(table: &Table) -> Result<String, Box<dyn Error>> {
    let metadata = table.metadata()?;
    Ok(metadata.get("source").map(text).transpose()?.unwrap_or("an unknown source").to_owned())
}

fn text(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    std::str::from_utf8(bytes)
}
