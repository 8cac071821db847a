//! The last error, and what the library says of itself.

#![expect(unsafe_code, reason = "exports functions to C")]

use crate::edge::value;
use crate::status::*;
use std::ffi::{CStr, c_char};

/// The text of the last error of this thread: what, where, and what to do, in one line of UTF-8
/// without a full stop. An empty text if there was none. Calls that succeed leave it as it is, so
/// ask only after a status below 0.
///
/// Never NULL. The text is valid until the next call on this thread that fails, and until the
/// thread ends. Costs nothing.
#[unsafe(no_mangle)]
pub extern "C" fn graven_last_error() -> *const c_char {
    value("graven_last_error", c"".as_ptr(), || {
        Ok(of_last(c"".as_ptr(), |last| last.text.as_ptr()))
    })
}

/// The errno of the system call behind the last error of this thread, for example ENOENT; 0 if no
/// system call was behind it. Costs nothing.
#[unsafe(no_mangle)]
pub extern "C" fn graven_last_errno() -> i32 {
    value("graven_last_errno", 0, || Ok(of_last(0, |last| last.errno)))
}

/// What a status means, in a few English words. graven_last_error() says more of an error.
///
/// `status`: any number; one that this version does not know is "unknown status".
/// Never NULL; the text is constant. Any thread. Costs nothing.
#[unsafe(no_mangle)]
pub extern "C" fn graven_strerror(status: i32) -> *const c_char {
    value("graven_strerror", c"".as_ptr(), || Ok(words(status).as_ptr()))
}

fn words(status: i32) -> &'static CStr {
    const ALL: &[(graven_status, &CStr)] = &[
        (GRAVEN_OK, c"ok"),
        (GRAVEN_NOT_FOUND, c"not found"),
        (GRAVEN_ERR_INVALID_ARGUMENT, c"invalid argument"),
        (GRAVEN_ERR_IO, c"the operating system refused"),
        (GRAVEN_ERR_NO_MEMORY, c"no room in memory"),
        (GRAVEN_ERR_NO_SPACE, c"no space on the disk"),
        (GRAVEN_ERR_NOT_A_TABLE, c"not a table"),
        (GRAVEN_ERR_TOO_NEW, c"the table needs a newer version of the library"),
        (GRAVEN_ERR_DAMAGED, c"the table is damaged"),
        (GRAVEN_ERR_LOST_PAGE, c"a page of the table was lost"),
        (GRAVEN_ERR_OTHER_BUILD, c"not the expected build"),
        (GRAVEN_ERR_EXISTS, c"the path is taken"),
        (GRAVEN_ERR_BUSY, c"locked by another process"),
        (GRAVEN_ERR_TOO_LONG, c"too long"),
        (GRAVEN_ERR_OUT_OF_ORDER, c"keys are out of order"),
        (GRAVEN_ERR_DUPLICATE_KEY, c"a key occurs twice"),
        (GRAVEN_ERR_FINISHED, c"the handle is finished"),
        (GRAVEN_ERR_NOT_DURABLE, c"published, but not synced"),
        (GRAVEN_ERR_CANCELLED, c"stopped by a callback"),
        (GRAVEN_ERR_UNSUPPORTED, c"not supported here"),
        (GRAVEN_ERR_BUFFER_TOO_SMALL, c"the buffer is too small"),
        (GRAVEN_ERR_PANIC, c"a fault of the library"),
        (GRAVEN_ERR_NEEDS_BUFFER, c"the table is packed, and its values need a buffer"),
    ];
    let found = ALL.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown status", |(_, words)| words)
}

/// The version of the interface that the shared library has: the major number in the upper 16 bits,
/// the minor number in the lower ones. Compare it with GRAVEN_ABI_VERSION of the header: the major
/// numbers are equal, or the library would not have been loaded; a program that needs functions of
/// its header's minor version asks that the library's is no smaller. Any thread. Costs nothing.
#[unsafe(no_mangle)]
pub extern "C" fn graven_abi_version() -> u32 {
    value("graven_abi_version", 0, || Ok(GRAVEN_ABI_VERSION))
}

/// The version of the interface that this header describes: major << 16 | minor. The major number is
/// that of the shared library's name, libgraven.so.0, and of its symbols, GRAVEN_0. The minor number
/// grows when functions are added.
pub const GRAVEN_ABI_VERSION: u32 = 3;

/// The version of the library as text, for example "0.1.0". Never NULL; the text is constant. Any
/// thread. Costs nothing.
#[unsafe(no_mangle)]
pub extern "C" fn graven_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    value("graven_version", c"".as_ptr(), || Ok(VERSION.as_ptr().cast()))
}
