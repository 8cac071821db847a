//! The edge between C and Rust: errors become a status and a text, and no panic gets across.

use crate::status::{Answer, Failure, GRAVEN_ERR_PANIC, graven_status, keep};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function that gives a status. `name` is the function's.
#[inline(always)]
pub(crate) fn status(name: &'static str, body: impl FnOnce() -> Answer) -> graven_status {
    caught(name, || body().unwrap_or_else(keep)).unwrap_or_else(keep)
}

/// Runs the body of an exported function that gives a value. An error gives `otherwise`.
#[inline(always)]
pub(crate) fn value<T: Copy>(
    name: &'static str,
    otherwise: T,
    body: impl FnOnce() -> Result<T, Failure>,
) -> T {
    let kept = |failure| {
        keep(failure);
        otherwise
    };
    caught(name, || body().unwrap_or_else(kept)).unwrap_or_else(kept)
}

/// A body may leave a handle half changed when it panics. The caller is told to close the handle,
/// and whatever is left of it is memory-safe to drop. Failures of a body are kept inside: handed
/// through here, they would send each status through memory.
#[inline(always)]
fn caught<T>(name: &'static str, body: impl FnOnce() -> T) -> Result<T, Failure> {
    let body = || {
        #[cfg(test)]
        crate::panic_tests::reached();
        body()
    };
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| panicked(name, payload))
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
