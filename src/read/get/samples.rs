//! Tables of every kind that lookups know, and what a lookup of a key reads in them: for the tests of
//! this folder. Where the fast path of a lookup comes to nothing, the careful path gives the same
//! answer later, so these tests ask each path for itself.

use super::checked::Checked;
use super::crafted::{Crafted, always};
use super::shape::Kind;
use crate::format::hasher::{ADDENDS, Hasher};
use crate::format::index::hash::{BUCKET, Shape, Slots, Tails};
use crate::format::index::line::{LINE, LINE_TAGS, tag as line_tag};
use crate::format::layout::{HashLayout, Layout, LineLayout, Span};
use crate::format::sums::UNIT;
use crate::read::map::Bytes;
use crate::read::pages::Pages;
use crate::read::view::View;
use crate::{BuildOptions, HashIndex, Table};
use std::collections::BTreeMap;
use std::ops::Range;

/// What a table holds.
pub(super) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Entries of a table. Few enough for its pages to have their bits in one word, and too many for the
/// buckets to fit into one page.
const ENTRIES: u64 = 800;
/// Lengths of keys, of each class that lookups distinguish.
const KEY_LENGTHS: [usize; 13] = [5, 8, 12, 16, 17, 24, 32, 33, 48, 64, 65, 100, 126];
/// A seed of hashes.
const SEED: u64 = 0x1234_5678_9ABC_DEF1;

/// Bytes that look random, others for each `i` (SplitMix64; Steele, Lea and Flood 2014).
pub(super) fn noise(i: u64, len: usize) -> Vec<u8> {
    let word = |word: u64| {
        let x = (i ^ word << 48).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)).to_be_bytes()
    };
    (0..len.div_ceil(8) as u64).flat_map(word).take(len).collect()
}

/// Entries with keys and values of these lengths.
fn entries(lengths: impl Fn(u64) -> (usize, usize)) -> Entries {
    let entry = |i: u64| {
        let (key_len, value_len) = lengths(i);
        (noise(i, key_len), noise(!i, value_len))
    };
    (0..ENTRIES).map(entry).collect()
}

/// Entries of one width. No multiple of it is a page, so some records lie in two pages.
pub(super) fn of_width(key_len: usize) -> Entries {
    entries(|_| (key_len, 9))
}

/// Entries with keys of each class. Seven bits hold the length of a key, and nine bits that of a value.
pub(super) fn of_any_width() -> Entries {
    entries(|i| (any_key_len(i), i as usize * 41 % 333))
}

/// The length of key `i` of those that have several.
fn any_key_len(i: u64) -> usize {
    KEY_LENGTHS[i as usize % KEY_LENGTHS.len()]
}

/// Two keys with one hash, of 8 to 16 bytes or of 24, 48 or 100. A factor of zero in a product takes
/// the other factor out of the hash.
pub(super) fn of_one_hash(len: usize) -> [Vec<u8>; 2] {
    const FIRST: [u8; 8] = 0xA076_1D64_78BD_642F_u64.to_le_bytes();
    const LAST: [u8; 8] = 0xE703_7ED1_A0B4_28DB_u64.to_le_bytes();
    if len == 8 {
        return [FIRST.to_vec(), LAST.to_vec()];
    }
    [0, 1].map(|byte| {
        let mut key = noise(7, len);
        if len <= 16 {
            key[..8].copy_from_slice(&FIRST);
            key[8..].fill(byte);
        } else {
            key[..4].copy_from_slice(&ADDENDS[0][0].wrapping_neg().to_le_bytes());
            key[4..8].fill(byte);
        }
        key
    })
}

/// A table, and what it holds.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) entries: Entries,
    /// Keys that are not there, of the lengths of those that are.
    absent: Vec<Vec<u8>>,
    pub(super) crafted: Crafted,
}

