//! Work on a whole table that takes its time: the audit, and reading it into memory.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::args::shared;
use crate::edge::status;
use crate::options::warm;
use crate::progress::{Progress, flow, graven_progress_fn, stopped};
use crate::sized::{Sized, SizedPlace};
use crate::status::{Answer, GRAVEN_OK, graven_status};
use crate::table::graven_table;
use graven::Table;
use std::ffi::c_void;
use std::mem::size_of;

/// What an audit read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_verify_report {
    /// sizeof(graven_verify_report), set by the caller.
    pub size: usize,
    /// Entries read.
    pub entries: u64,
    /// Distinct keys found.
    pub keys: u64,
    /// Pages whose checksums were compared.
    pub pages: u64,
    /// Bytes of the table.
    pub bytes: u64,
}

// SAFETY: numbers, laid out without padding (`no_struct_has_padding`).
unsafe impl Sized for graven_verify_report {
    const NAME: &'static str = "graven_verify_report";
}

/// Audits the whole table: all checksums, anew and on all threads; the order and bounds of all
/// records; that the indexes lead to every record; the statistics; the build id. Takes about a second
/// per gigabyte on two cores if the disk is as fast, and up to 128 MiB of memory.
///
/// `progress`: called after every mebibyte or so, in bytes; NULL: nothing is called. `user`: given to
/// it. `report`: NULL, or a struct whose `size` is set.
///
/// Gives GRAVEN_OK if there is no damage, GRAVEN_ERR_DAMAGED, GRAVEN_ERR_LOST_PAGE,
/// GRAVEN_ERR_CANCELLED, GRAVEN_ERR_INVALID_ARGUMENT. Any thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_verify(
    table: *const graven_table,
    progress: graven_progress_fn,
    user: *mut c_void,
    report: *mut graven_verify_report,
) -> graven_status {
    status("graven_table_verify", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, progress) = unsafe { (shared(table, "table")?, Progress::of(progress, user)) };
        // SAFETY: the caller keeps the promises of the header.
        unsafe { audit(&table.0, progress, report) }
    })
}

/// Audits a table, and writes what was read.
///
/// # Safety
/// `report` is NULL, or as [`SizedPlace::at`] asks.
pub(crate) unsafe fn audit(
    table: &Table,
    progress: Option<Progress>,
    report: *mut graven_verify_report,
) -> Answer {
    let place = match report.is_null() {
        true => None,
        // SAFETY: the caller's promise.
        false => Some(unsafe { SizedPlace::at(report, "report") }?),
    };
    let report = table.verify_while(|at| flow(progress, at.done, at.total))?;
    let report = report.ok_or_else(stopped)?;
    let Some(place) = place else { return Ok(GRAVEN_OK) };
    place.set(&graven_verify_report {
        size: size_of::<graven_verify_report>(),
        entries: report.entries,
        keys: report.keys,
        pages: report.pages,
        bytes: report.bytes,
    })
}

/// Reads a part of the table into memory and maps it, so that the first lookups wait neither for the
/// disk nor for page faults. Nothing keeps the kernel from dropping pages again when memory is short:
/// the option `lock_memory` does.
///
/// `part`: a graven_warm. `progress`: called after every 2 MiB, in bytes; NULL: nothing is called.
/// `user`: given to it.
///
/// Gives GRAVEN_OK, GRAVEN_ERR_LOST_PAGE, GRAVEN_ERR_CANCELLED, GRAVEN_ERR_INVALID_ARGUMENT. Any
/// thread, several at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn graven_table_warm(
    table: *const graven_table,
    part: i32,
    progress: graven_progress_fn,
    user: *mut c_void,
) -> graven_status {
    status("graven_table_warm", || {
        // SAFETY: the caller keeps the promises of the header.
        let (table, progress) = unsafe { (shared(table, "table")?, Progress::of(progress, user)) };
        let mut asked_to_stop = false;
        table.0.warm_with(warm(part)?, |at| {
            let flow = flow(progress, at.done, at.total);
            asked_to_stop = flow.is_break();
            flow
        })?;
        if asked_to_stop { Err(stopped()) } else { Ok(GRAVEN_OK) }
    })
}
