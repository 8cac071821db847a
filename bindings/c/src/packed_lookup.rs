//! Lookups in packed tables.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, EntryPlace, Place, Places, shared, unique};
use crate::buffer::graven_buffer;
use crate::edge::status;
use crate::ordered::{bounds, graven_bounds};
use crate::packed::graven_packed;
use crate::slice::{Key, graven_slice};
use crate::status::{Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use std::ffi::c_void;

/// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice that
/// `buffer` holds, or one of the table if the value is stored as it is. Costs a lookup and the decoding
/// of one value; no lock, no system call.
///
/// `key`: `key_len` bytes; NULL with a length of 0 is the empty key. It may be a slice that `buffer`
/// holds. `buffer`: holds the value, and nothing any more of what it held before.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_TOO_LONG for a value beyond the limit of `buffer`,
/// GRAVEN_ERR_DAMAGED, also if the value does not decode, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once, each with a buffer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_get(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
    buffer: *mut graven_buffer,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_get", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key, buffer, place) = unsafe {
            (
                shared(packed, "packed")?,
                args::key(key, key_len)?,
                unique(buffer, "buffer")?,
                Place::at(value, "value")?,
            )
        };
        buffer.get(&packed.table, key, place)
    })
}

/// Looks many keys up at once: what they wait for overlaps, and values are decoded one after the other.
///
/// `keys`: `count` keys. `buffer`: holds all values, so that it grows to the bytes of all of them; its
/// limit is that of each value. `values`: `count` places, each of which gets the value of its key, or a
/// slice with NULL as its data if the key is absent. The value of a key that is there never has NULL,
/// also if it is empty.
///
/// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_packed_get(); `values` then hold
/// nothing of use. Any thread, several at once, each with a buffer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_get_many(
    packed: *const graven_packed,
    keys: *const graven_slice,
    count: usize,
    buffer: *mut graven_buffer,
    values: *mut graven_slice,
) -> graven_status {
    status("graven_packed_get_many", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, keys, buffer, places) = unsafe {
            (
                shared(packed, "packed")?,
                Key::all(keys, count),
                unique(buffer, "buffer")?,
                Places::at(values, count, "values")?,
            )
        };
        let null = || Failure::invalid("`keys`, or the data of one of them, is NULL");
        buffer.get_many(&packed.table, &keys.ok_or_else(null)?, places)
    })
}

/// Whether a key is in the table. Decodes no value, and needs no buffer.
///
/// Gives GRAVEN_OK if it is, GRAVEN_NOT_FOUND if it is not, and the errors of graven_get(). Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_contains(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
) -> graven_status {
    status("graven_packed_contains", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key) = unsafe { (shared(packed, "packed")?, args::key(key, key_len)?) };
        Ok(if packed.table.contains_key(key)? { GRAVEN_OK } else { GRAVEN_NOT_FOUND })
    })
}

/// The first entry, the one with the smallest key. `key` and `value` get it; each may be NULL. `buffer`
/// holds both, which are decoded in any case.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty table, and the errors of graven_packed_get(). Any
/// thread, several at once, each with a buffer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_first(
    packed: *const graven_packed,
    buffer: *mut graven_buffer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_first", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, buffer, place) = unsafe {
            (shared(packed, "packed")?, unique(buffer, "buffer")?, EntryPlace::at(key, value))
        };
        buffer.entry(&packed.table, place, |table, buffer| table.first(buffer))
    })
}

/// The last entry, the one with the greatest key. Otherwise as graven_packed_first().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_last(
    packed: *const graven_packed,
    buffer: *mut graven_buffer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_last", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, buffer, place) = unsafe {
            (shared(packed, "packed")?, unique(buffer, "buffer")?, EntryPlace::at(key, value))
        };
        buffer.entry(&packed.table, place, |table, buffer| table.last(buffer))
    })
}

/// The entry with the greatest key that is not greater than `key`; the last one of equals. Costs one
/// search. `found_key` and `found_value` get it; each may be NULL. `key` may be a slice that `buffer`
/// holds. Otherwise as graven_packed_first().
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, and the errors of graven_packed_get(). Any thread, several at
/// once, each with a buffer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_floor(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
    buffer: *mut graven_buffer,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_floor", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key, buffer, place) = unsafe {
            (
                shared(packed, "packed")?,
                args::key(key, key_len)?,
                unique(buffer, "buffer")?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let key = buffer.own(key);
        buffer.entry(&packed.table, place, |table, buffer| table.floor(key, buffer))
    })
}

/// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
/// as graven_packed_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_ceil(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
    buffer: *mut graven_buffer,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_ceil", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key, buffer, place) = unsafe {
            (
                shared(packed, "packed")?,
                args::key(key, key_len)?,
                unique(buffer, "buffer")?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let key = buffer.own(key);
        buffer.entry(&packed.table, place, |table, buffer| table.ceil(key, buffer))
    })
}

/// The entry with the longest key that `key` begins with. With compact keys it costs a search for each
/// stored key that is tried. Otherwise as graven_packed_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_longest_prefix(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
    buffer: *mut graven_buffer,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_longest_prefix", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key, buffer, place) = unsafe {
            (
                shared(packed, "packed")?,
                args::key(key, key_len)?,
                unique(buffer, "buffer")?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let key = buffer.own(key);
        buffer.entry(&packed.table, place, |table, buffer| table.longest_prefix(key, buffer))
    })
}

/// The entry with a rank, from 0: the number of entries before it. Otherwise as graven_packed_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_nth(
    packed: *const graven_packed,
    rank: u64,
    buffer: *mut graven_buffer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_nth", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, buffer, place) = unsafe {
            (shared(packed, "packed")?, unique(buffer, "buffer")?, EntryPlace::at(key, value))
        };
        buffer.entry(&packed.table, place, |table, buffer| table.nth(rank, buffer))
    })
}

/// Number of entries whose keys are smaller than `key`, which need not be in the table. Costs one
/// search; needs no buffer.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_rank(
    packed: *const graven_packed,
    key: *const c_void,
    key_len: usize,
    rank: *mut u64,
) -> graven_status {
    status("graven_packed_rank", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, key, place) = unsafe {
            (shared(packed, "packed")?, args::key(key, key_len)?, Place::at(rank, "rank")?)
        };
        place.set(packed.table.rank(key)?);
        Ok(GRAVEN_OK)
    })
}

/// Number of entries in a range, without a walk: two searches. Needs no buffer.
///
/// `bounds`: NULL for all. `count`: gets the number.
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_count(
    packed: *const graven_packed,
    bounds: *const graven_bounds,
    count: *mut u64,
) -> graven_status {
    status("graven_packed_count", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, bounds, place) = unsafe {
            (shared(packed, "packed")?, self::bounds(bounds)?, Place::at(count, "count")?)
        };
        place.set(packed.table.count(bounds)?);
        Ok(GRAVEN_OK)
    })
}
