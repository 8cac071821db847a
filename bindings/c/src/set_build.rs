//! Writing a set.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::{self, Buffer, Place, taken, unique};
use crate::build::finished;
use crate::edge::{status, value};
use crate::options::{build_options, graven_build_options};
use crate::sized::{Sized, read_or_zero};
use crate::status::{Failure, GRAVEN_OK, graven_status};
use graven::{PublishOptions, SetBuildOptions, SetBuilder};
use std::ffi::{c_char, c_void};

/// A set that is being written.
pub struct graven_set_builder {
    /// None once it is finished.
    builder: Option<SetBuilder>,
    /// The version that it has published.
    version: Option<String>,
}

/// How a set is written. Zeros are the defaults: begin with graven_set_build_options_init(), or zero
/// the struct and set `size`. No more than one of `shard_bytes`, `shard_entries` and `hash_shards` is
/// set. Everything that it points to is copied by graven_set_builder_create().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_set_build_options {
    /// sizeof(graven_set_build_options).
    pub size: usize,
    /// Ranges of keys: a shard ends with the entry that reaches so many bytes. 0: 1 GiB, unless one
    /// of the next fields is set.
    pub shard_bytes: u64,
    /// Ranges of keys: entries of a shard. 0: not set.
    pub shard_entries: u64,
    /// So many shards by the hash of keys, 1 to 1000000. 0: not set.
    pub hash_shards: u64,
    /// Fewest entries of a set that is published. 0: any number.
    pub min_entries: u64,
    /// How each shard is built; NULL for the defaults. `not_durable` holds for the set as well.
    /// `compression` and `compact_keys` make packed shards, each with its own dictionaries.
    pub tables: *const graven_build_options,
}

// SAFETY: numbers and a pointer, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_set_build_options {
    const NAME: &'static str = "graven_set_build_options";
}

/// # Safety
/// `given` is NULL, or points to options whose pointers are valid while this call of C lasts, and
/// whose callback may be called while the builder lives.
unsafe fn set_build_options(
    given: *const graven_set_build_options,
) -> Result<SetBuildOptions, Failure> {
    // SAFETY: the caller's promise.
    let given = unsafe { read_or_zero(given) }?;
    // SAFETY: the caller's promise.
    let (tables, all) = unsafe { (read_or_zero(given.tables)?, build_options(given.tables)?) };
    let publish =
        PublishOptions::new().durable(tables.not_durable == 0).min_entries(given.min_entries);
    // Keys of range shards ascend, as the header says.
    let all = if given.hash_shards == 0 { all.sorted(true) } else { all };
    let options = SetBuildOptions::new().tables(all).publish(publish);
    match (given.shard_bytes, given.shard_entries, given.hash_shards) {
        (0, 0, 0) => Ok(options),
        (bytes, 0, 0) => Ok(options.shard_bytes(bytes)),
        (0, entries, 0) => Ok(options.shard_entries(entries)),
        (0, 0, shards) => Ok(options.hash_shards(usize::try_from(shards).unwrap_or(usize::MAX))),
        _ => Err(Failure::invalid(
            "more than one of `shard_bytes`, `shard_entries` and `hash_shards` is set",
        )),
    }
}

/// Begins a new version of a set in the directory at `path`, which is made if it is missing. The
/// version becomes current with graven_set_builder_finish().
///
/// `path`: a string. `options`: NULL for the defaults. `builder`: gets the handle, which the caller
/// closes with graven_set_builder_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_BUSY, GRAVEN_ERR_IO.
/// Any thread; afterwards one thread at a time may use the builder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_builder_create(
    path: *const c_char,
    options: *const graven_set_build_options,
    builder: *mut *mut graven_set_builder,
) -> graven_status {
    status("graven_set_builder_create", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) = unsafe {
            (args::path(path, "path")?, set_build_options(options)?, Place::at(builder, "builder")?)
        };
        place.give(graven_set_builder { builder: Some(options.create(path)?), version: None })
    })
}

/// Adds an entry. For shards that are ranges, keys ascend; for hashed ones they come in any order.
/// Otherwise as graven_builder_insert().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_builder_insert(
    builder: *mut graven_set_builder,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
) -> graven_status {
    status("graven_set_builder_insert", || {
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

/// Completes all shards, writes the manifest, and makes the version current, all of it in one step for
/// readers. The builder is finished then, and is still to be closed.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_DUPLICATE_KEY, GRAVEN_ERR_NO_SPACE, GRAVEN_ERR_IO, GRAVEN_ERR_BUSY,
/// GRAVEN_ERR_CANCELLED, GRAVEN_ERR_DAMAGED if there are fewer than `min_entries`,
/// GRAVEN_ERR_FINISHED. On an error the version that was current stays current, except with
/// GRAVEN_ERR_NOT_DURABLE. One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_builder_finish(
    builder: *mut graven_set_builder,
) -> graven_status {
    status("graven_set_builder_finish", || {
        // SAFETY: the caller keeps the promises of the header.
        let builder = unsafe { unique(builder, "builder") }?;
        let version = builder.builder.take().ok_or_else(finished)?.finish()?;
        builder.version = Some(version.id);
        Ok(GRAVEN_OK)
    })
}

/// The name of the version that graven_set_builder_finish() has published.
///
/// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
/// asks how long it is. `needed`: gets the number of bytes, the NUL included.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND before, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_ERR_INVALID_ARGUMENT.
/// One thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_builder_version(
    builder: *mut graven_set_builder,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_set_builder_version", || {
        // SAFETY: the caller keeps the promises of the header.
        let (builder, buffer) =
            unsafe { (unique(builder, "builder")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text_if(builder.version.clone())
    })
}

/// Closes a builder. One that is not finished leaves nothing behind. NULL is allowed. Any thread, if
/// no other one uses the builder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_builder_close(builder: *mut graven_set_builder) {
    value("graven_set_builder_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(builder) });
        Ok(())
    });
}
