//! A table that is replaced while it is read.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, shared, taken};
use crate::edge::{status, value};
use crate::options::{graven_open_options, open_options};
use crate::sized::{Sized, SizedPlace};
use crate::status::{Failure, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use graven::{Live, LiveStatus, Pinned, RefreshOutcome};
use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;
use std::time::Duration;

/// A handle on the newest table at a path.
pub struct graven_live {
    live: Live,
}

/// A table that stays as it is, whatever is published meanwhile, until the pin is closed.
pub struct graven_pin {
    pinned: Pinned,
}

/// What a handle serves, for metrics.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_live_status {
    /// sizeof(graven_live_status), set by the caller.
    pub size: usize,
    /// Counts the tables that this handle has served, from 1.
    pub generation: u64,
    /// Milliseconds since this table was swapped in.
    pub age_ms: u64,
    /// Identifies the content.
    pub build_id: [u8; 16],
    /// 1 if the last refresh failed; graven_live_failure() says why.
    pub failed: i32,
    /// 0.
    pub reserved: i32,
}

// SAFETY: numbers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_live_status {
    const NAME: &'static str = "graven_live_status";
}

impl graven_live_status {
    pub(crate) fn of(status: &LiveStatus) -> Self {
        Self {
            size: size_of::<Self>(),
            generation: status.generation,
            age_ms: u64::try_from(status.age.as_millis()).unwrap_or(u64::MAX),
            build_id: status.build_id.into(),
            failed: status.failure.is_some().into(),
            reserved: 0,
        }
    }
}

/// Is called after a new table was swapped in, with what is served then. `user`: what was given with
/// the function. `status` is valid during the call.
///
/// It runs on the thread that found the table, and may be called by several at once. It must return:
/// no longjmp, no C++ exception. It must not close the handle.
pub type graven_swap_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, status: *const graven_live_status)>;

/// Is called after a refresh has failed: `status` is a graven_status, `text` says why and is valid
/// during the call. Otherwise as graven_swap_fn.
pub type graven_failure_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, status: i32, text: *const c_char)>;

/// A hook of the caller with what is to be given to it.
pub(crate) struct Hook<F> {
    pub(crate) function: F,
    pub(crate) user: *mut c_void,
}

// SAFETY: the caller has promised that any thread may call it.
unsafe impl<F: Send> Send for Hook<F> {}
// SAFETY: the caller has promised that any thread may call it, also several at once.
unsafe impl<F: Sync> Sync for Hook<F> {}

impl Hook<graven_swap_fn> {
    pub(crate) fn call(&self, status: &LiveStatus) {
        let Some(function) = self.function else { return };
        let status = graven_live_status::of(status);
        // SAFETY: the caller has promised that it may be called.
        unsafe { function(self.user, &raw const status) };
    }
}

impl Hook<graven_failure_fn> {
    pub(crate) fn call(&self, failure: &Failure) {
        let Some(function) = self.function else { return };
        let text = CString::new(failure.text()).unwrap_or_default();
        let status = failure.status() as i32;
        // SAFETY: the caller has promised that it may be called.
        unsafe { function(self.user, status, text.as_ptr()) };
    }
}

pub(crate) fn interval(ms: u64) -> Result<Duration, Failure> {
    match ms {
        0 => Err(Failure::invalid("the argument `interval_ms` is 0")),
        ms => Ok(Duration::from_millis(ms)),
    }
}

/// Tells the caller of a refresh whether it swapped.
///
/// # Safety
/// `swapped` is NULL or valid for writing.
pub(crate) unsafe fn refreshed(outcome: RefreshOutcome, swapped: *mut i32) -> graven_status {
    if !swapped.is_null() {
        // SAFETY: the caller's promise.
        unsafe { swapped.write((outcome == RefreshOutcome::Swapped).into()) };
    }
    GRAVEN_OK
}

/// Opens the table at `path` and follows the path from then on, for a process that serves from a table
/// that is replaced from time to time. A directory stands for a versioned one, whose link CURRENT
/// leads to the table. The promise of graven_open() holds for every file that is found there.
///
/// `path`: a string. `options`: NULL for the defaults; they hold for later tables as well. `live`:
/// gets the handle, which the caller closes with graven_live_close().
///
/// Gives what graven_open() gives. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_open(
    path: *const c_char,
    options: *const graven_open_options,
    live: *mut *mut graven_live,
) -> graven_status {
    status("graven_live_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(live, "live")?)
        };
        // SAFETY: the caller promises that nobody modifies the files.
        place.give(graven_live { live: unsafe { Live::open_with(path, &options) }? })
    })
}

