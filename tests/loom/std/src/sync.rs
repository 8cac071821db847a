//! loom's locks, beside stand-ins.

mod arc;
pub mod atomic;
pub mod mpsc;

pub use arc::{Arc, Counted};
pub use loom::sync::{Condvar, Mutex, MutexGuard};
pub use std::sync::{LockResult, PoisonError};
