//! Point lookups: the hash index, or the ordered index where there is none.

use super::search::Bound;
use super::simd::matches;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::hash::{BUCKET, MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;
use crate::format::order::equal;
use crate::format::record::Parts;
use std::ops::Range;

/// A record that holds the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where the record starts (for fixed width: its key).
    pub(crate) offset: usize,
    pub(crate) parts: Parts,
}

/// How a lookup treats pages that were not checked yet.
pub(super) trait Touch {
    fn touch(&mut self, inner: &Inner, range: Range<usize>) -> ReadResult<()>;
}

/// Notes whether all touched pages were checked before. No branch between dependent loads: the
/// caller asks once, at the end.
pub(super) struct Speculative(pub(super) bool);

impl Touch for Speculative {
    #[inline]
    fn touch(&mut self, inner: &Inner, range: Range<usize>) -> ReadResult<()> {
        self.0 &= inner.pages.covered(&range);
        Ok(())
    }
}

/// Checks pages before they are read.
pub(super) struct Careful;

impl Touch for Careful {
    fn touch(&mut self, inner: &Inner, range: Range<usize>) -> ReadResult<()> {
        inner.ensure(range)
    }
}

impl Inner {
    /// Finds the first record of `key`, its pages checked.
    #[inline]
    pub(super) fn locate(&self, key: &[u8]) -> ReadResult<Option<Found>> {
        if let Some(hash) = &self.layout.hash {
            return self.locate_hashed(hash, hash.hasher.hash(key), key);
        }
        match (&self.layout.lines, self.layout.stride) {
            (Some(index), Some(stride)) => self.locate_lined(index, stride, key),
            _ => self.locate_ordered(key),
        }
    }

    #[inline]
    pub(super) fn locate_hashed(
        &self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
    ) -> ReadResult<Option<Found>> {
        let mut speculation = Speculative(true);
        match self.probe(index, hash, key, &mut speculation) {
            Ok(found) if speculation.0 => Ok(found),
            _ => self.locate_careful(index, hash, key),
        }
    }

    /// Some page was touched for the first time, or something was wrong.
    #[cold]
    fn locate_careful(
        &self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
    ) -> ReadResult<Option<Found>> {
        self.probe(index, hash, key, &mut Careful)
    }

    /// Touches at most two buckets and three records for each, whatever the file says.
    #[inline(always)]
    fn probe<T: Touch>(
        &self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
        touch: &mut T,
    ) -> ReadResult<Option<Found>> {
        let first = index.shape.first(hash);
        let bucket = self.bucket(index, first, touch)?;
        if let Some(found) = self.probe_bucket(index, bucket, hash, key, touch)? {
            return Ok(Some(found));
        }
        if !index.slots.overflows(bucket, overflow(hash)) {
            return Ok(None);
        }
        let bucket = self.bucket(index, index.shape.place(hash).second, touch)?;
        self.probe_bucket(index, bucket, hash, key, touch)
    }

    #[inline(always)]
    fn bucket<T: Touch>(
        &self,
        index: &HashLayout,
        number: u64,
        touch: &mut T,
    ) -> ReadResult<&[u8; BUCKET]> {
        let start = index.span.start + number as usize * BUCKET;
        // Buckets are 64-aligned, so one lies in one page.
        touch.touch(self, start..start + 1)?;
        let bytes = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
        bytes.ok_or_else(|| ReadError::corrupt("bucket beyond the end", start as u64))
    }

    #[inline(always)]
    fn probe_bucket<T: Touch>(
        &self,
        index: &HashLayout,
        bucket: &[u8; BUCKET],
        hash: u64,
        key: &[u8],
        touch: &mut T,
    ) -> ReadResult<Option<Found>> {
        let mut mask = matches(bucket, tag(hash), index.slots.count());
        let mut candidates = 0;
        while mask != 0 {
            let slot = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            candidates += 1;
            if candidates > MAX_EQUAL_TAGS {
                return Err(ReadError::corrupt("too many equal tags", index.span.start as u64));
            }
            let found = self.candidate(index.slots.reference(bucket, slot))?;
            touch.touch(self, found.offset..found.parts.key + found.parts.key_len)?;
            if equal(self.slice(found.parts.key())?, key) {
                touch.touch(self, found.parts.value.min(found.parts.end())..found.parts.end())?;
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The record that a slot refers to, inside the records.
    #[inline(always)]
    fn candidate(&self, reference: u64) -> ReadResult<Found> {
        let records = self.layout.records;
        let bad = || ReadError::corrupt("slot refers to no record", records.start as u64);
        let (offset, parts) = match self.layout.stride {
            Some((stride, lead)) => {
                if reference >= self.layout.entries {
                    return Err(bad());
                }
                let offset = self.fixed_offset(stride, lead, reference);
                (offset, self.layout.record.fixed_parts(offset))
            }
            None => {
                if reference >= records.len() as u64 {
                    return Err(bad());
                }
                let offset = records.start + reference as usize;
                (offset, self.layout.record.parts(self.bytes(), offset).ok_or_else(bad)?)
            }
        };
        if parts.end() > records.end {
            return Err(bad());
        }
        Ok(Found { offset, parts })
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
