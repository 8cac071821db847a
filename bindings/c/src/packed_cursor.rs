//! Cursors over packed tables.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, EntryPlace, Place, shared, taken, unique};
use crate::buffer::Lent;
use crate::edge::{status, value};
use crate::packed::graven_packed;
use crate::slice::graven_slice;
use crate::status::{Answer, Failure, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use graven::{PackedCursor, PackedTable, ReadError};
use self_cell::self_cell;
use std::ffi::c_void;

self_cell!(
    struct Position {
        owner: PackedTable,

        #[covariant]
        dependent: PackedCursor,
    }
);

/// A position in a packed table: on an entry, before the first or after the last. It keeps the table
/// open by itself. Its slices are valid until the next call with it.
pub struct graven_packed_cursor {
    position: Position,
    lent: Lent,
}

impl graven_packed_cursor {
    /// Moves, and writes the entry that is reached.
    fn go(
        &mut self,
        place: EntryPlace,
        step: impl FnOnce(&mut PackedCursor<'_>) -> Result<bool, ReadError>,
    ) -> Answer {
        let lent = &mut self.lent;
        self.position.with_dependent_mut(|_, cursor| match (step(cursor)?, place.wants()) {
            (false, _) => Ok(GRAVEN_NOT_FOUND),
            (true, (false, false)) => Ok(GRAVEN_OK),
            (true, _) => write(cursor, lent, place),
        })
    }
}

/// Writes the entry of a cursor. Decodes what the caller wants of it.
fn write(cursor: &mut PackedCursor<'_>, lent: &mut Lent, place: EntryPlace) -> Answer {
    let entry = match place.wants() {
        (_, false) => cursor.key()?.map(|key| (key, &[][..])),
        (false, true) => cursor.value()?.map(|value| (&[][..], value)),
        (true, true) => cursor.entry()?,
    };
    if let Some((key, value)) = entry {
        lent.note(key, value);
    }
    place.set(entry)
}

/// Gives a cursor before the first entry.
///
/// A cursor has a buffer of its own, without a limit: it takes as much memory as the longest value on
/// which it stands, at most `unpacked_value_len_max` of graven_packed_stats().
///
/// `cursor`: gets the handle, which the caller closes with graven_packed_cursor_close(); it may outlive
/// `packed`.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once; afterwards one thread at
/// a time may use the cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_open(
    packed: *const graven_packed,
    cursor: *mut *mut graven_packed_cursor,
) -> graven_status {
    status("graven_packed_cursor_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (packed, place) = unsafe { (shared(packed, "packed")?, Place::at(cursor, "cursor")?) };
        let position = Position::new(packed.table.clone(), |table| table.cursor());
        place.give(graven_packed_cursor { position, lent: Lent::default() })
    })
}

/// Moves to the first entry whose key is not smaller than `key`; after the last, if there is none.
/// Costs one search. `key` may be a slice that the cursor has lent. Otherwise as
/// graven_packed_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_seek_ceil(
    cursor: *mut graven_packed_cursor,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_seek_ceil", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, key, place) = unsafe {
            (
                unique(cursor, "cursor")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let key = cursor.lent.own(key);
        cursor.go(place, |cursor| cursor.seek_ceil(key))
    })
}

/// Moves to the last entry whose key is not greater than `key`; before the first, if there is none.
/// Otherwise as graven_packed_cursor_seek_ceil().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_seek_floor(
    cursor: *mut graven_packed_cursor,
    key: *const c_void,
    key_len: usize,
    found_key: *mut graven_slice,
    found_value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_seek_floor", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, key, place) = unsafe {
            (
                unique(cursor, "cursor")?,
                args::key(key, key_len)?,
                EntryPlace::at(found_key, found_value),
            )
        };
        let key = cursor.lent.own(key);
        cursor.go(place, |cursor| cursor.seek_floor(key))
    })
}

/// Moves to the first entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
/// graven_packed_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_first(
    cursor: *mut graven_packed_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_first", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.seek_first())
    })
}

/// Moves to the last entry. Gives GRAVEN_NOT_FOUND in an empty table. Otherwise as
/// graven_packed_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_last(
    cursor: *mut graven_packed_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_last", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.seek_last())
    })
}

/// Moves to the next entry; after the last, if there is none. `key` and `value` get the entry; each
/// may be NULL, and a value that is not wanted is not decoded. The slices are valid until the next call
/// with the cursor.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND at the end, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_INVALID_ARGUMENT. After an error the cursor is before the first entry, or on one that does
/// not decode; graven_packed_cursor_entry() tells. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_next(
    cursor: *mut graven_packed_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_next", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.next())
    })
}

/// Moves to the entry before; before the first, if there is none. Otherwise as
/// graven_packed_cursor_next().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_prev(
    cursor: *mut graven_packed_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_prev", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        cursor.go(place, |cursor| cursor.prev())
    })
}

/// The entry on which the cursor stands, without a move. `key` and `value` get it; each may be NULL.
/// Ends the slices of the call before.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if the cursor is on no entry, GRAVEN_ERR_DAMAGED if the entry does
/// not decode, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_INVALID_ARGUMENT. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_entry(
    cursor: *mut graven_packed_cursor,
    key: *mut graven_slice,
    value: *mut graven_slice,
) -> graven_status {
    status("graven_packed_cursor_entry", || {
        // SAFETY: the caller keeps the promises of the header.
        let (cursor, place) = unsafe { (unique(cursor, "cursor")?, EntryPlace::at(key, value)) };
        let lent = &mut cursor.lent;
        cursor.position.with_dependent_mut(|_, cursor| write(cursor, lent, place))
    })
}

/// Closes a cursor, and so ends its slices. NULL is allowed. Any thread, if no other one uses the
/// cursor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_packed_cursor_close(cursor: *mut graven_packed_cursor) {
    value("graven_packed_cursor_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(cursor) });
        Ok::<(), Failure>(())
    });
}
