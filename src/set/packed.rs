//! The set of packed shards: each value is decoded into a buffer of the caller, which the answer
//! borrows alone, so that the set may let its shard go.

#![expect(unsafe_code, reason = "opening a set is unsafe, and the promise is the caller's")]

pub(super) mod iter;

use super::many;
use super::shard::PackedValue;
use super::shards::Shards;
use super::table_set::{SetOptions, TableSet};
use super::verify::SetReport;
use super::walk::{Ends, SetWalk};
use crate::codec::ValueBuffer;
use crate::error::SetError;
use crate::manifest::Manifest;
use crate::read::{KeyRange, PackedTable, Value};
use crate::verify::VerifyProgress;
use iter::PackedSetIter;
use std::fmt;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

/// An open set whose shards may be packed tables: for a [`TableSet`](crate::TableSet) what
/// [`PackedTable`] is for a [`Table`](crate::Table). It takes plain shards as well, and some of each.
/// [`Manifest::has_packed_shards`] tells whether a set needs it. Cloning it is cheap and shares
/// everything. `Send + Sync`.
///
/// A query decodes what it returns into a [`ValueBuffer`] of the caller, where it also copies what is
/// stored as it is. So an answer borrows the buffer alone, and no shard stays mapped for it. Where all
/// shards are plain, `TableSet` copies nothing.
///
/// Shards are mapped when they are asked, and let go under
/// [`SetOptions::max_mapped_bytes`]. A query asks the same shards as in a `TableSet`, and the set holds
/// the same lock on its manifest. Mapping a packed shard reads its dictionaries, too.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("pages");
/// let tables = graven::BuildOptions::new().compact_keys(true);
/// let mut builder = graven::SetBuildOptions::new().shard_entries(300).tables(tables).create(&path)?;
/// for page in 0..1000 {
///     builder.insert(format!("https://example.org/{page:04}"), format!("Page {page}"))?;
/// }
/// builder.finish()?; // four shards
///
/// // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { graven::PackedSet::open(&path)? };
/// let mut buffer = graven::ValueBuffer::new(); // one per thread
/// assert_eq!(set.get("https://example.org/0042", &mut buffer)?, Some(&b"Page 42"[..]));
/// assert_eq!(set.count("https://example.org/0500"..)?, 500);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PackedSet {
    shards: Arc<Shards<PackedTable>>,
}

/// An open set of either kind: for a program that takes both, and copies nothing where all shards are
/// plain.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("ages");
/// # let mut builder = graven::SetBuildOptions::new().create(&path)?;
/// # builder.insert("Ann", "31")?;
/// # builder.finish()?;
/// use graven::AnySet;
///
/// // SAFETY: nobody modifies or truncates the published files.
/// let entries = match unsafe { AnySet::open(&path, &graven::SetOptions::new())? } {
///     AnySet::Plain(set) => set.len(),
///     AnySet::Packed(set) => set.len(),
/// };
/// assert_eq!(entries, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub enum AnySet {
    /// All shards are plain.
    Plain(TableSet),
    /// At least one shard is a packed table.
    Packed(PackedSet),
}

impl AnySet {
    /// Opens the set at `path`, as [`TableSet::open`] does. Reads the manifest once.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    ///
    /// # Errors
    /// [`SetError::Io`] if there is no manifest; [`SetError::Manifest`] if it is none, or contradicts
    /// itself.
    pub unsafe fn open(path: impl AsRef<Path>, options: &SetOptions) -> Result<Self, SetError> {
        let (directory, read) = Manifest::find(path.as_ref())?;
        Ok(match read.0.has_packed_shards() {
            // SAFETY: the caller's promise is the same.
            true => Self::Packed(PackedSet::new(unsafe { options.shards(directory, read) }?)),
            // SAFETY: the caller's promise is the same.
            false => Self::Plain(TableSet::new(unsafe { options.shards(directory, read) }?)),
        })
    }
}

/// A value that [`PackedSet::get_value`] found.
#[derive(Debug)]
pub enum SetValue<'b> {
    /// Of a plain shard, which it keeps mapped.
    Mapped(Value),
    /// Of a packed shard, in the caller's buffer.
    Decoded(&'b [u8]),
}

/// Key and value in the caller's buffer.
type Entry<'b> = (&'b [u8], &'b [u8]);

impl fmt::Debug for PackedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedSet")
            .field("path", &self.path())
            .field("partition", &self.manifest().partition)
            .field("shards", &self.shards.len())
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

impl PackedSet {
    pub(super) fn new(shards: Shards<PackedTable>) -> Self {
        Self { shards: Arc::new(shards) }
    }

