//! Arbitrary bytes as a table: an error or a table that answers every query, never a
//! panic, a hang or undefined behaviour.
//!
//! The mutator repairs the checksums of most inputs, so that what lies behind them is
//! reached.

#![no_main]

mod common;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| graven_fuzz::count(common::open(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(4) {
        common::repair(&mut data[..size], seed % 8 != 1);
    }
    size
});
