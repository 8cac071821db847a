//! Opening and closing a set, and what is known of it without a lookup.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::any_set::AnySet;
use crate::args::{self, Buffer, Place, shared, taken};
use crate::edge::{status, value};
use crate::options::{graven_open_options, open_options};
use crate::packed::graven_packed;
use crate::progress::{Progress, flow, graven_progress_fn, stopped};
use crate::sized::{Sized, SizedPlace, read_or_zero};
use crate::status::{Failure, GRAVEN_ERR_NEEDS_BUFFER, GRAVEN_NOT_FOUND, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use graven::{SetOptions, Shard};
use std::ffi::{c_char, c_void};
use std::mem::size_of;
use std::os::unix::ffi::OsStrExt;

/// An open set: one table in many files, its shards, by ranges of keys or by their hash. Shards may be
/// packed tables.
pub struct graven_set {
    pub(crate) set: AnySet,
}

impl graven_set {
    /// What the manifest says of the shard of a number that the caller gives.
    fn shard(&self, shard: usize) -> Result<&Shard, Failure> {
        let shards = &self.set.manifest().shards;
        shards.get(shard).ok_or_else(|| {
            let shards = shards.len();
            let text = format_args!("the argument `shard` is {shard}, the set has {shards} shards");
            Failure::invalid(text)
        })
    }
}

/// How a set is opened. Zeros are the defaults: begin with graven_set_options_init(), or zero the
/// struct and set `size`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_set_options {
    /// sizeof(graven_set_options).
    pub size: usize,
    /// Most bytes that the set keeps mapped. Others are let go before a shard is mapped, about those
    /// that were used least recently; what answers, iterators and tables keep open does not count.
    /// 0: no bound.
    pub max_mapped_bytes: u64,
    /// How each shard is opened; NULL for the defaults. The fields for a part of a file and the
    /// expected build id must be 0: the manifest says which build a shard is.
    pub tables: *const graven_open_options,
}

// SAFETY: numbers and a pointer, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_set_options {
    const NAME: &'static str = "graven_set_options";
}

/// What the audit of a set read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_set_report {
    /// sizeof(graven_set_report), set by the caller.
    pub size: usize,
    /// Shards of the set.
    pub shards: u64,
    /// Entries read.
    pub entries: u64,
    /// Distinct keys found.
    pub keys: u64,
    /// Bytes of all shards.
    pub bytes: u64,
}

// SAFETY: numbers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_set_report {
    const NAME: &'static str = "graven_set_report";
}

/// # Safety
/// `given` is NULL, or points to options whose pointers are valid while this call of C lasts.
pub(crate) unsafe fn set_options(given: *const graven_set_options) -> Result<SetOptions, Failure> {
    // SAFETY: the caller's promise.
    let given = unsafe { read_or_zero(given) }?;
    // SAFETY: the caller's promise.
    let tables = unsafe { read_or_zero(given.tables) }?;
    if (tables.section_offset, tables.section_len) != (0, 0) || !tables.expected_build_id.is_null()
    {
        return Err(Failure::invalid(
            "`tables` of a set names a part of a file or a build id: each shard is a whole file, and \
             the manifest has its build id",
        ));
    }
    // SAFETY: the caller's promise.
    let tables = unsafe { open_options(given.tables) }?;
    let most = (given.max_mapped_bytes != 0).then_some(given.max_mapped_bytes);
    Ok(SetOptions::new().tables(tables).max_mapped_bytes(most))
}

/// Opens the set at `path`: a directory of versions, of which the current one is opened, or the
/// directory of one version. Reads and checks the manifest, and maps nothing: a shard is mapped when
/// it is first asked. The promise of graven_open() holds for every shard. While it is open, its version
/// is not removed as an old one.
///
/// `path`: a string. `options`: NULL for the defaults. `set`: gets the handle, which the caller closes
/// with graven_set_close().
///
/// Gives GRAVEN_OK, GRAVEN_ERR_IO if there is no manifest, GRAVEN_ERR_DAMAGED if it contradicts itself,
/// GRAVEN_ERR_INVALID_ARGUMENT. A shard that is missing or not the one of the manifest is found when it
/// is asked. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_open(
    path: *const c_char,
    options: *const graven_set_options,
    set: *mut *mut graven_set,
) -> graven_status {
    status("graven_set_open", || {
        // SAFETY: the caller keeps the promises of the header.
        let (path, options, place) =
            unsafe { (args::path(path, "path")?, set_options(options)?, Place::at(set, "set")?) };
        // SAFETY: the caller promises that nobody modifies the files.
        place.give(graven_set { set: unsafe { AnySet::open(path, &options) }? })
    })
}

/// Gives a second handle on the same set. Both handles are closed. Costs an allocation and an atomic
/// count; nothing is copied.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_clone(
    set: *const graven_set,
    clone: *mut *mut graven_set,
) -> graven_status {
    status("graven_set_clone", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, place) = unsafe { (shared(set, "set")?, Place::at(clone, "clone")?) };
        place.give(graven_set { set: set.set.clone() })
    })
}

/// Closes a handle on a set. Answers, iterators, clones and tables that were made from it stay valid.
/// NULL is allowed. No other thread may be using the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_close(set: *mut graven_set) {
    value("graven_set_close", (), || {
        // SAFETY: the caller keeps the promises of the header.
        drop(unsafe { taken(set) });
        Ok(())
    });
}

/// Number of entries; 0 for NULL. Costs nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_len(set: *const graven_set) -> u64 {
    value("graven_set_len", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(set, "set") }?.set.len())
    })
}

