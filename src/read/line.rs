//! The line index: point lookups and searches by order through one line.

use super::lookup::{ANY_LEN, Guess, NO_HELP, NO_TAG};
use super::search::{Bound, Place, below};
use super::simd::{Baseline, Simd, tags_below};
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::LineLayout;
use crate::format::line::{
    LINE, LINE_TAGS, LinePlace, MAX_LINE_EQUAL, MAX_LINE_KEYS, base_rank, tag,
};
use crate::format::record::Fixed;

impl Inner {
    /// Looks a key up in the line index on trust: one line, and one record if its tag is there.
    /// The careful search sorts out the rest: equal tags, more keys than tags. `ALL`: no page is
    /// left to check; `LEN`: the length of the table's keys.
    #[inline(always)]
    pub(super) fn guess_lined<S: Simd, const ALL: bool, const LEN: usize>(
        &self,
        simd: S,
        key: &[u8],
    ) -> Guess {
        let (Some(index), Some(fixed)) = (&self.layout.lines, &self.layout.fixed) else {
            return Guess::UNSURE;
        };
        if key.len() != if LEN == ANY_LEN { fixed.key_len } else { LEN } {
            return Guess::MISS;
        }
        let candidate = self.candidate_lined::<S, ALL>(simd, index, index.scale.place(key));
        self.guess_candidate_lined::<ALL, LEN>(fixed, candidate, key)
    }

    /// What the line of a place says: the rank of the first key with its tag, or [`NO_TAG`], or
    /// [`NO_HELP`].
    #[inline(always)]
    pub(super) fn candidate_lined<S: Simd, const ALL: bool>(
        &self,
        simd: S,
        index: &LineLayout,
        place: Option<LinePlace>,
    ) -> usize {
        let Some(place) = place.filter(|place| place.line < index.lines) else { return NO_TAG };
        let start = index.span.start + place.line as usize * LINE;
        let Some(line) = self.bytes().get(start..).and_then(|bytes| bytes.first_chunk()) else {
            return NO_HELP;
        };
        if !ALL && !self.pages.is_checked(start) {
            return NO_HELP;
        }
        let equal = simd.tags_equal(line, place.tag);
        if equal == 0 {
            // A line with more keys than tags says nothing of those above its last tag.
            return if tag(line, LINE_TAGS - 1) < place.tag { NO_HELP } else { NO_TAG };
        }
        // Tags ascend: as many are below the first of the equals as stand before it.
        (base_rank(line) + u64::from(equal.trailing_zeros())) as usize
    }

    /// Whether the candidate of a key's line is its record.
    #[inline(always)]
    pub(super) fn guess_candidate_lined<const ALL: bool, const LEN: usize>(
        &self,
        fixed: &Fixed,
        candidate: usize,
        key: &[u8],
    ) -> Guess {
        if candidate == NO_TAG {
            return Guess::MISS;
        }
        let value =
            self.value_fixed::<_, ALL, LEN, ANY_LEN>(Baseline, fixed, candidate as u64, key);
        value.unwrap_or_else(Guess::unsure)
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
        walk: usize,
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
            self.prefetch_walk(fixed.offset(start.min(self.layout.entries)), walk);
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
