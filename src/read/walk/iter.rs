//! Iteration from both ends.

use super::super::place::{Entry, Place, Start};
use super::super::search::Search;
use super::super::view::View;
use super::backward::BackwardBlock;
use super::state::Walk;
use super::windows::Windows;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::Layout;
use crate::format::record::Fixed;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

/// Records that are prefetched at the start of a walk. A processor foresees a walk only once it has
/// seen some of it.
const FETCH: usize = 10;
/// Fewest and most bytes that are prefetched for these records. Lines that nobody reads delay the
/// next walk.
const FETCH_LEAST: usize = 256;
const FETCH_MOST: usize = 2 << 10;

/// Most bytes of a run: of records that are handed on between two questions whether a page was
/// lost.
const RUN: usize = 64 << 10;

/// Index and records disagree about what lies between the two ends.
const MISPLACED: &str = "index names another place";
const TOO_MANY: &str = "more records than ranks";

/// Entries between two places, ascending. After an error the iteration is over.
///
/// Each step brings the ends closer, in bytes and in ranks, whatever the index of a damaged table
/// says: an iterator gives at most as many entries as the table has, and a place that an index
/// names outside of the two ends is an error.
///
/// Where the start was found through the hash index its rank is unknown. Then
/// [`len`](ExactSizeIterator::len), [`nth`](Iterator::nth) and a skip from the back cost one
/// search.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// # graven::BuildOptions::new().build(&path, [("a", "1"), ("c", "3"), ("e", "5")])?;
/// # let table = graven::Table::load(&path)?;
/// let mut entries = table.range("b"..);
/// assert_eq!(entries.len(), 2);
/// assert_eq!(entries.next_back().transpose()?, Some((&b"e"[..], &b"5"[..])));
/// assert_eq!(entries.next().transpose()?, Some((&b"c"[..], &b"3"[..])));
/// assert!(entries.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Iter<'t> {
    pub(super) view: &'t View,
    pub(super) walk: Walk,
    /// The table up to the end of the pages ahead of the front that are known to be checked.
    /// Records that end in it need no check.
    pub(super) ahead: &'t [u8],
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("bytes", &(self.walk.front..self.walk.end.offset))
            .finish_non_exhaustive()
    }
}

impl<'t> Iter<'t> {
    /// Bytes of records that are prefetched at the start of a walk over a table.
    pub(crate) fn first_walk(layout: &Layout) -> usize {
        let average = layout.records.len() as u64 / layout.entries.max(1);
        (average.saturating_mul(FETCH as u64) as usize).clamp(FETCH_LEAST, FETCH_MOST)
    }

    /// The entries between two places. `walk`: bytes of records to prefetch.
    pub(crate) fn between(
        view: &'t View,
        from: ReadResult<Start>,
        to: ReadResult<Place>,
        walk: usize,
    ) -> Self {
        let (from, end, error) = match (from, to) {
            (Ok(from), Ok(to)) if to.offset >= from.offset => (from, to, None),
            (Ok(_), Ok(to)) => (to.into(), to, None),
            // The error is the one item.
            (Err(error), _) | (_, Err(error)) => {
                (view.start().into(), Place { rank: 1, offset: usize::MAX }, Some(error))
            }
        };
        let mut iter = Self {
            view,
            ahead: &[],
            walk: Walk {
                front: from.offset,
                end,
                left: end.rank.saturating_sub(from.rank.unwrap_or(0)),
                ranked: from.rank.is_some(),
                behind: 0..0,
                back: BackwardBlock::new(),
                windows: [Windows::START; 2],
                error,
            },
        };
        // A search has prefetched them already, but not every walk begins with a search.
        view.prefetch_walk(from.offset, walk.min(end.offset - from.offset));
        iter.look_ahead();
        iter
    }

    /// The table, where the next entry starts, and where the last one ends.
    pub(super) fn front(&self) -> (&'t View, Range<usize>) {
        (self.view, self.walk.front..self.walk.end.offset)
    }

