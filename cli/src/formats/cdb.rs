//! The entries of a cdb: the text that `cdb -d` and `cdbdump` write and `cdb -c` and `cdbmake` read,
//! and the files themselves. The first bytes say which of the two an input is.

mod file;
mod text;

use super::prefixed::Prefixed;
use super::tsv::shown;
use crate::foreign::Foreign;
use crate::input::{Entry, InputError};
pub(crate) use file::Layout;
use std::io::{self, Read, Write};
pub(crate) use text::is_text;

/// Entries of a cdb, in the order in which they stand in the input.
pub(crate) struct Reader<R> {
    source: Prefixed<R>,
    form: Form,
}

/// What the input is.
#[derive(Clone, Copy)]
enum Form {
    /// Nothing was read yet.
    Unknown,
    Text,
    File(Layout),
    /// The last entry was read.
    Ended,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source: Prefixed::new(source), form: Form::Unknown }
    }

    /// The next entry, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        if matches!(self.form, Form::Unknown) {
            self.form = self.begin()?;
        }
        if matches!(self.form, Form::Ended) {
            return Ok(None);
        }
        self.source.advance()?;
        let shape = match self.form {
            Form::File(layout) => layout.next(&mut self.source)?,
            _ => text::next(&mut self.source)?,
        };
        match shape {
            Some(shape) => self.source.entry(shape).map(Some),
            None => {
                self.form = Form::Ended;
                Ok(None)
            }
        }
    }

    /// Finds out what the input is, and takes the header of a file.
    #[cold]
    fn begin(&mut self) -> Result<Form, InputError> {
        // A header comes first: it may begin with any byte, with those of a text, too.
        self.source.holds(file::LONGEST_HEADER)?;
        if let Some(layout) = Layout::of(self.source.bytes()) {
            // The first records show which kind of cdb64 it is.
            self.source.holds(layout.records_end().min(file::FIRST_RECORDS))?;
            let layout = Layout::of(self.source.bytes()).unwrap_or(layout);
            self.source.take(layout.header());
            return Ok(Form::File(layout));
        }
        let start = self.source.bytes();
        if matches!(start, [] | [b'\n', ..]) || is_text(start) {
            return Ok(Form::Text);
        }
        let what = "no cdb and not the output of cdb -d (without -m): \"+klen,dlen:key->data\", or \
                    a header that leads to hash tables, is expected at the start";
        Err(InputError::Broken(what.into()).or(Foreign::of(start)))
    }

    /// The number of the entry that [`next`](Self::next) was at, from 1.
    pub(crate) fn entry(&self) -> u64 {
        self.source.number().max(1)
    }

    /// Bytes of the input before the entry that [`next`](Self::next) was at.
    pub(crate) fn start(&self) -> u64 {
        self.source.start()
    }
}

/// Writes an entry as text.
#[inline]
pub(crate) fn write_entry(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    write!(out, "+{},{}:", key.len(), value.len())?;
    out.write_all(key)?;
    out.write_all(b"->")?;
    out.write_all(value)?;
    out.write_all(b"\n")
}

/// The empty line that ends the text.
pub(crate) const END: &[u8] = b"\n";

/// Counts how long the cdb would be that `cdb -c` makes of the entries.
pub(crate) struct Size(u64);

impl Size {
    /// A cdb without entries: its header.
    pub(crate) const EMPTY: Self = Self(2048);

    /// Says why the cdb cannot hold one more entry, if it cannot.
    #[inline]
    pub(crate) fn holds(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        // The two lengths, and the two slots that a key has in the hash tables.
        const PER_ENTRY: u64 = 8 + 16;
        self.0 += PER_ENTRY + (key.len() + value.len()) as u64;
        if self.0 <= u64::from(u32::MAX) {
            return Ok(());
        }
        Err(format!("a cdb ends at 4 GiB, and an entry of key {} would pass that", shown(key)))
    }
}

#[cfg(test)]
#[path = "cdb/testing.rs"]
mod testing;
#[cfg(test)]
#[path = "cdb/tests.rs"]
mod tests;
