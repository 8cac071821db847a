//! The builder of typed tables: keys that order as numbers, values that are read in place.

use super::builder::Builder;
use super::settings::Settings;
use super::summary::BuildSummary;
use crate::error::BuildError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::format::types::{MAX_TYPE, ORDER_HOST, ORDER_NONE, TypeNames, Types};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use zerocopy::IntoBytes;

/// Builds a table of typed keys and values, which [`TypedTable`](crate::TypedTable) reads.
/// [`BuildOptions::create_typed`](crate::BuildOptions::create_typed) makes one. Entries may come in
/// any order. A builder that is dropped before [`finish`](Self::finish) leaves nothing behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let mut builder = graven::BuildOptions::new().create_typed::<i32, u64>(&path)?;
/// builder.insert(&-5, &500)?;
/// builder.extend([(7, 700), (0, 1)])?;
/// assert_eq!(builder.finish()?.entries, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "a table is published by `finish`"]
pub struct TypedBuilder<K, V> {
    /// None after an error: entries may be missing.
    builder: Option<Builder>,
    types: PhantomData<fn(K, V)>,
}

impl<K, V> fmt::Debug for TypedBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedBuilder").field(&self.builder).finish()
    }
}

impl<K: TypedKey, V: TypedValue> TypedBuilder<K, V> {
    /// Starts a build of the table at `path`.
    pub(super) fn start(mut settings: Settings, path: &Path) -> Result<Self, BuildError> {
        Self::note_types(&mut settings)?;
        Ok(Self { builder: Some(Builder::start(settings, path)?), types: PhantomData })
    }

    /// Notes the types, which stand in the table, and the alignment of its values.
    pub(super) fn note_types(settings: &mut Settings) -> Result<(), BuildError> {
        let align = V::__ALIGN.max(align_of::<V>());
        settings.value_align = settings.value_align.max(align as u32);
        let byte_order = if V::__SINGLE_BYTES { ORDER_NONE } else { ORDER_HOST };
        let (key, value) = (text(K::write_type)?, text(V::__write_type)?);
        let types = Types { key: K::TAG, value: V::__TAG, byte_order };
        settings.note_types(types, Some(TypeNames { key: &key, value: &value }));
        Ok(())
    }

    /// Adds an entry. Both key and value are copied.
    ///
    /// # Errors
    /// The errors of [`Builder::insert`].
    pub fn insert(&mut self, key: &K, value: &V) -> Result<(), BuildError> {
        let builder = self.builder.as_mut().ok_or(BuildError::Failed)?;
        builder.insert(key.encode().as_bytes(), value.as_bytes())
    }

    /// Adds entries, each as [`insert`](Self::insert) does, up to the first error.
    ///
    /// # Errors
    /// The errors of [`insert`](Self::insert), with the same consequence. A panic of `entries` has
    /// it too: what was to come is missing.
    pub fn extend(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), BuildError> {
        // Taken out before the iterator is called: if it panics, entries are missing.
        let mut builder = self.builder.take().ok_or(BuildError::Failed)?;
        for (key, value) in entries {
            builder.insert(key.encode().as_bytes(), value.as_bytes())?;
        }
        self.builder = Some(builder);
        Ok(())
    }

    /// Sorts the entries, writes the table and publishes it.
    ///
    /// # Errors
    /// The errors of [`Builder::finish`].
    pub fn finish(self) -> Result<BuildSummary, BuildError> {
        self.builder.ok_or(BuildError::Failed)?.finish()
    }
}

/// A type as text, of a length that readers accept.
fn text(write: fn(&mut dyn fmt::Write) -> fmt::Result) -> Result<String, BuildError> {
    let mut text = String::new();
    match write(&mut text) {
        Ok(()) if text.len() <= MAX_TYPE => Ok(text),
        _ => Err(BuildError::InvalidOption {
            option: "type",
            got: format!("a text of {} bytes", text.len()),
            expected: "at most 65535 bytes for the names and types of all fields",
        }),
    }
}
