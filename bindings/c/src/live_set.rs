//! A set whose versions are followed.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, shared, taken};
use crate::edge::{status, value};
use crate::live::{
    Hook, graven_failure_fn, graven_live_status, graven_swap_fn, interval, refreshed,
};
use crate::set::{graven_set, graven_set_options, set_options};
use crate::sized::SizedPlace;
use crate::status::{Failure, GRAVEN_OK, graven_status};
use graven::{PackedLiveSet, PackedSet};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// A handle on the current version of a set. Shards may be plain in one version and packed in the next.
pub struct graven_live_set {
    live: PackedLiveSet,
}

/// Opens the current version of the set in the directory of versions at `path` and follows the directory
/// from then on. The promise of graven_open() holds for every shard of every version. If `tables` of
/// the options asks to warm, to lock or to check pages at open, the shards of a version are mapped and
/// prepared before it is served, as far as `max_mapped_bytes` goes.
///
/// `path`: a string. `options`: NULL for the defaults; they hold for later versions as well. `live`:
/// gets the handle, which the caller closes with graven_live_set_close().
///
/// Gives what graven_set_open() gives. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_open(
    path: *const c_char,
    options: *const graven_set_options,
    live: *mut *mut graven_live_set,
) -> graven_status {
    status("graven_live_set_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) =
            unsafe { (args::path(path, "path")?, set_options(options)?, Place::at(live, "live")?) };
        // SAFETY: the caller promises that nobody modifies the files.
        place.give(graven_live_set { live: unsafe { PackedLiveSet::open_with(path, &options) }? })
    })
}

/// Pins the version that is served: a set that stays at this version, whatever is published meanwhile,
/// until it is closed. Never waits; costs an allocation and an atomic count. Shards may be packed, so
/// lookups of many keys, all values of a key, queries by order and walks copy what they give, also of
/// plain shards; graven_set_get() copies no value of a plain shard.
///
/// `set`: gets the handle, which the caller closes with graven_set_close(); it may outlive `live`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_pin(
    live: *const graven_live_set,
    set: *mut *mut graven_set,
) -> graven_status {
    status("graven_live_set_pin", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) = unsafe { (shared(live, "live")?, Place::at(set, "set")?) };
        place.give(graven_set { set: PackedSet::clone(&live.live.pin()).into() })
    })
}

/// Looks whether another version is current, and if so, opens it and swaps it in. If nothing has
/// changed, this is one stat() and a look at each mapped shard, so it may be called often. Readers
/// never wait for it.
///
/// `swapped`: NULL, or gets 1 if a new version is served, 0 if it is the same.
///
/// Gives GRAVEN_OK and the errors of graven_set_open(); the old version is served then, until a refresh
/// succeeds. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_refresh(
    live: *const graven_live_set,
    swapped: *mut i32,
) -> graven_status {
    status("graven_live_set_refresh", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { refreshed(live.live.refresh()?, swapped) })
    })
}

/// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`.
/// Otherwise as graven_live_refresh_every().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_refresh_every(
    live: *const graven_live_set,
    interval_ms: u64,
    jitter_ms: u64,
) -> graven_status {
    status("graven_live_set_refresh_every", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        live.live.refresh_every(interval(interval_ms)?, Duration::from_millis(jitter_ms))?;
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time after a new version was swapped in; NULL: none. Otherwise
/// as graven_live_on_swap().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_on_swap(
    live: *const graven_live_set,
    function: graven_swap_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_live_set_on_swap", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        let hook = Hook { function, user };
        live.live.on_swap(move |status| hook.call(status));
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_on_failure(
    live: *const graven_live_set,
    function: graven_failure_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_live_set_on_failure", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        let hook = Hook { function, user };
        live.live.on_failure(move |error| hook.call(&Failure::of_set(error)));
        Ok(GRAVEN_OK)
    })
}

/// What is served; its build id is the manifest's id. `live_status`: a struct whose `size` is set.
/// Allocates.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_get_status(
    live: *const graven_live_set,
    live_status: *mut graven_live_status,
) -> graven_status {
    status("graven_live_set_get_status", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) =
            unsafe { (shared(live, "live")?, SizedPlace::at(live_status, "live_status")?) };
        place.set(&graven_live_status::of(&live.live.status()))
    })
}

/// Why the last refresh failed. Otherwise as graven_live_failure().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_failure(
    live: *const graven_live_set,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_live_set_failure", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().failure)
    })
}

/// The name of the version that is served. Otherwise as graven_live_failure(); GRAVEN_NOT_FOUND if the
/// path is the directory of one version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_version(
    live: *const graven_live_set,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_live_set_version", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().version)
    })
}

/// Closes the handle, and ends its thread. Pinned sets stay valid. No other thread may be using the
/// handle. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_set_close(live: *mut graven_live_set) {
    value("graven_live_set_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(live) });
        Ok(())
    });
}