impl Sample {
    /// A table as the writer makes it.
    pub(super) fn build(name: &str, kind: Kind, options: &BuildOptions, entries: Entries) -> Self {
        let crafted = Crafted::build(options, &entries);
        let others = entries.keys().zip(ENTRIES..).map(|(key, i)| noise(i, key.len()));
        let absent = others.filter(|key| !entries.contains_key(key)).collect();
        Self { name: name.to_owned(), kind, entries, absent, crafted }
    }

    /// A table of keys of one length, with the line index.
    pub(super) fn by_lines(key_len: usize) -> Self {
        let kind = match key_len {
            8 => Kind::Lines8,
            16 => Kind::Lines16,
            _ => Kind::Lines,
        };
        let name = format!("lines, {key_len}-byte keys");
        Self::build(&name, kind, &BuildOptions::new(), of_width(key_len))
    }

    /// A table of keys of one length, with a hash index.
    pub(super) fn fixed(key_len: usize) -> Self {
        let name = format!("fixed width, {key_len}-byte keys");
        Self::build(&name, Kind::Fixed, &always(), of_width(key_len))
    }

    /// A table of plain records.
    pub(super) fn plain() -> Self {
        Self::build("plain", Kind::Plain, &always(), of_any_width())
    }

    /// A table of aligned values.
    pub(super) fn aligned() -> Self {
        Self::build("aligned", Kind::Variable, &always().value_align(8), of_any_width())
    }

    /// A table of records that are not plain, with keys and values of these lengths.
    fn variable(name: &str, lengths: impl Fn(u64) -> (usize, usize)) -> Self {
        Self::build(name, Kind::Variable, &always(), entries(lengths))
    }

    /// A table with slots of five bytes.
    pub(super) fn large() -> Self {
        Self::ordered(of_any_width()).indexed("five bytes", Kind::Large, Slots::Five, 0)
    }

    /// A table with the ordered index alone.
    fn ordered(entries: Entries) -> Self {
        let options = BuildOptions::new().hash_index(HashIndex::Never);
        Self::build("ordered", Kind::Ordered, &options, entries)
    }

    /// This table with a hash index that the writer would not give it: it makes slots of more than four
    /// bytes beyond 4 GiB only, and takes a seed only where keys were chosen.
    pub(super) fn indexed(mut self, name: &str, kind: Kind, slots: Slots, seed: u64) -> Self {
        let hasher = Hasher::new(seed);
        let tails = Tails::new(slots, self.end_of_references());
        let hashes = self.entries.keys().map(|key| hasher.hash(key));
        let keys: Vec<_> = hashes.zip(self.references()).collect();
        // As few buckets as will do, so that some keys stand in their second.
        let filled = |per_group| {
            let shape = Shape { groups: 1, per_group };
            fill(shape, slots, tails, &keys).map(|buckets| (shape, buckets))
        };
        let (shape, buckets) = (2..).find_map(filled).unwrap();
        let Crafted { bytes, layout } = &mut self.crafted;
        let start = bytes.len().next_multiple_of(UNIT);
        bytes.resize(start, 0);
        bytes.extend_from_slice(buckets.as_flattened());
        let end = bytes.len();
        layout.hash = Some(HashLayout {
            span: Span { start, end },
            shape,
            buckets: shape.buckets(),
            slots,
            tails,
            hasher,
            seeded: seed != 0,
            attempt: u32::from(seed != 0),
            set_aside: 0,
        });
        (layout.sums, layout.file_len) = (Span { start: end, end }, end);
        (self.name, self.kind) = (name.to_owned(), kind);
        self
    }

    /// What slots refer to, for each key in order.
    fn references(&self) -> Vec<u64> {
        let Crafted { bytes, layout } = &self.crafted;
        let Layout { records, decoder, entries, fixed, .. } = layout;
        if fixed.is_some() {
            return (0..*entries).collect();
        }
        let next = |&start: &usize| Some(decoder.parts(bytes, start)?.end());
        let starts = std::iter::successors(Some(records.start), next).take(*entries as usize);
        starts.map(|start| (start - records.start) as u64).collect()
    }

