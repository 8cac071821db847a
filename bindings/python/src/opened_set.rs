//! A set that is open, of plain shards alone or of any, and what both are asked alike.

use crate::opened::Opened;
use crate::packed;
use crate::span::Ends;
use graven::{
    KeyRange, Manifest, OpenFailure, PackedSet, PackedSetIter, SetError, SetIter, SetOptions,
    SetReport, TableSet, Value, ValueBuffer, VerifyProgress,
};
use std::ops::{ControlFlow, Deref};
use std::path::Path;

/// An open set. One that may have packed shards copies or decodes what it returns, but for the value
/// of one key in a plain shard.
#[derive(Clone)]
pub(crate) enum OpenedSet {
    Plain(TableSet),
    Packed(PackedSet),
}

/// A key or a value of a set.
pub(crate) enum Found {
    Mapped(Value),
    Decoded(Vec<u8>),
}

impl Deref for Found {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(value) => value,
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl From<Value> for Found {
    fn from(value: Value) -> Self {
        Self::Mapped(value)
    }
}

impl From<Vec<u8>> for Found {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Decoded(bytes)
    }
}

pub(crate) type Entry = (Found, Found);

fn entry<B: Into<Found>>((key, value): (B, B)) -> Entry {
    (key.into(), value.into())
}

/// An expression for a set of either kind.
macro_rules! either {
    ($opened:expr, $set:ident => $answer:expr) => {
        match $opened {
            OpenedSet::Plain($set) => $answer,
            OpenedSet::Packed($set) => $answer,
        }
    };
}

impl OpenedSet {
    /// Opens the set at `path` as what it is.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    #[expect(unsafe_code, reason = "the promise is the caller's")]
    pub(crate) unsafe fn open(options: &SetOptions, path: &Path) -> Result<Self, SetError> {
        // SAFETY: the caller's promise.
        match unsafe { options.open(path) } {
            Err(SetError::Open(error))
                if matches!(error.failure(), OpenFailure::IsPacked { .. }) =>
            {
                // SAFETY: the caller's promise.
                unsafe { PackedSet::open_with(path, options) }.map(Self::Packed)
            }
            opened => opened.map(Self::Plain),
        }
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

    pub(crate) fn table(&self, shard: usize) -> Result<Opened, SetError> {
        Ok(match self {
            Self::Plain(set) => Opened::Plain(set.table(shard)?),
            Self::Packed(set) => Opened::of(set.table(shard)?, packed::ANY),
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Found>, SetError> {
        match self {
            Self::Plain(set) => Ok(set.get(key)?.map(Found::Mapped)),
            Self::Packed(set) => match set.shard_of(key) {
                Some(shard) if !set.manifest().shards[shard].packed => {
                    Ok(set.table(shard)?.stored().get_owned(key)?.map(Found::Mapped))
                }
                Some(_) => packed::decode(packed::ANY, |buffer| {
                    Ok(set.get(key, buffer)?.map(|value| value.to_vec().into()))
                }),
                None => Ok(None),
            },
        }
    }

    pub(crate) fn contains_key(&self, key: &[u8]) -> Result<bool, SetError> {
        either!(self, set => set.contains_key(key))
    }

    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Found>>, SetError> {
        match self {
            Self::Plain(set) => {
                let values = set.get_many(keys)?.into_iter();
                Ok(values.map(|value| value.map(Found::Mapped)).collect())
            }
            Self::Packed(set) => {
                let mut found = Vec::with_capacity(keys.len());
                packed::decode(packed::ANY, |buffer| {
                    let each = |value: Option<&[u8]>| found.push(value.map(|v| v.to_vec().into()));
                    set.get_many_with(keys, buffer, each)
                })?;
                Ok(found)
            }
        }
    }

    pub(crate) fn get_all(&self, key: &[u8]) -> Result<Vec<Found>, SetError> {
        Ok(match self {
            Self::Plain(set) => set.get_all(key)?.into_iter().map(Found::Mapped).collect(),
            Self::Packed(set) => set.get_all(key)?.into_iter().map(Found::Decoded).collect(),
        })
    }

    pub(crate) fn count_of(&self, key: &[u8]) -> Result<u64, SetError> {
        match self {
            Self::Plain(set) => match set.shard_of(key) {
                Some(shard) => Ok(set.table(shard)?.count_of(key)?),
                None => Ok(0),
            },
            Self::Packed(set) => set.count_of(key),
        }
    }

    pub(crate) fn count(&self, range: impl KeyRange) -> Result<u64, SetError> {
        either!(self, set => set.count(range))
    }

    pub(crate) fn rank(&self, key: &[u8]) -> Result<u64, SetError> {
        either!(self, set => set.rank(key))
    }

    pub(crate) fn first(&self) -> Result<Option<Entry>, SetError> {
        self.entry(TableSet::first, |set, buffer| set.first(buffer))
    }

    pub(crate) fn last(&self) -> Result<Option<Entry>, SetError> {
        self.entry(TableSet::last, |set, buffer| set.last(buffer))
    }

    pub(crate) fn floor(&self, key: &[u8]) -> Result<Option<Entry>, SetError> {
        self.entry(|set| set.floor(key), |set, buffer| set.floor(key, buffer))
    }

    pub(crate) fn ceil(&self, key: &[u8]) -> Result<Option<Entry>, SetError> {
        self.entry(|set| set.ceil(key), |set, buffer| set.ceil(key, buffer))
    }

    pub(crate) fn nth(&self, rank: u64) -> Result<Option<Entry>, SetError> {
        self.entry(|set| set.nth(rank), |set, buffer| set.nth(rank, buffer))
    }

    /// The entry that a query finds.
    fn entry(
        &self,
        plain: impl FnOnce(&TableSet) -> Result<Option<(Value, Value)>, SetError>,
        decoded: impl for<'b> FnOnce(
            &PackedSet,
            &'b mut ValueBuffer,
        ) -> Result<Option<(&'b [u8], &'b [u8])>, SetError>,
    ) -> Result<Option<Entry>, SetError> {
        match self {
            Self::Plain(set) => Ok(plain(set)?.map(entry)),
            Self::Packed(set) => packed::decode(packed::ANY, |buffer| {
                let found = decoded(set, buffer)?;
                Ok(found.map(|(key, value)| entry((key.to_vec(), value.to_vec()))))
            }),
        }
    }

    pub(crate) fn range(&self, ends: &Ends) -> SetWalk {
        match self {
            Self::Plain(set) => SetWalk::Plain(set.range(ends)),
            Self::Packed(set) => SetWalk::Packed(Box::new(set.range(ends))),
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
pub(crate) enum SetWalk {
    Plain(SetIter),
    Packed(Box<PackedSetIter>),
}

impl Iterator for SetWalk {
    type Item = Result<Entry, SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(walk) => Some(walk.next()?.map(entry)),
            Self::Packed(walk) => Some(walk.next()?.map(entry)),
        }
    }
}

impl DoubleEndedIterator for SetWalk {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(walk) => Some(walk.next_back()?.map(entry)),
            Self::Packed(walk) => Some(walk.next_back()?.map(entry)),
        }
    }
}
