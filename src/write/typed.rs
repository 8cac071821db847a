//! The builder of typed tables: keys that order as numbers, values that are read in place.

use super::builder::Builder;
use super::settings::Settings;
use super::summary::BuildSummary;
use crate::error::BuildError;
use crate::format::types::{TypedKey, Types, value_order, value_tag};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Builds a table of typed keys and values, which [`TypedTable`](crate::TypedTable) reads.
#[must_use = "a table is published by `finish`"]
pub struct TypedBuilder<K, V> {
    builder: Builder,
    types: PhantomData<fn(K, V)>,
}

impl<K, V> fmt::Debug for TypedBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedBuilder").field(&self.builder).finish()
    }
}

impl<K, V> TypedBuilder<K, V>
where
    K: TypedKey,
    V: FromBytes + IntoBytes + Immutable + KnownLayout + 'static,
{
    /// Starts a build of the table at `path`.
    pub(super) fn start(mut settings: Settings, path: &Path) -> Result<Self, BuildError> {
        settings.value_align = settings.value_align.max(align_of::<V>() as u32);
        settings.types =
            Types { key: K::TAG, value: value_tag::<V>(), byte_order: value_order::<V>() };
        Ok(Self { builder: Builder::start(settings, path)?, types: PhantomData })
    }

    /// Adds an entry. Both key and value are copied.
    ///
    /// # Errors
    /// The errors of [`Builder::insert`].
    pub fn insert(&mut self, key: &K, value: &V) -> Result<(), BuildError> {
        self.builder.insert(key.encode().as_ref(), value.as_bytes())
    }

    /// Sorts the entries, writes the table and publishes it.
    ///
    /// # Errors
    /// The errors of [`Builder::finish`].
    pub fn finish(self) -> Result<BuildSummary, BuildError> {
        self.builder.finish()
    }
}
