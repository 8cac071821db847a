//! Walks over a typed set: those over the set, whose keys are decoded on the way.

use super::super::walk::SetIter;
use super::value::TypedSetValue;
use crate::error::{ReadResult, SetError};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::read::Value;
use crate::read::typed::walk::key;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// Entries of a typed set in the order of their keys, from both ends: keys as they are, values in
/// place. It keeps the set open and borrows nothing, as [`SetIter`] does. After an error the
/// iteration is over.
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct TypedSetIter<K, V> {
    bytes: SetIter,
    types: PhantomData<fn() -> (K, V)>,
}

/// Key and value of an entry.
pub(super) fn entry<K: TypedKey, V: TypedValue>(
    (key_bytes, value_bytes): (Value, Value),
) -> ReadResult<(K, TypedSetValue<V>)> {
    Ok((key(&key_bytes)?, TypedSetValue::new(value_bytes)?))
}

impl<K, V> TypedSetIter<K, V> {
    pub(super) fn new(bytes: SetIter) -> Self {
        Self { bytes, types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedSetIter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSetIter").finish_non_exhaustive()
    }
}

impl<K: TypedKey, V: TypedValue> Iterator for TypedSetIter<K, V> {
    type Item = Result<(K, TypedSetValue<V>), SetError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(self.bytes.next()?.and_then(|item| Ok(entry(item)?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

impl<K: TypedKey, V: TypedValue> DoubleEndedIterator for TypedSetIter<K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        Some(self.bytes.next_back()?.and_then(|item| Ok(entry(item)?)))
    }
}

impl<K: TypedKey, V: TypedValue> FusedIterator for TypedSetIter<K, V> {}
