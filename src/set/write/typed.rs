//! Writes a set of typed entries: they become bytes.

use super::builder::SetBuilder;
use crate::error::{BuildError, PublishError};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::publish::Version;
use std::fmt;
use std::marker::PhantomData;

/// Writes a set of typed keys and values, which [`TypedTableSet`](crate::TypedTableSet) reads.
/// [`SetBuildOptions::create_typed`](crate::SetBuildOptions::create_typed) makes one. Nobody reads
/// the set before [`finish`](Self::finish); a builder that is dropped before leaves nothing behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let options = graven::SetBuildOptions::new().hash_shards(2);
/// let mut builder = options.create_typed::<i32, u64>(&path)?;
/// builder.insert(&7, &700)?;
/// builder.extend([(-5, 500), (0, 1)])?; // in any order
/// assert!(builder.finish()?.current);
/// # Ok(())
/// # }
/// ```
#[must_use = "a set is published by `finish`"]
pub struct TypedSetBuilder<K, V> {
    /// None after a panic of what gave the entries: some may be missing.
    builder: Option<SetBuilder>,
    types: PhantomData<fn(K, V)>,
}

impl<K, V> TypedSetBuilder<K, V> {
    pub(super) fn new(builder: SetBuilder) -> Self {
        Self { builder: Some(builder), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedSetBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedSetBuilder").field(&self.builder).finish()
    }
}

impl<K: TypedKey, V: TypedValue> TypedSetBuilder<K, V> {
    /// Adds an entry, as [`SetBuilder::insert`] does.
    ///
    /// # Errors
    /// The errors of [`SetBuilder::insert`], with the same consequence.
    pub fn insert(&mut self, key: &K, value: &V) -> Result<(), BuildError> {
        let builder = self.builder.as_mut().ok_or(BuildError::Failed)?;
        builder.insert(key.encode(), value.as_bytes())
    }

    /// Adds entries, each as [`insert`](Self::insert) does, up to the first error.
    ///
    /// # Errors
    /// The errors of [`insert`](Self::insert). After a panic of `entries` nothing is published either:
    /// what was to come is missing.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), BuildError> {
        // Taken out before the iterator is called: if it panics, entries are missing.
        let mut builder = self.builder.take().ok_or(BuildError::Failed)?;
        for (key, value) in entries {
            builder.insert(key.encode(), value.as_bytes())?;
        }
        self.builder = Some(builder);
        Ok(())
    }

    /// Completes all shards, writes the manifest, and makes the version current.
    ///
    /// # Errors
    /// The errors of [`SetBuilder::finish`].
    pub fn finish(self) -> Result<Version, PublishError> {
        self.builder.ok_or(BuildError::Failed)?.finish()
    }
}
