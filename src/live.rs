//! A table that is replaced while it is being read: a handle that always leads to the newest one.
//!
//! Readers pin a table and use it as long as they like; nothing that happens to the path shows
//! through. Whether there is a new one is asked by [`Live::refresh`], which never disturbs the
//! readers: it opens the new table beside the old one and then swaps a pointer.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

mod helper;
mod location;
mod retire;

use crate::error::OpenError;
use crate::read::map::Located;
use crate::read::{OpenOptions, Table, Warmed};
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use helper::Helper;
use location::{Location, Look};
use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Deref};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A handle on the newest table at a path, for processes that serve from a table which is
/// replaced every now and then. `Send + Sync`; share it by reference or in an `Arc`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("prices.grv");
/// # let publish = |price: &[u8]| -> Result<(), graven::BuildError> {
/// #     let mut builder = graven::Builder::create(&path)?;
/// #     builder.insert(b"apple", price)?;
/// #     builder.finish().map(drop)
/// # };
/// # publish(b"3")?;
/// // SAFETY: tables at this path are replaced by rename and never changed in place.
/// let live = unsafe { graven::Live::open(&path)? };
///
/// let table = live.load(); // one version for the whole request
/// assert_eq!(table.get(b"apple")?, Some(&b"3"[..]));
///
/// publish(b"4")?; // by any process
/// assert_eq!(live.refresh()?, graven::Refreshed::Swapped);
/// assert_eq!(live.load().get(b"apple")?, Some(&b"4"[..]));
/// assert_eq!(table.get(b"apple")?, Some(&b"3"[..])); // pinned, so unchanged
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Live {
    /// Stopped when dropped.
    helper: Mutex<Option<Helper>>,
    shared: Arc<Shared>,
}

/// What the helper thread works on as well. Only [`Live::open_with`] makes one, so its caller's
/// promise holds for every file that is found at `location`.
#[derive(Debug)]
struct Shared {
    location: Location,
    options: OpenOptions,
    current: ArcSwap<Version>,
    failure: ArcSwapOption<String>,
    /// Held while the table is being changed, by one thread at a time.
    changing: Mutex<()>,
    /// Set when the handle is dropped, so that a warm-up ends early.
    stopping: AtomicBool,
}

/// A table and where it came from.
#[derive(Debug)]
struct Version {
    table: Table,
    /// The file that was found at the path, as the opened file itself says.
    look: Look,
    /// When the file has to be read once more, although it looks the same; see [`Look::once_more`].
    again: Option<Instant>,
    /// A later file with the same content, which was not worth mapping. A file that is mapped or
    /// held keeps its inode number from being given to another one.
    held: Option<Arc<File>>,
    name: Option<String>,
    generation: u64,
    since: Instant,
}

/// One table, pinned: it stays as it is until this is dropped, whatever is published meanwhile.
/// Use it as a [`Table`]; `Table::clone(&pinned)` is another way to keep it.
#[derive(Debug)]
pub struct Pinned(Guard<Arc<Version>>);

/// What a refresh came to.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The file at the path has the content that is served, be it the same file, another mode or
    /// name of it, or a copy: readers stay on the table that they have.
    Unchanged,
    /// A new table is served.
    Swapped,
}

/// What a handle serves, for metrics.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveStatus {
    /// The version's name, in a versioned directory.
    pub version: Option<String>,
    /// Identifies the content.
    pub build_id: [u8; 16],
    /// Counts the tables that this handle has served, from 1.
    pub generation: u64,
    /// Time since this table was swapped in.
    pub age: Duration,
    /// Why the last refresh failed; `None` once one has succeeded.
    pub failure: Option<String>,
}

