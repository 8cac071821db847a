//! Entries and options through the builder; every query must answer as a sorted list does.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::build_then_read(data)));
