//! A set whose versions are followed: readers pin one version of the whole set.

#![expect(unsafe_code, reason = "following a path is unsafe, as opening it once is")]

pub(super) mod packed;
pub(super) mod typed;

use super::sets::Sets;
use super::table_set::{SetOptions, TableSet};
use crate::error::SetError;
use crate::live::{Handle, LiveStatus, RefreshOutcome, Version};
use arc_swap::Guard;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The current version of a set, which is replaced while it is read: as [`Live`](crate::Live) is
/// for single tables.
///
/// [`pin`](Self::pin) gives one version of the whole set: all its shards are of that version, also
/// those that are mapped later. [`refresh`](Self::refresh) looks for a new version, opens it beside
/// the old one, and swaps a pointer; it makes no reader wait. Call it from time to time, or after a
/// message that there is a new version, or let [`refresh_every`](Self::refresh_every) do it. A
/// version that is pinned is not pruned. `Send + Sync`; share it by reference or in an `Arc`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices");
/// let publish = |price| -> Result<_, Box<dyn std::error::Error>> {
///     let mut builder = graven::SetBuildOptions::new().create(&path)?;
///     builder.insert("apple", price)?;
///     Ok(builder.finish()?)
/// };
/// publish("3")?;
/// // SAFETY: nobody modifies or truncates the published files.
/// let live = unsafe { graven::LiveSet::open(&path)? };
/// let pinned = live.pin();
/// publish("4")?;
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(live.pin().get("apple")?.unwrap(), "4");
/// assert_eq!(pinned.get("apple")?.unwrap(), "3");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LiveSet(Handle<Sets<TableSet>>);

/// A pinned version of a set. It stays as it is until this is dropped, whatever is published
/// meanwhile. Use it as a [`TableSet`]; `TableSet::clone(&pinned)` is another way to keep it, and
/// the answers of a set need no pin.
#[must_use = "a pin that is dropped at once pins nothing"]
#[derive(Debug)]
pub struct PinnedSet(Guard<Arc<Version<TableSet>>>);

impl PinnedSet {
    /// Counts the versions that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for PinnedSet {
    type Target = TableSet;

    #[inline]
    fn deref(&self) -> &TableSet {
        &self.0.served
    }
}

impl LiveSet {
    /// Opens the current version of the set in a directory of versions and follows the directory
    /// from then on. Costs what [`TableSet::open`] costs. The directory of one version is followed
    /// as well: a manifest that takes the place of the old one is seen.
    ///
    /// # Safety
    /// The promise of [`TableSet::open`], for every version that becomes current.
    ///
    /// # Errors
    /// The errors of [`TableSet::open`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, SetError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &SetOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options that hold for this and every later version.
    /// Each version has its own bound on mapped bytes.
    ///
    /// If the options of the shards ask for more than mapping, a version's shards are mapped and
    /// prepared before it is served, at open and at a refresh, so that no reader waits for it: these
    /// are [`OpenOptions::warm`](crate::OpenOptions::warm),
    /// [`OpenOptions::lock_memory`](crate::OpenOptions::lock_memory) and
    /// [`PageChecks::AtOpen`](crate::PageChecks::AtOpen). They are prepared in their order, as far
    /// as [`max_mapped_bytes`](SetOptions::max_mapped_bytes) and the process's room for mappings
    /// go: what would be let go again is not warmed. The others are prepared by the lookup that asks
    /// them first, as those of a [`TableSet`] are. During a refresh both versions are in memory.
    ///
    /// # Safety
    /// The promise of [`open`](Self::open).
    ///
    /// # Errors
    /// The errors of [`TableSet::open`], and those of shards that are prepared.
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &SetOptions,
    ) -> Result<Self, SetError> {
        let sets = Sets::at(path.as_ref(), options)?;
        // SAFETY: the caller's promise is the same.
        unsafe { Handle::open(sets) }.map(Self)
    }

    /// Pins the version that is served. Costs a few nanoseconds and never waits. Pin once per
    /// request, so that one version answers all of it. A pin that is held for long keeps an old
    /// version on disk and its shards in memory.
    #[inline]
    pub fn pin(&self) -> PinnedSet {
        PinnedSet(self.0.shared.current.load())
    }

    /// Looks whether another version is current, and if so, opens it and puts it in place. If
    /// nothing has changed, this is one `stat` of the manifest and a look at each mapped shard, so
    /// it may be called often. If size, times, inode or device of the manifest differ, it is read,
    /// and the set stays open if it is the same set in the same directory. The same content in a
    /// version of its own is swapped in, because the old version could not be pruned otherwise.
    ///
    /// A shard that has lost pages ([`Table::is_faulted`](crate::Table::is_faulted)) makes a refresh
    /// open the set anew.
    ///
    /// The old version is unmapped by a thread of its own, unless the set is small, once nobody has
    /// it pinned and no clone, iterator or owned [`Value`](crate::Value) of it is left,
    /// or a minute later by whoever drops the last of these.
    ///
    /// # Errors
    /// Why the set at the path can't be served. The handle still serves the old version, and
    /// [`status`](Self::status) reports the failure until a refresh succeeds. A shard that is
    /// missing or damaged fails a refresh only if the options prepare it; else it is found when it
    /// is asked first.
    pub fn refresh(&self) -> Result<RefreshOutcome, SetError> {
        self.0.shared.refresh()
    }

    /// Starts a thread that refreshes every `interval`, plus a random part of `jitter`, so that
    /// many processes do not refresh at once. The thread ends when this handle is dropped, which
    /// waits for the shard that it is preparing; another call replaces the thread.
    /// [`status`](Self::status) reports its failures. A thread does not survive `fork`: see
    /// [`Live::refresh_every`](crate::Live::refresh_every).
    ///
    /// # Errors
    /// The operating system's answer, if it can't start a thread.
    pub fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        self.0.refresh_every(interval, jitter)
    }

    /// Sets a function that is called each time after a new version was swapped in, with what is
    /// served then. The rules of [`Live::on_swap`](crate::Live::on_swap) hold for it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("prices");
    /// # graven::SetBuildOptions::new().create(&path)?.finish()?;
    /// // SAFETY: nobody modifies or truncates the published files.
    /// let live = unsafe { graven::LiveSet::open(&path)? };
    /// live.on_swap(|status| eprintln!("version {:?} is served", status.version));
    /// live.on_failure(|error| eprintln!("the new version is not served: {error}"));
    /// live.refresh_every(std::time::Duration::from_secs(1), std::time::Duration::ZERO)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_swap(&self, hook: impl Fn(&LiveStatus) + Send + Sync + 'static) {
        self.0.shared.on_swap.set(hook);
    }

    /// Sets a function that is called each time a refresh fails, with the reason. The rules of
    /// [`Live::on_failure`](crate::Live::on_failure) hold for it.
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
