//! Many lookups through the tree of separators, in tables that have no other index: the waits for memory
//! of all searches of a group overlap.

use super::super::place::Side;
use super::super::search::{Descent, GROUP};
use super::checked::Checked;
use super::in_flight::{InFlight, Tables};
use super::kernels::Searched;
use crate::error::ReadResult;

/// Looks up keys in tables of which some have a tree; the others are asked one key after the other.
#[inline(never)]
pub(super) fn by_order<'t, T: Tables<'t>>(
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    places.chunks_mut(GROUP).try_for_each(|group| group_by_order(tables, group))
}

fn group_by_order<'t, T: Tables<'t>>(tables: T, group: &mut [InFlight<'t, '_>]) -> ReadResult<()> {
    let mut asked = [None; GROUP];
    for (place, asked) in group.iter().zip(&mut asked) {
        let descent = Descent::of(&tables.table(place).view, Side::NotBelow);
        *asked = descent.map(|descent| (descent, place.key));
    }
    let found = Descent::places(&asked[..group.len()])?;
    for ((place, asked), found) in group.iter_mut().zip(&asked).zip(found) {
        let Searched { view, lookups } = tables.table(place);
        place.answer = match asked {
            Some(_) => Checked::of(view).value_at(found, place.key)?,
            None => lookups.get(view, place.key)?,
        };
    }
    Ok(())
}
