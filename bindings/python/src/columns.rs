//! Cells of Arrow columns as bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
    PrimitiveArray, StringArray, StringViewArray,
};
use arrow_schema::DataType;

/// The longest number.
pub(crate) type Scratch = [u8; 8];

/// What cells become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Integers become big-endian, so that they sort as numbers. Negative ones would not.
    Key,
    /// Numbers become little-endian, as values of typed tables are.
    Value,
}

/// A column whose cells have bytes.
pub(crate) enum Cells<'a> {
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    String(&'a StringArray),
    LargeString(&'a LargeStringArray),
    StringView(&'a StringViewArray),
    Fixed(&'a FixedSizeBinaryArray),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    U64(&'a PrimitiveArray<UInt64Type>),
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
}

impl<'a> Cells<'a> {
    /// `None` if cells of this type have no bytes for that use.
    pub(crate) fn of(array: &'a dyn Array, purpose: Use) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view()),
            DataType::Utf8 => Self::String(array.as_string()),
            DataType::LargeUtf8 => Self::LargeString(array.as_string()),
            DataType::Utf8View => Self::StringView(array.as_string_view()),
            DataType::FixedSizeBinary(_) => Self::Fixed(array.as_fixed_size_binary()),
            DataType::UInt8 => Self::U8(array.as_primitive()),
            DataType::UInt16 => Self::U16(array.as_primitive()),
            DataType::UInt32 => Self::U32(array.as_primitive()),
            DataType::UInt64 => Self::U64(array.as_primitive()),
            DataType::Int8 => Self::I8(array.as_primitive()),
            DataType::Int16 => Self::I16(array.as_primitive()),
            DataType::Int32 => Self::I32(array.as_primitive()),
            DataType::Int64 => Self::I64(array.as_primitive()),
            DataType::Float32 if purpose == Use::Value => Self::F32(array.as_primitive()),
            DataType::Float64 if purpose == Use::Value => Self::F64(array.as_primitive()),
            _ => return None,
        })
    }

    /// The bytes of a cell that is not null. `None` for a key that is negative.
    pub(crate) fn bytes<'s>(
        &'s self,
        row: usize,
        purpose: Use,
        scratch: &'s mut Scratch,
    ) -> Option<&'s [u8]> {
        /// The bytes of a number, at the start of `scratch`.
        macro_rules! number {
            ($number:expr) => {{
                let number = $number;
                let bytes = match purpose {
                    Use::Key => number.to_be_bytes(),
                    Use::Value => number.to_le_bytes(),
                };
                scratch[..bytes.len()].copy_from_slice(&bytes);
                &scratch[..bytes.len()]
            }};
        }
        macro_rules! signed {
            ($array:expr) => {{
                let number = $array.value(row);
                if purpose == Use::Key && number < 0 {
                    return None;
                }
                number!(number)
            }};
        }
        Some(match self {
            Self::Binary(array) => array.value(row),
            Self::LargeBinary(array) => array.value(row),
            Self::BinaryView(array) => array.value(row),
            Self::String(array) => array.value(row).as_bytes(),
            Self::LargeString(array) => array.value(row).as_bytes(),
            Self::StringView(array) => array.value(row).as_bytes(),
            Self::Fixed(array) => array.value(row),
            Self::U8(array) => number!(array.value(row)),
            Self::U16(array) => number!(array.value(row)),
            Self::U32(array) => number!(array.value(row)),
            Self::U64(array) => number!(array.value(row)),
            Self::I8(array) => signed!(array),
            Self::I16(array) => signed!(array),
            Self::I32(array) => signed!(array),
            Self::I64(array) => signed!(array),
            Self::F32(array) => number!(array.value(row)),
            Self::F64(array) => number!(array.value(row)),
        })
    }
}
