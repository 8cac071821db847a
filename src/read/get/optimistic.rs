//! The optimistic path. A lookup reads bytes whose pages may be unchecked, inside proven bounds,
//! and asks at the end whether the pages were checked. No branch on a check stands between two
//! loads that depend on each other, so several lookups overlap in the processor. Where a page was
//! unchecked, or anything is odd, the lookup stays undecided.

use super::super::guess::{Candidate, Guess, LineAnswer};
use super::super::map::{AnyLen, KeyLen};
use super::super::place::Found;
use super::super::simd::{Baseline, Simd};
use super::super::view::View;
use super::shape::{
    AllChecked, AnyKey, Checks, KeyClass, Records, Seeding, Shape, UpTo16, UpTo32, UpTo64, UpTo128,
};
use crate::format::index::hash::{BUCKET, MAX_EQUAL_TAGS, Slots, overflow, tag, word_of};
use crate::format::index::line::{
    LINE_TAGS, LinePlace, MAX_LINE_EQUAL, base_rank, tag as line_tag,
};
use crate::format::layout::HashLayout;
use crate::format::order::equal;

/// Optimistic lookups in a table, by one form of instructions.
#[derive(Clone, Copy)]
pub(super) struct Optimistic<'t, I, C> {
    view: &'t View,
    simd: I,
    checks: C,
}

/// The number of the lowest set bit among the lowest `bits` bits. The highest of them counts as
/// set, so the compiler knows that there is one.
#[inline(always)]
const fn first_bit(mask: u32, bits: usize) -> usize {
    (mask | 1 << (bits - 1)).trailing_zeros() as usize
}

impl<'t, I: Simd, C: Checks> Optimistic<'t, I, C> {
    #[inline(always)]
    pub(super) fn new(view: &'t View, simd: I, checks: C) -> Self {
        Self { view, simd, checks }
    }

