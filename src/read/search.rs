//! Searches by order: inside a block of records, found through one of the indexes.

use super::pages::{page_end, page_start};
use super::simd::prefetch;
use super::table::Inner;
use super::tree::LINE;
use crate::error::{ReadError, ReadResult};
use crate::format::node::BAD_NODE;
use crate::format::record::{Fixed, Parts};
use std::ops::Range;

/// Key and value.
pub(crate) type Entry<'t> = (&'t [u8], &'t [u8]);

/// A place between entries: `rank` entries are before it, and the next record starts at `offset`
/// (for a table of fixed width, its key does).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rank: u64,
    pub(crate) offset: usize,
}

/// The place of a record where an iteration starts; its rank need not be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) rank: Option<u64>,
    pub(crate) offset: usize,
}

impl From<Place> for Start {
    #[inline]
    fn from(place: Place) -> Self {
        Self { rank: Some(place.rank), offset: place.offset }
    }
}

impl Start {
    /// Moves on to the next record, which starts at `offset`.
    #[inline(always)]
    pub(super) fn advance(&mut self, offset: usize) {
        *self = Self { rank: self.rank.map(|rank| rank + 1), offset };
    }
}

/// Which place a search for a key looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Before the first entry that is not below the key.
    NotBelow,
    /// Before the first entry that is above the key.
    Above,
}

const BAD_RECORD: &str = "record makes no sense";

impl Inner {
    /// The place before the first entry.
    pub(super) fn start(&self) -> Place {
        let first = self.layout.fixed.map_or(self.layout.records.start, |fixed| fixed.first);
        Place { rank: 0, offset: first }
    }

    /// The place after the last entry.
    pub(super) fn end(&self) -> Place {
        Place { rank: self.layout.entries, offset: self.layout.records.end }
    }

    /// The parts of the record at `offset`, with the pages of its key checked; the record ends
    /// inside the records.
    #[inline(always)]
    pub(super) fn parts_at(&self, offset: usize) -> ReadResult<Parts> {
        if self.pages.gets_checked() {
            let parts = match &self.layout.fixed {
                Some(fixed) => Some(fixed.parts(offset)),
                None => self.layout.decoder.parts(self.bytes(), offset),
            };
            if let Some(parts) = parts.filter(|parts| parts.end() <= self.layout.records.end) {
                return Ok(parts);
            }
        }
        self.unchecked_parts_at(offset)
    }

    #[inline(never)]
    fn unchecked_parts_at(&self, offset: usize) -> ReadResult<Parts> {
        let parts = match &self.layout.fixed {
            Some(fixed) => Some(fixed.parts(offset)),
            // Read before it is checked; the check that follows covers what was read.
            None => self.layout.decoder.parts(self.bytes(), offset),
        };
        match parts {
            Some(parts) if parts.end() <= self.layout.records.end => {
                self.ensure(offset..parts.key + parts.key_len)?;
                Ok(parts)
            }
            _ => Err(self.bad_record(offset)),
        }
    }

    /// The lengths of a record make no sense: because its page is damaged, or by its writer.
    #[cold]
    fn bad_record(&self, offset: usize) -> ReadError {
        const LENGTHS: usize = 10;
        match self.ensure(offset..offset.saturating_add(LENGTHS)) {
            Err(error) => error,
            Ok(()) => ReadError::corrupt(BAD_RECORD, offset as u64),
        }
    }

    #[inline(always)]
    pub(super) fn key_at(&self, offset: usize) -> ReadResult<(&[u8], Parts)> {
        let parts = self.parts_at(offset)?;
        Ok((self.slice(parts.key())?, parts))
    }

    /// Where the record after `parts` starts.
    #[inline]
    pub(super) fn after(&self, offset: usize, parts: &Parts) -> usize {
        match &self.layout.fixed {
            Some(fixed) => offset + fixed.stride,
            None => parts.end(),
        }
    }

    /// Up to where the pages that follow `offset` within the records are known to be checked;
    /// 0 if the first of them is not.
    #[inline]
    pub(super) fn checked_from(&self, offset: usize) -> usize {
        let end = self.layout.records.end;
        if self.pages.gets_checked() {
            return end;
        }
        if self.pages.is_checked(offset) { page_end(offset).min(end) } else { 0 }
    }

    /// What is known to be checked around a record that is.
    #[inline]
    pub(super) fn checked_before(&self, record: Range<usize>) -> Range<usize> {
        if self.pages.gets_checked() {
            return 0..self.layout.records.end;
        }
        page_start(record.start)..record.end
    }

