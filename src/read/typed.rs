//! A typed view of a table: keys as numbers, values in place.

mod asked;
pub(crate) mod walk;

use super::range::{bound, encoded};
use super::table::Table;
use crate::error::{OpenError, OpenFailure, ReadError, ReadResult};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use asked::AskedTypes;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use walk::{TypedCursor, TypedGetAll, TypedIter, TypedKeys, TypedValues, entry, value};
use zerocopy::IntoBytes;

/// Most keys of a batch that are encoded at once.
const BATCH: usize = 1024;

/// A table whose keys and values have types. Opening it compares the types with those in the file
/// and checks sizes and alignment, once; a lookup then returns a reference into the table's bytes,
/// without a copy. Cloning it is cheap and shares everything.
///
/// It has the queries of [`Table`] for single keys, for ranges and for ranks, with the same costs.
/// Owned values, prefixes and [`split`](Table::split) are those of [`table`](Self::table), on
/// encoded bytes, and so are questions about the table as a whole, such as [`stats`](Table::stats)
/// and [`verify`](Table::verify). Keys are in the order of their values: −5 comes before 3. See
/// [`TypedKey`] and [`TypedValue`] for what keys and values can be.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let entries = [(7_i32, 700_u64), (-5, 500), (0, 1)];
/// graven::BuildOptions::new().build_typed(&path, entries)?;
///
/// let table = graven::Table::load(&path)?.typed::<i32, u64>()?;
/// assert_eq!(table.get(&7)?, Some(&700));
/// assert_eq!(table.floor(&-1)?, Some((-5, &500)));
/// for entry in &table {
///     let (key, value) = entry?;
///     println!("{key} → {value}");
/// }
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
        f.debug_struct("TypedTable").field("table", &self.table).finish()
    }
}

impl Table {
    /// A typed view of this table, which shares its bytes. Reads the types section.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(1_u64, 2.5_f32)])?;
    /// let table = graven::Table::load(&path)?;
    /// assert_eq!(table.typed::<u64, f32>()?.get(&1)?, Some(&2.5));
    /// let error = table.typed::<u64, u32>().unwrap_err();
    /// assert!(error.to_string().contains("value type is f32 in the table, u32 was asked for"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenFailure::TypeMismatch`] for a table of other types or of none,
    /// [`OpenFailure::Misaligned`] where values do not lie in memory as `V` needs,
    /// [`OpenFailure::Damaged`].
    pub fn typed<K: TypedKey, V: TypedValue>(&self) -> Result<TypedTable<K, V>, OpenError> {
        TypedTable::of(self.clone()).map_err(|failure| match self.path() {
            Some(path) => failure.at(path),
            None => failure.in_memory(),
        })
    }
}

impl<K: TypedKey, V: TypedValue> TypedTable<K, V> {
    /// A typed view of a table.
    pub(crate) fn of(table: Table) -> Result<Self, OpenFailure> {
        AskedTypes::of::<K, V>().compare(&table)?;
        Ok(Self { table, types: PhantomData })
    }

    /// The value of `key`, in place; the first one where the key is repeated.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(*b"CH", 41_u32), (*b"NO", 47)])?;
    /// let codes = graven::OpenOptions::new().load_typed::<[u8; 2], u32>(&path)?;
    /// assert_eq!(codes.get(b"NO")?, Some(&47));
    /// assert_eq!(codes.get(b"XX")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<&V>, ReadError> {
        match self.table.get(key.encode().as_bytes())? {
            Some(bytes) => value(bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Whether `key` is in the table.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert!(table.contains_key(&-7)?);
    /// assert!(!table.contains_key(&7)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn contains_key(&self, key: &K) -> Result<bool, ReadError> {
        self.table.contains_key(key.encode().as_bytes())
    }

    /// Looks up many keys at once: one answer per key, in their order. See [`Table::get_many`] for
    /// when that is faster. Allocates the vector;
    /// [`get_many_into`](Self::get_many_into) takes one that is there.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(1_u64, 10_u64), (2, 20)])?;
    /// let table = graven::OpenOptions::new().load_typed::<u64, u64>(&path)?;
    /// assert_eq!(table.get_many(&[2, 3, 1])?, [Some(&20), None, Some(&10)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many(&self, keys: &[K]) -> Result<Vec<Option<&V>>, ReadError> {
        let mut answers = Vec::new();
        self.get_many_into(keys, &mut answers)?;
        Ok(answers)
    }

