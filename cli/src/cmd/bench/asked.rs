//! What readers look keys up in: a table, which may be replaced meanwhile, or a set.

use crate::exit::Failure;
use crate::open;
use graven::{
    AccessPattern, BuildId, Live, OpenError, ReadError, RefreshOutcome, SetError, Table, TableSet,
    Value,
};
use std::path::Path;

/// What stands at the path that a reader opens.
pub(super) enum Asked {
    Live(Live),
    Set(TableSet),
}

impl Asked {
    pub(super) fn open(path: &Path, access: AccessPattern) -> Result<Self, Failure> {
        Ok(match open::is_set(path) {
            true => Self::Set(open::set(path, access)?),
            false => Self::Live(open::live(path, access)?),
        })
    }

    /// Looks for a new table, and tells whether there is one. Sets are not replaced.
    pub(super) fn refresh(&self) -> Result<bool, OpenError> {
        match self {
            Self::Live(live) => live.refresh().map(|found| found == RefreshOutcome::Swapped),
            Self::Set(_) => Ok(false),
        }
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
