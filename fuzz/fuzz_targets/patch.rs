//! Two tables, merged, compared and patched as lists are; damaged patches and tables give answers and
//! errors, never a panic, a hang or an entry that nobody wrote.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| common::patch(data));
