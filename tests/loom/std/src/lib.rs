//! `std` as the models see it. The crate of the models calls it `std`, so that graven's own files,
//! which are included there unchanged, take their atomics, locks, channels, threads and clock from
//! here. All else is the real `std`.

/// The real one, for what a model counts for its own eyes.
pub use ::std as real;
pub use std::*;

pub mod fs;
pub mod model;
pub mod sync;
pub mod thread;
pub mod time;