    /// What slots refer to is below this: the number of entries, or of bytes of records.
    pub(super) fn end_of_references(&self) -> u64 {
        let layout = &self.crafted.layout;
        if layout.fixed.is_some() { layout.entries } else { layout.records.len() as u64 }
    }

    /// Keys that are there, and as many that are not.
    pub(super) fn asked(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.keys().chain(&self.absent).map(Vec::as_slice)
    }

    /// The value of a key.
    pub(super) fn right(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    /// Number of pages with a sum.
    pub(super) fn units(&self) -> usize {
        self.crafted.layout.sums.start.div_ceil(UNIT)
    }

    /// The table, no page of which is ever to be checked.
    pub(super) fn trusted(&self) -> Table {
        self.open(Pages::unchecked())
    }

    /// The table, of which these pages were checked.
    pub(super) fn with_checked(&self, is_checked: impl Fn(usize) -> bool) -> Table {
        // Runs of checked pages end with the word of their bits.
        assert!(self.units() <= 64, "{}: {} pages", self.name, self.units());
        let pages = Pages::new(&self.crafted.layout);
        (0..self.units()).filter(|&unit| is_checked(unit)).for_each(|unit| pages.mark(unit));
        self.open(pages)
    }

    fn open(&self, pages: Pages) -> Table {
        let Crafted { bytes, layout } = self.crafted.clone();
        Table::new(Bytes::from_cow(bytes.into()), layout, pages, None)
    }
}

/// Buckets in which each key stands in its first bucket, or, where that is full, in its second. `None`
/// if both are full. A key is a hash and a reference.
fn fill(
    shape: Shape,
    slots: Slots,
    tails: Tails,
    keys: &[(u64, u64)],
) -> Option<Vec<[u8; BUCKET]>> {
    let mut buckets = vec![[0; BUCKET]; shape.buckets() as usize];
    let free =
        |bucket: &[u8; BUCKET]| (0..slots.count()).find(|&slot| slots.tag(bucket, slot) == 0);
    for &(hash, reference) in keys {
        let place = shape.place(hash);
        let [first, second] = [place.first, place.second].map(|number| number as usize);
        let (number, slot) = match free(&buckets[first]) {
            Some(slot) => (first, slot),
            None => {
                slots.set_overflow(&mut buckets[first], place.overflow);
                (second, free(&buckets[second])?)
            }
        };
        slots.set(&mut buckets[number], slot, place.tag, tails.with_tail(reference, hash));
    }
    Some(buckets)
}

/// Tables in which the first try decides nearly every key.
pub(super) fn samples() -> Vec<Sample> {
    let by_lines = [8, 16, 32, 12].map(Sample::by_lines);
    let fixed = [8, 16, 12, 24, 48, 100].map(Sample::fixed);
    let others = [
        Sample::plain(),
        Sample::aligned(),
        Sample::variable("keys of one length", |i| (24, i as usize * 41 % 333)),
        Sample::variable("values of one length", |i| (any_key_len(i), 9)),
        // Six bits hold the length of a key.
        Sample::variable("short keys", |i| {
            let value_len = if i % 40 == 7 { 700 } else { i as usize % 90 };
            ([5, 8, 12, 16, 20, 32, 40, 60][i as usize % 8], value_len)
        }),
        Sample::large(),
        Sample::ordered(of_width(8)).indexed("seed, fixed", Kind::Fixed, Slots::Four, SEED),
        Sample::ordered(of_any_width()).indexed("seed, plain", Kind::Plain, Slots::Four, SEED),
    ];
    by_lines.into_iter().chain(fixed).chain(others).collect()
}

/// Tables in which the first try decides no key.
pub(super) fn left_samples() -> Vec<Sample> {
    let ordered = Sample::ordered(of_any_width());
    let six = ordered.clone().indexed("six bytes", Kind::Other, Slots::Six, 0);
    vec![ordered, six, Sample::fixed(130)]
}

/// What a lookup of a key reads, by the format alone.
pub(super) struct Reads {
    /// Where the lines or buckets start.
    cells: Vec<usize>,
    /// The record; empty for a key that is absent.
    pub(super) record: Range<usize>,
    /// Whether the cells have the key's tag for no other key.
    pub(super) is_alone: bool,
}

impl Reads {
    /// What a lookup of `key` reads in a table whose pages are trusted.
    pub(super) fn of(table: &Table, key: &[u8]) -> Self {
        let view = table.view();
        let found = Checked::of(view).locate(key).unwrap();
        let record = found.map_or(0..0, |found| found.offset..found.parts.end());
        let (cells, is_alone) = match (&view.layout().lines, &view.layout().hash) {
            (Some(lines), _) => line_of(view, lines, key, !record.is_empty()),
            (None, Some(index)) => buckets_of(view, index, key, &record),
            (None, None) => (Vec::new(), true),
        };
        Self { cells, record, is_alone }
    }

