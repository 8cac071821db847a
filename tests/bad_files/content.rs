//! Lies in records, statistics and metadata.

use super::Expect::Damaged;
use super::{
    Expect, Row, add32, add64, aligned, divide, escape, fixed, long_key, long_value, padded, small,
    swap, varied,
};
use crate::common::craft::{METADATA, RECORDS, STATS};

/// Records.
pub(super) fn records() -> Vec<Row> {
    const NONSENSE: Expect = Damaged("Corrupt(record makes no sense)");
    const ORDER: Expect = Damaged("Corrupt(keys are out of order)");
    const PADDING: Expect = Damaged("Corrupt(padding is not zero)");
    vec![
        (
            "keys-swapped",
            "two keys in each other's place",
            Damaged("Corrupt(keys are out of order)"),
            fixed,
            |i| {
                let records = i.records();
                swap(i, records + 80, records + 88, 8);
            },
        ),
        ("keys-descending", "the last key is the smallest", ORDER, small, |i| {
            let at = i.find(b"ccc", i.records());
            i.put(at, b"aaa");
            i.put8(at, 0);
        }),
        (
            "keys-equal",
            "a key twice in a table without repeats",
            Damaged("Corrupt(number of distinct keys is wrong)"),
            fixed,
            |i| {
                let records = i.records();
                let key: [u8; 4] = i.get(records + 80);
                i.put(records + 88, &key);
            },
        ),
        (
            "key-changed",
            "a key that the indexes do not know",
            Damaged("Corrupt(index does not find the record)"),
            varied,
            |i| {
                let at = i.find(b"key-050", i.records());
                i.put(at, b"key-04z");
            },
        ),
        ("record-escape", "a length word turned into the escape", NONSENSE, varied, |i| {
            let at = i.find(b"key-005", i.records());
            i.put8(at - 1, 0xFF);
        }),
        ("escape-key-shorter", "an escaped key of 3 of 4 bytes", NONSENSE, long_value, |i| {
            let at = escape(i, 4, 300);
            divide(i, at, 3, 301);
        }),
        (
            "escape-key-longer",
            "an escaped key of 5 bytes instead of 4",
            NONSENSE,
            long_value,
            |i| {
                let at = escape(i, 4, 300);
                divide(i, at, 5, 299);
            },
        ),
        ("escape-value-shorter", "an escaped value of 3 of 4 bytes", NONSENSE, long_key, |i| {
            let at = escape(i, 301, 4);
            divide(i, at, 302, 3);
        }),
        (
            "escape-value-longer",
            "an escaped value of 5 bytes instead of 4",
            NONSENSE,
            long_key,
            |i| {
                let at = escape(i, 301, 4);
                divide(i, at, 300, 5);
            },
        ),
        (
            "record-value-longer",
            "a value that reaches into the next record",
            NONSENSE,
            varied,
            |i| {
                let at = i.find(b"key-119", i.records());
                i.put8(at - 1, 0xF7);
            },
        ),
        (
            "record-key-shorter",
            "a key that ends early, its value begins there",
            Damaged("Corrupt(keys are out of order)"),
            varied,
            |i| {
                let at = i.find(b"key-050", i.records());
                let word = i.bytes[at - 1];
                i.put8(at - 1, word - 1);
            },
        ),
        (
            "record-last-longer",
            "a last value that reaches beyond the records",
            NONSENSE,
            small,
            |i| {
                let at = i.find(b"ccc", i.records());
                let word = i.bytes[at - 1];
                i.put8(at - 1, word + 0x10);
            },
        ),
        (
            "records-longer",
            "a section with room for more records",
            Damaged("Corrupt(records do not fill their section)"),
            small,
            |i| {
                let slot = i.slot(RECORDS);
                add64(i, slot + 16, 1);
            },
        ),
        ("records-shorter", "a section that ends inside a record", PADDING, varied, |i| {
            let slot = i.slot(RECORDS);
            add64(i, slot + 16, u64::MAX);
        }),
        ("padding-between", "a byte between two sections", PADDING, small, |i| {
            let (records, len) = i.section(RECORDS);
            i.put8(records + len, 1);
        }),
        ("padding-before-sums", "a byte before the sums", PADDING, small, |i| {
            let (stats, len) = i.section(STATS);
            i.put8(stats + len, 1);
        }),
        ("padding-in-record", "a byte between key and value", PADDING, aligned, |i| {
            let at = i.find(&[1, 1, 1, 1], i.records());
            i.put8(at - 1, 1);
        }),
        ("padding-lead", "a byte before the first key", PADDING, padded, |i| {
            let records = i.records();
            i.put8(records, 1);
        }),
        ("padding-stride", "a byte between two records", PADDING, padded, |i| {
            let at = i.find(&[b'k', 4, 4], i.records());
            i.put8(at - 1, 1);
        }),
        ("padding-last", "a byte after the last record", PADDING, padded, |i| {
            let (records, len) = i.section(RECORDS);
            i.put8(records + len - 1, 1);
        }),
    ]
}

