//! A table, packed or plain, that is replaced while it is read.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, shared, taken};
use crate::edge::{status, value};
use crate::live::{
    Hook, graven_failure_fn, graven_live_status, graven_swap_fn, interval, refreshed,
};
use crate::options::{graven_open_options, open_options};
use crate::packed::graven_packed;
use crate::sized::SizedPlace;
use crate::status::{Failure, GRAVEN_OK, graven_status};
use graven::{PackedLive, PackedTable};
use std::ffi::{c_char, c_void};
use std::time::Duration;

/// A handle on the newest table at a path, packed or plain. One kind may take the place of the other.
pub struct graven_packed_live {
    live: PackedLive,
}

/// Opens the table at `path` and follows the path from then on, as graven_live_open() does, but takes
/// packed tables and plain ones, as graven_packed_open() does.
///
/// `path`: a string. `options`: NULL for the defaults; they hold for later tables as well. `live`:
/// gets the handle, which the caller closes with graven_packed_live_close().
///
/// Gives what graven_packed_open() gives. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_open(
    path: *const c_char,
    options: *const graven_open_options,
    live: *mut *mut graven_packed_live,
) -> graven_status {
    status("graven_packed_live_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(live, "live")?)
        };
        // SAFETY: the caller promises that nobody modifies the files.
        place.give(graven_packed_live { live: unsafe { PackedLive::open_with(path, &options) }? })
    })
}

/// Pins the current table: one version for a whole request. Never waits; costs an allocation and an
/// atomic count.
///
/// `packed`: gets the handle, which the caller closes with graven_packed_close(); it may outlive `live`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_pin(
    live: *const graven_packed_live,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_packed_live_pin", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) = unsafe { (shared(live, "live")?, Place::at(packed, "packed")?) };
        place.give(graven_packed { table: PackedTable::clone(&live.live.pin()) })
    })
}

/// Looks for another table at the path, and swaps it in, as graven_live_refresh() does.
///
/// `swapped`: NULL, or gets 1 if a new table is served, 0 if the content is the same.
///
/// Gives GRAVEN_OK and the errors of graven_packed_open(); the old table is served then, until a refresh
/// succeeds. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_refresh(
    live: *const graven_packed_live,
    swapped: *mut i32,
) -> graven_status {
    status("graven_packed_live_refresh", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { refreshed(live.live.refresh()?, swapped) })
    })
}

/// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`.
/// Otherwise as graven_live_refresh_every().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_refresh_every(
    live: *const graven_packed_live,
    interval_ms: u64,
    jitter_ms: u64,
) -> graven_status {
    status("graven_packed_live_refresh_every", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        live.live.refresh_every(interval(interval_ms)?, Duration::from_millis(jitter_ms))?;
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time after a new table was swapped in; NULL: none. Otherwise as
/// graven_live_on_swap().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_on_swap(
    live: *const graven_packed_live,
    function: graven_swap_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_packed_live_on_swap", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        let hook = Hook { function, user };
        live.live.on_swap(move |status| hook.call(status));
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_on_failure(
    live: *const graven_packed_live,
    function: graven_failure_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_packed_live_on_failure", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        let hook = Hook { function, user };
        live.live.on_failure(move |error| hook.call(&Failure::of_open(error)));
        Ok(GRAVEN_OK)
    })
}

/// What is served. `live_status`: a struct whose `size` is set. Allocates.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_get_status(
    live: *const graven_packed_live,
    live_status: *mut graven_live_status,
) -> graven_status {
    status("graven_packed_live_get_status", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) =
            unsafe { (shared(live, "live")?, SizedPlace::at(live_status, "live_status")?) };
        place.set(&graven_live_status::of(&live.live.status()))
    })
}

/// Why the last refresh failed. Otherwise as graven_live_failure().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_failure(
    live: *const graven_packed_live,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_packed_live_failure", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().failure)
    })
}

/// The name of the version that is served from a versioned directory. Otherwise as
/// graven_live_version().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_version(
    live: *const graven_packed_live,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_packed_live_version", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().version)
    })
}

/// Closes the handle, and ends its thread. Pinned tables stay valid. No other thread may be using the
/// handle. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_live_close(live: *mut graven_packed_live) {
    value("graven_packed_live_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(live) });
        Ok(())
    });
}
