//! The structs at both ends of a table.

use super::{FOOTER_MAGIC, MAGIC, MAJOR, MINOR};
use std::mem::offset_of;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Section slots in a version-1 header.
pub(crate) const SECTIONS: usize = 8;
/// Bytes of a version-1 header with its section table.
pub(crate) const HEADER: usize = 448;
/// Largest header that a later minor version may write.
pub(crate) const MAX_HEADER: u32 = 4096;
/// Bytes of the footer.
pub(crate) const FOOTER: usize = 32;

/// Flag: every key has `fixed_key_len` bytes.
pub(crate) const FLAG_FIXED_KEY: u32 = 1;
/// Flag: every value has `fixed_value_len` bytes.
pub(crate) const FLAG_FIXED_VALUE: u32 = 2;
/// Flag: some key occurs more than once.
pub(crate) const FLAG_REPEATED_KEYS: u32 = 4;
/// All flags that version 1 knows.
pub(crate) const KNOWN_FLAGS: u32 = FLAG_FIXED_KEY | FLAG_FIXED_VALUE | FLAG_REPEATED_KEYS;

/// The first bytes of a table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    /// `\x89 G R V CR LF ^Z LF`.
    pub(crate) magic: [u8; 8],
    /// A reader refuses another major version.
    pub(crate) major: U16,
    /// A reader accepts any minor version.
    pub(crate) minor: U16,
    /// Bytes of the header with its section table; the records start at or after it.
    pub(crate) header_size: U32,
    /// Bytes of the whole table, footer included.
    pub(crate) file_len: U64,
    /// XXH3-128 of the content.
    pub(crate) build_id: [u8; 16],
    /// Number of entries.
    pub(crate) entries: U64,
    /// Number of distinct keys.
    pub(crate) keys: U64,
    /// Length of every key, if flagged.
    pub(crate) fixed_key_len: U32,
    /// Length of every value, if flagged.
    pub(crate) fixed_value_len: U32,
    /// Fixed keys (1), fixed values (2), repeated keys (4).
    pub(crate) flags: U32,
    /// Order of the keys: 0 = unsigned bytewise.
    pub(crate) order: u8,
    /// log2 of the alignment of values, 0 to 6.
    pub(crate) value_align_log2: u8,
    /// Bytes of a record's length word, 0 to 4.
    pub(crate) length_width: u8,
    /// Low bits of the length word that hold the key length.
    pub(crate) key_bits: u8,
    /// log2 of the bytes under one page sum: 12.
    pub(crate) sum_unit_log2: u8,
    /// Most records in a block, 1 to 32.
    pub(crate) block_records: u8,
    /// log2 of the bytes of an ordered-index node, 9 to 12.
    pub(crate) node_log2: u8,
    /// Levels of the ordered index; 0 = the records are one block, or a line index leads to them.
    pub(crate) index_levels: u8,
    /// Hash function: 0 = no hash index, 1 = folded multiply.
    pub(crate) hash_function: u8,
    /// Bytes of a hash-index slot: 0, 4, 5 or 6.
    pub(crate) slot_width: u8,
    /// Type of the keys, 0 = bytes.
    pub(crate) key_type: u8,
    /// Type of the values, 0 = bytes.
    pub(crate) value_type: u8,
    /// Byte order of typed values: 0 = none, 1 = little, 2 = big.
    pub(crate) byte_order: u8,
    /// Leaves of tables of variable width sample the place of one of so many records; else 0.
    pub(crate) sample_step: u8,
    /// Zero.
    pub(crate) reserved_1: [u8; 6],
    /// Attempts at the hash index that failed.
    pub(crate) hash_attempt: U32,
    /// Buckets in a group of the hash index.
    pub(crate) hash_per_group: U32,
    /// Groups of the hash index.
    pub(crate) hash_groups: U64,
    /// Leaf nodes of the ordered index; they stand first.
    pub(crate) index_leaves: U64,
    /// CRC-32 of the header with this field zero.
    pub(crate) checksum: U32,
    /// Used entries of the section table.
    pub(crate) section_count: U32,
    /// Line index: head of the smallest key.
    pub(crate) line_base: U64,
    /// Line index: lines per unit of head, times 2^64.
    pub(crate) line_scale: U64,
    /// Hash index: mixed into the hash unless zero.
    pub(crate) hash_seed: U64,
    /// Hash index: distinct keys that it does not hold.
    pub(crate) hash_set_aside: U64,
    /// Zero.
    pub(crate) reserved_2: [u8; 40],
    /// The section table, in file order.
    pub(crate) sections: [Section; SECTIONS],
}

