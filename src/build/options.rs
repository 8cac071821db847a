//! The options of a build.

use super::builder::Builder;
use super::progress::{Progress, Reporter};
use super::settings::{Duplicates, HashIndex, Settings};
use super::typed::TypedBuilder;
use crate::error::BuildError;
use crate::format::types::TypedKey;
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Options of a build; [`BuildOptions::create`] starts it.
///
/// ```
/// # fn main() -> Result<(), graven::BuildError> {
/// # let dir = tempfile::tempdir().unwrap();
/// let mut builder = graven::BuildOptions::new()
///     .duplicates(graven::Duplicates::Last)
///     .metadata("source", "census 2020")
///     .create(dir.path().join("cities.grv"))?;
/// builder.insert(b"Bern", b"133883")?;
/// builder.insert(b"Basel", b"173863")?;
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
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Promises ascending input: it is streamed instead of sorted, and a key out of order is an
    /// error that shows both keys. Default: false.
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.settings.sorted = sorted;
        self
    }

    /// What to do with repeated keys. Default: [`Duplicates::Error`].
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.settings.duplicates = duplicates;
        self
    }

    /// Memory in bytes for entries and indexes while they are made, 1 MiB at least. What does not
    /// fit is sorted, and kept until it is written, in files in [`temp_dir`](Self::temp_dir). A
    /// build takes at most 64 MiB more than this, however large the table and its values.
    ///
    /// Default: 1 GiB, or less where the process may have less than 2 GiB when
    /// [`create`](Self::create) is called, by the limits of its control groups (cgroup v1 and v2),
    /// by its own (`ulimit -v` and `-d`), or because the machine has no more available: then half
    /// of what is available beyond 64 MiB, and an eighth of it at least.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.settings.memory_budget = Some(bytes);
        self
    }

    /// Threads for sorting and indexing, at most 1,024; 0, the default, means one for each
    /// processor, or those of the rayon pool in which the build runs. They are started when they
    /// are needed, as many as the system grants, and end with the build. The table is the same
    /// for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = threads;
        self
    }

    /// How many bytes of keys and values will come at least, where that is known: a disk without
    /// room for them is refused by [`create`](Self::create), before any work. Where repeated keys
    /// are left out the table may be smaller, and nothing is checked. Default: 0.
    pub fn expected_bytes(mut self, bytes: u64) -> Self {
        self.settings.expected_bytes = bytes;
        self
    }

    /// Directory for what does not fit in memory. Such files have no name, so nothing is ever left
    /// of them; they may take as much room as the table, twice as much with a small
    /// [`memory_budget`](Self::memory_budget). Default: the directory of the table.
    pub fn temp_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.temp_dir = Some(dir.into());
        self
    }

    /// Whether to build the hash index. Default: [`HashIndex::Auto`].
    pub fn hash_index(mut self, hash_index: HashIndex) -> Self {
        self.settings.hash_index = hash_index;
        self
    }

    /// Every value starts at a multiple of this: 1 (default), 2, 4, 8, 16, 32 or 64, counted from
    /// the table's first byte. Costs padding before each value.
    pub fn value_align(mut self, align: u32) -> Self {
        self.settings.value_align = align;
        self
    }

    /// Adds a pair to the table's metadata; a repeated key replaces the earlier value.
    pub fn metadata(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.settings.metadata.retain(|(other, _)| *other != key);
        self.settings.metadata.push((key, value));
        self
    }

    /// Permission bits of the published file, whatever the umask. Default: 0o444, as a published
    /// table is never modified.
    pub fn permissions(mut self, mode: u32) -> Self {
        self.settings.permissions = mode;
        self
    }

    /// Whether `finish` syncs the file and its directory before it returns. Default: true. Without
    /// it a power loss soon after may leave a damaged table, which `open` or the first read of a
    /// page reports.
    pub fn durable(mut self, durable: bool) -> Self {
        self.settings.durable = durable;
        self
    }

    /// Whether a table that stands at the path is replaced. Default: true; otherwise
    /// [`BuildError::AlreadyExists`]. Any other file than a table or an empty one is never
    /// replaced. A symbolic link is replaced itself, and the table that it leads to stays.
    pub fn replace(mut self, replace: bool) -> Self {
        self.settings.replace = replace;
        self
    }

    /// Whether `finish` reads the table back from the disk, past the page cache where the system
    /// can, and checks all of it before it gets its name. Costs a read of the whole table, and a
    /// sync also without `durable`. Default: false. What fails is [`BuildError::ReadBack`].
    pub fn verify_after_write(mut self, verify: bool) -> Self {
        self.settings.verify_after_write = verify;
        self
    }

    /// A function that is told how far the build is, some times per second while it is at work. It
    /// is called by the threads that do the work, which wait for it. Default: none.
    ///
    /// ```
    /// let options = graven::BuildOptions::new().progress(|progress| {
    ///     eprintln!("{:?}: {} of {}", progress.phase, progress.done, progress.total);
    /// });
    /// ```
    pub fn progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.settings.progress = Reporter::new(callback);
        self
    }

    /// Starts a build of the table at `path`. Nothing stands there until
    /// [`Builder::finish`]; until then the bytes are in a file of the same directory that has no
    /// name, or where the file system has no such files, a hidden one.
    ///
    /// # Errors
    /// [`BuildError::InvalidOption`]; [`BuildError::NotARegularFile`], [`BuildError::NotATable`]
    /// and [`BuildError::AlreadyExists`] for what stands at the path; [`BuildError::Io`] where the
    /// directory, or that for temporary files, can't be written.
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Builder, BuildError> {
        Builder::start(self.settings.clone(), path.as_ref())
    }

    /// Starts a typed build. Values are aligned for `V`, at least. The types of keys and values
    /// are noted in the file, so that it can't be opened as a table of other types.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`BuildError::InvalidOption`] for a type with an alignment
    /// above 64.
    pub fn create_typed<K, V>(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<TypedBuilder<K, V>, BuildError>
    where
        K: TypedKey,
        V: FromBytes + IntoBytes + Immutable + KnownLayout + 'static,
    {
        TypedBuilder::start(self.settings.clone(), path.as_ref())
    }
}
