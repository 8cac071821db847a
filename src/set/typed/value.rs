//! A value of a typed set.

use crate::error::ReadResult;
use crate::format::types::value::TypedValue;
use crate::read::Value;
use crate::read::typed::walk::value;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// A value of a typed set, in place: it derefs to `V`, copies nothing, and keeps its shard open for
/// as long as it lives. `Send + Sync + 'static`. Making, cloning and dropping one costs an atomic
/// count, as with [`Value`]; a deref costs a few comparisons. Copy the `V`, where it is `Copy`, to
/// keep it without the shard.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices");
/// # let mut builder = graven::SetBuildOptions::new().create_typed::<u32, f64>(&path)?;
/// # builder.extend([(7, 1.5)])?;
/// # builder.finish()?;
/// // SAFETY: nobody modifies or truncates the published files.
/// let set = unsafe { graven::TypedTableSet::<u32, f64>::open(&path)? };
/// let price = set.get(&7)?.ok_or("no price")?;
/// drop(set);
/// assert_eq!(price.floor(), 1.0);
/// let price: f64 = *price;
/// assert_eq!(price, 1.5);
/// # Ok(())
/// # }
/// ```
pub struct TypedSetValue<V> {
    /// Of the length and in the place that a `V` needs.
    bytes: Value,
    kind: PhantomData<fn() -> V>,
}

impl<V: TypedValue> TypedSetValue<V> {
    /// The value in these bytes of a shard whose types were compared.
    #[inline]
    pub(super) fn new(bytes: Value) -> ReadResult<Self> {
        value::<V>(&bytes)?;
        Ok(Self { bytes, kind: PhantomData })
    }
}

impl<V> TypedSetValue<V> {
    /// The bytes of the value, as they lie in the shard.
    #[must_use]
    pub fn bytes(&self) -> &Value {
        &self.bytes
    }
}

impl<V: TypedValue> Deref for TypedSetValue<V> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        value(&self.bytes).unwrap_or_else(|_| unreachable!("bytes of a table never move"))
    }
}

impl<V: TypedValue> AsRef<V> for TypedSetValue<V> {
    #[inline]
    fn as_ref(&self) -> &V {
        self
    }
}

impl<V> Clone for TypedSetValue<V> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), kind: PhantomData }
    }
}

impl<V: TypedValue + fmt::Debug> fmt::Debug for TypedSetValue<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Compares the values.
impl<V: TypedValue + PartialEq> PartialEq for TypedSetValue<V> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<V: TypedValue + PartialEq> PartialEq<V> for TypedSetValue<V> {
    #[inline]
    fn eq(&self, other: &V) -> bool {
        **self == *other
    }
}
