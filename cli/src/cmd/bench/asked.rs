//! What readers look keys up in: a table, which may be replaced meanwhile, or a set, each plain or
//! packed. Values of packed ones are decoded and copied, as a server that hands them on does.

use crate::exit::Failure;
use crate::open::{self, AnyLive};
use graven::{
    AccessPattern, AnySet, BuildId, OpenError, PackedSet, PackedTable, ReadError, RefreshOutcome,
    SetError, Table, TableSet, Value, ValueBuffer,
};
use std::cell::RefCell;
use std::path::Path;

/// What stands at the path that a reader opens.
pub(super) enum Asked {
    Live(AnyLive),
    Set(AnySet),
}

impl Asked {
    pub(super) fn open(path: &Path, access: AccessPattern) -> Result<Self, Failure> {
        Ok(match open::is_set(path) {
            true => Self::Set(open::any_set(path, access)?),
            false => Self::Live(open::live(path, access)?),
        })
    }

    /// Looks for a new table, and tells whether there is one. Sets are not replaced.
    pub(super) fn refresh(&self) -> Result<bool, OpenError> {
        match self {
            Self::Live(AnyLive::Plain(live)) => live.refresh(),
            Self::Live(AnyLive::Packed(live)) => live.refresh(),
            Self::Set(_) => return Ok(false),
        }
        .map(|found| found == RefreshOutcome::Swapped)
    }
}

/// What one request is answered from.
pub(super) trait Store: Copy {
    type Value: AsRef<[u8]>;
    type Error: ToString;

    /// What tells versions apart.
    fn id(self) -> BuildId;
    fn get(self, key: &[u8]) -> Result<Option<Self::Value>, Self::Error>;
    fn get_many(
        self,
        keys: &[&[u8]],
        found: &mut Vec<Option<Self::Value>>,
    ) -> Result<(), Self::Error>;
    /// Whether a page was lost: then the value may have zeros in place of its bytes.
    fn is_faulted(self, value: Option<&Self::Value>) -> bool;
}

impl<'t> Store for &'t Table {
    type Value = &'t [u8];
    type Error = ReadError;

    fn id(self) -> BuildId {
        self.build_id()
    }

    #[inline]
    fn get(self, key: &[u8]) -> Result<Option<&'t [u8]>, ReadError> {
        self.get(key)
    }

    #[inline]
    fn get_many(self, keys: &[&[u8]], found: &mut Vec<Option<&'t [u8]>>) -> Result<(), ReadError> {
        self.get_many_into(keys, found)
    }

    fn is_faulted(self, _: Option<&&'t [u8]>) -> bool {
        self.is_faulted()
    }
}

impl Store for &TableSet {
    type Value = Value;
    type Error = SetError;

    fn id(self) -> BuildId {
        self.manifest().id
    }

    #[inline]
    fn get(self, key: &[u8]) -> Result<Option<Value>, SetError> {
        self.get(key)
    }

    #[inline]
    fn get_many(self, keys: &[&[u8]], found: &mut Vec<Option<Value>>) -> Result<(), SetError> {
        *found = self.get_many(keys)?;
        Ok(())
    }

    fn is_faulted(self, value: Option<&Value>) -> bool {
        value.is_some_and(Value::is_faulted)
    }
}

/// A packed table or set, and the buffer of the thread that asks it.
pub(super) struct Decoding<'t, T> {
    pub(super) store: &'t T,
    pub(super) buffer: &'t RefCell<ValueBuffer>,
}

impl<T> Clone for Decoding<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Decoding<'_, T> {}

impl Store for Decoding<'_, PackedTable> {
    type Value = Vec<u8>;
    type Error = ReadError;

    fn id(self) -> BuildId {
        self.store.build_id()
    }

    #[inline]
    fn get(self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.store.get(key, &mut self.buffer.borrow_mut())?.map(<[u8]>::to_vec))
    }

    #[inline]
    fn get_many(self, keys: &[&[u8]], found: &mut Vec<Option<Vec<u8>>>) -> Result<(), ReadError> {
        found.clear();
        self.store.get_many_with(keys, &mut self.buffer.borrow_mut(), |value| {
            found.push(value.map(<[u8]>::to_vec));
        })
    }

    fn is_faulted(self, _: Option<&Vec<u8>>) -> bool {
        self.store.stored().is_faulted()
    }
}

impl Store for Decoding<'_, PackedSet> {
    type Value = Vec<u8>;
    type Error = SetError;

    fn id(self) -> BuildId {
        self.store.manifest().id
    }

    #[inline]
    fn get(self, key: &[u8]) -> Result<Option<Vec<u8>>, SetError> {
        Ok(self.store.get(key, &mut self.buffer.borrow_mut())?.map(<[u8]>::to_vec))
    }

    #[inline]
    fn get_many(self, keys: &[&[u8]], found: &mut Vec<Option<Vec<u8>>>) -> Result<(), SetError> {
        found.clear();
        self.store.get_many_with(keys, &mut self.buffer.borrow_mut(), |value| {
            found.push(value.map(<[u8]>::to_vec));
        })
    }

    /// A value was decoded from whole pages, or its lookup was an error.
    fn is_faulted(self, _: Option<&Vec<u8>>) -> bool {
        false
    }
}
