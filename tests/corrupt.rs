//! Guards against damage that goes unseen: a disk, a copy or a transfer that changed, lost, or
//! moved bytes of a table. A damaged table must be refused, or answer each query with the right
//! bytes or an error, and `verify` must report it. A wrong answer without an error is the one
//! failure that nobody would notice.

mod common;

use common::craft::{INDEX, Image, SUMS};
use common::{Case, Model, Rng, Tally, generate, scaled, stride};
use graven::{HashIndex, OpenOptions, PageChecks, Table};
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A table and what it must answer.
struct Subject {
    bytes: Vec<u8>,
    model: Model,
}

impl Subject {
    fn of(case: &Case) -> Self {
        Self { bytes: case.bytes(), model: case.model() }
    }

    /// Variable width, both indexes, metadata, some repeated keys; about 64 KiB.
    fn varied(count: usize) -> Self {
        let mut entries = generate::varied(count);
        for i in (0..count).step_by(9) {
            let again = (entries[i].0.clone(), vec![i as u8; i % 7]);
            entries.push(again);
        }
        Self::of(&Case {
            hash_index: HashIndex::Always,
            metadata: vec![(b"source".to_vec(), b"test".to_vec())],
            ..Case::of(entries)
        })
    }

    /// Fixed width and a line index.
    fn lined(count: usize) -> Self {
        Self::of(&Case::of(generate::fixed(count, 8, 12)))
    }

    /// Fixed width, padded, and a tree.
    fn padded(count: usize) -> Self {
        let entries = generate::fixed(count, 5, 6);
        Self::of(&Case { hash_index: HashIndex::Always, value_align: 4, ..Case::of(entries) })
    }
}

/// What came of one damaged table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Detected,
    Lost,
    Crashed,
}

impl From<Outcome> for Tally {
    fn from(outcome: Outcome) -> Self {
        let is = |other| u64::from(outcome == other);
        Self {
            tried: 1,
            detected: is(Outcome::Detected),
            lost: is(Outcome::Lost),
            crashed: is(Outcome::Crashed),
        }
    }
}

/// Opens damaged bytes and queries them; every `step`-th key from `from` on is looked up.
fn examine(
    subject: &Subject,
    flat: &Flat<'_>,
    damaged: Vec<u8>,
    from: usize,
    step: usize,
) -> Outcome {
    let examined = catch_unwind(AssertUnwindSafe(|| {
        let Ok(table) = OpenOptions::new().from_bytes(damaged) else { return Outcome::Detected };
        if lookups(subject, flat, &table, from, step) && table.verify().is_err() {
            Outcome::Detected
        } else {
            Outcome::Lost
        }
    }));
    examined.unwrap_or(Outcome::Crashed)
}

