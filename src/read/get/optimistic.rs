//! The optimistic path. A lookup reads bytes whose pages may be unchecked, inside proven bounds,
//! and asks at the end whether the pages were checked. No branch on a check stands between two
//! loads that depend on each other, so several lookups overlap in the processor. Where a page was
//! unchecked, or anything is odd, the lookup stays undecided.

use super::super::guess::{Candidate, Guess, LineAnswer};
use super::super::map::{AnyLen, KeyLen};
use super::super::simd::{Baseline, Simd};
use super::super::view::View;
use super::shape::{
    AllChecked, AnyKey, Checks, KeyClass, Records, Seeding, Shape, UpTo16, UpTo32, UpTo64, UpTo128,
};
use super::thorough::Thorough;
use crate::format::index::hash::{BUCKET, Slots, overflow, tag, word_of};
use crate::format::index::line::{
    LINE, LINE_TAGS, LinePlace, MAX_LINE_EQUAL, base_rank, tag as line_tag,
};
use crate::format::order::{equal, head};
use std::hint::black_box;
use std::sync::atomic::{Ordering::Acquire, compiler_fence};

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

/// The key, with a length that the compiler knows, so that reading its words is one load each.
/// `None` for keys of another length.
#[inline(always)]
fn of_length<L: KeyLen>(key: &[u8]) -> Option<&[u8]> {
    match L::LEN {
        None => Some(key),
        Some(len) => key.get(..len).filter(|start| start.len() == key.len()),
    }
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
        // Keys of another length are absent.
        let Some(key) = of_length::<L>(key) else { return Guess::ABSENT };
        let proven = self.view.proven();
        if key.len() != proven.key_len::<L>() {
            return Guess::ABSENT;
        }
        match proven.line(head(key)).map(|(line, tag)| self.tag_in_line(line, tag)) {
            Some(LineAnswer::Rank(rank)) => {
                self.value_of_rank::<L>(rank, key).map_or_else(Guess::undecided, Guess::value)
            }
            Some(LineAnswer::Undecided) => Guess::undecided(),
            Some(LineAnswer::Absent) | None => Guess::ABSENT,
        }
    }

    /// What the line of a place says about its tag.
    #[inline(always)]
    pub(super) fn ask_line(self, place: LinePlace) -> LineAnswer {
        let Some(line) = self.view.proven().cell(place.line) else { return LineAnswer::Absent };
        self.tag_in_line(line, place.tag)
    }

    /// What a line says about a tag.
    #[inline(always)]
    fn tag_in_line(self, line: &[u8; LINE], tag: u16) -> LineAnswer {
        if !self.is_checked(line) {
            return LineAnswer::Undecided;
        }
        let equal = self.simd.tags_equal(line, tag);
        // What is read from here on is read from memory. The compiler would keep the line in vector
        // registers for it, in two instructions more.
        compiler_fence(Acquire);
        if equal == 0 {
            // A line with more keys than tags says nothing about keys above its last tag.
            let beyond = line_tag(line, LINE_TAGS - 1) < tag;
            return if beyond { LineAnswer::Undecided } else { LineAnswer::Absent };
        }
        // Tags ascend, so every tag before the first equal one is below it.
        LineAnswer::Rank(base_rank(line) + u64::from(equal.trailing_zeros()))
    }

    /// The value of the record with this rank, if its key is `key` and its pages were checked.
    #[inline(always)]
    pub(super) fn value_of_rank<L: KeyLen>(self, rank: u64, key: &[u8]) -> Option<&'t [u8]> {
        let (stored, value) = self.view.proven().fixed::<L>(rank)?;
        (equal(stored, key) && self.is_record_checked(stored, value)).then_some(value)
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
            33..=64 => self.in_buckets_of_class::<T, S, UpTo64>(key),
            65..=128 => self.in_buckets_of_class::<T, S, UpTo128>(key),
            17..=32 => self.in_buckets_of_class::<T, S, UpTo32>(key),
            ..=16 => self.in_buckets_of_class::<T, S, UpTo16>(key),
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
        let Some(key) = of_length::<K::Len>(key) else { return Guess::ABSENT };
        let hash = S::hash(self.view.proven().hasher, K::hash(self.simd, key));
        let bucket = self.view.proven().bucket(hash);
        let (mut candidate, _) = self.candidates::<T>(bucket, hash);
        let mut checked = self.is_checked(bucket);
        if candidate == Candidate::SENT_ON {
            // `black_box` keeps the compiler from having in registers what both buckets need, which
            // would cost every lookup their saving.
            let hash = black_box(hash);
            let bucket = self.view.proven().second_bucket(hash);
            match self.second_candidate::<T>(bucket, hash) {
                Some(second) => candidate = second,
                None => return Guess::undecided(),
            }
            checked &= self.is_checked(bucket);
        }
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
        let found = match slots {
            Slots::Four => self.simd.slots_equal(bucket, hash, self.view.proven().tails.mask),
            _ => self.simd.matches(bucket, tag(hash), slots),
        };
        if found != 0 {
            let other = match found & (found - 1) {
                0 => Candidate::ABSENT,
                others => self.candidate(slots, bucket, others),
            };
            return (self.candidate(slots, bucket, found), other);
        }
        let sent_on = slots.overflows(bucket, overflow(hash));
        (if sent_on { Candidate::SENT_ON } else { Candidate::ABSENT }, Candidate::ABSENT)
    }

    /// What a second bucket says about a hash, by its first slot with the hash's tag. `None` where
    /// that is a slot of another key, behind which there may be one more.
    #[inline(always)]
    fn second_candidate<T: Shape>(self, bucket: &[u8; BUCKET], hash: u64) -> Option<Candidate> {
        let (found, slots) = match T::SLOTS {
            Some(Slots::Four) => (self.simd.words_tagged(bucket, hash), Slots::Four),
            Some(slots) => (self.simd.matches(bucket, tag(hash), slots), slots),
            None => return None,
        };
        // No key is sent on from a second bucket, so its overflow bits say nothing here.
        if found == 0 {
            return Some(Candidate::ABSENT);
        }
        if slots == Slots::Four
            && !self.view.proven().tails.fits(word_of(bucket, found).into(), hash)
        {
            return None;
        }
        Some(self.candidate(slots, bucket, found))
    }

    /// The reference of the first one of the slots `found`.
    #[inline(always)]
    fn candidate(self, slots: Slots, bucket: &[u8; BUCKET], found: u32) -> Candidate {
        let held = match slots {
            Slots::Four => word_of(bucket, found).into(),
            _ => slots.get(bucket, first_bit(found, slots.count())),
        };
        Candidate::new(self.view.proven().tails.reference(held) as usize)
    }

    /// The answer from the candidate of a hash's first bucket.
    #[inline(always)]
    pub(super) fn with_candidate<T: Shape>(
        self,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        let checked = self.is_checked(self.view.proven().bucket(hash));
        if candidate == Candidate::ABSENT && checked {
            return Guess::ABSENT;
        }
        match self.value_by_length::<T>(candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.baseline().after_first_candidate::<T>(hash, candidate, key),
        }
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
        let (stored, value) = self.view.proven().fixed::<K::Len>(rank)?;
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
        let (proven, decoder) = (self.view.proven(), &self.view.layout().decoder);
        let key_start = reference.checked_add(decoder.plain_key(key.len(), K::MOST)?)?;
        let (word, stored, rest) = proven.record(reference, key_start, key.len())?;
        let rest = match self.checks.all() {
            true => rest,
            false => {
                let start = self.view.layout().records.start;
                let end = self.view.pages().checked_end(start.wrapping_add(reference));
                let value = start.wrapping_add(key_start).wrapping_add(key.len());
                rest.get(..end.checked_sub(value)?.min(rest.len()))?
            }
        };
        let (value_len, fits) = decoder.plain(word, key.len());
        let value = rest.get(..value_len)?;
        if !(fits & K::equal(self.simd, stored, key)) {
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
        let proven = self.view.proven();
        let hash = proven.hasher.hash(key);
        let (candidate, _) = self.candidates::<T>(proven.bucket(hash), hash);
        self.after_first_candidate::<T>(hash, candidate, key)
    }

    /// The answer where the candidate of the first bucket is not the key's record.
    #[inline(always)]
    fn after_first_candidate<T: Shape>(
        self,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        if candidate == Candidate::SENT_ON && T::SLOTS.is_some() {
            self.in_second_bucket::<T>(hash, key)
        } else {
            self.among_all_candidates(hash, key)
        }
    }

    /// The answer from the second bucket, which holds one key in twelve.
    #[inline(never)]
    fn in_second_bucket<T: Shape>(self, hash: u64, key: &[u8]) -> Guess<'t> {
        let (candidate, _) = self.candidates::<T>(self.view.proven().second_bucket(hash), hash);
        self.with_second_candidate::<T>(hash, candidate, key)
    }

    /// The answer from the candidate of a hash's second bucket, to which the first has sent on.
    #[inline(always)]
    pub(super) fn with_second_candidate<T: Shape>(
        self,
        hash: u64,
        candidate: Candidate,
        key: &[u8],
    ) -> Guess<'t> {
        let proven = self.view.proven();
        let checked =
            self.is_checked(proven.bucket(hash)) && self.is_checked(proven.second_bucket(hash));
        // No key is sent on from a second bucket, so its overflow bits say nothing here.
        if candidate.reference().is_none() && checked {
            return Guess::ABSENT;
        }
        match self.value::<T, AnyKey>(candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.among_all_candidates(hash, key),
        }
    }

    /// The answer from every candidate of both buckets.
    #[inline(always)]
    fn among_all_candidates(self, hash: u64, key: &[u8]) -> Guess<'t> {
        match &self.view.layout().hash {
            Some(index) => Thorough::new(self.view).look_up(index, hash, key),
            None => Guess::UNDECIDED,
        }
    }
}

impl Optimistic<'_, Baseline, AllChecked> {
    /// Where the record probably starts that the index names for `key`, for a prefetch. Nothing is
    /// checked.
    pub(super) fn expected_record(self, key: &[u8]) -> Option<usize> {
        let layout = self.view.layout();
        if let (Some(_), Some(fixed)) = (&layout.lines, &layout.fixed) {
            let answer = self.ask_line(self.view.proven().scale.place(key)?);
            // A line that lies may name any rank.
            return match answer {
                LineAnswer::Rank(rank) if rank < layout.entries => Some(fixed.offset(rank)),
                _ => None,
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

#[cfg(test)]
mod tests;
