//! The stages of many lookups at once. Each stage prefetches what the next one reads.

use super::super::guess::Candidate;
use super::super::map::{AnyLen, Len8, Len16};
use super::super::simd::{Baseline, CACHE_LINE, Simd, Work, prefetch, prefetch_outer_address};
use super::super::view::View;
use super::by_line::by_line;
use super::by_order::by_order;
use super::checked::Checked;
use super::in_flight::{InFlight, Tables};
use super::optimistic::Optimistic;
use super::shape::{
    AllChecked, AnyTable, Checks, FixedRecords, Kind, LargeTable, PlainRecords, Records, Shape,
    SomeUnchecked, VariableRecords,
};
use crate::error::ReadResult;
use crate::format::hasher::Hasher;
use std::marker::PhantomData;
use std::ops::Range;

/// Most keys of a part of a batch.
pub(super) const PART: usize = 64;
/// Most keys between two stages.
const MAX_LAG: usize = 20;
/// Places for the keys that are in some stage, and those of the next part.
pub(super) const RING: usize = 128;
const _: () = assert!(RING >= PART + 3 * MAX_LAG);

/// Takes all keys of a batch through each stage together.
pub(super) struct Together<'s, 't, 'k, T> {
    tables: T,
    places: &'s mut [InFlight<'t, 'k>],
}

/// Takes the keys `new` of a batch through the stages, behind those that are in the ring already,
/// until the first stage has had all of them; to the end if they are the last ones. The outcome is how
/// many keys of the batch have their answers.
pub(super) struct Part<'s, 't, 'k, T> {
    tables: T,
    ring: &'s mut [InFlight<'t, 'k>; RING],
    new: Range<usize>,
    is_last: bool,
}

impl<'s, 't, 'k, T> Together<'s, 't, 'k, T> {
    pub(super) fn new(tables: T, places: &'s mut [InFlight<'t, 'k>]) -> Self {
        Self { tables, places }
    }
}

impl<'s, 't, 'k, T> Part<'s, 't, 'k, T> {
    pub(super) fn new(
        tables: T,
        ring: &'s mut [InFlight<'t, 'k>; RING],
        new: Range<usize>,
        is_last: bool,
    ) -> Self {
        Self { tables, ring, new, is_last }
    }
}

impl<'t, T: Tables<'t>> Work for Together<'_, 't, '_, T> {
    type Output = ReadResult<()>;

    #[inline(always)]
    fn run<I: Simd>(self, simd: I) -> ReadResult<()> {
        match self.tables.kind() {
            Kind::Fixed => self.in_buckets::<I, FixedRecords>(simd),
            Kind::Plain => self.in_buckets::<I, PlainRecords>(simd),
            Kind::Variable => self.in_buckets::<I, VariableRecords>(simd),
            Kind::Large => self.in_buckets::<I, LargeTable>(simd),
            Kind::Other => self.in_buckets::<I, AnyTable>(simd),
            kind => by_ordered_index(simd, kind, self.tables, self.places),
        }
    }
}

impl<'t, T: Tables<'t>> Together<'_, 't, '_, T> {
    #[inline(always)]
    fn in_buckets<I: Simd, S: Shape>(self, simd: I) -> ReadResult<()> {
        let stages = Stages::<I, T, S>::new(simd, self.tables);
        for place in &mut *self.places {
            stages.hash(place);
        }
        for place in &mut *self.places {
            stages.ask_first(place);
        }
        for place in &mut *self.places {
            stages.ask_second(place);
        }
        match self.tables.all_checked(&*self.places) {
            true => {
                for place in &mut *self.places {
                    stages.answer(place)?;
                }
            }
            false => {
                for place in &mut *self.places {
                    answer_unchecked::<T, S>(self.tables, place)?;
                }
            }
        }
        if !self.tables.nothing_lost(&*self.places) {
            for place in self.places {
                ask_again(self.tables, place)?;
            }
        }
        Ok(())
    }
}