    /// Whether the first bucket sends the key on to the second.
    pub(super) fn goes_on(&self) -> bool {
        self.cells.len() > 1
    }

    /// Whether the lines or buckets lie in such pages.
    pub(super) fn cells_lie_in(&self, is_such: impl Fn(usize) -> bool) -> bool {
        self.cells.iter().all(|start| is_such(start / UNIT))
    }

    /// Whether the record lies in such pages.
    pub(super) fn record_lies_in(&self, is_such: impl Fn(usize) -> bool) -> bool {
        (self.record.start / UNIT..self.record.end.div_ceil(UNIT)).all(is_such)
    }
}

/// Where the line of a key starts, if it has one, and whether the key is alone with its tag there.
fn line_of(view: &View, lines: &LineLayout, key: &[u8], is_there: bool) -> (Vec<usize>, bool) {
    let place = lines.scale.place(key).filter(|place| place.line < lines.lines);
    let Some(place) = place else { return (Vec::new(), true) };
    let line = view.proven().cell(place.line).unwrap();
    let equal = (0..LINE_TAGS).filter(|&i| line_tag(line, i) == place.tag).count();
    // Beyond the last tag of a line there may be more keys, whose tags nobody knows.
    let is_known = place.tag <= line_tag(line, LINE_TAGS - 1);
    let start = lines.span.start + place.line as usize * LINE;
    (vec![start], is_known && equal == usize::from(is_there))
}

/// Where the bucket or the two buckets start that a lookup of a key reads, and whether the key is alone
/// with its tag there.
fn buckets_of(
    view: &View,
    index: &HashLayout,
    key: &[u8],
    record: &Range<usize>,
) -> (Vec<usize>, bool) {
    let Layout { fixed, records, .. } = view.layout();
    let reference = match fixed {
        Some(fixed) => record.start.wrapping_sub(fixed.first) / fixed.stride,
        None => record.start.wrapping_sub(records.start),
    };
    let place = index.shape.place(index.hasher.hash(key));
    // What the slots with the key's tag refer to.
    let tagged = |number| -> Vec<u64> {
        let bucket = view.proven().cell(number).unwrap();
        let slots = (0..index.slots.count())
            .filter(|&slot| index.slots.tag(bucket, slot) == place.tag)
            .map(|slot| index.tails.reference(index.slots.get(bucket, slot)));
        slots.collect()
    };
    let mut found = tagged(place.first);
    let mut cells = vec![index.bucket_start(place.first)];
    let stands_there = !record.is_empty() && found.contains(&(reference as u64));
    let bucket = view.proven().cell(place.first).unwrap();
    if !stands_there && index.slots.overflows(bucket, place.overflow) {
        found.extend(tagged(place.second));
        cells.push(index.bucket_start(place.second));
    }
    (cells, found.len() == usize::from(!record.is_empty()))
}
