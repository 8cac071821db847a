//! Guards against a fast path that no longer decides, or decides too much. Queries would not tell: the
//! careful path gives their answers then. That path asks by itself which pages were checked, so what is
//! decided in a table that nobody has checked, where all pages pass for checked, was decided without it.

use super::super::crafted::told;
use super::super::samples::{Entries, Reads, Sample, samples};
use super::super::shape::{
    FixedRecords, Kind, LargeTable, PlainRecords, SomeUnchecked, VariableRecords,
};
use super::*;
use crate::BuildOptions;
use crate::read::simd::{Work, work};
use std::marker::PhantomData;

#[test]
fn the_first_bit_is_the_lowest_one_or_the_last() {
    for bits in [9_usize, 10, 12] {
        for mask in 0..1u32 << bits {
            let lowest = (0..bits).find(|bit| mask >> bit & 1 != 0);
            let right = lowest.unwrap_or(bits - 1);
            assert_eq!(first_bit(mask, bits), right, "{mask:b} of {bits}");
            assert_eq!(first_bit(mask | 1 << bits, bits), right, "more than {bits}");
        }
    }
}

// Buckets

/// What a bucket says about a hash: as the first bucket, and as the second. In numbers of candidates.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    first: [usize; 2],
    second: Option<usize>,
}

struct Asked<'b, T> {
    view: &'b View,
    bucket: &'b [u8; BUCKET],
    hash: u64,
    shape: PhantomData<T>,
}

impl<T: Shape> Work for Asked<'_, T> {
    type Output = Said;

    fn run<I: Simd>(self, simd: I) -> Said {
        let lookup = Optimistic::new(self.view, simd, AllChecked);
        let (first, other) = lookup.candidates::<T>(self.bucket, self.hash);
        let second = lookup.second_candidate::<T>(self.bucket, self.hash);
        Said { first: [first, other].map(Candidate::number), second: second.map(Candidate::number) }
    }
}

/// What a bucket says, by the form that every processor has and by that of this process.
fn ask<T: Shape>(view: &View, bucket: &[u8; BUCKET], hash: u64) -> Said {
    let asked = || Asked::<T> { view, bucket, hash, shape: PhantomData };
    let said = asked().run(Baseline);
    assert_eq!(work(asked()), said);
    said
}

const HASH: u64 = 0x0123_4567_89AB_CDEF;

/// The first slot with the tag of a hash is the candidate, the next one the other; without any, the
/// overflow bit of the hash decides, and in a second bucket it says nothing.
fn slots_are_candidates<T: Shape>(sample: &Sample) {
    let table = sample.trusted();
    let (view, slots) = (table.view(), T::SLOTS.unwrap());
    let tails = view.proven().tails;
    let reference = |slot: usize| 100 + slot;
    let filled = |taken: &[usize]| {
        let mut bucket = [0; BUCKET];
        for &slot in taken {
            let held = tails.with_tail(reference(slot) as u64, HASH);
            slots.set(&mut bucket, slot, tag(HASH), held);
        }
        bucket
    };
    let [absent, sent_on] = [Candidate::ABSENT, Candidate::SENT_ON].map(Candidate::number);
    let none = Said { first: [absent; 2], second: Some(absent) };
    assert_eq!(ask::<T>(view, &filled(&[]), HASH), none);
    for number in 0..32 {
        let mut bucket = filled(&[]);
        slots.set_overflow(&mut bucket, number);
        let first = if number == overflow(HASH) { sent_on } else { absent };
        let right = Said { first: [first, absent], second: Some(absent) };
        assert_eq!(ask::<T>(view, &bucket, HASH), right, "overflow bit {number}");
    }
    for slot in 0..slots.count() {
        let one = reference(slot);
        let right = Said { first: [one, absent], second: Some(one) };
        assert_eq!(ask::<T>(view, &filled(&[slot]), HASH), right, "slot {slot}");
        for next in slot + 1..slots.count() {
            let right = Said { first: [one, reference(next)], second: Some(one) };
            assert_eq!(ask::<T>(view, &filled(&[slot, next]), HASH), right, "{slot} and {next}");
        }
    }
}

#[test]
fn slots_with_the_tag_are_candidates() {
    slots_are_candidates::<FixedRecords>(&Sample::fixed(8));
    slots_are_candidates::<LargeTable>(&Sample::large());
}

