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

#[cfg(test)]
mod tests {
    use super::tsv::Unusual;
    use super::*;

    fn line(result: Result<(), Failure>) -> String {
        match result {
            Ok(()) => String::new(),
            Err(Failure::Failed { line, .. }) => line,
            Err(_) => panic!("another failure"),
        }
    }

    /// An option of another format is named, with the formats that have it.
    #[test]
    fn options_of_other_formats_are_refused() {
        let text = Text { crlf: Unusual::Error, bom: Unusual::Error, no_escape: false };
        let csv = Csv { header: false, delimiter: b',' };
        let fields = Fields { key: None, value: Vec::new() };
        let plain = InputFormat { format: Format::Raw, text, fields, csv, db: None };
        assert_eq!(line(plain.check()), "");
        let bom = Text { bom: Unusual::Keep, ..text };
        let crlf = Text { crlf: Unusual::Strip, ..text };
        let no_escape = Text { no_escape: true, ..text };
        for (text, option) in [(bom, "--bom"), (crlf, "--crlf"), (no_escape, "--no-escape")] {
            let error = line(InputFormat { text, ..plain.clone() }.check());
            assert_eq!(error, format!("{option} goes with tsv, lines, and the format is raw"));
        }
        for (key, value, option) in
            [(true, false, "--key"), (true, true, "--key"), (false, true, "--value")]
        {
            let name = |given: bool| given.then(|| "1".to_owned());
            let fields = Fields { key: name(key), value: name(value).into_iter().collect() };
            let error = line(InputFormat { fields, ..plain.clone() }.check());
            assert_eq!(error, format!("{option} goes with csv, jsonl, and the format is raw"));
        }
        let output = OutputFormat { format: Format::Jsonl, no_escape: true, csv };
        assert!(line(output.check()).starts_with("--no-escape goes with tsv, lines, raw"));
        let header = Csv { header: true, ..csv };
        let output = OutputFormat { format: Format::Tsv, no_escape: true, csv: header };
        assert!(line(output.check()).starts_with("--header goes with csv"));
    }

    #[test]
    fn what_formats_have() {
        for format in Format::value_variants() {
            let anything = [Format::Lines, Format::Csv].contains(format);
            assert_eq!(format.takes_anything(), anything, "{format:?}");
            assert_eq!(format.has_metadata(), *format == Format::Mdb, "{format:?}");
        }
    }
}
