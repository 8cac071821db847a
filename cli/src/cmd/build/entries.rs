//! Entries of an input in whichever format it has.

use crate::args::{Format, Text};
use crate::input::{Entry, InputError};
use crate::{raw, tsv};
use std::fs::File;

/// A reader of one of the formats.
pub(super) enum Entries {
    Tsv(tsv::Reader<File>),
    Raw(raw::Reader<File>),
}

impl Entries {
    pub(super) fn new(format: Format, text: Text, file: File) -> Self {
        match format {
            Format::Tsv => Self::Tsv(tsv::Reader::new(file, text)),
            Format::Raw => Self::Raw(raw::Reader::new(file)),
        }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        match self {
            Self::Tsv(reader) => reader.next(),
            Self::Raw(reader) => reader.next(),
        }
    }

    /// The place of the entry that [`next`](Self::next) was at, as messages name it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Tsv(reader) => format!("line {}", reader.line()),
            Self::Raw(reader) => format!("entry {} at byte {}", reader.entry(), reader.start()),
        }
    }

    /// Bytes taken from the input so far.
    pub(super) fn taken(&self) -> u64 {
        match self {
            Self::Tsv(reader) => reader.taken(),
            Self::Raw(reader) => reader.taken(),
        }
    }
}
