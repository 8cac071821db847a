//! Typed tables: the type tags, one byte each for key and value in the header, and the types as
//! text in a section of their own. How keys and values become bytes stands in the files below.

pub(crate) mod key;
pub(crate) mod value;

/// A byte array `[u8; N]`, as a key.
pub(crate) const ARRAY: u8 = 13;
/// Another value type: a struct, an array or `()`.
pub(crate) const OTHER: u8 = 14;
/// A tuple of keys.
pub(crate) const TUPLE: u8 = 15;

/// Names of the tags, by number.
const NAMES: [&str; 16] = [
    "bytes", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
    "[u8; N]", "struct", "tuple",
];

/// The name of a type tag.
pub(crate) fn name(tag: u8) -> &'static str {
    NAMES.get(usize::from(tag)).copied().unwrap_or("unknown type")
}

/// Byte order of typed values in the header.
pub(crate) const ORDER_NONE: u8 = 0;
/// The byte order of the machine at hand.
pub(crate) const ORDER_HOST: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };

/// Longest text of a type in bytes.
pub(crate) const MAX_TYPE: usize = 65_535;
/// Longest types section.
pub(crate) const MAX_SECTION: usize = 2 * MAX_TYPE + 1;

/// The types of a table as its header names them; all zero for a table of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types {
    /// Tag of the keys' type.
    pub(crate) key: u8,
    /// Tag of the values' type.
    pub(crate) value: u8,
    /// Byte order of the values.
    pub(crate) byte_order: u8,
}

impl Types {
    /// Whether keys and values both have a type or neither has, and the byte order is one.
    pub(crate) fn make_sense(self) -> bool {
        let Self { key, value, byte_order } = self;
        (key == 0) == (value == 0) && byte_order <= if key == 0 { ORDER_NONE } else { 2 }
    }
}

/// The types of a table as text. The types section is both, with a line feed between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeNames<'t> {
    /// For example `(u32, [u8; 4])`.
    pub(crate) key: &'t str,
    /// For example `Shape { area: f64, sides: u32, id: u32 }`.
    pub(crate) value: &'t str,
}

impl<'t> TypeNames<'t> {
    /// Reads the types section, of at most [`MAX_SECTION`] bytes.
    pub(crate) fn parse(section: &'t [u8]) -> Option<Self> {
        let (key, value) = std::str::from_utf8(section).ok()?.split_once('\n')?;
        let sound = |text: &str| {
            (1..=MAX_TYPE).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        (sound(key) && sound(value)).then_some(Self { key, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_names() {
        assert_eq!(name(0), "bytes");
        assert_eq!(name(12), "f64");
        assert_eq!(name(ARRAY), "[u8; N]");
        assert_eq!(name(OTHER), "struct");
        assert_eq!(name(TUPLE), "tuple");
        assert_eq!(name(200), "unknown type");
    }

    #[test]
    fn a_section_of_types_is_two_lines() {
        let names = TypeNames { key: "u64", value: "Größe { x: f64 }" };
        assert_eq!(TypeNames::parse("u64\nGröße { x: f64 }".as_bytes()), Some(names));
        let wrong: [&[u8]; 8] = [
            b"",
            b"u64",
            b"\nu64",
            b"u64\n",
            b"u64\nu8\n",
            b"u64\nu\x1b[8",
            b"u64\r\nu8",
            b"\xFF\nu8",
        ];
        for wrong in wrong {
            assert_eq!(TypeNames::parse(wrong), None, "{wrong:?}");
        }
        let mut long = [b'a'; MAX_SECTION + 1];
        long[MAX_TYPE] = b'\n';
        assert_eq!(TypeNames::parse(&long), None);
        assert!(TypeNames::parse(&long[..MAX_SECTION]).is_some());
        assert_eq!(TypeNames::parse(&long[..1 + MAX_TYPE]), None);
    }
}
