//! A typed view of a table: keys as numbers, values in place.

#![cfg_attr(
    unix,
    expect(unsafe_code, reason = "mapping a path is unsafe, and the promise is the caller's")
)]

use super::table::Table;
use crate::error::{OpenError, OpenFailure, ReadError};
use crate::format::types::{self, TypedKey, value_order, value_tag};
use std::fmt;
use std::marker::PhantomData;
#[cfg(unix)]
use std::path::Path;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// A table whose keys and values have types. Opening it checks once that types, sizes and
/// alignment fit; a lookup returns a reference into the table's bytes, without a copy.
///
/// Keys are integers or byte arrays and keep their numeric order; values are zerocopy types. The
/// types stand in the file: a table of `u64` can't be opened as one of `i64`. Of structs only the
/// size is compared, and of an empty table only the type tags.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let mut builder = graven::BuildOptions::new().create_typed::<i32, u64>(&path)?;
/// builder.insert(&-5, &500)?;
/// builder.insert(&7, &700)?;
/// builder.finish()?;
/// let table = graven::TypedTable::<i32, u64>::new(graven::Table::load(&path)?)?;
/// assert_eq!(table.get(&7)?, Some(&700));
/// let first = table.iter().next().transpose()?;
/// assert_eq!(first, Some((-5, &500)));
/// # Ok(())
/// # }
/// ```
pub struct TypedTable<K, V> {
    table: Table,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for TypedTable<K, V> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedTable").field(&self.table).finish()
    }
}

impl<K, V> TypedTable<K, V>
where
    K: TypedKey,
    V: FromBytes + Immutable + KnownLayout + 'static,
{
    /// Maps the typed table at `path`.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// As [`Table::open`], and as [`TypedTable::new`].
    #[cfg(unix)]
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        let table = unsafe { Table::open(path) }?;
        Self::new(table)
    }

    /// A typed view of an open table.
    ///
    /// # Errors
    /// [`OpenFailure::TypeMismatch`] for a table of other types, [`OpenFailure::Misaligned`] where
    /// values do not lie in memory as `V` needs.
    pub fn new(table: Table) -> Result<Self, OpenError> {
        match Self::check(&table) {
            Ok(()) => Ok(Self { table, types: PhantomData }),
            Err(failure) => Err(match table.path() {
                Some(path) => failure.at(path),
                None => failure.in_memory(),
            }),
        }
    }

    /// Whether the table holds these types, where they can be read in place.
    fn check(table: &Table) -> Result<(), OpenFailure> {
        let layout = table.view().layout();
        let mismatch = |part, expected: String, got: String| {
            Err(OpenFailure::TypeMismatch { part, expected, got })
        };
        if layout.key_type != K::TAG {
            let (expected, got) = (types::name(layout.key_type), types::name(K::TAG));
            return mismatch("key", expected.to_owned(), got.to_owned());
        }
        if layout.value_type != value_tag::<V>() {
            let (expected, got) = (types::name(layout.value_type), std::any::type_name::<V>());
            return mismatch("value", expected.to_owned(), got.to_owned());
        }
        if layout.byte_order != types::ORDER_NONE && layout.byte_order != value_order::<V>() {
            let order = |order| if order == 1 { "little-endian" } else { "big-endian" };
            let got = order(value_order::<V>());
            return mismatch("value", order(layout.byte_order).to_owned(), got.to_owned());
        }
        if !table.is_empty() {
            let key_len = layout.record.fixed_key.map(|len| len as usize);
            if key_len != Some(size_of::<K::Bytes>()) {
                let expected = format!("{} bytes", key_len.unwrap_or(0));
                return mismatch("key", expected, format!("{} bytes", size_of::<K::Bytes>()));
            }
            let value_len = layout.record.fixed_value.map(|len| len as usize);
            if value_len != Some(size_of::<V>()) {
                let expected = format!("{} bytes", value_len.unwrap_or(0));
                return mismatch("value", expected, format!("{} bytes", size_of::<V>()));
            }
        }
        let needed = align_of::<V>();
        let in_file = layout.record.align() as usize;
        if in_file < needed {
            return Err(OpenFailure::Misaligned { needed, got: in_file });
        }
        let off = table.view().bytes().as_ptr().addr() % needed;
        if off != 0 {
            return Err(OpenFailure::Misaligned { needed, got: off });
        }
        Ok(())
    }

    /// The value of `key`, in place.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<&V>, ReadError> {
        match self.table.get(key.encode().as_ref())? {
            Some(value) => Self::value(value).map(Some),
            None => Ok(None),
        }
    }

    /// Whether `key` is in the table.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn contains_key(&self, key: &K) -> Result<bool, ReadError> {
        self.table.contains_key(key.encode().as_ref())
    }

    /// All entries in the order of their keys; can be walked from both ends.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Result<(K, &V), ReadError>> {
        self.table.iter().map(|entry| entry.and_then(Self::entry))
    }

    /// The entries with keys from `from` (included) to `to` (excluded).
    pub fn range(
        &self,
        from: &K,
        to: &K,
    ) -> impl DoubleEndedIterator<Item = Result<(K, &V), ReadError>> {
        let (from, to) = (from.encode(), to.encode());
        self.table.range(from.as_ref()..to.as_ref()).map(|entry| entry.and_then(Self::entry))
    }

    /// The table beneath, whose keys and values are bytes.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn entry<'t>((key, value): (&'t [u8], &'t [u8])) -> Result<(K, &'t V), ReadError> {
        let key = K::decode(key).ok_or_else(|| ReadError::corrupt("key of another length", 0))?;
        Ok((key, Self::value(value)?))
    }

    /// Size and alignment were checked when the table was opened.
    #[inline]
    fn value(bytes: &[u8]) -> Result<&V, ReadError> {
        V::ref_from_bytes(bytes).map_err(|_| ReadError::corrupt("value of another layout", 0))
    }
}
