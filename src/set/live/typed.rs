//! A typed set whose versions are followed.

#![expect(unsafe_code, reason = "following a path is unsafe, as opening it once is")]

use super::super::sets::Sets;
use super::super::table_set::SetOptions;
use super::super::typed::TypedTableSet;
use crate::error::SetError;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::live::{Handle, LiveStatus, RefreshOutcome, Version};
use arc_swap::Guard;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The current version of a typed set: as [`LiveSet`](crate::LiveSet) is for sets of bytes. A
/// refresh refuses a set whose first shard has other types: the old version is still served, and the
/// status reports the failure.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices");
/// let publish = |price| -> Result<_, Box<dyn std::error::Error>> {
///     let mut builder = graven::SetBuildOptions::new().create_typed::<u32, f64>(&path)?;
///     builder.insert(&7, &price)?;
///     Ok(builder.finish()?)
/// };
/// publish(3.0)?;
/// // SAFETY: nobody modifies or truncates the published files.
/// let live = unsafe { graven::TypedLiveSet::<u32, f64>::open(&path)? };
/// let pinned = live.pin(); // one version for the whole request
/// publish(4.0)?; // by any process
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(*live.pin().get(&7)?.unwrap(), 4.0);
/// assert_eq!(*pinned.get(&7)?.unwrap(), 3.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TypedLiveSet<K: TypedKey, V: TypedValue>(Handle<Sets<TypedTableSet<K, V>>>);

/// A pinned version of a typed set. It stays as it is until this is dropped, whatever is published
/// meanwhile. Use it as a [`TypedTableSet`]; `TypedTableSet::clone(&pinned)` is another way to keep
/// it.
#[must_use = "a pin that is dropped at once pins nothing"]
pub struct TypedPinnedSet<K, V>(Guard<Arc<Version<TypedTableSet<K, V>>>>);

impl<K: TypedKey, V: TypedValue> TypedLiveSet<K, V> {
    /// Opens the current version of the typed set in a directory of versions and follows the
    /// directory from then on, as [`LiveSet::open`](crate::LiveSet::open) does.
    ///
    /// # Safety
    /// The promise of [`LiveSet::open`](crate::LiveSet::open).
    ///
    /// # Errors
    /// The errors of [`TypedTableSet::open`].
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
    /// The errors of [`TypedTableSet::open`].
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
    pub fn pin(&self) -> TypedPinnedSet<K, V> {
        TypedPinnedSet(self.0.shared.current.load())
    }

    /// Looks whether another version is current, as [`LiveSet::refresh`](crate::LiveSet::refresh)
    /// does, and compares the types of its first shard before it is swapped in.
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
    pub fn status(&self) -> LiveStatus {
        self.0.shared.status()
    }

    /// The directory that is followed, as an absolute path.
    pub fn path(&self) -> &Path {
        self.0.shared.place.path()
    }
}

impl<K, V> TypedPinnedSet<K, V> {
    /// Counts the versions that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl<K, V> Deref for TypedPinnedSet<K, V> {
    type Target = TypedTableSet<K, V>;

    #[inline]
    fn deref(&self) -> &TypedTableSet<K, V> {
        &self.0.served
    }
}

impl<K, V> fmt::Debug for TypedPinnedSet<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedPinnedSet").field(&**self).finish()
    }
}