type Flat<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Whether each answer is right or an error. Touches every section.
fn lookups(subject: &Subject, flat: &Flat<'_>, table: &Table, from: usize, step: usize) -> bool {
    let model = &subject.model.map;
    let first = |key: &[u8]| model.get(key).map(|values| values[0].as_slice());
    let chosen = flat.iter().enumerate().skip(from % step).step_by(step);
    let mut absent = Vec::new();
    let found = chosen.clone().all(|(i, &(key, _))| {
        absent.clear();
        absent.extend_from_slice(key);
        absent.push(b'!');
        let lower = || flat.partition_point(|entry| entry.0 < key) as u64;
        table.get(key).or_error(|value| value == first(key))
            && table.get(&absent).or_error(|value| value.is_none())
            && (i % 4 != 0 || table.rank(key).or_error(|rank| rank == lower()))
            && (i % 4 != 1
                || table.floor(&absent).or_error(|entry| {
                    entry.is_some_and(|entry| entry.0 == key && entry.1 == last_value(model, key))
                }))
            && (i % 4 != 2 || table.nth(i as u64).or_error(|e| e == Some(flat[i])))
    });
    let mut out = Vec::new();
    let keys: Vec<&[u8]> = chosen.map(|(_, entry)| entry.0).take(200).collect();
    let many = match table.get_many_into(&keys, &mut out) {
        Ok(()) => keys.iter().zip(&out).all(|(key, value)| *value == first(key)),
        Err(_) => out.is_empty(),
    };
    let lower = |key: &&[u8]| flat.partition_point(|entry| entry.0 < *key);
    let ordered = !from.is_multiple_of(8)
        || table
            .rank_many(&keys)
            .or_error(|ranks| ranks.into_iter().eq(keys.iter().map(|key| lower(key) as u64)))
            && table.ceil_many(&keys).or_error(|entries| {
                entries.into_iter().eq(keys.iter().map(|key| Some(flat[lower(key)])))
            });
    // A walk may end with an error, and all before it is right.
    let forward = table.iter().zip(flat.iter());
    let forward = forward.into_iter().all(|(entry, right)| entry.or_error(|e| e == *right));
    let backward = !from.is_multiple_of(8)
        || table
            .iter()
            .rev()
            .zip(flat.iter().rev())
            .all(|(entry, right)| entry.or_error(|e| e == *right));
    let metadata = table.metadata().or_error(|metadata| {
        metadata.iter().eq(subject.model.metadata.iter().map(|(k, v)| (&k[..], &v[..])))
    });
    let stats = table.stats().or_error(|stats| {
        stats.key_bytes == flat.iter().map(|entry| entry.0.len() as u64).sum::<u64>()
    });
    found && many && ordered && forward && backward && metadata && stats
}

fn last_value<'a>(
    model: &'a std::collections::BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    key: &[u8],
) -> &'a [u8] {
    model.get(key).and_then(|values| values.last()).map_or(&[], Vec::as_slice)
}

trait OrError<T> {
    /// An error, or a value for which `right` holds.
    fn or_error(self, right: impl FnOnce(T) -> bool) -> bool;
}

impl<T, E> OrError<T> for Result<T, E> {
    fn or_error(self, right: impl FnOnce(T) -> bool) -> bool {
        self.map_or(true, right)
    }
}

/// Runs damages in parallel and adds up what came of them.
fn all(
    subject: &Subject,
    damages: impl IndexedParallelIterator<Item = Option<Vec<u8>>>,
    step: usize,
) -> Tally {
    let flat = subject.model.flat();
    damages
        .enumerate()
        .filter_map(|(number, damaged)| Some((number, damaged?)))
        .map(|(number, damaged)| Tally::from(examine(subject, &flat, damaged, number, step)))
        .reduce(Tally::default, Tally::add)
}

#[test]
fn every_single_bit() {
    // Up to 1 MiB, where 8,388,608 flips take an hour on two processors.
    let scale = scaled(1).min(16) as usize;
    // The smallest table of this size: sections grow by steps, so entries and bytes are not proportional.
    let mut sizes = (1_700..).step_by(10).map(|entries| Subject::varied(entries * scale));
    let subject = sizes.find(|subject| subject.bytes.len() >= (64 << 10) * scale).unwrap();
    let len = subject.bytes.len();
    assert!(len < (66 << 10) * scale, "{len} bytes");
    let flips = (0..8 * len).into_par_iter().step_by(stride()).map(|bit| {
        let mut damaged = subject.bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        Some(damaged)
    });
    all(&subject, flips, 61 * scale).settle(&format!("every bit of {} KiB", 64 * scale));
}

/// The same for the other layouts, whose index and padding differ.
#[test]
fn every_single_bit_of_other_layouts() {
    for (name, subject) in [
        ("every bit, line index", Subject::lined(300)),
        ("every bit, padded and tree", Subject::padded(200)),
        ("every bit, one entry", Subject::lined(1)),
        ("every bit, no entry", Subject::lined(0)),
    ] {
        let bits = (0..8 * subject.bytes.len()).into_par_iter().step_by(stride());
        let flips = bits.map(|bit| {
            let mut damaged = subject.bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            Some(damaged)
        });
        all(&subject, flips, 5).settle(name);
    }
}