impl<'t, T: Tables<'t>> Work for Part<'_, 't, '_, T> {
    type Output = ReadResult<usize>;

    #[inline(always)]
    fn run<I: Simd>(self, simd: I) -> ReadResult<usize> {
        match self.tables.kind() {
            Kind::Fixed => self.in_buckets::<I, FixedRecords>(simd),
            Kind::Plain => self.in_buckets::<I, PlainRecords>(simd),
            Kind::Variable => self.in_buckets::<I, VariableRecords>(simd),
            Kind::Large => self.in_buckets::<I, LargeTable>(simd),
            Kind::Other => self.in_buckets::<I, AnyTable>(simd),
            kind => {
                // New keys do not meet the end of the ring: parts are halves of it.
                let (from, len) = (self.new.start % RING, self.new.len());
                by_ordered_index(simd, kind, self.tables, &mut self.ring[from..from + len])?;
                Ok(self.new.end)
            }
        }
    }
}

const _: () = assert!(RING.is_multiple_of(PART));

/// Keys through the line index or the tree.
#[inline(always)]
fn by_ordered_index<'t, I: Simd, T: Tables<'t>>(
    simd: I,
    kind: Kind,
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    match kind {
        Kind::Lines8 => by_line::<I, Len8, T>(simd, tables, places),
        Kind::Lines16 => by_line::<I, Len16, T>(simd, tables, places),
        Kind::Lines => by_line::<I, AnyLen, T>(simd, tables, places),
        Kind::Ordered | Kind::Fixed | Kind::Plain | Kind::Variable | Kind::Large | Kind::Other => {
            by_order(tables, places)
        }
    }
}

impl<'t, T: Tables<'t>> Part<'_, 't, '_, T> {
    /// Through the hash index, in four stages: hashes, candidates of first buckets, candidates of
    /// second buckets, records.
    #[inline(always)]
    fn in_buckets<I: Simd, S: Shape>(self, simd: I) -> ReadResult<usize> {
        let Self { tables, ring, new, is_last } = self;
        let stages = Stages::<I, T, S>::new(simd, tables);
        let lag = Stages::<I, T, S>::LAG;
        let steps = new.start..new.end + if is_last { 3 * lag } else { 0 };
        let answered = steps.start.saturating_sub(3 * lag)..steps.end.saturating_sub(3 * lag);
        // Of the places that are answered now. Bytes do not change, so what these have read before is what
        // was checked.
        let all_checked = tables.all_checked(answered.clone().map(|number| &ring[number % RING]));
        for step in steps.clone() {
            if step < new.end {
                stages.hash(&mut ring[step % RING]);
            }
            let number = step.wrapping_sub(lag);
            if number < new.end {
                stages.ask_first(&mut ring[number % RING]);
            }
            let number = step.wrapping_sub(2 * lag);
            if number < new.end {
                stages.ask_second(&mut ring[number % RING]);
            }
            let number = step.wrapping_sub(3 * lag);
            if number < new.end {
                let place = &mut ring[number % RING];
                match all_checked {
                    true => stages.answer(place)?,
                    false => answer_unchecked::<T, S>(tables, place)?,
                }
            }
        }
        if !tables.nothing_lost(answered.clone().map(|number| &ring[number % RING])) {
            for number in answered.clone() {
                ask_again(tables, &mut ring[number % RING])?;
            }
        }
        Ok(answered.end)
    }
}

/// The stages of lookups through the hash index. Prefetches are guesses; the last stage checks
/// everything.
struct Stages<I, T, S> {
    simd: I,
    tables: T,
    shape: PhantomData<S>,
}

impl<'t, I: Simd, T: Tables<'t>, S: Shape> Stages<I, T, S> {
    /// Distance between two stages, in keys: long enough to hide one memory latency. Cheaper keys
    /// need a larger distance. A larger one than needed costs time, as a batch starts and ends with
    /// steps in which some stages have no key.
    const LAG: usize = match S::RECORDS {
        Records::Fixed => MAX_LAG,
        Records::Plain | Records::Variable => 10,
    };

