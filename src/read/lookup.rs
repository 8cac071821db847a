//! Point lookups: through the hash index, the line index, or the ordered index.
//!
//! A lookup is first tried on trust ([`Guess`]): it reads bytes whose pages may not have been
//! checked yet, inside proven bounds, and asks at the end whether they were. There is no branch on
//! checks between dependent loads, so several lookups overlap in the processor. If a page was not
//! checked, or anything is odd, the careful form ([`super::careful`]) starts anew and checks each
//! page before it reads.

use super::candidate::{FIXED, PLAIN, VARIABLE, word_of};
use super::careful::Found;
use super::simd::{Baseline, Chosen, Simd, matches};
use super::table::Inner;
use crate::error::ReadResult;
use crate::format::bucket::{BUCKET, MAX_EQUAL_TAGS, Slots, overflow, tag};
use crate::format::hash::Hasher;
use crate::format::layout::{HashLayout, Layout};
use crate::format::order::equal;
use std::hint::black_box;
use std::ptr;

/// No slot of the bucket has the tag, and no key of its kind went on to another bucket. Like the
/// next it is no reference: added to the place of the records it is beyond the end of any table.
pub(super) const NO_TAG: usize = usize::MAX / 2;
/// The bucket does not decide.
pub(super) const NO_HELP: usize = NO_TAG - 1;

/// What a lookup on trust came to: what a get returns, or [`UNSURE`](Self::UNSURE). No more than
/// that, in two registers, so that its caller has one comparison to make and nothing to convert.
#[derive(Clone, Copy)]
pub(super) struct Guess<'t>(Option<&'t [u8]>);

/// Stands for what is not known, by its address: no value has that.
static UNKNOWN: [u8; 1] = [0];

impl<'t> Guess<'t> {
    /// Absent, by checked pages.
    pub(super) const MISS: Self = Self(None);
    /// Not known: to be done with more care.
    pub(super) const UNSURE: Self = Self(Some(&UNKNOWN));

    #[inline(always)]
    pub(super) const fn value(value: &'t [u8]) -> Self {
        Self(Some(value))
    }

    #[inline(always)]
    fn is_unsure(self) -> bool {
        self.0.is_some_and(|value| ptr::eq(value.as_ptr(), UNKNOWN.as_ptr()))
    }

    /// [`Self::UNSURE`], for the end of a lookup. Hidden from the compiler, which else has it in the
    /// registers of the result before each branch that could lead here, and saves others for that;
    /// or makes a conditional move of the branch, so that whoever reads the value waits for the
    /// comparison of the keys, instead of the processor going on with the value's place meanwhile.
    #[inline(always)]
    pub(super) fn unsure() -> Self {
        Self(Some(black_box(&UNKNOWN)))
    }
}

/// A lookup function that is compiled once for each kind of processor.
pub(super) trait Lookup {
    fn run<'t, S: Simd>(simd: S, inner: &'t Inner, key: &[u8]) -> Guess<'t>;
}

/// The lookup functions of a table's kind, chosen once at open. Each knows index, slots and
/// common key lengths as constants, and so stays small enough for the registers: a processor that
/// runs ahead has several lookups in flight, the more, the fewer instructions each takes.
#[derive(Clone, Copy)]
pub(super) struct Guesses {
    /// The first for a table of which lookups read no page that is left to check, the second for
    /// one with such pages.
    by_left: [Chosen; 2],
    /// What is tried next, likewise.
    again: [Chosen; 2],
}

/// Through the line index, with keys of one length.
struct Lined<const ALL: bool, const LEN: usize>;

impl<const ALL: bool, const LEN: usize> Lookup for Lined<ALL, LEN> {
    #[inline(always)]
    fn run<'t, S: Simd>(simd: S, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        inner.guess_lined::<S, ALL, LEN>(simd, key)
    }
}

/// Through the line index once more, where one line and one record do not decide.
struct LinedAgain<const ALL: bool>;

impl<const ALL: bool> Lookup for LinedAgain<ALL> {
    fn run<'t, S: Simd>(_: S, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        inner.guess_lined_again::<ALL>(key)
    }
}

/// Through the hash index, with slots of one width and records of one kind, and of keys of any
/// length.
struct Hashed<const ALL: bool, const SEEDED: bool, const WIDTH: usize, const KIND: u8>;

impl<const ALL: bool, const SEEDED: bool, const WIDTH: usize, const KIND: u8> Lookup
    for Hashed<ALL, SEEDED, WIDTH, KIND>
{
    #[inline(always)]
    fn run<'t, S: Simd>(simd: S, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        // One branch on the length, for the hash and the comparison of the keys.
        match key.len() {
            ..=16 => inner.guess_of::<S, ALL, SEEDED, WIDTH, KIND, 0>(simd, key),
            17..=32 => inner.guess_of::<S, ALL, SEEDED, WIDTH, KIND, 16>(simd, key),
            33..=64 => inner.guess_of::<S, ALL, SEEDED, WIDTH, KIND, 32>(simd, key),
            65..=128 => inner.guess_of::<S, ALL, SEEDED, WIDTH, KIND, 64>(simd, key),
            _ => Guess::unsure(),
        }
    }
}

