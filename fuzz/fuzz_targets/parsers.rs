//! Arbitrary bytes as the input of the program, in every format: entries and errors with their places, the
//! same ones however the bytes arrive, and the same entries once they were written and read again.

#![no_main]
#![allow(dead_code, unused_imports, reason = "the target calls a part of the program")]
// One of the program's files opens tables.
#![warn(unsafe_code)]

/// The program's files.
#[path = "../../cli/src"]
mod program {
    pub(crate) mod any_bytes;
    pub(crate) mod args;
    pub(crate) mod closed;
    pub(crate) mod exit;
    pub(crate) mod foreign;
    pub(crate) mod formats;
    pub(crate) mod input;
    pub(crate) mod lines;
    pub(crate) mod open;
    pub(crate) mod output;
    pub(crate) mod source;
    pub(crate) mod terminal;
    pub(crate) mod unpack;

    /// In the place of the program's own: what is long begins early.
    pub(crate) mod sizes {
        pub(crate) const PIECE: usize = 512;
        pub(crate) const LONG: usize = 2048;
        pub(crate) const MAX_KEY: usize = 255;
    }
}

// Where they look for each other.
use program::{
    any_bytes, args, closed, exit, foreign, formats, input, lines, open, output, sizes, source,
    terminal, unpack,
};

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| graven_fuzz::count(any_bytes::any_bytes(data)));
