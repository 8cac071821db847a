//! The set: a face of public queries, each of which asks the shards that may know.

#![expect(unsafe_code, reason = "opening a set maps its shards, as opening a table maps its file")]

use super::many;
use super::reader::SetReader;
use super::shard::ShardTable;
use super::shards::Shards;
use super::verify::SetReport;
use super::walk::{Ends, SetIter};
use crate::error::SetError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::manifest::Manifest;
use crate::read::{KeyRange, OpenOptions, Table, Value};
use crate::verify::VerifyProgress;
use std::fmt;
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options for opening a set.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("ages");
/// # let mut builder = graven::SetBuildOptions::new().create(&path)?;
/// # builder.insert("Ann", "31")?;
/// # builder.finish()?;
/// let options = graven::SetOptions::new().max_mapped_bytes(1 << 30);
/// // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { options.open(&path)? };
/// assert_eq!(set.get("Ann")?.unwrap(), "31");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    tables: OpenOptions,
    max_mapped_bytes: Option<u64>,
}

impl SetOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The options with which each shard is opened. Those that name a part of a file or a build id
    /// have no place here: the manifest says which build id a shard has. Nor does
    /// [`OpenOptions::allow_packed`]: [`PackedSet`](crate::PackedSet) opens packed shards. Default:
    /// [`OpenOptions::new`].
    #[must_use]
    pub fn tables(mut self, options: OpenOptions) -> Self {
        self.tables = options;
        self
    }

    /// Most bytes that the set keeps mapped; `None`, the default, for no bound. Before a shard is
    /// mapped, others are let go, about in the order in which they were used last. A shard that is
    /// larger than the bound is mapped alone. What values, iterators and tables of a shard keep open
    /// does not count: drop them to give the room back.
    ///
    /// Without a bound, shards are let go only at `ulimit -v` or `vm.max_map_count`.
    #[must_use]
    pub fn max_mapped_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.max_mapped_bytes = bytes.into();
        self
    }

    /// Opens the set at `path`, as [`TableSet::open`] does.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    ///
    /// # Errors
    /// The errors of [`TableSet::open`].
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<TableSet, SetError> {
        // SAFETY: the caller's promise.
        unsafe { self.shards_at(path.as_ref()) }.map(TableSet::new)
    }

    /// These options, with which a shard of other types is refused.
    pub(super) fn expect_types<K: TypedKey, V: TypedValue>(&self) -> Self {
        Self { tables: self.tables.expect_types::<K, V>(), ..self.clone() }
    }

    /// The shards of the set at a path.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    pub(super) unsafe fn shards_at<T: ShardTable>(
        &self,
        path: &Path,
    ) -> Result<Shards<T>, SetError> {
        let (directory, read) = Manifest::find(path)?;
        // SAFETY: the caller's promise.
        unsafe { self.shards(directory, read) }
    }

    /// The shards of a manifest.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`].
    pub(super) unsafe fn shards<T: ShardTable>(
        &self,
        directory: PathBuf,
        read: (Manifest, File),
    ) -> Result<Shards<T>, SetError> {
        // SAFETY: the caller's promise.
        unsafe { Shards::new(read, directory, self.tables, self.max_mapped_bytes) }
    }
}

/// An open set: one table in many shards. Cloning it is cheap and shares everything. `Send + Sync`.
///
/// A shard is mapped when it is first asked; opening costs reading the manifest. The answers own
/// what they show, as [`Value`]s do, so a shard that the set lets go stays mapped for as long as an
/// answer needs it. Making, cloning and dropping a `Value` costs an atomic count of its shard: many
/// threads that ask one shard at once pass the cache line of that count around. For hot loops, ask
/// a [`reader`](Self::reader), whose lookups lend.
///
/// Keys, ranks and repeated keys are as in [`Table`]. All entries of a repeated key are in one
/// shard. The queries by order ask one or two shards of a set that is divided by ranges, and all
/// shards of one that is divided by hashes.
///
/// While a set is open it holds a shared lock on its manifest, so
/// [`Versions::prune`](crate::Versions::prune) does not remove shards that were not yet mapped.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("cities");
/// let mut builder = graven::SetBuildOptions::new().shard_entries(2).create(&path)?;
/// for (city, people) in [("Basel", "173863"), ("Bern", "133883"), ("Chur", "38293")] {
///     builder.insert(city, people)?;
/// }
/// builder.finish()?; // two shards
///
/// // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { graven::TableSet::open(&path)? };
/// assert_eq!(set.get("Chur")?.unwrap(), "38293");
/// assert_eq!(set.count("Bern"..)?, 2);
/// assert_eq!(set.rank("Chur")?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TableSet {
    shards: Arc<Shards<Table>>,
}

