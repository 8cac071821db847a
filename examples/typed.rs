//! A typed table: code point (`u32`) → a struct that is read in place, without a copy.
//!
//! ```sh
//! cargo run --release --example typed
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};

use graven::{BuildOptions, OpenOptions, TypedTable};

/// Lines of code point (hexadecimal), TAB, name.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/unicode-names.tsv");

graven::typed_value! {
    /// What the table says about a character's name. The file holds exactly these bytes, and the
    /// struct's name and fields, which are compared when the table is opened.
    #[derive(Clone, Copy, Debug)]
    struct NameShape {
        bytes: u16,
        words: u16,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "shapes.grv".into());

    let mut builder = BuildOptions::new().create_typed::<u32, NameShape>(&path)?;
    for line in BufReader::new(File::open(DATA)?).lines() {
        let line = line?;
        let (code, name) = line.split_once('\t').ok_or("a line without TAB")?;
        let shape = NameShape {
            bytes: u16::try_from(name.len())?,
            words: u16::try_from(name.split(' ').count())?,
        };
        builder.insert(&u32::from_str_radix(code, 16)?, &shape)?;
    }
    builder.finish()?;

    let table = open(&path)?;
    for character in ['A', 'ß', '🦀', '\u{FDFA}'] {
        // The reference points into the mapping.
        let shape: Option<&NameShape> = table.get(&u32::from(character))?;
        println!("{character}: {shape:?}");
    }
    Ok(())
}

/// Maps the table and checks once that it was built for these types.
#[expect(unsafe_code, reason = "mapping a path is a promise about the file")]
fn open(path: &std::ffi::OsStr) -> Result<TypedTable<u32, NameShape>, graven::OpenError> {
    // SAFETY: nobody modifies or truncates the file while it is open.
    unsafe { OpenOptions::new().open_typed(path) }
}
