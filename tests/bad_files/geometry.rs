//! Lies about counts, widths and shapes.

use super::Expect::{Damaged, Refused};
use super::{
    Row, SLOTS, TAGS, add32, add64, crowded, deep, empty, equals, fixed, of_hash_0, repeated,
    small, varied,
};
use crate::common::craft::{HASH, at};

/// Counts, widths and shapes in the header.
pub(super) fn geometry() -> Vec<Row> {
    vec![
        (
            "align-7",
            "values aligned to 128",
            Refused("InvalidHeader(value_align_log2)"),
            small,
            |i| {
                i.put8(at::VALUE_ALIGN, 7);
            },
        ),
        ("align-255", "a shift by 255", Refused("InvalidHeader(value_align_log2)"), small, |i| {
            i.put8(at::VALUE_ALIGN, 255);
        }),
        (
            "align-changed",
            "values elsewhere",
            Damaged("Corrupt(padding is not zero)"),
            varied,
            |i| {
                i.put8(at::VALUE_ALIGN, 6);
            },
        ),
        ("block-records-0", "no block", Refused("InvalidHeader(block_records)"), fixed, |i| {
            i.put8(at::BLOCK_RECORDS, 0);
        }),
        ("block-records-65", "long blocks", Refused("InvalidHeader(block_records)"), fixed, |i| {
            i.put8(at::BLOCK_RECORDS, 65);
        }),
        (
            "block-records-1",
            "shorter blocks than there are",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            fixed,
            |i| i.put8(at::BLOCK_RECORDS, 1),
        ),
        ("entries-huge", "2^64 − 1 entries", Refused("InvalidHeader(entries)"), fixed, |i| {
            i.put64(at::ENTRIES, u64::MAX);
            i.put64(at::KEYS, u64::MAX);
        }),
        (
            "entries-wrap",
            "entries × stride wraps around to the right length",
            Refused("InvalidHeader(entries)"),
            fixed,
            |i| {
                add64(i, at::ENTRIES, 1 << 61);
                add64(i, at::KEYS, 1 << 61);
            },
        ),
        (
            "entries-wrap-variable",
            "2^63 entries of variable width",
            Refused("InvalidHeader(entries)"),
            varied,
            |i| {
                i.put64(at::ENTRIES, 1 << 63);
                i.put64(at::KEYS, 1 << 63);
            },
        ),
        (
            "entries-one-more",
            "an entry more than there are records",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            varied,
            |i| {
                add64(i, at::ENTRIES, 1);
                add64(i, at::KEYS, 1);
            },
        ),
        (
            "entries-fewer-than-values",
            "a key with more values than the table has entries",
            Damaged("Corrupt(padding is not zero)"),
            equals,
            |i| add64(i, at::ENTRIES, u64::MAX),
        ),
        (
            "entries-one-less",
            "an entry less than there are records",
            Damaged("Corrupt(padding is not zero)"),
            varied,
            |i| {
                add64(i, at::ENTRIES, u64::MAX);
                add64(i, at::KEYS, u64::MAX);
            },
        ),
        (
            "entries-in-empty",
            "entries, but no records",
            Refused("InvalidHeader(entries)"),
            empty,
            |i| {
                i.put64(at::ENTRIES, 1);
                i.put64(at::KEYS, 1);
            },
        ),
        (
            "entries-no-bytes",
            "2^40 entries of no bytes in no records",
            Refused("InvalidHeader(entries)"),
            empty,
            |i| {
                i.put64(at::ENTRIES, 1 << 40);
                i.put64(at::KEYS, 1 << 40);
            },
        ),
        ("entries-0", "records, but no entries", Refused("InvalidHeader(keys)"), varied, |i| {
            i.put64(at::ENTRIES, 0);
        }),
        ("entries-and-keys-0", "no entries", Refused("InvalidHeader(entries)"), varied, |i| {
            i.put64(at::ENTRIES, 0);
            i.put64(at::KEYS, 0);
        }),
        ("keys-more", "more keys than entries", Refused("InvalidHeader(keys)"), repeated, |i| {
            i.put64(at::KEYS, 91);
        }),
        ("keys-0", "entries without keys", Refused("InvalidHeader(keys)"), repeated, |i| {
            i.put64(at::KEYS, 0);
        }),
        (
            "keys-one-less",
            "a key less than there are",
            Damaged("Corrupt(number of distinct keys is wrong)"),
            repeated,
            |i| add64(i, at::KEYS, u64::MAX),
        ),
        (
            "repeats-denied",
            "keys repeated, flag and counts say no",
            Damaged("Corrupt(number of distinct keys is wrong)"),
            repeated,
            |i| {
                let flags = i.u32(at::FLAGS) & !4;
                i.put32(at::FLAGS, flags);
                i.put64(at::KEYS, 90);
            },
        ),
        (
            "repeats-claimed",
            "flagged without repeats",
            Refused("InvalidHeader(keys)"),
            varied,
            |i| {
                add32(i, at::FLAGS, 4);
            },
        ),
        (
            "fixed-key-len-huge",
            "keys of 4 GiB",
            Refused("InvalidHeader(fixed_key_len)"),
            fixed,
            |i| i.put32(at::FIXED_KEY_LEN, u32::MAX),
        ),
        (
            "fixed-key-len-unflagged",
            "a key length without its flag",
            Refused("InvalidHeader(fixed_key_len)"),
            varied,
            |i| i.put32(at::FIXED_KEY_LEN, 7),
        ),
        (
            "fixed-value-len-unflagged",
            "a value length without its flag",
            Refused("InvalidHeader(fixed_value_len)"),
            varied,
            |i| i.put32(at::FIXED_VALUE_LEN, 7),
        ),
        (
            "fixed-value-len-huge",
            "values of 4 GiB",
            Refused("InvalidHeader(entries)"),
            fixed,
            |i| i.put32(at::FIXED_VALUE_LEN, u32::MAX),
        ),
        (
            "fixed-split-moved",
            "keys longer, values shorter than they are",
            Damaged("Corrupt(index does not find the record)"),
            fixed,
            |i| {
                i.put32(at::FIXED_KEY_LEN, 7);
                i.put32(at::FIXED_VALUE_LEN, 1);
            },
        ),
        (
            "fixed-claimed",
            "both lengths flagged, records have length words",
            Refused("InvalidHeader(length_width)"),
            varied,
            |i| i.put32(at::FLAGS, 3),
        ),
        (
            "length-width-0",
            "no length words",
            Refused("InvalidHeader(length_width)"),
            varied,
            |i| {
                i.put8(at::LENGTH_WIDTH, 0);
            },
        ),
        (
            "length-width-5",
            "length words of 5 bytes",
            Refused("InvalidHeader(length_width)"),
            varied,
            |i| i.put8(at::LENGTH_WIDTH, 5),
        ),
        (
            "length-width-4",
            "wider length words than there are",
            Damaged("Corrupt(record makes no sense)"),
            varied,
            |i| i.put8(at::LENGTH_WIDTH, 4),
        ),
        (
            "length-width-in-fixed",
            "length words in fixed width",
            Refused("InvalidHeader(length_width)"),
            fixed,
            |i| i.put8(at::LENGTH_WIDTH, 1),
        ),
        ("key-bits-255", "a shift by 255", Refused("InvalidHeader(key_bits)"), varied, |i| {
            i.put8(at::KEY_BITS, 255);
        }),
        (
            "key-bits-more",
            "lengths divided elsewhere",
            Damaged("Corrupt(keys are out of order)"),
            varied,
            |i| i.put8(at::KEY_BITS, 8),
        ),
        ("node-log2-8", "nodes of 256 bytes", Refused("InvalidHeader(node_log2)"), varied, |i| {
            i.put8(at::NODE_LOG2, 8);
        }),
        ("node-log2-13", "nodes of 8 KiB", Refused("InvalidHeader(node_log2)"), varied, |i| {
            i.put8(at::NODE_LOG2, 13);
        }),
        ("node-log2-255", "a shift by 255", Refused("InvalidHeader(node_log2)"), varied, |i| {
            i.put8(at::NODE_LOG2, 255);
        }),
        (
            "node-log2-9-alone",
            "nodes without index",
            Refused("InvalidHeader(index_leaves)"),
            small,
            |i| {
                i.put8(at::NODE_LOG2, 9);
            },
        ),
        (
            "levels-0",
            "an index of no levels",
            Refused("InvalidHeader(index_levels)"),
            varied,
            |i| {
                i.put8(at::INDEX_LEVELS, 0);
            },
        ),
        ("levels-255", "255 levels", Refused("InvalidHeader(index_levels)"), varied, |i| {
            i.put8(at::INDEX_LEVELS, 255);
        }),
        (
            "levels-48",
            "48 levels of few nodes",
            Refused("InvalidHeader(index_levels)"),
            deep,
            |i| {
                i.put8(at::INDEX_LEVELS, 48);
            },
        ),
        ("levels-1-of-2", "a level less", Refused("InvalidHeader(index_leaves)"), deep, |i| {
            i.put8(at::INDEX_LEVELS, 1);
        }),
        (
            "levels-without-index",
            "levels, but no index",
            Refused("InvalidHeader(index_levels)"),
            small,
            |i| {
                i.put8(at::INDEX_LEVELS, 1);
            },
        ),
        ("leaves-0", "no leaves", Refused("InvalidHeader(index_leaves)"), deep, |i| {
            i.put64(at::LEAVES, 0);
        }),
        ("leaves-huge", "2^64 − 1 leaves", Refused("InvalidHeader(index_leaves)"), deep, |i| {
            i.put64(at::LEAVES, u64::MAX);
        }),
        ("leaves-all", "no node above leaves", Refused("InvalidHeader(index_leaves)"), deep, |i| {
            i.put64(at::LEAVES, i.root() as u64 + 1);
        }),
        (
            "leaves-two-in-one",
            "two leaves in one node",
            Refused("InvalidHeader(index_leaves)"),
            varied,
            |i| {
                assert_eq!(i.root(), 0, "the base has one node");
                i.put64(at::LEAVES, 2);
            },
        ),
        (
            "leaves-one-less",
            "a leaf counted as an inner node",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| add64(i, at::LEAVES, u64::MAX),
        ),
        (
            "hash-function-9",
            "an unknown hash function",
            Refused("UnsupportedFeature(hash function)"),
            varied,
            |i| i.put8(at::HASH_FUNCTION, 9),
        ),
        (
            "hash-function-1",
            "a hash function of before version 1.0 was frozen",
            Refused("UnsupportedFeature(hash function)"),
            varied,
            |i| i.put8(at::HASH_FUNCTION, 1),
        ),
        (
            "hash-function-2",
            "another hash function of before version 1.0 was frozen",
            Refused("UnsupportedFeature(hash function)"),
            varied,
            |i| i.put8(at::HASH_FUNCTION, 2),
        ),
        (
            "hash-function-0",
            "buckets without a hash function",
            Refused("InvalidHeader(hash_function)"),
            varied,
            |i| i.put8(at::HASH_FUNCTION, 0),
        ),
        (
            "hash-function-alone",
            "a hash function without buckets",
            Refused("InvalidHeader(hash_function)"),
            small,
            |i| i.put8(at::HASH_FUNCTION, 2),
        ),
        ("slot-width-7", "slots of 7 bytes", Refused("InvalidHeader(slot_width)"), varied, |i| {
            i.put8(at::SLOT_WIDTH, 7);
        }),
        ("slot-width-0", "slots of no bytes", Refused("InvalidHeader(slot_width)"), varied, |i| {
            i.put8(at::SLOT_WIDTH, 0);
        }),
        (
            "slot-width-alone",
            "slots without buckets",
            Refused("InvalidHeader(slot_width)"),
            small,
            |i| {
                i.put8(at::SLOT_WIDTH, 4);
            },
        ),
        (
            "slot-width-5",
            "wider slots than there are",
            Damaged("Corrupt(slot refers to no record)"),
            varied,
            |i| i.put8(at::SLOT_WIDTH, 5),
        ),
        (
            "slot-width-6",
            "wider slots than there are",
            Damaged("Corrupt(slot refers to no record)"),
            fixed,
            |i| i.put8(at::SLOT_WIDTH, 6),
        ),
        (
            "hash-attempt",
            "an attempt number without a seed",
            Refused("InvalidHeader(hash_seed)"),
            varied,
            |i| i.put32(at::HASH_ATTEMPT, 1),
        ),
        (
            "hash-seed",
            "another seed",
            Damaged("Corrupt(index does not find the record)"),
            varied,
            |i| {
                i.put32(at::HASH_ATTEMPT, 1);
                i.put64(at::HASH_SEED, 1);
            },
        ),
        (
            "hash-seed-alone",
            "a seed without buckets",
            Refused("InvalidHeader(hash_seed)"),
            small,
            |i| i.put64(at::HASH_SEED, 1),
        ),
        (
            "set-aside-alone",
            "keys set aside without buckets",
            Refused("InvalidHeader(hash_set_aside)"),
            small,
            |i| i.put64(at::HASH_SET_ASIDE, 1),
        ),
        (
            "set-aside-all",
            "all keys are set aside",
            Refused("InvalidHeader(hash_set_aside)"),
            varied,
            |i| i.put64(at::HASH_SET_ASIDE, i.u64(at::KEYS)),
        ),
        (
            "set-aside-one",
            "a key is set aside that stands in its bucket",
            Damaged("Corrupt(hash index has other keys)"),
            varied,
            |i| i.put64(at::HASH_SET_ASIDE, 1),
        ),
        (
            "set-aside-less",
            "one key set aside is not counted",
            Damaged("Corrupt(hash index has other keys)"),
            crowded,
            |i| i.put64(at::HASH_SET_ASIDE, i.u64(at::HASH_SET_ASIDE) - 1),
        ),
        (
            "set-aside-none",
            "no key set aside is counted",
            Damaged("Corrupt(index does not find the record)"),
            crowded,
            |i| i.put64(at::HASH_SET_ASIDE, 0),
        ),
        (
            "set-aside-unseen",
            "the key for which others were set aside left its bucket",
            Damaged("Corrupt(index does not find the record)"),
            crowded,
            |i| {
                // Its hash is 0, which leads to the first bucket and stands for tag 1.
                let bucket = i.section(HASH).0;
                let slot = (0..12).find(|slot| i.bytes[bucket + TAGS + slot] == 1).unwrap();
                i.put8(bucket + TAGS + slot, 0);
                i.put32(bucket + SLOTS + 4 * slot, 0);
                add64(i, at::HASH_SET_ASIDE, 1);
            },
        ),
        (
            "set-aside-smallest",
            "the smallest key of a hash is set aside, and the next one stands in the bucket",
            Damaged("Corrupt(index does not find the record)"),
            crowded,
            |i| {
                let bucket = i.section(HASH).0;
                let slot = (0..12).find(|slot| i.bytes[bucket + TAGS + slot] == 1).unwrap();
                let [smallest, next] = [0, 1].map(|number| i.find(&of_hash_0(number), i.records()));
                add32(i, bucket + SLOTS + 4 * slot, (next - smallest) as u32);
            },
        ),
        (
            "hash-attempt-alone",
            "an attempt number without buckets",
            Refused("InvalidHeader(hash_attempt)"),
            small,
            |i| i.put32(at::HASH_ATTEMPT, 1),
        ),
        (
            "per-group-0",
            "groups of no buckets",
            Refused("InvalidHeader(hash_per_group)"),
            varied,
            |i| {
                i.put32(at::PER_GROUP, 0);
            },
        ),
        (
            "per-group-1025",
            "groups of too many buckets",
            Refused("InvalidHeader(hash_per_group)"),
            varied,
            |i| i.put32(at::PER_GROUP, 1025),
        ),
        ("groups-0", "no groups", Refused("InvalidHeader(hash_per_group)"), varied, |i| {
            i.put64(at::GROUPS, 0);
        }),
        (
            "groups-wrap",
            "groups × buckets × 64 wraps around to the right length",
            Refused("InvalidHeader(hash_groups)"),
            varied,
            |i| add64(i, at::GROUPS, 1 << 58),
        ),
        (
            "groups-swapped",
            "as many groups as there are buckets in one",
            Damaged("Corrupt(index does not find the record)"),
            varied,
            |i| {
                let (per_group, groups) = (i.u32(at::PER_GROUP), i.u64(at::GROUPS));
                i.put32(at::PER_GROUP, groups as u32);
                i.put64(at::GROUPS, u64::from(per_group));
            },
        ),
    ]
}
