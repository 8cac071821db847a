//! Many lookups through the tree of separators, in tables that have no other index: the waits for memory
//! of all searches of a group overlap.

use super::super::place::Side;
use super::super::search::Descent;
use super::super::simd::{CACHE_LINE, prefetch_outer};
use super::checked::Checked;
use super::in_flight::{InFlight, Tables};
use super::kernels::Searched;
use crate::error::ReadResult;

/// Keys that go through the stages together. 32 are no faster.
const GROUP: usize = 16;
/// Lines of the records between two samples that are prefetched. More gain nothing.
const WALKED: usize = 8;

/// Looks up keys in tables of which some have a tree; the others are asked one key after the other.
#[inline(never)]
pub(super) fn by_order<'t, T: Tables<'t>>(
    tables: T,
    places: &mut [InFlight<'t, '_>],
) -> ReadResult<()> {
    places.chunks_mut(GROUP).try_for_each(|group| group_by_order(tables, group))
}

fn group_by_order<'t, T: Tables<'t>>(tables: T, group: &mut [InFlight<'t, '_>]) -> ReadResult<()> {
    let descent = |place: &InFlight<'t, '_>| Descent::of(&tables.table(place).view, Side::NotBelow);
    for place in &mut *group {
        if let Some(descent) = descent(place) {
            place.hash = tables.table(place).view.sound(descent.leaf(place.key))?;
        }
    }
    let mut blocks = [None; GROUP];
    for (place, block) in group.iter().zip(&mut blocks) {
        if let Some(descent) = descent(place) {
            let found = descent.block(place.hash, place.key);
            *block = Some((tables.table(place).view.sound(found)?, None));
        }
    }
    for (place, block) in group.iter().zip(&mut blocks) {
        if let (Some(descent), Some((block, near))) = (descent(place), block) {
            let view = &tables.table(place).view;
            let found = view.sound(descent.near(block, place.key))?;
            for line in 0..WALKED {
                prefetch_outer(view.bytes(), found.offset + line * CACHE_LINE);
            }
            *near = Some(found);
        }
    }
    for (place, block) in group.iter_mut().zip(&blocks) {
        let Searched { view, lookups } = tables.table(place);
        place.answer = match (descent(place), block) {
            (Some(descent), Some((block, Some(near)))) => {
                let found = view.sound(descent.place(block, *near, place.key))?;
                Checked::of(view).value_at(found, place.key)?
            }
            _ => lookups.get(view, place.key)?,
        };
    }
    Ok(())
}
