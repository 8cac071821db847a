//! Values of typed tables, which are read where they lie in the table.

use super::OTHER;
use __private::Plain;
use std::fmt;

/// A value type of a typed table: an integer of 8 to 128 bits, `f32`, `f64`, an array of values,
/// `()`, or a struct that [`typed_value!`](crate::typed_value) declares.
///
/// Values are read where they lie in the table, without a copy. Every pattern of bytes is a valid
/// value, and there is no padding. The macro is the one way to implement this trait; its items are
/// not part of the public interface.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let vectors = [(1_u32, [0.5_f32, 0.25, 0.0]), (2, [1.0, 0.0, 0.0])];
/// graven::BuildOptions::new().build_typed(&path, vectors)?;
/// let table = graven::OpenOptions::new().load_typed::<u32, [f32; 3]>(&path)?;
/// assert_eq!(table.get(&2)?, Some(&[1.0, 0.0, 0.0]));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the value of a typed table",
    note = "values are integers, `f32`, `f64`, arrays of these, `()`, and structs declared in `graven::typed_value!`"
)]
pub trait TypedValue: Plain + Send + Sync + 'static {
    /// The tag in the header.
    #[doc(hidden)]
    const __TAG: u8 = OTHER;
    /// The alignment in the table, the same on every machine.
    #[doc(hidden)]
    const __ALIGN: usize;
    /// Whether values consist of single bytes, whose order on the machine does not matter.
    #[doc(hidden)]
    const __SINGLE_BYTES: bool;
    /// Writes the type as text.
    #[doc(hidden)]
    fn __write_type(out: &mut dyn fmt::Write) -> fmt::Result;
}

/// What [`typed_value!`](crate::typed_value) expands to needs these names. Not part of the public
/// interface.
#[doc(hidden)]
pub mod __private {
    use std::fmt;
    use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

    pub use zerocopy;

    /// A type without padding for which every pattern of bytes is a value.
    pub trait Plain: FromBytes + IntoBytes + Immutable + KnownLayout {}

    impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Plain for T {}

    /// Writes a type as text.
    pub type WriteType = fn(&mut dyn fmt::Write) -> fmt::Result;

    /// Writes a struct as text: its name, then names and types of its fields.
    pub fn write_struct(
        out: &mut dyn fmt::Write,
        name: &str,
        fields: &[(&str, WriteType)],
    ) -> fmt::Result {
        out.write_str(name)?;
        let mut before = " { ";
        for (field, write_type) in fields {
            write!(out, "{before}{field}: ")?;
            write_type(out)?;
            before = ", ";
        }
        out.write_str(" }")
    }

    /// The largest alignment.
    #[must_use]
    pub const fn largest(aligns: &[usize]) -> usize {
        let (mut largest, mut i) = (1, 0);
        while i < aligns.len() {
            if aligns[i] > largest {
                largest = aligns[i];
            }
            i += 1;
        }
        largest
    }
}

macro_rules! number_value {
    ($($type:ty, $tag:expr;)*) => {$(
        impl TypedValue for $type {
            const __TAG: u8 = $tag;
            const __ALIGN: usize = size_of::<$type>();
            const __SINGLE_BYTES: bool = size_of::<$type>() == 1;
            fn __write_type(out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(stringify!($type))
            }
        }
    )*};
}

number_value! {
    u8, 1; u16, 2; u32, 3; u64, 4; u128, 5;
    i8, 6; i16, 7; i32, 8; i64, 9; i128, 10;
    f32, 11; f64, 12;
}

impl<T: TypedValue, const N: usize> TypedValue for [T; N] {
    const __ALIGN: usize = T::__ALIGN;
    const __SINGLE_BYTES: bool = T::__SINGLE_BYTES;
    fn __write_type(out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("[")?;
        T::__write_type(out)?;
        write!(out, "; {N}]")
    }
}

/// A table of keys alone.
impl TypedValue for () {
    const __ALIGN: usize = 1;
    const __SINGLE_BYTES: bool = true;
    fn __write_type(out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("()")
    }
}

