//! What is on disk: constants, structs, order, hash, checksum and index arithmetic. Pure: no file
//! system, no I/O, no allocation. `format.md` is its specification; both sides of the library
//! import it, so what they must agree on exists once.

pub(crate) mod hasher;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod meta;
pub(crate) mod order;
pub(crate) mod packing;
pub(crate) mod patch;
pub(crate) mod record;
pub(crate) mod sums;
pub(crate) mod types;

#[cfg(test)]
mod doc_test;
#[cfg(test)]
mod layout_test;

/// First bytes of every table: not text (high bit), and damaged by any line-end conversion.
pub(crate) const MAGIC: [u8; 8] = *b"\x89GRV\r\n\x1a\n";
/// First bytes of the footer.
pub(crate) const FOOTER_MAGIC: [u8; 8] = *b"GRVend\r\n";
/// A reader refuses another major version.
pub(crate) const MAJOR: u16 = 1;
/// A reader may ignore what a later minor version adds.
pub(crate) const MINOR: u16 = 0;

/// Longest key in bytes.
pub(crate) const MAX_KEY: usize = 65_535;
/// Longest value in bytes.
pub(crate) const MAX_VALUE: u64 = u32::MAX as u64;
/// Largest file in bytes (16 TiB).
pub(crate) const MAX_FILE: u64 = 16 << 40;

/// Sections start at multiples of this, and value alignment goes up to it.
pub(crate) const SECTION_ALIGN: u64 = 64;
/// Most records in a block of any table, so that a block's places fit a small array.
pub(crate) const MAX_BLOCK: u8 = 32;
/// Most records in a block, as the writer cuts them.
pub(crate) const BLOCK_RECORDS: u8 = 32;
/// Fewest records in a block, but for the last and for large records.
pub(crate) const BLOCK_RECORDS_LEAST: u8 = 12;
/// Most records in a block of a fixed-width table.
pub(crate) const BLOCK_RECORDS_FIXED: u8 = 16;
/// Records of variable width between two samples of a leaf, as the writer makes them.
pub(crate) const SAMPLE_STEP: u8 = 6;
/// A block of variable records ends once it has this many bytes.
pub(crate) const BLOCK_BYTES: u64 = 8192;
/// log2 of the bytes of an ordered-index node, as the writer makes them.
pub(crate) const NODE_LOG2: u8 = 9;
/// Most levels of the ordered index.
pub(crate) const MAX_LEVELS: u8 = 48;

/// `x` rounded up to a multiple of the power of two `align`; `None` on overflow.
pub(crate) const fn align_up(x: u64, align: u64) -> Option<u64> {
    match x.checked_add(align - 1) {
        Some(y) => Some(y & !(align - 1)),
        None => None,
    }
}

/// The `N` bytes at `at`, or `None` beyond the end.
#[inline]
pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A little-endian `u64` at `at`, or `None` beyond the end.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes_at(bytes, at)?))
}

/// A little-endian `u32` at `at`, or `None` beyond the end.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes_at(bytes, at)?))
}

/// A little-endian `u16` at `at`, or `None` beyond the end.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes_at(bytes, at)?))
}
