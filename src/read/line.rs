//! The line index: point lookups and searches by order through one line.

use super::lookup::{Found, Quick};
use super::search::{Bound, Place, below};
use super::simd::tags_below;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::LineLayout;
use crate::format::line::{LINE, LINE_TAGS, MAX_LINE_EQUAL, MAX_LINE_KEYS, base_rank, tag};
use crate::format::order::equal;
use crate::format::record::Fixed;

impl Inner {
    #[inline(never)]
    pub(super) fn get_lined<const ALL: bool>(
        &self,
        index: &LineLayout,
        key: &[u8],
    ) -> ReadResult<Option<&[u8]>> {
        let quick = self.quick_lined::<ALL>(index, key);
        self.settle(quick, key)
    }

    /// Looks a key up in the line index on trust: one line, and one record if its tag is there.
    /// The careful search sorts out the rest: equal tags, more keys than tags. `ALL`: no page is
    /// left to check.
    #[inline(always)]
    pub(super) fn quick_lined<const ALL: bool>(&self, index: &LineLayout, key: &[u8]) -> Quick {
        let Some(place) = index.scale.place(key) else { return Quick::Miss };
        let Some(fixed) = &self.layout.fixed else { return Quick::Unsure };
        if place.line >= index.lines || key.len() != fixed.key_len {
            return Quick::Miss;
        }
        let start = index.span.start + place.line as usize * LINE;
        let Some(line) = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk()) else {
            return Quick::Unsure;
        };
        let below_tags = tags_below(line, place.tag);
        let line_checked = ALL || self.pages.is_checked(start);
        if below_tags == LINE_TAGS || !line_checked {
            return Quick::Unsure;
        }
        if tag(line, below_tags) != place.tag {
            return Quick::Miss;
        }
        let rank = base_rank(line) + below_tags as u64;
        if rank >= self.layout.entries {
            return Quick::Unsure;
        }
        let offset = fixed.offset(rank);
        let parts = fixed.parts(offset);
        let Some(stored) = self.bytes().get(parts.key()) else { return Quick::Unsure };
        let checked = ALL || self.pages.covered(&(offset..parts.end()));
        if !equal(stored, key) || !checked {
            return Quick::Unsure;
        }
        Quick::Hit(Found { offset, parts })
    }

    /// Line `number`, its page checked.
    fn line(&self, index: &LineLayout, number: u64) -> ReadResult<&[u8; LINE]> {
        let start = index.span.start + number as usize * LINE;
        self.ensure(start..start + LINE)?;
        let bytes = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
        bytes.ok_or_else(|| ReadError::corrupt("line beyond the end", start as u64))
    }

    /// Finds a place by key through the line index.
    pub(super) fn seek_lines(
        &self,
        index: &LineLayout,
        fixed: &Fixed,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let Some(place) = index.scale.place(key) else { return Ok(self.start()) };
        if place.line >= index.lines {
            return Ok(self.end());
        }
        let line = self.line(index, place.line)?;
        let below_tags = tags_below(line, place.tag);
        let first = base_rank(line);
        let start = first + below_tags as u64;
        if below_tags < LINE_TAGS {
            return self.walk_equal_tags(fixed, start, key, bound);
        }
        let next = place.line + 1;
        let end = match next < index.lines {
            true => base_rank(self.line(index, next)?),
            false => self.layout.entries,
        };
        self.bisect(fixed, start..end.min(first + MAX_LINE_KEYS), key, bound)
    }

    /// From the first key of a tag, which is rarely more than one step from the place.
    fn walk_equal_tags(
        &self,
        fixed: &Fixed,
        start: u64,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let entries = self.layout.entries;
        for rank in (start..entries).take(MAX_LINE_EQUAL + 1) {
            let offset = fixed.offset(rank);
            if !below(self.key_at(offset)?.0, key, bound) {
                return Ok(Place { rank, offset });
            }
        }
        if entries.saturating_sub(start) <= MAX_LINE_EQUAL as u64 + 1 {
            return Ok(self.end());
        }
        let offset = fixed.offset(start) as u64;
        Err(ReadError::corrupt("more keys of one tag than allowed", offset))
    }
}
