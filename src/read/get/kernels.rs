//! The lookup functions of each kind of table, and the choice between them at open.

use super::super::guess::Guess;
use super::super::map::{AnyLen, KeyLen, Len8, Len16, Len32};
use super::super::simd::{Baseline, Chosen, Family, Lookup, Simd};
use super::super::view::View;
use super::checked::Checked;
use super::optimistic::Optimistic;
use super::shape::{
    AllChecked, AnyTable, Checks, Exactly8, Exactly16, FixedRecords, KeyClass, Kind, LargeTable,
    PlainRecords, Seeded, Seeding, Shape, SomeUnchecked, Unseeded, UpTo16, UpTo32, UpTo64, UpTo128,
    VariableRecords,
};
use crate::error::ReadResult;
use crate::format::index::hash::Slots;
use crate::format::layout::Layout;
use std::marker::PhantomData;

/// The lookup functions of a table's kind, chosen once at open. Each knows index, slots and common
/// key lengths as constants, and so stays small enough for the registers. The fewer instructions a
/// lookup takes, the more lookups a processor that runs ahead has in flight.
pub(crate) struct Lookups {
    /// The first try. The first function serves while every lookup page was checked, the second
    /// while some is unchecked.
    first: Pair,
    /// The second try, for keys that the first leaves undecided. Compiled for the baseline only: it
    /// is rare, and mostly waits for memory.
    again: [Again; 2],
    kind: Kind,
}

/// A table as its lookups see it.
pub(crate) struct Searched {
    pub(crate) view: View,
    pub(crate) lookups: Lookups,
}

type Again = for<'t> fn(&'t View, &[u8]) -> Guess<'t>;

type Pair = [Chosen<Get>; 2];

/// Functions from a table and a key to a guess.
struct Get;

impl Family for Get {
    type Table = View;
    type Answer<'t> = Guess<'t>;
}

/// A kernel for both states of the page checks.
fn pair<L>() -> Pair
where
    L: Kernel + 'static,
{
    [Chosen::new::<With<L, AllChecked>>(), Chosen::new::<With<L, SomeUnchecked>>()]
}

/// A lookup function that is compiled once for each form of instructions and each state of the page
/// checks.
trait Kernel {
    fn run<'t, I: Simd, C: Checks>(lookup: Optimistic<'t, I, C>, key: &[u8]) -> Guess<'t>;
}

/// A kernel with a known state of the page checks.
struct With<L, C>(PhantomData<(L, C)>);

impl<L: Kernel> Lookup<Get> for With<L, AllChecked> {
    #[inline(always)]
    fn run<'t, I: Simd>(simd: I, view: &'t View, key: &[u8]) -> Guess<'t> {
        L::run(Optimistic::new(view, simd, AllChecked), key)
    }
}

impl<L: Kernel> Lookup<Get> for With<L, SomeUnchecked> {
    #[inline(always)]
    fn run<'t, I: Simd>(simd: I, view: &'t View, key: &[u8]) -> Guess<'t> {
        L::run(Optimistic::new(view, simd, SomeUnchecked), key)
    }
}

/// Through the line index.
struct InLines<L>(PhantomData<L>);

impl<L: KeyLen> Kernel for InLines<L> {
    #[inline(always)]
    fn run<'t, I: Simd, C: Checks>(lookup: Optimistic<'t, I, C>, key: &[u8]) -> Guess<'t> {
        lookup.in_lines::<L>(key)
    }
}

/// Through the hash index, for keys of any length.
struct InBuckets<T, S>(PhantomData<(T, S)>);

impl<T: Shape, S: Seeding> Kernel for InBuckets<T, S> {
    #[inline(always)]
    fn run<'t, I: Simd, C: Checks>(lookup: Optimistic<'t, I, C>, key: &[u8]) -> Guess<'t> {
        lookup.in_buckets::<T, S>(key)
    }
}

/// Through the hash index of a table of fixed width, whose keys all belong to the class `K`.
struct InBucketsOfClass<K, S>(PhantomData<(K, S)>);

impl<K: KeyClass, S: Seeding> Kernel for InBucketsOfClass<K, S> {
    #[inline(always)]
    fn run<'t, I: Simd, C: Checks>(lookup: Optimistic<'t, I, C>, key: &[u8]) -> Guess<'t> {
        lookup.in_buckets_of_class::<FixedRecords, S, K>(key)
    }
}

