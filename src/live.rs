//! A table that is replaced while it is being read: a handle that always leads to the newest table.
//!
//! Readers pin a table and use it as long as they like; nothing that happens at the path changes a
//! pinned table. [`Live::refresh`] looks for a new table and never makes a reader wait: it opens
//! the new table beside the old one and then swaps a pointer.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

mod handle;
mod helper;
mod hook;
mod location;
pub(crate) mod packed;
mod retire;
mod status;
mod tables;
pub(crate) mod typed;

use crate::error::OpenError;
use crate::read::{OpenOptions, Table};
use arc_swap::Guard;
pub(crate) use handle::{Handle, Version};
#[cfg(feature = "sets")]
pub(crate) use handle::{Place, Standing};
#[cfg(feature = "sets")]
pub(crate) use location::Look;
pub use status::{LiveStatus, RefreshOutcome};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tables::Tables;

/// A handle on the newest table at a path, for processes that serve from a table that is replaced
/// from time to time. `Send + Sync`; share it by reference or in an `Arc`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices.grv");
/// # let publish = |price: &[u8]| -> Result<(), graven::BuildError> {
/// #     let mut builder = graven::Builder::create(&path)?;
/// #     builder.insert("apple", price)?;
/// #     builder.finish().map(drop)
/// # };
/// # publish(b"3")?;
/// // SAFETY: tables at this path are replaced by rename and never changed in place.
/// let live = unsafe { graven::Live::open(&path)? };
///
/// let table = live.pin(); // one version for the whole request
/// assert_eq!(table.get("apple")?, Some(&b"3"[..]));
///
/// publish(b"4")?; // by any process
/// assert_eq!(live.refresh()?, graven::RefreshOutcome::Swapped);
/// assert_eq!(live.pin().get("apple")?, Some(&b"4"[..]));
/// assert_eq!(table.get("apple")?, Some(&b"3"[..])); // pinned, so unchanged
/// # Ok(())
/// # }
/// ```
///
/// There is no safe form, because a mapped file that is changed in place is undefined behaviour. A
/// program without `unsafe` calls [`Table::load`] again.
#[derive(Debug)]
pub struct Live(Handle<Tables<Table>>);

/// A pinned table. It stays unchanged until this is dropped, whatever is published meanwhile. Use
/// it as a [`Table`]; `Table::clone(&pinned)` is another way to keep it, and
/// [`get_owned`](Table::get_owned) gives values that need no pin.
#[must_use = "a pin that is dropped at once pins nothing"]
#[derive(Debug)]
pub struct Pinned(Guard<Arc<Version<Table>>>);

impl Live {
    /// Opens the table at `path` and follows the path from then on. A directory stands for a
    /// versioned one: its link `CURRENT` leads to the table. Costs what [`Table::open`] costs.
    ///
    /// # Safety
    /// The promise of [`Table::open`], for every file that stands at the path during a refresh: as
    /// long as the file is in use, nobody modifies or truncates it. Tables are replaced by rename.
    /// On a file system whose inode numbers stand for paths (FUSE without `use_ino`), a replacement
    /// by another machine changes the pages of tables that are still mapped, so it counts as a
    /// modification of the file.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &OpenOptions::new()) }
    }

    /// Opens as [`open`](Self::open) does, with options that hold for this and every later table. A
    /// new table is verified, warmed and locked, as the options say, before it is swapped in.
    /// During that time both tables are in memory, and both count towards limits of memory and of
    /// locked memory.
    ///
    /// # Safety
    /// The promise of [`open`](Self::open).
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
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
    pub fn pin(&self) -> Pinned {
        Pinned(self.0.shared.current.load())
    }

    /// Looks for another table at the path. If there is one, opens it, checks its header and
    /// footer, prepares it as the options say, and swaps it in. If nothing has changed, this is one
    /// `stat`, without a lock or an allocation, so it may be called often. If size, times, inode or
    /// device differ (also after `chmod`, a hard link or a copy), header and footer are read once,
    /// and the table stays if build id and length are the same. If a file's times are whole
    /// seconds, header and footer are also read once two seconds after the table came. The old
    /// table, unless it is small, is unmapped by a thread of its own once nobody has it pinned and no
    /// clone or owned [`Value`](crate::Value) of it is left, or a minute later by whoever drops the
    /// last of these: unmapping can take a third of a second per GiB.
    ///
    /// # Errors
    /// Why the file at the path can't be served. The handle still serves the old table, and
    /// [`status`](Self::status) reports the failure until a refresh succeeds.
    pub fn refresh(&self) -> Result<RefreshOutcome, OpenError> {
        self.0.shared.refresh()
    }

    /// Starts a thread that refreshes every `interval`, plus a random part of `jitter`, so that
    /// many processes do not refresh at once. The thread ends when this handle is dropped; another
    /// call replaces the thread. [`status`](Self::status) reports its failures.
    ///
    /// A thread does not survive `fork`: call this in each child, and not before in the parent. A
    /// child that is forked while the thread swaps tables could never refresh.
    ///
    /// # Errors
    /// The operating system's answer, if it can't start a thread.
    pub fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        self.0.refresh_every(interval, jitter)
    }

    /// Sets a function that is called each time after a new table was swapped in, with what is
    /// served then: for a log, a metric, or caches of a program that were made from the old table.
    /// It takes the place of an earlier one.
    ///
    /// It runs on the thread that found the table: that of [`refresh_every`](Self::refresh_every),
    /// or the one that called [`refresh`](Self::refresh). Readers never wait for it, the next
    /// refresh of that thread does, so it must not block: hand long work to another thread. If
    /// several threads refresh, calls may overlap and come out of order; `generation` tells which
    /// is newer. A panic in it ends the call and nothing else. If it holds this handle, let it be by
    /// a [`Weak`](std::sync::Weak), or the handle is never dropped.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("prices.grv");
    /// # graven::Builder::create(&path)?.finish()?;
    /// // SAFETY: tables at this path are replaced by rename and never changed in place.
    /// let live = unsafe { graven::Live::open(&path)? };
    /// live.on_swap(|status| eprintln!("table {} is served", status.generation));
    /// live.on_failure(|error| eprintln!("the new table is not served: {error}"));
    /// live.refresh_every(std::time::Duration::from_secs(1), std::time::Duration::ZERO)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_swap(&self, hook: impl Fn(&LiveStatus) + Send + Sync + 'static) {
        self.0.shared.on_swap.set(hook);
    }

    /// Sets a function that is called each time a refresh fails, with the reason: also when it is
    /// the same as before, so that failures can be counted. It takes the place of an earlier one.
    /// The rules of [`on_swap`](Self::on_swap) hold for it.
    pub fn on_failure(&self, hook: impl Fn(&OpenError) + Send + Sync + 'static) {
        self.0.shared.on_failure.set(hook);
    }

    /// What is served, for metrics.
    #[must_use]
    pub fn status(&self) -> LiveStatus {
        self.0.shared.status()
    }

    /// The path that is followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.shared.place.path()
    }
}

impl Pinned {
    /// Counts the tables that the handle has served, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for Pinned {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        &self.0.served
    }
}
