//! Iteration from both ends.

use super::advice::Windows;
use super::back::{BackBlock, prefetch_before};
use super::search::{Entry, Place, Start};
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::layout::Layout;
use crate::format::record::Fixed;
use std::iter::FusedIterator;
use std::ops::Range;

/// How many records are prefetched at the start of a walk, and how many bytes of them at least and
/// at most: a processor foresees a walk only once it has seen some of it, and lines that nobody
/// reads keep the next walk waiting.
const FETCH: usize = 10;
const FETCH_LEAST: usize = 256;
const FETCH_MOST: usize = 2 << 10;

/// Bytes of records that are prefetched at the start of a walk over a table.
pub(super) fn first_walk(layout: &Layout) -> usize {
    let average = layout.records.len() as u64 / layout.entries.max(1);
    (average.saturating_mul(FETCH as u64) as usize).clamp(FETCH_LEAST, FETCH_MOST)
}

/// Bytes of records that are handed on between two looks at whether a page was lost.
const RUN: usize = 64 << 10;

/// Entries between two places, ascending. After an error it is over.
///
/// Where the start was found through the hash index its rank is not known; whoever asks for
/// [`len`](ExactSizeIterator::len), [`nth`](Iterator::nth) or a skip from the back pays for one
/// search.
#[derive(Clone)]
pub struct Iter<'t> {
    inner: &'t Inner,
    front: Start,
    end: Place,
    /// The table up to where pages are known to be checked, seen from the front: records that end
    /// in it are taken as they are.
    ahead: &'t [u8],
    /// Bytes before the back whose pages are known to be checked.
    behind: Range<usize>,
    back: BackBlock,
    /// What was asked for at the front and at the back, where the table exceeds the memory.
    windows: [Windows; 2],
    error: Option<ReadError>,
}

impl<'t> Iter<'t> {
    pub(super) fn between(
        inner: &'t Inner,
        from: ReadResult<Start>,
        to: ReadResult<Place>,
    ) -> Self {
        let (front, end, error) = match (from, to) {
            (Ok(from), Ok(to)) if to.offset >= from.offset => (from, to, None),
            (Ok(_), Ok(to)) => (to.into(), to, None),
            // The error is the one item.
            (Err(error), _) | (_, Err(error)) => {
                (inner.start().into(), Place { rank: 1, offset: usize::MAX }, Some(error))
            }
        };
        let windows = [Windows::START; 2];
        let back = BackBlock::new();
        let mut iter = Self { inner, front, end, ahead: &[], behind: 0..0, back, windows, error };
        // A seek has asked for them; not every walk begins with one.
        inner.prefetch_walk(front.offset, inner.first_walk.min(end.offset - front.offset));
        iter.look_ahead();
        iter
    }

    #[inline(always)]
    fn is_over(&self) -> bool {
        self.front.offset >= self.end.offset
    }

    /// Entries from the front to the end.
    fn left(&self) -> ReadResult<u64> {
        if self.is_over() {
            return Ok(0);
        }
        Ok(self.end.rank.saturating_sub(self.front_rank()?))
    }

    fn front_rank(&self) -> ReadResult<u64> {
        match self.front.rank {
            Some(rank) => Ok(rank),
            None => self.inner.rank_at(self.front.offset),
        }
    }

    /// Notes how far the pages from the front on are checked. With an error to be told first,
    /// nothing is ready.
    #[inline]
    fn look_ahead(&mut self) {
        let mut ahead = match self.error {
            None => self.inner.checked_from(self.front.offset),
            Some(_) => 0,
        };
        if self.inner.windows && ahead > 0 {
            let (bytes, at) = (&self.inner.bytes, self.front.offset);
            ahead = ahead.min(self.windows[0].forward(bytes, at, self.end.offset));
        }
        self.ahead = self.inner.bytes().get(..ahead).unwrap_or_default();
    }

