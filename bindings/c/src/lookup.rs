//! Lookups of keys.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, Places, shared};
use crate::edge::status;
use crate::slice::{Key, graven_slice};
use crate::status::{Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use std::ffi::c_void;

/// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice of the
/// table, nothing is copied. Costs about two cache lines with the hash index, a search of the ordered
/// index without it; no lock, no system call, no allocation.
///
/// `key`: `key_len` bytes; NULL with a length of 0 is the empty key.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_get(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_get", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (shared(table, "table")?, args::key(key, key_len)?, Place::at(value, "value")?)
        };
        match table.0.get(key)? {
            Some(value) => {
                place.set(graven_slice::of(value));
                Ok(GRAVEN_OK)
            }
            None => Ok(GRAVEN_NOT_FOUND),
        }
    })
}

/// Looks a key up and copies its value.
///
/// `buffer`: gets the value, if it has `capacity` bytes for it; NULL with a capacity of 0 only asks
/// how long it is. `needed`: gets the length of the value.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_BUFFER_TOO_SMALL, and the errors of graven_get().
/// Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_get_copy(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_get_copy", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, buffer) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                Buffer::at(buffer.cast(), capacity, needed)?,
            )
        };
        match table.0.get(key)? {
            Some(value) => buffer.bytes(value),
            None => Ok(GRAVEN_NOT_FOUND),
        }
    })
}

/// Looks many keys up at once: faster than one graven_get() after the other when the table is larger
/// than the processor's caches, because what they wait for overlaps.
///
/// `keys`: `count` keys. `values`: `count` places, each of which gets the value of its key, or a
/// slice with NULL as its data if the key is absent. The value of a key that is there never has NULL,
/// also if it is empty.
///
/// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_get(); `values` then hold
/// nothing of use. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_get_many(
    table: *const graven_table,
    keys: *const graven_slice,
    count: usize,
    values: *mut graven_slice,
) -> graven_status {
    status("graven_get_many", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, keys, mut places) = unsafe {
            (shared(table, "table")?, Key::all(keys, count), Places::at(values, count, "values")?)
        };
        let null = || Failure::invalid("`keys`, or the data of one of them, is NULL");
        let keys = keys.ok_or_else(null)?;
        // Moved into the closure, so that its fields stay in registers.
        let push = move |value: Option<&[u8]>| {
            places.push(value.map_or(graven_slice::ABSENT, graven_slice::of));
        };
        table.0.get_many_with(&keys, push)?;
        Ok(GRAVEN_OK)
    })
}

/// All values of a key, in the order of their insertion. Costs one graven_get() and a step per value,
/// also for values without a place.
///
/// `values`: gets the first `capacity` of them; NULL with a capacity of 0 only counts them (see
/// graven_count_of()). `count`: gets the number of all values. If it is above `capacity`, call again
/// with more places, or walk graven_range() from the key to the key.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_get(). Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_get_all(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    values: *mut graven_slice,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_get_all", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, mut places, count) = unsafe {
            (
                shared(table, "table")?,
                args::key(key, key_len)?,
                Places::at(values, capacity, "values")?,
                Place::at(count, "count")?,
            )
        };
        for value in table.0.get_all(key) {
            places.push(graven_slice::of(value?));
        }
        count.set(places.count());
        Ok(if places.count() == 0 { GRAVEN_NOT_FOUND } else { GRAVEN_OK })
    })
}

/// Number of entries with a key, without a walk over them: one graven_get(), or two searches in a
/// table with repeated keys.
///
/// Gives GRAVEN_OK, also with a count of 0, and the errors of graven_get(). Any thread, several at
/// once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_count_of(
    table: *const graven_table,
    key: *const c_void,
    key_len: usize,
    count: *mut u64,
) -> graven_status {
    status("graven_count_of", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, key, place) = unsafe {
            (shared(table, "table")?, args::key(key, key_len)?, Place::at(count, "count")?)
        };
        place.set(table.0.count_of(key)?);
        Ok(GRAVEN_OK)
    })
}
