//! Arbitrary bytes as the manifest of a set: an error, or a set that keeps what a manifest promises
//! and answers every query; never a panic, a hang, or a file outside of the set's directory.
//!
//! Three mutations in four give one value of a manifest another one, so that the text stays JSON, and correct
//! `entries` and `id`, which nothing hits by chance.

#![no_main]

#[path = "common/manifest.rs"]
mod body;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| graven_fuzz::count(body::manifest(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(4) {
        return fuzzer_mutate(data, size, max_size);
    }
    let text = body::other(&data[..size], seed / 4);
    if text.len() > max_size.min(data.len()) {
        return size;
    }
    data[..text.len()].copy_from_slice(&text);
    text.len()
});
