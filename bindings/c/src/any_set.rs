//! An open set, of plain shards or of shards of either kind, and the bytes that it answers.

#![expect(unsafe_code, reason = "opening a set is unsafe, and the promise is the caller's")]

use graven::{
    KeyRange, Manifest, PackedSet, PackedSetIter, PackedTable, SetError, SetIter, SetOptions,
    SetReport, SetValue, TableSet, Value, ValueBuffer, VerifyProgress,
};
use std::ops::{ControlFlow, Deref};
use std::path::Path;

/// An open set. A set of plain shards copies nothing. One that may have packed shards decodes or copies
/// its answers; it copies no value that [`get`](Self::get) finds in a plain shard.
#[derive(Clone)]
pub(crate) struct AnySet(graven::AnySet);

impl From<PackedSet> for AnySet {
    fn from(set: PackedSet) -> Self {
        Self(graven::AnySet::Packed(set))
    }
}

/// A key or a value, kept apart from its set.
pub(crate) enum Bytes {
    Mapped(Value),
    Decoded(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(value) => value,
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Self {
        Self::Mapped(value)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Decoded(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self::Decoded(bytes.to_vec())
    }
}

impl From<SetValue<'_>> for Bytes {
    fn from(value: SetValue<'_>) -> Self {
        match value {
            SetValue::Mapped(value) => value.into(),
            SetValue::Decoded(bytes) => bytes.into(),
        }
    }
}

/// Key and value.
pub(crate) type Entry = (Bytes, Bytes);

fn entry<B: Into<Bytes>>((key, value): (B, B)) -> Entry {
    (key.into(), value.into())
}

/// What a query of a set of any shards finds in the buffer.
type Decoded<'b> = Result<Option<(&'b [u8], &'b [u8])>, SetError>;

/// An expression for a set of either kind.
macro_rules! either {
    ($set:expr, $inner:ident => $answer:expr) => {
        match &$set.0 {
            graven::AnySet::Plain($inner) => $answer,
            graven::AnySet::Packed($inner) => $answer,
        }
    };
}

impl AnySet {
    /// Opens the set at `path` as what it is.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    pub(crate) unsafe fn open(path: &Path, options: &SetOptions) -> Result<Self, SetError> {
        // SAFETY: the caller's promise.
        unsafe { graven::AnySet::open(path, options) }.map(Self)
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        either!(self, set => set.manifest())
    }

    pub(crate) fn path(&self) -> &Path {
        either!(self, set => set.path())
    }

    pub(crate) fn len(&self) -> u64 {
        self.manifest().entries
    }

    pub(crate) fn mapped_bytes(&self) -> u64 {
        either!(self, set => set.mapped_bytes())
    }

    pub(crate) fn shard_of(&self, key: &[u8]) -> Option<usize> {
        either!(self, set => set.shard_of(key))
    }

    /// A shard, which exists.
    pub(crate) fn table(&self, shard: usize) -> Result<PackedTable, SetError> {
        match &self.0 {
            graven::AnySet::Plain(set) => Ok(PackedTable::try_from(set.table(shard)?)?),
            graven::AnySet::Packed(set) => set.table(shard),
        }
    }

    #[inline]
    pub(crate) fn get(
        &self,
        key: &[u8],
        buffer: &mut ValueBuffer,
    ) -> Result<Option<Bytes>, SetError> {
        match &self.0 {
            graven::AnySet::Plain(set) => Ok(set.get(key)?.map(Bytes::Mapped)),
            graven::AnySet::Packed(set) => Ok(set.get_value(key, buffer)?.map(Bytes::from)),
        }
    }

