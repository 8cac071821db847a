//! Packed tables: opening, closing, and what is known of one without a lookup.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Place, shared, taken};
use crate::audit::{audit, graven_verify_report};
use crate::edge::{status, value};
use crate::options::{graven_open_options, open_options};
use crate::progress::{Progress, graven_progress_fn};
use crate::sized::SizedPlace;
use crate::slice::bytes;
use crate::stats::{graven_stats, numbers};
use crate::status::{Failure, graven_status};
use crate::table::graven_table;
use graven::PackedTable;
use std::ffi::{c_char, c_void};

/// An open table, packed or plain: the values of a packed one may be compressed, and its keys encoded.
/// Lookups decode both into a graven_buffer. What is stored as it is, as everything in a plain table,
/// is not copied.
pub struct graven_packed {
    pub(crate) table: PackedTable,
}

/// Maps the table at `path`, as graven_open() does, and reads its dictionaries. A plain table opens as
/// well, so this is for a program that takes both kinds; where all tables are plain, graven_open() has
/// more functions, and slices that need no buffer.
///
/// `path`: a string. `options`: NULL for the defaults. `packed`: gets the handle, which the caller
/// closes with graven_packed_close().
///
/// Gives GRAVEN_OK and the errors of graven_open() but for GRAVEN_ERR_NEEDS_BUFFER. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_open(
    path: *const c_char,
    options: *const graven_open_options,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_packed_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(packed, "packed")?)
        };
        // SAFETY: the caller promises that nobody modifies the file.
        let table = unsafe { PackedTable::open_with(path, &options) }?;
        place.give(graven_packed { table })
    })
}

/// Reads the table at `path` into private memory, which nobody else can change. Costs memory and time
/// for the whole file, as it is stored. Otherwise as graven_packed_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_load(
    path: *const c_char,
    options: *const graven_open_options,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_packed_load", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, open_options(options)?, Place::at(packed, "packed")?)
        };
        place.give(graven_packed { table: PackedTable::load_with(path, &options)? })
    })
}

/// Opens a table that lies in memory, without a copy, as graven_from_memory() does.
///
/// `data`: `len` bytes, which must stay as they are until the table and its cursors are closed.
/// `options`: NULL for the defaults; `lock_memory` has no effect. Otherwise as graven_packed_open().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_from_memory(
    data: *const c_void,
    len: usize,
    options: *const graven_open_options,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_packed_from_memory", || {
        // SAFETY: the caller keeps the promises of the header; the bytes stay as they are while the
        // table lives, so that they may count as static.
        let (bytes, options, place) = unsafe {
            (
                bytes::<'static>(data.cast(), len),
                open_options(options)?,
                Place::at(packed, "packed")?,
            )
        };
        let bytes = bytes.ok_or_else(|| Failure::invalid("the argument `data` is NULL"))?;
        let stored = options.allow_packed(true).from_bytes(bytes)?;
        place.give(graven_packed { table: PackedTable::try_from(stored)? })
    })
}

/// Opens a copy of a table that lies in memory. The caller may free `data` afterwards. Needs twice the
/// memory while it copies. Otherwise as graven_packed_from_memory().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_from_copy(
    data: *const c_void,
    len: usize,
    options: *const graven_open_options,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_packed_from_copy", || {
        // SAFETY: the caller keeps the promises of the header.
        let (bytes, options, place) = unsafe {
            (bytes(data.cast(), len), open_options(options)?, Place::at(packed, "packed")?)
        };
        let bytes = bytes.ok_or_else(|| Failure::invalid("the argument `data` is NULL"))?;
        let stored = options.allow_packed(true).from_reader(bytes)?;
        place.give(graven_packed { table: PackedTable::try_from(stored)? })
    })
}

/// Closes a packed table. Cursors and stored tables that were made from it stay valid: each keeps it
/// open by itself. Slices that a graven_buffer holds are valid no longer: a value that is stored as it
/// is lies in the table. The call that closes the last handle unmaps the table. NULL is allowed. No
/// other thread may be using the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_close(packed: *mut graven_packed) {
    value("graven_packed_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(packed) });
        Ok(())
    });
}

/// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_len(packed: *const graven_packed) -> u64 {
    value("graven_packed_len", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(packed, "packed") }?.table.len())
    })
}

/// The table in numbers, as it is stored: `key_bytes`, `value_bytes` and the lengths are those of what
/// is stored, and the fields from `compression` on say how. Otherwise as graven_table_stats().
///
/// Gives GRAVEN_OK and the errors of graven_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_stats(
    packed: *const graven_packed,
    stats: *mut graven_stats,
) -> graven_status {
    status("graven_packed_stats", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, place) =
            unsafe { (shared(packed, "packed")?, SizedPlace::at(stats, "stats")?) };
        place.set(&numbers(packed.table.stored())?)
    })
}

/// Gives the table as it is stored, for what asks neither for keys nor for values: its sections, build
/// id, metadata and path, warming up, graven_table_is_faulted(). Its keys and values are what is stored
/// of them. Costs an allocation and an atomic count.
///
/// `table`: gets the handle, which the caller closes with graven_table_close(); it may outlive
/// `packed`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_stored(
    packed: *const graven_packed,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_packed_stored", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, place) = unsafe { (shared(packed, "packed")?, Place::at(table, "table")?) };
        place.give(graven_table(packed.table.stored().clone()))
    })
}

/// Audits the whole table, as graven_table_verify() does; decodes every key and value, too, which costs
/// the time of that.
///
/// `progress`: called after every mebibyte or so, in bytes; NULL: nothing is called. `user`: given to
/// it. `report`: NULL, or a struct whose `size` is set.
///
/// Gives GRAVEN_OK and the errors of graven_table_verify(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_verify(
    packed: *const graven_packed,
    progress: graven_progress_fn,
    user: *mut c_void,
    report: *mut graven_verify_report,
) -> graven_status {
    status("graven_packed_verify", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, progress) =
            unsafe { (shared(packed, "packed")?, Progress::of(progress, user)) };
        // SAFETY: the caller keeps the promises of the header.
        unsafe { audit(packed.table.stored(), progress, report) }
    })
}