/// The same, with records of fixed width and so keys of one length, of which `N` is told in
/// [`Inner::guess_of`].
struct HashedFixed<const ALL: bool, const SEEDED: bool, const N: usize>;

impl<const ALL: bool, const SEEDED: bool, const N: usize> Lookup for HashedFixed<ALL, SEEDED, N> {
    #[inline(always)]
    fn run<'t, S: Simd>(simd: S, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        inner.guess_of::<S, ALL, SEEDED, 4, FIXED, N>(simd, key)
    }
}

/// Where only the ordered index is: nothing is known on trust.
struct Ordered;

impl Lookup for Ordered {
    fn run<'t, S: Simd>(_: S, _: &'t Inner, _: &[u8]) -> Guess<'t> {
        Guess::UNSURE
    }
}

/// Through the hash index once more, where one bucket and one record do not decide.
struct Again<const ALL: bool, const WIDTH: usize, const KIND: u8>;

impl<const ALL: bool, const WIDTH: usize, const KIND: u8> Lookup for Again<ALL, WIDTH, KIND> {
    fn run<'t, S: Simd>(_: S, inner: &'t Inner, key: &[u8]) -> Guess<'t> {
        inner.guess_again::<ALL, WIDTH, KIND>(key)
    }
}

impl Guesses {
    pub(super) fn of(layout: &Layout) -> Self {
        macro_rules! both {
            ($lookup:ident $(, $constant:tt)*) => {
                [
                    Chosen::new::<$lookup<true, $($constant),*>>(),
                    Chosen::new::<$lookup<false, $($constant),*>>(),
                ]
            };
        }
        let seeded = layout.hash.is_some_and(|hash| hash.seeded);
        macro_rules! hashed {
            ($lookup:ident $(, $constant:tt)*) => {
                match seeded {
                    false => both!($lookup, false $(, $constant)*),
                    true => both!($lookup, true $(, $constant)*),
                }
            };
        }
        let nothing = [Chosen::new::<Ordered>(); 2];
        let (by_left, again) = match (&layout.lines, &layout.hash, &layout.fixed) {
            (Some(_), _, Some(fixed)) => {
                let by_left = match fixed.key_len {
                    8 => both!(Lined, 8),
                    16 => both!(Lined, 16),
                    32 => both!(Lined, 32),
                    _ => both!(Lined, ANY_LEN),
                };
                (by_left, both!(LinedAgain))
            }
            (None, Some(HashLayout { slots, .. }), fixed) => match (slots, fixed) {
                (Slots::Four, Some(fixed)) => {
                    let by_left = match fixed.key_len {
                        ..=16 => hashed!(HashedFixed, 0),
                        17..=32 => hashed!(HashedFixed, 16),
                        33..=64 => hashed!(HashedFixed, 32),
                        65..=128 => hashed!(HashedFixed, 64),
                        _ => nothing,
                    };
                    (by_left, both!(Again, 4, FIXED))
                }
                (Slots::Four, None) if layout.decoder.is_plain() => {
                    (hashed!(Hashed, 4, PLAIN), both!(Again, 4, PLAIN))
                }
                (Slots::Four, None) => (hashed!(Hashed, 4, VARIABLE), both!(Again, 4, VARIABLE)),
                (Slots::Five, None) => (hashed!(Hashed, 5, VARIABLE), both!(Again, 5, VARIABLE)),
                _ => (nothing, both!(Again, 0, VARIABLE)),
            },
            _ => (nothing, nothing),
        };
        Self { by_left, again }
    }
}

/// Stands for every length of keys that has no lookup function of its own.
pub(super) const ANY_LEN: usize = usize::MAX;

/// The number of the lowest bit, of `bits` at most, that is set: with the highest one set in any
/// case, which tells the compiler that there is one.
#[inline(always)]
pub(super) const fn first_bit(mask: u32, bits: usize) -> usize {
    (mask | 1 << (bits - 1)).trailing_zeros() as usize
}

