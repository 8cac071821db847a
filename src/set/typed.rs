//! A typed view of a set: keys as numbers, values in place.

#![expect(unsafe_code, reason = "opening a set is unsafe, and the promise is the caller's")]

pub(super) mod value;
pub(super) mod walk;

use super::table_set::{SetOptions, TableSet};
use crate::error::SetError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::read::range::{bound, encoded};
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::path::Path;
use value::TypedSetValue;
use walk::{TypedSetIter, entry};

/// A set whose keys and values have types: for a [`TableSet`] what
/// [`TypedTable`](crate::TypedTable) is for a table. Cloning it is cheap and shares everything.
///
/// The types are those of the shards, which the manifest does not name: those of the first shard are
/// compared when the set is opened, those of each other one when it is mapped. So a lookup compares
/// no types, and a shard of other types is an error, never an answer. Values are returned as
/// [`TypedSetValue`], which derefs to `V` and keeps its shard open. Costs are those of [`TableSet`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("squares");
/// let mut builder =
///     graven::SetBuildOptions::new().shard_entries(100).create_typed::<i32, u64>(&path)?;
/// builder.extend((-300..=300).map(|n: i32| (n, n.pow(2) as u64)))?;
/// builder.finish()?; // seven shards
///
/// // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { graven::TypedTableSet::<i32, u64>::open(&path)? };
/// assert_eq!(*set.get(&-12)?.unwrap(), 144);
/// assert_eq!(set.count(..0)?, 300);
/// for entry in set.range(-1..=1) {
///     let (key, value) = entry?;
///     println!("{key} → {}", *value);
/// }
/// # Ok(())
/// # }
/// ```
pub struct TypedTableSet<K, V> {
    set: TableSet,
    types: PhantomData<fn() -> (K, V)>,
}

/// An entry of a typed set.
type Entry<K, V> = (K, TypedSetValue<V>);

impl<K, V> Clone for TypedTableSet<K, V> {
    fn clone(&self) -> Self {
        Self { set: self.set.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedTableSet<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedTableSet").field("set", &self.set).finish()
    }
}

impl<K: TypedKey, V: TypedValue> TypedTableSet<K, V> {
    /// Opens the typed set at `path`, as [`TableSet::open`] does, and maps its first shard.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    ///
    /// # Errors
    /// The errors of [`TableSet::open`]; [`SetError::Open`] with
    /// [`OpenFailure::TypeMismatch`](crate::OpenFailure::TypeMismatch) if the first shard has other
    /// types.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &SetOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &SetOptions,
    ) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        let set = unsafe { options.expect_types::<K, V>().open(path) }?;
        Self::of(set)
    }

    /// A typed view of a set that was opened with options that expect these types.
    pub(super) fn of(set: TableSet) -> Result<Self, SetError> {
        set.table(0)?;
        Ok(Self { set, types: PhantomData })
    }

    /// The value of `key`; the first one where the key is repeated.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped or has other types, or a page that was touched is
    /// damaged.
    #[inline]
    pub fn get(&self, key: &K) -> Result<Option<TypedSetValue<V>>, SetError> {
        match self.set.get(key.encode())? {
            Some(bytes) => Ok(Some(TypedSetValue::new(bytes)?)),
            None => Ok(None),
        }
    }

    /// Whether `key` is in the set.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn contains_key(&self, key: &K) -> Result<bool, SetError> {
        self.set.contains_key(key.encode())
    }

    /// All values of `key`, in the order of their insertion.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_all(&self, key: &K) -> Result<Vec<TypedSetValue<V>>, SetError> {
        let values = self.set.get_all(key.encode())?;
        values.into_iter().map(|bytes| Ok(TypedSetValue::new(bytes)?)).collect()
    }

    /// Looks up many keys at once: one answer per key, in their order. See
    /// [`TableSet::get_many`]. Allocates room for the bytes of all keys.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_many(&self, keys: &[K]) -> Result<Vec<Option<TypedSetValue<V>>>, SetError> {
        let keys: Vec<_> = keys.iter().map(K::encode).collect();
        let values = self.set.get_many(&keys)?.into_iter();
        values.map(|found| Ok(found.map(TypedSetValue::new).transpose()?)).collect()
    }

    /// All entries in the order of their keys, from both ends.
    pub fn iter(&self) -> TypedSetIter<K, V> {
        TypedSetIter::new(self.set.iter())
    }

    /// The entries whose keys lie within `range`, as [`TableSet::range`] gives them. All tuples with
    /// one first component are such a range; see [`TypedKey`].
    pub fn range(&self, range: impl RangeBounds<K>) -> TypedSetIter<K, V> {
        let (from, to) = encoded(&range);
        TypedSetIter::new(self.set.range((bound(&from), bound(&to))))
    }

    /// The entry with the smallest key.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn first(&self) -> Result<Option<Entry<K, V>>, SetError> {
        Ok(self.set.first()?.map(entry).transpose()?)
    }

    /// The entry with the largest key.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn last(&self) -> Result<Option<Entry<K, V>>, SetError> {
        Ok(self.set.last()?.map(entry).transpose()?)
    }

    /// The last entry whose key is not greater than `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn floor(&self, key: &K) -> Result<Option<Entry<K, V>>, SetError> {
        Ok(self.set.floor(key.encode())?.map(entry).transpose()?)
    }

    /// The first entry whose key is not smaller than `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn ceil(&self, key: &K) -> Result<Option<Entry<K, V>>, SetError> {
        Ok(self.set.ceil(key.encode())?.map(entry).transpose()?)
    }

    /// The entry with `rank` entries before it. Only a set that is divided by ranges answers this.
    ///
    /// # Errors
    /// The errors of [`TableSet::nth`].
    pub fn nth(&self, rank: u64) -> Result<Option<Entry<K, V>>, SetError> {
        Ok(self.set.nth(rank)?.map(entry).transpose()?)
    }

    /// Number of entries with keys below `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn rank(&self, key: &K) -> Result<u64, SetError> {
        self.set.rank(key.encode())
    }

    /// Number of entries with keys within `range`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn count(&self, range: impl RangeBounds<K>) -> Result<u64, SetError> {
        let (from, to) = encoded(&range);
        self.set.count((bound(&from), bound(&to)))
    }

    /// Number of entries with this key.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn count_of(&self, key: &K) -> Result<u64, SetError> {
        self.count(key..=key)
    }
}

impl<K, V> TypedTableSet<K, V> {
    /// Number of entries. Costs nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.set.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The set beneath, whose keys and values are bytes. It refuses shards of other types, too.
    #[must_use]
    pub fn set(&self) -> &TableSet {
        &self.set
    }
}

impl<K: TypedKey, V: TypedValue> IntoIterator for &TypedTableSet<K, V> {
    type Item = Result<Entry<K, V>, SetError>;
    type IntoIter = TypedSetIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
