//! Lies about what the file is, its checksums and its ends.

use super::Expect::{Accepted, Damaged, Refused};
use super::{Row, add32, add64, deep, small, swap, varied};
use crate::common::craft::{FOOTER, HEADER, SUMS, at};

/// Who and what the table says it is.
pub(super) fn header() -> Vec<Row> {
    vec![
        ("magic-foreign", "another magic", Refused("NotATable"), small, |i| {
            i.put(0, b"\x7fELF\x02\x01\x01\0");
        }),
        ("magic-line-ends", "CR LF turned into LF", Refused("NotATable"), small, |i| {
            i.put(4, b"\n\x1a\n\n");
        }),
        ("magic-seven-bits", "high bit stripped", Refused("NotATable"), small, |i| {
            i.put8(0, 0x09);
        }),
        ("major-2", "a later major version", Refused("UnsupportedVersion"), small, |i| {
            i.put16(at::MAJOR, 2);
        }),
        ("major-0", "major version 0", Refused("UnsupportedVersion"), small, |i| {
            i.put16(at::MAJOR, 0);
        }),
        ("minor-9", "a later minor version", Accepted, small, |i| i.put16(at::MINOR, 9)),
        (
            "header-size-0",
            "a header of no bytes",
            Refused("InvalidHeader(header_size)"),
            small,
            |i| {
                i.put32(at::HEADER_SIZE, 0);
            },
        ),
        (
            "header-size-huge",
            "a header of 4 GiB",
            Refused("InvalidHeader(header_size)"),
            small,
            |i| i.put32(at::HEADER_SIZE, u32::MAX),
        ),
        (
            "header-size-beyond-file",
            "a header longer than the file",
            Refused("Truncated"),
            small,
            |i| i.put32(at::HEADER_SIZE, 4096),
        ),
        (
            "header-size-over-records",
            "a header that reaches over the records",
            Refused("InvalidHeader(sections)"),
            varied,
            |i| i.put32(at::HEADER_SIZE, 512),
        ),
        ("file-len-huge", "2^64 − 1 bytes", Refused("Truncated"), small, |i| {
            i.put64(at::FILE_LEN, u64::MAX);
        }),
        ("file-len-0", "no bytes", Refused("TrailingBytes"), small, |i| i.put64(at::FILE_LEN, 0)),
        ("file-len-one-more", "one byte more than there is", Refused("Truncated"), small, |i| {
            add64(i, at::FILE_LEN, 1);
        }),
        (
            "file-len-one-less",
            "one byte less than there is",
            Refused("TrailingBytes"),
            small,
            |i| {
                add64(i, at::FILE_LEN, u64::MAX);
            },
        ),
        ("flags-unknown", "an unknown flag", Refused("InvalidHeader(flags)"), small, |i| {
            add32(i, at::FLAGS, 8);
        }),
        ("flags-all", "every flag", Refused("InvalidHeader(flags)"), small, |i| {
            i.put32(at::FLAGS, u32::MAX);
        }),
        ("order-1", "another key order", Refused("UnsupportedFeature(key order)"), small, |i| {
            i.put8(at::ORDER, 1);
        }),
        ("sum-unit-13", "sums over 8 KiB", Refused("InvalidHeader(sum_unit_log2)"), small, |i| {
            i.put8(at::SUM_UNIT, 13);
        }),
        ("sum-unit-255", "a shift by 255", Refused("InvalidHeader(sum_unit_log2)"), small, |i| {
            i.put8(at::SUM_UNIT, 255);
        }),
        ("reserved-1", "a reserved byte set", Refused("InvalidHeader(reserved_1)"), small, |i| {
            i.put8(at::RESERVED_1 + 5, 1);
        }),
        ("reserved-2", "a reserved byte set", Refused("InvalidHeader(reserved_2)"), small, |i| {
            i.put8(at::RESERVED_2 + 39, 1);
        }),
    ]
}

/// Lies about checksums and ends: nothing is sealed afterwards.
pub(super) fn unsealed() -> Vec<Row> {
    vec![
        ("trailing-byte", "a byte after the end", Refused("TrailingBytes"), small, |i| {
            i.bytes.push(0);
        }),
        ("trailing-table", "a second table after the end", Refused("TrailingBytes"), small, |i| {
            i.bytes.extend(small().bytes);
        }),
        ("truncated", "half a table", Refused("Truncated"), varied, |i| {
            let half = i.bytes.len() / 2;
            i.bytes.truncate(half);
        }),
        (
            "truncated-with-footer",
            "half a table and its footer",
            Refused("Truncated"),
            varied,
            |i| {
                let (half, footer) = (i.bytes.len() / 2, i.footer());
                i.bytes.drain(half..footer);
            },
        ),
        ("header-alone", "a header and nothing else", Refused("TooShort"), small, |i| {
            i.bytes.truncate(HEADER);
        }),
        ("magic-alone", "a magic and nothing else", Refused("TooShort"), small, |i| {
            i.bytes.truncate(8);
        }),
        ("header-checksum", "a wrong header checksum", Refused("HeaderChecksum"), small, |i| {
            add32(i, at::CHECKSUM, 1);
        }),
        ("footer-magic", "another footer magic", Refused("FooterMismatch(magic)"), small, |i| {
            i.put8(i.footer(), b'g');
            i.seal_footer();
        }),
        ("footer-file-len", "another length", Refused("FooterMismatch(file_len)"), small, |i| {
            i.put64(i.footer() + 8, 1);
            i.seal_footer();
        }),
        (
            "footer-build-id",
            "another build id",
            Refused("FooterMismatch(build_id_low)"),
            small,
            |i| {
                i.put64(i.footer() + 16, 1);
                i.seal_footer();
            },
        ),
        (
            "footer-header-checksum",
            "another header's checksum",
            Refused("FooterMismatch(header_checksum)"),
            small,
            |i| {
                i.put32(i.footer() + 24, 1);
                i.seal_footer();
            },
        ),
        ("footer-checksum", "a wrong checksum", Refused("FooterMismatch(checksum)"), small, |i| {
            add32(i, i.footer() + 28, 1);
        }),
        (
            "footer-zero",
            "a footer of zeros: a torn end",
            Refused("FooterMismatch(magic)"),
            small,
            |i| {
                let footer = i.footer();
                i.put(footer, &[0; FOOTER]);
            },
        ),
        (
            "build-id",
            "another build id, all checksums fit",
            Damaged("Corrupt(build id does not fit the content)"),
            small,
            |i| {
                i.put8(at::BUILD_ID + 15, 1);
                i.seal_below_id(HEADER);
            },
        ),
        ("sums-swapped", "sums in each other's place", Damaged("Checksum"), deep, |i| {
            let sums = i.section(SUMS).0;
            swap(i, sums, sums + 4, 4);
        }),
        ("sums-zero", "sums of zero", Damaged("Checksum"), varied, |i| {
            let (sums, len) = i.section(SUMS);
            i.bytes[sums..sums + len].fill(0);
        }),
        ("sums-unmasked", "sums without their masks", Damaged("Checksum"), small, |i| {
            let sums = i.section(SUMS).0;
            let mask = i.u32(at::BUILD_ID);
            let sum = i.u32(sums);
            i.put32(sums, sum ^ mask);
        }),
    ]
}
