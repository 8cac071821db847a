//! Cursors: seek, then step either way.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, EntryPlace, Place, shared, taken, unique};
use crate::edge::{status, value};
use crate::slice::graven_slice;
use crate::status::{Answer, Failure, graven_status};
use crate::table::graven_table;
use graven::{Cursor, ReadError, Table};
use self_cell::self_cell;
use std::ffi::c_void;

self_cell!(
    struct Position {
        owner: Table,

        #[covariant]
        dependent: Cursor,
    }
);

/// A position in a table: on an entry, before the first or after the last. It keeps the table open by
/// itself.
pub struct graven_cursor {
    position: Position,
}

impl graven_cursor {
    /// Moves, and writes the entry that is reached.
    fn go(
        &mut self,
        place: EntryPlace,
        step: impl FnOnce(&mut Cursor<'_>) -> Result<bool, ReadError>,
    ) -> Answer {
        self.position.with_dependent_mut(|_, cursor| {
            let on_entry = step(cursor)?;
            place.set(if on_entry { cursor.key().zip(cursor.value()) } else { None })
        })
    }
}

/// Gives a cursor before the first entry.
///
/// `cursor`: gets the handle, which the caller closes with graven_cursor_close(); it may outlive
/// `table`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once; afterwards one thread at
/// a time may use the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_open(
    table: *const graven_table,
    cursor: *mut *mut graven_cursor,
) -> graven_status {
    status("graven_cursor_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, place) = unsafe { (shared(table, "table")?, Place::at(cursor, "cursor")?) };
        let position = Position::new(table.0.clone(), |table| table.cursor());
        place.give(graven_cursor { position })
    })
}

/// Moves to the first entry whose key is not smaller than `key`; after the last, if there is
/// none. Costs one search. `found_key` and `found_value` get the entry; each may be NULL.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if there is no such entry, GRAVEN_ERR_DAMAGED,
/// GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first
/// entry. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_seek_ceil(
    cursor: *mut graven_cursor,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_seek_ceil", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, key, place) = unsafe {
            (
                unique(cursor, "cursor")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        cursor.go(place, |cursor| cursor.seek_ceil(key))
    })
}

/// Moves to the last entry whose key is not greater than `key`; before the first, if there is
/// none. Otherwise as graven_cursor_seek_ceil().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_seek_floor(
    cursor: *mut graven_cursor,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_seek_floor", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, key, place) = unsafe {
            (
                unique(cursor, "cursor")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        cursor.go(place, |cursor| cursor.seek_floor(key))
    })
}

/// Moves to the first entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
/// graven_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_first(
    cursor: *mut graven_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_first", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.seek_first())
    })
}

/// Moves to the last entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
/// graven_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_last(
    cursor: *mut graven_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_last", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.seek_last())
    })
}

/// Moves to the next entry; after the last, if there is none. `key` and `value` get the entry; each
/// may be NULL. The slices stay valid beyond the next step.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first entry. One thread at a
/// time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_next(
    cursor: *mut graven_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_next", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.next())
    })
}

/// Moves to the entry before; before the first, if there is none. Otherwise as graven_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_prev(
    cursor: *mut graven_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_prev", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.prev())
    })
}

/// The entry on which the cursor stands, without a move. `key` and `value` get it; each may be NULL.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if the cursor is on no entry, GRAVEN_ERR_INVALID_ARGUMENT. One
/// thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_entry(
    cursor: *const graven_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_cursor_entry", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (shared(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.position.with_dependent(|_, cursor| place.set(cursor.key().zip(cursor.value())))
    })
}

/// Closes a cursor. NULL is allowed. Any thread, if no other one uses the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_cursor_close(cursor: *mut graven_cursor) {
    value("graven_cursor_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(cursor) });
        Ok::<(), Failure>(())
    });
}
