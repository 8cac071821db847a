//! Opening and closing a table, and what is known of it without a lookup.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, shared, taken};
use crate::edge::{status, value};
use crate::options::{graven_open_options, open_options};
use crate::slice::bytes;
use crate::status::{Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use graven::Table;
use std::ffi::{c_char, c_void};
use std::os::unix::ffi::OsStrExt;

// The header declares it by hand (cbindgen.toml): it is opaque, and cbindgen would show the Rust
// type. A pin lends the handle of the table that it holds.
/// An open table.
#[repr(transparent)]
pub struct graven_table(pub(crate) Table);

impl graven_table {
    /// The handle on a table that is held elsewhere.
    pub(crate) fn of(table: &Table) -> &Self {
        // SAFETY: a `graven_table` is laid out as a `Table`.
        unsafe { &*std::ptr::from_ref(table).cast() }
    }
}

/// Maps the table at `path`, shared and read-only: its pages are those of the page cache, in memory
/// once however many processes map it. Costs a handful of system calls, whatever the size.
///
/// As long as the table is open, nobody may modify or truncate the file, or the behaviour is
/// undefined. Tables are replaced by rename and never modified, so this holds unless something else
/// writes into them: never cp over a table. Where it can't be known, use graven_load().
///
/// `path`: a string. `options`: NULL for the defaults. `table`: gets the handle, which the caller
/// closes with graven_table_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_IO, GRAVEN_ERR_NOT_A_TABLE, GRAVEN_ERR_TOO_NEW, GRAVEN_ERR_DAMAGED,
/// GRAVEN_ERR_NO_MEMORY, GRAVEN_ERR_OTHER_BUILD, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT;
/// GRAVEN_ERR_NEEDS_BUFFER for a packed table, which graven_packed_open() opens. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_open(
    path: *const c_char,
    options: *const graven_open_options,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(table, "table")?)
        };
        // SAFETY: the caller promises that nobody modifies the file.
        place.give(graven_table(unsafe { options.open(path) }?))
    })
}

/// Reads the table at `path` into private memory, which nobody else can change. Costs memory and
/// time for the whole file. Otherwise as graven_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_load(
    path: *const c_char,
    options: *const graven_open_options,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_load", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(table, "table")?)
        };
        place.give(graven_table(options.load(path)?))
    })
}

/// Opens a table that lies in memory, for example linked into the program, without a copy.
///
/// `data`: `len` bytes, which must stay as they are until the table and everything that was made from
/// it is closed. Values keep their alignment only if `data` has it. `options`: NULL for the defaults;
/// `lock_memory` has no effect. Otherwise as graven_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_from_memory(
    data: *const c_void,
    len: usize,
    options: *const graven_open_options,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_from_memory", || {
        // SAFETY: the caller keeps the promises of the header; the bytes stay as they are while the
        // table lives, so that they may count as static.
        let (bytes, options, place) = unsafe {
            (bytes::<'static>(data.cast(), len), open_options(options)?, Place::at(table, "table")?)
        };
        let bytes = bytes.ok_or_else(|| Failure::invalid("the argument `data` is NULL"))?;
        place.give(graven_table(options.from_bytes(bytes)?))
    })
}

/// Opens a copy of a table that lies in memory. The caller may free `data` afterwards. Values are
/// aligned as they were built. Needs twice the memory while it copies. Otherwise as
/// graven_from_memory().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_from_copy(
    data: *const c_void,
    len: usize,
    options: *const graven_open_options,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_from_copy", || {
        // SAFETY: the caller keeps the promises of the header.
        let (bytes, options, place) = unsafe {
            (bytes(data.cast(), len), open_options(options)?, Place::at(table, "table")?)
        };
        let bytes = bytes.ok_or_else(|| Failure::invalid("the argument `data` is NULL"))?;
        place.give(graven_table(options.from_reader(bytes)?))
    })
}

/// Gives a second handle on the same table, for example to keep a pinned table beyond its pin. Both
/// handles are closed; the memory is given back with the last one. Costs an allocation and an atomic
/// count; nothing is copied.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_clone(
    table: *const graven_table,
    clone: *mut *mut graven_table,
) -> graven_status {
    status("graven_table_clone", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, Place::at(clone, "clone")?) };
        place.give(graven_table(table.0.clone()))
    })
}

/// Closes a handle on a table. Iterators, cursors, clones and pins that were made from it stay valid:
/// each keeps the table open by itself. Slices are valid until the last of all these is closed. The
/// call that closes the last one unmaps the table, up to a third of a second per GiB. NULL is
/// allowed. No other thread may be using the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_close(table: *mut graven_table) {
    value("graven_table_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(table) });
        Ok(())
    });
}

/// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_len(table: *const graven_table) -> u64 {
    value("graven_table_len", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(table, "table") }?.0.len())
    })
}

/// Number of distinct keys; 0 for NULL. Costs nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_distinct_keys(table: *const graven_table) -> u64 {
    value("graven_table_distinct_keys", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(table, "table") }?.0.distinct_keys())
    })
}

/// The build id, which identifies the content. `build_id` gets 16 bytes. Costs nothing.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_build_id(
    table: *const graven_table,
    build_id: *mut u8,
) -> graven_status {
    status("graven_table_build_id", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe {
            (shared(table, "table")?, Place::at(build_id.cast::<[u8; 16]>(), "build_id")?)
        };
        place.set(*table.0.build_id().as_bytes());
        Ok(GRAVEN_OK)
    })
}

/// The path from which the table was opened, as it was given.
///
/// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
/// asks how long it is. `needed`: gets the number of bytes, the NUL included.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_NOT_FOUND for a table in memory,
/// GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_path(
    table: *const graven_table,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_table_path", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, buffer) =
            unsafe { (shared(table, "table")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        match table.0.path() {
            Some(path) => buffer.text(path.as_os_str().as_bytes()),
            None => Ok(GRAVEN_NOT_FOUND),
        }
    })
}

/// 1 if a page under this table was lost since it was opened: the file was truncated, or its device
/// failed. Only the guard of graven_sigbus_install() finds out. Lookups then fail by themselves; a
/// caller that has used a slice asks here afterwards whether its bytes were the file's. Otherwise 0,
/// also for NULL. Costs two loads. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_is_faulted(table: *const graven_table) -> i32 {
    value("graven_table_is_faulted", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(table, "table") }?.0.is_faulted().into())
    })
}

/// 1 if the guard of graven_sigbus_install() protects this table, or would, once installed; 0 for a
/// mapped table that was opened while 4,096 others were open, and for NULL. Any thread, several at
/// once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_is_guarded(table: *const graven_table) -> i32 {
    value("graven_table_is_guarded", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(table, "table") }?.0.is_guarded().into())
    })
}
