//! Two tables, merged, compared and patched; a damaged patch gives errors or a table of bounded length,
//! a damaged table loses entries and makes up none.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::patch(data)));
