//! Walks over a set: shard after shard where they are ranges, merged where they are hashed.

use super::shard::{Range as Interval, ShardTable, ShardWalk};
use super::shards::Shards;
use crate::error::SetError;
use crate::read::{KeyRange, Table, Value, end_of_prefix};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// Entries of a set, ascending, from both ends. It keeps the set open, and borrows nothing:
/// `Send + 'static`. After an error the iteration is over.
///
/// Over range shards, it maps one shard after the other, and at most one for each end. Over hash
/// shards it merges all of them, so all of them are mapped while it lives, and a step costs a number
/// of comparisons that grows with the logarithm of the number of shards. Each key and value is a
/// [`Value`], which costs an atomic count.
pub struct SetIter(SetWalk<Table>);

/// Entries of shards of one kind, in the order of all of them.
pub(super) enum SetWalk<T: ShardTable> {
    Ranges(Box<Ranges<T>>),
    Merged(Merged<T>),
    /// What has failed is said once.
    Failed(Option<SetError>),
}

/// An entry of a walk.
type Item<T> = Result<(<T as ShardTable>::Key, <T as ShardTable>::Value), SetError>;

/// The ends of a walk, owned.
#[derive(Clone)]
pub(super) struct Ends {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
}

impl Ends {
    /// The ends of a range.
    pub(super) fn of(range: &impl KeyRange) -> Self {
        let owned = |bound: Bound<&[u8]>| bound.map(<[u8]>::to_vec);
        Self { lower: owned(range.lower()), upper: owned(range.upper()) }
    }

    /// The ends of the keys that start with `prefix`.
    pub(super) fn of_prefix(prefix: &[u8]) -> Self {
        Self { lower: Bound::Included(prefix.to_vec()), upper: end_of_prefix(prefix) }
    }

    fn as_range(&self) -> Interval<'_> {
        (self.lower.as_ref().map(Vec::as_slice), self.upper.as_ref().map(Vec::as_slice))
    }
}

impl<T: ShardTable> SetWalk<T> {
    pub(super) fn new(shards: &Arc<Shards<T>>, ends: Ends) -> Self {
        let shards = Arc::clone(shards);
        if !shards.is_hashed() {
            return Self::Ranges(Box::new(Ranges::new(shards, ends)));
        }
        match Merged::new(&shards, &ends) {
            Ok(merged) => Self::Merged(merged),
            Err(error) => Self::Failed(Some(error)),
        }
    }

    fn step(
        &mut self,
        ranges: fn(&mut Ranges<T>) -> Option<Item<T>>,
        merged: fn(&mut Merged<T>) -> Option<Item<T>>,
    ) -> Option<Item<T>> {
        let item = match self {
            Self::Ranges(walk) => ranges(walk),
            Self::Merged(walk) => merged(walk),
            Self::Failed(error) => error.take().map(Err),
        };
        if let Some(Err(_)) = item {
            self.end();
        }
        item
    }

    /// Ends the walk, after an error.
    pub(super) fn end(&mut self) {
        *self = Self::Failed(None);
    }
}

impl<T: ShardTable> Iterator for SetWalk<T> {
    type Item = Item<T>;

    fn next(&mut self) -> Option<Item<T>> {
        self.step(Ranges::next, Merged::next)
    }
}

impl<T: ShardTable> DoubleEndedIterator for SetWalk<T> {
    fn next_back(&mut self) -> Option<Item<T>> {
        self.step(Ranges::next_back, Merged::next_back)
    }
}

impl SetIter {
    pub(super) fn new(shards: &Arc<Shards<Table>>, ends: Ends) -> Self {
        Self(SetWalk::new(shards, ends))
    }
}

impl fmt::Debug for SetIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetIter").finish_non_exhaustive()
    }
}

impl Iterator for SetIter {
    type Item = Result<(Value, Value), SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl DoubleEndedIterator for SetIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl FusedIterator for SetIter {}

/// A walk over range shards.
pub(super) struct Ranges<T: ShardTable> {
    shards: Arc<Shards<T>>,
    ends: Ends,
    front: Option<ShardWalk<T>>,
    back: Option<ShardWalk<T>>,
    /// The shards that neither end has reached.
    rest: Range<usize>,
}

impl<T: ShardTable> Ranges<T> {
    fn new(shards: Arc<Shards<T>>, ends: Ends) -> Self {
        let (lower, upper) = ends.as_range();
        let from = match lower {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => shards.first_up_to(key),
        };
        let to = match upper {
            Bound::Unbounded => shards.len(),
            Bound::Included(key) | Bound::Excluded(key) => {
                shards.last_from_below(key).map_or(0, |last| last + 1)
            }
        };
        Self { shards, ends, front: None, back: None, rest: from..to.max(from) }
    }

