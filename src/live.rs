//! A table that is replaced while it is being read: a handle that always leads to the newest table.
//!
//! Readers pin a table and use it as long as they like; nothing that happens at the path changes a
//! pinned table. [`Live::refresh`] looks for a new table and never makes a reader wait: it opens
//! the new table beside the old one and then swaps a pointer.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

mod helper;
mod hook;
mod location;
mod retire;
pub(crate) mod typed;

use crate::build_id::BuildId;
use crate::error::{OpenError, OpenFailure};
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::read::map::Located;
use crate::read::{OpenOptions, Table, TypedTable, WarmProgress};
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use helper::Helper;
use hook::Hook;
use location::{Location, Look};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::{ControlFlow, Deref};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
pub struct Live(Handle<Table>);

/// A handle on tables of one kind.
#[derive(Debug)]
struct Handle<T> {
    /// The helper thread, which ends when this is dropped.
    helper: Mutex<Option<Helper>>,
    shared: Arc<Shared<T>>,
}

/// What a handle serves: a table, or a typed view of one.
trait Served: Clone + Send + Sync + 'static {
    /// The table as it is served; an error if it can't be served so.
    fn of(table: Table) -> Result<Self, OpenFailure>;
    /// The table itself.
    fn table(&self) -> &Table;
}

impl Served for Table {
    fn of(table: Table) -> Result<Self, OpenFailure> {
        Ok(table)
    }

    fn table(&self) -> &Table {
        self
    }
}

impl<K: TypedKey, V: TypedValue> Served for TypedTable<K, V> {
    fn of(table: Table) -> Result<Self, OpenFailure> {
        Self::of(table)
    }

    fn table(&self) -> &Table {
        self.table()
    }
}

/// What the handle and the helper thread share. Only [`Handle::open`] makes one, so its caller's
/// promise holds for every file that is found at `location`.
#[derive(Debug)]
struct Shared<T> {
    location: Location,
    options: OpenOptions,
    current: ArcSwap<Version<T>>,
    failure: ArcSwapOption<String>,
    /// Held while the table is being changed, by one thread at a time.
    changing: Mutex<()>,
    /// Set when the handle is dropped, so that a warm-up ends early.
    stopping: AtomicBool,
    on_swap: Hook<LiveStatus>,
    on_failure: Hook<OpenError>,
}

/// A table and where it came from.
#[derive(Debug)]
struct Version<T> {
    table: T,
    /// How the file at the path looked, from the opened file's own metadata.
    look: Look,
    /// When the file must be read once more, even if it looks unchanged; see [`Look::once_more`].
    again: Option<Instant>,
    /// A later file with the same content, which did not need a mapping. A file that is mapped or
    /// held open keeps its inode number, so no other file gets that number.
    held: Option<Arc<File>>,
    name: Option<String>,
    generation: u64,
    since: Instant,
}

/// A pinned table. It stays unchanged until this is dropped, whatever is published meanwhile. Use
/// it as a [`Table`]; `Table::clone(&pinned)` is another way to keep it, and
/// [`get_owned`](Table::get_owned) gives values that need no pin.
#[must_use = "a pin that is dropped at once pins nothing"]
#[derive(Debug)]
pub struct Pinned(Guard<Arc<Version<Table>>>);

/// The result of a refresh. `Display` is one word: `unchanged` or `swapped`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// The file at the path has the content that is served: it is the same file, perhaps with
    /// another mode or name, or a copy. Readers stay on the table that they have.
    Unchanged,
    /// A new table is served.
    Swapped,
}

/// What a handle serves, for metrics. `Display` writes one line for a log.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveStatus {
    /// The version's name, in a versioned directory.
    pub version: Option<String>,
    /// Identifies the content.
    pub build_id: BuildId,
    /// Counts the tables that this handle has served, from 1.
    pub generation: u64,
    /// Time since this table was swapped in.
    pub age: Duration,
    /// Why the last refresh failed; `None` once one has succeeded.
    pub failure: Option<String>,
}

impl fmt::Display for RefreshOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unchanged => "unchanged",
            Self::Swapped => "swapped",
        })
    }
}

impl fmt::Display for LiveStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, build_id, generation, age, failure } = self;
        write!(f, "generation {generation}, build id {build_id}, for {} s", age.as_secs())?;
        if let Some(version) = version {
            write!(f, ", version {version}")?;
        }
        match failure {
            Some(failure) => write!(f, "; the last refresh failed: {failure}"),
            None => Ok(()),
        }
    }
}

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
        unsafe { Handle::open(path.as_ref(), options) }.map(Self)
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
        self.0.status()
    }

    /// The path that is followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.shared.location.path()
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
        &self.0.table
    }
}