impl fmt::Debug for TableSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSet")
            .field("path", &self.path())
            .field("partition", &self.manifest().partition)
            .field("shards", &self.shards.len())
            .field("entries", &self.len())
            .finish_non_exhaustive()
    }
}

impl TableSet {
    pub(super) fn new(shards: Shards<Table>) -> Self {
        Self { shards: Arc::new(shards) }
    }

    /// Opens the set at `path`: a directory of versions, of which the current one is opened, or the
    /// directory of one version. Reads and checks the manifest, and maps nothing. A later version
    /// is opened by opening again.
    ///
    /// # Safety
    /// As for [`Table::open`], for every shard: nobody modifies or truncates the files while the
    /// set, or anything that came from it, is in use.
    ///
    /// # Errors
    /// [`SetError::Io`] if there is no manifest; [`SetError::Manifest`] if it is none, or
    /// contradicts itself; [`SetError::Open`] with [`OpenFailure::IsPacked`](crate::OpenFailure::IsPacked)
    /// if a shard is a packed table, for [`PackedSet`](crate::PackedSet). Missing, exchanged and damaged
    /// shards are found when they are mapped, or by [`verify`](Self::verify).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { SetOptions::new().open(path) }
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

    /// A shard as a table, which is mapped if it is not. It stays mapped for as long as the table
    /// or a clone of it lives.
    ///
    /// # Errors
    /// [`SetError`] if the shard is not as the manifest says.
    ///
    /// # Panics
    /// If the set has no shard of this number.
    pub fn table(&self, shard: usize) -> Result<Table, SetError> {
        self.shards.table(shard)
    }

    /// The number of the only shard that can have `key`. `None` if no shard can. Costs nothing but
    /// a hash, or a search in memory.
    #[must_use]
    pub fn shard_of(&self, key: impl AsRef<[u8]>) -> Option<usize> {
        self.shards.of_key(key.as_ref())
    }

