//! The stages of many lookups at once. Each stage prefetches what the next one reads.

use super::super::guess::{Candidate, Guess, LineAnswer};
use super::super::index::line::Lines;
use super::super::map::AnyLen;
use super::super::simd::{CACHE_LINE, Simd, Work, prefetch, prefetch_outer, work};
use super::super::view::View;
use super::checked::Checked;
use super::kernels::Searched;
use super::optimistic::Optimistic;
use super::shape::{
    AllChecked, AnyTable, Checks, FixedRecords, Kind, LargeTable, PlainRecords, Records, Shape,
    SomeUnchecked, VariableRecords,
};
use crate::error::ReadResult;
use crate::format::hasher::Hasher;
use crate::format::index::line::{LINE, LinePlace};
use crate::format::layout::HashLayout;
use std::marker::PhantomData;
use std::ops::Range;

/// Most keys of a part of a batch.
pub(super) const PART: usize = 64;
/// Most keys between two stages.
const MAX_LAG: usize = 20;
/// Places for the keys that are in some stage, and those of the next part.
pub(super) const RING: usize = 128;
const _: () = assert!(RING >= PART + 3 * MAX_LAG);

/// A key on its way through the stages.
#[derive(Clone, Copy)]
pub(super) struct InFlight<'t, 'k> {
    #[cfg_attr(
        not(feature = "sets"),
        expect(dead_code, reason = "read where keys ask several tables")
    )]
    table: &'t Searched,
    key: &'k [u8],
    /// The hash of the key; the number of its line.
    hash: u64,
    /// The tag in the line.
    tag: u16,
    /// Whether the first bucket has sent the key on to the second; whether the key may have a line.
    goes_on: bool,
    /// What the last bucket or the line says.
    candidate: Candidate,
    pub(super) answer: Option<&'t [u8]>,
}

// One cache line.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<InFlight>() == CACHE_LINE);

impl<'t, 'k> InFlight<'t, 'k> {
    /// A place in which no key is yet.
    #[inline(always)]
    pub(super) fn empty(table: &'t Searched) -> Self {
        let candidate = Candidate::ABSENT;
        Self { table, key: &[], hash: 0, tag: 0, goes_on: false, candidate, answer: None }
    }
}

/// The tables that a batch asks.
pub(super) trait Tables<'t>: Copy {
    /// The kind of all these tables.
    fn kind(self) -> Kind;
    /// Puts a key into a place. What the stages note there they write before they read it.
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, table: &'t Searched, key: &'k [u8]);
    /// The table of a key.
    fn table(self, place: &InFlight<'t, '_>) -> &'t Searched;
    /// The hash index of this table.
    fn hash(self, place: &InFlight<'t, '_>) -> Option<&'t HashLayout>;
    /// The line index of this table.
    fn lines(self, place: &InFlight<'t, '_>) -> Option<Lines<'t>>;
}

/// One table, which all keys ask. Its indexes are found once.
#[derive(Clone, Copy)]
pub(super) struct Single<'t> {
    table: &'t Searched,
    hash: Option<&'t HashLayout>,
    lines: Option<Lines<'t>>,
}

impl<'t> Single<'t> {
    #[inline]
    pub(super) fn new(table: &'t Searched) -> Self {
        let (hash, lines) = (table.view.layout().hash.as_ref(), Lines::of(&table.view));
        Self { table, hash, lines }
    }
}

impl<'t> Tables<'t> for Single<'t> {
    fn kind(self) -> Kind {
        self.table.lookups.kind()
    }

    #[inline(always)]
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, _: &'t Searched, key: &'k [u8]) {
        place.key = key;
    }

    #[inline(always)]
    fn table(self, _: &InFlight<'t, '_>) -> &'t Searched {
        self.table
    }

    #[inline(always)]
    fn hash(self, _: &InFlight<'t, '_>) -> Option<&'t HashLayout> {
        self.hash
    }

    #[inline(always)]
    fn lines(self, _: &InFlight<'t, '_>) -> Option<Lines<'t>> {
        self.lines
    }
}

/// Tables of one kind, such as the shards of a set: each key names its own.
#[cfg(feature = "sets")]
#[derive(Clone, Copy)]
pub(super) struct Several(Kind);

#[cfg(feature = "sets")]
impl Several {
    /// `None` if the tables are of several kinds, or if there is none.
    pub(super) fn of<'t>(mut tables: impl Iterator<Item = &'t Searched>) -> Option<Self> {
        let kind = tables.next()?.lookups.kind();
        tables.all(|table| table.lookups.kind() == kind).then_some(Self(kind))
    }
}

#[cfg(feature = "sets")]
impl<'t> Tables<'t> for Several {
    fn kind(self) -> Kind {
        self.0
    }

