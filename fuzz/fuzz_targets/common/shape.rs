//! Layouts that no small table of the builder has: hash indexes with wider slots, or of several groups; and
//! the golden tables, which have chosen keys. Written from format.md, as `damage` is.

use super::damage::{put, repair, section, u32_at, u64_at};

const RECORDS: u32 = 1;
const HASH: u32 = 3;
const BUCKET: usize = 64;
/// Where the header says how the hash index is laid out.
const ENTRIES: usize = 40;
const FLAGS: usize = 64;
const SLOT_WIDTH: usize = 77;
const PER_GROUP: usize = 92;
const GROUPS: usize = 96;

/// Number of layouts for [`reshape`].
pub(crate) const SHAPES: u8 = 5;

/// Tables with what the builder makes of chosen keys only, or of types.
pub(crate) const GOLDEN: [&[u8]; 14] = [
    include_bytes!("../../../tests/data/v1/seeded.grv"),
    include_bytes!("../../../tests/data/v1/set-aside.grv"),
    include_bytes!("../../../tests/data/v1/typed.grv"),
    include_bytes!("../../../tests/data/v1/structs.grv"),
    include_bytes!("../../../tests/data/v1/aligned.grv"),
    include_bytes!("../../../tests/data/v1/empty.grv"),
    include_bytes!("../../../tests/data/v1/fixed-lines.grv"),
    include_bytes!("../../../tests/data/v1/fixed-tree.grv"),
    include_bytes!("../../../tests/data/v1/long-keys.grv"),
    include_bytes!("../../../tests/data/v1/metadata.grv"),
    include_bytes!("../../../tests/data/v1/no-bytes.grv"),
    include_bytes!("../../../tests/data/v1/one.grv"),
    include_bytes!("../../../tests/data/v1/repeated.grv"),
    include_bytes!("../../../tests/data/v1/variable.grv"),
];

/// Gives the hash index of a sound table slots of 4, 5 or 6 bytes, and groups of one bucket, as `how` says.
/// The table stays as it is, and the answer is false, where it has no hash index, more keys in a bucket than
/// there are wider slots, or keys in their second bucket and groups are asked for.
pub(crate) fn reshape(table: &mut [u8], how: u8) -> bool {
    let (width, groups) =
        [(5, false), (6, false), (4, true), (5, true), (6, true)][usize::from(how)];
    let (Some((hash, len)), Some((_, records))) = (section(table, HASH), section(table, RECORDS))
    else {
        return false;
    };
    let buckets = &table[hash..hash + len];
    let used = |bucket: &[u8]| (0..12).filter(|slot| bucket[4 + slot] != 0).count();
    let (tags, slots) = match width {
        4 => (4, 12),
        5 => (4, 10),
        _ => (1, 9),
    };
    let overflows = |bucket: &[u8]| bucket[..4] != [0; 4];
    if buckets.chunks(BUCKET).any(|bucket| used(bucket) > slots || groups && overflows(bucket)) {
        return false;
    }
    let references =
        if u32_at(table, FLAGS) & 3 == 3 { u64_at(table, ENTRIES) } else { records as u64 };
    let bits = u64::BITS - references.saturating_sub(1).leading_zeros();
    if width > 4 {
        for at in (hash..hash + len).step_by(BUCKET) {
            let old: [u8; BUCKET] = table[at..at + BUCKET].try_into().expect("a bucket");
            let new = &mut table[at..at + BUCKET];
            new.fill(0);
            match width {
                5 => new[..4].copy_from_slice(&old[..4]),
                _ => new[0] = old[..4].iter().fold(0, |bits, byte| bits | byte),
            }
            let taken = (0..12).filter(|slot| old[4 + slot] != 0);
            for (to, from) in taken.enumerate() {
                new[tags + to] = old[4 + from];
                // Slots of four bytes have more of the hash above the reference; wider ones do not.
                let reference = u64::from(u32_at(&old, 16 + 4 * from)) & ((1 << bits) - 1);
                let start = tags + slots + to * width;
                new[start..start + width].copy_from_slice(&reference.to_le_bytes()[..width]);
            }
        }
        table[SLOT_WIDTH] = width as u8;
    }
    if groups {
        put(table, GROUPS, &((len / BUCKET) as u64).to_le_bytes());
        put(table, PER_GROUP, &1u32.to_le_bytes());
    }
    repair(table, true);
    true
}