/// A slot with the tag and another tail is no candidate. In a second bucket it hides what stands behind
/// it, so the bucket says nothing.
#[test]
fn slots_with_another_tail_are_passed_over() {
    let table = Sample::fixed(8).trusted();
    let (view, slots) = (table.view(), Slots::Four);
    let tails = view.proven().tails;
    let [own, other] = [(7, HASH), (8, HASH ^ 1 << 31)].map(|(i, hash)| tails.with_tail(i, hash));
    assert!(tails.fits(own, HASH) && !tails.fits(other, HASH));
    let absent = Candidate::ABSENT.number();
    for slot in 0..slots.count() {
        let mut bucket = [0; BUCKET];
        slots.set(&mut bucket, slot, tag(HASH), other);
        let right = Said { first: [absent; 2], second: None };
        assert_eq!(ask::<FixedRecords>(view, &bucket, HASH), right, "slot {slot}");
        for next in slot + 1..slots.count() {
            let mut bucket = bucket;
            slots.set(&mut bucket, next, tag(HASH), own);
            let right = Said { first: [7, absent], second: None };
            assert_eq!(ask::<FixedRecords>(view, &bucket, HASH), right, "{slot} and {next}");
        }
    }
}

// Records

/// The answer by the candidate of the bucket in which a lookup of the key ends.
fn by_candidate<'t, T: Shape, C: Checks>(
    lookup: Optimistic<'t, Baseline, C>,
    reads: &Reads,
    key: &[u8],
) -> Option<Option<&'t [u8]>> {
    let proven = lookup.view.proven();
    let hash = proven.hasher.hash(key);
    told(if reads.goes_on() {
        let (candidate, _) = lookup.candidates::<T>(proven.second_bucket(hash), hash);
        lookup.with_second_candidate::<T>(hash, candidate, key)
    } else {
        let (candidate, _) = lookup.candidates::<T>(proven.bucket(hash), hash);
        lookup.with_candidate::<T>(hash, candidate, key)
    })
}

fn candidates_decide<T: Shape>(sample: &Sample) {
    let (trusted, unchecked) = (sample.trusted(), sample.with_checked(|_| false));
    let asked: Vec<_> = sample.asked().map(|key| (key, Reads::of(&trusted, key))).collect();
    let alone = || asked.iter().filter(|(_, reads)| reads.is_alone);
    let lookup = Optimistic::new(unchecked.view(), Baseline, AllChecked);
    let mut in_second = 0;
    for (key, reads) in alone() {
        let right = Some(sample.right(key));
        let case = format!("{}: {key:x?}", sample.name);
        assert_eq!(by_candidate::<T, _>(lookup, reads, key), right, "{case}");
        if reads.goes_on() {
            assert_eq!(told(lookup.in_buckets_again::<T>(key)), right, "{case}");
            in_second += usize::from(sample.right(key).is_some());
        }
    }
    assert!(in_second > 5, "{}: {in_second} keys in their second bucket", sample.name);
    // By a checked record, to which an unchecked bucket refers.
    let mut asked_in = [0; 2];
    for left in 0..sample.units() {
        let is_checked = |unit: usize| unit != left;
        let table = sample.with_checked(is_checked);
        let lookup = Optimistic::new(table.view(), Baseline, SomeUnchecked);
        for (key, reads) in alone() {
            if reads.record_lies_in(is_checked) && !reads.cells_lie_in(is_checked) {
                let found = by_candidate::<T, _>(lookup, reads, key);
                assert_eq!(found, None, "{}: {key:x?}, page {left}", sample.name);
                asked_in[usize::from(reads.goes_on())] += 1;
            }
        }
    }
    assert!(asked_in.iter().all(|&count| count > 5), "{}: {asked_in:?}", sample.name);
}

#[test]
fn a_candidate_decides_by_checked_pages() {
    for key_len in [8, 12, 48] {
        candidates_decide::<FixedRecords>(&Sample::fixed(key_len));
    }
    candidates_decide::<PlainRecords>(&Sample::plain());
    candidates_decide::<VariableRecords>(&Sample::aligned());
    candidates_decide::<LargeTable>(&Sample::large());
}

/// What is prefetched before the first check is the record of the key.
#[test]
fn the_record_of_a_key_is_expected() {
    for sample in samples() {
        let table = sample.trusted();
        let lookup = Optimistic::new(table.view(), Baseline, AllChecked);
        let mut expected = 0;
        for key in sample.entries.keys() {
            let reads = Reads::of(&table, key);
            if reads.is_alone && !reads.goes_on() {
                let found = lookup.expected_record(key);
                assert_eq!(found, Some(reads.record.start), "{}: {key:x?}", sample.name);
                expected += 1;
            }
        }
        assert!(expected > sample.entries.len() / 2, "{}: {expected}", sample.name);
    }
}