    /// Moves the front over so many entries, which end at `offset`. The number is at most that of the
    /// entries that are left.
    pub(super) fn pass(&mut self, entries: u64, offset: usize) {
        self.walk.left = self.walk.left.saturating_sub(entries);
        self.walk.front = offset.min(self.walk.end.offset);
        self.look_ahead();
    }

    /// The ends have met; in a damaged table, not as their ranks say.
    #[inline(never)]
    pub(super) fn over(&mut self) -> Option<ReadResult<Entry<'t>>> {
        if self.walk.front == self.walk.end.offset && (self.walk.left == 0 || !self.walk.ranked) {
            return None;
        }
        self.fail(self.misplaced(MISPLACED))
    }

    #[cold]
    fn misplaced(&self, what: &'static str) -> ReadError {
        self.view.corrupt(what, self.walk.front as u64)
    }

    /// Entries from the front to the end.
    fn left(&self) -> ReadResult<u64> {
        if self.walk.is_over() {
            return Ok(0);
        }
        if self.walk.ranked {
            return Ok(self.walk.left);
        }
        Ok(self.walk.end.rank.saturating_sub(Search::of(self.view).rank_at(self.walk.front)?))
    }

    /// Notes how far the pages from the front on are checked. While an error waits to be returned,
    /// nothing is ready.
    #[inline]
    fn look_ahead(&mut self) {
        let mut ahead = match self.walk.error {
            None => self.view.checked_from(self.walk.front),
            Some(_) => 0,
        };
        if self.view.exceeds_memory() && ahead > 0 {
            let limit =
                self.walk.windows[0].forward(self.view, self.walk.front, self.walk.end.offset);
            ahead = ahead.min(limit);
        }
        self.ahead = self.view.bytes().get(..ahead).unwrap_or_default();
    }

    #[cold]
    fn fail(&mut self, error: ReadError) -> Option<ReadResult<Entry<'t>>> {
        self.walk.end.offset = self.walk.front;
        self.walk.left = 0;
        Some(self.view.sound(Err(error)))
    }

    /// The next entry, its pages checked first.
    #[inline(never)]
    pub(super) fn checked_next(&mut self) -> Option<ReadResult<Entry<'t>>> {
        if let Some(error) = self.walk.error.take() {
            return self.fail(error);
        }
        match self.step() {
            Ok(entry) => Some(Ok(entry)),
            Err(error) => self.fail(error),
        }
    }

    fn step(&mut self) -> ReadResult<Entry<'t>> {
        let left = self.walk.left.checked_sub(1).ok_or_else(|| self.misplaced(TOO_MANY))?;
        let parts = self.view.parts_at(self.walk.front)?;
        let entry = self.view.entry(&parts)?;
        (self.walk.front, self.walk.left) = (self.view.after(self.walk.front, &parts), left);
        self.look_ahead();
        Ok(entry)
    }

    /// Takes a run of records of fixed width from the front: their pages are known to be checked.
    pub(crate) fn take_run(&mut self, fixed: &Fixed) -> &'t [u8] {
        let end = self.ahead.len().min(self.walk.end.offset);
        let records = self.run_len(end.saturating_sub(self.walk.front), fixed);
        let run = self.walk.front..self.walk.front + records * fixed.stride;
        self.walk.front = run.end;
        self.walk.left -= records as u64;
        self.ahead.get(run).unwrap_or_default()
    }

    /// The next entry, if its pages are known to be checked; else [`next`](Iterator::next) gives it.
    #[inline(always)]
    pub(crate) fn ready(&mut self) -> Option<Entry<'t>> {
        if self.walk.is_over() {
            return None;
        }
        self.walk.ready(self.view, self.ahead).filter(|_| self.view.memory().nothing_lost())
    }

    /// Folds entries of variable width at the front, as long as their pages are known to be checked. Place
    /// and number of the entries that are left stay in registers meanwhile.
    #[inline(always)]
    fn fold_ready<A>(
        &mut self,
        mut all: A,
        f: &mut impl FnMut(A, <Self as Iterator>::Item) -> A,
    ) -> A {
        let (view, ahead, end) = (self.view, self.ahead, self.walk.end.offset);
        let (mut front, mut left) = (self.walk.front, self.walk.left);
        while front < end
            && left > 0
            && let Some((key, value, after)) = view.layout().decoder.split(ahead, front)
            && view.memory().nothing_lost()
        {
            (front, left) = (after, left - 1);
            all = f(all, Ok((key, value)));
        }
        (self.walk.front, self.walk.left) = (front, left);
        all
    }

    /// Takes back the last records of a run that was taken.
    pub(crate) fn give_back(&mut self, records: &[u8], fixed: &Fixed) {
        self.walk.front -= records.len();
        self.walk.left += (records.len() / fixed.stride) as u64;
    }

    /// Number of records in a run, of which at most `checked` bytes are checked. None once a page
    /// was lost: the step that follows returns the error. At most [`RUN`] bytes, because a page
    /// that is lost within a run reads as zeros.
    fn run_len(&self, checked: usize, fixed: &Fixed) -> usize {
        let bytes = if self.view.memory().nothing_lost() { checked.min(RUN) } else { 0 };
        (bytes / fixed.stride).min(usize::try_from(self.walk.left).unwrap_or(usize::MAX))
    }

    /// Folds entries of variable width at the back, as long as their pages are known to be checked. As
    /// [`fold_ready`](Self::fold_ready).
    #[inline(always)]
    fn rfold_ready<A>(
        &mut self,
        mut all: A,
        f: &mut impl FnMut(A, <Self as Iterator>::Item) -> A,
    ) -> A {
        let (view, front) = (self.view, self.walk.front);
        let (mut end, mut left) = (self.walk.end, self.walk.left);
        while front < end.offset
            && left > 0
            && let Some(rank) = end.rank.checked_sub(1)
            && let Some((entry, offset)) = self.walk.variable_back_at(view, rank)
            && view.memory().nothing_lost()
        {
            (end, left) = (Place { rank, offset }, left - 1);
            all = f(all, Ok(entry));
        }
        (self.walk.end, self.walk.left) = (end, left);
        all
    }

    /// Takes a run of records of fixed width from the back.
    fn take_run_back(&mut self, fixed: &Fixed) -> &'t [u8] {
        let end = self.walk.end.offset;
        let start = self.walk.behind.start.max(self.walk.front);
        let checked = if end <= self.walk.behind.end { end.saturating_sub(start) } else { 0 };
        let records = self.run_len(checked, fixed);
        self.walk.end.rank -= records as u64;
        self.walk.end.offset -= records * fixed.stride;
        self.walk.left -= records as u64;
        self.view.bytes().get(self.walk.end.offset..end).unwrap_or_default()
    }

    /// The last entry, its pages checked first.
    #[inline(never)]
    pub(super) fn checked_next_back(&mut self) -> Option<ReadResult<Entry<'t>>> {
        if let Some(error) = self.walk.error.take() {
            return self.fail(error);
        }
        match self.step_back() {
            Ok(entry) => Some(Ok(entry)),
            Err(error) => self.fail(error),
        }
    }

    fn step_back(&mut self) -> ReadResult<Entry<'t>> {
        let ranks = self.walk.end.rank.checked_sub(1).zip(self.walk.left.checked_sub(1));
        let (rank, left) = ranks.ok_or_else(|| self.misplaced(TOO_MANY))?;
        let offset = self.walk.back.offset(self.view, rank)?;
        let parts = self.view.parts_at(offset)?;
        // A record that is found by its rank ends where the one behind it starts.
        if offset < self.walk.front || self.view.after(offset, &parts) != self.walk.end.offset {
            return Err(self.view.corrupt(MISPLACED, offset as u64));
        }
        let entry = self.view.entry(&parts)?;
        (self.walk.end, self.walk.left) = (Place { rank, offset }, left);
        self.walk.behind = self.view.checked_around(offset..parts.end());
        if self.view.exceeds_memory() {
            let limit = self.walk.windows[1].backward(self.view, offset, self.walk.front);
            self.walk.behind.start = self.walk.behind.start.max(limit);
        }
        Ok(entry)
    }

    /// Moves the front by rank, without a walk. The ends have not met.
    fn skip(&mut self, n: usize) -> ReadResult<()> {
        let left = self.left()?;
        let place = match left.checked_sub(n as u64) {
            _ if left == 0 => return Err(self.misplaced(TOO_MANY)),
            None | Some(0) => self.walk.end,
            Some(rest) => Search::of(self.view).place_of(self.walk.end.rank - rest)?,
        };
        if place.offset <= self.walk.front || place.offset > self.walk.end.offset {
            return Err(self.view.corrupt(MISPLACED, place.offset as u64));
        }
        (self.walk.front, self.walk.left) = (place.offset, self.walk.end.rank - place.rank);
        self.walk.ranked = true;
        self.walk.windows[0] = Windows::START;
        self.look_ahead();
        Ok(())
    }

    /// Moves the end by rank, without a walk. The ends have not met.
    fn skip_back(&mut self, n: usize) -> ReadResult<()> {
        let left = self.left()?;
        let rest = left.saturating_sub(n as u64);
        let rank = self.walk.end.rank - (left - rest);
        let offset = match rest {
            _ if left == 0 => return Err(self.misplaced(TOO_MANY)),
            0 => self.walk.front,
            // The places of the block, since the entry before is asked for next.
            _ => self.walk.back.offset(self.view, rank)?,
        };
        if offset < self.walk.front || offset >= self.walk.end.offset {
            return Err(self.view.corrupt(MISPLACED, offset as u64));
        }
        (self.walk.end, self.walk.left) = (Place { rank, offset }, rest);
        self.walk.ranked = true;
        self.walk.behind = 0..0;
        self.walk.windows[1] = Windows::START;
        Ok(())
    }
}

