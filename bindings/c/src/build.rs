//! Building a table.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Place, taken, unique};
use crate::edge::{status, value};
use crate::options::{build_options, graven_build_options};
use crate::sized::{Sized, SizedPlace};
use crate::status::{Failure, GRAVEN_ERR_FINISHED, GRAVEN_OK, graven_status};
use graven::{Builder, HashIndexOutcome};
use std::ffi::{c_char, c_void};
use std::mem::size_of;

/// A table that is being built.
pub struct graven_builder {
    /// None once it is finished.
    builder: Option<Builder>,
}

/// A finished build in numbers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_build_summary {
    /// sizeof(graven_build_summary), set by the caller.
    pub size: usize,
    /// Entries in the table, after the policy on duplicates.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// Keys that the hash index does not hold, because a smaller key has the same hash. The ordered
    /// index finds them.
    pub set_aside: u64,
    /// Identifies the content.
    pub build_id: [u8; 16],
    /// 1: there is a hash index. 0: there is none, and none is needed or wanted. -1: it was given
    /// up; lookups use the ordered index.
    pub hash_index: i32,
    /// 0.
    pub reserved: i32,
    /// Sum of the lengths of all keys as they are stored: less than `key_bytes` if they are encoded.
    pub stored_key_bytes: u64,
    /// Sum of the lengths of all values as they are stored: less than `value_bytes` if they are
    /// compressed.
    pub stored_value_bytes: u64,
}

// SAFETY: numbers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_build_summary {
    const NAME: &'static str = "graven_build_summary";
}

/// Starts a build of the table at `path`. Entries may come in any order, unless `sorted` is set. The
/// table appears with graven_builder_finish(); until then its bytes are in a file of the same
/// directory that has no name.
///
/// `path`: where the table will stand, a string. `options`: NULL for the defaults. `builder`: gets
/// the handle, which the caller closes with graven_builder_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT, GRAVEN_ERR_EXISTS, GRAVEN_ERR_NO_SPACE,
/// GRAVEN_ERR_IO. Any thread; afterwards one thread at a time may use the builder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_builder_create(
    path: *const c_char,
    options: *const graven_build_options,
    builder: *mut *mut graven_builder,
) -> graven_status {
    status("graven_builder_create", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, build_options(options)?, Place::at(builder, "builder")?)
        };
        place.give(graven_builder { builder: Some(options.create(path)?) })
    })
}

/// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB - 1. Both are copied. Costs some
/// 100 ns; from time to time a sort and a write.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_TOO_LONG, GRAVEN_ERR_OUT_OF_ORDER, GRAVEN_ERR_DUPLICATE_KEY (or only
/// at the end), GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_CANCELLED. After an error the builder
/// is of no use: every further call gives GRAVEN_ERR_FINISHED, and nothing is published. One thread at
/// a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_builder_insert(
    builder: *mut graven_builder,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
) -> graven_status {
    status("graven_builder_insert", || {
        // SAFETY: the caller keeps the promises of the header.
        let (builder, key, value) = unsafe {
            (
                unique(builder, "builder")?,
                args::key(key, key_len)?,
                crate::slice::bytes(value.cast(), value_len),
            )
        };
        let value = value.ok_or_else(|| Failure::invalid("the argument `value` is NULL"))?;
        builder.builder.as_mut().ok_or_else(finished)?.insert(key, value)?;
        Ok(GRAVEN_OK)
    })
}

/// Sorts the entries, writes the table and publishes it: it appears under its name whole, in one
/// step, and takes the place of a table that stands there. Unless `not_durable` is set, a table for
/// which this gave GRAVEN_OK survives a power loss. The builder is finished then, and is still to be
/// closed.
///
/// `summary`: NULL, or a struct whose `size` is set, which gets the numbers of the table.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_DUPLICATE_KEY, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_EXISTS,
/// GRAVEN_ERR_BUSY, GRAVEN_ERR_CANCELLED, GRAVEN_ERR_FINISHED. On an error nothing is published and
/// the old table stays, except with GRAVEN_ERR_NOT_DURABLE. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_builder_finish(
    builder: *mut graven_builder,
    summary: *mut graven_build_summary,
) -> graven_status {
    status("graven_builder_finish", || {
        // SAFETY: the caller keeps the promises of the header.
        let builder = unsafe { unique(builder, "builder") }?;
        let place = match summary.is_null() {
            true => None,
            // SAFETY: the caller keeps the promises of the header.
            false => Some(unsafe { SizedPlace::at(summary, "summary") }?),
        };
        let summary = builder.builder.take().ok_or_else(finished)?.finish()?;
        let Some(place) = place else { return Ok(GRAVEN_OK) };
        place.set(&graven_build_summary {
            size: size_of::<graven_build_summary>(),
            entries: summary.entries,
            keys: summary.keys,
            file_bytes: summary.file_bytes,
            key_bytes: summary.key_bytes,
            value_bytes: summary.value_bytes,
            set_aside: summary.set_aside,
            build_id: summary.build_id.into(),
            hash_index: match summary.hash_index {
                HashIndexOutcome::Built => 1,
                HashIndexOutcome::Abandoned { .. } => -1,
                _ => 0,
            },
            reserved: 0,
            stored_key_bytes: summary.stored_key_bytes,
            stored_value_bytes: summary.stored_value_bytes,
        })
    })
}

#[cold]
pub(crate) fn finished() -> Failure {
    Failure::new(GRAVEN_ERR_FINISHED, "the builder is finished: create another one")
}

/// Closes a builder. One that is not finished leaves nothing behind. NULL is allowed. Any thread, if
/// no other one uses the builder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_builder_close(builder: *mut graven_builder) {
    value("graven_builder_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(builder) });
        Ok(())
    });
}

/// Removes the named temporary files of all builders of this process: for a program that ends
/// without closing them, for example after a signal. Most file systems need no names, and then there
/// is nothing to remove. Any thread, but no signal handler.
#[unsafe(no_mangle)]
pub extern "C" fn graven_remove_temporary_files() {
    value("graven_remove_temporary_files", (), || {
        graven::remove_temporary_files();
        Ok(())
    });
}