    #[inline(always)]
    fn new(simd: I, tables: T) -> Self {
        Self { simd, tables, shape: PhantomData }
    }

    #[inline(always)]
    fn hash(&self, place: &mut InFlight<'t, '_>) {
        let proven = self.tables.table(place).view.proven();
        let hash = proven.hasher.remix(Hasher::base_by(self.simd, place.key));
        prefetch(proven.bucket(hash), 0);
        place.hash = hash;
    }

    #[inline(always)]
    fn ask_first(&self, place: &mut InFlight<'t, '_>) {
        let view = &self.tables.table(place).view;
        let bucket = view.proven().bucket(place.hash);
        // Candidates ask for no check: who answers by them does.
        let lookup = Optimistic::new(view, self.simd, AllChecked);
        let (candidate, other) = lookup.candidates::<S>(bucket, place.hash);
        Self::prefetch_record(view, candidate, place.key.len());
        Self::prefetch_record(view, other, place.key.len());
        place.candidate = candidate;
        place.goes_on = S::SLOTS.is_some() && candidate == Candidate::SENT_ON;
        if place.goes_on {
            prefetch(view.proven().second_bucket(place.hash), 0);
        }
    }

    #[inline(always)]
    fn ask_second(&self, place: &mut InFlight<'t, '_>) {
        if !place.goes_on {
            return;
        }
        let view = &self.tables.table(place).view;
        let bucket = view.proven().second_bucket(place.hash);
        let lookup = Optimistic::new(view, self.simd, AllChecked);
        let (candidate, _) = lookup.candidates::<S>(bucket, place.hash);
        Self::prefetch_record(view, candidate, place.key.len());
        place.candidate = candidate;
    }

    #[inline(always)]
    fn answer(&self, place: &mut InFlight<'t, '_>) -> ReadResult<()> {
        answer_by::<I, AllChecked, T, S>(self.simd, AllChecked, self.tables, place)
    }

    /// Prefetches the record of a candidate: the lines in which its key starts and ends; for long
    /// keys of variable length one line in between, and so the first line of an unaligned value.
    #[inline(always)]
    fn prefetch_record(view: &View, candidate: Candidate, key_len: usize) {
        let Some(reference) = candidate.reference() else { return };
        if S::RECORDS == Records::Fixed {
            for address in view.proven().fixed_addresses(reference as u64) {
                prefetch_outer_address(address);
            }
            return;
        }
        let record = view.proven().record_address(reference);
        prefetch_outer_address(record);
        // The length word, at most four bytes, stands before the key. A prefetch too many costs
        // less than a branch on lengths.
        prefetch_outer_address(record.wrapping_add(key_len + 4));
        prefetch_outer_address(record.wrapping_add(key_len.min(CACHE_LINE)));
    }
}

#[inline(always)]
fn answer_by<'t, I: Simd, C: Checks, T: Tables<'t>, S: Shape>(
    simd: I,
    checks: C,
    tables: T,
    place: &mut InFlight<'t, '_>,
) -> ReadResult<()> {
    let guess = place.guess::<S, I, C>(Optimistic::new(&tables.table(place).view, simd, checks));
    if guess.is_undecided() {
        return ask_again(tables, place);
    }
    place.answer = guess.answer();
    Ok(())
}

/// The last stage while some page is unchecked. Compiled for the baseline only: it serves a table that was
/// opened a short while ago, and would double the code of every form.
#[inline(never)]
fn answer_unchecked<'t, T: Tables<'t>, S: Shape>(
    tables: T,
    place: &mut InFlight<'t, '_>,
) -> ReadResult<()> {
    answer_by::<_, _, T, S>(Baseline, SomeUnchecked, tables, place)
}