    /// These lookups without vector instructions beyond the baseline.
    #[inline(always)]
    pub(super) fn baseline(self) -> Optimistic<'t, Baseline, C> {
        Optimistic { view: self.view, simd: Baseline, checks: self.checks }
    }

    /// Whether the page of a part of the table was checked.
    #[inline(always)]
    fn is_checked(self, part: &[u8]) -> bool {
        self.checks.all() || self.view.pages().is_checked(self.view.memory().offset_of(part))
    }

    /// Whether the pages of a record of fixed width were checked.
    #[inline(always)]
    fn is_record_checked(self, key: &[u8], value: &[u8]) -> bool {
        let start = self.view.memory().offset_of(key);
        let end = start + key.len() + value.len();
        self.checks.all() || end <= self.view.pages().checked_end(start)
    }

    // Through the line index

    /// Looks a key up in the line index: one line, and one record if the line has the key's tag.
    /// The lookup stays undecided where the record has another key.
    #[inline(always)]
    pub(super) fn in_lines<L: KeyLen>(self, key: &[u8]) -> Guess<'t> {
        // Keys of another length are absent. With a length that the compiler knows, reading the
        // head is one load.
        let key = match L::LEN {
            None => key,
            Some(len) => match key.get(..len) {
                Some(start) if start.len() == key.len() => start,
                _ => return Guess::ABSENT,
            },
        };
        match self.view.proven().scale.place(key).map(|place| self.ask_line(place)) {
            Some(LineAnswer::Rank(rank)) => self.at_rank::<L>(rank, key),
            Some(LineAnswer::Undecided) => Guess::undecided(),
            Some(LineAnswer::Absent) | None => Guess::ABSENT,
        }
    }

    /// What the line of a place says about its tag.
    #[inline(always)]
    pub(super) fn ask_line(self, place: LinePlace) -> LineAnswer {
        let Some(line) = self.view.proven().cell(place.line) else { return LineAnswer::Absent };
        if !self.is_checked(line) {
            return LineAnswer::Undecided;
        }
        let equal = self.simd.tags_equal(line, place.tag);
        if equal == 0 {
            // A line with more keys than tags says nothing about keys above its last tag.
            let beyond = line_tag(line, LINE_TAGS - 1) < place.tag;
            return if beyond { LineAnswer::Undecided } else { LineAnswer::Absent };
        }
        // Tags ascend, so every tag before the first equal one is below it.
        LineAnswer::Rank(base_rank(line) + u64::from(equal.trailing_zeros()))
    }

    /// The value of the record with this rank, if its key is `key`.
    #[inline(always)]
    pub(super) fn at_rank<L: KeyLen>(self, rank: u64, key: &[u8]) -> Guess<'t> {
        let Some((stored, value)) = self.view.proven().fixed::<L>(rank) else {
            return Guess::undecided();
        };
        if L::LEN.is_none() && stored.len() != key.len() {
            return Guess::ABSENT;
        }
        if !(equal(stored, key) && self.is_record_checked(stored, value)) {
            return Guess::undecided();
        }
        Guess::value(value)
    }

    /// Looks a key up in the line index again, where the first record with its tag has another
    /// key: reads every record with the tag.
    pub(super) fn in_lines_again(self, key: &[u8]) -> Guess<'t> {
        let proven = self.view.proven();
        let Some(place) = proven.scale.place(key) else { return Guess::ABSENT };
        let Some(line) = proven.cell(place.line) else { return Guess::ABSENT };
        if !self.is_checked(line) {
            return Guess::UNDECIDED;
        }
        let mut found = self.simd.tags_equal(line, place.tag);
        // More keys may have the last tag of a line than the line has places for.
        let last = found >> (LINE_TAGS - 1) != 0;
        if found == 0 || last || found.count_ones() as usize > MAX_LINE_EQUAL {
            return Guess::UNDECIDED;
        }
        while found != 0 {
            let rank = base_rank(line) + u64::from(found.trailing_zeros());
            let Some((stored, value)) = proven.fixed::<AnyLen>(rank) else {
                return Guess::UNDECIDED;
            };
            if !self.is_record_checked(stored, value) {
                return Guess::UNDECIDED;
            }
            if equal(stored, key) {
                return Guess::value(value);
            }
            found &= found - 1;
        }
        Guess::ABSENT
    }

    // Through the hash index

    /// Looks a key up in the hash index: its first bucket, and one record. The lookup stays
    /// undecided where they hold another key, and for keys of more than 128 bytes.
    #[inline(always)]
    pub(super) fn in_buckets<T: Shape, S: Seeding>(self, key: &[u8]) -> Guess<'t> {
        // One branch on the length, for the hash and for the comparison of the keys.
        match key.len() {
            ..=16 => self.in_buckets_of_class::<T, S, UpTo16>(key),
            17..=32 => self.in_buckets_of_class::<T, S, UpTo32>(key),
            33..=64 => self.in_buckets_of_class::<T, S, UpTo64>(key),
            65..=128 => self.in_buckets_of_class::<T, S, UpTo128>(key),
            _ => Guess::undecided(),
        }
    }

    /// [`in_buckets`](Self::in_buckets) for a key of the class `K`. In a table of fixed width a key
    /// of another length is absent, whatever its hash.
    #[inline(always)]
    pub(super) fn in_buckets_of_class<T: Shape, S: Seeding, K: KeyClass>(
        self,
        key: &[u8],
    ) -> Guess<'t> {
        let hash = S::hash(self.view.proven().hasher, K::hash(self.simd, key));
        let bucket = self.view.proven().bucket(hash);
        let (candidate, _) = self.candidates::<T>(bucket, hash);
        let checked = self.is_checked(bucket);
        if candidate == Candidate::ABSENT && checked {
            return Guess::ABSENT;
        }
        match self.value::<T, K>(candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => Guess::undecided(),
        }
    }

    /// What a bucket says about a hash: the reference of its first slot with the hash's tag, or a
    /// sentinel; and the reference of the next slot with the tag, if there is one.
    #[inline(always)]
    pub(super) fn candidates<T: Shape>(
        self,
        bucket: &[u8; BUCKET],
        hash: u64,
    ) -> (Candidate, Candidate) {
        let Some(slots) = T::SLOTS else { return (Candidate::SENT_ON, Candidate::SENT_ON) };
        let tails = &self.view.proven().tails;
        let found = match slots {
            Slots::Four => self.simd.slots_equal(bucket, hash, tails.mask),
            _ => self.simd.matches(bucket, tag(hash), slots),
        };
        if found != 0 {
            let reference = |found| {
                let held = match slots {
                    Slots::Four => word_of(bucket, found).into(),
                    _ => slots.get(bucket, first_bit(found, slots.count())),
                };
                Candidate::new(tails.reference(held) as usize)
            };
            let other = match found & (found - 1) {
                0 => Candidate::ABSENT,
                others => reference(others),
            };
            return (reference(found), other);
        }
        let sent_on = slots.overflows(bucket, overflow(hash));
        (if sent_on { Candidate::SENT_ON } else { Candidate::ABSENT }, Candidate::ABSENT)
    }

    /// The answer from the candidate of a hash's first bucket.
    #[inline(always)]
    pub(super) fn with_candidate<T: Shape>(
        self,
        index: &HashLayout,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        let checked = self.is_bucket_checked(index, index.first_bucket(hash));
        if candidate == Candidate::ABSENT && checked {
            return Guess::ABSENT;
        }
        match self.value_by_length::<T>(candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.baseline().after_first_candidate::<T>(index, hash, candidate, key),
        }
    }

    #[inline(always)]
    fn is_bucket_checked(self, index: &HashLayout, number: u64) -> bool {
        self.checks.all() || self.view.pages().is_checked(index.bucket_start(number))
    }

    // Records

    /// [`value`](Self::value) with a branch on the key's length. A table of fixed width needs none.
    #[inline(always)]
    fn value_by_length<T: Shape>(self, candidate: Candidate, key: &[u8]) -> Option<&'t [u8]> {
        match (T::RECORDS, key.len()) {
            (Records::Plain | Records::Variable, 17..=32) => {
                self.value::<T, UpTo32>(candidate, key)
            }
            (Records::Plain | Records::Variable, 33..=64) => {
                self.value::<T, UpTo64>(candidate, key)
            }
            (Records::Plain | Records::Variable, 65..=128) => {
                self.value::<T, UpTo128>(candidate, key)
            }
            _ => self.value::<T, AnyKey>(candidate, key),
        }
    }

    /// The value of the candidate, if its record has the key `key` and its pages were checked.
    #[inline(always)]
    fn value<T: Shape, K: KeyClass>(self, candidate: Candidate, key: &[u8]) -> Option<&'t [u8]> {
        match T::RECORDS {
            Records::Fixed => self.value_fixed::<K>(candidate.number() as u64, key),
            Records::Plain => self.value_plain::<K>(candidate.number(), key),
            Records::Variable => self.value_variable::<K>(candidate.number(), key),
        }
    }

    #[inline(always)]
    fn value_fixed<K: KeyClass>(self, rank: u64, key: &[u8]) -> Option<&'t [u8]> {
        let (stored, value) = self.view.proven().fixed::<AnyLen>(rank)?;
        if !K::equal(self.simd, stored, key) {
            return None;
        }
        self.is_record_checked(stored, value).then_some(value)
    }

    /// The value of the record of variable width at `reference`. The keys are compared over the
    /// length of `key`, which is in a register, and not over the record's, which comes from memory.
    /// A mispredicted branch that waits for memory would keep the processor from running ahead to
    /// the next lookup, and branches on lengths often are mispredicted.
    #[inline(always)]
    fn value_variable<K: KeyClass>(self, reference: usize, key: &[u8]) -> Option<&'t [u8]> {
        let (layout, bytes) = (self.view.layout(), self.view.bytes());
        let offset = layout.records.start.wrapping_add(reference);
        let (parts, fits) = layout.decoder.parts_of_key(bytes, offset, key.len())?;
        let stored = bytes.get(parts.key())?;
        let bound = match self.checks.all() {
            true => layout.records.end,
            false => layout.records.end.min(self.view.pages().checked_end(offset)),
        };
        let end = parts.value.saturating_add(parts.value_len);
        let same = fits & K::equal(self.simd, stored, key) & (end <= bound);
        if !same {
            return None;
        }
        bytes.get(parts.value())
    }

    /// The value of the plain record at `reference`; compared as in
    /// [`value_variable`](Self::value_variable).
    #[inline(always)]
    fn value_plain<K: KeyClass>(self, reference: usize, key: &[u8]) -> Option<&'t [u8]> {
        let records = self.view.proven().records();
        let bytes = match self.checks.all() {
            true => records.get(reference..)?,
            false => {
                let start = self.view.layout().records.start;
                let end = self.view.pages().checked_end(start.wrapping_add(reference));
                records.get(reference..end.saturating_sub(start).min(records.len()))?
            }
        };
        let (record, fits) = self.view.layout().decoder.plain(bytes, key.len(), K::MOST)?;
        let value = bytes.get(record.value..)?.get(..record.value_len)?;
        if !(fits & K::equal(self.simd, record.key, key)) {
            return None;
        }
        Some(value)
    }
}

