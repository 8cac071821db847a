//! The stages of many lookups at once. Each stage prefetches what the next one reads.

use super::super::guess::{Candidate, Guess, LineAnswer};
use super::super::map::AnyLen;
use super::super::simd::{Baseline, CACHE_LINE, Simd, Work, prefetch, prefetch_outer};
use super::super::view::View;
use super::by_order::by_order;
use super::checked::Checked;
use super::in_flight::{InFlight, Tables};
use super::kernels::Searched;
use super::optimistic::Optimistic;
use super::shape::{
    AllChecked, AnyTable, FixedRecords, Kind, LargeTable, PlainRecords, Records, Shape,
    SomeUnchecked, VariableRecords,
};
use crate::error::ReadResult;
use crate::format::hasher::Hasher;
use crate::format::index::line::LinePlace;
use crate::format::order::head;
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
            Kind::Lines => in_lines(simd, self.tables, self.places),
            Kind::Fixed => self.in_buckets::<I, FixedRecords>(simd),
            Kind::Plain => self.in_buckets::<I, PlainRecords>(simd),
            Kind::Variable => self.in_buckets::<I, VariableRecords>(simd),
            Kind::Large => self.in_buckets::<I, LargeTable>(simd),
            Kind::Other => self.in_buckets::<I, AnyTable>(simd),
            Kind::Ordered => by_order(self.tables, self.places),
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
        for place in self.places {
            stages.answer(place)?;
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
                let places = &mut self.ring[from..from + len];
                if kind == Kind::Lines {
                    in_lines(simd, self.tables, places)?;
                } else {
                    by_order(self.tables, places)?;
                }
                Ok(self.new.end)
            }
        }
    }
}

const _: () = assert!(RING.is_multiple_of(PART));

impl<'t, T: Tables<'t>> Part<'_, 't, '_, T> {
    /// Through the hash index, in four stages: hashes, candidates of first buckets, candidates of
    /// second buckets, records.
    #[inline(always)]
    fn in_buckets<I: Simd, S: Shape>(self, simd: I) -> ReadResult<usize> {
        let Self { tables, ring, new, is_last } = self;
        let stages = Stages::<I, T, S>::new(simd, tables);
        let lag = Stages::<I, T, S>::LAG;
        let steps = new.start..new.end + if is_last { 3 * lag } else { 0 };
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
                stages.answer(&mut ring[number % RING])?;
            }
        }
        Ok(steps.end.saturating_sub(3 * lag))
    }
}

