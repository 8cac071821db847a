//! A set whose versions are followed: readers pin one version of the whole set.

#![expect(unsafe_code, reason = "following a path is unsafe, as opening it once is")]

use super::table_set::{SetOptions, TableSet};
use crate::error::SetError;
use crate::live::RefreshOutcome;
use arc_swap::ArcSwap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The current version of a set, which is replaced while it is read.
///
/// [`pin`](Self::pin) gives one version of the whole set: all its shards are of that version, also
/// those that are mapped later. [`refresh`](Self::refresh) looks for a new version, opens it beside
/// the old one, and swaps a pointer; it makes no reader wait. Call it from time to time, or after a
/// message that there is a new version. A version that is pinned is not pruned.
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
pub struct LiveSet {
    path: PathBuf,
    options: SetOptions,
    current: ArcSwap<Version>,
    /// Held during a refresh: two at once would open the same set twice.
    refreshing: Mutex<()>,
}

#[derive(Debug)]
struct Version {
    set: TableSet,
    generation: u64,
}

/// A version of a set that is in use. It derefs to [`TableSet`].
#[derive(Clone, Debug)]
pub struct PinnedSet(Arc<Version>);

impl PinnedSet {
    /// 1 for the version that was opened first, and one more for each one that took its place.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for PinnedSet {
    type Target = TableSet;

    fn deref(&self) -> &TableSet {
        &self.0.set
    }
}

impl LiveSet {
    /// Opens the current version of the set in a directory of versions.
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

    /// Opens as [`open`](Self::open) does, with options that hold for every version. Each version has
    /// its own bound on mapped bytes.
    ///
    /// # Safety
    /// The promise of [`open`](Self::open).
    ///
    /// # Errors
    /// The errors of [`TableSet::open`].
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &SetOptions,
    ) -> Result<Self, SetError> {
        let path = std::path::absolute(path.as_ref()).map_err(|source| SetError::Io {
            action: "find the set",
            path: path.as_ref().to_owned(),
            source,
        })?;
        // SAFETY: the caller's promise.
        let set = unsafe { options.open(&path) }?;
        let current = ArcSwap::from_pointee(Version { set, generation: 1 });
        Ok(Self { path, options: options.clone(), current, refreshing: Mutex::new(()) })
    }

    /// Pins the version that is in use. Takes no lock and never waits. Pin once per request, so that
    /// one version answers all of it.
    #[must_use]
    pub fn pin(&self) -> PinnedSet {
        PinnedSet(self.current.load_full())
    }

    /// The directory of versions, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks whether another version is current, and if so, opens it and puts it in place. Reads the
    /// manifest of the current version; the same content stays open.
    ///
    /// # Errors
    /// The errors of [`TableSet::open`]. The version that was in use stays in use.
    pub fn refresh(&self) -> Result<RefreshOutcome, SetError> {
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.current.load_full();
        // SAFETY: the promise that `LiveSet::open_with` asks for covers every version.
        let set = unsafe { self.options.open(&self.path) }?;
        let same = set.path() == old.set.path() && set.manifest().id == old.set.manifest().id;
        if same {
            return Ok(RefreshOutcome::Unchanged);
        }
        let generation = old.generation + 1;
        self.current.store(Arc::new(Version { set, generation }));
        Ok(RefreshOutcome::Swapped)
    }
}
