//! Lies about where the parts are.

use super::Expect::{Accepted, Refused};
use super::{Expect, Row, add32, add64, small, swap, varied};
use crate::common::craft::{HASH, HEADER, INDEX, METADATA, RECORDS, STATS, SUMS, at};

/// The section table.
pub(super) fn sections() -> Vec<Row> {
    const NAME: Expect = Refused("InvalidHeader(sections)");
    vec![
        (
            "section-count-9",
            "more sections than slots",
            Refused("InvalidHeader(section_count)"),
            small,
            |i| {
                i.put32(at::SECTION_COUNT, 9);
            },
        ),
        (
            "section-count-huge",
            "4 Gi sections",
            Refused("InvalidHeader(section_count)"),
            small,
            |i| i.put32(at::SECTION_COUNT, u32::MAX),
        ),
        ("section-count-0", "sections that are not counted", NAME, small, |i| {
            i.put32(at::SECTION_COUNT, 0);
        }),
        ("section-count-one-more", "a section of kind 0", NAME, small, |i| {
            add32(i, at::SECTION_COUNT, 1);
        }),
        ("section-beyond-end", "a section beyond the end", NAME, small, |i| {
            let slot = i.slot(SUMS);
            i.put64(slot + 8, 1 << 40);
        }),
        ("section-over-footer", "sums that reach over the footer", NAME, small, |i| {
            let slot = i.slot(SUMS);
            add64(i, slot + 16, 32);
        }),
        ("section-wraps", "offset + length wraps around", NAME, small, |i| {
            let slot = i.slot(STATS);
            i.put64(slot + 8, u64::MAX - 63);
            i.put64(slot + 16, 128);
        }),
        ("section-length-huge", "records of 2^64 − 1 bytes", NAME, small, |i| {
            let slot = i.slot(RECORDS);
            i.put64(slot + 16, u64::MAX);
        }),
        ("sections-overlap", "records that reach into the next section", NAME, varied, |i| {
            let slot = i.slot(RECORDS);
            add64(i, slot + 16, 4096);
        }),
        ("sections-same-place", "two sections at one place", NAME, varied, |i| {
            let (records, index) = (i.slot(RECORDS), i.slot(INDEX));
            let place: [u8; 16] = i.get(records + 8);
            i.put(index + 8, &place);
        }),
        ("sections-decreasing", "two sections out of order", NAME, varied, |i| {
            let (a, b) = (i.slot(HASH), i.slot(STATS));
            swap(i, a, b, 32);
        }),
        ("section-in-header", "records inside the header", NAME, small, |i| {
            let slot = i.slot(RECORDS);
            i.put64(slot + 8, 128);
        }),
        ("section-unaligned", "a section at an odd place", NAME, small, |i| {
            let slot = i.slot(STATS);
            add64(i, slot + 8, 1);
            add64(i, slot + 16, u64::MAX);
        }),
        ("index-unaligned", "an index between two multiples of its nodes", NAME, varied, |i| {
            let slot = i.slot(INDEX);
            add64(i, slot + 8, 64);
            add64(i, slot + 16, 0u64.wrapping_sub(64));
        }),
        ("section-twice", "a kind that occurs twice", NAME, varied, |i| {
            let slot = i.slot(METADATA);
            i.put32(slot, STATS);
        }),
        ("section-missing-stats", "no statistics", NAME, small, |i| {
            let slot = i.slot(STATS);
            i.put32(slot, 77);
            i.put32(slot + 4, 0);
        }),
        ("section-missing-sums", "no page sums", NAME, small, |i| {
            let slot = i.slot(SUMS);
            i.put32(slot, 77);
            i.put32(slot + 4, 0);
        }),
        ("section-missing-records", "no records", NAME, small, |i| {
            let slot = i.slot(RECORDS);
            i.put32(slot, 77);
            i.put32(slot + 4, 0);
        }),
        (
            "section-required",
            "an unknown section that is required",
            Refused("UnsupportedFeature(section kind)"),
            varied,
            |i| i.insert_section(77, 1, b"needed to read this table"),
        ),
        (
            "section-required-kind-0",
            "a required section of kind 0",
            Refused("UnsupportedFeature(section kind)"),
            varied,
            |i| i.insert_section(0, 1, b"?"),
        ),
        ("section-optional", "an unknown section that is optional", Accepted, varied, |i| {
            i.insert_section(77, 0, b"may be ignored");
        }),
        (
            "section-optional-kind-33",
            "a kind that no bit of 32 stands for",
            Accepted,
            varied,
            |i| {
                i.insert_section(33, 0, b"may be ignored");
            },
        ),
        ("section-reserved", "a reserved byte in the section table", NAME, small, |i| {
            let slot = i.slot(STATS);
            i.put8(slot + 31, 1);
        }),
        ("section-flags", "an unknown section flag", NAME, small, |i| {
            let slot = i.slot(STATS);
            i.put32(slot + 4, 0x8000_0000);
        }),
        ("section-unused-kind", "an unused slot with a kind", NAME, small, |i| {
            i.put32(HEADER - 32, 77);
        }),
        ("section-unused-length", "an unused slot with a length", NAME, small, |i| {
            i.put64(HEADER - 16, 1);
        }),
        ("section-unused-reserved", "an unused slot with a reserved byte", NAME, small, |i| {
            i.put8(HEADER - 1, 1);
        }),
        ("sums-too-short", "fewer sums than pages", NAME, varied, |i| {
            let slot = i.slot(SUMS);
            add64(i, slot + 16, 0u64.wrapping_sub(4));
        }),
        ("sums-too-early", "sums that start before the end of the rest", NAME, varied, |i| {
            let slot = i.slot(SUMS);
            add64(i, slot + 8, 0u64.wrapping_sub(64));
        }),
    ]
}
