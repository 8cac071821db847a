//! Many lookups through the line index, in three stages: lines, ranks, records. Each stage prefetches
//! what the next one reads.

use super::super::guess::{Candidate, LineAnswer};
use super::super::map::KeyLen;
use super::super::simd::{Baseline, Simd, prefetch_address, prefetch_outer_address};
use super::in_flight::{InFlight, Tables};
use super::kernels::Searched;
use super::optimistic::Optimistic;
use super::shape::{AllChecked, Checks, SomeUnchecked};
use crate::error::ReadResult;
use crate::format::index::line::LinePlace;
use crate::format::order::head;

/// The place of a key that has no line: beyond all lines.
const NO_LINE: LinePlace = LinePlace { line: u64::MAX, tag: 0 };

/// Looks up keys in tables that have a line index, and keys of the length `L`.
#[inline(always)]
pub(super) fn by_line<'t, I: Simd, L: KeyLen, T: Tables<'t>>(
    simd: I,
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    match tables.all_checked(&*places) {
        true => in_stages::<I, _, L, T>(simd, AllChecked, tables, places),
        false => by_unchecked_line::<L, T>(tables, places),
    }
}

/// [`by_line`] while some page is unchecked. Compiled for the baseline only: it serves a table that was
/// opened a short while ago, and would double the code of every form.
#[inline(never)]
fn by_unchecked_line<'t, L: KeyLen, T: Tables<'t>>(
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    in_stages::<_, _, L, T>(Baseline, SomeUnchecked, tables, places)
}

// Plain loops: an adapter would put a function in between that is compiled without the instructions of
// `simd`.
#[inline(always)]
fn in_stages<'t, I: Simd, C: Checks, L: KeyLen, T: Tables<'t>>(
    simd: I,
    checks: C,
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    for place in &mut *places {
        let proven = tables.table(place).view.proven();
        // Keys of another length are absent.
        let asked = match place.key.len() == proven.key_len::<L>() {
            true => proven.line_place(head(place.key)).unwrap_or(NO_LINE),
            false => NO_LINE,
        };
        prefetch_address(proven.cell_address(asked.line));
        (place.hash, place.tag) = (asked.line, asked.tag);
    }
    for place in &mut *places {
        let view = &tables.table(place).view;
        let asked = LinePlace { line: place.hash, tag: place.tag };
        place.candidate = match Optimistic::new(view, simd, checks).ask_line(asked) {
            LineAnswer::Rank(rank) => {
                for address in view.proven().fixed_addresses(rank) {
                    prefetch_outer_address(address);
                }
                Candidate::new(rank as usize)
            }
            LineAnswer::Absent => Candidate::ABSENT,
            LineAnswer::Undecided => Candidate::SENT_ON,
        };
    }
    for place in &mut *places {
        let Searched { view, lookups } = tables.table(place);
        // Sentinels lie beyond all ranks.
        let (lookup, rank) = (Optimistic::new(view, simd, checks), place.candidate.number() as u64);
        place.answer = match lookup.value_of_rank::<L>(rank, place.key) {
            None if place.candidate != Candidate::ABSENT => lookups.get_again(view, place.key)?,
            answer => answer,
        };
    }
    if !tables.nothing_lost(&*places) {
        for place in places {
            let Searched { view, lookups } = tables.table(place);
            place.answer = lookups.get_again(view, place.key)?;
        }
    }
    Ok(())
}
