//! The attacks: a good table, what is changed in it, and the error that must come of it.

use crate::common::Case;
use crate::common::craft::{
    FOOTER, HASH, HEADER, INDEX, Image, LINES, METADATA, RECORDS, STATS, SUMS, at,
};
use crate::common::generate;
use graven::HashIndex;

/// What must become of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// `open` fails with this error.
    Refused(&'static str),
    /// It opens, and `verify` fails with this error.
    Damaged(&'static str),
    /// It opens, and `verify` passes.
    Accepted,
}

use Expect::{Accepted, Damaged, Refused};

/// One crafted file.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) lie: &'static str,
    pub(crate) expect: Expect,
    base: fn() -> Image,
    craft: fn(&mut Image),
    /// Whether checksums are made to fit afterwards.
    seal: bool,
}

impl Attack {
    pub(crate) fn make(&self) -> Vec<u8> {
        let mut image = (self.base)();
        (self.craft)(&mut image);
        if self.seal {
            image.seal();
        }
        image.bytes
    }
}

/// Keys and values of several lengths, several blocks, both indexes, metadata.
fn varied() -> Image {
    let entries = (0..120usize).map(|i| {
        let end = if i % 4 == 1 { "x" } else { "" };
        (format!("key-{i:03}{end}").into_bytes(), vec![b'v'; i % 10])
    });
    Image::of(&Case {
        hash_index: HashIndex::Always,
        metadata: vec![(b"a".to_vec(), b"1".to_vec()), (b"bb".to_vec(), b"22".to_vec())],
        ..Case::of(entries.collect())
    })
}

/// An ordered index of two levels, nothing else.
fn deep() -> Image {
    let entries = (0..1_100).map(|i| (format!("{i:x}").into_bytes(), Vec::new()));
    Image::of(&Case { hash_index: HashIndex::Never, ..Case::of(entries.collect()) })
}

/// Keys and values of four bytes each, spread unevenly: both indexes.
fn fixed() -> Image {
    let entries =
        (0..100u32).map(|i| ((i * i * i).to_be_bytes().to_vec(), i.to_le_bytes().to_vec()));
    Image::of(&Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) })
}

/// Fixed width, spread evenly: a line index.
fn lined() -> Image {
    let entries = (0..100u32).map(|i| ((i * 3).to_be_bytes().to_vec(), i.to_le_bytes().to_vec()));
    Image::of(&Case::of(entries.collect()))
}

/// Fixed width with padding before the first key and after each value.
fn padded() -> Image {
    let entries = (0..10u8).map(|i| (vec![b'k', i, i], vec![i; 6]));
    Image::of(&Case { value_align: 8, ..Case::of(entries.collect()) })
}

/// Padding inside records.
fn aligned() -> Image {
    let entries = (0..10u8).map(|i| (vec![b'k'; usize::from(i)], vec![i; usize::from(i) + 3]));
    Image::of(&Case { value_align: 16, ..Case::of(entries.collect()) })
}

/// One block without any index.
fn small() -> Image {
    let entries = [("a", "1"), ("bb", "22"), ("ccc", "")];
    let entries = entries.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
    Image::of(&Case::of(entries.to_vec()))
}

/// Each key three times.
fn repeated() -> Image {
    let entries = (0..90u8).map(|i| (vec![b'k', i / 3], vec![i; usize::from(i % 3)]));
    Image::of(&Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) })
}

fn empty() -> Image {
    Image::of(&Case::default())
}

pub(crate) const BASES: [fn() -> Image; 9] =
    [varied, deep, fixed, lined, padded, aligned, small, repeated, empty];

/// A key of 65,536 bytes in a record that is consistent in itself: the last key takes its value's
/// first byte, and the value the first byte of the padding behind it.
pub(crate) fn key_too_long() -> Vec<u8> {
    let entries = [(vec![0], vec![7; 3]), (vec![1; generate::LONGEST_KEY], vec![7; 3])];
    let mut image = Image::of(&Case::of(entries.to_vec()));
    let (records, len) = image.section(RECORDS);
    let word = records + usize::from(image.bytes[at::LENGTH_WIDTH]) + 4;
    assert_eq!(image.u32(word) & 0xFF_FFFF, 65_535, "not the length word of a fixed value");
    assert!(len % 64 != 0, "no padding behind the records");
    add32(&mut image, word, 1);
    let slot = image.slot(RECORDS);
    image.put64(slot + 16, len as u64 + 1);
    image.seal();
    image.bytes
}

