//! Checks that padding is zero.

use crate::error::{ReadError, ReadResult};

/// Checks that the bytes of a table from `start` to `end` are zero.
pub(super) fn check_zeros(table: &[u8], start: usize, end: usize) -> ReadResult<()> {
    let bytes = table.get(start..end).unwrap_or_default();
    match bytes.iter().position(|&byte| byte != 0) {
        Some(at) => Err(ReadError::corrupt("padding is not zero", (start + at) as u64)),
        None => Ok(()),
    }
}
