//! What a merge asks of a walk over one of its tables, whose entries are lent or decoded.

use super::source::Source;
use crate::error::ReadResult;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Deref;

/// A key or a value: a slice of its table, or decoded.
pub trait Bytes<'t>: Clone + Deref<Target = [u8]> + From<&'t [u8]> + Into<Cow<'t, [u8]>> {
    /// All bytes but the first.
    fn behind_first(self) -> Self;
}

impl<'t> Bytes<'t> for &'t [u8] {
    #[inline(always)]
    fn behind_first(self) -> Self {
        self.get(1..).unwrap_or_default()
    }
}

impl<'t> Bytes<'t> for Cow<'t, [u8]> {
    fn behind_first(self) -> Self {
        match self {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.behind_first()),
            Cow::Owned(mut bytes) => {
                bytes.drain(..bytes.len().min(1));
                Cow::Owned(bytes)
            }
        }
    }
}

/// An entry and the number of its table.
#[derive(Clone, Copy)]
pub(super) struct Front<B> {
    pub(super) key: B,
    pub(super) value: B,
    /// Of equal keys, that of the table with the lower number comes first.
    pub(super) table: usize,
}

impl<'t> Front<&'t [u8]> {
    /// The same entry, as one of a table that may be packed.
    #[inline(always)]
    pub(super) fn into<B: Bytes<'t>>(self) -> Front<B> {
        Front { key: self.key.into(), value: self.value.into(), table: self.table }
    }
}

/// A table and its next entry.
pub trait Walk<'t>: Clone {
    /// A key or a value.
    type Bytes: Bytes<'t>;

    /// Moves to the next entry; false at the end.
    fn advance(&mut self) -> ReadResult<bool>;

    /// Whether no entry is left. After an error, too.
    fn is_over(&self) -> bool;

    /// The head of the key after the prefix of all keys; the greatest one at the end.
    fn head(&self) -> u64;

    /// The key.
    fn key(&self) -> &[u8];

    /// The value.
    fn value(&mut self) -> ReadResult<&[u8]>;

    /// Key and value. The walk does not have them any more.
    fn take(&mut self) -> ReadResult<(Self::Bytes, Self::Bytes)>;

    /// Takes back the memory of an entry that was taken.
    fn give_back(&mut self, entry: (Self::Bytes, Self::Bytes));

    /// The walk, if it is one over a plain table.
    fn plain(&self) -> Option<&Source<'t>>;

    /// The walk to be moved, if it is one over a plain table.
    fn plain_mut(&mut self) -> Option<&mut Source<'t>>;

    /// How the key compares with that of another table.
    #[inline(always)]
    fn order(&self, other: &Self) -> Ordering {
        match self.head().cmp(&other.head()) {
            Ordering::Equal => self.key().cmp(other.key()),
            order => order,
        }
    }
}

impl<'t> Walk<'t> for Source<'t> {
    type Bytes = &'t [u8];

    #[inline(always)]
    fn advance(&mut self) -> ReadResult<bool> {
        self.advance()
    }

    #[inline(always)]
    fn is_over(&self) -> bool {
        self.is_over()
    }

    #[inline(always)]
    fn head(&self) -> u64 {
        self.head
    }

    #[inline(always)]
    fn key(&self) -> &[u8] {
        self.key
    }

    #[inline(always)]
    fn value(&mut self) -> ReadResult<&[u8]> {
        Ok(self.value)
    }

    #[inline(always)]
    fn take(&mut self) -> ReadResult<(&'t [u8], &'t [u8])> {
        Ok(self.entry())
    }

    #[inline(always)]
    fn give_back(&mut self, _: (&'t [u8], &'t [u8])) {}

    #[inline(always)]
    fn plain(&self) -> Option<&Self> {
        Some(self)
    }

    #[inline(always)]
    fn plain_mut(&mut self) -> Option<&mut Self> {
        Some(self)
    }
}