/// The first bucket slot that is taken: bucket offset and slot.
fn taken_slot(image: &Image) -> (usize, usize) {
    let (start, len) = image.section(HASH);
    let at = (start..start + len).step_by(64);
    let slots = at.flat_map(|bucket| (0..12).map(move |slot| (bucket, slot)));
    slots.into_iter().find(|&(bucket, slot)| image.bytes[bucket + slot] != 0).unwrap()
}

fn add32(image: &mut Image, at: usize, more: u32) {
    let value = image.u32(at).wrapping_add(more);
    image.put32(at, value);
}

fn add64(image: &mut Image, at: usize, more: u64) {
    let value = image.u64(at).wrapping_add(more);
    image.put64(at, value);
}

fn swap(image: &mut Image, a: usize, b: usize, len: usize) {
    let (x, y) = (image.bytes[a..a + len].to_vec(), image.bytes[b..b + len].to_vec());
    image.put(a, &y);
    image.put(b, &x);
}

type Row = (&'static str, &'static str, Expect, fn() -> Image, fn(&mut Image));

/// Every attack; the file's name is the first field.
pub(crate) fn attacks() -> Vec<Attack> {
    let sealed =
        [header(), geometry(), sections(), records(), nodes(), lines(), buckets(), texts()];
    let sealed = sealed.into_iter().flatten().map(|row| (row, true));
    let attacks = sealed.chain(unsealed().into_iter().map(|row| (row, false)));
    attacks
        .map(|((name, lie, expect, base, craft), seal)| Attack {
            name,
            lie,
            expect,
            base,
            craft,
            seal,
        })
        .collect()
}

/// Who and what the table says it is.
fn header() -> Vec<Row> {
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
            i.put8(at::RESERVED_1 + 6, 1);
        }),
        ("reserved-2", "a reserved byte set", Refused("InvalidHeader(reserved_2)"), small, |i| {
            i.put8(at::RESERVED_2 + 55, 1);
        }),
    ]
}

