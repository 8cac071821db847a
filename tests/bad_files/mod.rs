//! The attacks: a good table, what is changed in it, and the error that must come of it.

mod content;
mod ends;
mod geometry;
mod indexes;
mod sections;

use crate::common::bases::{
    aligned, crowded, deep, empty, equals, even, fixed, lined, long_key, long_value, of_hash_0,
    padded, repeated, small, varied,
};
use crate::common::craft::{HASH, Image, RECORDS, at};
use crate::common::{Case, generate};

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
