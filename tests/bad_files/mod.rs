//! The attacks: a good table, what is changed in it, and the error that must come of it.

mod content;
mod ends;
mod geometry;
mod indexes;
mod sections;

use crate::common::Case;
use crate::common::craft::{HASH, Image, RECORDS, at};
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

/// Four blocks of 30 records, an ordered index of one leaf.
fn even() -> Image {
    let entries = (0..120).map(|i| {
        let value = if i < 119 { "vvvv" } else { "vvvvv" };
        (format!("key{i:03}").into_bytes(), value.as_bytes().to_vec())
    });
    Image::of(&Case { hash_index: HashIndex::Never, ..Case::of(entries.collect()) })
}

/// Keys of one hash, which begin with a constant of the hash function, so that a factor is zero;
/// before and behind others.
fn crowded() -> Image {
    let equal = (0..20).map(of_hash_0);
    let others = (0..100).map(|i| format!("{}key-{i:03}", if i < 50 { "A" } else { "" }));
    let keys = equal.chain(others.map(String::into_bytes));
    Image::of(&Case {
        hash_index: HashIndex::Always,
        ..Case::of(keys.map(|key| (key, b"v".to_vec())).collect())
    })
}

/// A key whose hash is 0, one for each number.
fn of_hash_0(number: u64) -> Vec<u8> {
    [0xA076_1D64_78BD_642F_u64.to_le_bytes(), number.to_be_bytes()].concat()
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

/// One key with five values.
fn equals() -> Image {
    Image::of(&Case::of((0..5).map(|i| (b"k".to_vec(), vec![b'v'; i])).collect()))
}

fn empty() -> Image {
    Image::of(&Case::default())
}

/// Keys of four bytes, and one value too long for the length word.
fn long_value() -> Image {
    let entries = (0..40u32).map(|i| {
        let len = if i == 20 { 300 } else { i as usize % 7 };
        ((i * i).to_be_bytes().to_vec(), vec![b'v'; len])
    });
    Image::of(&Case::of(entries.collect()))
}

/// Values of four bytes, and one key too long for the length word.
fn long_key() -> Image {
    let entries = (0..40u32).map(|i| {
        let len = if i == 20 { 300 } else { i as usize % 7 };
        ([vec![i as u8], vec![b'k'; len]].concat(), i.to_le_bytes().to_vec())
    });
    Image::of(&Case::of(entries.collect()))
}

pub(crate) const BASES: [fn() -> Image; 14] = [
    varied, crowded, even, deep, fixed, lined, padded, aligned, small, repeated, equals, empty,
    long_value, long_key,
];

/// The lengths behind the escape of the record that has one: where they stand.
fn escape(image: &Image, key_len: u16, value_len: u32) -> usize {
    let lengths = [&key_len.to_le_bytes()[..], &value_len.to_le_bytes()].concat();
    let at = image.find(&lengths, image.records());
    let width = usize::from(image.bytes[at::LENGTH_WIDTH]);
    assert!(image.bytes[at - width..at].iter().all(|&byte| byte == 0xFF), "no escape");
    at
}

/// Moves the border between key and value of an escaped record.
fn divide(image: &mut Image, at: usize, key_len: u16, value_len: u32) {
    image.put16(at, key_len);
    image.put32(at + 2, value_len);
}

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

/// Where tags and slots start in a bucket with slots of four bytes.
const TAGS: usize = 4;
const SLOTS: usize = 16;

/// The first bucket slot that is taken: bucket offset and slot.
fn taken_slot(image: &Image) -> (usize, usize) {
    let (start, len) = image.section(HASH);
    let at = (start..start + len).step_by(64);
    let slots = at.flat_map(|bucket| (0..12).map(move |slot| (bucket, slot)));
    slots.into_iter().find(|&(bucket, slot)| image.bytes[bucket + TAGS + slot] != 0).unwrap()
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
    let sealed = [
        ends::header(),
        geometry::geometry(),
        sections::sections(),
        content::records(),
        indexes::nodes(),
        indexes::lines(),
        indexes::buckets(),
        content::texts(),
    ];
    let sealed = sealed.into_iter().flatten().map(|row| (row, true));
    let attacks = sealed.chain(ends::unsealed().into_iter().map(|row| (row, false)));
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