/// Statistics and metadata.
pub(super) fn texts() -> Vec<Row> {
    const NONSENSE: Expect = Damaged("Corrupt(statistics make no sense)");
    const WRONG: Expect = Damaged("Corrupt(statistics are wrong)");
    const METADATA_NONSENSE: Expect = Damaged("Corrupt(metadata makes no sense)");
    vec![
        ("stats-first-key-huge", "a smallest key of 4 GiB", NONSENSE, small, |i| {
            i.put32(i.section(STATS).0 + 40, u32::MAX);
        }),
        ("stats-both-keys-huge", "key lengths that wrap around together", NONSENSE, small, |i| {
            let stats = i.section(STATS).0;
            i.put32(stats + 40, 0x8000_0000);
            i.put32(stats + 44, 0x8000_0004);
        }),
        ("stats-keys-swapped", "smallest and largest key exchanged", WRONG, varied, |i| {
            let stats = i.section(STATS).0;
            i.put(stats + 448, b"key-119key-000");
        }),
        (
            "stats-keys-divided",
            "a byte of the largest key counted to the smallest",
            WRONG,
            small,
            |i| {
                let stats = i.section(STATS).0;
                add32(i, stats + 40, 1);
                add32(i, stats + 44, u32::MAX);
            },
        ),
        ("stats-key-bytes", "a wrong sum of lengths", WRONG, small, |i| {
            i.put64(i.section(STATS).0, u64::MAX);
        }),
        ("stats-value-bytes", "a wrong sum of lengths", WRONG, small, |i| {
            i.put64(i.section(STATS).0 + 8, u64::MAX);
        }),
        ("stats-second-buckets", "more keys in second buckets than keys", NONSENSE, small, |i| {
            i.put64(i.section(STATS).0 + 16, u64::MAX);
        }),
        ("stats-bin", "a bin of 2^64 − 1 keys", WRONG, small, |i| {
            i.put64(i.section(STATS).0 + 48, u64::MAX);
        }),
        ("stats-longest", "a longest value that is none", WRONG, small, |i| {
            i.put32(i.section(STATS).0 + 36, u32::MAX);
        }),
        (
            "stats-short",
            "a statistics section of 64 bytes",
            Damaged("Corrupt(padding is not zero)"),
            small,
            |i| {
                let slot = i.slot(STATS);
                i.put64(slot + 16, 64);
            },
        ),
        (
            "stats-empty",
            "a statistics section of no bytes",
            Damaged("Corrupt(padding is not zero)"),
            small,
            |i| {
                let slot = i.slot(STATS);
                i.put64(slot + 16, 0);
            },
        ),
        ("metadata-count-huge", "4 Gi pairs", METADATA_NONSENSE, varied, |i| {
            i.put32(i.section(METADATA).0, u32::MAX);
        }),
        ("metadata-count-less", "a pair that is not counted", METADATA_NONSENSE, varied, |i| {
            i.put32(i.section(METADATA).0, 1);
        }),
        ("metadata-key-huge", "a metadata key of 4 GiB", METADATA_NONSENSE, varied, |i| {
            i.put32(i.section(METADATA).0 + 4, u32::MAX);
        }),
        ("metadata-value-huge", "a metadata value of 4 GiB", METADATA_NONSENSE, varied, |i| {
            i.put32(i.section(METADATA).0 + 8, u32::MAX);
        }),
        ("metadata-order", "metadata keys out of order", METADATA_NONSENSE, varied, |i| {
            let at = i.section(METADATA).0 + 12;
            i.put8(at, b'z');
        }),
        (
            "metadata-empty",
            "a metadata section of no bytes",
            Damaged("Corrupt(padding is not zero)"),
            varied,
            |i| {
                let slot = i.slot(METADATA);
                i.put64(slot + 16, 0);
            },
        ),
        ("metadata-bare", "a metadata section of zeros", METADATA_NONSENSE, varied, |i| {
            let (at, len) = i.section(METADATA);
            i.bytes[at..at + len].fill(0);
            let slot = i.slot(METADATA);
            i.put64(slot + 16, 2);
        }),
    ]
}
