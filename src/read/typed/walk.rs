//! Walks over a typed table: those over the table beneath, whose keys are decoded on the way.

use super::super::walk::{Cursor, GetAll, Iter, Keys, Values};
use crate::error::{ReadError, ReadResult};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

/// A key from its bytes. Their length was checked when the table was opened.
#[inline]
pub(crate) fn key<K: TypedKey>(bytes: &[u8]) -> ReadResult<K> {
    K::decode(bytes).ok_or_else(|| ReadError::corrupt("key of another length", 0))
}

/// A value where it lies. Length and alignment were checked when the table was opened.
#[inline]
pub(crate) fn value<V: TypedValue>(bytes: &[u8]) -> ReadResult<&V> {
    V::ref_from_bytes(bytes).map_err(|_| ReadError::corrupt("value of another layout", 0))
}

#[inline]
pub(super) fn entry<'t, K: TypedKey, V: TypedValue>(
    (key_bytes, value_bytes): (&'t [u8], &'t [u8]),
) -> ReadResult<(K, &'t V)> {
    Ok((key(key_bytes)?, value(value_bytes)?))
}

macro_rules! typed_walk {
    ($name:ident<'t $(, $type:ident: $kind:ident)+>, $inner:ident, $item:ty, $map:ident, $doc:expr) => {
        #[doc = $doc]
        ///
        /// After an error the iteration is over.
        #[must_use = "iterators are lazy and do nothing unless consumed"]
        pub struct $name<'t $(, $type)+> {
            bytes: $inner<'t>,
            types: PhantomData<fn() -> ($($type,)+)>,
        }

        impl<'t $(, $type)+> $name<'t $(, $type)+> {
            pub(super) fn new(bytes: $inner<'t>) -> Self {
                Self { bytes, types: PhantomData }
            }
        }

        impl<$($type),+> fmt::Debug for $name<'_ $(, $type)+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl<'t $(, $type: $kind)+> Iterator for $name<'t $(, $type)+> {
            type Item = Result<$item, ReadError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                Some(self.bytes.next()?.and_then($map))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.bytes.size_hint()
            }

            fn count(self) -> usize {
                self.bytes.count()
            }

            fn last(self) -> Option<Self::Item> {
                Some(self.bytes.last()?.and_then($map))
            }

            fn nth(&mut self, n: usize) -> Option<Self::Item> {
                Some(self.bytes.nth(n)?.and_then($map))
            }

            #[inline]
            fn fold<A, F: FnMut(A, Self::Item) -> A>(self, all: A, mut f: F) -> A {
                self.bytes.fold(all, |all, item| f(all, item.and_then($map)))
            }
        }

        impl<$($type: $kind),+> FusedIterator for $name<'_ $(, $type)+> {}
    };
}

macro_rules! from_both_ends {
    ($name:ident<'t $(, $type:ident: $kind:ident)+>, $map:ident) => {
        impl<$($type),+> Clone for $name<'_ $(, $type)+> {
            fn clone(&self) -> Self {
                Self { bytes: self.bytes.clone(), types: PhantomData }
            }
        }

        impl<$($type: $kind),+> DoubleEndedIterator for $name<'_ $(, $type)+> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                Some(self.bytes.next_back()?.and_then($map))
            }

            fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
                Some(self.bytes.nth_back(n)?.and_then($map))
            }

            #[inline]
            fn rfold<A, F: FnMut(A, Self::Item) -> A>(self, all: A, mut f: F) -> A {
                self.bytes.rfold(all, |all, item| f(all, item.and_then($map)))
            }
        }

        impl<$($type: $kind),+> ExactSizeIterator for $name<'_ $(, $type)+> {}
    };
}

typed_walk!(
    TypedIter<'t, K: TypedKey, V: TypedValue>,
    Iter,
    (K, &'t V),
    entry,
    "Entries of a typed table in the order of their keys: keys as they are, values in place."
);
typed_walk!(TypedKeys<'t, K: TypedKey>, Keys, K, key, "Keys of a typed table in their order.");
typed_walk!(
    TypedValues<'t, V: TypedValue>,
    Values,
    &'t V,
    value,
    "Values of a typed table in the order of their keys, in place."
);
typed_walk!(
    TypedGetAll<'t, V: TypedValue>,
    GetAll,
    &'t V,
    value,
    "All values of one key of a typed table, in the order of their insertion."
);
from_both_ends!(TypedIter<'t, K: TypedKey, V: TypedValue>, entry);
from_both_ends!(TypedKeys<'t, K: TypedKey>, key);
from_both_ends!(TypedValues<'t, V: TypedValue>, value);

/// A position in a typed table: on an entry, before the first or after the last. It may change its
/// direction at any time.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// graven::BuildOptions::new().build_typed(&path, [(-10_i32, 1_u8), (0, 2), (10, 3)])?;
/// let table = graven::OpenOptions::new().load_typed::<i32, u8>(&path)?;
/// let mut cursor = table.cursor();
/// assert!(cursor.seek_ceil(&-3)?);
/// assert_eq!((cursor.key(), cursor.value()), (Some(0), Some(&2)));
/// assert!(cursor.prev()?);
/// assert_eq!(cursor.key(), Some(-10));
/// assert!(!cursor.prev()?);
/// assert_eq!(cursor.key(), None);
/// # Ok(())
/// # }
/// ```
pub struct TypedCursor<'t, K, V> {
    cursor: Cursor<'t>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for TypedCursor<'_, K, V> {
    fn clone(&self) -> Self {
        Self { cursor: self.cursor.clone(), types: PhantomData }
    }
}

impl<K, V> fmt::Debug for TypedCursor<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedCursor").finish_non_exhaustive()
    }
}

impl<'t, K: TypedKey, V: TypedValue> TypedCursor<'t, K, V> {
    pub(super) fn new(cursor: Cursor<'t>) -> Self {
        Self { cursor, types: PhantomData }
    }

    /// The current key, if the cursor is on an entry.
    pub fn key(&self) -> Option<K> {
        // All keys have the length that was checked when the table was opened.
        self.cursor.key().and_then(K::decode)
    }

    /// The current value, if the cursor is on an entry.
    #[must_use]
    pub fn value(&self) -> Option<&'t V> {
        // So have all values.
        self.cursor.value().and_then(|bytes| value(bytes).ok())
    }

    /// Moves to the first entry whose key is not smaller than `key`; false, and after the last,
    /// if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn seek_ceil(&mut self, key: &K) -> Result<bool, ReadError> {
        self.cursor.seek_ceil(key.encode().as_ref())
    }

    /// Moves to the last entry whose key is not greater than `key`; false, and before the first,
    /// if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn seek_floor(&mut self, key: &K) -> Result<bool, ReadError> {
        self.cursor.seek_floor(key.encode().as_ref())
    }

    /// Moves to the first entry; false if the table is empty.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_first(&mut self) -> Result<bool, ReadError> {
        self.cursor.seek_first()
    }

    /// Moves to the last entry; false if the table is empty.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn seek_last(&mut self) -> Result<bool, ReadError> {
        self.cursor.seek_last()
    }

    /// Moves to the next entry; false, and after the last, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    #[expect(clippy::should_implement_trait, reason = "a cursor is no iterator: it can go back")]
    pub fn next(&mut self) -> Result<bool, ReadError> {
        self.cursor.next()
    }

    /// Moves to the entry before; false, and before the first, if there is none.
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged; the cursor is then before the first.
    pub fn prev(&mut self) -> Result<bool, ReadError> {
        self.cursor.prev()
    }
}