/// Declares structs that are values of typed tables. Nothing else is needed: no other crate, no
/// derive, no `unsafe`.
///
/// ```
/// graven::typed_value! {
///     /// What is known about a shape.
///     #[derive(Clone, Copy, Debug, PartialEq)]
///     pub struct Shape {
///         pub area: f64,
///         pub sides: u32,
///         pub id: u32,
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("shapes.grv");
/// let shapes = [(-1_i64, Shape { area: 0.5, sides: 3, id: 40 })];
/// graven::BuildOptions::new().build_typed(&path, shapes)?;
///
/// let table = graven::OpenOptions::new().load_typed::<i64, Shape>(&path)?;
/// let shape: Option<&Shape> = table.get(&-1)?; // it lies in the table
/// assert_eq!(shape.map(|shape| shape.sides), Some(3));
/// # Ok(())
/// # }
/// ```
///
/// A field is of any type that is a [`TypedValue`], another such struct among them. Attributes and
/// derives are kept; the struct is made `#[repr(C)]`. Its name, and names and types of its fields
/// in their order, become part of the file: a table is opened only with a struct of the same text,
/// here `Shape { area: f64, sides: u32, id: u32 }`.
///
/// Padding is a compile error, because its bytes would have no value. Put large fields before small
/// ones, and fill what is left with a field:
///
/// ```compile_fail
/// graven::typed_value! {
///     struct Padded {
///         sides: u32,
///         area: f64, // error: `Padded` has padding
///     }
/// }
/// ```
///
/// So is a field for which some bytes are no value, such as `bool`, `char` or a reference, or whose
/// size depends on the machine, such as `usize`:
///
/// ```compile_fail
/// graven::typed_value! {
///     struct Flag {
///         set: bool, // error: use u8
///     }
/// }
/// ```
///
/// The expansion names the crate as `graven`. A program that depends on it by another name says so
/// once, in its root: `extern crate other_name as graven;`.
#[macro_export]
macro_rules! typed_value {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $( $(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty ),+ $(,)?
        }
    )+) => {$(
        // For a field of another type, the compiler's first error is the one about this line, since
        // it checks the lengths of arrays in the order of the text. Errors of the derives name
        // traits of zerocopy.
        $(const _: [(); <$type as $crate::TypedValue>::__ALIGN] = [(); _];)+

        $(#[$attribute])*
        #[derive(
            $crate::__private::zerocopy::FromBytes,
            $crate::__private::zerocopy::IntoBytes,
            $crate::__private::zerocopy::Immutable,
            $crate::__private::zerocopy::KnownLayout,
        )]
        #[zerocopy(crate = "graven::__private::zerocopy")]
        #[repr(C)]
        $visibility struct $name {
            $( $(#[$field_attribute])* $field_visibility $field: $type ),+
        }

        impl $crate::TypedValue for $name {
            const __ALIGN: usize = $crate::__private::largest(
                &[$(<$type as $crate::TypedValue>::__ALIGN),+]
            );
            const __SINGLE_BYTES: bool = true $(&& <$type as $crate::TypedValue>::__SINGLE_BYTES)+;
            fn __write_type(out: &mut dyn ::core::fmt::Write) -> ::core::fmt::Result {
                $crate::__private::write_struct(
                    out,
                    ::core::stringify!($name),
                    &[$((
                        ::core::stringify!($field),
                        <$type as $crate::TypedValue>::__write_type,
                    )),+],
                )
            }
        }

        const _: () = ::core::assert!(
            ::core::mem::size_of::<$name>() == 0 $(+ ::core::mem::size_of::<$type>())+,
            ::core::concat!(
                "`", ::core::stringify!($name), "` has padding between or after its fields: ",
                "put large fields before small ones, and fill what is left with a field such as ",
                "`unused: [u8; 4]`",
            )
        );
    )+};
}

#[cfg(test)]
mod tests {
    use super::__private::largest;

    #[test]
    fn the_largest_alignment_is_one_at_least() {
        for (aligns, right) in [(&[][..], 1), (&[1], 1), (&[8, 4], 8), (&[2, 4, 2], 4)] {
            assert_eq!(largest(aligns), right, "{aligns:?}");
        }
    }
}