    /// Opens the set at `path`, as [`TableSet::open`](crate::TableSet::open) does.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`](crate::TableSet::open).
    ///
    /// # Errors
    /// [`SetError::Io`] if there is no manifest; [`SetError::Manifest`] if it is none, or contradicts
    /// itself. Shards that are missing, exchanged or damaged, or whose codec was left out of this
    /// library, are found when they are mapped.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &SetOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`](crate::TableSet::open).
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &SetOptions,
    ) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { options.shards_at(path.as_ref()) }.map(Self::new)
    }

    /// What the manifest says. Costs nothing.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.shards.manifest
    }

    /// The directory of the version that is open, with all links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shards.directory
    }

    /// Number of entries. Costs nothing.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.manifest().entries
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the shards that the set has mapped at this moment. Takes a lock.
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.shards.mapped_bytes()
    }

    /// A shard as a table, which is mapped if it is not. It stays mapped for as long as the table or a
    /// clone of it lives.
    ///
    /// # Errors
    /// [`SetError`] if the shard is not as the manifest says.
    ///
    /// # Panics
    /// If the set has no shard of this number.
    pub fn table(&self, shard: usize) -> Result<PackedTable, SetError> {
        self.shards.table(shard)
    }

    /// The number of the only shard that can have `key`. `None` if no shard can. Costs nothing but a
    /// hash, or a search in memory.
    #[must_use]
    pub fn shard_of(&self, key: impl AsRef<[u8]>) -> Option<usize> {
        self.shards.of_key(key.as_ref())
    }

    /// The value of `key`, the first one where it is repeated. Costs finding the shard, a lookup, and
    /// the decompression or a copy of one value.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped, a page that was touched is damaged, or the value does
    /// not decompress.
    #[inline]
    pub fn get<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<&'b [u8]>, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.packed().get_copied(key, buffer))
    }

    /// As [`get`](Self::get), but a value of a plain shard is not copied: it keeps the shard mapped, as
    /// an answer of a [`TableSet`](crate::TableSet) does.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    #[inline]
    pub fn get_value<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<SetValue<'b>>, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| {
            Ok(match table.is_packed() {
                true => table.packed().get_copied(key, buffer)?.map(SetValue::Decoded),
                false => table.stored().get_owned(key)?.map(SetValue::Mapped),
            })
        })
    }

    /// Whether `key` is in the set. No value is decompressed.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped, or a page that was touched is damaged.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.contains_key(key))
    }

    /// Looks up many keys at once: hands the value of each to `each`, in the order of the keys. The
    /// keys of one shard are looked up together, as by [`PackedTable::get_many_with`]; then values are
    /// decoded one after the other. Takes about 60 bytes for each key meanwhile, and keeps the shards
    /// that have one of them mapped.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::SetBuildOptions::new().hash_shards(2).create(&path)?;
    /// # for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] { builder.insert(key, value)?; }
    /// # builder.finish()?;
    /// // SAFETY: nobody modifies or truncates the published files.
    /// let set = unsafe { graven::PackedSet::open(&path)? };
    /// let (mut buffer, mut bytes) = (graven::ValueBuffer::new(), 0);
    /// set.get_many_with(&["a", "c", "d"], &mut buffer, |value| {
    ///     bytes += value.map_or(0, <[u8]>::len);
    /// })?;
    /// assert_eq!(bytes, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`get`](Self::get). `each` may have had some answers then, which are right.
    pub fn get_many_with<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
        buffer: &mut ValueBuffer,
        mut each: impl FnMut(Option<&[u8]>),
    ) -> Result<(), SetError> {
        for value in many::packed(keys, &self.shards, buffer)? {
            each(value.as_ref().map(|value| value.decode(&mut buffer.value)).transpose()?);
        }
        Ok(())
    }

    /// All values of `key`, in the order of their insertion, each in memory of its own.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_all(&self, key: impl AsRef<[u8]>) -> Result<Vec<Vec<u8>>, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.get_all(key).collect())
    }

    /// Number of entries with `key`.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped, or a page that was touched is damaged.
    pub fn count_of(&self, key: impl AsRef<[u8]>) -> Result<u64, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.count_of(key))
    }

    /// Number of entries with keys below `key`.
    ///
    /// # Errors
    /// The errors of [`count_of`](Self::count_of).
    pub fn rank(&self, key: impl AsRef<[u8]>) -> Result<u64, SetError> {
        self.shards.up_to(Bound::Excluded(key.as_ref()))
    }

    /// Number of entries with keys within `range`.
    ///
    /// # Errors
    /// The errors of [`count_of`](Self::count_of).
    pub fn count(&self, range: impl KeyRange) -> Result<u64, SetError> {
        self.shards.count((range.lower(), range.upper()))
    }

    /// The first entry.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn first<'b>(&self, buffer: &'b mut ValueBuffer) -> Result<Option<Entry<'b>>, SetError> {
        lend(SetWalk::new(&self.shards, Ends::of(&..)).next().transpose()?, buffer)
    }

    /// The last entry.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn last<'b>(&self, buffer: &'b mut ValueBuffer) -> Result<Option<Entry<'b>>, SetError> {
        lend(SetWalk::new(&self.shards, Ends::of(&..)).next_back().transpose()?, buffer)
    }

    /// The last entry whose key is not greater than `key`. Of hash shards, each is asked, and one value
    /// is decoded.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn floor<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<Entry<'b>>, SetError> {
        lend(self.shards.floor(key.as_ref())?, buffer)
    }

    /// The first entry whose key is not smaller than `key`. Of hash shards, each is asked, and one
    /// value is decoded.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn ceil<'b>(
        &self,
        key: impl AsRef<[u8]>,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<Entry<'b>>, SetError> {
        lend(self.shards.ceil(key.as_ref())?, buffer)
    }

    /// The entry with `rank` entries before it. Only a set that is divided by ranges answers this.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get); [`SetError::Unsupported`] if the set is divided by hashes: it
    /// would have to walk.
    pub fn nth<'b>(
        &self,
        rank: u64,
        buffer: &'b mut ValueBuffer,
    ) -> Result<Option<Entry<'b>>, SetError> {
        lend(self.shards.nth(rank)?, buffer)
    }

    /// All entries, ascending, from both ends, each in memory of its own.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::SetBuildOptions::new().hash_shards(2).create(&path)?;
    /// # for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] { builder.insert(key, value)?; }
    /// # builder.finish()?;
    /// // SAFETY: nobody modifies or truncates the published files.
    /// let set = unsafe { graven::PackedSet::open(&path)? };
    /// for entry in &set {
    ///     let (key, value) = entry?;
    ///     println!("{}: {}", key.escape_ascii(), value.escape_ascii());
    /// }
    /// assert_eq!(set.range("b"..).count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn iter(&self) -> PackedSetIter {
        self.range(..)
    }

    /// The entries whose keys lie within `range`, as those of [`iter`](Self::iter). A start beyond the
    /// end yields nothing. Maps nothing before the first step where shards are ranges, all shards where
    /// they are hashed.
    #[must_use]
    pub fn range(&self, range: impl KeyRange) -> PackedSetIter {
        PackedSetIter::new(&self.shards, Ends::of(&range))
    }

    /// The entries whose keys start with `prefix`, as [`range`](Self::range) gives them.
    #[must_use]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> PackedSetIter {
        PackedSetIter::new(&self.shards, Ends::of_prefix(prefix.as_ref()))
    }

    /// Audits the set, as [`TableSet::verify`](crate::TableSet::verify) does, and decodes every key and
    /// value.
    ///
    /// # Errors
    /// [`SetError`] for the first fault found.
    pub fn verify(&self) -> Result<SetReport, SetError> {
        let audited = self.verify_while(|_| ControlFlow::Continue(()))?;
        Ok(audited.unwrap_or_else(|| unreachable!("nothing ends this audit")))
    }

    /// As [`verify`](Self::verify), but calls `progress` after every mebibyte or so, and stops when it
    /// returns `Break`; see [`TableSet::verify_while`](crate::TableSet::verify_while).
    ///
    /// # Errors
    /// [`SetError`] for the first fault found.
    pub fn verify_while(
        &self,
        progress: impl Fn(VerifyProgress) -> ControlFlow<()> + Sync,
    ) -> Result<Option<SetReport>, SetError> {
        SetReport::audit(&self.shards, &progress)
    }

    /// The shards, for what follows versions.
    pub(super) fn shards(&self) -> &Arc<Shards<PackedTable>> {
        &self.shards
    }
}

impl IntoIterator for &PackedSet {
    type Item = Result<(Vec<u8>, Vec<u8>), SetError>;
    type IntoIter = PackedSetIter;

    fn into_iter(self) -> PackedSetIter {
        self.iter()
    }
}

/// Key and value of an entry, in the buffer.
fn lend(
    found: Option<(Vec<u8>, PackedValue)>,
    buffer: &mut ValueBuffer,
) -> Result<Option<Entry<'_>>, SetError> {
    let Some((key, value)) = found else { return Ok(None) };
    buffer.key = key;
    let ValueBuffer { key, value: room } = buffer;
    Ok(Some((key, value.decode(room)?)))
}
