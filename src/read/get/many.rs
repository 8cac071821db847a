//! Many lookups at once: their waits for memory overlap. A lookup goes through stages; each stage
//! prefetches what the next one reads.

use super::super::guess::{Candidate, Guess, LineAnswer};
use super::super::index::line::Lines;
use super::super::map::AnyLen;
use super::super::simd::{CACHE_LINE, Simd, Work, prefetch, prefetch_outer, work};
use super::super::view::View;
use super::checked::Checked;
use super::kernels::Lookups;
use super::optimistic::Optimistic;
use super::shape::{
    AllChecked, AnyTable, Checks, FixedRecords, LargeTable, PlainRecords, Records, Shape,
    SomeUnchecked, VariableRecords,
};
use crate::error::ReadResult;
use crate::format::hasher::Hasher;
use crate::format::index::hash::Slots;
use crate::format::index::line::LINE;
use crate::format::layout::HashLayout;
use std::marker::PhantomData;

/// Keys that are looked up together.
pub(crate) struct Batch<'t, 'a, K, F> {
    pub(crate) view: &'t View,
    pub(crate) lookups: &'t Lookups,
    pub(crate) keys: &'a [K],
    /// Takes one answer per key, in order.
    pub(crate) each: F,
}

/// Most keys between two stages.
const MAX_LAG: usize = 20;
/// Places for keys that are in some stage. A batch of at most so many keys goes through each stage
/// together.
const RING: usize = 64;
const _: () = assert!(RING > 3 * MAX_LAG);
/// Places for a small batch in the line index. Every place is initialized, so fewer cost less.
const FEW: usize = 16;

impl<'t, K: AsRef<[u8]>, F: FnMut(Option<&'t [u8]>)> Batch<'t, '_, K, F> {
    /// Looks all keys up. `each` has had one answer per key then, unless there was an error.
    pub(crate) fn answer(self) -> ReadResult<()> {
        work(self)
    }
}

impl<'t, K: AsRef<[u8]>, F: FnMut(Option<&'t [u8]>)> Work for Batch<'t, '_, K, F> {
    type Output = ReadResult<()>;

    #[inline(always)]
    fn run<I: Simd>(mut self, simd: I) -> ReadResult<()> {
        if let Some(lines) = Lines::of(self.view) {
            return self.in_lines(simd, lines);
        }
        let layout = self.view.layout();
        let Some(index) = &layout.hash else {
            for key in self.keys {
                (self.each)(self.lookups.get(self.view, key.as_ref())?);
            }
            return Ok(());
        };
        match (index.slots, layout.fixed.is_some()) {
            (Slots::Four, true) => self.in_buckets::<I, FixedRecords>(simd, index),
            (Slots::Four, _) if layout.decoder.is_plain() => {
                self.in_buckets::<I, PlainRecords>(simd, index)
            }
            (Slots::Four, _) => self.in_buckets::<I, VariableRecords>(simd, index),
            (Slots::Five, false) => self.in_buckets::<I, LargeTable>(simd, index),
            _ => self.in_buckets::<I, AnyTable>(simd, index),
        }
    }
}

