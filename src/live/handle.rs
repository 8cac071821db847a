//! A handle on the newest of what stands at a place, one for tables, typed tables and sets: what is
//! served, how a refresh replaces it, and the thread that refreshes.

#![expect(unsafe_code, reason = "following a path is unsafe, as mapping it once is")]

use super::helper::Helper;
use super::hook::Hook;
use super::location::Look;
use super::retire;
use super::status::{LiveStatus, RefreshOutcome};
use crate::build_id::BuildId;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where something to serve is looked for, and how it is opened. One file stands for it: the table,
/// or the manifest of a set.
pub(crate) trait Place: fmt::Debug + Send + Sync + 'static {
    /// What is served.
    type Served: Clone + fmt::Debug + Send + Sync + 'static;
    /// The file at the place, open.
    type Found;
    /// Why nothing could be served. Names the file.
    type Error: fmt::Display + fmt::Debug;

    /// Looks at the file that stands there now. Costs one system call.
    fn look(&self) -> Result<Look, Self::Error>;

    /// Opens the file that stands there now.
    fn find(&self) -> Result<Standing<Self::Found>, Self::Error>;

    /// Whether the file has the content that is served.
    fn is_same(&self, served: &Self::Served, found: &Self::Found) -> Result<bool, Self::Error>;

    /// Opens what is to be served, and prepares it as the options say. The preparation may end
    /// early when `go_on` breaks.
    ///
    /// # Safety
    /// The promise of [`Handle::open`] covers the file.
    unsafe fn open(
        &self,
        found: Self::Found,
        go_on: &dyn Fn() -> ControlFlow<()>,
    ) -> Result<Self::Served, Self::Error>;

    /// The file alone, which is held open so that no other file gets its inode number.
    fn file(found: Self::Found) -> File;

    /// Identifies the content that is served.
    fn build_id(served: &Self::Served) -> BuildId;

    /// Whether a page of what is served was lost.
    fn is_faulted(served: &Self::Served) -> bool;

    /// Whether clones or owned values of what was served are in use.
    fn is_in_use(served: &Self::Served) -> bool;

    /// Most bytes that are unmapped when what was served is dropped.
    fn most_mapped(served: &Self::Served) -> u64;
}

/// A file that stands at a place.
pub(crate) struct Standing<F> {
    pub(crate) found: F,
    /// How it looks, from the opened file's own metadata: another file may stand at the path by now.
    pub(crate) look: Look,
    /// The version's name, in a versioned directory.
    pub(crate) name: Option<String>,
}

/// A handle on what stands at a place.
#[derive(Debug)]
pub(crate) struct Handle<P: Place> {
    /// The helper thread, which ends when this is dropped.
    helper: Mutex<Option<Helper>>,
    pub(crate) shared: Arc<Shared<P>>,
}

/// What the handle and the helper thread share. Only [`Handle::open`] makes one, so its caller's
/// promise holds for every file that is found at `place`.
#[derive(Debug)]
pub(crate) struct Shared<P: Place> {
    pub(crate) place: P,
    pub(crate) current: ArcSwap<Version<P::Served>>,
    failure: ArcSwapOption<String>,
    /// Held while what is served is being changed, by one thread at a time.
    changing: Mutex<()>,
    /// Set when the handle is dropped, so that a warm-up ends early.
    stopping: AtomicBool,
    pub(crate) on_swap: Hook<LiveStatus>,
    pub(crate) on_failure: Hook<P::Error>,
}

/// What is served, and where it came from.
#[derive(Debug)]
pub(crate) struct Version<T> {
    pub(crate) served: T,
    /// How the file at the path looked, from the opened file's own metadata.
    look: Look,
    /// When the file must be read once more, even if it looks unchanged; see [`Look::once_more`].
    again: Option<Instant>,
    /// A later file with the same content, which did not need a mapping. A file that is mapped or
    /// held open keeps its inode number, so no other file gets that number.
    held: Option<Arc<File>>,
    name: Option<String>,
    pub(crate) generation: u64,
    since: Instant,
}

