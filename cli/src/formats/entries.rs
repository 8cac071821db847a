//! Entries of an input in whichever format it has.

use super::{Format, InputFormat, raw, tsv};
use crate::input::{Entry, InputError, Source};

/// A reader of one of the formats.
pub(crate) enum Entries {
    Tsv(tsv::Reader<Source>),
    Raw(raw::Reader<Source>),
}

impl Entries {
    pub(crate) fn new(format: &InputFormat, source: Source) -> Self {
        match format.format {
            Format::Tsv => Self::Tsv(tsv::Reader::new(source, format.text)),
            Format::Raw => Self::Raw(raw::Reader::new(source)),
        }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        match self {
            Self::Tsv(reader) => reader.next(),
            Self::Raw(reader) => reader.next(),
        }
    }

    /// The place of the entry that [`next`](Self::next) was at, as messages name it.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Tsv(reader) => format!("line {}", reader.line().max(1)),
            Self::Raw(reader) => format!("entry {} at byte {}", reader.entry(), reader.start()),
        }
    }
}