/// Leaves every key to the second try.
struct Undecided;

impl Kernel for Undecided {
    #[inline(always)]
    fn run<'t, I: Simd, C: Checks>(_: Optimistic<'t, I, C>, _: &[u8]) -> Guess<'t> {
        Guess::UNDECIDED
    }
}

/// A function of the second try for both states of the page checks.
macro_rules! again {
    ($($method:tt)*) => {
        [
            |view, key| Optimistic::new(view, Baseline, AllChecked).$($method)*(key),
            |view, key| Optimistic::new(view, Baseline, SomeUnchecked).$($method)*(key),
        ]
    };
}

impl Lookups {
    /// The functions of a table whose hash index answers point lookups.
    fn in_buckets<S: Seeding + 'static>(layout: &Layout, slots: Slots) -> (Pair, [Again; 2]) {
        match (slots, &layout.fixed) {
            (Slots::Four, Some(fixed)) => {
                let first = match fixed.key_len {
                    8 => pair::<InBucketsOfClass<Exactly8, S>>(),
                    16 => pair::<InBucketsOfClass<Exactly16, S>>(),
                    ..=16 => pair::<InBucketsOfClass<UpTo16, S>>(),
                    17..=32 => pair::<InBucketsOfClass<UpTo32, S>>(),
                    33..=64 => pair::<InBucketsOfClass<UpTo64, S>>(),
                    65..=128 => pair::<InBucketsOfClass<UpTo128, S>>(),
                    _ => pair::<Undecided>(),
                };
                (first, again!(in_buckets_again::<FixedRecords>))
            }
            (Slots::Four, None) if layout.decoder.is_plain() => {
                (pair::<InBuckets<PlainRecords, S>>(), again!(in_buckets_again::<PlainRecords>))
            }
            (Slots::Four, None) => (
                pair::<InBuckets<VariableRecords, S>>(),
                again!(in_buckets_again::<VariableRecords>),
            ),
            (Slots::Five, None) => {
                (pair::<InBuckets<LargeTable, S>>(), again!(in_buckets_again::<LargeTable>))
            }
            _ => (pair::<Undecided>(), again!(in_buckets_again::<AnyTable>)),
        }
    }

    pub(crate) fn of(layout: &Layout) -> Self {
        let (first, again): (Pair, [Again; 2]) = match (&layout.lines, &layout.hash, &layout.fixed)
        {
            (Some(_), _, Some(fixed)) => {
                let first = match fixed.key_len {
                    8 => pair::<InLines<Len8>>(),
                    16 => pair::<InLines<Len16>>(),
                    32 => pair::<InLines<Len32>>(),
                    _ => pair::<InLines<AnyLen>>(),
                };
                (first, again!(in_lines_again))
            }
            (None, Some(hash), _) if hash.seeded => Self::in_buckets::<Seeded>(layout, hash.slots),
            (None, Some(hash), _) => Self::in_buckets::<Unseeded>(layout, hash.slots),
            // Only the ordered index is there.
            _ => (pair::<Undecided>(), [|_, _| Guess::UNDECIDED; 2]),
        };
        Self { first, again, kind: Kind::of(layout) }
    }

    /// How the table answers lookups.
    #[inline]
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The value of the first record of `key`: the optimistic path, twice, then the checked path.
    #[inline]
    pub(crate) fn get<'t>(&self, view: &'t View, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        // `& 1` proves the index to be in bounds, so it is not compared.
        let guess = self.first[view.pages().lookups_unchecked() & 1].call(view, key);
        // The last question of a lookup: was everything that it has read the file's?
        if guess.is_undecided() || !view.memory().nothing_lost() {
            return self.get_again(view, key);
        }
        Ok(guess.answer())
    }

    /// [`get`](Self::get) from the second try on.
    #[cold]
    #[inline(never)]
    pub(crate) fn get_again<'t>(&self, view: &'t View, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        let guess = self.again[view.pages().lookups_unchecked() & 1](view, key);
        if guess.is_undecided() || !view.memory().nothing_lost() {
            return Checked::of(view).get(key);
        }
        Ok(guess.answer())
    }
}