/// What one bucket and one record leave undecided. Kept out of the first try: a function without
/// calls saves no registers, and the fewer instructions it has, the more lookups are in flight.
impl<'t, C: Checks> Optimistic<'t, Baseline, C> {
    /// Looks a key up in the hash index again: both buckets, every candidate.
    pub(super) fn in_buckets_again<T: Shape>(self, key: &[u8]) -> Guess<'t> {
        let Some(index) = &self.view.layout().hash else { return Guess::UNDECIDED };
        let hash = index.hasher.hash(key);
        let (candidate, _) = self.candidates::<T>(self.view.proven().bucket(hash), hash);
        self.after_first_candidate::<T>(index, hash, candidate, key)
    }

    /// The answer where the candidate of the first bucket is not the key's record.
    #[inline(always)]
    fn after_first_candidate<T: Shape>(
        self,
        index: &HashLayout,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        if candidate == Candidate::SENT_ON && T::SLOTS.is_some() {
            self.in_second_bucket::<T>(index, hash, key)
        } else {
            self.among_all_candidates(index, hash, key)
        }
    }

    /// The answer from the second bucket, which holds one key in twelve.
    #[inline(never)]
    fn in_second_bucket<T: Shape>(self, index: &HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
        let Some(bucket) = self.view.proven().cell(index.second_bucket(hash)) else {
            return Guess::UNDECIDED;
        };
        let (candidate, _) = self.candidates::<T>(bucket, hash);
        self.with_second_candidate::<T>(index, hash, candidate, key)
    }

    /// The answer from the candidate of a hash's second bucket, to which the first has sent on.
    #[inline(always)]
    pub(super) fn with_second_candidate<T: Shape>(
        self,
        index: &HashLayout,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        let checked = self.is_bucket_checked(index, index.first_bucket(hash))
            && self.is_bucket_checked(index, index.second_bucket(hash));
        // No key is sent on from a second bucket, so its overflow bits say nothing here.
        if candidate.reference().is_none() && checked {
            return Guess::ABSENT;
        }
        match self.value::<T, AnyKey>(candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.among_all_candidates(index, hash, key),
        }
    }

    /// The answer from every candidate of both buckets.
    #[inline(always)]
    fn among_all_candidates(self, index: &HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
        let checks = self.view.pages().lookups_checked();
        Optimistic { view: self.view, simd: Baseline, checks }.among_all(index, hash, key)
    }
}

