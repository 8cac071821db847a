//! loom's threads.

use crate::time::Duration;
pub use loom::thread::{Builder, JoinHandle, Thread, ThreadId, current, spawn, yield_now};
pub use std::thread::panicking;

/// Lets all other threads go on.
pub fn sleep(_: Duration) {
    crate::time::sleep();
    yield_now();
}
