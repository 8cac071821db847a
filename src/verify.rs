//! The full audit of a table: every checksum, every structure, every relation between them.

mod indexes;

use crate::error::{ReadError, ReadResult};
use crate::format::header::{Header, kind};
use crate::format::layout::Layout;
use crate::format::meta::{KEY_BINS, VALUE_BINS, bin};
use crate::format::sums;
use crate::read::Table;
use xxhash_rust::xxh3::Xxh3;
use zerocopy::{FromBytes, IntoBytes};

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
        self.check_all_pages()?;
        self.check_padding()?;
        self.check_build_id()?;
        let keys = Records::audit(self)?;
        self.check_nodes()?;
        self.check_lines()?;
        self.check_places()?;
        self.check_blocks()?;
        let second = self.check_hash_index()?;
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

    /// XXH3-128 of the body, then of the header with build id and checksum zero.
    fn check_build_id(&self) -> ReadResult<()> {
        let layout = self.layout();
        let bad = || ReadError::corrupt("build id does not fit the content", 24);
        let header = &self.bytes()[..layout.header_size];
        let (mut fixed, rest) = Header::read_from_prefix(header).map_err(|_| bad())?;
        let mut content = Xxh3::new();
        content.update(&self.bytes()[layout.header_size..layout.sums.start]);
        fixed.build_id = [0; 16];
        fixed.checksum = 0.into();
        content.update(fixed.as_bytes());
        content.update(rest);
        if content.digest128().to_le_bytes() == layout.build_id { Ok(()) } else { Err(bad()) }
    }
}

/// What is counted while all records are read in order.
struct Records {
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    key_len: (u32, u32),
    value_len: (u32, u32),
    key_bins: [u64; KEY_BINS],
    value_bins: [u64; VALUE_BINS],
}

impl Records {
    /// Reads every record; returns the number of distinct keys.
    fn audit(table: &Table) -> ReadResult<u64> {
        let layout = table.layout();
        let mut seen = Self {
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
        for found in table.records() {
            let found = found?;
            let offset = found.offset as u64;
            // What lies before the key, but for the length word, and before the value.
            if layout.fixed.is_some() {
                table.zeros(end, found.offset)?;
            }
            table.zeros(found.parts.key + found.parts.key_len, found.parts.value)?;
            let key = &table.bytes()[found.parts.key()];
            match previous.map(|previous| previous.cmp(key)) {
                Some(std::cmp::Ordering::Greater) => {
                    return Err(ReadError::corrupt("keys are out of order", offset));
                }
                Some(std::cmp::Ordering::Equal) => {}
                _ => {
                    seen.keys += 1;
                    if table.first_record(key)? != Some(found.offset) {
                        return Err(ReadError::corrupt("index does not find the record", offset));
                    }
                }
            }
            seen.add(found.parts.key_len as u32, found.parts.value_len as u32);
            previous = Some(key);
            end = found.parts.end();
        }
        table.zeros(end, layout.records.end)?;
        if layout.fixed.is_none() && end != layout.records.end {
            return Err(ReadError::corrupt("records do not fill their section", end as u64));
        }
        if seen.keys != layout.keys {
            return Err(ReadError::corrupt("number of distinct keys is wrong", 48));
        }
        let first = table.records().next().transpose()?;
        let first = first.map(|found| &table.bytes()[found.parts.key()]);
        seen.compare(table, first.unwrap_or_default(), previous.unwrap_or_default())?;
        Ok(seen.keys)
    }

    fn add(&mut self, key_len: u32, value_len: u32) {
        self.key_bytes += u64::from(key_len);
        self.value_bytes += u64::from(value_len);
        self.key_len = (self.key_len.0.min(key_len), self.key_len.1.max(key_len));
        self.value_len = (self.value_len.0.min(value_len), self.value_len.1.max(value_len));
        self.key_bins[bin(key_len)] += 1;
        self.value_bins[bin(value_len)] += 1;
    }

    /// The statistics section says what was counted.
    fn compare(&self, table: &Table, first: &[u8], last: &[u8]) -> ReadResult<()> {
        let (block, keys) = table.stats_block()?;
        let shortest = |len: (u32, u32)| if table.is_empty() { 0 } else { len.0 };
        let same = block.key_bytes.get() == self.key_bytes
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
            && keys.ends_with(last);
        if same { Ok(()) } else { Err(wrong_statistics(table)) }
    }
}

fn wrong_statistics(table: &Table) -> ReadError {
    let at = table.layout().section(kind::STATS).map_or(0, |span| span.start as u64);
    ReadError::corrupt("statistics are wrong", at)
}
