//! The full audit of a table: every checksum, every structure, and every relation between
//! structures.
//!
//! Records are read once, on all threads and in pieces that fit into memory. Every check of a piece
//! runs while it is in memory. So an audit of a table that exceeds the memory takes a bounded
//! number of passes. Only the indexes, a small part of the table, are read several times.

mod content;
mod hashed;
mod indexes;
mod packed;
mod progress;
mod records;
mod zeros;

use crate::error::{Counted, ReadError, ReadFailure, ReadResult, entries as counted};
use crate::format::layout::Layout;
use crate::format::sums::{self, UNIT};
use crate::read::parallel::{check_pieces, threads};
use crate::read::view::View;
use crate::read::{Table, TypesSection};
use content::Content;
use hashed::Round;
use indexes::Indexes;
use packed::Packed;
pub use progress::VerifyProgress;
use progress::{Callback, Meter};
use records::{PIECE, Records};
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use zeros::check_zeros;

/// What an audit read. `Display` writes one line: entries, pages and bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VerifyReport {
    /// Entries read.
    pub entries: u64,
    /// Distinct keys found.
    pub keys: u64,
    /// Pages whose checksums were compared.
    pub pages: u64,
    /// Bytes of the table.
    pub bytes: u64,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, keys, pages, bytes } = self;
        let entries = counted(*entries);
        let keys = Counted(*keys, "distinct key", "distinct keys");
        let pages = Counted(*pages, "page", "pages");
        write!(f, "{entries}, {keys}, {pages}, {bytes} bytes: no damage")
    }
}

impl Table {
    /// Audits the whole table: all checksums, anew and on all threads; padding; the order and
    /// bounds of all records; that both indexes lead to every record; the statistics; the build id;
    /// in a packed table, that every value decompresses.
    /// Reads the records once and the indexes a few times, even if the table exceeds the memory.
    /// Never raises SIGBUS for a file that was truncated before. Takes about 1 second per gigabyte
    /// on two cores if the disk is as fast, and up to 128 MiB of memory.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.verify_with(|_| {})
    }

    /// As [`verify`](Self::verify), but calls `progress` after every mebibyte or so that was read, and
    /// once more at the end. The threads that do the work call it, so calls may overlap, and one may
    /// come later that reports less. A callback that waits bounds how fast the table is read.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::Builder::create(&path)?.finish()?;
    /// let table = graven::Table::load(&path)?;
    /// let report = table.verify_with(|progress| {
    ///     eprintln!("{} of {} bytes", progress.done, progress.total);
    /// })?;
    /// assert_eq!(report.entries, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify_with(
        &self,
        progress: impl Fn(VerifyProgress) + Sync,
    ) -> Result<VerifyReport, ReadError> {
        Audit {
            table: self,
            view: self.view(),
            progress: &|done| {
                progress(done);
                Ok(())
            },
        }
        .whole()
    }

    /// As [`verify_with`](Self::verify_with), but stops when `progress` returns `Break`. Returns
    /// `None` then: whether the rest of the table is sound is not known.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::Builder::create(&path)?.finish()?;
    /// let table = graven::Table::load(&path)?;
    /// let stop = false; // or an atomic that a button sets
    /// let report = table.verify_while(|_| match stop {
    ///     true => ControlFlow::Break(()),
    ///     false => ControlFlow::Continue(()),
    /// })?;
    /// assert!(report.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify_while(
        &self,
        progress: impl Fn(VerifyProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<VerifyReport>, ReadError> {
        let stopped = AtomicBool::new(false);
        let audited = Audit {
            table: self,
            view: self.view(),
            progress: &|done| {
                if progress(done).is_continue() {
                    return Ok(());
                }
                stopped.store(true, Relaxed);
                // Ends the audit as damage does, and is seen by nobody.
                Err(ReadError::corrupt("stopped", 0))
            },
        }
        .whole();
        if stopped.into_inner() { Ok(None) } else { audited.map(Some) }
    }

    /// The pages whose checksums do not fit, in file order; none if all pages are sound. Stops at the
    /// page with which there are `most`, and behind a page that can't be read at all
    /// ([`ReadFailure::Faulted`]). For reports: [`verify`](Self::verify) ends with the first damage.
    /// Reads the whole table on one thread and calls `progress` after every mebibyte; a callback that
    /// waits bounds how fast the table is read.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1")])?;
    /// let mut bytes = std::fs::read(&path)?;
    /// bytes[450] ^= 1;
    /// let table = graven::Table::from_bytes(bytes)?;
    /// assert_eq!(table.damaged_pages(100, |_| ()).len(), 1);
    /// assert!(table.damaged_pages(0, |_| ()).is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn damaged_pages(
        &self,
        most: usize,
        mut progress: impl FnMut(VerifyProgress),
    ) -> Vec<ReadFailure> {
        let (view, limit) = (self.view(), self.view().layout().sums.start);
        let (units, total) = (limit.div_ceil(UNIT), limit as u64);
        let mut damaged = Vec::new();
        if most == 0 {
            return damaged;
        }
        for start in (0..units).step_by(UNITS) {
            let end = (start + UNITS).min(units);
            let read = (end * UNIT).min(limit);
            view.ask(read..(read + PIECE).min(limit));
            if view.check_units(start..end).is_err() {
                for unit in start..end {
                    let Err(error) = view.check_units(unit..unit + 1) else { continue };
                    let failure = error.failure();
                    damaged.push(failure);
                    if damaged.len() >= most || matches!(failure, ReadFailure::Faulted { .. }) {
                        return damaged;
                    }
                }
            }
            progress(VerifyProgress { done: read as u64, total });
        }
        damaged
    }
}

