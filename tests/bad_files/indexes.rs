//! Lies in the indexes.

use super::Expect::{Damaged, Refused};
use super::{
    Expect, Row, SLOTS, TAGS, add32, add64, deep, even, fixed, lined, repeated, small, swap,
    taken_slot, varied,
};
use crate::common::craft::{HASH, INDEX, LINES, RECORDS, at};

/// Nodes of the ordered index.
pub(super) fn nodes() -> Vec<Row> {
    const SAMPLE: Expect = Refused("InvalidHeader(sample_step)");
    const NODE: Expect = Damaged("Corrupt(ordered-index node makes no sense)");
    const RANKS: Expect = Damaged("Corrupt(block does not hold its ranks)");
    const PLACE: Expect = Damaged("Corrupt(index names another place)");
    const PADDING: Expect = Damaged("Corrupt(padding is not zero)");
    vec![
        ("node-itself", "the root is its own first child", NODE, deep, |i| {
            let root = i.root();
            i.put64(i.node(root) + 8, root as u64);
        }),
        (
            "node-backwards",
            "the root's children end with the root",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| {
                let root = i.root();
                i.put64(i.node(root) + 8, root as u64 - 1);
            },
        ),
        ("node-beyond", "children beyond the last node", NODE, deep, |i| {
            i.put64(i.node(i.root()) + 8, 1 << 40);
        }),
        ("node-wraps", "first child + child wraps around", NODE, deep, |i| {
            i.put64(i.node(i.root()) + 8, u64::MAX);
        }),
        ("node-children-0", "a node without children", NODE, deep, |i| i.put16(i.node(0), 0)),
        ("node-children-65535", "a node of 65,535 children", NODE, deep, |i| {
            i.put16(i.node(0), u16::MAX);
        }),
        ("node-child-less", "a leaf that lost its last child", NODE, deep, |i| {
            let children = i.u16(i.node(0));
            i.put16(i.node(0), children - 1);
        }),
        ("node-prefix-65535", "a prefix longer than its node", NODE, deep, |i| {
            i.put16(i.node(0) + 2, u16::MAX);
        }),
        ("node-reserved", "a reserved byte of a node", PADDING, deep, |i| {
            i.put8(i.node(0) + 6, 1);
        }),
        ("node-rest", "a byte after a node's used bytes", PADDING, deep, |i| {
            let end = i.node(i.root() + 1);
            i.put8(end - 1, 1);
        }),
        ("leaf-base-rank-huge", "a leaf of rank 2^64 − 1", NODE, deep, |i| {
            i.put64(i.node(1) + 16, u64::MAX);
        }),
        ("leaf-base-rank-0", "a second leaf of rank 0", NODE, deep, |i| {
            i.put64(i.node(1) + 16, 0);
        }),
        ("leaf-base-rank-one-more", "ranks of a leaf shifted by one", PLACE, deep, |i| {
            add64(i, i.node(1) + 16, 1);
        }),
        (
            "leaf-base-offset-huge",
            "a leaf at offset 2^64 − 1",
            Damaged("Corrupt(index names another place)"),
            deep,
            |i| {
                i.put64(i.node(1) + 24, u64::MAX);
            },
        ),
        (
            "leaf-base-offset-other",
            "a leaf that starts inside a record",
            Damaged("Corrupt(index names another place)"),
            deep,
            |i| {
                add64(i, i.node(1) + 24, 1);
            },
        ),
        ("inner-base-offset-other", "a root that starts elsewhere", NODE, deep, |i| {
            add64(i, i.node(i.root()) + 24, 1);
        }),
        ("leaf-rank-more", "a block with a rank too many", PLACE, varied, |i| {
            let ranks = i.ranks(i.node(0));
            let rank = i.u16(ranks);
            i.put16(ranks, rank + 1);
        }),
        ("leaf-ranks-decreasing", "ranks that decrease", RANKS, varied, |i| {
            let ranks = i.ranks(i.node(0));
            swap(i, ranks, ranks + 2, 2);
        }),
        (
            "leaf-rank-before",
            "a last block whose rank is below that of the block before: skips by rank lead back",
            Damaged("Corrupt(block does not hold its ranks)"),
            even,
            |i| {
                let node = i.node(0);
                let last = i.ranks(node) + 2 * (i.separators(node) - 1);
                let before = i.u16(last - 2);
                i.put16(last, before - 1);
            },
        ),
        ("leaf-rank-65535", "a block beyond the last entry", RANKS, varied, |i| {
            i.put16(i.ranks(i.node(0)) + 2, u16::MAX);
        }),
        (
            "leaf-offset-inside",
            "a block that starts inside a record",
            Damaged("Corrupt(index names another place)"),
            varied,
            |i| {
                let offsets = i.offsets(i.node(0));
                add32(i, offsets, 1);
            },
        ),
        (
            "leaf-offset-beyond",
            "a block beyond the records",
            Damaged("Corrupt(index names another place)"),
            varied,
            |i| {
                i.put32(i.offsets(i.node(0)), u32::MAX);
            },
        ),
        (
            "leaf-offset-next",
            "a block that starts a record late",
            Damaged("Corrupt(index names another place)"),
            varied,
            |i| {
                let offsets = i.offsets(i.node(0));
                let second = i.records() + i.u32(offsets) as usize;
                let after = i.find(b"key-", i.find(b"key-", second) + 1) - 1;
                i.put32(offsets, (after - i.records()) as u32);
            },
        ),
        (
            "leaf-offsets-swapped",
            "blocks in each other's place",
            Damaged("Corrupt(index names another place)"),
            varied,
            |i| {
                let offsets = i.offsets(i.node(0));
                swap(i, offsets, offsets + 4, 4);
            },
        ),
        ("leaf-heads-swapped", "separators out of order", NODE, varied, |i| {
            let heads = i.node(0) + 32;
            swap(i, heads, heads + 8, 8);
        }),
        ("leaf-head-zero", "a separator that is smaller than it was", NODE, varied, |i| {
            i.put64(i.node(0) + 32 + 8, 0);
        }),
        ("leaf-head-full", "a separator above its block", NODE, varied, |i| {
            i.put64(i.node(0) + 32, u64::MAX);
        }),
        ("leaf-tail-kind-10", "a tail of an unknown kind", NODE, varied, |i| {
            i.put16(i.tails(i.node(0)), 10);
        }),
        ("leaf-tail-beyond", "a tail longer than its node", NODE, varied, |i| {
            i.put16(i.tails(i.node(0)), 4095 << 4 | 9);
        }),
        (
            "leaf-separator-empty",
            "an empty separator: every key is said to be above it",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| {
                i.put64(i.node(0) + 32, 0);
                i.put16(i.tails(i.node(0)), 0);
                i.put64(i.node(i.root()) + 32, 0);
                i.put16(i.node(i.root()) + 32 + 8 * i.separators(i.node(i.root())), 0);
            },
        ),
        (
            "root-separator-full",
            "a root's separator above all keys",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| {
                i.put64(i.node(i.root()) + 32, u64::MAX);
            },
        ),
        ("sample-step-0", "samples without a step", SAMPLE, deep, |i| {
            i.put8(at::SAMPLE_STEP, 0);
        }),
        ("sample-step-alone", "a step without an index", SAMPLE, small, |i| {
            i.put8(at::SAMPLE_STEP, 6);
        }),
        ("sample-step-fixed", "a step in fixed width", SAMPLE, fixed, |i| {
            i.put8(at::SAMPLE_STEP, 6);
        }),
        (
            "sample-step-255",
            "a step longer than a block",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| {
                i.put8(at::SAMPLE_STEP, 255);
            },
        ),
        (
            "sample-step-more",
            "another step",
            Damaged("Corrupt(ordered-index node makes no sense)"),
            deep,
            |i| {
                let step = i.bytes[at::SAMPLE_STEP];
                i.put8(at::SAMPLE_STEP, step + 1);
            },
        ),
        ("samples-0", "a leaf without samples", NODE, varied, |i| {
            i.put16(i.node(0) + 4, 0);
        }),
        ("samples-65535", "more samples than a leaf holds", NODE, varied, |i| {
            i.put16(i.node(0) + 4, u16::MAX);
        }),
        ("samples-inner", "samples in an inner node", NODE, deep, |i| {
            i.put16(i.node(i.root()) + 4, 1);
        }),
        ("sample-other", "a sample inside a record", PLACE, varied, |i| {
            let samples = i.samples(i.node(0));
            let sample = i.u16(samples + 2);
            i.put16(samples + 2, sample + 1);
        }),
        ("sample-next", "a sample of the record after", PLACE, varied, |i| {
            let samples = i.samples(i.node(0));
            let at = i.records() + usize::from(i.u16(samples + 2));
            let after = i.find(b"key-", at + 5) - 1;
            i.put16(samples + 2, (after - i.records()) as u16);
        }),
        ("sample-beyond", "a sample beyond the records", PLACE, varied, |i| {
            let samples = i.samples(i.node(0));
            i.put16(samples + 2, 0xFFFE);
        }),
        ("samples-swapped", "samples in each other's place", PLACE, varied, |i| {
            let samples = i.samples(i.node(0));
            swap(i, samples + 2, samples + 4, 2);
        }),
        ("sample-none", "a sample that is left out", PLACE, varied, |i| {
            let samples = i.samples(i.node(0));
            i.put16(samples + 2, u16::MAX);
        }),
        ("fixed-first-block", "blocks of fixed width numbered from 1", NODE, fixed, |i| {
            i.put64(i.node(0) + 8, 1);
        }),
        ("fixed-first-block-huge", "blocks of fixed width beyond the end", NODE, fixed, |i| {
            i.put64(i.node(0) + 8, u64::MAX - 1);
        }),
        ("fixed-block-wraps", "block × records wraps around", NODE, fixed, |i| {
            i.put64(i.node(0) + 8, 1 << 60);
        }),
    ]
}

