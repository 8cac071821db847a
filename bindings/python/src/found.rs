//! A key or a value that is kept apart from its table or set.

use graven::{SetValue, Value};
use std::ops::Deref;

/// Bytes that a query found.
pub(crate) enum Found {
    /// Bytes of the file, which they keep mapped.
    Mapped(Value),
    /// Bytes that were decoded or copied.
    Decoded(Vec<u8>),
}

impl Deref for Found {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(value) => value,
            Self::Decoded(bytes) => bytes,
        }
    }
}

impl From<Value> for Found {
    fn from(value: Value) -> Self {
        Self::Mapped(value)
    }
}

impl From<Vec<u8>> for Found {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Decoded(bytes)
    }
}

impl From<&[u8]> for Found {
    fn from(bytes: &[u8]) -> Self {
        Self::Decoded(bytes.to_vec())
    }
}

impl From<SetValue<'_>> for Found {
    fn from(value: SetValue<'_>) -> Self {
        match value {
            SetValue::Mapped(value) => value.into(),
            SetValue::Decoded(bytes) => bytes.into(),
        }
    }
}
