//! Typed tables: keys that order as numbers, values that are read in place.

use super::{BuildOptions, Builder, Summary};
use crate::error::BuildError;
use crate::format::types::{TypedKey, value_order, value_tag};
use std::marker::PhantomData;
use std::path::Path;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Builds a table of typed keys and values, to be read by [`TypedTable`](crate::TypedTable).
pub struct TypedBuilder<K, V> {
    builder: Builder,
    types: PhantomData<fn(K, V)>,
}

impl BuildOptions {
    /// Starts a typed build. Values are aligned for `V`, at least; key and value type are noted
    /// in the file, so that it can't be opened as another type.
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
        let mut options = self.clone();
        options.value_align = options.value_align.max(align_of::<V>() as u32);
        options.types = super::table::Types {
            key: K::TAG,
            value: value_tag::<V>(),
            byte_order: value_order::<V>(),
        };
        Ok(TypedBuilder { builder: options.create(path)?, types: PhantomData })
    }
}

impl<K, V> TypedBuilder<K, V>
where
    K: TypedKey,
    V: FromBytes + IntoBytes + Immutable + KnownLayout + 'static,
{
    /// Adds an entry.
    ///
    /// # Errors
    /// As [`Builder::insert`].
    pub fn insert(&mut self, key: &K, value: &V) -> Result<(), BuildError> {
        self.builder.insert(key.encode().as_ref(), value.as_bytes())
    }

    /// Publishes the table.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub fn finish(self) -> Result<Summary, BuildError> {
        self.builder.finish()
    }
}