/// Counts, widths and shapes in the header.
fn geometry() -> Vec<Row> {
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
            Damaged("Corrupt(record makes no sense)"),
            varied,
            |i| {
                add64(i, at::ENTRIES, 1);
                add64(i, at::KEYS, 1);
            },
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
            Damaged("Corrupt(index does not find the record)"),
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
            Damaged("Corrupt(ordered-index node makes no sense)"),
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
            |i| i.put8(at::HASH_FUNCTION, 1),
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
            Damaged("Corrupt(index does not find the record)"),
            fixed,
            |i| i.put8(at::SLOT_WIDTH, 6),
        ),
        (
            "hash-attempt",
            "another attempt number",
            Damaged("Corrupt(index does not find the record)"),
            varied,
            |i| i.put32(at::HASH_ATTEMPT, 1),
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

/// The section table.
fn sections() -> Vec<Row> {
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

/// Records.
fn records() -> Vec<Row> {
    const NONSENSE: Expect = Damaged("Corrupt(record makes no sense)");
    const ORDER: Expect = Damaged("Corrupt(keys are out of order)");
    const PADDING: Expect = Damaged("Corrupt(padding is not zero)");
    vec![
        (
            "keys-swapped",
            "two keys in each other's place",
            Damaged("Corrupt(index does not find the record)"),
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
            Damaged("Corrupt(index does not find the record)"),
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

/// Nodes of the ordered index.
fn nodes() -> Vec<Row> {
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
            Damaged("Corrupt(index does not find the record)"),
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
        ("leaf-base-offset-huge", "a leaf at offset 2^64 − 1", NODE, deep, |i| {
            i.put64(i.node(1) + 24, u64::MAX);
        }),
        (
            "leaf-base-offset-other",
            "a leaf that starts inside a record",
            Damaged("Corrupt(index does not find the record)"),
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
        ("leaf-rank-65535", "a block beyond the last entry", RANKS, varied, |i| {
            i.put16(i.ranks(i.node(0)) + 2, u16::MAX);
        }),
        ("leaf-offset-inside", "a block that starts inside a record", NODE, varied, |i| {
            let offsets = i.offsets(i.node(0));
            add32(i, offsets, 1);
        }),
        ("leaf-offset-beyond", "a block beyond the records", NODE, varied, |i| {
            i.put32(i.offsets(i.node(0)), u32::MAX);
        }),
        ("leaf-offset-next", "a block that starts a record late", NODE, varied, |i| {
            let offsets = i.offsets(i.node(0));
            let second = i.records() + i.u32(offsets) as usize;
            let after = i.find(b"key-", i.find(b"key-", second) + 1) - 1;
            i.put32(offsets, (after - i.records()) as u32);
        }),
        ("leaf-offsets-swapped", "blocks in each other's place", NODE, varied, |i| {
            let offsets = i.offsets(i.node(0));
            swap(i, offsets, offsets + 4, 4);
        }),
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
            Damaged("Corrupt(index does not find the record)"),
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
            Damaged("Corrupt(block is longer than allowed)"),
            deep,
            |i| {
                i.put64(i.node(i.root()) + 32, u64::MAX);
            },
        ),
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
fn lines() -> Vec<Row> {
    const TAGS: Expect = Damaged("Corrupt(line has wrong tags)");
    const LOST: Expect = Damaged("Corrupt(index does not find the record)");
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
        ("line-scale-huge", "keys spread beyond the last line", LOST, lined, |i| {
            i.put64(at::LINE_SCALE, u64::MAX);
        }),
        ("line-base-huge", "all keys below the smallest", LOST, lined, |i| {
            i.put64(at::LINE_BASE, u64::MAX);
        }),
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
        ("line-rank-huge", "a line of rank 2^32 − 1", LOST, lined, |i| {
            i.put32(i.section(LINES).0 + 64, u32::MAX);
        }),
        (
            "line-rank-0",
            "a second line of rank 0",
            Damaged("Corrupt(more keys of one tag than allowed)"),
            lined,
            |i| {
                i.put32(i.section(LINES).0 + 64, 0);
            },
        ),
        ("line-rank-more", "a line that starts a rank late", LOST, lined, |i| {
            let line = i.section(LINES).0 + 64;
            add32(i, line, 1);
        }),
        ("line-tags-swapped", "tags out of order", TAGS, lined, |i| {
            let line = i.section(LINES).0 + 64;
            swap(i, line + 4, line + 6, 2);
        }),
        ("line-tags-equal", "a line of equal tags", LOST, lined, |i| {
            let line = i.section(LINES).0;
            i.bytes[line + 4..line + 64].fill(0);
        }),
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

/// Buckets of the hash index.
fn buckets() -> Vec<Row> {
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
                    i.bytes[bucket..bucket + 12].iter().filter(|tag| **tag == 0).count()
                };
                let buckets = (start..start + len).step_by(64);
                let bucket = buckets.max_by_key(|&bucket| free(bucket)).unwrap();
                assert!(free(bucket) >= 3, "too full for the attack");
                let tag = *i.bytes[bucket..bucket + 12].iter().find(|tag| **tag != 0).unwrap();
                for slot in bucket..bucket + 12 {
                    if i.bytes[slot] == 0 {
                        i.bytes[slot] = tag;
                    }
                }
            },
        ),
        ("slot-beyond", "a slot beyond the records", REFERENCE, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            i.put32(bucket + 12 + 4 * slot, u32::MAX);
        }),
        ("slot-end", "a slot just beyond the last entry", REFERENCE, fixed, |i| {
            let (bucket, slot) = taken_slot(i);
            i.put32(bucket + 12 + 4 * slot, 100);
        }),
        ("slot-inside", "a slot that refers into a record", LOST, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            add32(i, bucket + 12 + 4 * slot, 1);
        }),
        ("slot-other-key", "a slot that refers to another key", LOST, fixed, |i| {
            let (bucket, slot) = taken_slot(i);
            let reference = i.u32(bucket + 12 + 4 * slot);
            i.put32(bucket + 12 + 4 * slot, (reference + 1) % 100);
        }),
        (
            "slot-second-of-equals",
            "a slot that refers to a key's second entry",
            LOST,
            repeated,
            |i| {
                let (bucket, slot) = taken_slot(i);
                let at = bucket + 12 + 4 * slot;
                // The first of the equals has no value: its record is a length word and a key.
                add32(i, at, 3);
            },
        ),
        ("slot-emptied", "a key that the index lost", LOST, varied, |i| {
            let (bucket, slot) = taken_slot(i);
            i.put8(bucket + slot, 0);
        }),
        (
            "slot-more",
            "a slot more than there are keys",
            Damaged("Corrupt(bucket does not fit its keys)"),
            varied,
            |i| {
                let (start, len) = i.section(HASH);
                let mut tags =
                    (start..start + len).step_by(64).flat_map(|bucket| bucket..bucket + 12);
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
                let free = slots.into_iter().find(|&(b, s)| i.bytes[b + s] == 0).unwrap();
                i.put32(free.0 + 12 + 4 * free.1, 1);
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

/// Statistics and metadata.
fn texts() -> Vec<Row> {
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
        ("stats-second-buckets", "more keys in second buckets than keys", WRONG, small, |i| {
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

/// Lies about checksums and ends: nothing is sealed afterwards.
fn unsealed() -> Vec<Row> {
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
