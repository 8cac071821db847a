//! Walks a whole table on all processors: the table that the example `write` builds, in parts that
//! rayon hands out.
//!
//! ```sh
//! cargo run --release --example write
//! cargo run --release --example parallel_scan    # reads characters.grv
//! ```

use std::error::Error;

use graven::{Iter, ReadError, Table};
use rayon::prelude::*;

/// Parts for each thread: a thread that is done early takes another part.
const PARTS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "characters.grv".into());
    // A copy in memory. `Table::open` maps the file instead; the example `read` shows it.
    let table = Table::load(&path)
        .map_err(|error| format!("{}: {error}; the example `write` builds it", path.display()))?;

    let parts = table.split(rayon::current_num_threads() * PARTS);
    println!("{} entries in {} parts", table.len(), parts.len());

    // The parts are disjoint, in order, and together everything. An error ends the sum.
    let words: usize = parts.into_par_iter().map(words).sum::<Result<_, _>>()?;
    println!("{words} words");
    assert_eq!(words, self::words(table.iter())?);
    Ok(())
}

/// Number of words in the keys of one part.
fn words(part: Iter<'_>) -> Result<usize, ReadError> {
    let words = |key: &[u8]| key.split(|&byte| byte == b' ').count();
    part.map(|entry| entry.map(|(key, _)| words(key))).sum()
}
