//! The options of a build.

use super::progress::{Progress, Reporter};
use super::{Builder, budget};
use crate::error::BuildError;
use crate::file::Publishing;
use std::path::{Path, PathBuf};

/// What happens when a key occurs more than once.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The build fails with [`BuildError::DuplicateKey`].
    #[default]
    Error,
    /// The entry that was inserted first stays.
    First,
    /// The entry that was inserted last stays.
    Last,
    /// All stay, in the order of their insertion: a multi-value table.
    Keep,
}

impl Duplicates {
    /// Whether entries may be left out, so that the table may be smaller than its input.
    pub(super) fn drops(self) -> bool {
        matches!(self, Self::First | Self::Last)
    }
}

/// Whether the table gets a hash index, about 6 bytes per key, which answers `get` with one or
/// two cache lines. Without it the ordered index answers.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashIndex {
    /// Left out where the ordered index answers `get` as fast.
    #[default]
    Auto,
    /// Built for every table that has an entry.
    Always,
    /// Never built.
    Never,
}

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
#[derive(Clone, Debug)]
pub struct BuildOptions {
    pub(super) sorted: bool,
    pub(super) duplicates: Duplicates,
    /// None until `create` finds out what is safe.
    pub(super) memory_budget: Option<u64>,
    pub(super) threads: usize,
    pub(super) temp_dir: Option<PathBuf>,
    pub(super) hash_index: HashIndex,
    pub(super) value_align: u32,
    pub(super) metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) permissions: u32,
    pub(super) durable: bool,
    pub(super) replace: bool,
    pub(super) verify_after_write: bool,
    pub(super) types: super::table::Types,
    pub(super) progress: Reporter,
    pub(super) expected_bytes: u64,
}

/// Most threads: more would only wait for each other.
const MOST_THREADS: usize = 1024;

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            sorted: false,
            duplicates: Duplicates::Error,
            memory_budget: None,
            threads: 0,
            temp_dir: None,
            hash_index: HashIndex::Auto,
            value_align: 1,
            metadata: Vec::new(),
            permissions: 0o444,
            durable: true,
            replace: true,
            verify_after_write: false,
            types: super::table::Types::default(),
            progress: Reporter::default(),
            expected_bytes: 0,
        }
    }
}

impl BuildOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Promises ascending input: it is streamed instead of sorted, and a key out of order is an
    /// error that shows both keys. Default: false.
    pub fn sorted(mut self, sorted: bool) -> Self {
        self.sorted = sorted;
        self
    }

    /// What to do with repeated keys. Default: [`Duplicates::Error`].
    pub fn duplicates(mut self, duplicates: Duplicates) -> Self {
        self.duplicates = duplicates;
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
        self.memory_budget = Some(bytes);
        self
    }

    /// Threads for sorting and indexing, at most 1,024; 0, the default, means one for each
    /// processor, or those of the rayon pool in which the build runs. They are started when they
    /// are needed, as many as the system grants, and end with the build. The table is the same
    /// for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many bytes of keys and values will come at least, where that is known: a disk without
    /// room for them is refused by [`create`](Self::create), before any work. Where repeated keys
    /// are left out the table may be smaller, and nothing is checked. Default: 0.
    pub fn expected_bytes(mut self, bytes: u64) -> Self {
        self.expected_bytes = bytes;
        self
    }

    /// Directory for what does not fit in memory. Such files have no name, so nothing is ever left
    /// of them; they may take as much room as the table, twice as much with a small
    /// [`memory_budget`](Self::memory_budget). Default: the directory of the table.
    pub fn temp_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.temp_dir = Some(dir.into());
        self
    }

    /// Whether to build the hash index. Default: [`HashIndex::Auto`].
    pub fn hash_index(mut self, hash_index: HashIndex) -> Self {
        self.hash_index = hash_index;
        self
    }

    /// Every value starts at a multiple of this: 1 (default), 2, 4, 8, 16, 32 or 64, counted from
    /// the table's first byte. Costs padding before each value.
    pub fn value_align(mut self, align: u32) -> Self {
        self.value_align = align;
        self
    }

    /// Adds a pair to the table's metadata; a repeated key replaces the earlier value.
    pub fn metadata(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (key, value) = (key.into(), value.into());
        self.metadata.retain(|(other, _)| *other != key);
        self.metadata.push((key, value));
        self
    }

    /// Permission bits of the published file, whatever the umask. Default: 0o444, as a published
    /// table is never modified.
    pub fn permissions(mut self, mode: u32) -> Self {
        self.permissions = mode;
        self
    }

    /// Whether `finish` syncs the file and its directory before it returns. Default: true. Without
    /// it a power loss soon after may leave a damaged table, which `open` or the first read of a
    /// page reports.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Whether a table that stands at the path is replaced. Default: true; otherwise
    /// [`BuildError::AlreadyExists`]. Any other file than a table or an empty one is never
    /// replaced. A symbolic link is replaced itself, and the table that it leads to stays.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Whether `finish` reads the table back from the disk, past the page cache where the system
    /// can, and checks all of it before it gets its name. Costs a read of the whole table, and a
    /// sync also without `durable`. Default: false. What fails is [`BuildError::ReadBack`].
    pub fn verify_after_write(mut self, verify: bool) -> Self {
        self.verify_after_write = verify;
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
        self.progress = Reporter::new(callback);
        self
    }

    /// Bytes of memory, as a length in memory.
    pub(super) fn memory(&self) -> usize {
        usize::try_from(self.memory_budget.unwrap_or(budget::LEAST)).unwrap_or(usize::MAX)
    }

    /// Number of threads.
    pub(super) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// What publishing needs to know.
    pub(super) fn publishing(&self) -> Publishing {
        Publishing {
            mode: self.permissions,
            durable: self.durable,
            replace: self.replace,
            read_back: self.verify_after_write,
        }
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
        self.check()?;
        let mut options = self.clone();
        options.memory_budget.get_or_insert_with(budget::by_default);
        Builder::start(options, path.as_ref())
    }

    fn check(&self) -> Result<(), BuildError> {
        let invalid = |option, got: String, expected| {
            Err(BuildError::InvalidOption { option, got, expected })
        };
        if !(self.value_align.is_power_of_two() && self.value_align <= 64) {
            let got = self.value_align.to_string();
            return invalid("value_align", got, "1, 2, 4, 8, 16, 32 or 64");
        }
        if let Some(budget) = self.memory_budget.filter(|&budget| budget < budget::LEAST) {
            let got = budget.to_string();
            return invalid("memory_budget", got, "at least 1 MiB (1048576)");
        }
        if self.threads > MOST_THREADS {
            return invalid("threads", self.threads.to_string(), "0 to 1024");
        }
        if self.permissions & !0o777 != 0 {
            return invalid("permissions", format!("{:o}", self.permissions), "0 to 0777 (octal)");
        }
        let too_long = |(key, value): &&(Vec<u8>, Vec<u8>)| {
            key.len() > crate::format::MAX_KEY || value.len() > MAX_METADATA_VALUE
        };
        if let Some((key, value)) = self.metadata.iter().find(too_long) {
            let got = format!("{} and {} bytes", key.len(), value.len());
            return invalid(
                "metadata",
                got,
                "a key of at most 65535 and a value of at most 16 MiB",
            );
        }
        Ok(())
    }
}

/// Longest metadata value: metadata is meant to be small, and readers scan it.
const MAX_METADATA_VALUE: usize = 16 << 20;
