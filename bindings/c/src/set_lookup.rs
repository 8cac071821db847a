//! Lookups in a set.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::answer::graven_answer;
use crate::args::{self, Buffer, EntryPlace, Place, Places, shared, unique};
use crate::edge::status;
use crate::ordered::{bounds, graven_bounds};
use crate::set::graven_set;
use crate::slice::{Key, graven_slice};
use crate::status::{Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use graven::ValueBuffer;
use std::ffi::c_void;

/// Looks a key up. `value` gets its value, the first one where the key is repeated: a slice that
/// `answer` keeps. Costs finding the shard, graven_get(), and an atomic count; nothing is copied. In a
/// packed shard it costs graven_packed_get() and an allocation for the value.
///
/// `key`: `key_len` bytes; NULL with a length of 0 is the empty key. `answer`: keeps the value, and
/// nothing any more of what it kept before.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, the errors of graven_get(), and, if the shard has to be mapped,
/// those of graven_open(); GRAVEN_ERR_DAMAGED for a shard that is not the one of the manifest. Any
/// thread, several at once, each with an answer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_get(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    answer: *mut graven_answer,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_get", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, answer, place) = unsafe {
            (
                shared(set, "set")?,
                args::key(key, key_len)?,
                unique(answer, "answer")?,
                Place::at(value, "value")?,
            )
        };
        let found = set.set.get(key, &mut answer.buffer)?;
        answer.keep_one(found, place)
    })
}

/// Looks a key up and copies its value: no answer is needed. Where a shard is compressed by zstd, each
/// call makes a decoder of about 150 KiB; graven_set_get() keeps one in its answer.
///
/// `buffer`: gets the value, if it has `capacity` bytes for it; NULL with a capacity of 0 only asks
/// how long it is. `needed`: gets the length of the value.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_BUFFER_TOO_SMALL, and the errors of
/// graven_set_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_get_copy(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_set_get_copy", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, buffer) = unsafe {
            (
                shared(set, "set")?,
                args::key(key, key_len)?,
                Buffer::at(buffer.cast(), capacity, needed)?,
            )
        };
        match set.set.get(key, &mut ValueBuffer::new())? {
            Some(value) => buffer.bytes(&value),
            None => Ok(GRAVEN_NOT_FOUND),
        }
    })
}

/// Looks many keys up at once: they are grouped by shard, and what they wait for overlaps.
///
/// `keys`: `count` keys. `answer`: keeps all values. `values`: `count` places, each of which gets the
/// value of its key, or a slice with NULL as its data if the key is absent. The value of a key that is
/// there never has NULL, also if it is empty.
///
/// Gives GRAVEN_OK, also if keys are absent, and the errors of graven_set_get(); `values` then hold
/// nothing of use. Any thread, several at once, each with an answer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_get_many(
    set: *const graven_set,
    keys: *const graven_slice,
    count: usize,
    answer: *mut graven_answer,
    values: *mut graven_slice,
) -> graven_status {
    status("graven_set_get_many", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, keys, answer, mut places) = unsafe {
            (
                shared(set, "set")?,
                Key::all(keys, count),
                unique(answer, "answer")?,
                Places::at(values, count, "values")?,
            )
        };
        let null = || Failure::invalid("`keys`, or the data of one of them, is NULL");
        let found = set.set.get_many(&keys.ok_or_else(null)?, &mut answer.buffer)?;
        for value in answer.keep(found) {
            places
                .push(value.as_ref().map_or(graven_slice::ABSENT, |value| graven_slice::of(value)));
        }
        Ok(GRAVEN_OK)
    })
}

