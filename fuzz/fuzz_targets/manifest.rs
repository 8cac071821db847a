//! Arbitrary bytes as the manifest of a set: an error, or a set that keeps what a manifest promises
//! and answers every query; never a panic, a hang, or a file outside of the set's directory.

#![no_main]

#[path = "common/manifest.rs"]
mod body;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(body::manifest(data)));
