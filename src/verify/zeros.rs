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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ReadFailure;

    #[test]
    fn the_first_byte_that_is_not_zero_is_named() {
        let bytes = [1, 0, 0, 7, 0, 9];
        check_zeros(&bytes, 1, 3).unwrap();
        check_zeros(&bytes, 4, 5).unwrap();
        let error = check_zeros(&bytes, 1, 6).unwrap_err();
        assert!(matches!(error.failure(), ReadFailure::Corrupt { offset: 3, .. }), "{error}");
    }
}
