//! A function of the program that a refresh calls.

use std::borrow::Borrow;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

type Function<T> = dyn Fn(&T) + Send + Sync;

/// A function that may be set and replaced, and takes a `&T`.
pub(crate) struct Hook<T>(Mutex<Option<Arc<Function<T>>>>);

impl<T> Hook<T> {
    pub(crate) fn set(&self, function: impl Fn(&T) + Send + Sync + 'static) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = place.replace(Arc::new(function));
        // Dropping the old function may run code of the program, which must not find the lock held.
        drop(place);
        drop(old);
    }

    /// Calls the function, if one is set, with what `argument` returns. The lock is not held during the
    /// call, so the function may set another one. If the function panics, its message is printed
    /// and the panic ends here: the thread that refreshes must not end with it.
    pub(super) fn call<A: Borrow<T>>(&self, argument: impl FnOnce() -> A) {
        let function = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(function) = function {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| function(argument().borrow())));
        }
    }
}

impl<T> Default for Hook<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
