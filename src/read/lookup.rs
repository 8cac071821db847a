//! Point lookups: through the hash index, the line index, or the ordered index.
//!
//! A lookup is first tried on trust ([`Quick`]): it reads bytes whose pages may not have been
//! checked yet, inside proven bounds, and asks at the end whether they were. There is no branch on
//! checks between dependent loads, so several lookups overlap in the processor. If a page was not
//! checked, or anything is odd, the careful form starts anew and checks each page before it reads.

use super::search::Bound;
use super::simd::matches;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::hash::{BUCKET, MAX_EQUAL_TAGS, Slots, overflow, tag};
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

/// What a lookup on trust came to.
pub(super) enum Quick {
    /// The record, on checked pages and inside the records.
    Hit(Found),
    /// Absent, by checked pages.
    Miss,
    /// Not known: to be done carefully.
    Unsure,
}

impl Inner {
    /// The value of the first record of `key`.
    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        // One function per kind of table, with and without unchecked pages: each stays small
        // enough for the registers.
        if self.pages.all_checked() { self.get_by::<true>(key) } else { self.get_by::<false>(key) }
    }

    #[inline]
    fn get_by<const ALL: bool>(&self, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        if let Some(index) = &self.layout.hash {
            return match (index.slots, self.layout.fixed.is_some()) {
                (Slots::Four, true) => self.get_first::<ALL, 4, true>(index, key),
                (Slots::Four, false) => self.get_first::<ALL, 4, false>(index, key),
                (Slots::Five, false) => self.get_first::<ALL, 5, false>(index, key),
                _ => self.get_rest(index, index.hasher.hash(key), key),
            };
        }
        if let Some(index) = &self.layout.lines {
            return self.get_lined::<ALL>(index, key);
        }
        self.get_careful(key)
    }

    #[inline(never)]
    fn get_first<const ALL: bool, const WIDTH: usize, const FIXED: bool>(
        &self,
        index: &HashLayout,
        key: &[u8],
    ) -> ReadResult<Option<&[u8]>> {
        let hash = index.hasher.hash(key);
        match self.quick_first::<ALL, WIDTH, FIXED>(index, hash, key) {
            Quick::Unsure => self.get_rest(index, hash, key),
            quick => self.settle(quick, key),
        }
    }

    /// Lookups that the first candidate of the first bucket does not settle: about one in ten.
    #[inline(never)]
    pub(super) fn get_rest(
        &self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
    ) -> ReadResult<Option<&[u8]>> {
        let quick = self.quick_hashed(index, hash, key);
        self.settle(quick, key)
    }

    /// The first candidate of the first bucket, on trust, for slots of one width; `ALL`: no page
    /// is left to check.
    #[inline(always)]
    fn quick_first<const ALL: bool, const WIDTH: usize, const FIXED: bool>(
        &self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
    ) -> Quick {
        let Some(slots) = Slots::from_width(WIDTH as u8) else { return Quick::Unsure };
        let start = index.span.start + index.shape.first(hash) as usize * BUCKET;
        let Some(bucket) = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk()) else {
            return Quick::Unsure;
        };
        let mask = matches(bucket, tag(hash), slots.count());
        if mask == 0 {
            let absent =
                !slots.overflows(bucket, overflow(hash)) && (ALL || self.pages.is_checked(start));
            return if absent { Quick::Miss } else { Quick::Unsure };
        }
        let reference = slots.reference(bucket, mask.trailing_zeros() as usize);
        let Some(found) = self.referred::<FIXED>(reference) else { return Quick::Unsure };
        let Some(stored) = self.bytes().get(found.parts.key()) else { return Quick::Unsure };
        let sure = equal(stored, key)
            && (ALL
                || self.pages.is_checked(start)
                    && self.pages.covered(&(found.offset..found.parts.end())));
        if sure { Quick::Hit(found) } else { Quick::Unsure }
    }

    /// The value that a lookup on trust found, or that of a careful one.
    #[inline(always)]
    pub(super) fn settle(&self, quick: Quick, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        // The last thing that is asked: was all that was read the file's? The careful form says
        // what is wrong if not.
        match quick {
            Quick::Hit(found) => match self.bytes().get(found.parts.value()) {
                Some(value) if self.bytes.unharmed() => Ok(Some(value)),
                _ => self.get_careful(key),
            },
            Quick::Miss if self.bytes.unharmed() => Ok(None),
            _ => self.get_careful(key),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_careful(&self, key: &[u8]) -> ReadResult<Option<&[u8]>> {
        match self.locate(key)? {
            Some(found) => Ok(Some(self.slice(found.parts.value())?)),
            None => Ok(None),
        }
    }

    /// The first record of `key`, each page checked before it is read.
    pub(super) fn locate(&self, key: &[u8]) -> ReadResult<Option<Found>> {
        self.sound(match &self.layout.hash {
            Some(index) => self.locate_hashed(index, key),
            None => self.locate_ordered(key),
        })
    }

    /// Looks a key up in the hash index on trust.
    #[inline(always)]
    pub(super) fn quick_hashed(&self, index: &HashLayout, hash: u64, key: &[u8]) -> Quick {
        let all_checked = self.pages.all_checked();
        let mut number = index.shape.first(hash);
        let mut second_turn = false;
        loop {
            let start = index.span.start + number as usize * BUCKET;
            let bucket = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
            let Some(bucket) = bucket else { return Quick::Unsure };
            // Buckets are 64-aligned, so one lies in one page.
            let bucket_checked = all_checked || self.pages.is_checked(start);
            let mut mask = matches(bucket, tag(hash), index.slots.count());
            let mut candidates = 0;
            while mask != 0 {
                candidates += 1;
                if candidates > MAX_EQUAL_TAGS {
                    return Quick::Unsure;
                }
                let slot = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let reference = index.slots.reference(bucket, slot);
                let found = match self.layout.fixed {
                    Some(_) => self.referred::<true>(reference),
                    None => self.referred::<false>(reference),
                };
                let Some(found) = found else { return Quick::Unsure };
                let Some(stored) = self.bytes().get(found.parts.key()) else {
                    return Quick::Unsure;
                };
                let same = equal(stored, key);
                // A record that only shares the tag says something about its page as well.
                let end = if same { found.parts.end() } else { found.parts.value };
                let checked =
                    all_checked || bucket_checked && self.pages.covered(&(found.offset..end));
                if !checked {
                    return Quick::Unsure;
                }
                if same {
                    return Quick::Hit(found);
                }
            }
            if !bucket_checked {
                return Quick::Unsure;
            }
            if second_turn || !index.slots.overflows(bucket, overflow(hash)) {
                return Quick::Miss;
            }
            second_turn = true;
            number = index.shape.place(hash).second;
        }
    }

    /// The record that a slot refers to, if it lies inside the records.
    #[inline(always)]
    fn referred<const FIXED: bool>(&self, reference: u64) -> Option<Found> {
        let records = self.layout.records;
        let (offset, parts) = match &self.layout.fixed {
            Some(fixed) if FIXED => {
                if reference >= self.layout.entries {
                    return None;
                }
                let offset = fixed.offset(reference);
                (offset, fixed.parts(offset))
            }
            _ => {
                if reference >= records.len() as u64 {
                    return None;
                }
                let offset = records.start + reference as usize;
                (offset, self.layout.decoder.parts(self.bytes(), offset)?)
            }
        };
        (parts.end() <= records.end).then_some(Found { offset, parts })
    }

    /// Touches at most two buckets and three records for each, whatever the file says.
    fn locate_hashed(&self, index: &HashLayout, key: &[u8]) -> ReadResult<Option<Found>> {
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
                let place = self.referred_place(index.slots.reference(bucket, slot))?;
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
