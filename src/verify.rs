//! The full audit of a table: every checksum, every structure, every relation between them.

use crate::error::{ReadError, ReadResult};
use crate::format::header::{Header, kind};
use crate::format::layout::Layout;
use crate::format::line::{LINE, LINE_TAGS, MAX_LINE_KEYS, NO_TAG, base_rank, tag};
use crate::format::meta::{KEY_BINS, VALUE_BINS, bin};
use crate::format::node::NodeHeader;
use crate::format::sums;
use crate::read::Table;
use rayon::prelude::*;
use std::mem::offset_of;
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
    /// id. Reads everything and never raises SIGBUS for a file that was truncated before; costs
    /// about a second per gigabyte.
    ///
    /// # Errors
    /// The first damage found.
    pub fn verify(&self) -> Result<Report, ReadError> {
        let layout = self.layout();
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
        self.check_hash_index()?;
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

    /// What a node does not use is zero.
    fn check_nodes(&self) -> ReadResult<()> {
        let Some(index) = self.layout().index else { return Ok(()) };
        for number in 0..index.nodes {
            let start = index.span.start + ((number as usize) << index.node_log2);
            let used = self.node_bytes_used(&index, number)?;
            let reserved = offset_of!(NodeHeader, reserved);
            self.zeros(start + reserved, start + reserved + 2)?;
            self.zeros(start + used, start + (1 << index.node_log2))?;
        }
        Ok(())
    }

    /// The ordered index leads to every record by its rank, samples included. Pieces of the table
    /// are walked on all threads; each ends where the next begins.
    fn check_places(&self) -> ReadResult<()> {
        const PIECE: u64 = 1 << 16;
        if self.layout().index.is_none() || self.layout().fixed.is_some() {
            return Ok(());
        }
        let wrong = (0..self.len().div_ceil(PIECE)).into_par_iter().map(|piece| {
            let ranks = piece * PIECE..((piece + 1) * PIECE).min(self.len());
            let mut offset = self.offset_of(ranks.start)?;
            for rank in ranks {
                if self.offset_of(rank)? != offset {
                    return Err(ReadError::corrupt("index names another place", offset as u64));
                }
                offset = self.offset_after(offset)?;
            }
            let end = self.offset_of(((piece + 1) * PIECE).min(self.len()))?;
            let joined = end == offset;
            if joined { Ok(()) } else { Err(ReadError::corrupt("index skips records", end as u64)) }
        });
        wrong.find_first(Result::is_err).unwrap_or(Ok(()))
    }

    /// Every line has the rank and the tags of its keys.
    fn check_lines(&self) -> ReadResult<()> {
        let Some(index) = self.layout().lines else { return Ok(()) };
        let bytes = &self.bytes()[index.span.start..index.span.end];
        let (lines, _) = bytes.as_chunks::<LINE>();
        let bad = |line: usize| {
            ReadError::corrupt("line has wrong tags", (index.span.start + line * LINE) as u64)
        };
        let mut expected = [NO_TAG; LINE_TAGS];
        let mut records = self.records().peekable();
        let mut rank = 0;
        for (number, line) in lines.iter().enumerate() {
            let first = rank;
            expected.fill(NO_TAG);
            while let Some(Ok(found)) = records.peek() {
                let place = index.scale.place(&self.bytes()[found.parts.key()]);
                let place = place.ok_or_else(|| bad(number))?;
                if place.line != number as u64 {
                    break;
                }
                if let Some(tag) = expected.get_mut((rank - first) as usize) {
                    *tag = place.tag;
                }
                rank += 1;
                records.next();
            }
            let tags = (0..LINE_TAGS).all(|i| tag(line, i) == expected[i]);
            if base_rank(line) != first || !tags || rank - first > MAX_LINE_KEYS {
                return Err(bad(number));
            }
        }
        if rank == self.len() { Ok(()) } else { Err(bad(lines.len())) }
    }

    /// The ordered index leads to both ends of every block.
    fn check_blocks(&self) -> ReadResult<()> {
        let layout = self.layout();
        let mut rank = 0;
        while rank < layout.entries {
            let (first, end) = self.block_bounds(rank)?;
            let bad =
                || ReadError::corrupt("ordered index misses a block", layout.records.start as u64);
            if first != rank || end <= rank {
                return Err(bad());
            }
            for (edge, above) in [(first, false), (end - 1, true)] {
                let Some((key, _)) = self.nth(edge)? else { return Err(bad()) };
                let found = if above { self.count(..=key)? } else { self.rank(key)? };
                let right = match (above, layout.repeated_keys) {
                    (false, false) => found == edge,
                    (true, false) => found == edge + 1,
                    // Equals may go on over the block's edges.
                    (false, true) => found <= edge && self.nth(found)?.is_some_and(|e| e.0 == key),
                    (true, true) => {
                        found > edge && self.nth(found - 1)?.is_some_and(|e| e.0 == key)
                    }
                };
                if !right {
                    return Err(bad());
                }
            }
            rank = end;
        }
        Ok(())
    }

    /// As many slots are taken as there are keys. That every key is found was checked while the
    /// records were read.
    fn check_hash_index(&self) -> ReadResult<()> {
        let Some(hash) = self.layout().hash else { return Ok(()) };
        let bytes = &self.bytes()[hash.span.start..hash.span.end];
        let (buckets, _) = bytes.as_chunks::<{ crate::format::hash::BUCKET }>();
        let taken = |bucket: &[u8; 64]| {
            bucket[..hash.slots.count()].iter().filter(|&&tag| tag != 0).count() as u64
        };
        if buckets.iter().map(taken).sum::<u64>() == self.layout().keys {
            Ok(())
        } else {
            Err(ReadError::corrupt("hash index has other keys", hash.span.start as u64))
        }
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
            && keys.len() == first.len() + last.len()
            && keys.starts_with(first)
            && keys.ends_with(last);
        let at = table.layout().section(kind::STATS).map_or(0, |span| span.start as u64);
        if same { Ok(()) } else { Err(ReadError::corrupt("statistics are wrong", at)) }
    }
}
