//! The state of an iteration, without its borrow of the table: an iterator that owns its table keeps
//! it between two steps.

use super::super::place::{Entry, Place};
use super::super::view::View;
use super::backward::{BackwardBlock, prefetch_before};
use super::windows::Windows;
use crate::error::ReadError;
use crate::format::record::Parts;
use std::ops::Range;

/// What an iteration is besides its borrow of the table.
#[derive(Clone)]
pub(super) struct Walk {
    /// Where the next entry starts.
    pub(super) front: usize,
    pub(super) end: Place,
    /// How many entries are left: exactly if `ranked`, else at most.
    pub(super) left: u64,
    /// Whether the rank of the front is known.
    pub(super) ranked: bool,
    /// The bytes before the end whose pages are known to be checked.
    pub(super) behind: Range<usize>,
    pub(super) back: BackwardBlock,
    /// What was asked for at the front and at the end, where the table exceeds the memory.
    pub(super) windows: [Windows; 2],
    pub(super) error: Option<ReadError>,
}

impl Walk {
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.front >= self.end.offset
    }

    /// The next entry, if it lies on pages that are known to be checked: in `ahead`.
    #[inline(always)]
    pub(super) fn ready<'t>(&mut self, view: &'t View, ahead: &'t [u8]) -> Option<Entry<'t>> {
        let (offset, left) = (self.front, self.left.checked_sub(1)?);
        let (key, value, after) = match &view.layout().fixed {
            Some(fixed) => {
                let (key, value) = fixed.split(ahead.get(offset..)?)?;
                (key, value, offset + fixed.stride)
            }
            None => view.layout().decoder.split(ahead, offset)?,
        };
        (self.front, self.left) = (after, left);
        Some((key, value))
    }

    /// The last entry, if it lies on pages that are known to be checked.
    #[inline(always)]
    pub(super) fn ready_back<'t>(&mut self, view: &'t View) -> Option<Entry<'t>> {
        let (rank, left) = (self.end.rank.checked_sub(1)?, self.left.checked_sub(1)?);
        let (entry, offset) = match &view.layout().fixed {
            Some(fixed) => {
                let offset = fixed.offset(rank);
                (self.if_behind(view, offset, fixed.parts(offset))?, offset)
            }
            None => self.variable_back_at(view, rank)?,
        };
        (self.end, self.left) = (Place { rank, offset }, left);
        Some(entry)
    }

    /// The record of variable width with this rank, if the places of its block are known and it lies on
    /// pages that are known to be checked; and where it starts.
    #[inline(always)]
    pub(super) fn variable_back_at<'t>(
        &self,
        view: &'t View,
        rank: u64,
    ) -> Option<(Entry<'t>, usize)> {
        let offset = self.back.known_offset(rank)?;
        let parts = view.layout().decoder.parts(view.bytes(), offset)?;
        prefetch_before(view.bytes(), offset..parts.end());
        Some((self.if_behind(view, offset, parts)?, offset))
    }

    /// The record at `offset`, if it lies in `behind` and not before the front.
    #[inline(always)]
    fn if_behind<'t>(&self, view: &'t View, offset: usize, parts: Parts) -> Option<Entry<'t>> {
        if offset < self.behind.start.max(self.front) || parts.end() > self.behind.end {
            return None;
        }
        Some((view.bytes().get(parts.key())?, view.bytes().get(parts.value())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::iter::Iter;
    use super::super::tables::{built, entries, places, slices, trusted};
    use super::*;

    /// A walk from entry 3 up to entry 9, which knows nothing about the pages at its end.
    fn walk(view: &View, places: &[Place]) -> Walk {
        Iter::between(view, Ok(places[3].into()), Ok(places[9]), 0).walk
    }

    #[test]
    fn entries_on_checked_pages_are_ready_at_both_ends() {
        for fixed in [false, true] {
            let entries = entries(20, fixed);
            let view = trusted(&built(&entries));
            let places = places(&view);
            let right = slices(&entries[3..9]);

            let mut up = walk(&view, &places);
            assert_eq!(up.ready(&view, &view.bytes()[..places[3].offset]), None);
            let ready: Vec<_> = (3..9).map_while(|_| up.ready(&view, view.bytes())).collect();
            assert_eq!(ready, right);
            assert_eq!((up.front, up.left), (places[9].offset, 0));

            let mut down = walk(&view, &places);
            assert_eq!(down.ready_back(&view), None);
            down.behind = 0..view.end().offset;
            down.back.offset(&view, 8).unwrap();
            let mut ready: Vec<_> = (3..9).map_while(|_| down.ready_back(&view)).collect();
            ready.reverse();
            assert_eq!(ready, right);
            assert_eq!((down.end, down.left), (places[3], 0));
        }
    }

    #[test]
    fn a_record_is_ready_if_all_of_it_is_checked_and_not_before_the_front() {
        let entries = entries(20, false);
        let view = trusted(&built(&entries));
        let places = places(&view);
        let parts = view.parts_at(places[6].offset).unwrap();
        let (record, end) = (places[6].offset..places[7].offset, view.end().offset);
        let entry = slices(&entries)[6];

        let mut walk = walk(&view, &places);
        walk.back.offset(&view, 6).unwrap();
        for (front, behind, is_ready) in [
            (0, record.clone(), true),
            (record.start, 0..end, true),
            (record.start + 1, 0..end, false),
            (0, record.start + 1..end, false),
            (0, 0..record.end - 1, false),
        ] {
            let which = format!("{record:?} from {front} in {behind:?}");
            (walk.front, walk.behind) = (front, behind);
            let ready = is_ready.then_some(entry);
            assert_eq!(walk.if_behind(&view, record.start, parts), ready, "{which}");
            let with_place = ready.map(|entry| (entry, record.start));
            assert_eq!(walk.variable_back_at(&view, 6), with_place, "{which}");
        }
    }
}
