//! Typed tables: how typed keys become bytes that order as they do, and the type tags, one byte
//! each for key and value in the header.

use std::any::TypeId;

/// A byte array `[u8; N]`, as a key.
pub(crate) const ARRAY: u8 = 13;
/// Another zerocopy type, known by size and alignment only.
pub(crate) const OTHER: u8 = 14;

/// Names of the tags, by number.
const NAMES: [&str; 15] = [
    "bytes", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
    "[u8; N]", "struct",
];

/// The name of a type tag.
pub(crate) fn name(tag: u8) -> &'static str {
    NAMES.get(usize::from(tag)).copied().unwrap_or("unknown type")
}

/// Byte order of typed values in the header.
pub(crate) const ORDER_NONE: u8 = 0;
/// The byte order of the machine at hand.
pub(crate) const ORDER_HOST: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };

/// The types of a table as its header names them; all zero for a table of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Types {
    /// Tag of the keys' type.
    pub(crate) key: u8,
    /// Tag of the values' type.
    pub(crate) value: u8,
    /// Byte order of the values.
    pub(crate) byte_order: u8,
}

/// A key type of a typed table. Its bytes order as its values do.
///
/// Implemented for the integers (big-endian, the sign bit flipped for signed ones) and for byte
/// arrays; sealed, since a table's type tags are part of the format.
pub trait TypedKey: sealed::Sealed {
    /// The key as bytes.
    #[doc(hidden)]
    type Bytes: AsRef<[u8]>;
    /// The tag in the header.
    #[doc(hidden)]
    const TAG: u8;
    /// Encodes the key.
    #[doc(hidden)]
    fn encode(&self) -> Self::Bytes;
    /// Decodes the bytes of a key; `None` for bytes of another length.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Option<Self>
    where
        Self: Sized;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integer_key {
    ($($type:ty, $tag:expr, $flip:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl TypedKey for $type {
            type Bytes = [u8; size_of::<$type>()];
            const TAG: u8 = $tag;
            #[inline]
            fn encode(&self) -> Self::Bytes {
                (*self ^ $flip).to_be_bytes()
            }
            #[inline]
            fn decode(bytes: &[u8]) -> Option<Self> {
                Some(<$type>::from_be_bytes(bytes.try_into().ok()?) ^ $flip)
            }
        }
    )*};
}

integer_key! {
    u8, 1, 0; u16, 2, 0; u32, 3, 0; u64, 4, 0; u128, 5, 0;
    i8, 6, i8::MIN; i16, 7, i16::MIN; i32, 8, i32::MIN; i64, 9, i64::MIN; i128, 10, i128::MIN;
}

impl<const N: usize> sealed::Sealed for [u8; N] {}
impl<const N: usize> TypedKey for [u8; N] {
    type Bytes = [u8; N];
    const TAG: u8 = ARRAY;
    #[inline]
    fn encode(&self) -> Self::Bytes {
        *self
    }
    #[inline]
    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

/// The tag of a value type.
pub(crate) fn value_tag<V: 'static>() -> u8 {
    let known = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<u128>(),
        TypeId::of::<i8>(),
        TypeId::of::<i16>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<i128>(),
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
    ];
    let place = known.iter().position(|&id| id == TypeId::of::<V>());
    place.map_or(OTHER, |place| place as u8 + 1)
}

/// The byte order that values of this type depend on. What a struct holds is not known, so it is
/// taken to depend on it.
pub(crate) fn value_order<V: 'static>() -> u8 {
    let bytes = [TypeId::of::<u8>(), TypeId::of::<i8>()];
    if bytes.contains(&TypeId::of::<V>()) { ORDER_NONE } else { ORDER_HOST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_integers_order_as_numbers() {
        let numbers = [i32::MIN, -70_000, -1, 0, 1, 255, 256, i32::MAX];
        for pair in numbers.windows(2) {
            assert!(pair[0].encode() < pair[1].encode(), "{pair:?}");
        }
        for number in numbers {
            assert_eq!(i32::decode(&number.encode()), Some(number));
        }
        assert_eq!(u64::decode(&[0; 7]), None);
        assert_eq!(0x0102u16.encode(), [1, 2]);
    }

    #[test]
    fn tags_have_names() {
        assert_eq!(name(value_tag::<u64>()), "u64");
        assert_eq!(name(value_tag::<i64>()), "i64");
        assert_eq!(name(value_tag::<[u32; 3]>()), "struct");
        assert_eq!(name(<[u8; 4]>::TAG), "[u8; N]");
        assert_eq!(name(200), "unknown type");
    }
}
