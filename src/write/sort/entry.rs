//! The bytes of an entry, in memory and in a sorted run:
//! `key length u24 | value length u32 | key | value`.
//!
//! A key may have some bytes more than a table allows: those of a set may be sorted by the number of
//! their shard first.
//!
//! A value length of all ones marks a value that stands in the file for large values. Then a
//! reference stands in the place of the value: where it starts (u64) and its length (u32).

use crate::error::BuildError;
use crate::format::{u32_at, u64_at};
use crate::write::scratch::{Scratch, Stored, Value};
use std::ops::Range;
use std::sync::Arc;

/// What takes entries in ascending order.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], Value<'_>) -> Result<(), BuildError> + 'v;

/// Bytes before a key.
pub(super) const LENGTHS: usize = 7;
/// Bytes of the length of a key, and what they have of four bytes.
const KEY_LENGTH: usize = 3;
const KEY_LENGTH_MASK: u32 = 0xFF_FFFF;
/// Bytes of a reference.
pub(super) const REFERENCE: usize = 12;
/// The value length that marks a reference. No value that stands in the entry has this length.
pub(super) const ELSEWHERE: u32 = u32::MAX;

/// The parts of an entry.
pub(super) struct EntryParts {
    pub(super) key: Range<usize>,
    /// The value's bytes, or the reference to them.
    pub(super) value: Range<usize>,
    /// Whether `value` is a reference.
    pub(super) elsewhere: bool,
}

/// The parts of the entry at `at`. They end beyond `bytes` if its lengths are not in `bytes`.
#[inline]
pub(super) fn parts(bytes: &[u8], at: usize) -> EntryParts {
    let key_len = u32_at(bytes, at).map_or(usize::MAX >> 2, |len| (len & KEY_LENGTH_MASK) as usize);
    let value_len = u32_at(bytes, at + KEY_LENGTH).unwrap_or(0);
    let elsewhere = value_len == ELSEWHERE;
    let len = if elsewhere { REFERENCE } else { value_len as usize };
    let key = at + LENGTHS;
    let value = key + key_len;
    EntryParts { key: key..value, value: value..value + len, elsewhere }
}

/// The value to which the reference at `at` leads; `file` holds the large values.
pub(super) fn referred(bytes: &[u8], at: usize, file: &Arc<Scratch>) -> Stored {
    let len = u32_at(bytes, at + 8).unwrap_or(0);
    Stored { file: Arc::clone(file), at: u64_at(bytes, at).unwrap_or(u64::MAX), len }
}

/// The lengths before a key.
#[inline]
pub(super) fn lengths(key_len: usize, value_len: u32) -> [u8; LENGTHS] {
    let mut lengths = [0; LENGTHS];
    lengths[..4].copy_from_slice(&(key_len as u32 & KEY_LENGTH_MASK).to_le_bytes());
    lengths[KEY_LENGTH..].copy_from_slice(&value_len.to_le_bytes());
    lengths
}

/// The reference to a value of `len` bytes that starts at `at` in the file for large values.
pub(super) fn reference(at: u64, len: u32) -> [u8; REFERENCE] {
    let mut reference = [0; REFERENCE];
    reference[..8].copy_from_slice(&at.to_le_bytes());
    reference[8..].copy_from_slice(&len.to_le_bytes());
    reference
}
