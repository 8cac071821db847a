//! Iteration from both ends.

use super::lookup::Found;
use super::search::{Entry, Place};
use super::simd::prefetch;
use super::table::Inner;
use super::tree::{Block, LINE};
use crate::error::{ReadError, ReadResult};
use crate::format::order::equal;
use crate::format::record::Fixed;
use crate::format::{BLOCK_BYTES, MAX_BLOCK};
use std::iter::FusedIterator;
use std::ops::Range;

/// How far before a record that is read backward prefetching goes: about a block, so that the
/// places of the next one can be found without waiting for memory.
const LEAD: usize = BLOCK_BYTES as usize;
/// Cache lines that are prefetched for one record at most.
const MOST_PREFETCHED: usize = 16;

/// Bytes of records that are handed on between two looks at whether a page was lost.
const RUN: usize = 64 << 10;

/// Where the records of one block start, for walking backward: records are found only forward.
#[derive(Clone)]
pub(super) struct BackBlock {
    block: Option<Block>,
    starts: [u32; MAX_BLOCK as usize],
}

impl BackBlock {
    pub(super) const fn new() -> Self {
        Self { block: None, starts: [0; MAX_BLOCK as usize] }
    }

    /// Offset of the record with this rank.
    #[inline]
    pub(super) fn offset(&mut self, inner: &Inner, rank: u64) -> ReadResult<usize> {
        if let Some(fixed) = &inner.layout.fixed {
            return Ok(fixed.offset(rank));
        }
        match self.known_offset(rank) {
            Some(offset) => Ok(offset),
            None => self.load(inner, rank),
        }
    }

    /// Offset of the record with this rank, if it is in the block that was read last.
    #[inline(always)]
    fn known_offset(&self, rank: u64) -> Option<usize> {
        let block = self.block.as_ref()?;
        let i = rank.checked_sub(block.start.rank).filter(|_| rank < block.end_rank)?;
        Some(block.start.offset + *self.starts.get(i as usize)? as usize)
    }

    #[inline(never)]
    fn load(&mut self, inner: &Inner, rank: u64) -> ReadResult<usize> {
        let block = match self.block.take() {
            Some(block) if block.start.rank == rank + 1 => inner.block_before(&block)?,
            _ => inner.block_of(rank)?,
        };
        let base = block.start.offset;
        let mut offset = base;
        let records = (block.end_rank - block.start.rank) as usize;
        for start in &mut self.starts[..records] {
            let far = |_| ReadError::corrupt("block is too long", base as u64);
            *start = u32::try_from(offset - base).map_err(far)?;
            offset = inner.parts_at(offset)?.end();
        }
        let i = (rank - block.start.rank) as usize;
        self.block = Some(block);
        Ok(base + self.starts[i] as usize)
    }
}

/// Asks for what lies a block before a record that is read on the way back: processors foresee
/// walks backward badly, and the next block's places are found by a walk forward.
#[inline]
fn prefetch_before(table: &[u8], record: Range<usize>) {
    let lines = (record.len() / LINE + 1).min(MOST_PREFETCHED);
    for line in 0..lines {
        prefetch(table, record.start.saturating_sub(LEAD) + line * LINE);
    }
}

/// Entries between two places, ascending. After an error it is over.
#[derive(Clone)]
pub struct Iter<'t> {
    inner: &'t Inner,
    front: Place,
    end_rank: u64,
    /// The table up to where pages are known to be checked, seen from the front: records that end
    /// in it are taken as they are.
    ahead: &'t [u8],
    /// Bytes before the back whose pages are known to be checked.
    behind: Range<usize>,
    back: BackBlock,
    error: Option<ReadError>,
}

impl<'t> Iter<'t> {
    pub(super) fn between(
        inner: &'t Inner,
        from: ReadResult<Place>,
        to: ReadResult<Place>,
    ) -> Self {
        let (front, end_rank, error) = match (from, to) {
            (Ok(from), Ok(to)) => (from, to.rank.max(from.rank), None),
            // The error is the one item.
            (Err(error), _) | (_, Err(error)) => (inner.start(), 1, Some(error)),
        };
        let mut iter = Self {
            inner,
            front,
            end_rank,
            ahead: &[],
            behind: 0..0,
            back: BackBlock::new(),
            error,
        };
        iter.look_ahead();
        iter
    }

    fn left(&self) -> u64 {
        self.end_rank - self.front.rank
    }

    /// Notes how far the pages from the front on are checked. With an error to be told first,
    /// nothing is ready.
    #[inline]
    fn look_ahead(&mut self) {
        let ahead = match self.error {
            None => self.inner.checked_from(self.front.offset),
            Some(_) => 0,
        };
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
        self.front = Place { rank: self.front.rank + 1, offset: after };
        Some((key, value))
    }

