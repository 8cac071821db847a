//! Walks over a set.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::any_set::{AnySetIter, Entry};
use crate::args::{self, EntryPlace, Place, Places, shared, taken, unique};
use crate::edge::{status, value};
use crate::ordered::{bounds, graven_bounds};
use crate::set::graven_set;
use crate::slice::{graven_entry, graven_slice};
use crate::status::{Answer, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use std::ffi::c_void;

/// A walk over entries of a set, from both ends. It keeps the set open, and the entries of its last
/// step.
pub struct graven_set_iter {
    walk: AnySetIter,
    kept: Vec<Entry>,
}

impl graven_set_iter {
    fn over(walk: AnySetIter) -> Self {
        Self { walk, kept: Vec::new() }
    }

    fn step(
        &mut self,
        step: fn(&mut AnySetIter) -> Option<<AnySetIter as Iterator>::Item>,
        place: EntryPlace,
    ) -> Answer {
        self.kept.clear();
        self.kept.extend(step(&mut self.walk).transpose()?);
        place.set(self.kept.last().map(|(key, value)| (&key[..], &value[..])))
    }
}

/// Walks over the entries of a range, in order: shard after shard where they are ranges, merged where
/// they are hashed, for which all shards are mapped.
///
/// `bounds`: NULL for all entries. `iter`: gets the handle, which the caller closes with
/// graven_set_iter_close(); it may outlive `set`.
///
/// Gives GRAVEN_OK, also for an empty range, GRAVEN_ERR_INVALID_ARGUMENT. Other errors are told by the
/// first step. Any thread, several at once; afterwards one thread at a time may use the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_range(
    set: *const graven_set,
    bounds: *const graven_bounds,
    iter: *mut *mut graven_set_iter,
) -> graven_status {
    status("graven_set_range", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, bounds, place) =
            unsafe { (shared(set, "set")?, self::bounds(bounds)?, Place::at(iter, "iter")?) };
        place.give(graven_set_iter::over(set.set.range(bounds)))
    })
}

/// Walks over the entries whose keys begin with `prefix`, in order. Otherwise as graven_set_range().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_prefix(
    set: *const graven_set,
    prefix: *const c_void,
    prefix_len: usize,
    iter: *mut *mut graven_set_iter,
) -> graven_status {
    status("graven_set_prefix", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, prefix, place) = unsafe {
            (shared(set, "set")?, args::key(prefix, prefix_len)?, Place::at(iter, "iter")?)
        };
        place.give(graven_set_iter::over(set.set.prefix(prefix)))
    })
}

/// The next entry. `key` and `value` get it; each may be NULL. The iterator keeps their bytes: the
/// slices are valid until its next step or until it is closed.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, and the errors of graven_set_get(). After an error the
/// walk is over. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_iter_next(
    iter: *mut graven_set_iter,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_iter_next", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, place) = unsafe { (unique(iter, "iter")?, EntryPlace::at(key, value)) };
        iter.step(AnySetIter::next, place)
    })
}

/// The last entry of those that are left: a walk from the end. Otherwise as graven_set_iter_next().
/// Both ends meet; no entry comes twice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_iter_next_back(
    iter: *mut graven_set_iter,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_set_iter_next_back", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, place) = unsafe { (unique(iter, "iter")?, EntryPlace::at(key, value)) };
        iter.step(AnySetIter::next_back, place)
    })
}

/// The next entries, as many as there are places. The iterator keeps the bytes of all of them until
/// its next step.
///
/// `entries`: `capacity` places. `count`: gets the number of those that were filled, less than
/// `capacity` only at the end.
///
/// Gives GRAVEN_OK if there was an entry, and otherwise as graven_set_iter_next(). On an error `count`
/// is the number of entries before it, which are good.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_iter_next_many(
    iter: *mut graven_set_iter,
    entries: *mut graven_entry,
    capacity: usize,
    count: *mut usize,
) -> graven_status {
    status("graven_set_iter_next_many", || {
        // SAFETY: the caller keeps the promises of the header.
        let (iter, mut places, count) = unsafe {
            (
                unique(iter, "iter")?,
                Places::at(entries, capacity, "entries")?,
                Place::at(count, "count")?,
            )
        };
        iter.kept.clear();
        let mut walked = Ok(());
        for item in iter.walk.by_ref().take(capacity) {
            match item {
                Ok((key, value)) => {
                    places.push_entry((&key, &value));
                    iter.kept.push((key, value));
                }
                Err(error) => walked = Err(error),
            }
        }
        count.set(places.count());
        walked?;
        Ok(if places.count() > 0 || capacity == 0 { GRAVEN_OK } else { GRAVEN_NOT_FOUND })
    })
}

/// Closes an iterator, and so ends the slices of its last step. NULL is allowed. Any thread, if no other
/// one uses the iterator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_iter_close(iter: *mut graven_set_iter) {
    value("graven_set_iter_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(iter) });
        Ok(())
    });
}
