//! The options of a build.

use super::builder::Builder;
#[cfg(feature = "sets")]
use super::presort::Presort;
use super::progress::BuildProgress;
#[cfg(feature = "sets")]
use super::progress::Reporter;
use super::settings::{Duplicates, HashIndex, Settings};
use super::summary::BuildSummary;
use super::typed::TypedBuilder;
use crate::codec::Compression;
use crate::error::BuildError;
use crate::format::patch::PatchBlock;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::format::types::{TypeNames, Types};
use std::path::{Path, PathBuf};

/// Options of a build; [`BuildOptions::create`] starts it, [`BuildOptions::build`] does all of it.
///
/// ```
/// # fn main() -> Result<(), graven::BuildError> {
/// # let dir = tempfile::tempdir().unwrap();
/// let mut builder = graven::BuildOptions::new()
///     .duplicates(graven::Duplicates::KeepLast)
///     .metadata("source", "census 2020")
///     .create(dir.path().join("cities.grv"))?;
/// builder.insert("Bern", "133883")?;
/// builder.insert("Basel", "173863")?;
/// let summary = builder.finish()?;
/// assert_eq!(summary.entries, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    settings: Settings,
}

impl BuildOptions {
    /// Options with their defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Promises that entries come in ascending order of their keys. They are written at once instead
    /// of sorted, and a key out of order is an error that shows both keys. Default: false.
    #[must_use]
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.settings.sorted = sorted;
        self
    }

    /// What happens when a key occurs more than once. Default: [`Duplicates::Reject`].
    #[must_use]
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.duplicates = duplicates;
        self
    }

    /// Memory in bytes for entries and indexes during the build, at least 1 MiB. Entries that do not
    /// fit are sorted and kept in files in [`temp_dir`](Self::temp_dir). A build takes at most
    /// 64 MiB more than this, however large the table and its values; with a level of zstd above 19 and a
    /// dictionary above 110 KiB up to 32 MiB on top of it.
    ///
    /// Default: 1 GiB, or less if the process may have less than 2 GiB more when
    /// [`create`](Self::create) is called. The limits of its control groups (cgroup v1 and v2), its
    /// own limits (`ulimit -v` and `-d`) and the available memory of the machine count. Then the
    /// default is half of what is available beyond 64 MiB, at least an eighth of what is available.
    #[must_use]
    pub fn memory_budget(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.memory_budget = bytes.into();
        self
    }

    /// Number of threads for sorting and indexing, 1 to 1,024. `None`, the default, means one for
    /// each processor, or the threads of the rayon pool in which the build runs. Threads start when they
    /// are needed, as many as the system grants, and end with the build. The table does not depend
    /// on their number.
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.settings.threads = threads.into();
        self
    }

    /// Least number of bytes that keys and values will have together, if it is known. If the disk has
    /// no room for them, [`create`](Self::create) fails before any work is done. Nothing is checked
    /// if repeated keys are left out or values compressed, as the table may then be smaller. Default: `None`.
    #[must_use]
    pub fn expected_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.expected_bytes = bytes.into();
        self
    }

    /// Directory for temporary files, which hold what does not fit in memory. They have no name, so
    /// nothing is ever left of them. They may take as much space as the table, or twice as much with
    /// a small [`memory_budget`](Self::memory_budget). Default: the directory of the table.
    #[must_use]
    pub fn temp_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.temp_dir = Some(dir.into());
        self
    }

    /// Whether to build the hash index. Default: [`HashIndex::Auto`].
    #[must_use]
    pub fn hash_index(mut self, hash_index: HashIndex) -> Self {
        self.settings.hash_index = hash_index;
        self
    }

    /// Alignment of values: each value starts at a multiple of this many bytes from the table's
    /// first byte. 1 (the default), 2, 4, 8, 16, 32 or 64. Costs padding before each value.
    #[must_use]
    pub fn value_align(mut self, align: u32) -> Self {
        self.settings.value_align = align;
        self
    }

    /// Compresses the values: each one alone, against one dictionary of the table, so that a lookup
    /// decompresses one value. The table is then read as a [`PackedTable`](crate::PackedTable), which
    /// copies values, and is refused by [`Table::open`](crate::Table::open). Keys, order and indexes
    /// are those of a plain table.
    ///
    /// The dictionary is made from a sample of the values, which depends on the entries alone.
    /// Entries wait until it is made, also with [`sorted`](Self::sorted): in memory as far as half of the
    /// [budget](Self::memory_budget) goes, then in a temporary file, which costs one write and one read
    /// of what is in it. Equal entries and options give equal bytes with one version
    /// of graven; another version may have another version of the codec, which the table names.
    ///
    /// Not with [`value_align`](Self::value_align) and typed tables. In a set each shard has a dictionary
    /// of its own. Default: `None`.
    ///
    /// ```
    /// # #[cfg(feature = "fsst")] {
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("t");
    /// let options = graven::BuildOptions::new().compress(graven::Compression::fsst());
    /// options.build(&path, [("de", "Guten Tag, Welt"), ("fr", "Bonjour le monde")])?;
    /// let table = graven::PackedTable::load(&path).unwrap();
    /// let mut buffer = graven::ValueBuffer::new();
    /// assert_eq!(table.get("de", &mut buffer).unwrap(), Some(&b"Guten Tag, Welt"[..]));
    /// # }
    /// # Ok::<(), graven::BuildError>(())
    /// ```
    #[must_use]
    pub fn compress(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.settings.compression = compression.into();
        self
    }

    /// Encodes the keys by symbols, strings that many keys have in common, so that keys like paths
    /// and names take down to a seventh of their bytes. Codes keep the order of the keys, so the
    /// table has all indexes and answers every query. Costs a lookup the comparison of a few
    /// symbols, and a search by order the encoding of a key. Keys that would not shrink by a tenth, and
    /// those of a table with a key longer than 32,767 bytes, stay as they are.
    ///
    /// The table is then read as a [`PackedTable`](crate::PackedTable), as with
    /// [`compress`](Self::compress), whose other remarks hold, too. Default: false.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("t");
    /// let pages = (0..1000).map(|i| (format!("https://example.org/page/{i:04}"), "text"));
    /// let summary = graven::BuildOptions::new().compact_keys(true).build(&path, pages)?;
    /// assert!(summary.stored_key_bytes * 2 < summary.key_bytes);
    /// let table = graven::PackedTable::load(&path).unwrap();
    /// assert!(table.contains_key("https://example.org/page/0042").unwrap());
    /// # Ok::<(), graven::BuildError>(())
    /// ```
    #[must_use]
    pub fn compact_keys(mut self, compact: bool) -> Self {
        self.settings.compact_keys = compact;
        self
    }

    /// Adds a pair to the table's metadata; a repeated key replaces the earlier value.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.settings.metadata.retain(|(other, _)| *other != key);
        self.settings.metadata.push((key, value));
        self
    }

    /// Permission bits of the published file, whatever the umask. Default: 0o444, because a
    /// published table is never modified.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.settings.mode = mode;
        self
    }

    /// Whether `finish` syncs the file and its directory before it returns. Default: true. Without
    /// the sync, a power loss soon afterwards may leave a damaged table; `open` or the first read of
    /// a damaged page reports it.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.settings.durable = durable;
        self
    }

    /// Whether a table that stands at the path is replaced. Default: true. If false, it is the error
    /// [`BuildError::AlreadyExists`]. A file that is neither a table nor empty is never replaced. Of
    /// a symbolic link to a table, the link is replaced and the table stays.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.settings.replace = replace;
        self
    }

    /// Whether `finish` reads the whole table back and checks it before the table gets its name. It
    /// reads from the disk, past the page cache, where the system can. Costs a read of the whole
    /// table, and a sync even without `durable`. Default: false. If the check fails, the error is
    /// [`BuildError::ReadBack`].
    #[must_use]
    pub fn verify_after_write(mut self, verify: bool) -> Self {
        self.settings.verify_after_write = verify;
        self
    }

    /// Sets a function that is called some times per second with how far the build is. The threads
    /// that do the work call it and wait for it. Default: none.
    ///
    /// ```
    /// let options = graven::BuildOptions::new().progress(|progress| {
    ///     eprintln!("{:?}: {} of {}", progress.phase, progress.done, progress.total);
    /// });
    /// ```
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(BuildProgress) + Send + Sync + 'static) -> Self {
        self.settings.progress.on_progress(callback);
        self
    }

    /// Sets a question that the build asks some times per second, after it has told its progress, and
    /// after every 2 MiB of the table that it writes, also while sorted entries still come: whether
    /// to give up. Once the answer is true, the build fails with [`BuildError::Cancelled`], and
    /// nothing is published. The last question comes before the table gets its name; a build that
    /// has its name is never taken back. Default: none.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// let stop = Arc::new(AtomicBool::new(false)); // set by a signal handler or a button
    /// let asked = Arc::clone(&stop);
    /// let options = graven::BuildOptions::new().cancel_when(move || asked.load(Relaxed));
    /// let mut builder = options.create(&path)?;
    /// builder.insert("key", "value")?;
    /// stop.store(true, Relaxed);
    /// assert!(matches!(builder.finish(), Err(graven::BuildError::Cancelled)));
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cancel_when(mut self, question: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.settings.progress.cancel_when(question);
        self
    }

    /// Notes the types of a table whose keys and values come as bytes.
    pub(crate) fn types(mut self, types: Types, names: Option<TypeNames<'_>>) -> Self {
        self.settings.note_types(types, names);
        self
    }

    /// Marks the table as a patch.
    pub(crate) fn patch(mut self, patch: PatchBlock) -> Self {
        self.settings.patch = Some(patch);
        self
    }

    /// Takes all pairs out of the metadata.
    pub(crate) fn without_metadata(mut self) -> Self {
        self.settings.metadata.clear();
        self
    }

    /// Starts a build of the table at `path`. The table appears there with [`Builder::finish`].
    /// Until then its bytes are in a file of the same directory, which has no name, or a hidden name
    /// where the file system has no files without names.
    ///
    /// # Errors
    /// [`BuildError::InvalidOption`]; [`BuildError::NotARegularFile`], [`BuildError::NotATable`] or
    /// [`BuildError::AlreadyExists`] if something else stands at the path; [`BuildError::Io`] if the
    /// directory of the table, or the one for temporary files, can't be written.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Builder, BuildError> {
        Builder::start(self.settings.clone(), path.as_ref())
    }

    /// Builds the table of `entries` at `path` and publishes it: [`create`](Self::create),
    /// [`Builder::extend`], [`Builder::finish`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("capitals.grv");
    /// let capitals = std::collections::BTreeMap::from([("Norway", "Oslo"), ("Japan", "Tokyo")]);
    /// let summary = graven::BuildOptions::new().sorted(true).build(&path, &capitals)?;
    /// assert_eq!(summary.entries, 2);
    /// assert_eq!(graven::Table::load(&path)?.get("Japan")?, Some(&b"Tokyo"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of the three. Nothing is published then, except with
    /// [`BuildError::PublishedButNotDurable`].
    pub fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        path: impl AsRef<Path>,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<BuildSummary, BuildError> {
        let mut builder = self.create(path)?;
        builder.extend(entries)?;
        builder.finish()
    }

    /// Starts a typed build. Values are aligned for `V`, at least. The types of keys and values
    /// stand in the file, so that it can't be opened as a table of other types.
    ///
    /// # Errors
    /// The errors of [`create`](Self::create); [`BuildError::InvalidOption`] for a type whose
    /// alignment is above 64, or whose text is longer than 65,535 bytes.
    pub fn create_typed<K: TypedKey, V: TypedValue>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<TypedBuilder<K, V>, BuildError> {
        TypedBuilder::start(self.settings.clone(), path.as_ref())
    }

    /// These options for tables of bytes that are those of these types.
    #[cfg(feature = "sets")]
    pub(crate) fn with_types<K: TypedKey, V: TypedValue>(mut self) -> Result<Self, BuildError> {
        TypedBuilder::<K, V>::note_types(&mut self.settings)?;
        Ok(self)
    }

    /// Builds a typed table of these entries at `path`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("squares");
    /// let squares = (-100_i32..=100).map(|n| (n, n * n));
    /// graven::BuildOptions::new().sorted(true).build_typed(&path, squares)?;
    /// let table = graven::OpenOptions::new().load_typed::<i32, i32>(&path)?;
    /// assert_eq!(table.get(&-12)?, Some(&144));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`create_typed`](Self::create_typed) and [`Builder::finish`].
    pub fn build_typed<K: TypedKey, V: TypedValue>(
        &self,
        path: impl AsRef<Path>,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<BuildSummary, BuildError> {
        let mut builder = self.create_typed(path)?;
        builder.extend(entries)?;
        builder.finish()
    }
}