/// Two and three bits, mostly close together.
#[test]
fn few_bits() {
    let subject = Subject::varied(800);
    let bits = 8 * subject.bytes.len();
    let flips = (0..scaled(40_000)).into_par_iter().map(|seed| {
        let mut rng = Rng::new(u64::from(seed));
        let mut damaged = subject.bytes.clone();
        let mut bit = rng.below(bits);
        for _ in 0..2 + seed % 2 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            let reach = [32, 4096 * 8, bits][rng.below(3)];
            bit = (bit + 1 + rng.below(reach)) % bits;
        }
        (damaged != subject.bytes).then_some(damaged)
    });
    all(&subject, flips, 37).settle("2 and 3 bits");
}

/// Values that cover pages of their own: damage between a value's first and last page.
#[test]
fn bits_of_large_values() {
    let entries = (0..8u8).map(|i| (vec![i], vec![i; 9_000 + usize::from(i) * 1_000]));
    let subject = Subject::of(&Case::of(entries.collect()));
    let bits = 8 * subject.bytes.len();
    let flips = (0..scaled(10_000)).into_par_iter().map(|seed| {
        let mut damaged = subject.bytes.clone();
        let bit = Rng::new(u64::from(seed)).below(bits);
        damaged[bit / 8] ^= 1 << (bit % 8);
        Some(damaged)
    });
    all(&subject, flips, 1).settle("bits of large values");
}

/// Bursts of up to 32 bits.
#[test]
fn bursts() {
    let subject = Subject::varied(800);
    let flips = (0..scaled(20_000)).into_par_iter().map(|seed| {
        let mut rng = Rng::new(!u64::from(seed));
        let mut damaged = subject.bytes.clone();
        let at = rng.below(damaged.len() - 8);
        let burst = (rng.next() as u32 | 1) as u64;
        let burst = burst << rng.below(8);
        for (byte, flip) in damaged[at..].iter_mut().zip(burst.to_le_bytes()) {
            *byte ^= flip;
        }
        Some(damaged)
    });
    all(&subject, flips, 37).settle("bursts of up to 32 bits");
}

/// Units of 512 bytes and 4 KiB that were zeroed, swapped, moved, or left over from another table.
#[test]
fn lost_and_misplaced_units() {
    let subject = Subject::varied(1_650);
    // The same keys with other values, as a rebuild would leave behind; and another table.
    let mut entries: Vec<_> = generate::varied(1_650);
    entries.iter_mut().for_each(|entry| entry.1.reverse());
    let stale = Case { hash_index: HashIndex::Always, ..Case::of(entries) }.bytes();
    let other = Subject::varied(1_600).bytes;
    let cases = (0..scaled(40_000)).into_par_iter().map(|seed| {
        let mut rng = Rng::new(u64::from(seed) << 32);
        let mut damaged = subject.bytes.clone();
        let unit = [512, 4096][rng.below(2)];
        let units = damaged.len() / unit;
        let at = unit * rng.below(units);
        let to = unit * rng.below(units);
        match rng.below(4) {
            0 => damaged[at..at + unit].fill(0),
            1 => {
                let (a, b) = (at.min(to), at.max(to));
                if a < b {
                    let (front, back) = damaged.split_at_mut(b);
                    front[a..a + unit].swap_with_slice(&mut back[..unit]);
                }
            }
            2 => damaged.copy_within(at..at + unit, to),
            _ => {
                let old = [&stale, &other][rng.below(2)];
                let old = old.get(at..at + unit)?;
                damaged[at..at + unit].copy_from_slice(old);
            }
        }
        // Equal units may change places.
        (damaged != subject.bytes).then_some(damaged)
    });
    all(&subject, cases, 37).settle("lost and misplaced units");
}

