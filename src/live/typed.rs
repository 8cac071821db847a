//! A typed table that is replaced while it is being read.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

use super::handle::{Handle, Version};
use super::status::{LiveStatus, RefreshOutcome};
use super::tables::Tables;
use crate::error::OpenError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::read::{OpenOptions, TypedTable};
use arc_swap::Guard;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A handle on the newest typed table at a path: as [`Live`](crate::Live) is for tables of bytes. A
/// refresh refuses a table of other types, as it refuses a broken one: the old table is still
/// served, and the status reports the failure.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices.grv");
/// # let publish = |price: f64| {
/// #     graven::BuildOptions::new().build_typed(&path, [(7_u32, price)])
/// # };
/// # publish(3.0)?;
/// // SAFETY: tables at this path are replaced by rename and never changed in place.
/// let live = unsafe { graven::TypedLive::<u32, f64>::open(&path)? };
///
/// let table = live.pin(); // one version for the whole request
/// assert_eq!(table.get(&7)?, Some(&3.0));
///
/// publish(4.0)?; // by any process
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(live.pin().get(&7)?, Some(&4.0));
/// assert_eq!(table.get(&7)?, Some(&3.0)); // pinned, so unchanged
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypedLive<K: TypedKey, V: TypedValue>(Handle<Tables<TypedTable<K, V>>>);

/// A pinned typed table. It stays unchanged until this is dropped, whatever is published meanwhile.
/// Use it as a [`TypedTable`]; `TypedTable::clone(&pinned)` is another way to keep it.
pub struct TypedPinned<K, V>(Guard<Arc<Version<TypedTable<K, V>>>>);

impl<K: TypedKey, V: TypedValue> TypedLive<K, V> {
    /// Opens the typed table at `path` and follows the path from then on, as
    /// [`Live::open`](crate::Live::open) does.
    ///
    /// # Safety
    /// The promise of [`Live::open`](crate::Live::open).
    ///
    /// # Errors
    /// The errors of [`Live::open`](crate::Live::open) and [`Table::typed`](crate::Table::typed).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &OpenOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options that hold for this and every later table.
    /// See [`Live::open_with`](crate::Live::open_with).
    ///
    /// # Safety
    /// The promise of [`Live::open`](crate::Live::open).
    ///
    /// # Errors
    /// The errors of [`Live::open`](crate::Live::open) and [`Table::typed`](crate::Table::typed).
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Handle::open(Tables::at(path.as_ref(), options)) }.map(Self)
    }

    /// Pins the current table. Costs a few nanoseconds and never waits. Pin once per request, so
    /// that one version answers all lookups of a request. A pin that is held for long keeps an old
    /// table in memory.
    #[inline]
    pub fn pin(&self) -> TypedPinned<K, V> {
        TypedPinned(self.0.shared.current.load())
    }

    /// Looks for another table at the path, as [`Live::refresh`](crate::Live::refresh) does, and
    /// compares its types before it is swapped in.
    ///
    /// # Errors
    /// Why the file at the path can't be served; [`OpenFailure::TypeMismatch`](crate::OpenFailure::TypeMismatch) for a table of other
    /// types. The handle still serves the old table, and [`status`](Self::status) reports the
    /// failure until a refresh succeeds.
    pub fn refresh(&self) -> Result<RefreshOutcome, OpenError> {
        self.0.shared.refresh()
    }

    /// Starts a thread that refreshes every `interval`, plus a random part of `jitter`. See
    /// [`Live::refresh_every`](crate::Live::refresh_every).
    ///
    /// # Errors
    /// The operating system's answer, if it can't start a thread.
    pub fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        self.0.refresh_every(interval, jitter)
    }

    /// Sets a function that is called each time after a new table was swapped in; see
    /// [`Live::on_swap`](crate::Live::on_swap).
    pub fn on_swap(&self, hook: impl Fn(&LiveStatus) + Send + Sync + 'static) {
        self.0.shared.on_swap.set(hook);
    }

    /// Sets a function that is called each time a refresh fails; see
    /// [`Live::on_failure`](crate::Live::on_failure).
    pub fn on_failure(&self, hook: impl Fn(&OpenError) + Send + Sync + 'static) {
        self.0.shared.on_failure.set(hook);
    }

    /// What is served, for metrics.
    pub fn status(&self) -> LiveStatus {
        self.0.shared.status()
    }

    /// The path that is followed.
    pub fn path(&self) -> &Path {
        self.0.shared.place.path()
    }
}

impl<K, V> TypedPinned<K, V> {
    /// Counts the tables that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl<K, V> Deref for TypedPinned<K, V> {
    type Target = TypedTable<K, V>;

    #[inline]
    fn deref(&self) -> &TypedTable<K, V> {
        &self.0.served
    }
}

impl<K, V> fmt::Debug for TypedPinned<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedPinned").field(&**self).finish()
    }
}
