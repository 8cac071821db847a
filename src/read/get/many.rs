//! Many lookups at once: their waits for memory overlap. The keys of a batch go through the stages
//! of `stages` in parts. What is generic over the caller's types only hands keys in and answers out,
//! and the stages stand behind methods without type parameters: they are compiled with the library,
//! once for each instruction set, and not again in each program that calls them.

use super::super::simd::work;
#[cfg(feature = "sets")]
use super::in_flight::Several;
use super::in_flight::{InFlight, Single, Tables};
use super::kernels::Searched;
use super::stages::{PART, Part, RING, Together};
use crate::error::ReadResult;
use std::ops::Range;

/// Most keys of a small batch. Every place of a batch is initialized, so few of them cost less.
const FEW: usize = 16;

/// Tables whose keys go through the stages.
trait Staged<'t>: Tables<'t> {
    /// See [`Together`].
    fn together(self, places: &mut [InFlight<'t, '_>]) -> ReadResult<()>;
    /// See [`Part`].
    fn part(
        self,
        ring: &mut [InFlight<'t, '_>; RING],
        new: Range<usize>,
        is_last: bool,
    ) -> ReadResult<usize>;
}

macro_rules! staged {
    ($($tables:ty),*) => {
        $(impl<'t> Staged<'t> for $tables {
            #[inline(never)]
            fn together(self, places: &mut [InFlight<'t, '_>]) -> ReadResult<()> {
                work(Together::new(self, places))
            }

            #[inline(never)]
            fn part(
                self,
                ring: &mut [InFlight<'t, '_>; RING],
                new: Range<usize>,
                is_last: bool,
            ) -> ReadResult<usize> {
                work(Part::new(self, ring, new, is_last))
            }
        })*
    };
}

staged!(Single<'t>);
#[cfg(feature = "sets")]
staged!(Several);

/// Looks up keys in one table. `each` has had one answer per key then, in their order, unless there
/// was an error.
pub(crate) fn get_many<'t, K: AsRef<[u8]>>(
    keys: &[K],
    table: &'t Searched,
    each: impl FnMut(Option<&'t [u8]>),
) -> ReadResult<()> {
    let keys = keys.iter().map(|key| (table, key.as_ref()));
    in_tables(Single(table), table, keys, each)
}

/// Looks up keys, each in its table, as [`get_many`] does. Nothing happens if the tables are of several
/// kinds, which is not an error: then the answer is `false`.
#[cfg(feature = "sets")]
pub(crate) fn get_many_among<'t, 'k>(
    keys: impl ExactSizeIterator<Item = (&'t Searched, &'k [u8])> + Clone,
    each: impl FnMut(Option<&'t [u8]>),
) -> ReadResult<bool> {
    let Some((any, _)) = keys.clone().next() else { return Ok(true) };
    match Several::of(keys.clone().map(|(table, _)| table)) {
        Some(tables) => in_tables(tables, any, keys, each).map(|()| true),
        None => Ok(false),
    }
}

/// Looks up keys, each in its table. `any` is one of the tables.
fn in_tables<'t, 'k, T: Staged<'t>>(
    tables: T,
    any: &'t Searched,
    keys: impl ExactSizeIterator<Item = (&'t Searched, &'k [u8])>,
    each: impl FnMut(Option<&'t [u8]>),
) -> ReadResult<()> {
    if keys.len() <= FEW {
        at_once::<T, FEW>(tables, any, keys, each)
    } else if keys.len() <= PART {
        at_once::<T, PART>(tables, any, keys, each)
    } else {
        in_parts(tables, any, keys, each)
    }
}

/// At most `N` keys, one stage after the other: with few keys there is little to overlap, and steps
/// in which most stages have no key cost more.
fn at_once<'t, 'k, T: Staged<'t>, const N: usize>(
    tables: T,
    any: &'t Searched,
    keys: impl ExactSizeIterator<Item = (&'t Searched, &'k [u8])>,
    mut each: impl FnMut(Option<&'t [u8]>),
) -> ReadResult<()> {
    let mut places = [InFlight::empty(any); N];
    let places = &mut places[..keys.len()];
    for (place, (table, key)) in places.iter_mut().zip(keys) {
        tables.put(place, table, key);
    }
    tables.together(places)?;
    places.iter().for_each(|place| each(place.answer));
    Ok(())
}

/// Any number of keys, one in each stage at any time: the lines that one stage waits for arrive
/// while another computes.
fn in_parts<'t, 'k, T: Staged<'t>>(
    tables: T,
    any: &'t Searched,
    mut keys: impl ExactSizeIterator<Item = (&'t Searched, &'k [u8])>,
    mut each: impl FnMut(Option<&'t [u8]>),
) -> ReadResult<()> {
    let mut ring = [InFlight::empty(any); RING];
    let (mut begun, mut answered) = (0, 0);
    while keys.len() > 0 {
        let from = begun;
        for (table, key) in keys.by_ref().take(PART) {
            tables.put(&mut ring[begun % RING], table, key);
            begun += 1;
        }
        let until = tables.part(&mut ring, from..begun, keys.len() == 0)?;
        while answered < until {
            each(ring[answered % RING].answer);
            answered += 1;
        }
    }
    Ok(())
}
