//! A packed or plain table that is replaced while it is being read.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

use super::handle::{Handle, Version};
use super::status::{LiveStatus, RefreshOutcome};
use super::tables::Tables;
use crate::error::OpenError;
use crate::read::{OpenOptions, PackedTable};
use arc_swap::Guard;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A handle on the newest table at a path, packed or plain: as [`Live`](crate::Live) is for plain tables
/// alone. A plain table may take the place of a packed one, and the other way round.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("pages.grv");
/// # let publish = |compact: bool, value: &str| {
/// #     let pages = (0..500).map(|i| (format!("https://example.org/{i:03}"), value.to_owned()));
/// #     graven::BuildOptions::new().compact_keys(compact).build(&path, pages)
/// # };
/// # publish(false, "1")?;
/// // SAFETY: tables at this path are replaced by rename and never changed in place.
/// let live = unsafe { graven::PackedLive::open(&path)? };
/// let mut buffer = graven::ValueBuffer::new(); // one per thread
///
/// let table = live.pin(); // one version for the whole request
/// assert_eq!(table.get("https://example.org/042", &mut buffer)?, Some(&b"1"[..]));
///
/// publish(true, "2")?; // by any process
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(live.pin().get("https://example.org/042", &mut buffer)?, Some(&b"2"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PackedLive(Handle<Tables<PackedTable>>);

/// A pinned table. It stays unchanged until this is dropped, whatever is published meanwhile. Use it as a
/// [`PackedTable`]; `PackedTable::clone(&pinned)` is another way to keep it.
pub struct PackedPinned(Guard<Arc<Version<PackedTable>>>);

impl PackedLive {
    /// Opens the table at `path` and follows the path from then on, as
    /// [`Live::open`](crate::Live::open) does.
    ///
    /// # Safety
    /// The promise of [`Live::open`](crate::Live::open).
    ///
    /// # Errors
    /// The errors of [`Live::open`](crate::Live::open) and [`PackedTable::open`].
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
    /// The errors of [`Live::open`](crate::Live::open) and [`PackedTable::open`].
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Handle::open(Tables::at(path.as_ref(), &options.allow_packed(true))) }.map(Self)
    }

    /// Pins the current table. Costs a few nanoseconds and never waits. Pin once per request, so
    /// that one version answers all lookups of a request. A pin that is held for long keeps an old
    /// table in memory.
    #[inline]
    pub fn pin(&self) -> PackedPinned {
        PackedPinned(self.0.shared.current.load())
    }

    /// Looks for another table at the path, as [`Live::refresh`](crate::Live::refresh) does, and reads its
    /// dictionaries before it is swapped in.
    ///
    /// # Errors
    /// Why the file at the path can't be served. The handle still serves the old table, and
    /// [`status`](Self::status) reports the failure until a refresh succeeds.
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

impl PackedPinned {
    /// Counts the tables that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for PackedPinned {
    type Target = PackedTable;

    #[inline]
    fn deref(&self) -> &PackedTable {
        &self.0.served
    }
}

impl fmt::Debug for PackedPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PackedPinned").field(&**self).finish()
    }
}
