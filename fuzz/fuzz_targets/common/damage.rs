//! Damage to a table's bytes, and the repair of its checksums as format.md describes them.
//! The offsets stand here a second time on purpose: this is an independent reader of the format.

use super::input::Patch;

const MAGIC: [u8; 8] = *b"\x89GRV\r\n\x1a\n";
const HEADER: usize = 448;
const FOOTER: usize = 32;
const UNIT: usize = 4096;
const SECTION_TABLE: usize = 192;
const SECTIONS: usize = 8;
const SUMS_KIND: u32 = 6;

/// Flips at most three bits: as many as one CRC-32 is sure to see.
pub(crate) fn flip_bits(good: &[u8], patches: &[Patch]) -> Vec<u8> {
    let mut bad = good.to_vec();
    for patch in patches.iter().take(3) {
        let at = position(*patch, bad.len());
        bad[at] ^= 1 << (patch.byte % 8);
    }
    bad
}

/// Any damage: bytes and words overwritten, moved, cut off, added.
pub(crate) fn patch(good: &[u8], patches: &[Patch]) -> Vec<u8> {
    let mut bad = good.to_vec();
    for &patch in patches {
        if bad.is_empty() {
            return bad;
        }
        let at = position(patch, bad.len());
        let to = bad.len().min(at + 8);
        match patch.how % 16 {
            0..=3 => bad[at] = patch.byte,
            4 | 5 => bad[at] ^= 1 << (patch.byte % 8),
            6 => bad[at] = bad[at].wrapping_add(patch.byte),
            7 => bad[at..to].fill(0),
            8 => bad[at..to].fill(0xff),
            // Where a whole word is left; else the table grows, as below.
            9 if bad.len() >= 8 => {
                let from = position(Patch { at: patch.at.rotate_left(5), ..patch }, bad.len() - 7);
                let word: [u8; 8] = std::array::from_fn(|i| bad[from + i]);
                bad[at..to].copy_from_slice(&word[..to - at]);
            }
            // The header and the section table, field by field.
            10..=12 => {
                let at = usize::from(patch.at) % HEADER.min(bad.len());
                bad[at] = patch.byte;
            }
            13 => {
                let end = bad.len().min(at + UNIT);
                bad[at..end].fill(patch.byte);
            }
            14 => bad.truncate(at),
            _ => bad.extend(std::iter::repeat_n(patch.byte, usize::from(patch.at) % 5000)),
        }
    }
    bad
}

fn position(patch: Patch, len: usize) -> usize {
    // Half of the positions count bytes from the end or from the start, so that a small
    // table can be hit everywhere; the others are scaled to the length.
    let at = usize::from(patch.at);
    match patch.how >> 6 {
        0 => at % len,
        1 => len - 1 - at % len,
        _ => at * (len - 1) / usize::from(u16::MAX),
    }
}

/// Makes the file length and all checksums right, wherever the damage left room for them.
pub(crate) fn repair(table: &mut [u8]) {
    if table.len() < HEADER + FOOTER || table[..8] != MAGIC {
        return;
    }
    let file_len = table.len() as u64;
    let end = table.len() - FOOTER;
    put(table, 16, &file_len.to_le_bytes());

    let header_size = u32_at(table, 12) as usize;
    if !(HEADER..=UNIT.min(end)).contains(&header_size) {
        return;
    }
    put(table, 112, &[0; 4]);
    let header_sum = crc32fast::hash(&table[..header_size]).to_le_bytes();
    put(table, 112, &header_sum);

    let sums = (0..SECTIONS)
        .map(|i| SECTION_TABLE + 32 * i)
        .find(|&section| u32_at(table, section) == SUMS_KIND)
        .map(|section| u64::from_le_bytes(table[section + 8..][..8].try_into().expect("8 bytes")));
    if let Some(start) = sums.and_then(|start| usize::try_from(start).ok()).filter(|&s| s <= end) {
        let id = u32_at(table, 24);
        for unit in 0..start.div_ceil(UNIT).min((end - start) / 4) {
            let mut page = [0; UNIT];
            let covered = &table[unit * UNIT..start.min((unit + 1) * UNIT)];
            page[..covered.len()].copy_from_slice(covered);
            let sum = crc32fast::hash(&page) ^ id ^ (unit as u32).wrapping_mul(0x9e37_79b1);
            put(table, start + 4 * unit, &sum.to_le_bytes());
        }
    }

    put(table, end, b"GRVend\r\n");
    put(table, end + 8, &file_len.to_le_bytes());
    table.copy_within(24..32, end + 16);
    put(table, end + 24, &header_sum);
    let footer_sum = crc32fast::hash(&table[end..end + 28]).to_le_bytes();
    put(table, end + 28, &footer_sum);
}

fn put(table: &mut [u8], at: usize, bytes: &[u8]) {
    table[at..at + bytes.len()].copy_from_slice(bytes);
}

fn u32_at(table: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(table[at..at + 4].try_into().expect("4 bytes"))
}