/// An index may lie: no record is expected behind the last one.
#[test]
fn no_record_is_expected_behind_the_last_one() {
    let expected = |sample: &Sample, key: &[u8]| {
        let table = sample.trusted();
        Optimistic::new(table.view(), Baseline, AllChecked).expected_record(key)
    };
    // The first key is the first one of its line.
    let mut sample = Sample::by_lines(8);
    let (key, last) = (sample.entries.keys().next().unwrap().clone(), sample.entries.len() - 1);
    let lines = sample.crafted.layout.lines.unwrap();
    let start = sample.crafted.layout.fixed.unwrap().offset(last as u64);
    let last = last as u32;
    for (rank, right) in [(last, Some(start)), (last + 1, None), (u32::MAX, None)] {
        sample.crafted.bytes[lines.span.start..][..4].copy_from_slice(&rank.to_le_bytes());
        assert_eq!(expected(&sample, &key), right, "rank {rank}");
    }
    for mut sample in [Sample::fixed(8), Sample::plain()] {
        let key = sample.entries.keys().next().unwrap().clone();
        let index = sample.crafted.index();
        let hash = index.hasher.hash(&key);
        let last = sample.end_of_references() - 1;
        let start = match sample.crafted.layout.fixed {
            Some(fixed) => fixed.offset(last),
            None => sample.crafted.layout.records.start + last as usize,
        };
        for (reference, right) in [(last, Some(start)), (last + 1, None)] {
            assert_eq!(index.tails.reference(reference), reference, "a slot has room for it");
            sample.crafted.fill(index.first_bucket(hash), hash, &[(reference, true)]);
            assert_eq!(expected(&sample, &key), right, "{}: {reference}", sample.name);
        }
    }
}

// Lines

/// Groups of keys that have a tag in common.
const GROUPS: u64 = 300;

/// How many keys a group has: as many as a line may have of one tag, or two, or one.
fn size_of_group(group: u64) -> u8 {
    match group % 30 {
        7 => MAX_LINE_EQUAL as u8,
        13 => 2,
        _ => 1,
    }
}

/// A key of a group. The last byte of those that are there is odd.
fn key_of_group(group: u64, last: u8) -> Vec<u8> {
    [&(group << 40).to_be_bytes()[..], &[7, last]].concat()
}

/// About twenty keys in each line.
fn groups() -> Sample {
    let group = |group| (0..size_of_group(group)).map(move |i| key_of_group(group, 2 * i + 1));
    let entry = |key: Vec<u8>| (key.clone(), key.into_iter().rev().collect::<Vec<u8>>());
    let entries: Entries = (0..GROUPS).flat_map(group).map(entry).collect();
    Sample::build("groups", Kind::Lines, &BuildOptions::new(), entries)
}

fn records_of_a_tag_are_compared(sample: &Sample, view: &View, checks: impl Checks) {
    let lookup = Optimistic::new(view, Baseline, checks);
    for group in (0..GROUPS).filter(|&group| size_of_group(group) > 1) {
        for last in 0..=2 * size_of_group(group) {
            let key = key_of_group(group, last);
            let right = Some(sample.right(&key));
            let first = told(lookup.in_lines::<AnyLen>(&key));
            assert_eq!(first, if last == 1 { right } else { None }, "{key:x?} by the first record");
            assert_eq!(told(lookup.in_lines_again(&key)), right, "{key:x?} by all records");
        }
    }
}

/// The first try compares a key with the first record of its tag, and the second with all of them.
#[test]
fn all_records_of_a_tag_are_compared() {
    let sample = groups();
    records_of_a_tag_are_compared(&sample, sample.trusted().view(), AllChecked);
    records_of_a_tag_are_compared(&sample, sample.with_checked(|_| true).view(), SomeUnchecked);
}

/// A lookup reads few records, whatever a line says.
#[test]
fn a_line_with_too_many_keys_of_a_tag_leaves_them() {
    let mut sample = groups();
    let key = key_of_group(7, 3);
    let lines = sample.crafted.layout.lines.unwrap();
    let place = lines.scale.place(&key).unwrap();
    let start = lines.span.start + place.line as usize * LINE;
    let line: &mut [u8; LINE] = sample.crafted.bytes[start..].first_chunk_mut().unwrap();
    let tags = (0..LINE_TAGS).map(|i| line_tag(line, i));
    let behind = tags.take_while(|&tag| tag <= place.tag).count();
    line[4 + 2 * behind..][..2].copy_from_slice(&place.tag.to_le_bytes());
    let table = sample.trusted();
    let lookup = Optimistic::new(table.view(), Baseline, AllChecked);
    assert_eq!(told(lookup.in_lines_again(&key)), None);
    // Lines of other keys are as they were.
    let key = key_of_group(37, 3);
    assert_eq!(told(lookup.in_lines_again(&key)), Some(sample.right(&key)));
}