impl<T: Served> Handle<T> {
    /// Opens what stands at `path` now.
    ///
    /// # Safety
    /// The promise of [`Live::open`].
    unsafe fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let location = Location::new(path);
        let path = location.path().to_owned();
        // SAFETY: the caller's promise.
        unsafe { Self::follow(location, options) }.map_err(|failure| failure.at(&path))
    }

    /// Opens what stands at a location.
    ///
    /// # Safety
    /// The promise of [`Live::open`].
    unsafe fn follow(location: Location, options: &OpenOptions) -> Result<Self, OpenFailure> {
        let (file, name) = location.find(options)?;
        // SAFETY: the caller's promise.
        let table = unsafe { options.map(&file) }?;
        let table = T::of(table)?;
        options.prepare(table.table(), |_| ControlFlow::Continue(()))?;
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
            on_swap: Hook::default(),
            on_failure: Hook::default(),
        };
        Ok(Self { helper: Mutex::new(None), shared: Arc::new(shared) })
    }

    fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        // The status holds the error, so the result is dropped here.
        let refresh = move || drop(shared.refresh());
        let helper = Helper::start(interval, jitter, refresh)?;
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper);
        Ok(())
    }

    fn status(&self) -> LiveStatus {
        self.shared.status()
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Relaxed);
    }
}

impl<T: Served> Shared<T> {
    fn refresh(&self) -> Result<RefreshOutcome, OpenError> {
        let refreshed = self.look().map_err(|failure| failure.at(self.location.path()));
        match &refreshed {
            Err(error) => self.failure.store(Some(Arc::new(error.to_string()))),
            Ok(_) if self.failure.load().is_some() => self.failure.store(None),
            Ok(_) => {}
        }
        // No lock is held, so a hook may use the handle, also to refresh.
        match &refreshed {
            Err(error) => self.on_failure.call(|| error),
            Ok(RefreshOutcome::Swapped) => self.on_swap.call(|| self.status()),
            Ok(RefreshOutcome::Unchanged) => {}
        }
        refreshed
    }

    fn status(&self) -> LiveStatus {
        let version = self.current.load();
        LiveStatus {
            version: version.name.clone(),
            build_id: version.table.table().build_id(),
            generation: version.generation,
            age: version.since.elapsed(),
            failure: self.failure.load().as_deref().cloned(),
        }
    }

    fn look(&self) -> Result<RefreshOutcome, OpenFailure> {
        let look = self.location.stat()?;
        if self.current.load().serves(&look) {
            return Ok(RefreshOutcome::Unchanged);
        }
        self.change()
    }

    #[cold]
    fn change(&self) -> Result<RefreshOutcome, OpenFailure> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, name) = self.location.find(&self.options)?;
        // The look is taken from the opened file, because another file may stand at the path by
        // now.
        let look = Look::at(&file.metadata);
        let old = self.current.load_full();
        if old.serves(&look) {
            // Another thread has already swapped in this table.
            return Ok(RefreshOutcome::Unchanged);
        }
        // Header and footer show whether there is a new table to map and to check.
        let layout = file.layout()?;
        let serves = old.table.table().view().layout();
        let same = (layout.build_id, layout.file_len) == (serves.build_id, serves.file_len);
        if same && !old.table.table().is_faulted() {
            // The table stays, with its warm pages. Later refreshes compare with the new look.
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
            return Ok(RefreshOutcome::Unchanged);
        }
        let table = T::of(self.map(&file)?)?;
        let go_on = |_: WarmProgress| match self.stopping.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        self.options.prepare(table.table(), go_on)?;
        let generation = old.generation + 1;
        let since = Instant::now();
        let again = look.once_more();
        let new = Version { table, look, again, held: None, name, generation, since };
        drop(self.current.swap(Arc::new(new)));
        if old.table.table().view().layout().file_len > retire::SMALL {
            retire::retire(old, |old| old.table.table().is_shared());
        }
        Ok(RefreshOutcome::Swapped)
    }

    fn map(&self, file: &Located) -> Result<Table, OpenFailure> {
        // SAFETY: the promise that `Live::open_with` asks for covers every file at the path.
        unsafe { self.options.map(file) }
    }
}

impl<T: Served> Version<T> {
    /// Whether this version is the table of the file with this look. Device and inode number alone
    /// are not enough: on some file systems the number stands for the path (FUSE without `use_ino`,
    /// such as sshfs and cloud mounts). A table that has lost pages serves no file any more: its
    /// pages are not the file's, and it does not hold the file.
    fn serves(&self, look: &Look) -> bool {
        self.look == *look
            && !self.table.table().is_faulted()
            && self.again.is_none_or(|again| Instant::now() < again)
    }
}
