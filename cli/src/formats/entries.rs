//! Entries of an input in whichever format it has.

use super::{Format, InputFormat, cdb, csv, jsonl, lines, mdb, raw, tsv};
use crate::input::{Entry, InputError, Source};
use std::os::unix::ffi::OsStrExt;

/// A reader of one of the formats.
pub(crate) enum Entries {
    Tsv(tsv::Reader<Source>),
    Csv(Box<csv::Reader<Source>>),
    Jsonl(jsonl::Reader<Source>),
    Lines(lines::Reader<Source>),
    Raw(raw::Reader<Source>),
    Cdb(cdb::Reader<Source>),
    Mdb(mdb::Reader<Source>),
}

impl Entries {
    pub(crate) fn new(format: &InputFormat, source: Source) -> Self {
        let InputFormat { format, text, fields, csv, db } = format;
        match format {
            Format::Tsv => Self::Tsv(tsv::Reader::new(source, *text)),
            Format::Csv => Self::Csv(Box::new(csv::Reader::new(source, *csv, fields.clone()))),
            Format::Jsonl => Self::Jsonl(jsonl::Reader::new(source, fields.clone())),
            Format::Lines => Self::Lines(lines::Reader::new(source, *text)),
            Format::Raw => Self::Raw(raw::Reader::new(source)),
            Format::Cdb => Self::Cdb(cdb::Reader::new(source)),
            Format::Mdb => {
                let db = db.as_ref().map(|name| name.as_bytes().to_vec());
                Self::Mdb(mdb::Reader::new(source, db))
            }
        }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        match self {
            Self::Tsv(reader) => reader.next(),
            Self::Csv(reader) => reader.next(),
            Self::Jsonl(reader) => reader.next(),
            Self::Lines(reader) => reader.next(),
            Self::Raw(reader) => reader.next(),
            Self::Cdb(reader) => reader.next(),
            Self::Mdb(reader) => reader.next(),
        }
    }

    /// The pairs that the table's metadata gets from this input. Called before the first entry is
    /// read; only of formats that have such pairs, anything is read.
    pub(crate) fn metadata(&mut self) -> Result<Vec<(String, String)>, InputError> {
        let Self::Mdb(reader) = self else { return Ok(Vec::new()) };
        let flags = reader.flags()?;
        let pair = (mdb::FLAGS.to_owned(), flags.metadata());
        Ok((!flags.is_empty()).then_some(pair).into_iter().collect())
    }

    /// What the user should know of an input that was read to its end.
    pub(crate) fn warning(&self) -> Option<String> {
        match self {
            Self::Mdb(reader) => reader.warning(),
            _ => None,
        }
    }

    /// The place of the entry that [`next`](Self::next) was at, as messages name it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Tsv(reader) => line(reader.line()),
            Self::Csv(reader) => line(reader.line()),
            Self::Jsonl(reader) => line(reader.line()),
            Self::Lines(reader) => line(reader.line()),
            Self::Raw(reader) => format!("entry {} at byte {}", reader.entry(), reader.start()),
            Self::Cdb(reader) => format!("entry {} at byte {}", reader.entry(), reader.start()),
            Self::Mdb(reader) => line(reader.line()),
        }
    }
}

/// A line as a place. Before the first line has come, the place is that line.
fn line(number: u64) -> String {
    format!("line {}", number.max(1))
}