    fn open(&self, shard: usize) -> Result<ShardWalk<T>, SetError> {
        Ok(self.shards.table(shard)?.walk(self.ends.as_range()))
    }

    fn next(&mut self) -> Option<Item<T>> {
        loop {
            if let Some(item) = self.front.as_mut().and_then(Iterator::next) {
                return Some(item.map_err(SetError::Read));
            }
            self.front = None;
            let Some(shard) = self.rest.next() else {
                return Some(self.back.as_mut()?.next()?.map_err(SetError::Read));
            };
            match self.open(shard) {
                Ok(walk) => self.front = Some(walk),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn next_back(&mut self) -> Option<Item<T>> {
        loop {
            if let Some(item) = self.back.as_mut().and_then(DoubleEndedIterator::next_back) {
                return Some(item.map_err(SetError::Read));
            }
            self.back = None;
            let Some(shard) = self.rest.next_back() else {
                return Some(self.front.as_mut()?.next_back()?.map_err(SetError::Read));
            };
            match self.open(shard) {
                Ok(walk) => self.back = Some(walk),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A walk over hash shards. Equal keys are in one shard, so the merged order is one order, and two
/// merges, one from each end, meet after as many entries as there are.
pub(super) struct Merged<T: ShardTable> {
    walks: Vec<ShardWalk<T>>,
    front: Option<BinaryHeap<Reverse<Head<T>>>>,
    back: Option<BinaryHeap<Head<T>>>,
    left: usize,
    /// The walks from the other end.
    from_back: Vec<ShardWalk<T>>,
}

/// The next entry of a shard.
struct Head<T: ShardTable> {
    entry: (T::Key, T::Value),
    shard: usize,
}

impl<T: ShardTable> PartialEq for Head<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: ShardTable> Eq for Head<T> {}

impl<T: ShardTable> PartialOrd for Head<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ShardTable> Ord for Head<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.entry.0, self.shard).cmp(&(&other.entry.0, other.shard))
    }
}

impl<T: ShardTable> Merged<T> {
    fn new(shards: &Shards<T>, ends: &Ends) -> Result<Self, SetError> {
        let walks = (0..shards.len())
            .filter(|&shard| shards.manifest.shards[shard].entries > 0)
            .map(|shard| Ok(shards.table(shard)?.walk(ends.as_range())));
        let walks = walks.collect::<Result<Vec<_>, SetError>>()?;
        let left = walks.iter().map(ShardWalk::len).sum();
        let from_back = walks.clone();
        Ok(Self { walks, front: None, back: None, left, from_back })
    }

    fn next(&mut self) -> Option<Item<T>> {
        self.left = self.left.checked_sub(1)?;
        let walks = &mut self.walks;
        let front = match &mut self.front {
            Some(front) => front,
            none => match heads(walks, ShardWalk::next) {
                Ok(heads) => none.insert(heads.into_iter().map(Reverse).collect()),
                Err(error) => return Some(Err(error)),
            },
        };
        let mut top = front.peek_mut()?;
        let shard = top.0.shard;
        let entry = match walks[shard].next() {
            Some(Ok(next)) => std::mem::replace(&mut top.0.entry, next),
            Some(Err(error)) => return Some(Err(error.into())),
            None => PeekMut::pop(top).0.entry,
        };
        Some(Ok(entry))
    }

    fn next_back(&mut self) -> Option<Item<T>> {
        self.left = self.left.checked_sub(1)?;
        let walks = &mut self.from_back;
        let back = match &mut self.back {
            Some(back) => back,
            none => match heads(walks, ShardWalk::next_back) {
                Ok(heads) => none.insert(heads.into()),
                Err(error) => return Some(Err(error)),
            },
        };
        let mut top = back.peek_mut()?;
        let shard = top.shard;
        let entry = match walks[shard].next_back() {
            Some(Ok(next)) => std::mem::replace(&mut top.entry, next),
            Some(Err(error)) => return Some(Err(error.into())),
            None => PeekMut::pop(top).entry,
        };
        Some(Ok(entry))
    }
}

/// The first entry that each walk gives.
fn heads<T: ShardTable>(
    walks: &mut [ShardWalk<T>],
    step: fn(&mut ShardWalk<T>) -> Option<<ShardWalk<T> as Iterator>::Item>,
) -> Result<Vec<Head<T>>, SetError> {
    let heads = walks.iter_mut().enumerate().filter_map(|(shard, walk)| {
        Some(step(walk)?.map(|entry| Head { entry, shard }).map_err(SetError::Read))
    });
    heads.collect()
}