/// Pages that are checked at once.
const UNITS: usize = PIECE / UNIT;

/// The audit of a table.
struct Audit<'t> {
    table: &'t Table,
    view: &'t View,
    progress: &'t Callback<'t>,
}

impl Audit<'_> {
    fn whole(&self) -> ReadResult<VerifyReport> {
        // The SIGBUS guard replaces a lost page by zeros, so the result holds only if no page was
        // lost.
        self.view.sound(self.run().map_err(|error| self.view.named(error)))
    }

    fn run(&self) -> ReadResult<VerifyReport> {
        let (view, layout) = (self.view, self.view.layout());
        view.populate(0..layout.header_size)?;
        view.populate(layout.sums.start..layout.file_len)?;
        // The header was parsed at open; the bytes may have changed since.
        Layout::parse(view.bytes())
            .map_err(|_| ReadError::corrupt("header or footer was overwritten", 0))?;
        let rounds = Round::all(view, threads(layout.records.len().div_ceil(PIECE)));
        let meter = Meter::new(self.progress, layout, rounds.len().max(1));
        // The checksums of all bytes except the records. The audit of the records compares theirs.
        let (records, sums) = (layout.records, layout.sums);
        self.check_sums(&meter, 0..records.start)?;
        self.check_sums(&meter, records.end..sums.start)?;
        self.check_padding()?;
        let indexes = Indexes { table: self.table, view };
        indexes.check_nodes()?;
        let mut content = Content::new();
        self.stream(&meter, layout.header_size..records.start, |bytes| content.update(bytes))?;
        let audited = Records { view, indexes };
        let (mut content, seen, second) = audited.check(content, rounds, &meter)?;
        let second = second + Packed { table: self.table }.check(&meter)?;
        audited.check_statistics(&seen, second)?;
        self.stream(&meter, records.end..sums.start, |bytes| content.update(bytes))?;
        content.check(view)?;
        self.table.metadata()?;
        TypesSection::read(view)?;
        if !layout.type_tags().make_sense() {
            return Err(ReadError::corrupt("types make no sense", 78));
        }
        meter.finish()?;
        Ok(VerifyReport {
            entries: layout.entries,
            keys: seen.keys,
            pages: sums::units(layout.sums.start as u64),
            bytes: layout.file_len as u64,
        })
    }

    /// Compares the checksums of all pages that hold bytes of `part`.
    fn check_sums(&self, meter: &Meter<'_>, part: Range<usize>) -> ReadResult<()> {
        if part.is_empty() {
            return Ok(());
        }
        let (first, end) = (part.start / UNIT, part.end.div_ceil(UNIT));
        check_pieces((end - first).div_ceil(UNITS), |piece| {
            let start = first + piece * UNITS;
            self.view.ask((start + 2 * UNITS) * UNIT..((start + 3 * UNITS) * UNIT).min(part.end));
            let units = start..(start + UNITS).min(end);
            self.view.check_units(units.clone())?;
            meter.add((units.end * UNIT).min(part.end) - (start * UNIT).max(part.start))
        })
    }

    /// Passes the bytes of `part` to `each` in file order, and reads ahead.
    fn stream(
        &self,
        meter: &Meter<'_>,
        part: Range<usize>,
        mut each: impl FnMut(&[u8]),
    ) -> ReadResult<()> {
        for start in part.clone().step_by(PIECE) {
            let end = (start + PIECE).min(part.end);
            self.view.ask(end..(end + PIECE).min(part.end));
            self.view.populate(start..end)?;
            each(&self.view.bytes()[start..end]);
            meter.add(end - start)?;
        }
        Ok(())
    }

    /// Checks that the bytes between header and sections are zero.
    fn check_padding(&self) -> ReadResult<()> {
        let layout = self.view.layout();
        let mut end = layout.header_size;
        for &(_, span) in &layout.sections[..layout.section_count] {
            check_zeros(self.view.bytes(), end, span.start)?;
            end = span.end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildOptions, HashIndex};
    use std::sync::Mutex;

    /// The bytes of a table that takes three pieces. Only sums and build id guard its metadata, which
    /// is nearly all of it.
    fn three_pieces() -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Never);
        let options = options.metadata("m", vec![7u8; 2 * PIECE + PIECE / 2]);
        options.build(&path, [("a", "1")]).unwrap();
        std::fs::read(&path).unwrap()
    }

    #[test]
    fn damaged_pages_are_told_up_to_a_number_and_all_pieces_are_reported() {
        let mut bytes = three_pieces();
        for page in [1, 300, 301] {
            bytes[page * UNIT + 9] ^= 1;
        }
        let table = Table::from_bytes(bytes).unwrap();
        let total = table.view().layout().sums.start as u64;
        let mut reports = Vec::new();
        let found = table.damaged_pages(100, |report| reports.push(report));
        let piece = PIECE as u64;
        let right = [piece, 2 * piece, total].map(|done| VerifyProgress { done, total });
        assert_eq!(reports, right);
        let page = |failure: &ReadFailure| match failure {
            ReadFailure::Checksum { offset, .. } => *offset as usize / UNIT,
            other => panic!("{other}"),
        };
        assert_eq!(found.iter().map(page).collect::<Vec<_>>(), [1, 300, 301]);
        assert_eq!(table.damaged_pages(1, |_| ()), found[..1]);
        assert_eq!(table.damaged_pages(2, |_| ()), found[..2]);
    }

    #[test]
    fn the_sums_of_every_piece_are_compared() {
        let bytes = three_pieces();
        for page in [1, UNITS - 1, UNITS, 2 * UNITS - 1, 2 * UNITS, 2 * UNITS + UNITS / 2 - 1] {
            let mut bytes = bytes.clone();
            bytes[page * UNIT + 9] ^= 1;
            let error = Table::from_bytes(bytes).unwrap().verify().unwrap_err();
            let ReadFailure::Checksum { offset, .. } = error.failure() else {
                panic!("page {page}: {error}")
            };
            assert_eq!(offset as usize, page * UNIT);
        }
    }

    /// An audit counts each byte as often as it reads it, no more and no less.
    #[test]
    fn an_audit_reports_all_that_it_reads() {
        let table = Table::from_bytes(three_pieces()).unwrap();
        let layout = table.view().layout();
        // The records once; all else for the sums and, without the header, for the build id.
        let right = 2 * layout.sums.start - layout.records.len() - layout.header_size;
        let reports = Mutex::new(Vec::new());
        table.verify_with(|report| reports.lock().unwrap().push(report)).unwrap();
        let reports = reports.into_inner().unwrap();
        assert!(reports.iter().all(|report| report.total == right as u64), "{reports:?}");
        // Before the last one, which tells the end whatever was counted.
        assert_eq!(reports[reports.len() - 2].done, right as u64);
    }
}
