//! The full audit of a table: every checksum, every structure, every relation between them.
//!
//! Records are read once, in pieces that fit into memory and on all threads: whatever concerns a
//! piece is checked while it is there. So an audit takes a bounded number of passes over a table
//! that exceeds the memory. Only the indexes, which are a small part, are read several times.

mod content;
mod hashed;
mod indexes;
mod records;

use crate::error::{ReadError, ReadResult};
use crate::format::header::kind;
use crate::format::layout::Layout;
use crate::format::sums::{self, UNIT};
use crate::read::Table;
use crate::read::parallel::check_pieces;
use content::Content;
use std::ops::Range;

/// What an audit went through.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries read.
    pub entries: u64,
    /// Distinct keys found.
    pub keys: u64,
    /// Pages whose checksums were compared.
    pub units: u64,
    /// Bytes of the table.
    pub bytes: u64,
}

/// Bytes that are read ahead and checked at once.
const PIECE: usize = 1 << 20;

impl Table {
    /// Audits the whole table: all checksums, anew and on all threads; padding; the order and
    /// bounds of all records; that both indexes lead to every record; the statistics; the build
    /// id. Reads the records once and the indexes a few times, also where the table exceeds the
    /// memory, and never raises SIGBUS for a file that was truncated before. Takes about 1 second
    /// per gigabyte on two cores where the disk is as fast, and up to 128 MiB of memory.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<Report, ReadError> {
        // With the guard, what was read may have been zeros in place of a lost page.
        self.sound(self.audit())
    }

    fn audit(&self) -> ReadResult<Report> {
        let layout = self.layout();
        self.populate(0..layout.header_size)?;
        self.populate(layout.sums.start..layout.file_len)?;
        // The header was parsed at open; the bytes may have changed since.
        Layout::parse(self.bytes())
            .map_err(|_| ReadError::corrupt("header or footer was overwritten", 0))?;
        // All but the records, which are compared with it.
        let (records, sums) = (layout.records, layout.sums);
        self.check_sums(0..records.start)?;
        self.check_sums(records.end..sums.start)?;
        self.check_padding()?;
        self.check_nodes()?;
        let mut content = Content::new();
        self.stream(layout.header_size..records.start, |bytes| content.update(bytes))?;
        let (mut content, keys, second) = self.check_records(content)?;
        self.stream(records.end..sums.start, |bytes| content.update(bytes))?;
        content.check(self)?;
        if self.stats_block()?.0.second_bucket_keys.get() != second {
            return Err(wrong_statistics(self));
        }
        self.metadata()?;
        Ok(Report {
            entries: layout.entries,
            keys,
            units: sums::units(layout.sums.start as u64),
            bytes: layout.file_len as u64,
        })
    }

    /// The sums of all pages that hold bytes of a part.
    fn check_sums(&self, part: Range<usize>) -> ReadResult<()> {
        if part.is_empty() {
            return Ok(());
        }
        const UNITS: usize = PIECE / UNIT;
        let (first, end) = (part.start / UNIT, part.end.div_ceil(UNIT));
        check_pieces((end - first).div_ceil(UNITS), |piece| {
            let start = first + piece * UNITS;
            self.ask((start + 2 * UNITS) * UNIT..((start + 3 * UNITS) * UNIT).min(part.end));
            self.check_units(start..(start + UNITS).min(end))
        })
    }

    /// Hands a part on in the order of the file, read ahead.
    fn stream(&self, part: Range<usize>, mut each: impl FnMut(&[u8])) -> ReadResult<()> {
        for start in part.clone().step_by(PIECE) {
            let end = (start + PIECE).min(part.end);
            self.ask(end..(end + PIECE).min(part.end));
            self.populate(start..end)?;
            each(&self.bytes()[start..end]);
        }
        Ok(())
    }

    /// The bytes between header and sections are zero.
    fn check_padding(&self) -> ReadResult<()> {
        let layout = self.layout();
        let mut end = layout.header_size;
        for &(_, span) in &layout.sections[..layout.section_count] {
            self.zeros(end, span.start)?;
            end = span.end;
        }
        Ok(())
    }

    fn zeros(&self, start: usize, end: usize) -> ReadResult<()> {
        let bytes = self.bytes().get(start..end).unwrap_or_default();
        match bytes.iter().position(|&byte| byte != 0) {
            Some(at) => Err(ReadError::corrupt("padding is not zero", (start + at) as u64)),
            None => Ok(()),
        }
    }
}

fn wrong_statistics(table: &Table) -> ReadError {
    let at = table.layout().section(kind::STATS).map_or(0, |span| span.start as u64);
    ReadError::corrupt("statistics are wrong", at)
}
