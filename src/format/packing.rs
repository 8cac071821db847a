//! The packing section, and how the values of a packed table begin.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The packing section: how the values of a packed table are compressed. The dictionary follows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct PackingBlock {
    /// The codec of the values: 0 = they stand as they are, 1 = zstd, 2 = FSST.
    pub(crate) codec: u8,
    /// The codec of the keys: 0 = they stand as they are, 1 = symbols.
    pub(crate) key_codec: u8,
    /// Zero.
    pub(crate) reserved: [u8; 2],
    /// The version of the codec that the writer had: 10,507 is zstd 1.5.7; 1 for FSST.
    pub(crate) codec_version: U32,
    /// The level that the writer was asked for, or 0.
    pub(crate) level: U32,
    /// Bytes that the writer was asked to give the dictionary at most.
    pub(crate) dictionary_asked: U32,
    /// Bytes of the dictionary of the values, which follows this struct.
    pub(crate) dictionary_len: U32,
    /// Length of the longest value.
    pub(crate) value_len_max: U32,
    /// Sum of the lengths of all values.
    pub(crate) value_bytes: U64,
    /// Values that are stored as they are; empty ones are not counted.
    pub(crate) as_they_are: U64,
    /// Bytes of the dictionary of the keys, which follows that of the values.
    pub(crate) key_dictionary_len: U32,
    /// Length of the longest key.
    pub(crate) key_len_max: U32,
    /// Sum of the lengths of all keys.
    pub(crate) key_bytes: U64,
    /// Zero.
    pub(crate) reserved_2: U64,
}

/// Whether a packing section may have so many bytes.
pub(crate) fn may_have_bytes(section: usize) -> bool {
    (PACKING..=PACKING + 2 * MAX_DICTIONARY).contains(&section)
}

/// Bytes of the fixed part of the packing section.
pub(crate) const PACKING: usize = 64;
const _: () = assert!(size_of::<PackingBlock>() == PACKING);

/// Longest dictionary in bytes, of values and of keys.
pub(crate) const MAX_DICTIONARY: usize = 1 << 20;

/// The codecs.
pub(crate) mod codec {
    /// Values or keys as they are.
    pub(crate) const NONE: u8 = 0;
    /// Keys by symbols.
    pub(crate) const SYMBOLS: u8 = 1;
    /// Zstandard (RFC 8878), frames without their magic number.
    pub(crate) const ZSTD: u8 = 1;
    /// Fast Static Symbol Table (Boncz, Neumann, Leis 2020).
    pub(crate) const FSST: u8 = 2;
}

/// Longest value that one zstd frame holds.
pub(crate) const MAX_FRAME: usize = 1 << 20;
/// Bytes of a longer value that one of its frames holds; the last one may hold fewer.
pub(crate) const FRAME: usize = 256 << 10;
/// First byte of a value under zstd: the value follows as it is.
pub(crate) const AS_IT_IS: u8 = 0;
/// First byte of a value under zstd: frames follow, each with its length before it.
pub(crate) const FRAMES: u8 = 1;
/// First byte of a value under FSST: the value follows as it is.
pub(crate) const FSST_AS_IT_IS: u8 = 254;
/// Code of FSST: the next byte is meant itself.
pub(crate) const FSST_ESCAPE: u8 = 255;
/// Most symbols of FSST, whose codes count from 0.
pub(crate) const FSST_SYMBOLS: usize = 254;
/// Bytes of a code of a key.
pub(crate) const KEY_CODE: usize = 2;
/// Most codes of keys.
pub(crate) const KEY_CODES: usize = 1 << 16;
/// Longest key of a table whose keys are encoded: a code may stand for one byte.
pub(crate) const MAX_ENCODED_KEY: usize = super::MAX_KEY / KEY_CODE;
/// Longest symbol of FSST.
pub(crate) const FSST_SYMBOL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_room_for_two_dictionaries() {
        let most = PACKING + 2 * MAX_DICTIONARY;
        assert!(may_have_bytes(PACKING) && may_have_bytes(most));
        assert!(!may_have_bytes(PACKING - 1) && !may_have_bytes(most + 1));
    }
}
