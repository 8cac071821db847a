//! The line index: from a key to its place through one line. It serves tables of fixed width.

use super::super::place::{Place, Side};
use super::super::simd::{Baseline, Simd};
use super::super::view::View;
use crate::error::ReadResult;
use crate::format::index::line::{LINE, LINE_TAGS, MAX_LINE_EQUAL, MAX_LINE_KEYS, base_rank};
use crate::format::layout::LineLayout;
use crate::format::record::Fixed;
use std::ops::Range;

/// The line index of a table.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'t> {
    view: &'t View,
    index: &'t LineLayout,
    fixed: &'t Fixed,
}

impl<'t> Lines<'t> {
    /// The line index, if the table has one.
    #[inline]
    pub(crate) fn of(view: &'t View) -> Option<Self> {
        let (Some(index), Some(fixed)) = (&view.layout().lines, &view.layout().fixed) else {
            return None;
        };
        Some(Self { view, index, fixed })
    }

    /// Finds a place by key. `walk`: bytes of records that will be walked from there.
    pub(crate) fn seek(self, key: &[u8], side: Side, walk: usize) -> ReadResult<Place> {
        let Self { view, index, fixed } = self;
        let entries = view.layout().entries;
        let Some(place) = index.scale.place(key) else { return Ok(view.start()) };
        if place.line >= index.lines {
            return Ok(view.end());
        }
        let line = self.line(place.line)?;
        let below_tags = Baseline.tags_below(line, place.tag);
        let first = base_rank(line);
        let start = first + below_tags as u64;
        if below_tags < LINE_TAGS {
            view.prefetch_walk(fixed.offset(start.min(entries)), walk);
            return self.walk_equal_tags(start, key, side);
        }
        // The key belongs among those that have no tag in their line.
        let next = place.line + 1;
        let end = match next < index.lines {
            true => base_rank(self.line(next)?),
            false => entries,
        };
        view.bisect(fixed, start..end.min(first + MAX_LINE_KEYS), key, side)
    }

    /// Where the lines are that a search for `key` reads.
    pub(crate) fn read_for(self, key: &[u8]) -> ReadResult<Vec<Range<usize>>> {
        let range = |number: u64| {
            let start = self.index.span.start + number as usize * LINE;
            start..start + LINE
        };
        let place = self.index.scale.place(key).filter(|place| place.line < self.index.lines);
        let Some(place) = place else { return Ok(Vec::new()) };
        let mut lines = vec![range(place.line)];
        let tagged = Baseline.tags_below(self.line(place.line)?, place.tag) < LINE_TAGS;
        if !tagged && place.line + 1 < self.index.lines {
            lines.push(range(place.line + 1));
        }
        Ok(lines)
    }

    /// Line `number`, its page checked.
    fn line(self, number: u64) -> ReadResult<&'t [u8; LINE]> {
        let start = self.index.span.start + number as usize * LINE;
        self.view.ensure(start..start + LINE)?;
        let bytes = self.view.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
        bytes.ok_or_else(|| self.view.corrupt("line beyond the end", start as u64))
    }

    /// Walks from the first key of a tag to the place, rarely more than one step.
    fn walk_equal_tags(self, start: u64, key: &[u8], side: Side) -> ReadResult<Place> {
        let Self { view, fixed, .. } = self;
        let entries = view.layout().entries;
        for rank in (start..entries).take(MAX_LINE_EQUAL + 1) {
            let offset = fixed.offset(rank);
            if !side.is_behind(view.key_at(offset)?.0, key) {
                return Ok(Place { rank, offset });
            }
        }
        if entries.saturating_sub(start) <= MAX_LINE_EQUAL as u64 + 1 {
            return Ok(view.end());
        }
        let offset = fixed.offset(start) as u64;
        Err(view.corrupt("more keys of one tag than allowed", offset))
    }
}
