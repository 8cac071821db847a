//! A shard as a set asks it: a plain table, or a packed one. Places, ranges and ranks are those of the
//! table as it is stored; a kind of shard says how keys and values are stored.

use crate::codec::Room;
use crate::error::{OpenError, ReadError, ReadResult};
use crate::read::{IntoIter, PackedTable, Table, Value};
use std::fmt;
use std::ops::Bound;

/// A range of keys.
pub(super) type Range<'k> = (Bound<&'k [u8]>, Bound<&'k [u8]>);

/// A shard that is open.
pub(super) trait ShardTable: Clone + fmt::Debug + Send + Sync + 'static {
    /// Whether such a shard may be a packed table.
    const PACKED: bool;
    /// The key of an entry that keeps what it needs of the shard.
    type Key: Ord;
    /// The value of such an entry.
    type Value;

    /// The shard of a table that was opened.
    fn of(stored: Table) -> Result<Self, OpenError>;
    /// The table as it lies in the file.
    fn stored(&self) -> &Table;
    /// Whether clones or owned values of it are in use besides `self`.
    fn is_shared(&self) -> bool;
    /// What the table stores of a key, if it has it.
    fn stored_key<'k>(&self, key: &'k [u8], room: &'k mut Vec<u8>) -> &'k [u8];
    /// What the table stores of the ends of a range.
    fn stored_range<'k>(&self, range: Range<'k>, rooms: &'k mut [Vec<u8>; 2]) -> Range<'k>;
    /// The key that the table stores as `stored`, a slice of it.
    fn key<'k>(&self, stored: &'k [u8], room: &'k mut Vec<u8>) -> ReadResult<&'k [u8]>;
    /// The entry of a stored key and a stored value. `room` is for a key that is decoded.
    fn entry(
        &self,
        stored: (Value, Value),
        room: &mut Vec<u8>,
    ) -> ReadResult<(Self::Key, Self::Value)>;

    /// An entry of the stored table, owned.
    fn own(&self, stored: Option<(&[u8], &[u8])>) -> ReadResult<Option<(Self::Key, Self::Value)>> {
        let own =
            |(key, value)| Some((self.stored().slice_ref(key)?, self.stored().slice_ref(value)?));
        stored.and_then(own).map(|stored| self.entry(stored, &mut Vec::new())).transpose()
    }

    /// The last entry whose key is not greater than `key`.
    fn floor(&self, key: &[u8]) -> ReadResult<Option<(Self::Key, Self::Value)>> {
        self.own(self.stored().floor(self.stored_key(key, &mut Vec::new()))?)
    }

    /// The first entry whose key is not smaller than `key`.
    fn ceil(&self, key: &[u8]) -> ReadResult<Option<(Self::Key, Self::Value)>> {
        self.own(self.stored().ceil(self.stored_key(key, &mut Vec::new()))?)
    }

    /// The entry with `rank` entries before it.
    fn nth(&self, rank: u64) -> ReadResult<Option<(Self::Key, Self::Value)>> {
        self.own(self.stored().nth(rank)?)
    }

    /// Number of entries with keys within `range`.
    fn count(&self, range: Range<'_>) -> ReadResult<u64> {
        self.stored().count(self.stored_range(range, &mut Default::default()))
    }

    /// The entries with keys within `range`.
    fn walk(&self, range: Range<'_>) -> ShardWalk<Self> {
        let mut rooms = Default::default();
        let range = self.stored_range(range, &mut rooms);
        let stored = self.stored().clone().into_range(range);
        ShardWalk { shard: self.clone(), stored, room: Vec::new() }
    }
}

impl ShardTable for Table {
    const PACKED: bool = false;
    type Key = Value;
    type Value = Value;

    fn of(stored: Table) -> Result<Self, OpenError> {
        Ok(stored)
    }

    fn stored(&self) -> &Table {
        self
    }

    fn is_shared(&self) -> bool {
        self.is_shared()
    }

    #[inline]
    fn stored_key<'k>(&self, key: &'k [u8], _: &'k mut Vec<u8>) -> &'k [u8] {
        key
    }

    fn stored_range<'k>(&self, range: Range<'k>, _: &'k mut [Vec<u8>; 2]) -> Range<'k> {
        range
    }

    #[inline]
    fn key<'k>(&self, stored: &'k [u8], _: &'k mut Vec<u8>) -> ReadResult<&'k [u8]> {
        Ok(stored)
    }

    #[inline]
    fn entry(&self, stored: (Value, Value), _: &mut Vec<u8>) -> ReadResult<(Value, Value)> {
        Ok(stored)
    }
}

impl ShardTable for PackedTable {
    const PACKED: bool = true;
    type Key = Vec<u8>;
    type Value = PackedValue;

    fn of(stored: Table) -> Result<Self, OpenError> {
        Self::try_from(stored)
    }

    fn stored(&self) -> &Table {
        self.stored()
    }

    fn is_shared(&self) -> bool {
        self.has_clones() || self.stored().is_shared()
    }

    fn stored_key<'k>(&self, key: &'k [u8], room: &'k mut Vec<u8>) -> &'k [u8] {
        self.packed().stored_key(key, room)
    }

    fn stored_range<'k>(&self, range: Range<'k>, rooms: &'k mut [Vec<u8>; 2]) -> Range<'k> {
        self.packed().stored_range(range, rooms)
    }

    fn key<'k>(&self, stored: &'k [u8], room: &'k mut Vec<u8>) -> ReadResult<&'k [u8]> {
        self.packed().key(stored, room)
    }

    fn entry(
        &self,
        (key, value): (Value, Value),
        room: &mut Vec<u8>,
    ) -> ReadResult<(Vec<u8>, PackedValue)> {
        let key = self.packed().key(&key, room)?.to_vec();
        Ok((key, PackedValue { shard: self.clone(), stored: value }))
    }
}

/// A value that is decoded when it is asked for.
#[derive(Clone, Debug)]
pub(super) struct PackedValue {
    shard: PackedTable,
    stored: Value,
}

impl PackedValue {
    /// What `shard` stores of a value, a slice of it.
    pub(super) fn new(shard: &PackedTable, stored: &[u8]) -> Option<Self> {
        Some(Self { shard: shard.clone(), stored: shard.stored().slice_ref(stored)? })
    }

    /// The value.
    pub(super) fn decode<'b>(&self, room: &'b mut Room) -> ReadResult<&'b [u8]> {
        self.shard.packed().value_copied(&self.stored, room)
    }
}

/// Entries of a shard, ascending, from both ends.
#[derive(Clone)]
pub(super) struct ShardWalk<T> {
    shard: T,
    stored: IntoIter,
    /// Room for a key that is decoded.
    room: Vec<u8>,
}

impl<T: ShardTable> Iterator for ShardWalk<T> {
    type Item = Result<(T::Key, T::Value), ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let stored = self.stored.next()?;
        Some(stored.and_then(|stored| self.shard.entry(stored, &mut self.room)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stored.size_hint()
    }
}

impl<T: ShardTable> DoubleEndedIterator for ShardWalk<T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let stored = self.stored.next_back()?;
        Some(stored.and_then(|stored| self.shard.entry(stored, &mut self.room)))
    }
}

impl<T: ShardTable> ExactSizeIterator for ShardWalk<T> {}