/// A page of another table, or of another place of the same one, with its own stored sum: the sums are
/// masked by the build id and the page's number, so it fits no other table and no other place.
#[test]
fn another_page_with_its_sum() {
    let subject = Subject::varied(1_650);
    let flat = subject.model.flat();
    let mut entries = generate::varied(1_650);
    entries.iter_mut().for_each(|entry| entry.1.reverse());
    let stale = Case { hash_index: HashIndex::Always, ..Case::of(entries) }.bytes();
    let (now, then) = (Image::new(subject.bytes.clone()), Image::new(stale));
    let sum = |image: &Image, unit: usize| image.section(SUMS).0 + 4 * unit;
    let (units, mut tally) = (now.section(SUMS).0 / 4096, Tally::default());
    let stale_pages = (1..units).map(|unit| (unit, &then, unit));
    let moved_pages = (1..units).map(|unit| (unit, &now, units - unit));
    for (unit, other, from) in stale_pages.chain(moved_pages) {
        let mut damaged = now.bytes.clone();
        let (page, from_page) = (unit * 4096..(unit + 1) * 4096, from * 4096..(from + 1) * 4096);
        let Some(old) = other.bytes.get(from_page).filter(|old| **old != damaged[page.clone()])
        else {
            continue;
        };
        damaged[page].copy_from_slice(old);
        let (to, from) = (sum(&now, unit), sum(other, from));
        damaged[to..to + 4].copy_from_slice(&other.bytes[from..from + 4]);
        tally = tally.add(examine(&subject, &flat, damaged, unit, 7).into());
    }
    tally.settle("other pages with their sums");
}

/// Every length that a cut-off copy can have, and every way of being too long.
#[test]
fn every_truncation_and_extension() {
    let mut tally = Tally::default();
    for subject in [Subject::varied(180), Subject::padded(40), Subject::lined(0)] {
        let bytes = &subject.bytes;
        let footer = bytes[bytes.len() - 32..].to_vec();
        for len in 0..bytes.len() {
            let cut = bytes[..len].to_vec();
            // The same with a whole footer at the new end.
            let torn = [&bytes[..len.saturating_sub(32)], &footer[..]].concat();
            for damaged in [cut, torn] {
                let refused = Table::from_bytes(damaged).is_err();
                tally.tried += 1;
                tally.detected += u64::from(refused);
                tally.lost += u64::from(!refused);
            }
        }
        for more in (1..200).chain([511, 512, 513, 4095, 4096, 4097, 65_536]) {
            let filled = [&bytes[..], &vec![0; more]].concat();
            let again = [&bytes[..], &bytes[..more.min(bytes.len())]].concat();
            let ends_right = [&bytes[..], &vec![0; more], &footer[..]].concat();
            for damaged in [filled, again, ends_right] {
                let refused = Table::from_bytes(damaged).is_err();
                tally.tried += 1;
                tally.detected += u64::from(refused);
                tally.lost += u64::from(!refused);
            }
        }
    }
    tally.settle("truncations and extensions");
}

/// Without checksums answers may be wrong. They may not panic, hang or leave the table.
#[test]
fn unchecked_reads_never_panic() {
    let mut tally = Tally::default();
    for subject in [Subject::varied(300), Subject::lined(200), Subject::padded(200)] {
        let flat = subject.model.flat();
        let len = subject.bytes.len();
        tally = tally.add(
            (0..scaled(12_000))
                .into_par_iter()
                .map(|seed| {
                    let mut rng = Rng::new(u64::from(seed) ^ 0xABCD);
                    let mut damaged = subject.bytes.clone();
                    // Between header and sums, which checksums would cover.
                    for _ in 0..1 + rng.below(6) {
                        let at = 448 + rng.below(len - 448 - 64);
                        let extremes = [0, 1, 0x7F, 0x80, 0xFF, rng.next() as u8];
                        damaged[at] = extremes[rng.below(6)];
                    }
                    let examined = catch_unwind(AssertUnwindSafe(|| {
                        let options = OpenOptions::new().page_checks(PageChecks::Never);
                        let table = options.from_bytes(damaged).unwrap();
                        lookups(&subject, &flat, &table, seed as usize, 23);
                        let _ = table.verify();
                    }));
                    match examined {
                        Ok(()) => Tally { tried: 1, detected: 1, ..Tally::default() },
                        Err(_) => Tally { tried: 1, crashed: 1, ..Tally::default() },
                    }
                })
                .reduce(Tally::default, Tally::add),
        );
    }
    tally.settle("unchecked reads (detected = survived)");
}