impl Inner {
    /// The value of the first record of `key`.
    #[inline]
    pub(super) fn get<'t>(&'t self, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        self.settle(self.guess(key), key, Self::get_again)
    }

    /// What a guess stands for. `otherwise` says what the guess does not.
    #[inline(always)]
    pub(super) fn settle<'t>(
        &'t self,
        guess: Guess<'t>,
        key: &[u8],
        otherwise: impl FnOnce(&'t Self, &[u8]) -> ReadResult<Option<&'t [u8]>>,
    ) -> ReadResult<Option<&'t [u8]>> {
        // The last thing that is asked: was all that was read the file's? The careful form says
        // what is wrong if not.
        if guess.is_unsure() || !self.bytes.unharmed() {
            return otherwise(self, key);
        }
        Ok(guess.0)
    }

    /// What one cell of the index and one record have not decided.
    #[cold]
    #[inline(never)]
    pub(super) fn get_again<'t>(&'t self, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        let again = self.guesses.again[self.pages.gets_left() & 1].call(self, key);
        self.settle(again, key, Self::get_careful)
    }

    /// The value of a key on trust.
    #[inline]
    fn guess<'t>(&'t self, key: &[u8]) -> Guess<'t> {
        // A number of which one bit counts, so that no comparison and no bound is asked for.
        self.guesses.by_left[self.pages.gets_left() & 1].call(self, key)
    }

    /// For a key of `N + 1` to `2 * N` bytes, or with `N` of 0 for one of up to 16. In a table of
    /// fixed width a key of another length is absent, whatever its hash.
    #[inline(always)]
    fn guess_of<
        't,
        S: Simd,
        const ALL: bool,
        const SEEDED: bool,
        const WIDTH: usize,
        const KIND: u8,
        const N: usize,
    >(
        &'t self,
        simd: S,
        key: &[u8],
    ) -> Guess<'t> {
        let hash = match N {
            0 => Hasher::short(key),
            _ => Hasher::summed(simd.sums::<N>(key), key.len()),
        };
        let hash = if SEEDED { self.hasher.reseed(hash) } else { hash };
        let bucket = self.bytes.bucket(hash);
        let candidate = self.candidate::<S, WIDTH>(simd, bucket, hash);
        let checked = ALL || self.pages.is_checked(self.bytes.offset_of(bucket));
        if candidate == NO_TAG && checked {
            return Guess::MISS;
        }
        match self.value_of::<S, ALL, KIND, N>(simd, candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => Guess::unsure(),
        }
    }

    /// What one bucket and one record do not decide, or a long key. A function of its own, and none
    /// that the first one calls: without calls that keeps all it needs in registers which need not
    /// be saved, and fewer instructions are more lookups in flight.
    fn guess_again<'t, const ALL: bool, const WIDTH: usize, const KIND: u8>(
        &'t self,
        key: &[u8],
    ) -> Guess<'t> {
        let Some(index) = &self.layout.hash else { return Guess::UNSURE };
        let hash = index.hasher.hash(key);
        let candidate = self.candidate::<_, WIDTH>(Baseline, self.bytes.bucket(hash), hash);
        self.guess_further::<ALL, WIDTH, KIND>(index, hash, candidate, key)
    }

    /// What a bucket says of a hash: the reference of its first slot with the hash's tag, or
    /// [`NO_TAG`], or [`NO_HELP`]. Slots of `WIDTH` bytes; 0 stands for other widths, of which
    /// nothing is said.
    #[inline(always)]
    pub(super) fn candidate<S: Simd, const WIDTH: usize>(
        &self,
        simd: S,
        bucket: &[u8; BUCKET],
        hash: u64,
    ) -> usize {
        self.candidates::<S, WIDTH>(simd, bucket, hash).0
    }

    /// The same, and the reference of the next slot with the tag, if there is one.
    #[inline(always)]
    pub(super) fn candidates<S: Simd, const WIDTH: usize>(
        &self,
        simd: S,
        bucket: &[u8; BUCKET],
        hash: u64,
    ) -> (usize, usize) {
        let Some(slots) = Slots::from_width(WIDTH as u8) else { return (NO_HELP, NO_HELP) };
        let found = match slots {
            Slots::Four => simd.slots_equal(bucket, hash, self.tails.mask),
            _ => simd.matches(bucket, tag(hash), slots),
        };
        if found != 0 {
            let reference = |found| {
                self.tails.reference(match slots {
                    Slots::Four => word_of(bucket, found).into(),
                    _ => slots.get(bucket, first_bit(found, slots.count())),
                }) as usize
            };
            let other = match found & (found - 1) {
                0 => NO_TAG,
                others => reference(others),
            };
            return (reference(found), other);
        }
        let first = if slots.overflows(bucket, overflow(hash)) { NO_HELP } else { NO_TAG };
        (first, NO_TAG)
    }

    /// Whether the candidate of a hash's first bucket is the record of `key`.
    #[inline(always)]
    pub(super) fn guess_candidate<
        't,
        S: Simd,
        const ALL: bool,
        const WIDTH: usize,
        const KIND: u8,
    >(
        &'t self,
        simd: S,
        index: &HashLayout,
        hash: u64,
        candidate: usize,
        key: &[u8],
    ) -> Guess<'t> {
        let checked = ALL || self.pages.is_checked(index.bucket_start(index.first_bucket(hash)));
        if candidate == NO_TAG && checked {
            return Guess::MISS;
        }
        match self.value_of_any::<S, ALL, KIND>(simd, candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.guess_further::<ALL, WIDTH, KIND>(index, hash, candidate, key),
        }
    }

    /// Where the candidate of the first bucket is not the key's record.
    #[inline(always)]
    fn guess_further<'t, const ALL: bool, const WIDTH: usize, const KIND: u8>(
        &'t self,
        index: &HashLayout,
        hash: u64,
        candidate: usize,
        key: &[u8],
    ) -> Guess<'t> {
        if candidate == NO_HELP && WIDTH != 0 {
            self.guess_second::<ALL, WIDTH, KIND>(index, hash, key)
        } else {
            self.guess_rest(index, hash, key)
        }
    }

    /// The same for the second bucket, in which one key in twelve stands.
    #[inline(never)]
    fn guess_second<'t, const ALL: bool, const WIDTH: usize, const KIND: u8>(
        &'t self,
        index: &HashLayout,
        hash: u64,
        key: &[u8],
    ) -> Guess<'t> {
        let Some(bucket) = self.bytes.cell(index.second_bucket(hash)) else {
            return Guess::UNSURE;
        };
        let candidate = self.candidate::<_, WIDTH>(Baseline, bucket, hash);
        self.guess_in_second::<ALL, KIND>(index, hash, candidate, key)
    }

    /// Whether the candidate of a hash's second bucket is the record of `key`, which the first
    /// bucket has sent on.
    #[inline(always)]
    pub(super) fn guess_in_second<'t, const ALL: bool, const KIND: u8>(
        &'t self,
        index: &HashLayout,
        hash: u64,
        candidate: usize,
        key: &[u8],
    ) -> Guess<'t> {
        let is_checked = |number| ALL || self.pages.is_checked(index.bucket_start(number));
        let checked = is_checked(index.first_bucket(hash)) && is_checked(index.second_bucket(hash));
        // There is no third bucket, whatever the overflow bits of this one say of other keys.
        if candidate >= NO_HELP && checked {
            return Guess::MISS;
        }
        match self.value_of::<_, ALL, KIND, 0>(Baseline, candidate, key) {
            Some(value) if checked => Guess::value(value),
            _ => self.guess_rest(index, hash, key),
        }
    }

    /// Looks a key up in the hash index on trust: every candidate of both buckets.
    #[inline(never)]
    pub(super) fn guess_rest<'t>(&'t self, index: &HashLayout, hash: u64, key: &[u8]) -> Guess<'t> {
        let all_checked = self.pages.gets_checked();
        let place = index.shape.place(hash);
        for number in [place.first, place.second] {
            let Some(bucket) = self.bytes.cell(number) else { return Guess::UNSURE };
            // Buckets are 64-aligned, so one lies in one page.
            if !all_checked && !self.pages.is_checked(index.bucket_start(number)) {
                return Guess::UNSURE;
            }
            let mut mask = matches(bucket, tag(hash), index.slots);
            let mut candidates = 0;
            while mask != 0 {
                candidates += 1;
                if candidates > MAX_EQUAL_TAGS {
                    return Guess::UNSURE;
                }
                let slot = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let held = index.slots.get(bucket, slot);
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let found = self.referred(index.tails.reference(held));
                let Some(found) = found else { return Guess::UNSURE };
                let Some(stored) = self.bytes().get(found.parts.key()) else {
                    return Guess::UNSURE;
                };
                let same = equal(stored, key);
                // The key may have been set aside for this one: the ordered index is to be asked.
                if !same && index.set_aside > 0 && index.hasher.hash(stored) == hash {
                    return Guess::UNSURE;
                }
                // A record that only shares the tag says something about its page as well.
                let end = if same { found.parts.end() } else { found.parts.value };
                if !all_checked && !self.pages.covered(&(found.offset..end)) {
                    return Guess::UNSURE;
                }
                if same {
                    return self
                        .bytes()
                        .get(found.parts.value())
                        .map_or(Guess::UNSURE, Guess::value);
                }
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                return Guess::MISS;
            }
        }
        Guess::MISS
    }

    /// The record that a slot refers to, if it lies inside the records.
    #[inline]
    fn referred(&self, reference: u64) -> Option<Found> {
        let records = self.layout.records;
        let (offset, parts) = match &self.layout.fixed {
            Some(fixed) => {
                if reference >= self.layout.entries {
                    return None;
                }
                let offset = fixed.offset(reference);
                (offset, fixed.parts(offset))
            }
            None => {
                if reference >= records.len() as u64 {
                    return None;
                }
                let offset = records.start + reference as usize;
                (offset, self.layout.decoder.parts(self.bytes(), offset)?)
            }
        };
        (parts.end() <= records.end).then_some(Found { offset, parts })
    }
}
