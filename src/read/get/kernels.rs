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

#[cfg(test)]
mod tests {
    use super::super::crafted::{always, told};
    use super::super::samples::{
        Reads, Sample, left_samples, noise, of_any_width, of_one_hash, of_width, samples,
    };
    use super::*;
    use crate::Table;
    use crate::format::hasher::Hasher;

    /// What the first try says about a key; `None` if it stays undecided.
    fn first<'t>(table: &'t Table, key: &[u8]) -> Option<Option<&'t [u8]>> {
        let Searched { view, lookups } = table.searched();
        told(lookups.first[view.pages().lookups_unchecked()].call(view, key))
    }

    /// What the second try says about a key.
    fn again<'t>(table: &'t Table, key: &[u8]) -> Option<Option<&'t [u8]>> {
        let Searched { view, lookups } = table.searched();
        told(lookups.again[view.pages().lookups_unchecked()](view, key))
    }

    /// Asserts that the first try is right about all keys in a table of which these pages were
    /// checked: undecided where it reads others, and decided where it does not and no other key has
    /// the key's tag. Returns how many keys it decides.
    fn check(
        sample: &Sample,
        table: &Table,
        asked: &[(&[u8], Reads)],
        is_checked: impl Fn(usize) -> bool,
    ) -> usize {
        let mut decided = 0;
        for (key, reads) in asked {
            let (found, right) = (first(table, key), sample.right(key));
            let name = &sample.name;
            if !(reads.cells_lie_in(&is_checked) && reads.record_lies_in(&is_checked)) {
                assert_eq!(found, None, "{name}: {key:x?} by an unchecked page");
            } else if reads.is_alone {
                assert_eq!(found, Some(right), "{name}: {key:x?}");
            }
            assert!(found.is_none_or(|value| value == right), "{name}: {key:x?} is {found:x?}");
            decided += usize::from(found.is_some());
        }
        decided
    }

    /// In a table without checks, and in one where every page but one was checked, or all, or none.
    #[test]
    fn the_first_try_decides_by_checked_pages() {
        for sample in samples() {
            let (trusted, name) = (sample.trusted(), &sample.name);
            let asked: Vec<_> = sample.asked().map(|key| (key, Reads::of(&trusted, key))).collect();
            let decided = check(&sample, &trusted, &asked, |_| true);
            assert!(decided > asked.len() / 10 * 9, "{name}: {decided} of {}", asked.len());
            let in_second = asked.iter().filter(|(_, reads)| reads.is_alone && reads.goes_on());
            let in_second = in_second.count();
            let by_hash = sample.crafted.layout.hash.is_some();
            assert!(!by_hash || in_second > 5, "{name}: {in_second} in their second bucket");
            for left in 0..=sample.units() {
                let is_checked = |unit: usize| unit != left;
                check(&sample, &sample.with_checked(is_checked), &asked, is_checked);
            }
            check(&sample, &sample.with_checked(|_| false), &asked, |_| false);
        }
    }

    /// The hash index decides in the second try, whatever the first leaves.
    #[test]
    fn the_second_try_decides_by_the_hash_index() {
        let left = left_samples();
        for sample in &left {
            let table = sample.trusted();
            assert!(sample.asked().all(|key| first(&table, key).is_none()), "{}", sample.name);
        }
        let all = samples().into_iter().chain(left);
        for sample in all.filter(|sample| sample.crafted.layout.hash.is_some()) {
            let name = &sample.name;
            for table in [sample.trusted(), sample.with_checked(|_| true)] {
                for key in sample.asked() {
                    assert_eq!(again(&table, key), Some(sample.right(key)), "{name}: {key:x?}");
                }
            }
            let unchecked = sample.with_checked(|_| false);
            assert!(sample.asked().all(|key| again(&unchecked, key).is_none()), "{name}");
        }
    }

    /// Before any page is read, and so whatever the hash of the key.
    #[test]
    fn keys_of_another_length_are_absent() {
        let by_lines = [8, 12, 16, 32].map(Sample::by_lines);
        let by_hash = [8, 16].map(|len| {
            let [key, _] = of_one_hash(len);
            let entries = of_width(len).into_iter().chain([(key, noise(0, 9))]).collect();
            Sample::build("with a hash of several lengths", Kind::Fixed, &always(), entries)
        });
        for sample in by_lines.into_iter().chain(by_hash) {
            let key_len = sample.crafted.layout.fixed.unwrap().key_len;
            let [stored, _] = of_one_hash(16);
            let tables = [sample.trusted(), sample.with_checked(|_| false)];
            for len in (0..40).filter(|&len| len != key_len) {
                let mut key = stored.clone();
                key.resize(len, 0);
                let of_stored = Hasher::base(&key) == Hasher::base(&stored);
                assert_eq!(of_stored, (8..=16).contains(&len), "{len} bytes");
                for table in &tables {
                    assert_eq!(first(table, &key), Some(None), "{}: {len} bytes", sample.name);
                }
            }
        }
    }

    /// Keys of one hash have their tag, tail and buckets in common. One of them in a table is no answer
    /// for another one, which is absent, or set aside.
    #[test]
    fn a_key_of_the_same_hash_is_told_apart() {
        let fixed = [8, 12, 16, 24, 48, 100].map(|len| (len, Kind::Fixed, always(), of_width(len)));
        let plain = [16, 24, 48, 100].map(|len| (len, Kind::Plain, always(), of_any_width()));
        let aligned = plain.clone().map(|(len, _, options, entries)| {
            (len, Kind::Variable, options.value_align(8), entries)
        });
        for (len, kind, options, mut entries) in fixed.into_iter().chain(plain).chain(aligned) {
            let mut keys = of_one_hash(len);
            keys.sort();
            let [key, other] = keys;
            assert_eq!(Hasher::base(&key), Hasher::base(&other), "{len} bytes");
            entries.insert(key.clone(), noise(0, 9));
            let sample = Sample::build("one key", kind, &options, entries.clone());
            assert!(Kind::of(&sample.crafted.layout) == kind, "{len} bytes");
            for table in [sample.trusted(), sample.with_checked(|_| true)] {
                assert_eq!(again(&table, &key), Some(sample.right(&key)), "{len} bytes");
                assert_eq!(first(&table, &other), None, "{len} bytes");
                assert_eq!(again(&table, &other), Some(None), "{len} bytes");
            }
            entries.insert(other.clone(), noise(1, 9));
            let sample = Sample::build("both keys", kind, &options, entries);
            assert_eq!(sample.crafted.index().set_aside, 1);
            for table in [sample.trusted(), sample.with_checked(|_| true)] {
                assert_eq!(again(&table, &key), Some(sample.right(&key)), "{len} bytes");
                assert_eq!(first(&table, &other), None, "{len} bytes");
                assert_eq!(again(&table, &other), None, "{len} bytes");
                assert_eq!(table.get(&other), Ok(sample.right(&other)), "{len} bytes");
            }
        }
    }

    /// In a plain table the first try knows no escape, which stands for longer keys than a length word
    /// has room for. It leaves every key that could look like one.
    #[test]
    fn keys_that_could_look_like_an_escape_are_left() {
        let long = [127, 128, 129].map(|len| (noise(0, len), noise(1, len / 8)));
        let entries = of_any_width().into_iter().chain(long.clone()).collect();
        let sample = Sample::build("long keys", Kind::Plain, &always(), entries);
        assert!(Kind::of(&sample.crafted.layout) == Kind::Plain);
        assert_eq!(sample.crafted.layout.record.key_bits, 7);
        for table in [sample.trusted(), sample.with_checked(|_| true)] {
            for (key, value) in &long {
                assert_eq!(first(&table, key), None, "{} bytes", key.len());
                assert_eq!(again(&table, key), Some(Some(&value[..])), "{} bytes", key.len());
            }
        }
    }

    static NUMBERS: [u8; 5] = [0, 1, 2, 3, 4];

    /// A number as an answer; 0 is undecided.
    fn said(number: usize) -> Guess<'static> {
        match number {
            0 => Guess::UNDECIDED,
            _ => Guess::value(&NUMBERS[number..=number]),
        }
    }

    /// A try that says its number, whatever it is asked.
    struct Says<const N: usize>;

    impl<const N: usize> Lookup<Get> for Says<N> {
        fn run<'t, I: Simd>(_: I, _: &'t View, _: &[u8]) -> Guess<'t> {
            said(N)
        }
    }

    /// Each try is the one for the state of the pages, and follows only where the one before is
    /// undecided.
    #[test]
    fn a_try_follows_where_the_one_before_is_undecided() {
        let sample = Sample::fixed(8);
        let (key, value) = sample.entries.first_key_value().unwrap();
        let kind = Kind::Fixed;
        for (table, state) in [(sample.trusted(), 0), (sample.with_checked(|_| false), 1)] {
            let view = table.view();
            assert_eq!(view.pages().lookups_unchecked(), state);
            let number = |number: usize| Ok(Some(&NUMBERS[number..=number]));
            let first: Pair = [Chosen::new::<Says<1>>(), Chosen::new::<Says<2>>()];
            let again: [Again; 2] = [|_, _| said(3), |_, _| said(4)];
            let lookups = Lookups { first, again, kind };
            assert_eq!(lookups.get(view, key), number(1 + state));
            assert_eq!(lookups.get_again(view, key), number(3 + state));
            let first: Pair = [Chosen::new::<Says<0>>(), Chosen::new::<Says<0>>()];
            let lookups = Lookups { first, again, kind };
            assert_eq!(lookups.get(view, key), number(3 + state));
            let first: Pair = [Chosen::new::<Says<0>>(), Chosen::new::<Says<0>>()];
            let lookups = Lookups { first, again: [|_, _| said(0); 2], kind };
            assert_eq!(lookups.get(view, key), Ok(Some(&value[..])));
            assert_eq!(lookups.get_again(view, key), Ok(Some(&value[..])));
        }
    }
}