/// The line index.
pub(super) fn lines() -> Vec<Row> {
    const TAGS: Expect = Damaged("Corrupt(line has wrong tags)");
    const SECTIONS: Expect = Refused("InvalidHeader(sections)");
    const SCALE: Expect = Refused("InvalidHeader(line_scale)");
    vec![
        (
            "line-scale-0",
            "all keys in the first line",
            Damaged("Corrupt(more keys of one tag than allowed)"),
            lined,
            |i| {
                i.put64(at::LINE_SCALE, 0);
            },
        ),
        (
            "line-scale-huge",
            "keys spread beyond the last line",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                i.put64(at::LINE_SCALE, u64::MAX);
            },
        ),
        (
            "line-base-huge",
            "all keys below the smallest",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                i.put64(at::LINE_BASE, u64::MAX);
            },
        ),
        ("line-scale-alone", "a scale without lines", SCALE, small, |i| {
            i.put64(at::LINE_SCALE, 1);
        }),
        ("line-base-alone", "a base without lines", SCALE, small, |i| {
            i.put64(at::LINE_BASE, 1);
        }),
        ("line-half", "lines that end in a half", SECTIONS, lined, |i| {
            let slot = i.slot(LINES);
            add64(i, slot + 16, 0u64.wrapping_sub(32));
        }),
        ("line-none", "a section of no lines", SECTIONS, lined, |i| {
            let slot = i.slot(LINES);
            i.put64(slot + 16, 0);
        }),
        (
            "line-one-less",
            "a line less than there are",
            Damaged("Corrupt(padding is not zero)"),
            lined,
            |i| {
                let slot = i.slot(LINES);
                add64(i, slot + 16, 0u64.wrapping_sub(64));
            },
        ),
        ("line-in-variable", "lines in a table of variable width", SCALE, deep, |i| {
            let slot = i.slot(INDEX);
            i.put32(slot, LINES);
            i.put8(at::INDEX_LEVELS, 0);
        }),
        ("line-and-tree", "lines and a tree", SCALE, fixed, |i| {
            let slot = i.slot(HASH);
            i.put32(slot, LINES);
        }),
        (
            "line-rank-huge",
            "a line of rank 2^32 − 1",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                i.put32(i.section(LINES).0 + 64, u32::MAX);
            },
        ),
        (
            "line-rank-0",
            "a second line of rank 0",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                i.put32(i.section(LINES).0 + 64, 0);
            },
        ),
        (
            "line-rank-more",
            "a line that starts a rank late",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                let line = i.section(LINES).0 + 64;
                add32(i, line, 1);
            },
        ),
        ("line-tags-swapped", "tags out of order", TAGS, lined, |i| {
            let line = i.section(LINES).0 + 64;
            swap(i, line + 4, line + 6, 2);
        }),
        (
            "line-tags-equal",
            "a line of equal tags",
            Damaged("Corrupt(line has wrong tags)"),
            lined,
            |i| {
                let line = i.section(LINES).0;
                i.bytes[line + 4..line + 64].fill(0);
            },
        ),
        ("line-tags-full", "a line without free tags", TAGS, lined, |i| {
            let line = i.section(LINES).0;
            let tag = i.u16(line + 4 + 2);
            (20..30).for_each(|slot| i.put16(line + 4 + 2 * slot, tag));
        }),
        ("line-tag-more", "a tag for a key that is not there", TAGS, lined, |i| {
            let line = i.section(LINES).0;
            i.put16(line + 62, 0xFFFE);
        }),
    ]
}

