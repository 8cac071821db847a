//! The edge between C and Rust: errors become a status and a text, and no panic gets across.

use crate::status::{Answer, Failure, GRAVEN_ERR_PANIC, graven_status, keep};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function that gives a status. `name` is the function's.
#[inline(always)]
pub(crate) fn status(name: &'static str, body: impl FnOnce() -> Answer) -> graven_status {
    match caught(name, body) {
        Ok(status) => status,
        Err(failure) => keep(failure),
    }
}

/// Runs the body of an exported function that gives a value. An error gives `otherwise`.
#[inline(always)]
pub(crate) fn value<T>(
    name: &'static str,
    otherwise: T,
    body: impl FnOnce() -> Result<T, Failure>,
) -> T {
    match caught(name, body) {
        Ok(value) => value,
        Err(failure) => {
            keep(failure);
            otherwise
        }
    }
}

/// A body may leave a handle half changed when it panics. The caller is told to close the handle,
/// and whatever is left of it is memory-safe to drop.
#[inline(always)]
fn caught<T>(name: &'static str, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let body = || {
        #[cfg(test)]
        crate::panic_tests::reached();
        body()
    };
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(payload) => Err(panicked(name, payload)),
    }
}

#[cold]
fn panicked(name: &'static str, payload: Box<dyn Any + Send>) -> Failure {
    let said = match payload.downcast_ref::<&'static str>() {
        Some(said) => said,
        None => payload.downcast_ref::<String>().map_or("no text", |said| said),
    };
    let failure = Failure::new(GRAVEN_ERR_PANIC, format_args!("{name} panicked: {said}"));
    // Whatever was thrown may panic once more when it is dropped.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    failure
}