    #[inline(always)]
    fn put<'k>(self, place: &mut InFlight<'t, 'k>, table: &'t Searched, key: &'k [u8]) {
        (place.table, place.key) = (table, key);
    }

    #[inline(always)]
    fn table(self, place: &InFlight<'t, '_>) -> &'t Searched {
        place.table
    }

    #[inline(always)]
    fn hash(self, place: &InFlight<'t, '_>) -> Option<&'t HashLayout> {
        place.table.view.layout().hash.as_ref()
    }

    #[inline(always)]
    fn lines(self, place: &InFlight<'t, '_>) -> Option<Lines<'t>> {
        Lines::of(&place.table.view)
    }
}

/// Takes all keys of a batch through each stage together.
pub(super) fn together<'t, T: Tables<'t>>(
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    work(Together { tables, places, lifetime: PhantomData })
}

/// Takes the keys `new` of a batch through the stages, behind those that are in the ring already,
/// until the first stage has had all of them; to the end if they are the last ones. Returns how
/// many keys of the batch have their answers.
pub(super) fn part<'t, T: Tables<'t>>(
    tables: T,
    ring: &mut [InFlight<'t, '_>; RING],
    new: Range<usize>,
    is_last: bool,
) -> ReadResult<usize> {
    work(Part { tables, ring, new, is_last, lifetime: PhantomData })
}

struct Together<'s, 't, 'k, T> {
    tables: T,
    places: &'s mut [InFlight<'t, 'k>],
    lifetime: PhantomData<&'t ()>,
}

struct Part<'s, 't, 'k, T> {
    tables: T,
    ring: &'s mut [InFlight<'t, 'k>; RING],
    new: Range<usize>,
    is_last: bool,
    lifetime: PhantomData<&'t ()>,
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
            Kind::Ordered => one_by_one(self.tables, self.places),
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
                    one_by_one(self.tables, places)?;
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
        let Self { tables, ring, new, is_last, .. } = self;
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

/// One key after the other.
#[inline(never)]
fn one_by_one<'t, T: Tables<'t>>(tables: T, places: &mut [InFlight<'t, '_>]) -> ReadResult<()> {
    for place in places {
        let table = tables.table(place);
        place.answer = table.lookups.get(&table.view, place.key)?;
    }
    Ok(())
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
        let Some(lines) = tables.lines(place) else { continue };
        let index = lines.layout();
        let found =
            index.scale.place(place.key).filter(|_| place.key.len() == lines.fixed().key_len);
        place.goes_on = found.is_some();
        let LinePlace { line, tag } = found.unwrap_or(LinePlace { line: 0, tag: 0 });
        (place.hash, place.tag) = (line, tag);
        let line = line.min(index.lines) as usize;
        prefetch(tables.table(place).view.bytes(), index.span.start + line * LINE);
    }
    for place in &mut *places {
        let Some(lines) = tables.lines(place) else { continue };
        place.candidate = Candidate::ABSENT;
        if !place.goes_on {
            continue;
        }
        let view = &tables.table(place).view;
        let asked = LinePlace { line: place.hash, tag: place.tag };
        let answer = match view.pages().lookups_checked() {
            true => Optimistic::new(view, simd, AllChecked).ask_line(asked),
            false => Optimistic::new(view, simd, SomeUnchecked).ask_line(asked),
        };
        place.candidate = match answer {
            LineAnswer::Rank(rank) => {
                let fixed = lines.fixed();
                let offset = fixed.offset(rank.min(view.layout().entries));
                prefetch_outer(view.bytes(), offset);
                prefetch_outer(view.bytes(), offset + fixed.key_len);
                Candidate::new(rank as usize)
            }
            LineAnswer::Absent => Candidate::ABSENT,
            LineAnswer::Undecided => Candidate::SENT_ON,
        };
    }
    for place in places {
        let Searched { view, lookups } = tables.table(place);
        let guess =
            match (place.candidate.reference(), view.pages().lookups_checked()) {
                (Some(rank), true) => Optimistic::new(view, simd, AllChecked)
                    .at_rank::<AnyLen>(rank as u64, place.key),
                (Some(rank), false) => Optimistic::new(view, simd, SomeUnchecked)
                    .at_rank::<AnyLen>(rank as u64, place.key),
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
                Self::guess(Optimistic::new(view, self.simd, AllChecked), index, place)
            }
            Some(index) => {
                Self::guess(Optimistic::new(view, self.simd, SomeUnchecked), index, place)
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

    #[inline(always)]
    fn guess<C: Checks>(
        lookup: Optimistic<'t, I, C>,
        index: &HashLayout,
        place: &InFlight<'t, '_>,
    ) -> Guess<'t> {
        let InFlight { hash, candidate, key, .. } = *place;
        match place.goes_on {
            false => lookup.with_candidate::<S>(index, hash, candidate, key),
            true => lookup.baseline().with_second_candidate::<S>(index, hash, candidate, key),
        }
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
