//! The formats of entries, one file each: how `build` reads them, and how `dump` and `scan` write
//! them. A new format gets a file, a variant of [`Format`], of [`Entries`] and of [`Writer`].

pub(crate) mod cdb;
mod entries;
pub(crate) mod mdb;
mod prefixed;
pub(crate) mod raw;
pub(crate) mod tsv;
mod writer;

use crate::exit::Failure;
use clap::{Args, ValueEnum};
pub(crate) use entries::Entries;
use graven::ErrorKind;
use std::ffi::OsString;
use tsv::Text;
pub(crate) use writer::Writer;

/// How entries are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Key, TAB, value, LF; backslash escapes
    Tsv,
    /// Length of key, length of value (both u32, little-endian), key, value
    Raw,
    /// cdb: the text of cdb -d and cdbdump; also read: .cdb files, cdb64 too
    Cdb,
    /// The text of LMDB's mdb_dump
    Mdb,
}

/// The format of an input, with the options of all formats.
#[derive(Args, Clone)]
pub(crate) struct InputFormat {
    /// Format of the input
    #[arg(short = 'i', value_name = "FMT", value_enum, default_value_t = Format::Tsv)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) text: Text,
    /// The database to read, where an mdb dump has several; '' is the main one
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) db: Option<OsString>,
}

impl InputFormat {
    /// Refuses options of other formats than the one that is read.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.text.given().map_or(Ok(()), |option| only(option, self.format, &[Format::Tsv]))?;
        self.db.as_ref().map_or(Ok(()), |_| only("--db", self.format, &[Format::Mdb]))
    }
}

/// The format of the output, with the options of all formats.
#[derive(Args, Clone)]
pub(crate) struct OutputFormat {
    /// Format of the output
    #[arg(short = 'o', value_name = "FMT", value_enum, default_value_t = Format::Tsv)]
    pub(crate) format: Format,
    /// Escape nothing in tsv; a key with TAB or LF, or a value with LF, is an error
    #[arg(long)]
    pub(crate) no_escape: bool,
}

impl OutputFormat {
    /// Refuses options of other formats than the one that is written.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        // Nothing is escaped in raw.
        let formats = [Format::Tsv, Format::Raw];
        if self.no_escape { only("--no-escape", self.format, &formats) } else { Ok(()) }
    }
}

/// Refuses an option that `format` does not have.
fn only(option: &str, format: Format, formats: &[Format]) -> Result<(), Failure> {
    if formats.contains(&format) {
        return Ok(());
    }
    let formats: Vec<_> = formats.iter().map(|format| format.name()).collect();
    let (formats, format) = (formats.join(" and "), format.name());
    let what = format_args!("{option} goes with {formats}, and the format is {format}");
    Err(Failure::new(ErrorKind::Usage, what))
}

impl Format {
    /// Whether an input may have pairs for the table's metadata.
    pub(crate) fn has_metadata(self) -> bool {
        self == Self::Mdb
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
