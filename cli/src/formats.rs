//! The formats of entries, one file each: how `build` reads them, and how `dump` and `scan` write
//! them. A new format gets a file, a variant of [`Format`], of [`Entries`] and of [`Writer`].

pub(crate) mod cdb;
pub(crate) mod csv;
mod entries;
pub(crate) mod fields;
pub(crate) mod jsonl;
pub(crate) mod lines;
pub(crate) mod mdb;
mod prefixed;
pub(crate) mod raw;
pub(crate) mod tsv;
mod writer;

use crate::exit::Failure;
use clap::{Args, ValueEnum};
use csv::Csv;
pub(crate) use entries::Entries;
use fields::Fields;
use graven::ErrorKind;
use std::ffi::OsString;
use tsv::Text;
pub(crate) use writer::Writer;

/// How entries are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Key, TAB, value, LF; backslash escapes: graven build OUT IN.tsv.gz
    Tsv,
    /// Comma-separated values (RFC 4180): graven build -i csv --header --key id --value name OUT
    /// IN.csv
    Csv,
    /// A JSON object per line: graven build -i jsonl --key id OUT IN.jsonl keeps the lines as values;
    /// without --key {"k":...,"v":...} as dump writes it
    Jsonl,
    /// A key per line, with the escapes of tsv, and empty values: graven build -i lines OUT
    /// /usr/share/dict/words
    Lines,
    /// Length of key, length of value (both u32, little-endian), key, value: graven dump -o raw TABLE
    /// | zstd > FILE
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
    #[command(flatten)]
    pub(crate) fields: Fields,
    #[command(flatten)]
    pub(crate) csv: Csv,
    /// The database to read, where an mdb dump has several; '' is the main one
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) db: Option<OsString>,
}

impl InputFormat {
    /// Refuses options of other formats than the one that is read.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Self { format, text, fields, csv, db } = self;
        if let Some(option) = text.given() {
            only(option, *format, &[Format::Tsv, Format::Lines])?;
        }
        if let Some(option) = csv.given() {
            only(option, *format, &[Format::Csv])?;
        }
        if db.is_some() {
            only("--db", *format, &[Format::Mdb])?;
        }
        fields.check(*format, csv.header)
    }
}

/// The format of the output, with the options of all formats.
#[derive(Args, Clone)]
pub(crate) struct OutputFormat {
    /// Format of the output
    #[arg(short = 'o', value_name = "FMT", value_enum, default_value_t = Format::Tsv)]
    pub(crate) format: Format,
    /// Escape nothing in tsv and lines; what a line cannot hold then (LF; TAB in a key of tsv) is an
    /// error
    #[arg(long)]
    pub(crate) no_escape: bool,
    #[command(flatten)]
    pub(crate) csv: Csv,
}

impl OutputFormat {
    /// Refuses options of other formats than the one that is written.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.no_escape {
            // Nothing is escaped in raw.
            only("--no-escape", self.format, &[Format::Tsv, Format::Lines, Format::Raw])?;
        }
        match self.csv.given() {
            Some(option) => only(option, self.format, &[Format::Csv]),
            None => Ok(()),
        }
    }
}

/// Refuses an option that `format` does not have.
fn only(option: &str, format: Format, formats: &[Format]) -> Result<(), Failure> {
    if formats.contains(&format) {
        return Ok(());
    }
    let formats: Vec<_> = formats.iter().map(|format| format.name()).collect();
    let (formats, format) = (formats.join(", "), format.name());
    let what = format_args!("{option} goes with {formats}, and the format is {format}");
    Err(Failure::new(ErrorKind::Usage, what))
}

impl Format {
    /// Whether an input may have pairs for the table's metadata.
    pub(crate) fn has_metadata(self) -> bool {
        self == Self::Mdb
    }

    /// Whether nearly all bytes are entries of the format, so that no error shows that an input has
    /// another one.
    pub(crate) fn takes_anything(self) -> bool {
        matches!(self, Self::Lines | Self::Csv)
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