/// All values of a key, in the order of their insertion. Costs one graven_set_get() and a step per
/// value, also for values without a place: in a set of plain shards an atomic count, in one that has a
/// packed shard or that graven_live_set_pin() gave an allocation, into which the value is decoded or
/// copied.
///
/// `answer`: keeps them. `values`: gets the first `capacity` of them; NULL with a capacity of 0 only
/// counts them. `count`: gets the number of all values.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND with a count of 0, and the errors of graven_set_get(). Any thread,
/// several at once, each with an answer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_get_all(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    answer: *mut graven_answer,
    values: *mut graven_slice,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_set_get_all", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, answer, mut places, count) = unsafe {
            (
                shared(set, "set")?,
                args::key(key, key_len)?,
                unique(answer, "answer")?,
                Places::at(values, capacity, "values")?,
                Place::at(count, "count")?,
            )
        };
        for value in answer.keep(set.set.get_all(key)?).iter().flatten() {
            places.push(graven_slice::of(value));
        }
        count.set(places.count());
        Ok(if places.count() == 0 { GRAVEN_NOT_FOUND } else { GRAVEN_OK })
    })
}

/// The first entry, the one with the smallest key. `answer` keeps it; `key` and `value` get it, each may
/// be NULL. Asks one shard of a set of ranges, all shards of a set of hashes.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND in an empty set, and the errors of graven_set_get(). Any thread,
/// several at once, each with an answer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_first(
    set: *const graven_set,
    answer: *mut graven_answer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_first", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, answer, place) =
            unsafe { (shared(set, "set")?, unique(answer, "answer")?, EntryPlace::at(key, value)) };
        let found = set.set.first(&mut answer.buffer)?;
        answer.keep_entry(found, place)
    })
}

/// The last entry, the one with the greatest key. Otherwise as graven_set_first().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_last(
    set: *const graven_set,
    answer: *mut graven_answer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_last", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, answer, place) =
            unsafe { (shared(set, "set")?, unique(answer, "answer")?, EntryPlace::at(key, value)) };
        let found = set.set.last(&mut answer.buffer)?;
        answer.keep_entry(found, place)
    })
}

/// The entry with the greatest key that is not greater than `key`; the last one of equals. `found_key`
/// and `found_value` get it. Otherwise as graven_set_first().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_floor(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    answer: *mut graven_answer,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_set_floor", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, answer, place) = unsafe {
            (
                shared(set, "set")?,
                args::key(key, key_len)?,
                unique(answer, "answer")?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let found = set.set.floor(key, &mut answer.buffer)?;
        answer.keep_entry(found, place)
    })
}

/// The entry with the smallest key that is not smaller than `key`; the first one of equals. Otherwise
/// as graven_set_floor().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_ceil(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    answer: *mut graven_answer,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_set_ceil", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, answer, place) = unsafe {
            (
                shared(set, "set")?,
                args::key(key, key_len)?,
                unique(answer, "answer")?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let found = set.set.ceil(key, &mut answer.buffer)?;
        answer.keep_entry(found, place)
    })
}

/// The entry with `rank` entries before it, in a set of ranges. `answer` keeps it; `key` and `value` get
/// it, each may be NULL.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND, GRAVEN_ERR_UNSUPPORTED for a set of hashes, and the errors of
/// graven_set_get(). Any thread, several at once, each with an answer of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_nth(
    set: *const graven_set,
    rank: u64,
    answer: *mut graven_answer,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_nth", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, answer, place) =
            unsafe { (shared(set, "set")?, unique(answer, "answer")?, EntryPlace::at(key, value)) };
        let found = set.set.nth(rank, &mut answer.buffer)?;
        answer.keep_entry(found, place)
    })
}

/// Number of entries whose keys are smaller than `key`. Asks one shard of a set of ranges, all shards
/// of a set of hashes.
///
/// Gives GRAVEN_OK, and the errors of graven_set_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_rank(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    rank: *mut u64,
) -> graven_status {
    status("graven_set_rank", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, place) =
            unsafe { (shared(set, "set")?, args::key(key, key_len)?, Place::at(rank, "rank")?) };
        place.set(set.set.rank(key)?);
        Ok(GRAVEN_OK)
    })
}

/// Number of entries in a range. `bounds`: NULL for all entries. Otherwise as graven_set_rank().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_count(
    set: *const graven_set,
    bounds: *const graven_bounds,
    count: *mut u64,
) -> graven_status {
    status("graven_set_count", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, bounds, place) =
            unsafe { (shared(set, "set")?, self::bounds(bounds)?, Place::at(count, "count")?) };
        place.set(set.set.count(bounds)?);
        Ok(GRAVEN_OK)
    })
}
