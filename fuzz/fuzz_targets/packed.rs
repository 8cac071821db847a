//! A packed table, as it was built or damaged: every query of what was built answers as a sorted list
//! does; damage gives answers and errors, never a panic, a hang or memory without end.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::packed(data)));
