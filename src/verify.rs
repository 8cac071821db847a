//! The full audit of a table: every checksum, every structure, every relation between them.

mod indexes;
mod records;
mod zeros;

use crate::error::{ReadError, ReadResult};
use crate::format::header::{Header, kind};
use crate::format::layout::Layout;
use crate::format::meta::{KEY_BINS, VALUE_BINS, bin};
use crate::format::sums;
use crate::read::view::View;
use crate::read::{Checked, StatsSection, Table};
use indexes::Indexes;
use records::EveryRecord;
use xxhash_rust::xxh3::Xxh3;
use zerocopy::{FromBytes, IntoBytes};
use zeros::check_zeros;

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

impl Table {
    /// Audits the whole table: all checksums, anew and on all threads; padding; the order and
    /// bounds of all records; that both indexes lead to every record; the statistics; the build
    /// id. Reads everything and never raises SIGBUS for a file that was truncated before; took
    /// 3 to 5 seconds per gigabyte on two cores of a busy machine.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<Report, ReadError> {
        let audit = Audit { table: self, view: self.view() };
        // The guard against SIGBUS puts zeros in the place of a lost page.
        self.view().sound(audit.run())
    }
}

/// The audit of a table.
struct Audit<'t> {
    table: &'t Table,
    view: &'t View,
}

impl Audit<'_> {
    fn run(&self) -> ReadResult<Report> {
        let (view, layout) = (self.view, self.view.layout());
        view.populate(0..layout.header_size)?;
        view.populate(layout.sums.start..layout.file_len)?;
        // The header was parsed at open; the bytes may have changed since.
        Layout::parse(view.bytes())
            .map_err(|_| ReadError::corrupt("header or footer was overwritten", 0))?;
        view.check_all_pages()?;
        self.check_padding()?;
        self.check_build_id()?;
        let keys = self.check_records()?;
        let indexes = Indexes { table: self.table, view };
        indexes.check_nodes()?;
        indexes.check_lines()?;
        indexes.check_places()?;
        indexes.check_blocks()?;
        let second = indexes.check_hash_index()?;
        if StatsSection::read(view)?.block.second_bucket_keys.get() != second {
            return Err(self.wrong_statistics());
        }
        self.table.metadata()?;
        Ok(Report {
            entries: layout.entries,
            keys,
            units: sums::units(layout.sums.start as u64),
            bytes: layout.file_len as u64,
        })
    }

    /// The bytes between header and sections are zero.
    fn check_padding(&self) -> ReadResult<()> {
        let layout = self.view.layout();
        let mut end = layout.header_size;
        for &(_, span) in &layout.sections[..layout.section_count] {
            check_zeros(self.view.bytes(), end, span.start)?;
            end = span.end;
        }
        Ok(())
    }

    /// XXH3-128 of the body, then of the header with build id and checksum zero.
    fn check_build_id(&self) -> ReadResult<()> {
        let layout = self.view.layout();
        let bad = || ReadError::corrupt("build id does not fit the content", 24);
        let header = &self.view.bytes()[..layout.header_size];
        let (mut fixed, rest) = Header::read_from_prefix(header).map_err(|_| bad())?;
        let mut content = Xxh3::new();
        content.update(&self.view.bytes()[layout.header_size..layout.sums.start]);
        fixed.build_id = [0; 16];
        fixed.checksum = 0.into();
        content.update(fixed.as_bytes());
        content.update(rest);
        if content.digest128().to_le_bytes() == layout.build_id { Ok(()) } else { Err(bad()) }
    }

    /// Reads every record; returns the number of distinct keys.
    fn check_records(&self) -> ReadResult<u64> {
        let (view, layout) = (self.view, self.view.layout());
        let mut seen = Counts {
            keys: 0,
            key_bytes: 0,
            value_bytes: 0,
            key_len: (u32::MAX, 0),
            value_len: (u32::MAX, 0),
            key_bins: [0; KEY_BINS],
            value_bins: [0; VALUE_BINS],
        };
        let mut previous: Option<&[u8]> = None;
        let mut end = layout.records.start;
        for found in EveryRecord::of(view) {
            let found = found?;
            let offset = found.offset as u64;
            // What lies before the key, but for the length word, and before the value.
            if layout.fixed.is_some() {
                check_zeros(view.bytes(), end, found.offset)?;
            }
            check_zeros(view.bytes(), found.parts.key + found.parts.key_len, found.parts.value)?;
            let key = &view.bytes()[found.parts.key()];
            match previous.map(|previous| previous.cmp(key)) {
                Some(std::cmp::Ordering::Greater) => {
                    return Err(ReadError::corrupt("keys are out of order", offset));
                }
                Some(std::cmp::Ordering::Equal) => {}
                _ => {
                    seen.keys += 1;
                    if Checked::of(view).locate(key)?.map(|found| found.offset)
                        != Some(found.offset)
                    {
                        return Err(ReadError::corrupt("index does not find the record", offset));
                    }
                }
            }
            seen.add(found.parts.key_len as u32, found.parts.value_len as u32);
            previous = Some(key);
            end = found.parts.end();
        }
        check_zeros(view.bytes(), end, layout.records.end)?;
        if layout.fixed.is_none() && end != layout.records.end {
            return Err(ReadError::corrupt("records do not fill their section", end as u64));
        }
        if seen.keys != layout.keys {
            return Err(ReadError::corrupt("number of distinct keys is wrong", 48));
        }
        let first = EveryRecord::of(view).next().transpose()?;
        let first = first.map(|found| &view.bytes()[found.parts.key()]);
        let (first, last) = (first.unwrap_or_default(), previous.unwrap_or_default());
        let same = seen.agree(&StatsSection::read(view)?, layout.entries, first, last);
        if same { Ok(seen.keys) } else { Err(self.wrong_statistics()) }
    }

    fn wrong_statistics(&self) -> ReadError {
        let at = self.view.layout().section(kind::STATS).map_or(0, |span| span.start as u64);
        ReadError::corrupt("statistics are wrong", at)
    }
}

