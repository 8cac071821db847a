//! Patches: tables that say how one table becomes another.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The patch section: which table a patch changes, and what the new table is built with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct PatchBlock {
    /// Build id of the table that the patch changes.
    pub(crate) base: [u8; 16],
    /// Build id of the new table.
    pub(crate) result: [u8; 16],
    /// New table: log2 of the alignment of values.
    pub(crate) value_align_log2: u8,
    /// New table: whether the writer makes a hash index, one of [`hash_index`].
    pub(crate) hash_index: u8,
    /// New table: type of the keys.
    pub(crate) key_type: u8,
    /// New table: type of the values.
    pub(crate) value_type: u8,
    /// New table: byte order of typed values.
    pub(crate) byte_order: u8,
    /// Zero.
    pub(crate) reserved: [u8; 3],
}

/// Bytes of the patch section.
pub(crate) const PATCH: usize = 40;
const _: () = assert!(size_of::<PatchBlock>() == PATCH);

/// Whether the writer of the new table makes a hash index.
pub(crate) mod hash_index {
    /// Where the ordered index does not answer as fast.
    pub(crate) const AUTO: u8 = 0;
    /// Always.
    pub(crate) const ALWAYS: u8 = 1;
    /// Never.
    pub(crate) const NEVER: u8 = 2;
}

/// First byte of a patch's value: the key has no value in the new table. Nothing follows.
pub(crate) const DELETE: u8 = 0;
/// First byte of a patch's value: the rest is a value of the key in the new table.
pub(crate) const PUT: u8 = 1;
