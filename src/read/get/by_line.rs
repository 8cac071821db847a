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

#[cfg(test)]
mod tests {
    use super::super::super::map::Len8;
    use super::super::crafted::Crafted;
    use super::super::in_flight::Single;
    use super::*;
    use crate::format::index::line::{LINE_TAGS, MAX_LINE_EQUAL, NO_TAG};
    use crate::{BuildOptions, PageChecks};

    /// In a line that no builder writes: by it the lookup with care finds an error in place of one key, and
    /// another key whose tag the line does not have.
    #[test]
    fn keys_are_answered_by_the_tags_of_their_line() {
        const FOUND: usize = 12;
        let keys: Vec<[u8; 8]> = (0..1000u64).map(u64::to_be_bytes).collect();
        let mut crafted = Crafted::build(&BuildOptions::new(), keys.iter().map(|key| (key, key)));
        let lines = crafted.layout.lines.unwrap();
        let (found, hidden) = (&keys[FOUND], &keys[3]);
        let [of_found, of_hidden] =
            [found, hidden].map(|key| lines.scale.place(key).filter(|place| place.line == 0));
        let (of_found, of_hidden) = (of_found.unwrap().tag, of_hidden.unwrap().tag);
        // The first line, whose first key is the first of all. Its last tag is above those of both keys.
        let other = NO_TAG - 1;
        assert!(of_hidden != of_found && of_hidden.max(of_found) < other);
        for slot in 0..LINE_TAGS {
            let equal = (FOUND..=FOUND + MAX_LINE_EQUAL).contains(&slot);
            let tag = if equal { of_found } else { other };
            let at = lines.span.start + 4 + 2 * slot;
            crafted.bytes[at..at + 2].copy_from_slice(&tag.to_le_bytes());
        }
        let table = crafted.open(PageChecks::Never);
        let searched = table.searched();
        let mut places = [found, hidden].map(|key| {
            let mut place = InFlight::empty(searched);
            place.key = key;
            place
        });
        by_line::<_, Len8, _>(Baseline, Single(searched), &mut places).unwrap();
        assert_eq!(places.map(|place| place.answer), [Some(&found[..]), None]);
        assert!(searched.lookups.get_again(&searched.view, found).is_err());
        assert_eq!(searched.lookups.get_again(&searched.view, hidden), Ok(Some(&hidden[..])));
    }
}
