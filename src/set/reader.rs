//! Lookups that lend: a reader keeps the shards that it has asked.

use super::many;
use super::shards::Shards;
use crate::error::SetError;
use crate::read::{Table, Value};
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

/// Point lookups in a set for one thread, which lend as those of a [`Table`] do.
///
/// A reader keeps each shard that it has asked, so its answers are slices that live as long as the
/// reader or the borrow of it, and a lookup makes no atomic operation, which a lookup by
/// [`TableSet::get`](crate::TableSet::get) does to own its answer. Making a reader costs eight
/// bytes per shard of the set. Make one for each thread, or for each request. What a reader keeps
/// does not count towards [`max_mapped_bytes`](crate::SetOptions::max_mapped_bytes);
/// [`release`](Self::release) gives it back.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("cities");
/// # let mut builder = graven::SetBuildOptions::new().shard_entries(2).create(&path)?;
/// # for (city, people) in [("Basel", "173863"), ("Bern", "133883"), ("Chur", "38293")] {
/// #     builder.insert(city, people)?;
/// # }
/// # builder.finish()?;
/// # // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { graven::TableSet::open(&path)? };
/// let reader = set.reader();
/// let (bern, chur) = (reader.get("Bern")?, reader.get("Chur")?);
/// assert_eq!((bern, chur), (Some(&b"133883"[..]), Some(&b"38293"[..])));
/// # Ok(())
/// # }
/// ```
pub struct SetReader {
    shards: Arc<Shards<Table>>,
    tables: Box<[OnceCell<Table>]>,
}

impl fmt::Debug for SetReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.tables.iter().filter(|table| table.get().is_some()).count();
        f.debug_struct("SetReader")
            .field("path", &self.shards.directory)
            .field("shards", &self.tables.len())
            .field("kept", &kept)
            .finish_non_exhaustive()
    }
}

impl SetReader {
    pub(super) fn new(shards: &Arc<Shards<Table>>) -> Self {
        let tables = (0..shards.len()).map(|_| OnceCell::new()).collect();
        Self { shards: Arc::clone(shards), tables }
    }

    /// A shard as a table, which is mapped if it is not. The queries of this table lend as well.
    ///
    /// # Errors
    /// [`SetError`] if the shard is not as the manifest says.
    ///
    /// # Panics
    /// If the set has no shard of this number.
    #[inline]
    pub fn table(&self, shard: usize) -> Result<&Table, SetError> {
        let place = &self.tables[shard];
        match place.get() {
            Some(table) => Ok(table),
            None => self.keep(shard),
        }
    }

    #[cold]
    #[inline(never)]
    fn keep(&self, shard: usize) -> Result<&Table, SetError> {
        let table = self.shards.table(shard)?;
        Ok(self.tables[shard].get_or_init(|| table))
    }

    /// The value of `key`, the first one where it is repeated. Costs finding the shard, and what
    /// [`Table::get`] costs.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped, or a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>, SetError> {
        let key = key.as_ref();
        match self.shards.of_key(key) {
            Some(shard) => Ok(self.table(shard)?.get(key)?),
            None => Ok(None),
        }
    }

    /// Whether `key` is in the set. Costs what [`get`](Self::get) costs.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    #[inline]
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, SetError> {
        Ok(self.get(key)?.is_some())
    }

    /// Looks up many keys at once: one answer per key, in their order. All keys go through their
    /// shards together, and what they will read is prefetched, as in [`Table::get_many`].
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<&[u8]>>, SetError> {
        let mut answers = Vec::with_capacity(keys.len());
        self.get_many_with(keys, |answer| answers.push(answer))?;
        Ok(answers)
    }

    /// As [`get_many`](Self::get_many), but hands each answer to `each`, in the order of the keys.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get). `each` has had some answers then, which are right.
    pub fn get_many_with<'r, K: AsRef<[u8]>>(
        &'r self,
        keys: &[K],
        each: impl FnMut(Option<&'r [u8]>),
    ) -> Result<(), SetError> {
        many::together(&self.asked(keys)?, each)
    }

    /// The values of `keys`, owned, in their order.
    pub(super) fn get_many_owned<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
    ) -> Result<Vec<Option<Value>>, SetError> {
        let asked = self.asked(keys)?;
        let mut found = Vec::with_capacity(keys.len());
        many::together(&asked, |value| {
            let (table, _) = asked[found.len()];
            found.push(value.and_then(|value| table.slice_ref(value)));
        })?;
        Ok(found)
    }

    /// Each key with its shard. A key before all range shards is absent, in the first one as well.
    fn asked<'k, K: AsRef<[u8]>>(
        &self,
        keys: &'k [K],
    ) -> Result<Vec<(&Table, &'k [u8])>, SetError> {
        let pair = |key: &'k K| {
            let key = key.as_ref();
            Ok((self.table(self.shards.of_key(key).unwrap_or(0))?, key))
        };
        keys.iter().map(pair).collect()
    }

    /// Lets the shards go that this reader keeps.
    pub fn release(&mut self) {
        self.tables.iter_mut().for_each(|table| drop(table.take()));
    }
}
