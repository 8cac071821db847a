//! A set of packed shards whose versions are followed.

#![expect(unsafe_code, reason = "following a path is unsafe, as opening it once is")]

use super::super::packed::PackedSet;
use super::super::sets::Sets;
use super::super::table_set::SetOptions;
use crate::error::SetError;
use crate::live::{Handle, LiveStatus, RefreshOutcome, Version};
use arc_swap::Guard;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The current version of a set whose shards may be packed tables: as [`LiveSet`](crate::LiveSet) is for
/// plain shards alone. A version with plain shards may take the place of one with packed shards, and the
/// other way round.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("pages");
/// let publish = |compact: bool, value: &str| -> Result<_, Box<dyn std::error::Error>> {
///     let tables = graven::BuildOptions::new().compact_keys(compact);
///     let mut builder = graven::SetBuildOptions::new().tables(tables).create(&path)?;
///     builder.insert("page", value)?;
///     Ok(builder.finish()?)
/// };
/// publish(false, "1")?;
/// // SAFETY: nobody modifies or truncates the published files.
/// let live = unsafe { graven::PackedLiveSet::open(&path)? };
/// let mut buffer = graven::ValueBuffer::new(); // one per thread
/// let pinned = live.pin(); // one version for the whole request
/// publish(true, "2")?; // by any process
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(live.pin().get("page", &mut buffer)?, Some(&b"2"[..]));
/// assert_eq!(pinned.get("page", &mut buffer)?, Some(&b"1"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PackedLiveSet(Handle<Sets<PackedSet>>);

/// A pinned version of a set. It stays as it is until this is dropped, whatever is published meanwhile.
/// Use it as a [`PackedSet`]; `PackedSet::clone(&pinned)` is another way to keep it, and the answers of a
/// set need no pin.
#[must_use = "a pin that is dropped at once pins nothing"]
#[derive(Debug)]
pub struct PackedPinnedSet(Guard<Arc<Version<PackedSet>>>);

impl PackedLiveSet {
    /// Opens the current version of the set in a directory of versions and follows the
    /// directory from then on, as [`LiveSet::open`](crate::LiveSet::open) does.
    ///
    /// # Safety
    /// The promise of [`LiveSet::open`](crate::LiveSet::open).
    ///
    /// # Errors
    /// The errors of [`PackedSet::open`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &SetOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options that hold for this and every later version.
    /// See [`LiveSet::open_with`](crate::LiveSet::open_with).
    ///
    /// # Safety
    /// The promise of [`LiveSet::open`](crate::LiveSet::open).
    ///
    /// # Errors
    /// The errors of [`PackedSet::open`].
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &SetOptions,
    ) -> Result<Self, SetError> {
        let sets = Sets::at(path.as_ref(), options)?;
        // SAFETY: the caller's promise is the same.
        unsafe { Handle::open(sets) }.map(Self)
    }

    /// Pins the version that is served. Costs a few nanoseconds and never waits. Pin once per
    /// request, so that one version answers all of it.
    #[inline]
    pub fn pin(&self) -> PackedPinnedSet {
        PackedPinnedSet(self.0.shared.current.load())
    }

    /// Looks whether another version is current, as [`LiveSet::refresh`](crate::LiveSet::refresh)
    /// does.
    ///
    /// # Errors
    /// Why the set at the path can't be served. The handle still serves the old version, and
    /// [`status`](Self::status) reports the failure until a refresh succeeds.
    pub fn refresh(&self) -> Result<RefreshOutcome, SetError> {
        self.0.shared.refresh()
    }

    /// Starts a thread that refreshes every `interval`, plus a random part of `jitter`. See
    /// [`LiveSet::refresh_every`](crate::LiveSet::refresh_every).
    ///
    /// # Errors
    /// The operating system's answer, if it can't start a thread.
    pub fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        self.0.refresh_every(interval, jitter)
    }

    /// Sets a function that is called each time after a new version was swapped in; see
    /// [`Live::on_swap`](crate::Live::on_swap).
    pub fn on_swap(&self, hook: impl Fn(&LiveStatus) + Send + Sync + 'static) {
        self.0.shared.on_swap.set(hook);
    }

    /// Sets a function that is called each time a refresh fails; see
    /// [`Live::on_failure`](crate::Live::on_failure).
    pub fn on_failure(&self, hook: impl Fn(&SetError) + Send + Sync + 'static) {
        self.0.shared.on_failure.set(hook);
    }

    /// What is served, for metrics. The build id is the manifest's `id`.
    #[must_use]
    pub fn status(&self) -> LiveStatus {
        self.0.shared.status()
    }

    /// The directory that is followed, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.shared.place.path()
    }
}

impl PackedPinnedSet {
    /// Counts the versions that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for PackedPinnedSet {
    type Target = PackedSet;

    #[inline]
    fn deref(&self) -> &PackedSet {
        &self.0.served
    }
}
