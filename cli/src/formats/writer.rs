//! Entries on their way out in any of the formats.

use super::{Format, OutputFormat, cdb, csv, jsonl, lines, mdb, raw, tsv};
use crate::args::Separator;
use crate::exit::Failure;
use crate::output::Output;
use crate::source::Source;
use graven::ErrorKind;
use std::path::Path;

/// A writer of one of the formats. The calls, in this order: [`new`](Self::new),
/// [`check`](Self::check), [`begin`](Self::begin), [`entry`](Self::entry) for each entry,
/// [`finish`](Self::finish).
pub(crate) enum Writer {
    Tsv,
    Csv(csv::Writer),
    Jsonl(jsonl::Writer),
    Lines(lines::Writer),
    Raw,
    Cdb(cdb::Size),
    Mdb(Box<mdb::Writer>),
}

/// Checks an entry, which comes with its number.
pub(crate) type Check<'a> = dyn FnMut(u64, &[u8], &[u8]) -> Result<(), Failure> + 'a;

impl Writer {
    /// A writer of entries of `source`. It fails where the format cannot go to this output.
    pub(crate) fn new(
        format: &OutputFormat,
        (source, path): (&Source, &Path),
        out: &mut Output,
    ) -> Result<Self, Failure> {
        format.check()?;
        // Other text than tsv is complete when it comes to the output: its backslashes are its own.
        let complete = format.no_escape || format.format != Format::Tsv;
        out.set_form(tsv::Form::new(complete));
        Ok(match format.format {
            Format::Tsv => Self::Tsv,
            Format::Csv => Self::Csv(csv::Writer::new(format.csv)),
            Format::Jsonl => Self::Jsonl(jsonl::Writer::default()),
            Format::Lines => Self::Lines(lines::Writer::new(format.no_escape)),
            Format::Raw => {
                out.takes_binary("-o raw")?;
                Self::Raw
            }
            Format::Cdb => {
                out.takes_binary("-o cdb")?;
                Self::Cdb(cdb::Size::EMPTY)
            }
            Format::Mdb => {
                let flags = source.metadata(path, mdb::FLAGS)?;
                Self::Mdb(Box::new(mdb::Writer::new(flags.as_deref())))
            }
        })
    }

    /// Fails at the first entry of a walk over the table at `path` that the format cannot hold,
    /// before anything is written. Walks only for formats that do not hold all entries.
    pub(crate) fn check(
        &mut self,
        path: &Path,
        walk: impl FnOnce(&mut Check<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.holds_all() {
            return Ok(());
        }
        walk(&mut |_, key, value| {
            let held = self.holds(key, value);
            held.map_err(|what| Failure::at(ErrorKind::Data, path.display(), what))
        })
    }

    /// Whether the format holds every entry that a table can hold.
    fn holds_all(&self) -> bool {
        match self {
            // Lines of tsv without escapes are checked when they are written.
            Self::Tsv | Self::Csv(_) | Self::Jsonl(_) | Self::Raw => true,
            Self::Lines(_) | Self::Cdb(_) | Self::Mdb(_) => false,
        }
    }

    /// Says why the format cannot hold an entry, if it cannot. The text names the key.
    fn holds(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        match self {
            Self::Tsv | Self::Csv(_) | Self::Jsonl(_) | Self::Raw => Ok(()),
            Self::Lines(writer) => writer.holds(key, value),
            Self::Cdb(size) => size.holds(key, value),
            Self::Mdb(writer) => writer.holds(key, value),
        }
    }

    /// Writes what stands before the entries.
    pub(crate) fn begin(&mut self, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Csv(writer) => match writer.header() {
                Some(line) => out.bare(line, Separator::Newline),
                None => Ok(()),
            },
            Self::Tsv | Self::Jsonl(_) | Self::Lines(_) | Self::Raw | Self::Cdb(_) => Ok(()),
            Self::Mdb(writer) => out.with(|out| writer.begin(out)),
        }
    }

    #[inline]
    pub(crate) fn entry(
        &mut self,
        out: &mut Output,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Failure> {
        match self {
            Self::Tsv => out.entry(key, value),
            Self::Csv(writer) => out.bare(writer.line(key, value), Separator::Newline),
            Self::Jsonl(writer) => out.bare(writer.line(key, value), Separator::Newline),
            Self::Lines(writer) => out.bare(writer.line(key), Separator::Newline),
            Self::Raw => out.with(|out| raw::write_entry(out, key, value)),
            Self::Cdb(_) => out.with(|out| cdb::write_entry(out, key, value)),
            Self::Mdb(writer) => out.with(|out| writer.entry(out, key, value)),
        }
    }

    /// Writes what stands behind the entries.
    pub(crate) fn finish(self, out: &mut Output) -> Result<(), Failure> {
        match self {
            Self::Tsv | Self::Csv(_) | Self::Jsonl(_) | Self::Lines(_) | Self::Raw => Ok(()),
            Self::Cdb(_) => out.write(cdb::END),
            Self::Mdb(writer) => out.with(|out| writer.finish(out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the table is walked to check its entries.
    fn walks(mut writer: Writer) -> bool {
        let mut walked = false;
        let checked = writer.check(Path::new("t.grv"), |_| {
            walked = true;
            Ok(())
        });
        assert!(checked.is_ok());
        walked
    }

    /// A walk over a large table takes minutes.
    #[test]
    fn a_format_that_holds_all_entries_needs_no_walk() {
        for writer in [Writer::Tsv, Writer::Jsonl(jsonl::Writer::default()), Writer::Raw] {
            assert!(!walks(writer));
        }
        assert!(walks(Writer::Cdb(cdb::Size::EMPTY)));
    }
}