    #[cold]
    fn fail(&mut self, error: ReadError) -> Option<ReadResult<Entry<'t>>> {
        self.end_rank = self.front.rank;
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
        let offset = self.inner.after(self.front.offset, &parts);
        self.front = Place { rank: self.front.rank + 1, offset };
        self.look_ahead();
        Ok(entry)
    }

    /// Takes records of fixed width that lie on pages known to be checked.
    fn take_run(&mut self, fixed: &Fixed) -> &'t [u8] {
        let run = self.ahead.get(self.front.offset..).unwrap_or_default();
        let records = self.run(run.len(), fixed);
        self.front.rank += records as u64;
        self.front.offset += records * fixed.stride;
        run.get(..records * fixed.stride).unwrap_or_default()
    }

    /// How many records of `checked` bytes to take at once: none where a page was lost, which the
    /// step that follows says, and no more than may turn to zeros before it does.
    fn run(&self, checked: usize, fixed: &Fixed) -> usize {
        let bytes = if self.inner.bytes.unharmed() { checked.min(RUN) } else { 0 };
        (bytes / fixed.stride).min(self.len())
    }

    /// The same from the back.
    fn take_run_back(&mut self, fixed: &Fixed) -> &'t [u8] {
        let end = fixed.offset(self.end_rank);
        let start = self.behind.start.max(self.front.offset);
        let checked =
            end.min(self.behind.end).checked_sub(start).filter(|_| end <= self.behind.end);
        let records = self.run(checked.unwrap_or(0), fixed);
        let start = end - records * fixed.stride;
        self.end_rank -= records as u64;
        self.inner.bytes().get(start..end).unwrap_or_default()
    }

    /// The last entry, if it lies on pages that are known to be checked.
    #[inline(always)]
    fn ready_back(&mut self) -> Option<Entry<'t>> {
        let rank = self.end_rank - 1;
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
        self.end_rank = rank;
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
        let offset = self.back.offset(self.inner, self.end_rank - 1)?;
        let parts = self.inner.parts_at(offset)?;
        let entry = self.inner.entry(&parts)?;
        self.end_rank -= 1;
        self.behind = self.inner.checked_before(offset..parts.end());
        Ok(entry)
    }
}

impl<'t> Iterator for Iter<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left() == 0 {
            return None;
        }
        match self.ready() {
            Some(entry) if self.inner.bytes.unharmed() => Some(Ok(entry)),
            _ => self.careful_next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match usize::try_from(self.left()) {
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
        let n = (n as u64).min(self.left());
        if n > 0 && self.error.is_none() {
            let rank = self.front.rank + n;
            let place = if rank < self.inner.layout.entries {
                self.inner.place_of(rank)
            } else {
                Ok(self.inner.end())
            };
            match place {
                Ok(place) => self.front = place,
                Err(error) => return self.fail(error),
            }
            self.look_ahead();
        }
        self.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.left() == 0 {
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
        if self.error.is_none() {
            self.end_rank -= (n as u64).min(self.left());
            self.behind = 0..0;
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

/// All values of one key, in the order of their insertion. After an error it is over.
pub struct GetAll<'t> {
    inner: &'t Inner,
    state: State<'t>,
}

enum State<'t> {
    /// This record holds the key; its value comes next.
    At(&'t [u8], Found),
    Failed(ReadError),
    Over,
}

impl<'t> GetAll<'t> {
    pub(super) fn new(inner: &'t Inner, key: &[u8]) -> Self {
        let first = inner.locate(key).and_then(|found| match found {
            Some(found) => Ok(Some((inner.slice(found.parts.key())?, found))),
            None => Ok(None),
        });
        let state = match first {
            Ok(Some((key, found))) => State::At(key, found),
            Ok(None) => State::Over,
            Err(error) => State::Failed(error),
        };
        Self { inner, state }
    }

    /// The value of `found`, and the record after it if it holds the same key.
    fn step(&self, key: &'t [u8], found: Found) -> ReadResult<(&'t [u8], State<'t>)> {
        let (_, value) = self.inner.entry(&found.parts)?;
        if !self.inner.layout.repeated_keys {
            return Ok((value, State::Over));
        }
        let offset = self.inner.after(found.offset, &found.parts);
        if offset >= self.inner.layout.records.end {
            return Ok((value, State::Over));
        }
        let parts = self.inner.parts_at(offset)?;
        let same = equal(self.inner.slice(parts.key())?, key);
        Ok((value, if same { State::At(key, Found { offset, parts }) } else { State::Over }))
    }
}

impl<'t> Iterator for GetAll<'t> {
    type Item = Result<&'t [u8], ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            State::Failed(error) => Some(Err(error)),
            State::At(key, found) => match self.step(key, found) {
                Ok((value, state)) => {
                    self.state = state;
                    Some(Ok(value))
                }
                Err(error) => Some(self.inner.sound(Err(error))),
            },
        }
    }
}

impl FusedIterator for GetAll<'_> {}
