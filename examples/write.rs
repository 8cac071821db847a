//! Builds a table: Unicode character name → the character itself, in UTF-8.
//!
//! ```sh
//! cargo run --release --example write            # writes characters.grv
//! cargo run --release --example write -- my.grv
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

use graven::BuildOptions;

/// Lines of code point (hexadecimal), TAB, name.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/unicode-names.tsv");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "characters.grv".into());

    // Without options, `Builder::create(&path)` does the same.
    let mut builder = BuildOptions::new().metadata("source", "Unicode 15.0.0").create(&path)?;

    for line in BufReader::new(File::open(DATA)?).lines() {
        let line = line?;
        let (code, name) = line.split_once('\t').ok_or("a line without TAB")?;
        // Surrogates have code points and no character; they have no name either.
        let Some(character) = char::from_u32(u32::from_str_radix(code, 16)?) else { continue };
        let mut utf8 = [0; 4];
        // The order of the input does not matter. A repeated key is an error, unless
        // `BuildOptions::duplicates` says otherwise.
        builder.insert(name, character.encode_utf8(&mut utf8))?;
    }

    // Until finish() returns, nothing is visible under the path; afterwards the whole
    // table is, and it is on disk. A builder dropped before leaves nothing behind.
    let summary = builder.finish()?;
    println!("{}: {} entries, {} bytes", path.display(), summary.entries, summary.file_bytes);
    Ok(())
}
