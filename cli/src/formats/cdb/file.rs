//! The file form: a header of 256 pairs (position of a hash table, number of its slots), the
//! records, the hash tables. All numbers are little-endian.
//!
//! - cdb (<https://cr.yp.to/cdb/cdb.txt>): numbers of 4 bytes.
//! - cdb64: numbers of 8 bytes in the header and in the hash tables. The programs disagree about the
//!   two lengths in front of a record: 8 bytes each in pcarrier/cdb64 (`cdb_make.c`),
//!   bbayles/python-pure-cdb (`Writer64`) and perbu/cdb, 4 bytes each in ever0de/cdb64-rs
//!   (`writer.rs`). The records themselves show which it is.
//!
//! The records are read in the order of the file, up to the first hash table. The hash tables are
//! only counted: their length shows whether the file is whole.

use crate::formats::prefixed::{Prefixed, Shape};
use crate::input::InputError;
use std::io::Read;

/// Pairs of the header.
const TABLES: usize = 256;
/// Bytes of the header of a cdb64.
pub(super) const LONGEST_HEADER: u64 = 4096;

/// Bytes that are looked at to find out what kind of cdb64 a file is.
pub(super) const FIRST_RECORDS: u64 = 64 << 10;

/// Where the parts of a cdb lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Bytes of a number in the header: 4 in a cdb, 8 in a cdb64.
    width: usize,
    /// Bytes of a length in front of a record.
    length: usize,
    /// Where the first hash table starts.
    records_end: u64,
    /// Where the last hash table ends.
    file_end: u64,
}

impl Layout {
    /// The layout of the file that begins with `start`, if it is a cdb: its header says that the
    /// hash tables follow each other without a gap.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let (cdb, cdb64) = (Self::with_width(start, 4), Self::with_width(start, 8));
        cdb.or_else(|| cdb64.map(|layout| layout.with_lengths_of(start)))
    }

    fn with_width(start: &[u8], width: usize) -> Option<Self> {
        let header = 2 * width * TABLES;
        let pairs = start.get(..header)?.chunks_exact(2 * width);
        let pairs: Vec<_> =
            pairs.map(|pair| (number(&pair[..width]), number(&pair[width..]))).collect();
        let mut used: Vec<_> = pairs.iter().filter(|(_, slots)| *slots > 0).copied().collect();
        used.sort_unstable();
        let records_end = used.first().map_or(header as u64, |(position, _)| *position);
        let mut file_end = records_end;
        for (position, slots) in used {
            if position != file_end {
                return None;
            }
            file_end = position.checked_add(slots.checked_mul(2 * width as u64)?)?;
        }
        // A table without slots has a position like the others, or zero in the files of
        // ever0de/cdb64-rs. A file of zeros is no cdb.
        let zero = width == 8 && file_end > records_end;
        let sound = records_end >= header as u64
            && pairs.iter().all(|&(position, slots)| match slots {
                0 => (records_end..=file_end).contains(&position) || zero && position == 0,
                _ => true,
            });
        // A cdb ends at 4 GiB.
        let sound = sound && (width == 8 || u32::try_from(file_end).is_ok());
        sound.then_some(Self { width, length: width, records_end, file_end })
    }

    /// The layout with the length of the records' lengths. The records that are in memory are
    /// followed with 8 bytes first.
    fn with_lengths_of(self, start: &[u8]) -> Self {
        let lengths = [8, 4].map(|length| Self { length, ..self });
        lengths.into_iter().find(|layout| layout.leads_on(start)).unwrap_or(self)
    }

    /// Whether the lengths lead from record to record as far as `start` goes.
    fn leads_on(self, start: &[u8]) -> bool {
        let mut at = self.header() as u64;
        while at < self.records_end {
            if self.records_end - at < 2 * self.length as u64 {
                return false;
            }
            let rest = usize::try_from(at).ok().and_then(|at| start.get(at..));
            let Some(lengths) = rest.and_then(|rest| rest.get(..2 * self.length)) else {
                return true;
            };
            match self.record(at, lengths) {
                Some((_, _, end)) => at = end,
                None => return false,
            }
        }
        true
    }

    /// Key length, value length and end of the record at `at`, if it ends before the hash tables.
    fn record(self, at: u64, lengths: &[u8]) -> Option<(u64, u64, u64)> {
        let (key, value) = lengths.split_at(self.length);
        let (key, value) = (number(key), number(value));
        let end = at.checked_add(2 * self.length as u64)?.checked_add(key)?.checked_add(value)?;
        (end <= self.records_end).then_some((key, value, end))
    }

    /// Bytes of the header.
    pub(super) fn header(self) -> usize {
        2 * self.width * TABLES
    }

    /// Where the first hash table starts.
    pub(super) fn records_end(self) -> u64 {
        self.records_end
    }

    pub(crate) fn is_cdb64(self) -> bool {
        self.width == 8
    }

    /// The shape of the record at the start of `source`, or none at the first hash table.
    pub(super) fn next<R: Read>(
        self,
        source: &mut Prefixed<R>,
    ) -> Result<Option<Shape>, InputError> {
        let at = source.start();
        if at == self.records_end {
            return self.end(source).map(|()| None);
        }
        let head = 2 * self.length;
        if !source.holds(head as u64)? {
            return Err(self.cut_short(at + source.bytes().len() as u64));
        }
        match self.record(at, &source.bytes()[..head]) {
            Some((key, value, _)) => Ok(Some(Shape { head, key, between: b"", value, after: b"" })),
            None => {
                let what = "a record that reaches into the hash tables: the file is damaged";
                Err(InputError::Broken(what.into()))
            }
        }
    }

    /// Reads the hash tables, which no record needs, to see whether the file is whole.
    fn end<R: Read>(self, source: &mut Prefixed<R>) -> Result<(), InputError> {
        let mut at = source.start();
        loop {
            let len = source.bytes().len();
            source.take(len);
            at += len as u64;
            if !source.holds(1)? {
                break;
            }
        }
        match at {
            at if at < self.file_end => Err(self.cut_short(at)),
            at if at > self.file_end => {
                let what = format!("{} bytes behind the last hash table", at - self.file_end);
                Err(InputError::Broken(what))
            }
            _ => Ok(()),
        }
    }

    fn cut_short(self, got: u64) -> InputError {
        let expected = self.file_end;
        InputError::Broken(format!("cut short: the header says {expected} bytes, {got} are there"))
    }
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
