//! How a set is written: options, and the builders that they start.

mod builder;
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
///     builder.insert(name, age)?; // in any order, for hash shards
/// }
/// let version = builder.finish()?;
/// assert!(version.current);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SetBuildOptions {
    cut: Cut,
    tables: BuildOptions,
    publish: PublishOptions,
}

impl Default for SetBuildOptions {
    fn default() -> Self {
        let (tables, publish) = (BuildOptions::new(), PublishOptions::new());
        Self { cut: Cut::Bytes(1 << 30), tables, publish }
    }
}

impl SetBuildOptions {
    /// The defaults: range shards of about 1 GiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Range shards of about so many bytes: a shard ends with the entry that reaches them, or with
    /// the last entry of its key. The keys have to ascend.
    #[must_use]
    pub fn shard_bytes(mut self, bytes: u64) -> Self {
        self.cut = Cut::Bytes(bytes);
        self
    }

    /// Range shards of so many entries, or more where a key is repeated at their end. The keys have
    /// to ascend.
    #[must_use]
    pub fn shard_entries(mut self, entries: u64) -> Self {
        self.cut = Cut::Entries(entries);
        self
    }

    /// So many hash shards, 1 to 4,096, which are all written at once: each one takes an open file,
    /// some MiB of buffers, and, unless the entries ascend and
    /// [`sorted`](BuildOptions::sorted) says so, its memory for sorting; see
    /// [`memory_budget`](BuildOptions::memory_budget), which is that of each shard. The keys come in
    /// any order.
    #[must_use]
    pub fn hash_shards(mut self, shards: usize) -> Self {
        self.cut = Cut::Hash(shards);
        self
    }

    /// The options with which each shard is built. Range shards are always built with
    /// [`sorted`](BuildOptions::sorted).
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
    /// # Errors
    /// [`PublishError::Target`] if an option is out of its range or the directory can't be written.
    pub fn create(&self, directory: impl AsRef<Path>) -> Result<SetBuilder, PublishError> {
        SetBuilder::start(self.cut, self.tables.clone(), &self.publish, directory.as_ref())
    }

    /// Begins a new version of typed entries in `directory`, as [`create`](Self::create) does. Each
    /// shard is a typed table of these types.
    ///
    /// # Errors
    /// Those of [`create`](Self::create); [`BuildError::InvalidOption`](crate::BuildError) for types
    /// that [`BuildOptions::create_typed`] refuses.
    pub fn create_typed<K: TypedKey, V: TypedValue>(
        &self,
        directory: impl AsRef<Path>,
    ) -> Result<TypedSetBuilder<K, V>, PublishError> {
        let tables = self.tables.clone().with_types::<K, V>()?;
        let builder = SetBuilder::start(self.cut, tables, &self.publish, directory.as_ref())?;
        Ok(TypedSetBuilder::new(builder))
    }
}