/// Pins the current table: one version for a whole request. Never waits; costs an allocation and a few
/// nanoseconds.
///
/// `pin`: gets the handle, which the caller closes with graven_pin_close(); it may outlive `live`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_pin(
    live: *const graven_live,
    pin: *mut *mut graven_pin,
) -> graven_status {
    status("graven_live_pin", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) = unsafe { (shared(live, "live")?, Place::at(pin, "pin")?) };
        place.give(graven_pin { pinned: live.live.pin() })
    })
}

/// The pinned table. The handle is the pin's, is valid until the pin is closed, and is not closed by
/// the caller; graven_table_clone() makes one that is. NULL for NULL. Costs nothing. Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_pin_table(pin: *const graven_pin) -> *const graven_table {
    value("graven_pin_table", std::ptr::null(), || {
        // SAFETY: the caller keeps the promises of the header.
        let pin = unsafe { shared(pin, "pin") }?;
        Ok(std::ptr::from_ref(graven_table::of(&pin.pinned)))
    })
}

/// Counts the tables that the handle has served, from 1, up to the pinned one; 0 for NULL. Costs
/// nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_pin_generation(pin: *const graven_pin) -> u64 {
    value("graven_pin_generation", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(pin, "pin") }?.pinned.generation())
    })
}

/// Closes a pin. Iterators, cursors and clones that were made from its table stay valid. NULL is
/// allowed. Any thread, also another one than the one that pinned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_pin_close(pin: *mut graven_pin) {
    value("graven_pin_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(pin) });
        Ok(())
    });
}

/// Looks for another table at the path. If there is one, opens and prepares it as the options say, and
/// swaps it in. If nothing has changed, this is one stat() without a lock or an allocation, so it may
/// be called often. Readers never wait for it.
///
/// `swapped`: NULL, or gets 1 if a new table is served, 0 if the content is the same.
///
/// Gives GRAVEN_OK and the errors of graven_open(); the old table is served then, until a refresh
/// succeeds. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_refresh(
    live: *const graven_live,
    swapped: *mut i32,
) -> graven_status {
    status("graven_live_refresh", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { refreshed(live.live.refresh()?, swapped) })
    })
}

/// Starts a thread that refreshes every `interval_ms` milliseconds, plus a random part of `jitter_ms`,
/// so that many processes do not refresh at once. It ends when the handle is closed; another call
/// replaces it. A thread does not survive fork(): call this in each child.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_IO, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_refresh_every(
    live: *const graven_live,
    interval_ms: u64,
    jitter_ms: u64,
) -> graven_status {
    status("graven_live_refresh_every", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        live.live.refresh_every(interval(interval_ms)?, Duration::from_millis(jitter_ms))?;
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time after a new table was swapped in; NULL: none. It takes the
/// place of an earlier one. `user` is given to it and must stay valid until the handle is closed.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_on_swap(
    live: *const graven_live,
    function: graven_swap_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_live_on_swap", || {
        // SAFETY: the caller keeps the promises of the header.
        let live = unsafe { shared(live, "live") }?;
        let hook = Hook { function, user };
        live.live.on_swap(move |status| hook.call(status));
        Ok(GRAVEN_OK)
    })
}

/// Sets a function that is called each time a refresh fails. Otherwise as graven_live_on_swap().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_on_failure(
    live: *const graven_live,
    function: graven_failure_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_live_on_failure", || {
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
pub unsafe extern "C" fn graven_live_get_status(
    live: *const graven_live,
    live_status: *mut graven_live_status,
) -> graven_status {
    status("graven_live_get_status", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, place) =
            unsafe { (shared(live, "live")?, SizedPlace::at(live_status, "live_status")?) };
        place.set(&graven_live_status::of(&live.live.status()))
    })
}

/// Why the last refresh failed.
///
/// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
/// asks how long it is. `needed`: gets the number of bytes, the NUL included.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if it succeeded, GRAVEN_ERR_BUFFER_TOO_SMALL,
/// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_failure(
    live: *const graven_live,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_live_failure", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().failure)
    })
}

/// The name of the version that is served from a versioned directory. Otherwise as
/// graven_live_failure(); GRAVEN_NOT_FOUND if the path is no such directory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_version(
    live: *const graven_live,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_live_version", || {
        // SAFETY: the caller keeps the promises of the header.
        let (live, buffer) =
            unsafe { (shared(live, "live")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(live.live.status().version)
    })
}

/// Closes the handle, and ends its thread. Pins stay valid. No other thread may be using the handle.
/// NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_live_close(live: *mut graven_live) {
    value("graven_live_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(live) });
        Ok(())
    });
}