/// An entry of the section table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Section {
    /// What it holds.
    pub(crate) kind: U32,
    /// 1 = a reader that does not know the kind must refuse the table.
    pub(crate) flags: U32,
    /// Where it starts, a multiple of 64 (the ordered index: of its node size).
    pub(crate) offset: U64,
    /// Its length in bytes.
    pub(crate) length: U64,
    /// Zero.
    pub(crate) reserved: U64,
}

/// The last bytes of a table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Footer {
    /// `GRVend CR LF`.
    pub(crate) magic: [u8; 8],
    /// The header's `file_len`.
    pub(crate) file_len: U64,
    /// First eight bytes of the header's `build_id`.
    pub(crate) build_id_low: [u8; 8],
    /// The header's `checksum`.
    pub(crate) header_checksum: U32,
    /// CRC-32 of the footer's first 28 bytes.
    pub(crate) checksum: U32,
}

const _: () = assert!(size_of::<Section>() == 32);
const _: () = assert!(size_of::<Header>() == HEADER);
const _: () = assert!(size_of::<Footer>() == FOOTER);
const _: () = assert!(offset_of!(Header, file_len) == 16);
const _: () = assert!(offset_of!(Header, order) == 68);
const _: () = assert!(offset_of!(Header, hash_groups) == 96);
const _: () = assert!(offset_of!(Header, checksum) == 112);
const _: () = assert!(offset_of!(Header, hash_seed) == 136);
const _: () = assert!(offset_of!(Header, sections) == 192);
const _: () = assert!(offset_of!(Footer, checksum) == 28);

/// Bytes of the footer under its own checksum.
const FOOTER_SUMMED: usize = offset_of!(Footer, checksum);

/// What a section holds.
pub(crate) mod kind {
    /// The records.
    pub(crate) const RECORDS: u32 = 1;
    /// The nodes of the ordered index.
    pub(crate) const TREE: u32 = 2;
    /// The buckets of the hash index.
    pub(crate) const HASH: u32 = 3;
    /// Statistics.
    pub(crate) const STATS: u32 = 4;
    /// The lines of the line index.
    pub(crate) const LINES: u32 = 7;
    /// User key/values.
    pub(crate) const METADATA: u32 = 5;
    /// Marks a patch, and says to which table it applies.
    pub(crate) const PATCH: u32 = 9;
    /// How the values of a packed table are compressed.
    pub(crate) const PACKING: u32 = 10;
    /// Page sums.
    pub(crate) const SUMS: u32 = 6;
    /// The types of a typed table as text.
    pub(crate) const TYPES: u32 = 8;

    /// Section flag: an unknown kind must be refused.
    pub(crate) const REQUIRED: u32 = 1;
}

impl Header {
    /// A version-1 header with nothing in it.
    pub(crate) fn new() -> Self {
        Self {
            magic: MAGIC,
            major: MAJOR.into(),
            minor: MINOR.into(),
            header_size: (HEADER as u32).into(),
            sum_unit_log2: super::sums::UNIT_LOG2,
            ..Self::new_zeroed()
        }
    }

    /// Completes the header: build id, then checksum. `content` has hashed the body.
    pub(crate) fn seal(&mut self, content: Xxh3) {
        self.build_id = build_id(content, self.as_bytes());
        self.checksum = header_checksum(self.as_bytes()).into();
    }
}