    /// The next entry, if it lies on pages that are known to be checked.
    #[inline(always)]
    fn ready(&mut self) -> Option<Entry<'t>> {
        let offset = self.front.offset;
        let (key, value, after) = match &self.inner.layout.fixed {
            Some(fixed) => {
                let (key, value) = fixed.split(self.ahead.get(offset..)?)?;
                (key, value, offset + fixed.stride)
            }
            None => {
                let parts = self.inner.layout.decoder.parts(self.ahead, offset)?;
                let value = self.ahead.get(parts.value())?;
                (self.ahead.get(parts.key())?, value, parts.end())
            }
        };
        self.front.advance(after);
        Some((key, value))
    }

    #[cold]
    fn fail(&mut self, error: ReadError) -> Option<ReadResult<Entry<'t>>> {
        self.end.offset = self.front.offset;
        Some(self.inner.sound(Err(error)))
    }

    /// The next entry, its pages checked first.
    #[inline(never)]
    fn careful_next(&mut self) -> Option<ReadResult<Entry<'t>>> {
        if let Some(error) = self.error.take() {
            return self.fail(error);
        }
        match self.step() {
            Ok(entry) => Some(Ok(entry)),
            Err(error) => self.fail(error),
        }
    }

    fn step(&mut self) -> ReadResult<Entry<'t>> {
        let parts = self.inner.parts_at(self.front.offset)?;
        let entry = self.inner.entry(&parts)?;
        self.front.advance(self.inner.after(self.front.offset, &parts));
        self.look_ahead();
        Ok(entry)
    }

    /// Takes records of fixed width that lie on pages known to be checked.
    fn take_run(&mut self, fixed: &Fixed) -> &'t [u8] {
        let end = self.ahead.len().min(self.end.offset);
        let records = self.run(end.saturating_sub(self.front.offset), fixed);
        let run = self.front.offset..self.front.offset + records * fixed.stride;
        self.front.offset = run.end;
        self.front.rank = self.front.rank.map(|rank| rank + records as u64);
        self.ahead.get(run).unwrap_or_default()
    }

    /// How many records of `checked` bytes to take at once: none where a page was lost, which the
    /// step that follows says, and no more than may turn to zeros before it does.
    fn run(&self, checked: usize, fixed: &Fixed) -> usize {
        let bytes = if self.inner.bytes.unharmed() { checked.min(RUN) } else { 0 };
        bytes / fixed.stride
    }

    /// The same from the back.
    fn take_run_back(&mut self, fixed: &Fixed) -> &'t [u8] {
        let end = self.end.offset;
        let start = self.behind.start.max(self.front.offset);
        let checked = if end <= self.behind.end { end.saturating_sub(start) } else { 0 };
        let records = self.run(checked, fixed);
        self.end.rank -= records as u64;
        self.end.offset -= records * fixed.stride;
        self.inner.bytes().get(self.end.offset..end).unwrap_or_default()
    }

    /// The last entry, if it lies on pages that are known to be checked.
    #[inline(always)]
    fn ready_back(&mut self) -> Option<Entry<'t>> {
        let rank = self.end.rank.checked_sub(1)?;
        let bytes = self.inner.bytes();
        let (offset, parts) = match &self.inner.layout.fixed {
            Some(fixed) => (fixed.offset(rank), fixed.parts(fixed.offset(rank))),
            None => {
                let offset = self.back.known_offset(rank)?;
                let parts = self.inner.layout.decoder.parts(bytes, offset)?;
                prefetch_before(bytes, offset..parts.end());
                (offset, parts)
            }
        };
        if offset < self.behind.start || parts.end() > self.behind.end {
            return None;
        }
        let entry = (bytes.get(parts.key())?, bytes.get(parts.value())?);
        self.end = Place { rank, offset };
        Some(entry)
    }

    /// The last entry, its pages checked first.
    #[inline(never)]
    fn careful_next_back(&mut self) -> Option<ReadResult<Entry<'t>>> {
        if let Some(error) = self.error.take() {
            return self.fail(error);
        }
        match self.step_back() {
            Ok(entry) => Some(Ok(entry)),
            Err(error) => self.fail(error),
        }
    }

    fn step_back(&mut self) -> ReadResult<Entry<'t>> {
        let misplaced = || ReadError::corrupt("more records than ranks", self.end.offset as u64);
        let rank = self.end.rank.checked_sub(1).ok_or_else(misplaced)?;
        let offset = self.back.offset(self.inner, rank)?;
        let parts = self.inner.parts_at(offset)?;
        let entry = self.inner.entry(&parts)?;
        self.end = Place { rank, offset };
        self.behind = self.inner.checked_before(offset..parts.end());
        if self.inner.windows {
            let limit = self.windows[1].backward(&self.inner.bytes, offset, self.front.offset);
            self.behind.start = self.behind.start.max(limit);
        }
        Ok(entry)
    }

    /// Moves the front by rank, without a walk.
    fn skip(&mut self, n: usize) -> ReadResult<()> {
        let rank = self.front_rank()?.saturating_add(n as u64).min(self.end.rank);
        let place = match rank < self.inner.layout.entries {
            true => self.inner.place_of(rank)?,
            false => self.inner.end(),
        };
        self.front = place.into();
        self.windows[0] = Windows::START;
        self.look_ahead();
        Ok(())
    }

    /// Moves the end by rank, without a walk.
    fn skip_back(&mut self, n: usize) -> ReadResult<()> {
        let rank = self.end.rank - (n as u64).min(self.left()?);
        if rank < self.inner.layout.entries {
            self.end = self.inner.place_of(rank)?;
        }
        self.behind = 0..0;
        self.windows[1] = Windows::START;
        Ok(())
    }
}

