//! The line index: point lookups and searches by order through one line.

use super::lookup::{ANY_LEN, Guess};
use super::search::{Bound, Place, below};
use super::simd::{Baseline, Simd, tags_below};
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::index::line::{
    LINE, LINE_TAGS, LinePlace, MAX_LINE_EQUAL, MAX_LINE_KEYS, base_rank, tag,
};
use crate::format::layout::LineLayout;
use crate::format::order::equal;
use crate::format::record::Fixed;

/// What a line says of a tag.
#[derive(Clone, Copy)]
pub(super) enum Asked {
    /// The rank of the first key with it.
    Rank(u64),
    Absent,
    Unsure,
}

impl Inner {
    /// Looks a key up in the line index on trust: one line, and one record if its tag is there.
    /// The careful search sorts out the rest: equal tags, more keys than tags. `ALL`: no page is
    /// left to check; `LEN`: the length of the table's keys.
    #[inline(always)]
    pub(super) fn guess_lined<'t, S: Simd, const ALL: bool, const LEN: usize>(
        &'t self,
        simd: S,
        key: &[u8],
    ) -> Guess<'t> {
        // Keys of another length are not in the table. Of a length that the compiler knows the head
        // is one load.
        let key = match LEN {
            ANY_LEN => key,
            _ => match key.get(..LEN) {
                Some(start) if start.len() == key.len() => start,
                _ => return Guess::MISS,
            },
        };
        match self.scale.place(key).map(|place| self.ask_line::<S, ALL>(simd, place)) {
            Some(Asked::Rank(rank)) => self.guess_ranked::<ALL, LEN>(rank, key),
            Some(Asked::Unsure) => Guess::unsure(),
            Some(Asked::Absent) | None => Guess::MISS,
        }
    }

    /// What the line of a place says.
    #[inline(always)]
    pub(super) fn ask_line<S: Simd, const ALL: bool>(&self, simd: S, place: LinePlace) -> Asked {
        let Some(line) = self.bytes.cell(place.line) else { return Asked::Absent };
        if !ALL && !self.pages.is_checked(self.bytes.offset_of(line)) {
            return Asked::Unsure;
        }
        let equal = simd.tags_equal(line, place.tag);
        if equal == 0 {
            // A line with more keys than tags says nothing of those above its last tag.
            let beyond = tag(line, LINE_TAGS - 1) < place.tag;
            return if beyond { Asked::Unsure } else { Asked::Absent };
        }
        // Tags ascend: as many are below the first of the equals as stand before it.
        Asked::Rank(base_rank(line) + u64::from(equal.trailing_zeros()))
    }

    /// Whether the record of a rank that a line has named is that of `key`.
    #[inline(always)]
    pub(super) fn guess_ranked<'t, const ALL: bool, const LEN: usize>(
        &'t self,
        rank: u64,
        key: &[u8],
    ) -> Guess<'t> {
        let Some((stored, value)) = self.bytes.fixed::<LEN>(rank) else { return Guess::unsure() };
        if LEN == ANY_LEN && stored.len() != key.len() {
            return Guess::MISS;
        }
        let start = self.bytes.offset_of(stored);
        let end = start + stored.len() + value.len();
        if !(equal(stored, key) && (ALL || end <= self.pages.checked_end(start))) {
            return Guess::unsure();
        }
        Guess::value(value)
    }

    /// Where the record that the line has named is not the key's, as for an absent key that differs
    /// from others behind its head: all records of the tag.
    pub(super) fn guess_lined_again<'t, const ALL: bool>(&'t self, key: &[u8]) -> Guess<'t> {
        let Some(place) = self.scale.place(key) else { return Guess::MISS };
        let Some(line) = self.bytes.cell(place.line) else { return Guess::MISS };
        if !ALL && !self.pages.is_checked(self.bytes.offset_of(line)) {
            return Guess::UNSURE;
        }
        let mut found = Baseline.tags_equal(line, place.tag);
        // Of its last tag a line may have more keys than tags.
        let last = found >> (LINE_TAGS - 1) != 0;
        if found == 0 || last || found.count_ones() as usize > MAX_LINE_EQUAL {
            return Guess::UNSURE;
        }
        while found != 0 {
            let rank = base_rank(line) + u64::from(found.trailing_zeros());
            let Some((stored, value)) = self.bytes.fixed::<ANY_LEN>(rank) else {
                return Guess::UNSURE;
            };
            let start = self.bytes.offset_of(stored);
            let end = start + stored.len() + value.len();
            if !ALL && end > self.pages.checked_end(start) {
                return Guess::UNSURE;
            }
            if equal(stored, key) {
                return Guess::value(value);
            }
            found &= found - 1;
        }
        Guess::MISS
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