impl<'t, K: AsRef<[u8]>, F: FnMut(Option<&'t [u8]>)> Batch<'t, '_, K, F> {
    /// Through the hash index, in four stages: hashes, candidates of first buckets, candidates of
    /// second buckets, records.
    #[inline(always)]
    fn in_buckets<I: Simd, T: Shape>(self, simd: I, index: &'t HashLayout) -> ReadResult<()> {
        let Self { keys, mut each, .. } = self;
        let mut stages = Stages::<I, T>::new(self.view, simd, index);
        if keys.len() <= RING {
            // One stage after the other: with few keys there is little to overlap, and steps in
            // which most stages have no key cost more.
            for (at, key) in keys.iter().enumerate() {
                stages.hash(at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                stages.ask_first(at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                stages.ask_second(at, key.as_ref());
            }
            for (at, key) in keys.iter().enumerate() {
                each(stages.answer(at, key.as_ref())?);
            }
            return Ok(());
        }
        // One key in each stage at any time: the lines that one stage waits for arrive while
        // another computes.
        let lag = Stages::<I, T>::LAG;
        for step in 0..keys.len() + 3 * lag {
            if let Some(key) = keys.get(step) {
                stages.hash(step % RING, key.as_ref());
            }
            let number = step.wrapping_sub(lag);
            if let Some(key) = keys.get(number) {
                stages.ask_first(number % RING, key.as_ref());
            }
            let number = step.wrapping_sub(2 * lag);
            if let Some(key) = keys.get(number) {
                stages.ask_second(number % RING, key.as_ref());
            }
            let number = step.wrapping_sub(3 * lag);
            if let Some(key) = keys.get(number) {
                each(stages.answer(number % RING, key.as_ref())?);
            }
        }
        Ok(())
    }

    /// Through the line index, in three stages: lines, ranks, records.
    #[inline(always)]
    fn in_lines<I: Simd>(mut self, simd: I, lines: Lines<'t>) -> ReadResult<()> {
        // A plain loop: an adapter would put a function in between that is compiled without the
        // instructions of `simd`.
        for keys in self.keys.chunks(RING) {
            if keys.len() <= FEW {
                self.part_in_lines::<I, FEW>(simd, lines, keys)?;
            } else {
                self.part_in_lines::<I, RING>(simd, lines, keys)?;
            }
        }
        Ok(())
    }

    /// At most `N` keys through the line index.
    #[inline(always)]
    fn part_in_lines<I: Simd, const N: usize>(
        &mut self,
        simd: I,
        lines: Lines<'t>,
        keys: &[K],
    ) -> ReadResult<()> {
        debug_assert!(keys.len() <= N);
        let view = self.view;
        let (index, fixed, bytes) = (lines.layout(), lines.fixed(), view.bytes());
        let mut places = [None; N];
        let mut answers = [LineAnswer::Absent; N];
        for (place, key) in places.iter_mut().zip(keys) {
            let key = key.as_ref();
            *place = index.scale.place(key).filter(|_| key.len() == fixed.key_len);
            let line = place.map_or(0, |place| place.line.min(index.lines));
            prefetch(bytes, index.span.start + line as usize * LINE);
        }
        let all_checked = view.pages().lookups_checked();
        for (answer, &place) in answers.iter_mut().zip(&places).take(keys.len()) {
            let Some(place) = place else { continue };
            *answer = if all_checked {
                Optimistic::new(view, simd, AllChecked).ask_line(place)
            } else {
                Optimistic::new(view, simd, SomeUnchecked).ask_line(place)
            };
            let LineAnswer::Rank(rank) = *answer else { continue };
            let offset = fixed.offset(rank.min(view.layout().entries));
            prefetch_outer(bytes, offset);
            prefetch_outer(bytes, offset + fixed.key_len);
        }
        for (&answer, key) in answers.iter().zip(keys) {
            let key = key.as_ref();
            let guess = match answer {
                LineAnswer::Rank(rank) if all_checked => {
                    Optimistic::new(view, simd, AllChecked).at_rank::<AnyLen>(rank, key)
                }
                LineAnswer::Rank(rank) => {
                    Optimistic::new(view, simd, SomeUnchecked).at_rank::<AnyLen>(rank, key)
                }
                LineAnswer::Absent => Guess::ABSENT,
                LineAnswer::Undecided => Guess::UNDECIDED,
            };
            (self.each)(if guess.is_undecided() || !view.memory().nothing_lost() {
                self.lookups.get_again(view, key)?
            } else {
                guess.answer()
            });
        }
        Ok(())
    }
}

/// The stages of lookups through the hash index. Prefetches are guesses; the last stage checks
/// everything.
struct Stages<'t, I, T> {
    view: &'t View,
    simd: I,
    index: &'t HashLayout,
    hashes: [u64; RING],
    candidates: [Candidate; RING],
    /// Whether the first bucket has sent the key on to the second.
    sent_on: [bool; RING],
    shape: PhantomData<T>,
}

impl<'t, I: Simd, T: Shape> Stages<'t, I, T> {
    /// Distance between two stages, in keys: long enough to hide one memory latency. Cheaper keys
    /// need a larger distance. A larger one than needed costs time, as a batch starts and ends with
    /// steps in which some stages have no key.
    const LAG: usize = match T::RECORDS {
        Records::Fixed => MAX_LAG,
        Records::Plain | Records::Variable => 10,
    };