/// The bits of a slot that hold the reference; the others are the tag's tail.
fn reference_mask(references: u32) -> u32 {
    u32::MAX >> (references - 1).leading_zeros()
}

/// Buckets of the hash index.
pub(super) fn buckets() -> Vec<Row> {
    const LOST: Expect = Damaged("Corrupt(index does not find the record)");
    const REFERENCE: Expect = Damaged("Corrupt(slot refers to no record)");
    vec![
        (
            "bucket-equal-tags",
            "a bucket with more equal tags than allowed",
            Damaged("Corrupt(bucket has too many equal tags)"),
            varied,
            |i| {
                let (start, len) = i.section(HASH);
                let free = |bucket: usize| {
                    i.bytes[bucket + TAGS..bucket + SLOTS].iter().filter(|tag| **tag == 0).count()
                };
                let buckets = (start..start + len).step_by(64);
                let bucket = buckets.max_by_key(|&bucket| free(bucket)).unwrap();
                assert!(free(bucket) >= 3, "too full for the attack");
                let tag =
                    *i.bytes[bucket + TAGS..bucket + SLOTS].iter().find(|tag| **tag != 0).unwrap();
                for slot in bucket + TAGS..bucket + SLOTS {
                    if i.bytes[slot] == 0 {
                        i.bytes[slot] = tag;
                    }
                }
            },
        ),
        (
            "bucket-overflow-more",
            "an overflow bit that no key has set",
            Damaged("Corrupt(bucket does not fit its keys)"),
            varied,
            |i| {
                let (start, len) = i.section(HASH);
                let mut buckets = (start..start + len).step_by(64);
                let bucket = buckets.find(|&bucket| i.u32(bucket) != u32::MAX).unwrap();
                let bits = i.u32(bucket);
                i.put32(bucket, bits | (bits + 1));
            },
        ),
        ("slot-beyond", "a slot beyond the records", REFERENCE, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            let at = bucket + SLOTS + 4 * slot;
            let most = reference_mask(i.section(RECORDS).1 as u32);
            assert!(most as usize >= i.section(RECORDS).1, "no number is beyond the records");
            i.put32(at, i.u32(at) | most);
        }),
        ("slot-end", "a slot just beyond the last entry", REFERENCE, fixed, |i| {
            let (bucket, slot) = taken_slot(i);
            let at = bucket + SLOTS + 4 * slot;
            i.put32(at, (i.u32(at) & !reference_mask(100)) | 100);
        }),
        ("slot-inside", "a slot that refers into a record", LOST, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            add32(i, bucket + SLOTS + 4 * slot, 1);
        }),
        ("slot-other-key", "a slot that refers to another key", LOST, fixed, |i| {
            let (bucket, slot) = taken_slot(i);
            let at = bucket + SLOTS + 4 * slot;
            let (held, mask) = (i.u32(at), reference_mask(100));
            i.put32(at, (held & !mask) | (((held & mask) + 1) % 100));
        }),
        (
            "slot-second-of-equals",
            "a slot that refers to a key's second entry",
            LOST,
            repeated,
            |i| {
                let (bucket, slot) = taken_slot(i);
                let at = bucket + SLOTS + 4 * slot;
                // The first of the equals has no value: its record is a length word and a key.
                add32(i, at, 3);
            },
        ),
        ("slot-tail", "a slot with another tail", LOST, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            i.bytes[bucket + SLOTS + 4 * slot + 3] ^= 0x80;
        }),
        ("slot-emptied", "a key that the index lost", LOST, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            i.put8(bucket + TAGS + slot, 0);
        }),
        (
            "slot-more",
            "a slot more than there are keys",
            Damaged("Corrupt(hash index has other keys)"),
            varied,
            |i| {
                let (start, len) = i.section(HASH);
                let mut tags = (start..start + len)
                    .step_by(64)
                    .flat_map(|bucket| bucket + TAGS..bucket + SLOTS);
                let free = tags.find(|&tag| i.bytes[tag] == 0).unwrap();
                i.put8(free, 1);
            },
        ),
        (
            "slot-unused",
            "an empty slot that refers to a record",
            Damaged("Corrupt(bucket does not fit its keys)"),
            varied,
            |i| {
                let (start, len) = i.section(HASH);
                let slots =
                    (start..start + len).step_by(64).flat_map(|b| (0..12).map(move |s| (b, s)));
                let free = slots.into_iter().find(|&(b, s)| i.bytes[b + TAGS + s] == 0).unwrap();
                i.put32(free.0 + SLOTS + 4 * free.1, 1);
            },
        ),
        ("buckets-zero", "buckets without a key", LOST, varied, |i| {
            let (start, len) = i.section(HASH);
            i.bytes[start..start + len].fill(0);
        }),
        ("buckets-full", "buckets of ones", LOST, varied, |i| {
            let (start, len) = i.section(HASH);
            i.bytes[start..start + len].fill(0xFF);
        }),
    ]
}
