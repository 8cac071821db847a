//! Point lookups that check each page before they read it, and say what is wrong with the table.
//! The lookups on trust ([`super::lookup`]) fall back on these.

use super::search::Bound;
use super::simd::matches;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::hash::{BUCKET, MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;
use crate::format::order::equal;
use crate::format::record::Parts;

/// A record that holds the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where the record starts (for fixed width: its key).
    pub(crate) offset: usize,
    pub(crate) parts: Parts,
}

impl Inner {
    /// The value of the first record of `key`.
    #[cold]
    #[inline(never)]
    pub(super) fn get_careful(&self, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        match self.locate(key)? {
            Some(found) => Ok(Some(self.slice(found.parts.value())?)),
            None => Ok(None),
        }
    }

    /// The first record of `key`, each page checked before it is read.
    pub(super) fn locate(&self, key: &[u8]) -> ReadResult<Option<Found>> {
        self.sound(match &self.layout.hash {
            Some(index) => self.locate_hashed(index, key, 0),
            None => self.locate_ordered(key),
        })
    }

    /// Touches at most two buckets and three records for each, whatever the file says. `walk`:
    /// bytes of records that will be walked from there.
    pub(super) fn locate_hashed(
        &self,
        index: &HashLayout,
        key: &[u8],
        walk: usize,
    ) -> ReadResult<Option<Found>> {
        let hash = index.hasher.hash(key);
        let place = index.shape.place(hash);
        for number in [place.first, place.second] {
            let start = index.span.start + number as usize * BUCKET;
            self.ensure(start..start + BUCKET)?;
            let bucket = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
            let bad = |what| ReadError::corrupt(what, start as u64);
            let bucket = bucket.ok_or_else(|| bad("bucket beyond the end"))?;
            let mask = matches(bucket, tag(hash), index.slots.count());
            if mask.count_ones() as usize > MAX_EQUAL_TAGS {
                return Err(bad("bucket has too many equal tags"));
            }
            for slot in (0..index.slots.count()).filter(|slot| mask >> slot & 1 != 0) {
                let held = index.slots.get(bucket, slot);
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let place = self.referred_place(index.tails.reference(held))?;
                self.prefetch_walk(place, walk);
                let parts = self.parts_at(place)?;
                if equal(self.slice(parts.key())?, key) {
                    self.ensure(parts.value..parts.end())?;
                    return Ok(Some(Found { offset: place, parts }));
                }
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                break;
            }
        }
        Ok(None)
    }

    /// Where the record that a slot refers to starts.
    pub(super) fn referred_place(&self, reference: u64) -> ReadResult<usize> {
        let records = self.layout.records;
        match &self.layout.fixed {
            Some(fixed) if reference < self.layout.entries => Ok(fixed.offset(reference)),
            None if reference < records.len() as u64 => Ok(records.start + reference as usize),
            _ => Err(ReadError::corrupt("slot refers to no record", records.start as u64)),
        }
    }

    fn locate_ordered(&self, key: &[u8]) -> ReadResult<Option<Found>> {
        let place = self.seek(key, Bound::NotBelow)?;
        if place.rank >= self.layout.entries {
            return Ok(None);
        }
        let parts = self.parts_at(place.offset)?;
        if !equal(self.slice(parts.key())?, key) {
            return Ok(None);
        }
        self.ensure(parts.value..parts.end())?;
        Ok(Some(Found { offset: place.offset, parts }))
    }
}
