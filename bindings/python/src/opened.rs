//! A table that is open, plain or packed, and what both are asked alike.

use crate::found::Found;
use crate::packed::{self, Packed};
use graven::{OpenError, PackedTable, ReadError, Table};

/// An open table. A packed one decodes keys and values into memory of the thread, so both kinds hand
/// them to a function instead of returning slices.
#[derive(Clone)]
pub(crate) enum Opened {
    Plain(Table),
    Packed(Packed),
}

/// An expression for a table of either kind.
macro_rules! either {
    ($opened:expr, $table:ident => $answer:expr) => {
        match $opened {
            $crate::opened::Opened::Plain($table) => $answer,
            $crate::opened::Opened::Packed($table) => $answer,
        }
    };
}

/// The entry that a query of an open table finds, handed to a function.
macro_rules! entry {
    ($opened:expr, $query:ident($($key:expr)?), $then:expr) => {
        match $opened {
            $crate::opened::Opened::Plain(table) => {
                table.$query($($key)?).map(|found| found.map($then))
            }
            $crate::opened::Opened::Packed(table) => table.decode(|buffer| {
                table.$query($($key,)? buffer).map(|found| found.map($then))
            }),
        }
    };
}

pub(crate) use {either, entry};

impl Opened {
    /// A table that was opened with `allow_packed`, with the decoder that it needs, for values of at
    /// most `most` bytes.
    pub(crate) fn new(stored: Table, most: u32) -> Result<Self, OpenError> {
        Ok(Self::of(PackedTable::try_from(stored)?, most))
    }

    /// A table of either kind as what it is.
    pub(crate) fn of(table: PackedTable, most: u32) -> Self {
        match table.is_packed() {
            true => Self::Packed(Packed { table, most }),
            false => Self::Plain(table.stored().clone()),
        }
    }

    /// The table as the library has it where tables of both kinds are taken.
    pub(crate) fn either(self) -> Result<PackedTable, OpenError> {
        match self {
            Self::Plain(table) => PackedTable::try_from(table),
            Self::Packed(packed) => Ok(packed.table),
        }
    }

    /// The table as it lies in the file, for what concerns neither keys nor values.
    pub(crate) fn stored(&self) -> &Table {
        match self {
            Self::Plain(table) => table,
            Self::Packed(table) => table.stored(),
        }
    }

    /// Hands the value of `key` to `then`.
    #[inline]
    pub(crate) fn get<T>(
        &self,
        key: &[u8],
        then: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, ReadError> {
        match self {
            Self::Plain(table) => Ok(table.get(key)?.map(then)),
            Self::Packed(table) => packed::get(table, table.most, key, then),
        }
    }

    /// The value of `key`, which outlives the table's handle.
    pub(crate) fn found(&self, key: &[u8]) -> Result<Option<Found>, ReadError> {
        match self {
            Self::Plain(table) => Ok(table.get_owned(key)?.map(Found::from)),
            Self::Packed(table) => packed::found(table, table.most, key),
        }
    }
}
