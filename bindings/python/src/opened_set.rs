//! An open set, of plain shards or of shards of either kind, and the questions that both answer.

use crate::found::Found;
use crate::opened::Opened;
use crate::packed;
use crate::span::Ends;
use graven::{
    AnySet, KeyRange, Manifest, PackedSet, PackedSetIter, SetError, SetIter, SetOptions, SetReport,
    TableSet, Value, ValueBuffer, VerifyProgress,
};
use std::ops::ControlFlow;
use std::path::Path;

/// An open set. A set of plain shards copies nothing. One that may have packed shards decodes or copies
/// what it returns; it copies no value that [`get`](Self::get) finds in a plain shard.
#[derive(Clone)]
pub(crate) struct OpenedSet(AnySet);

impl From<PackedSet> for OpenedSet {
    fn from(set: PackedSet) -> Self {
        Self(AnySet::Packed(set))
    }
}

/// Key and value.
pub(crate) type Entry = (Found, Found);

fn entry<B: Into<Found>>((key, value): (B, B)) -> Entry {
    (key.into(), value.into())
}

/// An expression for a set of either kind.
macro_rules! either {
    ($opened:expr, $set:ident => $answer:expr) => {
        match &$opened.0 {
            AnySet::Plain($set) => $answer,
            AnySet::Packed($set) => $answer,
        }
    };
}

impl OpenedSet {
    /// Opens the set at `path` as what it is.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    #[expect(unsafe_code, reason = "the promise is the caller's")]
    pub(crate) unsafe fn open(path: &Path, options: &SetOptions) -> Result<Self, SetError> {
        // SAFETY: the caller's promise.
        unsafe { AnySet::open(path, options) }.map(Self)
    }

    /// Whether the set may have packed shards.
    pub(crate) fn may_be_packed(&self) -> bool {
        matches!(self.0, AnySet::Packed(_))
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
        Ok(match &self.0 {
            AnySet::Plain(set) => Opened::Plain(set.table(shard)?),
            AnySet::Packed(set) => Opened::of(set.table(shard)?, packed::ANY),
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Found>, SetError> {
        match &self.0 {
            AnySet::Plain(set) => Ok(set.get(key)?.map(Found::Mapped)),
            AnySet::Packed(set) => value(set, key),
        }
    }

    pub(crate) fn contains_key(&self, key: &[u8]) -> Result<bool, SetError> {
        either!(self, set => set.contains_key(key))
    }

    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Found>>, SetError> {
        match &self.0 {
            AnySet::Plain(set) => {
                let values = set.get_many(keys)?.into_iter();
                Ok(values.map(|value| value.map(Found::Mapped)).collect())
            }
            AnySet::Packed(set) => {
                let mut found = Vec::with_capacity(keys.len());
                packed::decode(packed::ANY, |buffer| {
                    let each = |value: Option<&[u8]>| found.push(value.map(Found::from));
                    set.get_many_with(keys, buffer, each)
                })?;
                Ok(found)
            }
        }
    }

    pub(crate) fn get_all(&self, key: &[u8]) -> Result<Vec<Found>, SetError> {
        Ok(match &self.0 {
            AnySet::Plain(set) => set.get_all(key)?.into_iter().map(Found::Mapped).collect(),
            AnySet::Packed(set) => set.get_all(key)?.into_iter().map(Found::Decoded).collect(),
        })
    }

    pub(crate) fn count_of(&self, key: &[u8]) -> Result<u64, SetError> {
        match &self.0 {
            AnySet::Plain(set) => match set.shard_of(key) {
                Some(shard) => Ok(set.table(shard)?.count_of(key)?),
                None => Ok(0),
            },
            AnySet::Packed(set) => set.count_of(key),
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
        match &self.0 {
            AnySet::Plain(set) => Ok(plain(set)?.map(entry)),
            AnySet::Packed(set) => {
                packed::decode(packed::ANY, |buffer| Ok(decoded(set, buffer)?.map(entry)))
            }
        }
    }

    pub(crate) fn range(&self, ends: &Ends) -> SetWalk {
        match &self.0 {
            AnySet::Plain(set) => SetWalk::Plain(set.range(ends)),
            AnySet::Packed(set) => SetWalk::Packed(Box::new(set.range(ends))),
        }
    }

    pub(crate) fn verify_while(
        &self,
        progress: impl Fn(VerifyProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<SetReport>, SetError> {
        either!(self, set => set.verify_while(progress))
    }
}

/// The value of a key in a set that may have packed shards.
pub(crate) fn value(set: &PackedSet, key: &[u8]) -> Result<Option<Found>, SetError> {
    packed::decode(packed::ANY, |buffer| Ok(set.get_value(key, buffer)?.map(Found::from)))
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
