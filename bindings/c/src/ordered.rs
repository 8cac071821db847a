//! Lookups by the order of keys.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, EntryPlace, Place, Places, shared};
use crate::edge::status;
use crate::slice::{bytes, graven_entry, graven_slice};
use crate::status::{Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use std::ffi::c_void;
use std::ops::Bound;

/// Whether an end of a range belongs to it.
#[repr(i32)]
pub enum graven_bound {
    /// There is no end: the range goes on to the first or the last key.
    GRAVEN_BOUND_NONE = 0,
    /// The key belongs to the range.
    GRAVEN_BOUND_INCLUDED = 1,
    /// The key does not belong to the range.
    GRAVEN_BOUND_EXCLUDED = 2,
}

/// A range of keys. Zeros are the range of all keys. If the lower end is above the upper one, the
/// range is empty.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_bounds {
    /// Key of the lower end.
    pub lower: graven_slice,
    /// Key of the upper end.
    pub upper: graven_slice,
    /// A graven_bound: whether `lower` belongs to the range.
    pub lower_bound: i32,
    /// A graven_bound: whether `upper` belongs to the range.
    pub upper_bound: i32,
}

/// # Safety
/// The data of `key` is NULL or has as many bytes as it says, which nobody changes while `'a` lasts.
unsafe fn bound<'a>(key: graven_slice, bound: i32) -> Result<Bound<&'a [u8]>, Failure> {
    // SAFETY: the caller's promise.
    let key = || unsafe { bytes(key.data, key.len) };
    let null = || Failure::invalid("an end of the range has a length, and its data is NULL");
    const NONE: i32 = graven_bound::GRAVEN_BOUND_NONE as i32;
    const INCLUDED: i32 = graven_bound::GRAVEN_BOUND_INCLUDED as i32;
    const EXCLUDED: i32 = graven_bound::GRAVEN_BOUND_EXCLUDED as i32;
    match bound {
        NONE => Ok(Bound::Unbounded),
        INCLUDED => key().map(Bound::Included).ok_or_else(null),
        EXCLUDED => key().map(Bound::Excluded).ok_or_else(null),
        _ => Err(Failure::invalid(format_args!("an end of the range has the bound {bound}"))),
    }
}

/// # Safety
/// `given` is NULL, or points to bounds whose keys are as [`bound`] asks.
pub(crate) unsafe fn bounds<'a>(
    given: *const graven_bounds,
) -> Result<(Bound<&'a [u8]>, Bound<&'a [u8]>), Failure> {
    if given.is_null() {
        return Ok((Bound::Unbounded, Bound::Unbounded));
    }
    // SAFETY: the caller's promise.
    let given = unsafe { given.read() };
    // SAFETY: the caller's promise.
    Ok(unsafe { (bound(given.lower, given.lower_bound)?, bound(given.upper, given.upper_bound)?) })
}

/// The first entry, the one with the smallest key. `key` and `value` get it; each may be NULL.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty table, and the errors of graven_get(). Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_first(
    table: *const graven_table,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_first", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, EntryPlace::at(key, value)) };
        place.set(table.0.first()?)
    })
}

/// The last entry, the one with the greatest key. Otherwise as graven_first().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_last(
    table: *const graven_table,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_last", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, EntryPlace::at(key, value)) };
        place.set(table.0.last()?)
    })
}

/// The entry with the greatest key that is not greater than `key`; the last one of equals. Costs one
/// search. `found_key` and `found_value` get it; each may be NULL.
///
/// A floor need not cover what was asked for: where keys are starts of intervals, compare the end,
/// which the value has.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_floor(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_floor", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        place.set(table.0.floor(key)?)
    })
}

/// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
/// as graven_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_ceil(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_ceil", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        place.set(table.0.ceil(key)?)
    })
}

/// The entry with the longest key that `key` begins with: for routes and number plans. The first one
/// of equals. Otherwise as graven_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_longest_prefix(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_longest_prefix", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        place.set(table.0.longest_prefix(key)?)
    })
}

/// All entries whose keys `key` begins with, the longest key first. Costs a search for each.
///
/// `entries`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them. `count`:
/// gets the number of all: with distinct keys at most `key_len` + 1.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_get(). Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_prefixes_of(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    entries: *mut graven_entry,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_prefixes_of", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, mut places, count) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                Places::at(entries, capacity, "entries")?,
                Place::at(count, "count")?,
            )
        };
        for entry in table.0.prefixes_of(key) {
            places.push_entry(entry?);
        }
        count.set(places.count());
        Ok(if places.count() == 0 { GRAVEN_NOT_FOUND } else { GRAVEN_OK })
    })
}

/// The entry with a rank, from 0: the number of entries before it. Costs a search, or none where keys
/// and values have fixed lengths. `key` and `value` get it; each may be NULL.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_nth(
    table: *const graven_table,
    rank: u64,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_nth", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, EntryPlace::at(key, value)) };
        place.set(table.0.nth(rank)?)
    })
}

/// Number of entries whose keys are smaller than `key`, which need not be in the table. Costs one
/// search.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_rank(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    rank: *mut u64,
) -> graven_status {
    status("graven_rank", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (shared(table, "table")?, args::key(key, key_len)?, Place::at(rank, "rank")?)
        };
        place.set(table.0.rank(key)?);
        Ok(GRAVEN_OK)
    })
}

/// Number of entries in a range, without a walk: two searches.
///
/// `bounds`: NULL for all. `count`: gets the number.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_count(
    table: *const graven_table,
    bounds: *const graven_bounds,
    count: *mut u64,
) -> graven_status {
    status("graven_count", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, bounds, place) =
            unsafe { (shared(table, "table")?, self::bounds(bounds)?, Place::at(count, "count")?) };
        place.set(table.0.count(bounds)?);
        Ok(GRAVEN_OK)
    })
}
