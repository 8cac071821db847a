//! Page sums: one CRC-32 (IEEE) per unit of 4 KiB, masked so that a unit fits no other place and
//! no other table.

/// log2 of the bytes under one sum. 4 KiB keeps CRC-32's Hamming distance of 4, which ends at
/// 11,450 bytes.
pub(crate) const UNIT_LOG2: u8 = 12;
/// Bytes under one sum.
pub(crate) const UNIT: usize = 1 << UNIT_LOG2;
/// Bytes of one stored sum.
pub(crate) const SUM_BYTES: u64 = 4;
/// Odd, so that no two units within 2^32 share a mask.
const UNIT_MASK: u32 = 0x9E37_79B1;

/// What is xored onto the CRC of unit `unit` of the table with this build id.
#[inline]
pub(crate) fn mask(build_id: &[u8; 16], unit: u64) -> u32 {
    let low = u32::from_le_bytes([build_id[0], build_id[1], build_id[2], build_id[3]]);
    low ^ (unit as u32).wrapping_mul(UNIT_MASK)
}

/// Number of units under the sums that start at `sums_start`.
pub(crate) const fn units(sums_start: u64) -> u64 {
    sums_start.div_ceil(UNIT as u64)
}

/// CRC-32 of a unit; the last one may be shorter and counts as extended with zeros.
pub(crate) fn crc(unit: &[u8]) -> u32 {
    const ZEROS: [u8; 256] = [0; 256];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(unit);
    let mut missing = UNIT.saturating_sub(unit.len());
    while missing > 0 {
        let step = missing.min(ZEROS.len());
        hasher.update(&ZEROS[..step]);
        missing -= step;
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_ieee_and_extends_with_zeros() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        let mut full = [0; UNIT];
        full[..9].copy_from_slice(b"123456789");
        assert_eq!(crc(b"123456789"), crc(&full));
    }

    /// The masks of format.md.
    #[test]
    fn mask_vectors() {
        let spec = include_str!("../../format.md");
        let id = std::array::from_fn(|i| i as u8);
        for unit in [0, 1, 2, 1_000_000] {
            let row = format!("| {unit} | `{:08x}` |", mask(&id, unit));
            assert!(spec.contains(&row), "format.md lacks the vector {row}");
        }
    }

    #[test]
    fn masks_differ_between_units_and_tables() {
        let id = [7; 16];
        assert_ne!(mask(&id, 0), mask(&id, 1));
        assert_ne!(mask(&id, 0), mask(&[8; 16], 0));
    }
}
