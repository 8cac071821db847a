//! What the readers serve from: the table itself or, if it is to be replaced, copies of two tables.
//! The copies are published in turn under a separate name beside the table.

use crate::exit::Failure;
use crate::signals;
use graven::{ErrorKind, PublishOptions};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The path that readers open.
pub(super) struct Served {
    pub(super) path: PathBuf,
    /// The directory of the copies. It is removed when this is dropped.
    _copies: Option<signals::Directory>,
}

impl Served {
    /// The table under its own name.
    pub(super) fn itself(table: &Path) -> Self {
        Self { path: table.to_owned(), _copies: None }
    }

    /// A copy of the table, in a temporary directory beside it: on the same disk, and the user's
    /// file stays as it is.
    pub(super) fn copy(table: &Path) -> Result<Self, Failure> {
        let beside = table.parent().filter(|parent| !parent.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        let failed = |error| Failure::io(beside.display(), &error);
        let copies = tempfile::Builder::new().prefix(".graven-bench-").tempdir_in(beside);
        let copies = signals::Directory::new(copies.map_err(failed)?);
        let path = copies.path().join("served.grv");
        let served = Self { path, _copies: Some(copies) };
        served.publish(table)?;
        Ok(served)
    }

    /// Replaces the served table by a copy of `table`. The copy is not synced: it is worth nothing
    /// after a power cut, and the sync would be all that readers wait for.
    fn publish(&self, table: &Path) -> Result<(), Failure> {
        let published = PublishOptions::new().durable(false).publish(table, &self.path);
        published.map(drop).map_err(|error| Failure::publish(&self.path, &error))
    }
}

/// A thread that publishes two tables in turn, from `begin` on until it is stopped.
pub(super) struct Publisher {
    /// A message on this channel starts publishing. The end of the channel stops it.
    word: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<u64, Failure>>>,
    /// Whether the thread has a higher priority than the readers. If not, the readers have to give
    /// way to it.
    pub(super) preferred: bool,
}

impl Publisher {
    /// Priority of the thread. Readers never pause: at the same priority, a few processors have no
    /// time left for copying, and tables are published less often than was asked for.
    const NICE: i32 = -10;

    /// The first of `tables` is served already, so the second one is published first.
    pub(super) fn new(
        served: Served,
        tables: [PathBuf; 2],
        every: Duration,
    ) -> Result<Self, Failure> {
        let (word, words) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let publish = move || {
            // On Linux each thread has a priority of its own. Root may raise it.
            let raised = cfg!(target_os = "linux") && rustix::process::nice(Self::NICE).is_ok();
            let _ = tell.send(raised);
            let mut published = 0;
            if words.recv().is_err() {
                return Ok(published);
            }
            let mut due = Instant::now() + every;
            loop {
                let pause = due.saturating_duration_since(Instant::now());
                match words.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return Ok(published),
                }
                served.publish(&tables[(published as usize + 1) % 2])?;
                published += 1;
                // If a copy took too long, the replacements that it delayed are left out.
                due = (due + every).max(Instant::now());
            }
        };
        let thread = thread::Builder::new().spawn(publish);
        let thread = thread.map_err(|error| Failure::io("a thread", &error))?;
        let preferred = told.recv().unwrap_or(false);
        Ok(Self { word: Some(word), thread: Some(thread), preferred })
    }

    pub(super) fn begin(&self) {
        // If the thread has died, `stop` reports it.
        let _ = self.word.as_ref().map(|word| word.send(()));
    }

    /// Stops the thread. Returns how many times it has published.
    pub(super) fn stop(mut self) -> Result<u64, Failure> {
        self.end().unwrap_or(Ok(0))
    }

    fn end(&mut self) -> Option<Result<u64, Failure>> {
        drop(self.word.take());
        let died = |_| Failure::new(ErrorKind::Io, "the publishing thread has died");
        Some(self.thread.take()?.join().map_err(died).flatten())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // After a failure, the thread ends and removes its copies before the process ends.
        let _ = self.end();
    }
}