    /// As [`get_many`](Self::get_many), into a vector that is used again: `out` is cleared, then
    /// gets one answer per key. After an error `out` is empty. Allocates room for the bytes and the
    /// answers of at most 1,024 keys.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// let mut answers = Vec::new();
    /// for keys in [[3, 4], [-7, 0]] {
    ///     table.get_many_into(&keys, &mut answers)?; // room is used again
    /// }
    /// assert_eq!(answers, [Some(&1), Some(&2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn get_many_into<'t>(
        &'t self,
        keys: &[K],
        out: &mut Vec<Option<&'t V>>,
    ) -> Result<(), ReadError> {
        out.clear();
        let answered = self.answer(keys, out);
        if answered.is_err() {
            out.clear();
        }
        answered
    }

    fn answer<'t>(&'t self, keys: &[K], out: &mut Vec<Option<&'t V>>) -> ReadResult<()> {
        out.reserve(keys.len());
        let (mut encoded, mut answers) = (Vec::new(), Vec::new());
        for keys in keys.chunks(BATCH) {
            encoded.clear();
            encoded.extend(keys.iter().map(K::encode));
            self.table.get_many_into(&encoded, &mut answers)?;
            for answer in &answers {
                out.push(answer.map(value).transpose()?);
            }
        }
        Ok(())
    }

    /// All values of `key`, in the order of their insertion: more than one only in a table that
    /// was built with `Duplicates::KeepAll`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let options = graven::BuildOptions::new().duplicates(graven::Duplicates::KeepAll);
    /// # options.build_typed(&path, [(1_u32, 10_u8), (2, 20), (1, 11)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<u32, u8>(&path)?;
    /// // Built with Duplicates::KeepAll.
    /// let values = table.get_all(&1).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(values, [&10, &11]);
    /// assert_eq!(table.count_of(&1)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_all(&self, key: &K) -> TypedGetAll<'_, V> {
        TypedGetAll::new(self.table.get_all(key.encode().as_bytes()))
    }

    /// All entries in the order of their keys; can be walked from both ends.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// let two: Result<Vec<_>, _> = table.iter().rev().take(2).collect();
    /// assert_eq!(two?, [(3, &3), (0, &2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> TypedIter<'_, K, V> {
        TypedIter::new(self.table.iter())
    }

    /// The entries whose keys lie within `range`. A start beyond the end yields nothing. Costs one
    /// search per bound. All tuples with one first component are such a range; see [`TypedKey`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(0_u8, ()), (9, ()), (255, ())])?;
    /// let table = graven::OpenOptions::new().load_typed::<u8, ()>(&path)?;
    /// let mut keys = Vec::new();
    /// for entry in table.range(1..=255) {
    ///     keys.push(entry?.0);
    /// }
    /// assert_eq!(keys, [9, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(&self, range: impl RangeBounds<K>) -> TypedIter<'_, K, V> {
        let (from, to) = encoded(&range);
        TypedIter::new(self.table.range((bound(&from), bound(&to))))
    }

    /// All keys in their order, as often as they have entries.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.keys().collect::<Result<Vec<_>, _>>()?, [-7, 0, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> TypedKeys<'_, K> {
        TypedKeys::new(self.table.keys())
    }

    /// All values, in the order of their keys.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// let mut sum = 0;
    /// for value in table.values() {
    ///     sum += value?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> TypedValues<'_, V> {
        TypedValues::new(self.table.values())
    }

    /// A cursor before the first entry.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// let mut cursor = table.cursor();
    /// assert!(cursor.seek_floor(&2)?);
    /// assert_eq!((cursor.key(), cursor.value()), (Some(0), Some(&2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cursor(&self) -> TypedCursor<'_, K, V> {
        TypedCursor::new(self.table.cursor())
    }

    /// The first entry: the one with the smallest key.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.first()?, Some((-7, &1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn first(&self) -> Result<Option<(K, &V)>, ReadError> {
        self.table.first()?.map(entry).transpose()
    }

    /// The last entry: the one with the largest key.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.last()?, Some((3, &3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn last(&self) -> Result<Option<(K, &V)>, ReadError> {
        self.table.last()?.map(entry).transpose()
    }

    /// The last entry whose key is not greater than `key`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// // First address of a network, and its number.
    /// let networks = [(0x0A00_0000_u32, 1_u32), (0x0A80_0000, 2)];
    /// graven::BuildOptions::new().build_typed(&path, networks)?;
    /// let table = graven::OpenOptions::new().load_typed::<u32, u32>(&path)?;
    /// assert_eq!(table.floor(&0x0A01_0203)?, Some((0x0A00_0000, &1)));
    /// assert_eq!(table.floor(&0x0900_0000)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn floor(&self, key: &K) -> Result<Option<(K, &V)>, ReadError> {
        self.table.floor(key.encode().as_bytes())?.map(entry).transpose()
    }

    /// The first entry whose key is not smaller than `key`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.ceil(&1)?, Some((3, &3)));
    /// assert_eq!(table.ceil(&4)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn ceil(&self, key: &K) -> Result<Option<(K, &V)>, ReadError> {
        self.table.ceil(key.encode().as_bytes())?.map(entry).transpose()
    }

    /// The entry with `rank` entries before it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.nth(table.len() / 2)?, Some((0, &2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn nth(&self, rank: u64) -> Result<Option<(K, &V)>, ReadError> {
        self.table.nth(rank)?.map(entry).transpose()
    }

    /// Number of entries with keys below `key`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.rank(&0)?, 1);
    /// assert_eq!(table.nth(1)?, Some((0, &2)));
    /// assert_eq!(table.count(..=0)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn rank(&self, key: &K) -> Result<u64, ReadError> {
        self.table.rank(key.encode().as_bytes())
    }

    /// Number of entries with keys within `range`: two searches, no walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!(table.count(-7..3)?, 2);
    /// assert_eq!(table.count(1..)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count(&self, range: impl RangeBounds<K>) -> Result<u64, ReadError> {
        let (from, to) = encoded(&range);
        self.table.count((bound(&from), bound(&to)))
    }

    /// Number of entries with this key: two searches, no walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build_typed(&path, [(-7_i64, 1_u8), (0, 2), (3, 3)])?;
    /// # let table = graven::OpenOptions::new().load_typed::<i64, u8>(&path)?;
    /// assert_eq!((table.count_of(&0)?, table.count_of(&1)?), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn count_of(&self, key: &K) -> Result<u64, ReadError> {
        self.count(key..=key)
    }
}

impl<K, V> TypedTable<K, V> {
    /// Number of entries. Costs nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.table.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table beneath, whose keys and values are bytes.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// graven::BuildOptions::new().build_typed(&path, [(-1_i16, 7_u8)])?;
    /// let typed = graven::OpenOptions::new().load_typed::<i16, u8>(&path)?;
    /// assert_eq!(typed.table().stats()?.key_type.as_deref(), Some("i16"));
    /// // Signed keys have their sign bit flipped, so that bytes order as numbers do.
    /// assert_eq!(typed.table().first()?, Some((&b"\x7f\xff"[..], &b"\x07"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }
}

impl<'t, K: TypedKey, V: TypedValue> IntoIterator for &'t TypedTable<K, V> {
    type Item = Result<(K, &'t V), ReadError>;
    type IntoIter = TypedIter<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