impl Live {
    /// Opens the table at `path` and follows the path from then on. A directory stands for a
    /// versioned one: its link `CURRENT` leads to the table. Costs what [`Table::open`] costs.
    ///
    /// # Safety
    /// As for [`Table::open`], for every file that stands at the path during a refresh: as long
    /// as it is in use, nobody modifies or truncates it. Tables are replaced by rename. On a file
    /// system whose inode numbers stand for paths (FUSE without `use_ino`), a replacement by
    /// another machine changes the pages of tables that are still mapped: it modifies the file.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { Self::open_with(path, &OpenOptions::new()) }
    }

    /// As [`open`](Self::open), with options that hold for this and every later table. A new
    /// table is verified, warmed and locked, as far as the options say, before it is swapped in:
    /// for that time both are in memory, and both count where memory is limited or locked.
    ///
    /// # Safety
    /// As for [`open`](Self::open).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub unsafe fn open_with(
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        let location = Location::new(path.as_ref());
        let (file, name) = location.find(options)?;
        // SAFETY: the caller's promise.
        let table = unsafe { options.map(&file) }?;
        options.prepare(&table, |_| ControlFlow::Continue(()))?;
        let look = Look::at(&file.metadata);
        let version = Version {
            table,
            look,
            again: look.once_more(),
            held: None,
            name,
            generation: 1,
            since: Instant::now(),
        };
        let shared = Shared {
            location,
            options: *options,
            current: ArcSwap::from_pointee(version),
            failure: ArcSwapOption::empty(),
            changing: Mutex::new(()),
            stopping: AtomicBool::new(false),
        };
        Ok(Self { helper: Mutex::new(None), shared: Arc::new(shared) })
    }

    /// Pins the current table. Costs a few nanoseconds and never waits. Pin once per request, so
    /// that all of a request's lookups are answered by one version; a pin that is kept for long
    /// keeps an old table in memory.
    #[inline]
    pub fn load(&self) -> Pinned {
        Pinned(self.shared.current.load())
    }

    /// Looks whether another table stands at the path, and if so opens it, checks its header and
    /// footer, prepares it as the options say, and swaps it in. When nothing has changed, this is
    /// one `stat`, without a lock or an allocation; call it as often as that is worth. When size,
    /// times, inode or device differ (also after `chmod`, a hard link or a copy), header and footer
    /// are read once, and the table stays if build id and length are the same. Where a file's times
    /// are whole seconds, they are also read once two seconds after the table came. The old
    /// table, unless it is small, is unmapped by a thread of its own once nobody has it pinned:
    /// that can take a third of a second per GiB.
    ///
    /// # Errors
    /// Why the file at the path can't be served. The old table goes on being served, and
    /// [`status`](Self::status) tells of the failure until a refresh succeeds.
    pub fn refresh(&self) -> Result<Refreshed, OpenError> {
        self.shared.refresh()
    }

    /// Starts a thread that refreshes every `interval`, plus a random part of `jitter`, so that
    /// many processes do not do so at once. The thread ends when this handle is dropped; another
    /// call replaces it. Failures are told by [`status`](Self::status).
    ///
    /// A thread does not survive `fork`: call this in each child, and not before in the parent. A
    /// child that is made while the thread swaps tables could not refresh any more.
    ///
    /// # Errors
    /// The operating system's answer, if there is no thread to be had.
    pub fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        // What went wrong stands in the status.
        let refresh = move || drop(shared.refresh());
        let helper = Helper::start(interval, jitter, refresh)?;
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper);
        Ok(())
    }

    /// What is served, for metrics.
    pub fn status(&self) -> LiveStatus {
        let version = self.shared.current.load();
        LiveStatus {
            version: version.name.clone(),
            build_id: version.table.build_id(),
            generation: version.generation,
            age: version.since.elapsed(),
            failure: self.shared.failure.load().as_deref().cloned(),
        }
    }

    /// The path that is followed.
    pub fn path(&self) -> &Path {
        self.shared.location.path()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Relaxed);
    }
}

impl Pinned {
    /// Counts the tables that the handle has served, from 1.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl Deref for Pinned {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        &self.0.table
    }
}

impl Shared {
    fn refresh(&self) -> Result<Refreshed, OpenError> {
        let refreshed = self.look();
        match &refreshed {
            Err(error) => self.failure.store(Some(Arc::new(error.to_string()))),
            Ok(_) if self.failure.load().is_some() => self.failure.store(None),
            Ok(_) => {}
        }
        refreshed
    }

    fn look(&self) -> Result<Refreshed, OpenError> {
        let look = self.location.stat()?;
        if self.current.load().serves(&look) {
            return Ok(Refreshed::Unchanged);
        }
        self.change()
    }

    #[cold]
    fn change(&self) -> Result<Refreshed, OpenError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, name) = self.location.find(&self.options)?;
        // Of the opened file: another one may stand at the path by now.
        let look = Look::at(&file.metadata);
        let old = self.current.load_full();
        if old.serves(&look) {
            // Another thread was faster.
            return Ok(Refreshed::Unchanged);
        }
        // Header and footer suffice to tell whether there is anything new to map and to check.
        let layout = file.layout()?;
        let serves = old.table.view().layout();
        let same = (layout.build_id, layout.file_len) == (serves.build_id, serves.file_len);
        if same && !old.table.faulted() {
            // The table stays, with its warm pages; what is seen from now on is told from this.
            let held = match look.same_number(&old.look) {
                true => old.held.clone(),
                false => Some(Arc::new(file.file)),
            };
            let again = if look == old.look { None } else { look.once_more() };
            self.current.store(Arc::new(Version {
                table: old.table.clone(),
                look,
                again,
                held,
                name,
                generation: old.generation,
                since: old.since,
            }));
            return Ok(Refreshed::Unchanged);
        }
        let table = self.map(&file)?;
        let go_on = |_: Warmed| match self.stopping.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        self.options.prepare(&table, go_on)?;
        let generation = old.generation + 1;
        let since = Instant::now();
        let again = look.once_more();
        let new = Version { table, look, again, held: None, name, generation, since };
        drop(self.current.swap(Arc::new(new)));
        if old.table.view().layout().file_len > retire::SMALL {
            retire::retire(old);
        }
        Ok(Refreshed::Swapped)
    }

    fn map(&self, file: &Located) -> Result<Table, OpenError> {
        // SAFETY: the promise that `Live::open_with` asks for covers every file at the path.
        unsafe { self.options.map(file) }
    }
}

impl Version {
    /// Whether this is the table in the file that looks like that. Device and number alone do not
    /// tell: on some file systems the number stands for the path (FUSE without `use_ino`, as sshfs
    /// and cloud mounts). A table that has lost pages serves nothing any more: neither are its
    /// pages the file's, nor does it hold the file.
    fn serves(&self, look: &Look) -> bool {
        self.look == *look
            && !self.table.faulted()
            && self.again.is_none_or(|again| Instant::now() < again)
    }
}