    /// The value of `key`, the first one where it is repeated. Costs finding the shard, and what
    /// [`Table::get_owned`] costs.
    ///
    /// # Errors
    /// [`SetError`] if the shard can't be mapped, or a page that was touched is damaged.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.get_owned(key))
    }

    /// Whether `key` is in the set. Costs what [`get`](Self::get) costs, without the count.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| table.contains_key(key))
    }

    /// All values of `key`, in the order of their insertion.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_all(&self, key: impl AsRef<[u8]>) -> Result<Vec<Value>, SetError> {
        let key = key.as_ref();
        self.shards.ask_for(key, |table| {
            table
                .get_all(key)
                .filter_map(|value| match value {
                    Ok(value) => table.slice_ref(value).map(Ok),
                    Err(error) => Some(Err(error)),
                })
                .collect()
        })
    }

    /// A reader, whose lookups lend instead of owning: for many lookups by one thread.
    #[must_use]
    pub fn reader(&self) -> SetReader {
        SetReader::new(&self.shards)
    }

    /// Looks up many keys at once: one answer per key, in their order. All go through their shards
    /// together, with prefetches as in [`Table::get_many`]; by shard where room is bounded.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>, SetError> {
        if !self.shards.is_bounded() {
            let answered = self.reader().get_many_owned(keys);
            // The process may have no room for all these shards at once.
            if !answered.as_ref().is_err_and(SetError::lacks_room) {
                return answered;
            }
        }
        many::grouped(keys, &self.shards)
    }

    /// All entries, ascending, from both ends.
    #[must_use]
    pub fn iter(&self) -> SetIter {
        self.range(..)
    }

    /// The entries whose keys lie within `range`, ascending, from both ends. A start beyond the end
    /// yields nothing. Maps nothing before the first step where shards are ranges, all shards where
    /// they are hashed.
    #[must_use]
    pub fn range(&self, range: impl KeyRange) -> SetIter {
        SetIter::new(&self.shards, Ends::of(&range))
    }

    /// The entries whose keys start with `prefix`, as [`range`](Self::range) gives them.
    #[must_use]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> SetIter {
        SetIter::new(&self.shards, Ends::of_prefix(prefix.as_ref()))
    }

    /// The first entry.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn first(&self) -> Result<Option<(Value, Value)>, SetError> {
        self.iter().next().transpose()
    }

    /// The last entry.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn last(&self) -> Result<Option<(Value, Value)>, SetError> {
        self.iter().next_back().transpose()
    }

    /// The last entry whose key is not greater than `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn floor(&self, key: impl AsRef<[u8]>) -> Result<Option<(Value, Value)>, SetError> {
        self.shards.floor(key.as_ref())
    }

    /// The first entry whose key is not smaller than `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn ceil(&self, key: impl AsRef<[u8]>) -> Result<Option<(Value, Value)>, SetError> {
        self.shards.ceil(key.as_ref())
    }

    /// Number of entries with keys below `key`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn rank(&self, key: impl AsRef<[u8]>) -> Result<u64, SetError> {
        self.shards.up_to(Bound::Excluded(key.as_ref()))
    }

    /// Number of entries with keys within `range`.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn count(&self, range: impl KeyRange) -> Result<u64, SetError> {
        self.shards.count((range.lower(), range.upper()))
    }

    /// The entry with `rank` entries before it. Only a set that is divided by ranges answers this.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get); [`SetError::Unsupported`] if the set is divided by hashes: it
    /// would have to walk. `iter().nth(rank)` walks.
    pub fn nth(&self, rank: u64) -> Result<Option<(Value, Value)>, SetError> {
        self.shards.nth(rank)
    }

    /// Audits the set: that each shard is the file of the manifest's length and SHA-256, each shard
    /// as [`Table::verify`] does, and that each key is in its shard. Reads every shard twice, and
    /// has one mapped at a time beside those of the set.
    ///
    /// # Errors
    /// [`SetError`] for the first fault found.
    pub fn verify(&self) -> Result<SetReport, SetError> {
        let audited = SetReport::audit(&self.shards, &|_| ControlFlow::Continue(()))?;
        Ok(audited.unwrap_or_else(|| unreachable!("nothing ends this audit")))
    }

    /// As [`verify`](Self::verify), but calls `progress` after every mebibyte or so, and stops when
    /// it returns `Break`. Returns `None` then: whether the rest of the set is sound is not known.
    /// The progress is that of all shards; their bytes count once for each time that they are read.
    /// How often a shard is read is known when its audit begins, so the total may grow up to the last
    /// shard. Several threads may call it at once, and one may come later that reports less.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::SetBuildOptions::new().create(&path)?.finish()?;
    /// // SAFETY: nobody modifies or truncates the published files.
    /// let set = unsafe { graven::TableSet::open(&path)? };
    /// let stop = false; // or an atomic that a button sets
    /// let report = set.verify_while(|progress| {
    ///     eprintln!("{} of {} bytes", progress.done, progress.total);
    ///     if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// })?;
    /// assert!(report.is_some());
    /// # Ok(())
    /// # }
    /// ```
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
    pub(super) fn shards(&self) -> &Arc<Shards<Table>> {
        &self.shards
    }
}

impl IntoIterator for &TableSet {
    type Item = Result<(Value, Value), SetError>;
    type IntoIter = SetIter;

    fn into_iter(self) -> SetIter {
        self.iter()
    }
}