/// A page that gets never read is still checked, when everything that they do read has been.
#[test]
fn damaged_ordered_index_behind_checked_gets() {
    let subject = Subject::varied(30_000);
    let flat = subject.model.flat();
    let (start, len) = Image::new(subject.bytes.clone()).section(INDEX);
    let mut tally = Tally::default();
    // Pages that hold nothing else.
    let pages = start.next_multiple_of(4096)..(start + len) / 4096 * 4096;
    for at in pages.step_by(1500) {
        let mut damaged = subject.bytes.clone();
        damaged[at] ^= 0x10;
        let Ok(table) = OpenOptions::new().from_bytes(damaged) else { panic!("byte {at}") };
        let gets = flat.iter().all(|(key, _)| {
            let first = subject.model.map.get(*key).map(|values| &values[0][..]);
            table.get(key).unwrap() == first
        });
        let mut refused = 0;
        let ranks = flat.iter().all(|(key, _)| {
            let rank = table.rank(key);
            refused += usize::from(rank.is_err());
            rank.or_error(|rank| rank == flat.partition_point(|entry| entry.0 < *key) as u64)
        });
        let detected = gets && ranks && refused > 0;
        let outcome = if detected { Outcome::Detected } else { Outcome::Lost };
        tally = tally.add(outcome.into());
    }
    tally.settle("damaged ordered index, all gets done");
}

/// A stored key is sought through the hash index, also after a seek through a tree that is damaged.
#[test]
fn stored_keys_are_sought_beside_a_damaged_tree() {
    let entries = generate::varied(30_000);
    let subject = Subject::of(&Case { hash_index: HashIndex::Always, ..Case::of(entries) });
    let flat = subject.model.flat();
    let (start, len) = Image::new(subject.bytes.clone()).section(INDEX);
    let mut damaged = subject.bytes.clone();
    // The last byte of the root.
    damaged[start + len - 1] ^= 0x10;
    let table = OpenOptions::new().from_bytes(damaged).expect("the tree is not read");
    for (key, _) in flat.iter().step_by(1000) {
        let absent = [key, &b"\0"[..]].concat();
        assert!(!subject.model.map.contains_key(&absent));
        assert!(table.ceil(&absent).is_err());
        let found = table.ceil(key).expect("the hash index is sound");
        assert_eq!(found, Some((*key, &subject.model.map[*key][0][..])));
    }
}

/// The harness itself: an undamaged table passes, so that "detected" means something.
#[test]
fn undamaged_is_not_detected() {
    for subject in [Subject::varied(500), Subject::lined(500), Subject::padded(500)] {
        let flat = subject.model.flat();
        let outcome = examine(&subject, &flat, subject.bytes.clone(), 0, 1);
        assert!(outcome == Outcome::Lost, "an undamaged table counts as damaged");
        let table = Table::from_bytes(subject.bytes.clone()).unwrap();
        assert!(lookups(&subject, &flat, &table, 0, 1));
        // And a wrong model is a wrong answer.
        let mut wrong = Subject { bytes: subject.bytes, model: subject.model.clone() };
        wrong.model.map.values_mut().for_each(|values| values[0].push(0));
        assert!(!lookups(&wrong, &wrong.model.flat(), &table, 0, 1));
    }
}
