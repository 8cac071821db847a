//! Iterators: a range or a prefix, from both ends.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, EntryPlace, Place, Places, shared, taken, unique};
use crate::edge::{status, value};
use crate::ordered::{bounds, graven_bounds};
use crate::slice::{graven_entry, graven_slice};
use crate::status::{GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use graven::{Iter, Table};
use self_cell::self_cell;
use std::ffi::c_void;

self_cell!(
    struct Walk {
        owner: Table,

        #[covariant]
        dependent: Iter,
    }
);

/// A walk over entries, from both ends. It keeps the table open by itself.
pub struct graven_iter {
    walk: Walk,
}

/// Walks over the entries of a range, in order. Costs a search for each end, and some allocations;
/// then a step costs a few nanoseconds.
///
/// `bounds`: NULL for all entries. `iter`: gets the handle, which the caller closes with
/// graven_iter_close(); it may outlive `table`.
///
/// Gives GRAVEN_OK, also for an empty range, GRAVEN_ERR_INVALID_ARGUMENT. Damage is told by the first
/// step. Any thread, several at once; afterwards one thread at a time may use the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_range(
    table: *const graven_table,
    bounds: *const graven_bounds,
    iter: *mut *mut graven_iter,
) -> graven_status {
    status("graven_range", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, bounds, place) =
            unsafe { (shared(table, "table")?, self::bounds(bounds)?, Place::at(iter, "iter")?) };
        place.give(graven_iter { walk: Walk::new(table.0.clone(), |table| table.range(bounds)) })
    })
}

/// Walks over the entries whose keys begin with `prefix`, in order. Otherwise as graven_range().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_prefix(
    table: *const graven_table,
    prefix: *const c_void,
    prefix_len: usize,
    iter: *mut *mut graven_iter,
) -> graven_status {
    status("graven_prefix", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, prefix, place) = unsafe {
            (shared(table, "table")?, args::key(prefix, prefix_len)?, Place::at(iter, "iter")?)
        };
        place.give(graven_iter { walk: Walk::new(table.0.clone(), |table| table.prefix(prefix)) })
    })
}

/// The next entry. `key` and `value` get it; each may be NULL. They are slices of the table, and stay
/// valid beyond the next step.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_INVALID_ARGUMENT. After an error the walk is over. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_next(
    iter: *mut graven_iter,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_iter_next", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, place) = unsafe { (unique(iter, "iter")?, EntryPlace::at(key, value)) };
        iter.walk.with_dependent_mut(|_, walk| place.set(walk.next().transpose()?))
    })
}

/// The last entry of those that are left: a walk from the end. Otherwise as graven_iter_next(). Both
/// ends meet; no entry comes twice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_next_back(
    iter: *mut graven_iter,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_iter_next_back", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, place) = unsafe { (unique(iter, "iter")?, EntryPlace::at(key, value)) };
        iter.walk.with_dependent_mut(|_, walk| place.set(walk.next_back().transpose()?))
    })
}

/// The next entries, as many as there are places: for languages in which a call of C is dear.
///
/// `entries`: `capacity` places. `count`: gets the number of those that were filled, less than
/// `capacity` only at the end.
///
/// Gives GRAVEN_OK if there was an entry, and otherwise as graven_iter_next(). On an error `count` is
/// the number of entries before it, which are good.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_next_many(
    iter: *mut graven_iter,
    entries: *mut graven_entry,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_iter_next_many", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, mut places, count) = unsafe {
            (
                unique(iter, "iter")?,
                Places::at(entries, capacity, "entries")?,
                Place::at(count, "count")?,
            )
        };
        let walked = iter.walk.with_dependent_mut(|_, walk| {
            while !places.is_full() {
                match walk.next() {
                    Some(Ok(entry)) => places.push_entry(entry),
                    Some(Err(error)) => return Err(error.into()),
                    None => break,
                }
            }
            Ok(if places.count() > 0 || capacity == 0 { GRAVEN_OK } else { GRAVEN_NOT_FOUND })
        });
        count.set(places.count());
        walked
    })
}

/// Passes over `n` entries without a walk: by rank, with a search.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if there are fewer; the walk is over then. Otherwise as
/// graven_iter_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_skip(iter: *mut graven_iter, n: u64) -> graven_status {
    status("graven_iter_skip", || {
        // SAFETY: the caller keeps the promises of the header.
        let iter = unsafe { unique(iter, "iter") }?;
        let Some(last) = n.checked_sub(1) else { return Ok(GRAVEN_OK) };
        iter.walk.with_dependent_mut(|_, walk| {
            let passed = walk.nth(usize::try_from(last).unwrap_or(usize::MAX)).transpose()?;
            Ok(if passed.is_some() { GRAVEN_OK } else { GRAVEN_NOT_FOUND })
        })
    })
}

/// Number of entries that are left; 0 for NULL. Costs a search at most. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_remaining(iter: *const graven_iter) -> u64 {
    value("graven_iter_remaining", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        let iter = unsafe { shared(iter, "iter") }?;
        Ok(iter.walk.with_dependent(|_, walk| walk.len() as u64))
    })
}

/// Closes an iterator. NULL is allowed. Any thread, if no other one uses the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_iter_close(iter: *mut graven_iter) {
    value("graven_iter_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(iter) });
        Ok(())
    });
}
