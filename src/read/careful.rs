//! Point lookups that check each page before they read it, and say what is wrong with the table.
//! The lookups on trust ([`super::lookup`]) fall back on these.

use super::line::Asked;
use super::lookup::first_bit;
use super::pages::prefetch_page;
use super::search::Bound;
use super::simd::{Baseline, matches};
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::bucket::{BUCKET, MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;
use crate::format::order::equal;
use crate::format::record::Parts;
use std::hint::black_box;

/// A record that holds the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where the record starts (for fixed width: its key).
    pub(crate) offset: usize,
    pub(crate) parts: Parts,
}

/// What the two buckets of a key say of it.
pub(super) enum Buckets {
    Record(Found),
    Absent,
    /// Another key with the same hash stands there. Only the ordered index knows about this one.
    SetAside,
}

impl Buckets {
    /// The key's record, if it stands there.
    pub(super) fn record(self) -> Option<Found> {
        match self {
            Self::Record(found) => Some(found),
            Self::Absent | Self::SetAside => None,
        }
    }
}

impl Inner {
    /// The value of the first record of `key`.
    #[cold]
    #[inline(never)]
    pub(super) fn get_careful(&self, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        // The first sums take a page fault, in which time the pages come from memory.
        if self.pages.nothing_checked() {
            self.expect_record(key);
        }
        match self.locate(key)? {
            Some(found) => Ok(Some(self.slice(found.parts.value())?)),
            None => Ok(None),
        }
    }

    /// Asks for the page of the record that the index names, on trust.
    fn expect_record(&self, key: &[u8]) {
        if let Some(place) = self.expected_record(key) {
            // Of a page that is not mapped yet nothing can be asked for.
            black_box(self.bytes().get(place).copied());
            prefetch_page(self.bytes(), place);
        }
    }

    fn expected_record(&self, key: &[u8]) -> Option<usize> {
        if let (Some(_), Some(fixed)) = (&self.layout.lines, &self.layout.fixed) {
            let asked = self.ask_line::<_, true>(Baseline, self.scale.place(key)?);
            return if let Asked::Rank(rank) = asked { Some(fixed.offset(rank)) } else { None };
        }
        let index = self.layout.hash.as_ref()?;
        let (hash, slots) = (index.hasher.hash(key), index.slots);
        let bucket = self.bytes.bucket(hash);
        let slot = first_bit(matches(bucket, tag(hash), slots), slots.count());
        self.referred_place(index.reference(slots, bucket, slot) as u64).ok()
    }

    /// The first record of `key`, each page checked before it is read.
    pub(super) fn locate(&self, key: &[u8]) -> ReadResult<Option<Found>> {
        self.sound(match &self.layout.hash {
            Some(index) => match self.locate_hashed(index, key, 0) {
                Ok(Buckets::Record(found)) => Ok(Some(found)),
                Ok(Buckets::Absent) => Ok(None),
                Ok(Buckets::SetAside) => self.locate_ordered(key),
                Err(error) => Err(error),
            },
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
    ) -> ReadResult<Buckets> {
        let mut set_aside = false;
        let hash = index.hasher.hash(key);
        let place = index.shape.place(hash);
        for number in [place.first, place.second] {
            let start = index.span.start + number as usize * BUCKET;
            self.ensure(start..start + BUCKET)?;
            let bucket = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
            let bad = |what| ReadError::corrupt(what, start as u64);
            let bucket = bucket.ok_or_else(|| bad("bucket beyond the end"))?;
            let mask = matches(bucket, tag(hash), index.slots);
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
                let stored = self.slice(parts.key())?;
                if equal(stored, key) {
                    self.ensure(parts.value..parts.end())?;
                    return Ok(Buckets::Record(Found { offset: place, parts }));
                }
                set_aside |= index.set_aside > 0 && index.hasher.hash(stored) == hash;
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                break;
            }
        }
        Ok(if set_aside { Buckets::SetAside } else { Buckets::Absent })
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