/// What is counted while all records are read in order.
struct Counts {
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    key_len: (u32, u32),
    value_len: (u32, u32),
    key_bins: [u64; KEY_BINS],
    value_bins: [u64; VALUE_BINS],
}

impl Counts {
    fn add(&mut self, key_len: u32, value_len: u32) {
        self.key_bytes += u64::from(key_len);
        self.value_bytes += u64::from(value_len);
        self.key_len = (self.key_len.0.min(key_len), self.key_len.1.max(key_len));
        self.value_len = (self.value_len.0.min(value_len), self.value_len.1.max(value_len));
        self.key_bins[bin(key_len)] += 1;
        self.value_bins[bin(value_len)] += 1;
    }

    /// Whether the statistics section of a table of so many entries says what was counted.
    fn agree(&self, stats: &StatsSection<'_>, entries: u64, first: &[u8], last: &[u8]) -> bool {
        let StatsSection { block, keys } = stats;
        let shortest = |len: (u32, u32)| if entries == 0 { 0 } else { len.0 };
        block.key_bytes.get() == self.key_bytes
            && block.value_bytes.get() == self.value_bytes
            && block.key_len_min.get() == shortest(self.key_len)
            && block.key_len_max.get() == self.key_len.1
            && block.value_len_min.get() == shortest(self.value_len)
            && block.value_len_max.get() == self.value_len.1
            && block.key_bins.map(|bin| bin.get()) == self.key_bins
            && block.value_bins.map(|bin| bin.get()) == self.value_bins
            && block.first_key_len.get() as usize == first.len()
            && keys.len() == first.len() + last.len()
            && keys.starts_with(first)
            && keys.ends_with(last)
    }
}
