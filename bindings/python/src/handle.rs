//! What stays open until it is closed.

use crate::errors;
use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use std::sync::Arc;

/// What a Python object holds until its ``close()``. Swapped, not locked: lookups of several threads
/// share no lock.
pub(crate) struct Handle<T> {
    /// `None` once it is closed.
    open: ArcSwapOption<T>,
    /// What errors call it.
    name: &'static str,
}

impl<T: Send + Sync + 'static> Handle<T> {
    pub(crate) fn new(open: T, name: &'static str) -> Self {
        Self { open: ArcSwapOption::from_pointee(open), name }
    }

    /// Lets `query` ask what is open.
    #[inline]
    pub(crate) fn with<R>(&self, query: impl FnOnce(&T) -> PyResult<R>) -> PyResult<R> {
        match &*self.open.load() {
            Some(open) => query(open),
            None => Err(errors::closed(self.name)),
        }
    }

    /// What is open, which stays so also if it is closed here meanwhile.
    pub(crate) fn own(&self) -> PyResult<Arc<T>> {
        self.open.load_full().ok_or_else(|| errors::closed(self.name))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.open.load().is_none()
    }

    pub(crate) fn close(&self, py: Python<'_>) {
        let open = self.open.swap(None);
        // Unmapping takes a while, and a thread that refreshes is waited for.
        py.detach(|| drop(open));
    }
}