    #[inline(always)]
    fn new(view: &'t View, simd: I, index: &'t HashLayout) -> Self {
        let (hashes, candidates) = ([0; RING], [Candidate::ABSENT; RING]);
        Self { view, simd, index, hashes, candidates, sent_on: [false; RING], shape: PhantomData }
    }

    #[inline(always)]
    fn hash(&mut self, at: usize, key: &[u8]) {
        let hash = self.index.hasher.remix(Hasher::base_by(self.simd, key));
        prefetch(self.view.bytes(), self.index.bucket_start(self.index.first_bucket(hash)));
        self.hashes[at] = hash;
    }

    #[inline(always)]
    fn ask_first(&mut self, at: usize, key: &[u8]) {
        let hash = self.hashes[at];
        let bucket = self.view.proven().bucket(hash);
        let (candidate, other) = self.lookup(AllChecked).candidates::<T>(bucket, hash);
        self.prefetch_record(candidate, key.len());
        self.prefetch_record(other, key.len());
        self.candidates[at] = candidate;
        self.sent_on[at] = T::SLOTS.is_some() && candidate == Candidate::SENT_ON;
        if self.sent_on[at] {
            let second = self.index.second_bucket(hash);
            prefetch(self.view.bytes(), self.index.bucket_start(second));
        }
    }

    #[inline(always)]
    fn ask_second(&mut self, at: usize, key: &[u8]) {
        if self.sent_on[at] {
            let hash = self.hashes[at];
            let bucket = self.view.proven().cell(self.index.second_bucket(hash));
            let candidate = bucket.map_or(Candidate::SENT_ON, |bucket| {
                self.lookup(AllChecked).candidates::<T>(bucket, hash).0
            });
            self.prefetch_record(candidate, key.len());
            self.candidates[at] = candidate;
        }
    }

    #[inline(always)]
    fn answer(&self, at: usize, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        let (hash, candidate, index) = (self.hashes[at], self.candidates[at], self.index);
        let guess = match (self.sent_on[at], self.view.pages().lookups_checked()) {
            (false, true) => {
                self.lookup(AllChecked).with_candidate::<T>(index, hash, candidate, key)
            }
            (false, false) => {
                self.lookup(SomeUnchecked).with_candidate::<T>(index, hash, candidate, key)
            }
            (true, true) => {
                let lookup = self.lookup(AllChecked).baseline();
                lookup.with_second_candidate::<T>(index, hash, candidate, key)
            }
            (true, false) => {
                let lookup = self.lookup(SomeUnchecked).baseline();
                lookup.with_second_candidate::<T>(index, hash, candidate, key)
            }
        };
        if guess.is_undecided() || !self.view.memory().nothing_lost() {
            return Checked::of(self.view).get(key);
        }
        Ok(guess.answer())
    }

    #[inline(always)]
    fn lookup<C: Checks>(&self, checks: C) -> Optimistic<'t, I, C> {
        Optimistic::new(self.view, self.simd, checks)
    }

    /// Prefetches the record of a candidate: the lines in which its key starts and ends; for long
    /// keys of variable length one line in between, and so the first line of an unaligned value.
    #[inline(always)]
    fn prefetch_record(&self, candidate: Candidate, key_len: usize) {
        let Some(reference) = candidate.reference() else { return };
        let (layout, bytes) = (self.view.layout(), self.view.bytes());
        if T::RECORDS == Records::Fixed
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