impl<'t> Optimistic<'t, Baseline, bool> {
    #[inline(never)]
    fn among_all(self, index: &HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
        let bytes = self.view.bytes();
        let place = index.shape.place(hash);
        for number in [place.first, place.second] {
            let Some(bucket) = self.view.proven().cell(number) else { return Guess::UNDECIDED };
            // Buckets are 64-aligned, so a bucket lies in one page.
            if !self.is_bucket_checked(index, number) {
                return Guess::UNDECIDED;
            }
            let mut mask = self.simd.matches(bucket, tag(hash), index.slots);
            let mut candidates = 0;
            while mask != 0 {
                candidates += 1;
                if candidates > MAX_EQUAL_TAGS {
                    return Guess::UNDECIDED;
                }
                let slot = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let held = index.slots.get(bucket, slot);
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let found = self.referred(index.tails.reference(held));
                let Some(found) = found else { return Guess::UNDECIDED };
                let Some(stored) = bytes.get(found.parts.key()) else { return Guess::UNDECIDED };
                let same = equal(stored, key);
                // The key may be set aside because of this one: the ordered index decides.
                if !same && index.set_aside > 0 && index.hasher.hash(stored) == hash {
                    return Guess::UNDECIDED;
                }
                // A record that only shares the tag must be checked as well.
                let end = if same { found.parts.end() } else { found.parts.value };
                if !self.checks && !self.view.pages().covered(&(found.offset..end)) {
                    return Guess::UNDECIDED;
                }
                if same {
                    return bytes.get(found.parts.value()).map_or(Guess::UNDECIDED, Guess::value);
                }
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                return Guess::ABSENT;
            }
        }
        Guess::ABSENT
    }

    /// The record to which a slot refers, if it lies inside the records.
    #[inline]
    fn referred(self, reference: u64) -> Option<Found> {
        let layout = self.view.layout();
        let (offset, parts) = match &layout.fixed {
            Some(fixed) => {
                if reference >= layout.entries {
                    return None;
                }
                let offset = fixed.offset(reference);
                (offset, fixed.parts(offset))
            }
            None => {
                if reference >= layout.records.len() as u64 {
                    return None;
                }
                let offset = layout.records.start + reference as usize;
                (offset, layout.decoder.parts(self.view.bytes(), offset)?)
            }
        };
        (parts.end() <= layout.records.end).then_some(Found { offset, parts })
    }
}

impl Optimistic<'_, Baseline, AllChecked> {
    /// Where the record probably starts that the index names for `key`, for a prefetch. Nothing is
    /// checked.
    pub(super) fn expected_record(self, key: &[u8]) -> Option<usize> {
        let layout = self.view.layout();
        if let (Some(_), Some(fixed)) = (&layout.lines, &layout.fixed) {
            let answer = self.ask_line(self.view.proven().scale.place(key)?);
            return if let LineAnswer::Rank(rank) = answer {
                Some(fixed.offset(rank))
            } else {
                None
            };
        }
        let index = layout.hash.as_ref()?;
        let (hash, slots) = (index.hasher.hash(key), index.slots);
        let bucket = self.view.proven().bucket(hash);
        let slot = first_bit(self.simd.matches(bucket, tag(hash), slots), slots.count());
        let reference = index.tails.reference(slots.get(bucket, slot));
        match &layout.fixed {
            Some(fixed) => (reference < layout.entries).then(|| fixed.offset(reference)),
            None => (reference < layout.records.len() as u64)
                .then(|| layout.records.start + reference as usize),
        }
    }
}
