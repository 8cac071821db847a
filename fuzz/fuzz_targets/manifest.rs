//! Arbitrary bytes as the manifest of a set: an error, or a set that keeps what a manifest promises
//! and answers every query; never a panic, a hang, or a file outside of the set's directory.
//!
//! The mutator exchanges values in two inputs of four, so that they stay JSON, and corrects `entries` and `id`, which
//! nothing hits by chance, in three.

#![no_main]

#[path = "common/manifest.rs"]
mod body;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| graven_fuzz::count(body::manifest(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = match seed % 4 {
        0 | 1 => fuzzer_mutate(data, size, max_size),
        _ => body::exchange(data, size, max_size, seed / 4),
    };
    match seed % 4 {
        0 => size,
        _ => body::repair(data, size, max_size),
    }
});
