//! Damage to a table's bytes, and the repair of its checksums as format.md describes them.
//! The offsets stand here a second time on purpose: this is an independent reader of the format.

use super::input::Patch;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: [u8; 8] = *b"\x89GRV\r\n\x1a\n";
const HEADER: usize = 448;
const FOOTER: usize = 32;
const UNIT: usize = 4096;
const BUILD_ID: usize = 24;
const CHECKSUM: usize = 112;
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

/// Makes the file length and all checksums right, and the build id if `identify`, wherever the damage left
/// room for them.
pub(crate) fn repair(table: &mut [u8], identify: bool) {
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
    let sums = section(table, SUMS_KIND).map(|(start, _)| start).filter(|&start| start <= end);
    put(table, CHECKSUM, &[0; 4]);
    if let Some(start) = sums.filter(|&start| identify && start >= header_size) {
        put(table, BUILD_ID, &[0; 16]);
        let mut hasher = Xxh3::new();
        hasher.update(&table[header_size..start]);
        hasher.update(&table[..header_size]);
        put(table, BUILD_ID, &hasher.digest128().to_le_bytes());
    }
    let header_sum = crc32fast::hash(&table[..header_size]).to_le_bytes();
    put(table, CHECKSUM, &header_sum);

    if let Some(start) = sums {
        let id = u32_at(table, BUILD_ID);
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
    table.copy_within(BUILD_ID..BUILD_ID + 8, end + 16);
    put(table, end + 24, &header_sum);
    let footer_sum = crc32fast::hash(&table[end..end + 28]).to_le_bytes();
    put(table, end + 28, &footer_sum);
}

/// Where a section starts, and its length, as the header says.
pub(super) fn section(table: &[u8], kind: u32) -> Option<(usize, usize)> {
    let entry =
        (0..SECTIONS).map(|i| SECTION_TABLE + 32 * i).find(|&at| u32_at(table, at) == kind)?;
    let number = |at| usize::try_from(u64_at(table, at)).ok();
    Some((number(entry + 8)?, number(entry + 16)?))
}

pub(super) fn put(table: &mut [u8], at: usize, bytes: &[u8]) {
    table[at..at + bytes.len()].copy_from_slice(bytes);
}

pub(super) fn u32_at(table: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(table[at..at + 4].try_into().expect("4 bytes"))
}

pub(super) fn u64_at(table: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(table[at..at + 8].try_into().expect("8 bytes"))
}
