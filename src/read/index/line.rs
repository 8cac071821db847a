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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuildOptions;
    use crate::format::layout::Layout;
    use crate::read::map::Bytes;
    use crate::read::pages::Pages;

    const LINES: u64 = 100;
    /// Heads that belong to one line.
    const WIDTH: u64 = 1 << 20;
    /// Keys of the first line, and of the last. The 30 smallest have tags.
    const LONG: usize = 42;

    /// The heads of 1,984 keys, 20 for each line on average.
    fn heads() -> Vec<u64> {
        let mut heads = Vec::new();
        for line in 0..LINES {
            let keys = match line {
                0 | 99 => LONG as u64,
                1..=38 => 20,
                _ => 19,
            };
            heads.extend((0..keys).map(|i| line * WIDTH + i * (WIDTH / 64)));
        }
        // The first and the last head make the scale.
        heads[1983] = LINES * WIDTH - 1;
        heads
    }

    /// The bytes of a table whose keys are these heads, and its layout.
    fn table(value_len: usize) -> (Vec<u8>, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = heads().into_iter().map(|head| (head.to_be_bytes(), vec![7u8; value_len]));
        BuildOptions::new().durable(false).build(&path, entries).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let layout = Layout::parse(&bytes).unwrap();
        assert_eq!(layout.lines.unwrap().lines, LINES);
        (bytes, layout)
    }

    /// The view of a table whose pages are checked as `pages` says.
    fn view((bytes, layout): (Vec<u8>, Layout), pages: impl FnOnce(&Layout) -> Pages) -> View {
        let pages = pages(&layout);
        View::new(Bytes::from_cow(bytes.into()), layout, pages, None)
    }

    /// The view of a table whose bytes end with its lines.
    fn view_without_end() -> View {
        let (mut bytes, layout) = table(1);
        bytes.truncate(layout.lines.unwrap().span.end);
        view((bytes, layout), |_| Pages::unchecked())
    }

    /// Asserts that the key with this rank is found, and what follows it.
    fn assert_found(lines: Lines<'_>, rank: usize) {
        let key = heads()[rank].to_be_bytes();
        let place = |rank| Place { rank, offset: lines.fixed.offset(rank) };
        let rank = rank as u64;
        assert_eq!(lines.seek(&key, Side::NotBelow, 0), Ok(place(rank)));
        assert_eq!(lines.seek(&key, Side::Above, 0), Ok(place(rank + 1)));
    }

    /// A second line would be a second wait for memory. All lines but one are damaged here.
    #[test]
    fn a_key_with_a_tag_is_found_by_its_line_alone() {
        let (mut bytes, layout) = table(1);
        let span = layout.lines.unwrap().span;
        let start = span.start + 5 * LINE;
        bytes[span.start..start].fill(0);
        bytes[start + LINE..span.end].fill(0);
        let view = view((bytes, layout), |_| Pages::unchecked());
        let first = LONG + 4 * 20;
        (first..first + 20).for_each(|rank| assert_found(Lines::of(&view).unwrap(), rank));
    }

    /// No line follows the last one, and the first one begins with rank 0.
    #[test]
    fn keys_without_a_tag_are_found_in_the_first_and_the_last_line() {
        let view = view_without_end();
        let lines = Lines::of(&view).unwrap();
        let last = heads().len() - LONG;
        (0..LONG).chain(last..last + LONG).for_each(|rank| assert_found(lines, rank));
    }

    /// A record further on would be a page that is read in vain. Each has 1,024 bytes here.
    #[test]
    fn keys_without_a_tag_are_sought_among_those_of_their_line() {
        let view = view(table(1016), Pages::new);
        let lines = Lines::of(&view).unwrap();
        (LINE_TAGS..LONG).for_each(|rank| assert_found(lines, rank));
        let is_read = |rank: usize| view.pages().is_checked(lines.fixed.offset(rank as u64));
        assert!((LINE_TAGS..LONG).any(is_read));
        // Up to four records share the page of the line's last key.
        assert!(!(LONG + 4..1000).any(is_read));
    }

    #[test]
    fn the_lines_that_a_search_reads_are_known() {
        let view = view_without_end();
        let lines = Lines::of(&view).unwrap();
        let line = |number: usize| {
            let start = lines.index.span.start + number * LINE;
            start..start + LINE
        };
        let heads = heads();
        let read = |head: u64| lines.read_for(&head.to_be_bytes()).unwrap();
        let last = heads.len() - LONG;
        assert_eq!(read(heads[LINE_TAGS - 1]), [line(0)]);
        assert_eq!(read(heads[LINE_TAGS]), [line(0), line(1)]);
        assert_eq!(read(98 * WIDTH), [line(98)]);
        assert_eq!(read(heads[last]), [line(99)]);
        assert_eq!(read(heads[last + LINE_TAGS]), [line(99)]);
        // The head after the last one that has a line.
        assert!(read(LINES * WIDTH).is_empty());
    }

    /// Damage elsewhere is no reason to fail, and a page that need not be checked takes no time.
    #[test]
    fn a_line_is_read_without_a_check_of_the_pages_behind_it() {
        let view = view(table(1), Pages::new);
        let lines = Lines::of(&view).unwrap();
        let span = lines.index.span;
        assert!(span.len() > 4096, "the index has several pages");
        assert!(lines.line(0).is_ok());
        assert!(view.pages().is_checked(span.start));
        assert!(!view.pages().is_checked(span.end - 1));
    }

    /// Eight keys may have the tag. The walk passes them and sees the ninth.
    #[test]
    fn a_walk_over_equal_tags_compares_nine_keys_at_most() {
        let view = view_without_end();
        let lines = Lines::of(&view).unwrap();
        let heads = heads();
        let walk = |start: u64, rank: u64, side| {
            lines.walk_equal_tags(start, &heads[rank as usize].to_be_bytes(), side)
        };
        let too_many = |start: u64| -> ReadResult<Place> {
            let offset = lines.fixed.offset(start) as u64;
            Err(view.corrupt("more keys of one tag than allowed", offset))
        };
        let ninth = Place { rank: 13, offset: lines.fixed.offset(13) };
        assert_eq!(walk(5, 13, Side::NotBelow), Ok(ninth));
        assert_eq!(walk(5, 14, Side::NotBelow), too_many(5));
        // Nine keys, or ten, are left up to the end, which is behind all of them.
        let entries = heads.len() as u64;
        assert_eq!(walk(entries - 9, entries - 1, Side::Above), Ok(view.end()));
        assert_eq!(walk(entries - 10, entries - 1, Side::Above), too_many(entries - 10));
    }
}
