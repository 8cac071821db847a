//! Keys of typed tables as bytes, which order as the keys do.

use super::{ARRAY, TUPLE};
use sealed::Key;
use std::fmt;
use zerocopy::{Immutable, IntoBytes, Unaligned};

/// A key type of a typed table: an integer of 8 to 128 bits, a byte array `[u8; N]`, or a tuple of
/// two to six of these.
///
/// Keys have one length and stand in the table in the order that [`Ord`] gives them: numbers by
/// their value, byte arrays bytewise, tuples by their first component, then by the next. Sealed,
/// because how keys are encoded is part of the format.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// // Station and year; temperature.
/// let readings = [((7_u32, 2024_i16), 9.8), ((7, 2023), 9.1), ((3, -44), 11.0)];
/// graven::BuildOptions::new().build_typed::<(u32, i16), f64>(&path, readings)?;
/// let table = graven::OpenOptions::new().load_typed::<(u32, i16), f64>(&path)?;
/// // All years of station 7.
/// let years = table.range((7, i16::MIN)..=(7, i16::MAX));
/// assert_eq!(years.collect::<Result<Vec<_>, _>>()?, [((7, 2023), &9.1), ((7, 2024), &9.8)]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the key of a typed table",
    note = "keys are u8 to u128, i8 to i128, `[u8; N]`, and tuples of two to six of these"
)]
pub trait TypedKey: Key + Copy + Ord + Send + Sync + 'static {}

mod sealed {
    use super::*;

    pub trait Key: Sized {
        /// As many bytes as every key of this type has.
        type Bytes: AsRef<[u8]> + IntoBytes + Immutable + Unaligned;
        /// The tag in the header.
        const TAG: u8;
        /// The key as bytes, which order as keys do.
        fn encode(&self) -> Self::Bytes;
        /// The key of these bytes; `None` for bytes of another length.
        fn decode(bytes: &[u8]) -> Option<Self>;
        /// Writes the type as text.
        fn write_type(out: &mut dyn fmt::Write) -> fmt::Result;
    }

    /// The bytes of two components, one after the other.
    #[derive(IntoBytes, Immutable, Unaligned)]
    #[repr(C)]
    #[derive(Debug)]
    pub struct Join<A, B>(pub(super) A, pub(super) B);

    impl<A, B> AsRef<[u8]> for Join<A, B>
    where
        Self: IntoBytes + Immutable,
    {
        #[inline]
        fn as_ref(&self) -> &[u8] {
            self.as_bytes()
        }
    }
}

macro_rules! integer_key {
    ($($type:ty, $tag:expr, $flip:expr;)*) => {$(
        impl TypedKey for $type {}
        impl Key for $type {
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
            fn write_type(out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(stringify!($type))
            }
        }
    )*};
}

integer_key! {
    u8, 1, 0; u16, 2, 0; u32, 3, 0; u64, 4, 0; u128, 5, 0;
    i8, 6, i8::MIN; i16, 7, i16::MIN; i32, 8, i32::MIN; i64, 9, i64::MIN; i128, 10, i128::MIN;
}

impl<const N: usize> TypedKey for [u8; N] {}
impl<const N: usize> Key for [u8; N] {
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
    fn write_type(out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "[u8; {N}]")
    }
}

/// The bytes of a tuple: each component's, joined from the right.
macro_rules! joined {
    (type $first:ident) => { $first::Bytes };
    (type $first:ident $($rest:ident)+) => {
        sealed::Join<$first::Bytes, joined!(type $($rest)+)>
    };
    (value $first:ident) => { $first.encode() };
    (value $first:ident $($rest:ident)+) => {
        sealed::Join($first.encode(), joined!(value $($rest)+))
    };
}

macro_rules! tuple_key {
    ($($first:ident $($part:ident)+;)*) => {$(
        impl<$first: TypedKey, $($part: TypedKey),+> TypedKey for ($first, $($part),+) {}
        impl<$first: TypedKey, $($part: TypedKey),+> Key for ($first, $($part),+) {
            type Bytes = joined!(type $first $($part)+);
            const TAG: u8 = TUPLE;
            #[inline]
            #[expect(non_snake_case, reason = "a component is named as its type")]
            fn encode(&self) -> Self::Bytes {
                let ($first, $($part),+) = self;
                joined!(value $first $($part)+)
            }
            #[inline]
            #[expect(non_snake_case, reason = "a component is named as its type")]
            fn decode(bytes: &[u8]) -> Option<Self> {
                let ($first, rest) = bytes.split_at_checked(size_of::<$first::Bytes>())?;
                $(let ($part, rest) = rest.split_at_checked(size_of::<$part::Bytes>())?;)+
                if !rest.is_empty() {
                    return None;
                }
                Some(($first::decode($first)?, $($part::decode($part)?),+))
            }
            fn write_type(out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str("(")?;
                $first::write_type(out)?;
                $(
                    out.write_str(", ")?;
                    $part::write_type(out)?;
                )+
                out.write_str(")")
            }
        }
    )*};
}

tuple_key! {
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn text<K: TypedKey>() -> String {
        let mut text = String::new();
        K::write_type(&mut text).expect("a String takes all");
        text
    }

    /// Bytes order as keys do, for each pair of keys, and lead back to the key.
    fn order<K: TypedKey + Debug>(keys: &[K]) {
        for a in keys {
            assert_eq!(K::decode(a.encode().as_ref()), Some(*a));
            assert_eq!(K::decode(&[a.encode().as_ref(), b"\0"].concat()), None);
            for b in keys {
                assert_eq!(a.encode().as_ref().cmp(b.encode().as_ref()), a.cmp(b), "{a:?}, {b:?}");
            }
        }
    }

    #[test]
    fn encoded_keys_order_as_keys() {
        let numbers = [i32::MIN, -70_000, -1, 0, 1, 255, 256, i32::MAX];
        order(&numbers);
        order(&[i128::MIN, -1, 0, 1, i128::MAX]);
        order(&[0_u16, 1, 255, 256, u16::MAX]);
        order(&[[0, 0, 0], [0, 0, 1], [1, 0, 0], [255; 3]]);
        order(&[[0_u8; 0]]);
        let pairs: Vec<(i32, u8)> =
            numbers.iter().flat_map(|&number| [(number, 0), (number, 255)]).collect();
        order(&pairs);
        let triples: Vec<(u16, [u8; 2], i32)> = numbers
            .iter()
            .flat_map(|&number| [(1, [0, 9], number), (1, [1, 0], number), (256, [0, 0], number)])
            .collect();
        order(&triples);
        let six = |i: i8| (i, i as u8, i16::from(i), [i as u8], i64::from(i), i128::from(i));
        order(&[-128, -1, 0, 1, 127].map(six));
        assert_eq!(u64::decode(&[0; 7]), None);
        assert_eq!(<(u8, u8)>::decode(&[0]), None);
        assert_eq!(0x0102u16.encode(), [1, 2]);
        assert_eq!((-1_i8, 0x0102_u16, [7_u8, 8]).encode().as_ref(), [0x7F, 1, 2, 7, 8]);
    }

    #[test]
    fn types_are_written_as_in_rust() {
        assert_eq!(text::<u64>(), "u64");
        assert_eq!(text::<[u8; 16]>(), "[u8; 16]");
        assert_eq!(text::<(u32, [u8; 4], i64)>(), "(u32, [u8; 4], i64)");
        assert_eq!((u64::TAG, i128::TAG, <[u8; 4]>::TAG), (4, 10, ARRAY));
        assert_eq!(<(u8, i8)>::TAG, TUPLE);
    }
}