/// What a set asks of the options for its shards.
#[cfg(feature = "sets")]
impl BuildOptions {
    /// Whether ascending order was promised.
    pub(crate) fn promises_order(&self) -> bool {
        self.settings.sorted
    }

    /// Whether repeated keys are left out.
    pub(crate) fn drops_duplicates(&self) -> bool {
        self.settings.duplicates.drops()
    }

    /// Whether shards are packed tables.
    pub(crate) fn packs(&self) -> bool {
        self.settings.packs()
    }

    /// The memory budget in bytes, by default as it is at this moment.
    pub(crate) fn memory(&self) -> Result<usize, BuildError> {
        Ok(self.settings.clone().checked()?.memory())
    }

    /// Least number of bytes that will come.
    pub(crate) fn bytes_to_come(&self) -> Option<u64> {
        self.settings.expected_bytes
    }

    /// Number of threads.
    pub(crate) fn thread_count(&self) -> usize {
        self.settings.thread_count()
    }

    /// Takes the function for progress off; the question whether to give up stays.
    pub(crate) fn without_progress(mut self) -> Self {
        self.settings.progress = self.settings.progress.silent();
        self
    }

    /// What is told of progress, and asks whether to give up.
    pub(crate) fn reporter(&self) -> Reporter {
        self.settings.progress.clone()
    }

    /// Sorts entries for several tables, of which the first one will be `first`.
    pub(crate) fn presort(&self, first: &Path) -> Result<Presort, BuildError> {
        Presort::new(&self.settings, first)
    }
}