impl<'t> Iterator for Iter<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over() {
            return None;
        }
        match self.ready() {
            Some(entry) if self.inner.bytes.unharmed() => Some(Ok(entry)),
            _ => self.careful_next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error is an item of its own.
        let left = if self.error.is_some() { Ok(1) } else { self.left() };
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

    /// What `for_each` and most adapters use: records of fixed width go by whole runs.
    #[inline]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(mut self, mut all: A, mut f: F) -> A {
        loop {
            if let Some(fixed) = self.inner.layout.fixed {
                let records = self.take_run(&fixed).chunks_exact(fixed.stride);
                all = records.filter_map(|record| fixed.split(record)).map(Ok).fold(all, &mut f);
            }
            match self.next() {
                Some(entry) => all = f(all, entry),
                None => return all,
            }
        }
    }

    /// Skips by rank, without walking.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        if n > 0
            && self.error.is_none()
            && !self.is_over()
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
        if self.is_over() {
            return None;
        }
        match self.ready_back() {
            Some(entry) if self.inner.bytes.unharmed() => Some(Ok(entry)),
            _ => self.careful_next_back(),
        }
    }

    /// As `fold`.
    #[inline]
    fn rfold<A, F: FnMut(A, Self::Item) -> A>(mut self, mut all: A, mut f: F) -> A {
        loop {
            if let Some(fixed) = self.inner.layout.fixed {
                let records = self.take_run_back(&fixed).chunks_exact(fixed.stride).rev();
                all = records.filter_map(|record| fixed.split(record)).map(Ok).fold(all, &mut f);
            }
            match self.next_back() {
                Some(entry) => all = f(all, entry),
                None => return all,
            }
        }
    }

    /// Skips by rank, without walking.
    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        if n > 0
            && self.error.is_none()
            && !self.is_over()
            && let Err(error) = self.skip_back(n)
        {
            return self.fail(error);
        }
        self.next_back()
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

macro_rules! projection {
    ($name:ident, $part:tt, $doc:expr) => {
        #[doc = $doc]
        #[derive(Clone)]
        pub struct $name<'t>(pub(super) Iter<'t>);

        impl<'t> Iterator for $name<'t> {
            type Item = Result<&'t [u8], ReadError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                Some(self.0.next()?.map(|entry| entry.$part))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }

            fn count(self) -> usize {
                self.0.count()
            }

            fn last(self) -> Option<Self::Item> {
                Some(self.0.last()?.map(|entry| entry.$part))
            }

            fn nth(&mut self, n: usize) -> Option<Self::Item> {
                Some(self.0.nth(n)?.map(|entry| entry.$part))
            }
        }

        impl DoubleEndedIterator for $name<'_> {
            fn next_back(&mut self) -> Option<Self::Item> {
                Some(self.0.next_back()?.map(|entry| entry.$part))
            }
        }

        impl ExactSizeIterator for $name<'_> {}
        impl FusedIterator for $name<'_> {}
    };
}

projection!(Keys, 0, "Keys, ascending.");
projection!(Values, 1, "Values, in the order of their keys.");
