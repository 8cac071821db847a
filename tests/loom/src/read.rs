//! The reader's atomics.

#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../../src/read/first_touch.rs"]
mod first_touch;
pub mod touches;
