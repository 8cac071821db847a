//! The line index: point lookups and searches by order through one line.

use super::lookup::{Careful, Found, Speculative, Touch};
use super::search::{Bound, Place};
use super::simd::tags_below;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::LineLayout;
use crate::format::line::{LINE, LINE_TAGS, MAX_LINE_EQUAL, MAX_LINE_KEYS, base_rank, tag};
use crate::format::order::equal;

const BAD_LINE: &str = "line of the index makes no sense";

impl Inner {
    /// Finds the record of `key`, its pages checked.
    #[inline]
    pub(super) fn locate_lined(
        &self,
        index: &LineLayout,
        stride: (u64, u64),
        key: &[u8],
    ) -> ReadResult<Option<Found>> {
        let mut speculation = Speculative(true);
        match self.probe_line(index, stride, key, &mut speculation) {
            Ok(found) if speculation.0 => Ok(found),
            _ => self.locate_lined_careful(index, stride, key),
        }
    }

    /// Some page was touched for the first time, or something was wrong.
    #[cold]
    fn locate_lined_careful(
        &self,
        index: &LineLayout,
        stride: (u64, u64),
        key: &[u8],
    ) -> ReadResult<Option<Found>> {
        self.probe_line(index, stride, key, &mut Careful)
    }

    /// One line, and one record if its tag is there.
    #[inline(always)]
    fn probe_line<T: Touch>(
        &self,
        index: &LineLayout,
        stride: (u64, u64),
        key: &[u8],
        touch: &mut T,
    ) -> ReadResult<Option<Found>> {
        let Some(place) = index.scale.place(key) else { return Ok(None) };
        if place.line >= index.lines {
            return Ok(None);
        }
        let line = self.line(index, place.line, touch)?;
        let below = tags_below(line, place.tag);
        if below == LINE_TAGS {
            return self.locate_beyond(index, key, touch);
        }
        if tag(line, below) != place.tag {
            return Ok(None);
        }
        let rank = base_rank(line) + below as u64;
        if rank >= self.layout.entries {
            // The tag is that of an unused slot.
            return Ok(None);
        }
        let offset = self.fixed_offset(stride.0, stride.1, rank);
        let parts = self.layout.record.fixed_parts(offset);
        touch.touch(self, offset..parts.end())?;
        let found = self.slice(parts.key())?;
        if equal(found, key) {
            return Ok(Some(Found { offset, parts }));
        }
        if found > key {
            return Ok(None);
        }
        self.locate_beyond(index, key, touch)
    }

    /// The rare rest: equal tags, or more keys than tags. Pages are checked on the way.
    #[cold]
    fn locate_beyond<T: Touch>(
        &self,
        index: &LineLayout,
        key: &[u8],
        touch: &mut T,
    ) -> ReadResult<Option<Found>> {
        let place = self.seek_lines(index, key, Bound::NotBelow)?;
        if place.rank >= self.layout.entries {
            return Ok(None);
        }
        let offset = place.offset;
        let parts = self.layout.record.fixed_parts(offset);
        touch.touch(self, offset..parts.end())?;
        let same = equal(self.slice(parts.key())?, key);
        Ok(same.then_some(Found { offset, parts }))
    }

    #[inline(always)]
    fn line<T: Touch>(
        &self,
        index: &LineLayout,
        number: u64,
        touch: &mut T,
    ) -> ReadResult<&[u8; LINE]> {
        let start = index.span.start + number as usize * LINE;
        // Lines are 64-aligned, so one lies in one page.
        touch.touch(self, start..start + 1)?;
        let bytes = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
        bytes.ok_or_else(|| ReadError::corrupt(BAD_LINE, start as u64))
    }

    /// Finds a place by key through the line index.
    pub(super) fn seek_lines(
        &self,
        index: &LineLayout,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let Some((stride, lead)) = self.layout.stride else { return Ok(self.end()) };
        let Some(place) = index.scale.place(key) else { return Ok(self.start()) };
        if place.line >= index.lines {
            return Ok(self.end());
        }
        let line = self.line(index, place.line, &mut Careful)?;
        let below_tags = tags_below(line, place.tag);
        let first = base_rank(line);
        let start = first + below_tags as u64;
        if below_tags == LINE_TAGS {
            let next = place.line + 1;
            let end = if next < index.lines {
                base_rank(self.line(index, next, &mut Careful)?)
            } else {
                self.layout.entries
            };
            return self.bisect(stride, lead, start..end.min(first + MAX_LINE_KEYS), key, bound);
        }
        self.walk_equal_tags(stride, lead, start, key, bound)
    }

    /// From the first key of a tag, which is rarely more than one step from the place.
    fn walk_equal_tags(
        &self,
        stride: u64,
        lead: u64,
        start: u64,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let entries = self.layout.entries;
        for rank in (start..entries).take(MAX_LINE_EQUAL + 1) {
            let offset = self.fixed_offset(stride, lead, rank);
            if !super::search::below(self.key_at(offset)?.0, key, bound) {
                return Ok(Place { rank, offset });
            }
        }
        if entries.saturating_sub(start) <= MAX_LINE_EQUAL as u64 + 1 {
            return Ok(self.end());
        }
        let offset = self.fixed_offset(stride, lead, start) as u64;
        Err(ReadError::corrupt("more keys of one tag than allowed", offset))
    }
}