    pub(crate) fn get_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        buffer: &mut ValueBuffer,
    ) -> Result<Vec<Option<Bytes>>, SetError> {
        match &self.0 {
            graven::AnySet::Plain(set) => {
                let found = set.get_many(keys)?.into_iter();
                Ok(found.map(|value| value.map(Bytes::Mapped)).collect())
            }
            graven::AnySet::Packed(set) => {
                let mut found = Vec::with_capacity(keys.len());
                set.get_many_with(keys, buffer, |value| found.push(value.map(Bytes::from)))?;
                Ok(found)
            }
        }
    }

    pub(crate) fn get_all(&self, key: &[u8]) -> Result<Vec<Option<Bytes>>, SetError> {
        fn all<B: Into<Bytes>>(values: Vec<B>) -> Vec<Option<Bytes>> {
            values.into_iter().map(|value| Some(value.into())).collect()
        }
        either!(self, set => Ok(all(set.get_all(key)?)))
    }

    pub(crate) fn first(&self, buffer: &mut ValueBuffer) -> Result<Option<Entry>, SetError> {
        self.entry(buffer, TableSet::first, |set, buffer| set.first(buffer))
    }

    pub(crate) fn last(&self, buffer: &mut ValueBuffer) -> Result<Option<Entry>, SetError> {
        self.entry(buffer, TableSet::last, |set, buffer| set.last(buffer))
    }

    pub(crate) fn floor(
        &self,
        key: &[u8],
        buffer: &mut ValueBuffer,
    ) -> Result<Option<Entry>, SetError> {
        self.entry(buffer, |set| set.floor(key), |set, buffer| set.floor(key, buffer))
    }

    pub(crate) fn ceil(
        &self,
        key: &[u8],
        buffer: &mut ValueBuffer,
    ) -> Result<Option<Entry>, SetError> {
        self.entry(buffer, |set| set.ceil(key), |set, buffer| set.ceil(key, buffer))
    }

    pub(crate) fn nth(
        &self,
        rank: u64,
        buffer: &mut ValueBuffer,
    ) -> Result<Option<Entry>, SetError> {
        self.entry(buffer, |set| set.nth(rank), |set, buffer| set.nth(rank, buffer))
    }

    /// The entry that a query finds.
    fn entry(
        &self,
        buffer: &mut ValueBuffer,
        plain: impl FnOnce(&TableSet) -> Result<Option<(Value, Value)>, SetError>,
        decoded: impl for<'b> FnOnce(&PackedSet, &'b mut ValueBuffer) -> Decoded<'b>,
    ) -> Result<Option<Entry>, SetError> {
        match &self.0 {
            graven::AnySet::Plain(set) => Ok(plain(set)?.map(entry)),
            graven::AnySet::Packed(set) => Ok(decoded(set, buffer)?.map(entry)),
        }
    }

    pub(crate) fn rank(&self, key: &[u8]) -> Result<u64, SetError> {
        either!(self, set => set.rank(key))
    }

    pub(crate) fn count(&self, range: impl KeyRange) -> Result<u64, SetError> {
        either!(self, set => set.count(range))
    }

    pub(crate) fn range(&self, range: impl KeyRange) -> AnySetIter {
        match &self.0 {
            graven::AnySet::Plain(set) => AnySetIter::Plain(set.range(range)),
            graven::AnySet::Packed(set) => AnySetIter::Packed(Box::new(set.range(range))),
        }
    }

    pub(crate) fn prefix(&self, prefix: &[u8]) -> AnySetIter {
        match &self.0 {
            graven::AnySet::Plain(set) => AnySetIter::Plain(set.prefix(prefix)),
            graven::AnySet::Packed(set) => AnySetIter::Packed(Box::new(set.prefix(prefix))),
        }
    }

    pub(crate) fn verify_while(
        &self,
        progress: impl Fn(VerifyProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<SetReport>, SetError> {
        either!(self, set => set.verify_while(progress))
    }
}

/// Entries of a set, from both ends.
pub(crate) enum AnySetIter {
    Plain(SetIter),
    Packed(Box<PackedSetIter>),
}

impl Iterator for AnySetIter {
    type Item = Result<Entry, SetError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(walk) => Some(walk.next()?.map(entry)),
            Self::Packed(walk) => Some(walk.next()?.map(entry)),
        }
    }
}

impl DoubleEndedIterator for AnySetIter {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(walk) => Some(walk.next_back()?.map(entry)),
            Self::Packed(walk) => Some(walk.next_back()?.map(entry)),
        }
    }
}