/// Number of shards; 0 for NULL. Costs nothing. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_shards(set: *const graven_set) -> usize {
    value("graven_set_shards", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(set, "set") }?.set.manifest().shards.len())
    })
}

/// Bytes of the shards that the set has mapped at this moment; 0 for NULL. Takes a lock. Any thread,
/// several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_mapped_bytes(set: *const graven_set) -> u64 {
    value("graven_set_mapped_bytes", 0, || {
        // SAFETY: the caller keeps the promises of the header.
        Ok(unsafe { shared(set, "set") }?.set.mapped_bytes())
    })
}

/// The manifest's id, which identifies the content. `id` gets 16 bytes. Costs nothing.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_id(set: *const graven_set, id: *mut u8) -> graven_status {
    status("graven_set_id", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, place) =
            unsafe { (shared(set, "set")?, Place::at(id.cast::<[u8; 16]>(), "id")?) };
        place.set(set.set.manifest().id.into());
        Ok(GRAVEN_OK)
    })
}

/// The directory of the version that is open, with all links resolved.
///
/// `buffer`: gets the string with its NUL, if it has `capacity` for it; NULL with a capacity of 0 only
/// asks how long it is. `needed`: gets the number of bytes, the NUL included.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at
/// once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_path(
    set: *const graven_set,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> graven_status {
    status("graven_set_path", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, buffer) =
            unsafe { (shared(set, "set")?, Buffer::at(buffer.cast(), capacity, needed)?) };
        buffer.text(set.set.path().as_os_str().as_bytes())
    })
}

/// The number of the only shard that can have a key. Costs a hash, or a search in memory.
///
/// Gives GRAVEN_OK, GRAVEN_NOT_FOUND if no shard can, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several
/// at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_shard_of(
    set: *const graven_set,
    key: *const c_void,
    key_len: usize,
    shard: *mut usize,
) -> graven_status {
    status("graven_set_shard_of", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, key, place) =
            unsafe { (shared(set, "set")?, args::key(key, key_len)?, Place::at(shard, "shard")?) };
        let Some(shard) = set.set.shard_of(key) else { return Ok(GRAVEN_NOT_FOUND) };
        place.set(shard);
        Ok(GRAVEN_OK)
    })
}

/// A plain shard as a table, mapped if it is not, for a loop over one shard: its lookups give slices
/// that stay valid until the table is closed, and need no graven_answer. The shard stays mapped for as
/// long as the table is open.
///
/// `shard`: its number, below graven_set_shards(). `table`: gets the handle, which the caller closes
/// with graven_table_close().
///
/// Gives GRAVEN_OK, the errors of graven_set_get(), and GRAVEN_ERR_NEEDS_BUFFER for a packed shard,
/// which is not mapped: use graven_set_packed(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_table(
    set: *const graven_set,
    shard: usize,
    table: *mut *mut graven_table,
) -> graven_status {
    status("graven_set_table", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, place) = unsafe { (shared(set, "set")?, Place::at(table, "table")?) };
        if set.shard(shard)?.packed {
            let text = format_args!("shard {shard} is a packed table: use graven_set_packed()");
            return Err(Failure::new(GRAVEN_ERR_NEEDS_BUFFER, text));
        }
        place.give(graven_table(set.set.table(shard)?.stored().clone()))
    })
}

/// A shard, packed or plain, as a table whose lookups take a graven_buffer. The shard stays mapped for
/// as long as the table is open.
///
/// `shard`: its number, below graven_set_shards(). `packed`: gets the handle, which the caller closes
/// with graven_packed_close().
///
/// Gives GRAVEN_OK and the errors of graven_set_get(). Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_packed(
    set: *const graven_set,
    shard: usize,
    packed: *mut *mut graven_packed,
) -> graven_status {
    status("graven_set_packed", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, place) = unsafe { (shared(set, "set")?, Place::at(packed, "packed")?) };
        set.shard(shard)?;
        place.give(graven_packed { table: set.set.table(shard)? })
    })
}

/// Audits the whole set: the SHA-256 of each shard's file, each shard as graven_table_verify() does,
/// and that each key is in its shard. Reads every shard two or three times, and has one mapped at a
/// time beside those of the set.
///
/// `progress`: called after every mebibyte or so, in bytes of all shards; NULL: nothing is called.
/// `user`: given to it. `report`: NULL, or a struct whose `size` is set.
///
/// Gives GRAVEN_OK if there is no damage, and otherwise as graven_table_verify(). Any thread, several
/// at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_set_verify(
    set: *const graven_set,
    progress: graven_progress_fn,
    user: *mut c_void,
    report: *mut graven_set_report,
) -> graven_status {
    status("graven_set_verify", || {
        // SAFETY: the caller keeps the promises of the header.
        let (set, progress) = unsafe { (shared(set, "set")?, Progress::of(progress, user)) };
        let place = match report.is_null() {
            true => None,
            // SAFETY: the caller keeps the promises of the header.
            false => Some(unsafe { SizedPlace::at(report, "report") }?),
        };
        let report = set.set.verify_while(|at| flow(progress, at.done, at.total))?;
        let report = report.ok_or_else(stopped)?;
        let Some(place) = place else { return Ok(GRAVEN_OK) };
        place.set(&graven_set_report {
            size: size_of::<graven_set_report>(),
            shards: report.shards,
            entries: report.entries,
            keys: report.keys,
            bytes: report.bytes,
        })
    })
}