    /// The entry whose record starts at `offset`, the place of one or the end.
    pub(super) fn entry_from(&self, offset: usize) -> ReadResult<Option<Entry<'_>>> {
        if offset >= self.end().offset {
            return Ok(None);
        }
        let entry = self.parts_at(offset).and_then(|parts| self.entry(&parts));
        self.sound(entry).map(Some)
    }

    /// Finds a place by key.
    pub(super) fn seek(&self, key: &[u8], bound: Bound) -> ReadResult<Place> {
        self.sound(self.seek_place(key, bound, 0))
    }

    /// Finds where to start an iteration at `key`: through the hash index, if there is one and it
    /// has the key, in two cache lines instead of one per level of the tree. Its slots know
    /// offsets and not ranks; with repeated keys a rank would be lost for good, so there the tree
    /// is asked. `walk`: bytes of records that will be walked from there.
    pub(super) fn seek_start(&self, key: &[u8], bound: Bound, walk: usize) -> ReadResult<Start> {
        if let Some(index) = &self.layout.hash
            && self.layout.fixed.is_none()
            && !self.layout.repeated_keys
        {
            // A damaged hash index is no reason to fail: the tree answers as well.
            // As it is if the key was set aside.
            let found = self.locate_hashed(index, key, walk).map(|buckets| buckets.record());
            if let Ok(Some(found)) = found {
                let offset = match bound {
                    Bound::NotBelow => found.offset,
                    Bound::Above => found.parts.end(),
                };
                return self.sound(Ok(Start { rank: None, offset }));
            }
        }
        self.seek_ordered(key, bound, walk)
    }

    /// The same through the ordered index alone.
    pub(super) fn seek_ordered(&self, key: &[u8], bound: Bound, walk: usize) -> ReadResult<Start> {
        self.sound(self.seek_place(key, bound, walk)).map(Start::from)
    }

    /// Asks for the first records of a walk, as soon as it is likely where it starts: what waits
    /// for the key's comparison waits for memory once more.
    #[inline]
    pub(super) fn prefetch_walk(&self, offset: usize, bytes: usize) {
        for line in (0..bytes).step_by(LINE) {
            prefetch(self.bytes(), offset.saturating_add(line));
        }
    }

    /// The rank of the record at `offset`, in a table without repeated keys.
    #[cold]
    pub(super) fn rank_at(&self, offset: usize) -> ReadResult<u64> {
        let place = self.seek(self.key_at(offset)?.0, Bound::NotBelow)?;
        let misplaced = || ReadError::corrupt("ordered index misses a record", offset as u64);
        if place.offset == offset { Ok(place.rank) } else { Err(misplaced()) }
    }

    /// `walk`: bytes of records that will be walked from there.
    fn seek_place(&self, key: &[u8], bound: Bound, walk: usize) -> ReadResult<Place> {
        if self.layout.entries == 0 {
            return Ok(self.end());
        }
        // With repeated keys a block may start in the middle of the equals.
        let strict = bound == Bound::NotBelow && self.layout.repeated_keys;
        if let (Some(index), Some(fixed)) = (&self.layout.lines, &self.layout.fixed) {
            return self.seek_lines(index, fixed, key, bound, walk);
        }
        let Some(index) = &self.layout.index else {
            return match &self.layout.fixed {
                Some(fixed) => self.bisect(fixed, 0..self.layout.entries, key, bound),
                None => self.seek_walk(self.start(), self.start().rank, key, bound),
            };
        };
        let (leaf, child) = self.descend(index, key, strict)?;
        let bad = || ReadError::corrupt(BAD_NODE, index.span.start as u64);
        let start = self.block_place(&leaf, child).ok_or_else(bad)?;
        match &self.layout.fixed {
            Some(fixed) => {
                let end = start.rank + u64::from(self.layout.block_records);
                self.bisect(fixed, start.rank..end, key, bound)
            }
            None => {
                let near = self.bisect_samples(index, &leaf, child, start, key, bound)?;
                self.prefetch_walk(near.offset, walk);
                self.seek_walk(near, start.rank, key, bound)
            }
        }
    }

    /// Binary search among records of fixed width; a range that reaches beyond the last entry is
    /// cut.
    pub(super) fn bisect(
        &self,
        fixed: &Fixed,
        ranks: Range<u64>,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let mut low = ranks.start.min(self.layout.entries);
        let mut high = ranks.end.min(self.layout.entries);
        while low < high {
            let middle = low + (high - low) / 2;
            let (found, _) = self.key_at(fixed.offset(middle))?;
            if below(found, key, bound) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(Place { rank: low, offset: fixed.offset(low) })
    }

    /// Walk through a block of records of variable width that starts at rank `first`.
    fn seek_walk(
        &self,
        mut place: Place,
        first: u64,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let most = first.saturating_add(u64::from(self.layout.block_records));
        while place.rank < self.layout.entries {
            let (found, parts) = self.key_at(place.offset)?;
            if !below(found, key, bound) {
                return Ok(place);
            }
            if place.rank > most {
                let at = place.offset as u64;
                return Err(ReadError::corrupt("block is longer than allowed", at));
            }
            place = Place { rank: place.rank + 1, offset: parts.end() };
        }
        if place.offset != self.layout.records.end {
            return Err(ReadError::corrupt("records after the last entry", place.offset as u64));
        }
        Ok(self.end())
    }
}

#[inline]
pub(super) fn below(found: &[u8], key: &[u8], bound: Bound) -> bool {
    match bound {
        Bound::NotBelow => found < key,
        Bound::Above => found <= key,
    }
}