impl<P: Place> Handle<P> {
    /// Opens what stands at a place now.
    ///
    /// # Safety
    /// As long as a file that stood at the place during a call or a refresh is in use, nobody
    /// modifies or truncates it, nor the files that it names.
    pub(crate) unsafe fn open(place: P) -> Result<Self, P::Error> {
        let Standing { found, look, name } = place.find()?;
        // SAFETY: the caller's promise.
        let served = unsafe { place.open(found, &|| ControlFlow::Continue(())) }?;
        let (again, since) = (look.once_more(), Instant::now());
        let version = Version { served, look, again, held: None, name, generation: 1, since };
        let shared = Shared {
            place,
            current: ArcSwap::from_pointee(version),
            failure: ArcSwapOption::empty(),
            changing: Mutex::new(()),
            stopping: AtomicBool::new(false),
            on_swap: Hook::default(),
            on_failure: Hook::default(),
        };
        Ok(Self { helper: Mutex::new(None), shared: Arc::new(shared) })
    }

    pub(crate) fn refresh_every(&self, interval: Duration, jitter: Duration) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        // The status holds the error, so the result is dropped here.
        let refresh = move || drop(shared.refresh());
        let helper = Helper::start(interval, jitter, refresh)?;
        let old = self.helper.lock().unwrap_or_else(PoisonError::into_inner).replace(helper);
        // The old thread is waited for without the lock: a hook that it calls may want to start another.
        drop(old);
        Ok(())
    }
}

impl<P: Place> Drop for Handle<P> {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Relaxed);
    }
}

impl<P: Place> Shared<P> {
    pub(crate) fn refresh(&self) -> Result<RefreshOutcome, P::Error> {
        let refreshed = self.look();
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

    pub(crate) fn status(&self) -> LiveStatus {
        let version = self.current.load();
        LiveStatus {
            version: version.name.clone(),
            build_id: P::build_id(&version.served),
            generation: version.generation,
            age: version.since.elapsed(),
            failure: self.failure.load().as_deref().cloned(),
        }
    }

    fn look(&self) -> Result<RefreshOutcome, P::Error> {
        let look = self.place.look()?;
        if self.serves(&self.current.load(), &look) {
            return Ok(RefreshOutcome::Unchanged);
        }
        self.change()
    }

    /// Whether a version comes from the file with this look. Device and inode number alone are not
    /// enough: on some file systems the number stands for the path (FUSE without `use_ino`, such as
    /// sshfs and cloud mounts). A table that has lost pages serves no file any more: its pages are
    /// not the file's, and it does not hold the file.
    fn serves(&self, version: &Version<P::Served>, look: &Look) -> bool {
        version.look == *look
            && !P::is_faulted(&version.served)
            && version.again.is_none_or(|again| Instant::now() < again)
    }

    #[cold]
    fn change(&self) -> Result<RefreshOutcome, P::Error> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Standing { found, look, name } = self.place.find()?;
        let old = self.current.load_full();
        if self.serves(&old, &look) {
            // Another thread has already swapped in this version.
            return Ok(RefreshOutcome::Unchanged);
        }
        if self.place.is_same(&old.served, &found)? && !P::is_faulted(&old.served) {
            // What is served stays, with its warm pages. Later refreshes compare with the new look.
            let held = match look.same_number(&old.look) {
                true => old.held.clone(),
                false => Some(Arc::new(P::file(found))),
            };
            let again = if look == old.look { None } else { look.once_more() };
            self.current.store(Arc::new(Version {
                served: old.served.clone(),
                look,
                again,
                held,
                name,
                generation: old.generation,
                since: old.since,
            }));
            return Ok(RefreshOutcome::Unchanged);
        }
        let go_on = || match self.stopping.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        // SAFETY: the promise that `Handle::open` asks for covers every file at the place.
        let served = unsafe { self.place.open(found, &go_on) }?;
        let generation = old.generation + 1;
        let (again, since) = (look.once_more(), Instant::now());
        let new = Version { served, look, again, held: None, name, generation, since };
        drop(self.current.swap(Arc::new(new)));
        if P::most_mapped(&old.served) > retire::SMALL {
            retire::retire(old, |old| P::is_in_use(&old.served));
        }
        Ok(RefreshOutcome::Swapped)
    }
}
