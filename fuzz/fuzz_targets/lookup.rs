//! A valid table, damaged as the input says: small damage is reported or harmless,
//! large damage with repaired checksums never causes a panic or a hang.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::lookup(data)));