impl<'t> Iterator for Iter<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.walk.is_over() {
            return self.over();
        }
        match self.walk.ready(self.view, self.ahead) {
            Some(entry) if self.view.memory().nothing_lost() => Some(Ok(entry)),
            _ => self.checked_next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error is an item of its own.
        let left = if self.walk.error.is_some() { Ok(1) } else { self.left() };
        match usize::try_from(left.unwrap_or(1)) {
            Ok(left) => (left, Some(left)),
            Err(_) => (usize::MAX, None),
        }
    }

    fn count(self) -> usize {
        self.len()
    }

    fn last(mut self) -> Option<Self::Item> {
        self.next_back()
    }

    /// `for_each` and most adapters use this. Records of fixed width are taken in runs.
    #[inline]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(mut self, mut all: A, mut f: F) -> A {
        loop {
            all = match self.view.layout().fixed {
                Some(fixed) => {
                    let records = self.take_run(&fixed).chunks_exact(fixed.stride);
                    records.filter_map(|record| fixed.split(record)).map(Ok).fold(all, &mut f)
                }
                None => self.fold_ready(all, &mut f),
            };
            match self.next() {
                Some(entry) => all = f(all, entry),
                None => return all,
            }
        }
    }

    /// Skips by rank, without walking.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        if n > 0
            && self.walk.error.is_none()
            && !self.walk.is_over()
            && let Err(error) = self.skip(n)
        {
            return self.fail(error);
        }
        self.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.walk.is_over() {
            return self.over();
        }
        match self.walk.ready_back(self.view) {
            Some(entry) if self.view.memory().nothing_lost() => Some(Ok(entry)),
            _ => self.checked_next_back(),
        }
    }

    /// Records of fixed width are taken in runs.
    #[inline]
    fn rfold<A, F: FnMut(A, Self::Item) -> A>(mut self, mut all: A, mut f: F) -> A {
        loop {
            all = match self.view.layout().fixed {
                Some(fixed) => {
                    let records = self.take_run_back(&fixed).chunks_exact(fixed.stride).rev();
                    records.filter_map(|record| fixed.split(record)).map(Ok).fold(all, &mut f)
                }
                None => self.rfold_ready(all, &mut f),
            };
            match self.next_back() {
                Some(entry) => all = f(all, entry),
                None => return all,
            }
        }
    }

    /// Skips by rank, without walking.
    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        if n > 0
            && self.walk.error.is_none()
            && !self.walk.is_over()
            && let Err(error) = self.skip_back(n)
        {
            return self.fail(error);
        }
        self.next_back()
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
