//! How a set is written: options, and the builders that they start.

mod builder;
mod finishing;
mod typed;

use crate::error::PublishError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::publish::PublishOptions;
use crate::write::BuildOptions;
use builder::Cut;
pub use builder::SetBuilder;
use std::path::Path;
pub use typed::TypedSetBuilder;

/// Options for writing a set; [`SetBuildOptions::create`] starts it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("ages");
/// let mut builder = graven::SetBuildOptions::new().hash_shards(4).create(&path)?;
/// for (name, age) in [("Eve", "7"), ("Ann", "31"), ("Bob", "45")] {
///     builder.insert(name, age)?; // in any order
/// }
/// let version = builder.finish()?;
/// assert!(version.current);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SetBuildOptions {
    cut: Cut,
    expected_entries: Option<u64>,
    tables: BuildOptions,
    publish: PublishOptions,
}

impl Default for SetBuildOptions {
    fn default() -> Self {
        let (tables, publish) = (BuildOptions::new(), PublishOptions::new());
        Self { cut: Cut::Bytes(1 << 30), expected_entries: None, tables, publish }
    }
}

impl SetBuildOptions {
    /// The defaults: range shards of about 1 GiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Range shards of about so many bytes, before they are packed: a shard ends with the entry that
    /// reaches them, or with the last entry of its key.
    #[must_use]
    pub fn shard_bytes(mut self, bytes: u64) -> Self {
        self.cut = Cut::Bytes(bytes);
        self
    }

    /// Range shards of so many entries, or more where a key is repeated at their end.
    #[must_use]
    pub fn shard_entries(mut self, entries: u64) -> Self {
        self.cut = Cut::Entries(entries);
        self
    }

    /// So many range shards, 1 to 1,000,000, of about as many entries each; fewer where there are
    /// fewer keys. Where shards end is known once all entries are: they are sorted in any case, if
    /// [`expected_entries`](Self::expected_entries) does not say how many will come.
    #[must_use]
    pub fn range_shards(mut self, shards: usize) -> Self {
        self.cut = Cut::Ranges(shards);
        self
    }

    /// So many hash shards, 1 to 1,000,000.
    #[must_use]
    pub fn hash_shards(mut self, shards: usize) -> Self {
        self.cut = Cut::Hash(shards);
        self
    }

    /// The number of entries that will come, for [`range_shards`](Self::range_shards) of entries
    /// that ascend: then shards are filled as entries come. A number that is wrong makes the last
    /// shards larger or smaller, or leaves them out. Default: `None`.
    #[must_use]
    pub fn expected_entries(mut self, entries: impl Into<Option<u64>>) -> Self {
        self.expected_entries = entries.into();
        self
    }

    /// The options with which each shard is built. Some of them are those of the set as a whole:
    /// [`sorted`](BuildOptions::sorted) promises that entries come in the order of their keys,
    /// whatever the shards; [`memory_budget`](BuildOptions::memory_budget),
    /// [`threads`](BuildOptions::threads), [`expected_bytes`](BuildOptions::expected_bytes),
    /// [`temp_dir`](BuildOptions::temp_dir) and [`progress`](BuildOptions::progress) are for all
    /// shards together. With [`compress`](BuildOptions::compress) or
    /// [`compact_keys`](BuildOptions::compact_keys) each shard is a packed table, with dictionaries
    /// from its own entries, and [`PackedSet`](crate::PackedSet) reads the set.
    #[must_use]
    pub fn tables(mut self, options: BuildOptions) -> Self {
        self.tables = options;
        self
    }

    /// How the version is published: its guards, permissions of directories and of the manifest,
    /// whether it is synced. Whether shards are synced is up to [`tables`](Self::tables).
    #[must_use]
    pub fn publish(mut self, options: PublishOptions) -> Self {
        self.publish = options;
        self
    }

    /// Begins a new version in `directory`, a directory of versions that is made if it is missing.
    ///
    /// Entries are sorted once for all shards, in the memory budget and in temporary files, and
    /// shards are written one after the other. Entries that ascend, if
    /// [`sorted`](BuildOptions::sorted) says so, are written as they come, except for range shards
    /// whose end is not known and for more hash shards than the memory budget has 16 MiB, or 48 MiB
    /// where they are packed, or than 256.
    ///
    /// # Errors
    /// [`PublishError::Target`] if an option is out of its range or the directory can't be written.
    pub fn create(&self, directory: impl AsRef<Path>) -> Result<SetBuilder, PublishError> {
        self.start(self.tables.clone(), directory.as_ref())
    }

    /// Begins a new version of typed entries in `directory`, as [`create`](Self::create) does. Each
    /// shard is a typed table of these types.
    ///
    /// # Errors
    /// The errors of [`create`](Self::create); [`BuildError::InvalidOption`](crate::BuildError) for types
    /// that [`BuildOptions::create_typed`] refuses, and for options of packed tables.
    pub fn create_typed<K: TypedKey, V: TypedValue>(
        &self,
        directory: impl AsRef<Path>,
    ) -> Result<TypedSetBuilder<K, V>, PublishError> {
        let tables = self.tables.clone().with_types::<K, V>()?;
        self.start(tables, directory.as_ref()).map(TypedSetBuilder::new)
    }

    fn start(&self, tables: BuildOptions, directory: &Path) -> Result<SetBuilder, PublishError> {
        SetBuilder::start(self.cut, self.expected_entries, tables, &self.publish, directory)
    }
}
