//! The guard against SIGBUS.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::edge::{status, value};
use crate::status::{GRAVEN_OK, graven_status};

/// Installs a guard for the whole process and all its tables, also those that are open already.
/// Without it, a page that can't be read under a mapped table (the file was truncated, its network
/// file system went away, its disk failed) raises SIGBUS, which ends the process. With it, lookups in
/// that table give GRAVEN_ERR_LOST_PAGE, and the process and all other tables go on. Slices that were
/// handed out before read as zeros where the page is gone; graven_table_is_faulted() tells.
///
/// Call it once, after crash handlers were installed: a handler that was there before gets every
/// SIGBUS that is not a table's, and one that is installed later replaces the guard. The guard
/// watches 4,096 mapped tables at a time.
///
/// Gives GRAVEN_OK, also if the guard is there already, GRAVEN_ERR_UNSUPPORTED on systems other than
/// Linux, GRAVEN_ERR_IO. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn graven_sigbus_install() -> graven_status {
    status("graven_sigbus_install", || {
        graven::sigbus::install()?;
        Ok(GRAVEN_OK)
    })
}

/// 1 if graven_sigbus_install() has succeeded in this process, otherwise 0. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn graven_sigbus_is_installed() -> i32 {
    value("graven_sigbus_is_installed", 0, || Ok(graven::sigbus::is_installed().into()))
}
