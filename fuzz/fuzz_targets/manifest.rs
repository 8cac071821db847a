//! Arbitrary bytes as the manifest of a set: an error, or a set that keeps what a manifest promises
//! and answers every query; never a panic, a hang, or a file outside of the set's directory.
//!
//! The mutator corrects `entries` and `id` in three inputs of four, which nothing hits by chance.

#![no_main]

#[path = "common/manifest.rs"]
mod body;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| graven_fuzz::count(body::manifest(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    match seed.is_multiple_of(4) {
        true => size,
        false => body::repair(data, size, max_size),
    }
});