/// Keys through the line index, in three stages: lines, ranks, records.
#[inline(always)]
fn in_lines<'t, I: Simd, T: Tables<'t>>(
    simd: I,
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    // Plain loops: an adapter would put a function in between that is compiled without the
    // instructions of `simd`.
    for place in &mut *places {
        let proven = tables.table(place).view.proven();
        let found = proven.line_place(head(place.key));
        place.goes_on = found.is_some();
        if let Some(LinePlace { line, tag }) = found {
            (place.hash, place.tag) = (line, tag);
            if let Some(line) = proven.cell(line) {
                prefetch(line, 0);
            }
        }
    }
    for place in &mut *places {
        place.candidate = Candidate::ABSENT;
        if !place.goes_on {
            continue;
        }
        let view = &tables.table(place).view;
        let asked = LinePlace { line: place.hash, tag: place.tag };
        let answer = match view.pages().lookups_checked() {
            true => Optimistic::new(view, simd, AllChecked).ask_line(asked),
            false => Optimistic::new(view, Baseline, SomeUnchecked).ask_line_unchecked(asked),
        };
        place.candidate = match answer {
            LineAnswer::Rank(rank) => {
                if let Some((key, value)) = view.proven().fixed::<AnyLen>(rank) {
                    prefetch_outer(key, 0);
                    prefetch_outer(value, 0);
                }
                Candidate::new(rank as usize)
            }
            LineAnswer::Absent => Candidate::ABSENT,
            LineAnswer::Undecided => Candidate::SENT_ON,
        };
    }
    for place in places {
        let Searched { view, lookups } = tables.table(place);
        let guess = match (place.candidate.reference(), view.pages().lookups_checked()) {
            (Some(rank), true) => {
                let lookup = Optimistic::new(view, simd, AllChecked);
                lookup.at_rank::<AnyLen>(rank as u64, place.key)
            }
            (Some(rank), false) => {
                let lookup = Optimistic::new(view, Baseline, SomeUnchecked);
                lookup.at_rank_unchecked(rank as u64, place.key)
            }
            (None, _) if place.candidate == Candidate::ABSENT => Guess::ABSENT,
            (None, _) => Guess::UNDECIDED,
        };
        place.answer = if guess.is_undecided() || !view.memory().nothing_lost() {
            lookups.get_again(view, place.key)?
        } else {
            guess.answer()
        };
    }
    Ok(())
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
        let Some(index) = self.tables.hash(place) else { return };
        let hash = index.hasher.remix(Hasher::base_by(self.simd, place.key));
        let bytes = self.tables.table(place).view.bytes();
        prefetch(bytes, index.bucket_start(index.first_bucket(hash)));
        place.hash = hash;
    }

    #[inline(always)]
    fn ask_first(&self, place: &mut InFlight<'t, '_>) {
        let view = &self.tables.table(place).view;
        let bucket = view.proven().bucket(place.hash);
        let lookup = Optimistic::new(view, self.simd, AllChecked);
        let (candidate, other) = lookup.candidates::<S>(bucket, place.hash);
        Self::prefetch_record(view, candidate, place.key.len());
        Self::prefetch_record(view, other, place.key.len());
        place.candidate = candidate;
        place.goes_on = S::SLOTS.is_some() && candidate == Candidate::SENT_ON;
        if place.goes_on
            && let Some(index) = self.tables.hash(place)
        {
            prefetch(view.bytes(), index.bucket_start(index.second_bucket(place.hash)));
        }
    }

    #[inline(always)]
    fn ask_second(&self, place: &mut InFlight<'t, '_>) {
        if !place.goes_on {
            return;
        }
        let Some(index) = self.tables.hash(place) else { return };
        let view = &self.tables.table(place).view;
        let bucket = view.proven().cell(index.second_bucket(place.hash));
        let candidate = bucket.map_or(Candidate::SENT_ON, |bucket| {
            Optimistic::new(view, self.simd, AllChecked).candidates::<S>(bucket, place.hash).0
        });
        Self::prefetch_record(view, candidate, place.key.len());
        place.candidate = candidate;
    }

    #[inline(always)]
    fn answer(&self, place: &mut InFlight<'t, '_>) -> ReadResult<()> {
        let view = &self.tables.table(place).view;
        let guess = match self.tables.hash(place) {
            Some(index) if view.pages().lookups_checked() => {
                place.guess::<S, I, _>(Optimistic::new(view, self.simd, AllChecked), index)
            }
            Some(index) => {
                place.guess_unchecked::<S>(Optimistic::new(view, Baseline, SomeUnchecked), index)
            }
            None => Guess::UNDECIDED,
        };
        place.answer = if guess.is_undecided() || !view.memory().nothing_lost() {
            Checked::of(view).get(place.key)?
        } else {
            guess.answer()
        };
        Ok(())
    }

    /// Prefetches the record of a candidate: the lines in which its key starts and ends; for long
    /// keys of variable length one line in between, and so the first line of an unaligned value.
    #[inline(always)]
    fn prefetch_record(view: &View, candidate: Candidate, key_len: usize) {
        let Some(reference) = candidate.reference() else { return };
        let (layout, bytes) = (view.layout(), view.bytes());
        if S::RECORDS == Records::Fixed
            && let Some(fixed) = &layout.fixed
        {
            let offset = fixed.offset((reference as u64).min(layout.entries));
            prefetch_outer(bytes, offset);
            prefetch_outer(bytes, offset + fixed.key_len);
            return;
        }
        let offset = layout.records.start.wrapping_add(reference);
        prefetch_outer(bytes, offset);
        // The length word, at most four bytes, stands before the key. A prefetch too many costs
        // less than a branch on lengths.
        prefetch_outer(bytes, offset.wrapping_add(key_len + 4));
        prefetch_outer(bytes, offset.wrapping_add(key_len.min(CACHE_LINE)));
    }
}
