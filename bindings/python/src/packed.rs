//! Packed tables: where a thread decodes, and entries between two ends.

use crate::found::Found;
use crate::span::Ends;
use graven::{PackedIter, PackedTable, ReadError, ValueBuffer};
use self_cell::self_cell;
use std::cell::Cell;
use std::ops::{Bound as End, Deref, Range};

/// Most bytes of memory for values that a thread keeps between two lookups.
const KEPT: usize = 1 << 20;

/// A length that no value exceeds.
pub(crate) const ANY: u32 = u32::MAX;

thread_local! {
    static BUFFER: Cell<ValueBuffer> = Cell::default();
}

/// Lends the thread's buffer to `query`, for values of at most `most` bytes. A query within the query,
/// by a finalizer of Python for example, gets an empty buffer, and so does a query at the end of the
/// thread.
pub(crate) fn decode<T, E>(
    most: u32,
    query: impl FnOnce(&mut ValueBuffer) -> Result<T, E>,
) -> Result<T, E> {
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.set_limit(most);
    let answer = query(&mut buffer);
    if buffer.capacity() <= KEPT {
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    answer
}

/// A packed table, and the longest value of it that is decoded.
#[derive(Clone)]
pub(crate) struct Packed {
    pub(crate) table: PackedTable,
    pub(crate) most: u32,
}

impl Deref for Packed {
    type Target = PackedTable;

    fn deref(&self) -> &PackedTable {
        &self.table
    }
}

impl Packed {
    /// Lends the thread's buffer to `query`.
    pub(crate) fn decode<T, E>(
        &self,
        query: impl FnOnce(&mut ValueBuffer) -> Result<T, E>,
    ) -> Result<T, E> {
        decode(self.most, query)
    }

    /// A buffer for a walk.
    pub(crate) fn buffer(&self) -> ValueBuffer {
        ValueBuffer::with_limit(self.most)
    }
}

/// Hands the value of `key` in a table of either kind to `then`.
pub(crate) fn get<T>(
    table: &PackedTable,
    most: u32,
    key: &[u8],
    then: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, ReadError> {
    match table.is_packed() {
        true => decode(most, |buffer| Ok(table.get(key, buffer)?.map(then))),
        false => Ok(table.stored().get(key)?.map(then)),
    }
}

/// As [`get`], for a value that is kept apart from the table: a copy if the table is packed.
pub(crate) fn found(
    table: &PackedTable,
    most: u32,
    key: &[u8],
) -> Result<Option<Found>, ReadError> {
    match table.is_packed() {
        true => decode(most, |buffer| Ok(table.get(key, buffer)?.map(Found::from))),
        false => Ok(table.stored().get_owned(key)?.map(Found::from)),
    }
}

/// Entries of a packed table between two ends.
#[derive(Clone)]
pub(crate) struct PackedSpan {
    table: Packed,
    part: Part,
}

#[derive(Clone)]
enum Part {
    Between(Ends),
    /// The entries of these ranks.
    Ranks(Range<u64>),
}

impl PackedSpan {
    pub(crate) fn new(table: Packed, ends: Ends) -> Self {
        Self { table, part: Part::Between(ends) }
    }

    /// Number of entries. Costs at most two searches.
    pub(crate) fn len(&self) -> Result<u64, ReadError> {
        match &self.part {
            Part::Between(ends) => self.table.count(ends),
            Part::Ranks(ranks) => Ok(ranks.end - ranks.start),
        }
    }

    /// The entries at these places.
    pub(crate) fn cut(&self, places: Range<usize>) -> Result<Self, ReadError> {
        let first = self.first()?;
        let ranks = first + places.start as u64..first + places.end as u64;
        Ok(Self { table: self.table.clone(), part: Part::Ranks(ranks) })
    }

    /// Hands the entry at a place to `then`.
    pub(crate) fn at<T>(
        &self,
        place: usize,
        then: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Result<Option<T>, ReadError> {
        let rank = self.first()? + place as u64;
        self.table.decode(|buffer| {
            let entry = self.table.nth(rank, buffer)?;
            Ok(entry.map(|(key, value)| then(key, value)))
        })
    }

    /// The rank of the first entry.
    fn first(&self) -> Result<u64, ReadError> {
        match &self.part {
            Part::Between((End::Unbounded, _)) => Ok(0),
            Part::Between((End::Included(key), _)) => self.table.rank(key),
            Part::Between((End::Excluded(key), _)) => self.table.count(..=key),
            Part::Ranks(ranks) => Ok(ranks.start),
        }
    }

    /// A walk over the entries.
    pub(crate) fn walk(&self, reverse: bool) -> Result<PackedWalk, ReadError> {
        let walk = |ends: &Ends, left| {
            let walk = Owning::new(self.table.clone(), |table| {
                table.range(ends).with_buffer(table.buffer())
            });
            PackedWalk { walk, left }
        };
        let ranks = match &self.part {
            Part::Between(ends) => return Ok(walk(ends, None)),
            Part::Ranks(ranks) => ranks,
        };
        // It starts at the key of its first step, and passes other entries of this key.
        let start = if reverse { ranks.end.saturating_sub(1) } else { ranks.start };
        let key = self.table.decode(|buffer| {
            self.table.nth(start, buffer).map(|found| found.map(|(key, _)| key.to_vec()))
        })?;
        let Some(key) = key.filter(|_| !ranks.is_empty()) else {
            return Ok(walk(&crate::store::ALL, Some(0)));
        };
        let (ends, passed) = if reverse {
            let passed = self.table.count(..=&key)?.saturating_sub(ranks.end);
            ((End::Unbounded, End::Included(key)), passed)
        } else {
            let passed = ranks.start.saturating_sub(self.table.rank(&key)?);
            ((End::Included(key), End::Unbounded), passed)
        };
        let mut walk = walk(&ends, Some(passed + (ranks.end - ranks.start)));
        for _ in 0..passed {
            walk.step(reverse, |_, _| ()).transpose()?;
        }
        Ok(walk)
    }
}

self_cell!(
    /// A table and the iterator that borrows it.
    struct Owning {
        owner: Packed,
        #[not_covariant]
        dependent: PackedIter,
    }
);

/// A walk over entries of a packed table.
pub(crate) struct PackedWalk {
    walk: Owning,
    /// Entries that are left, where they are not all that the iterator has.
    left: Option<u64>,
}

impl PackedWalk {
    /// Hands the next entry to `then`.
    pub(crate) fn step<T>(
        &mut self,
        reverse: bool,
        then: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Option<Result<T, ReadError>> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        self.walk.with_dependent_mut(|_, walk| {
            let entry = if reverse { walk.next_back_lent() } else { walk.next_lent() };
            Some(entry?.map(|(key, value)| then(key, value)))
        })
    }

    /// How many entries are left.
    pub(crate) fn left(&self) -> usize {
        match self.left {
            Some(left) => left.try_into().unwrap_or(usize::MAX),
            None => self.walk.with_dependent(|_, walk| walk.len()),
        }
    }
}
