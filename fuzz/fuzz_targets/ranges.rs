//! Ranges, cursors and queries by order, in any sequence: of what was built every answer is right, of what
//! was damaged there are answers and errors, never a panic or a hang.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::ranges(data)));