/// The build id of a table: XXH3-128 of the body, then of the header with build id and checksum
/// taken as zero. `content` has hashed the body; the header has any size that a version may have.
pub(crate) fn build_id(mut content: Xxh3, header: &[u8]) -> [u8; 16] {
    const ID: usize = offset_of!(Header, build_id);
    const SUM: usize = offset_of!(Header, checksum);
    let part = |bytes: Range<usize>| header.get(bytes).unwrap_or_default();
    content.update(part(0..ID));
    content.update(&[0; 16]);
    content.update(part(ID + 16..SUM));
    content.update(&[0; 4]);
    content.update(part(SUM + 4..header.len()));
    content.digest128().to_le_bytes()
}

/// The checksum of a header of any size: CRC-32 with the checksum's own four bytes taken as zero.
pub(crate) fn header_checksum(header: &[u8]) -> u32 {
    const AT: usize = offset_of!(Header, checksum);
    let mut hasher = crc32fast::Hasher::new();
    let (before, rest) = header.split_at(AT.min(header.len()));
    hasher.update(before);
    hasher.update(&[0; 4]);
    hasher.update(rest.get(4..).unwrap_or_default());
    hasher.finalize()
}

impl Footer {
    /// The footer of the table with this finished header.
    pub(crate) fn of(header: &Header) -> Self {
        let mut build_id_low = [0; 8];
        build_id_low.copy_from_slice(&header.build_id[..8]);
        let mut footer = Self {
            magic: FOOTER_MAGIC,
            file_len: header.file_len,
            build_id_low,
            header_checksum: header.checksum,
            checksum: 0.into(),
        };
        footer.checksum = crc32fast::hash(&footer.as_bytes()[..FOOTER_SUMMED]).into();
        footer
    }

    /// The first field in which this footer differs from the one that belongs to `header`.
    pub(crate) fn mismatch(&self, header: &Header) -> Option<&'static str> {
        let right = Self::of(header);
        if self.magic != right.magic {
            Some("magic")
        } else if self.file_len != right.file_len {
            Some("file_len")
        } else if self.build_id_low != right.build_id_low {
            Some("build_id_low")
        } else if self.header_checksum != right.header_checksum {
            Some("header_checksum")
        } else if self.checksum != right.checksum {
            Some("checksum")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::OpenFailure;
    use crate::format::layout::{Layout, SMALLEST};

    /// The build id depends on every byte of body and header, however long the header is, except
    /// for the build id itself and the checksum.
    #[test]
    fn the_build_id_leaves_out_itself_and_the_checksum() {
        let mut body = Xxh3::new();
        body.update(b"body");
        let mut header = Header::new();
        header.seal(body.clone());
        let sealed = [header.as_bytes(), b"of a later version"].concat();
        let right = build_id(body.clone(), &sealed);
        assert_eq!(build_id(body.clone(), header.as_bytes()), header.build_id);
        assert_ne!(right, header.build_id);
        assert_ne!(right, build_id(Xxh3::new(), &sealed));
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            let left_out = (24..40).contains(&at) || (112..116).contains(&at);
            assert_eq!(build_id(body.clone(), &other) == right, left_out, "byte {at}");
        }
        let mut digest = Xxh3::new();
        digest.update(b"body");
        for (bytes, kept) in [(0..24, true), (24..40, false), (40..112, true), (112..116, false)] {
            let zeros = vec![0; bytes.len()];
            digest.update(if kept { &sealed[bytes] } else { &zeros });
        }
        digest.update(&sealed[116..]);
        assert_eq!(right, digest.digest128().to_le_bytes());
    }

    /// A file of the smallest length is looked at, a shorter one is not.
    #[test]
    fn the_smallest_file_has_a_header() {
        let mut bytes = Header::new().as_bytes().to_vec();
        bytes.resize(SMALLEST as usize, 0);
        let error = Layout::check_start(&bytes, SMALLEST - 1).unwrap_err();
        assert!(matches!(error, OpenFailure::TooShort { .. }), "{error:?}");
        let error = Layout::check_start(&bytes, SMALLEST).unwrap_err();
        assert!(matches!(error, OpenFailure::HeaderChecksum { .. }), "{error:?}");
    }
}