/// The answer where the stages come to none.
#[cold]
#[inline(never)]
fn ask_again<'t, T: Tables<'t>>(tables: T, place: &mut InFlight<'t, '_>) -> ReadResult<()> {
    place.answer = Checked::of(&tables.table(place).view).get(place.key)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::crafted::{Crafted, ENTRIES, always, key, value};
    use super::super::in_flight::Single;
    use super::super::many::get_many;
    #[cfg(feature = "sets")]
    use super::super::many::get_many_among;
    use super::*;
    use crate::PageChecks;

    /// In buckets with more slots of one tag than a builder makes, where the lookup with care finds an
    /// error: the stages ask the first slot with the tag's tail, and where there is none, nothing else.
    #[test]
    fn stages_answer_by_the_first_candidates() {
        let plain = (always(), false, Kind::Plain);
        let aligned = (always().value_align(8), false, Kind::Variable);
        for (options, fixed, kind) in [(always(), true, Kind::Fixed), plain, aligned] {
            let entries = (0..ENTRIES).map(|i| (key(i, fixed), value(i, fixed)));
            let sound = Crafted::build(&options, entries);
            let [asked, other] = [7, 8].map(|i| key(i, fixed));
            let [asked_slot, other_slot] = [&asked, &other].map(|key| sound.reference(key));
            let without = [(other_slot, false); 4];
            let with = [without[0], without[1], without[2], (asked_slot, true)];
            let (index, hash) = (sound.index(), sound.index().hasher.hash(&asked));
            let (first, second) = (index.first_bucket(hash), index.second_bucket(hash));
            let [mut absent, mut in_first, mut in_second] = [(); 3].map(|()| sound.clone());
            absent.fill(first, hash, &without);
            in_first.fill(first, hash, &with);
            in_second.fill(first, hash, &[]);
            in_second.send_on(first, hash);
            in_second.fill(second, hash, &with);
            let value = value(7, fixed);
            let stored = Some(&value[..]);
            for (crafted, answer) in [(absent, None), (in_first, stored), (in_second, stored)] {
                let table = crafted.open(PageChecks::Never);
                assert!(Single(table.searched()).kind() == kind);
                assert!(Checked::of(table.view()).get(&asked).is_err());
                // At once, and in parts.
                for len in [1, PART, PART + 1, 3 * PART] {
                    let mut answers = Vec::new();
                    let asked = vec![&asked; len];
                    get_many(&asked, table.searched(), |answer| answers.push(answer)).unwrap();
                    assert_eq!(answers, vec![answer; len]);
                }
            }
        }
    }

    /// One key of a batch is of a table whose pages were not checked, all others of one whose pages were.
    #[cfg(feature = "sets")]
    #[test]
    fn each_key_is_answered_by_checked_pages() {
        let checked = Crafted::of(true).open(PageChecks::AtOpen);
        let (alone, alone_value) = (key(7, true), b"alone");
        let crafted = Crafted::build(&always(), [(&alone, alone_value)]);
        let keys: Vec<_> = (0..2 * PART as u64).map(|i| key(i, true)).collect();
        for at in [0, 10, PART, 2 * PART - 1] {
            let table = crafted.open(PageChecks::FirstTouch);
            let record = table.view().layout().records.start;
            assert!(!table.view().pages().is_checked(record));
            let asked = keys.iter().enumerate().map(|(i, key)| match i == at {
                true => (table.searched(), &alone[..]),
                false => (checked.searched(), &key[..]),
            });
            let mut answers = Vec::new();
            assert!(get_many_among(asked, |answer| answers.push(answer)).unwrap());
            assert!(table.view().pages().is_checked(record), "key {at}");
            for (i, answer) in answers.into_iter().enumerate() {
                let value = if i == at { alone_value.to_vec() } else { value(i as u64, true) };
                assert_eq!(answer, Some(&value[..]), "key {i}");
            }
        }
    }
}
