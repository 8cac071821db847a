//! What the readers serve from: the table itself, or, where it is to be replaced, copies of two
//! tables that are published in turn under a name of their own beside it.

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
    /// The directory of the copies, which vanishes with this.
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

    /// Puts a copy of `table` in the place of what is served. Without a sync: the copy is worth
    /// nothing after a power cut, and readers would wait for nothing else.
    fn publish(&self, table: &Path) -> Result<(), Failure> {
        let published = graven::publish(table, &self.path, &PublishOptions::new().durable(false));
        published.map(drop).map_err(|error| Failure::publish(&self.path, &error))
    }
}

/// Publishes two tables in turn until it is stopped.
pub(super) struct Publisher {
    stop: Sender<()>,
    thread: JoinHandle<Result<u64, Failure>>,
}

impl Publisher {
    /// The table is served already; the other one comes first.
    pub(super) fn start(
        served: Served,
        tables: [PathBuf; 2],
        every: Duration,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = mpsc::channel();
        let publish = move || {
            let mut published = 0;
            let mut due = Instant::now() + every;
            loop {
                let pause = due.saturating_duration_since(Instant::now());
                match stopped.recv_timeout(pause) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return Ok(published),
                }
                served.publish(&tables[(published as usize + 1) % 2])?;
                published += 1;
                // A copy that took too long is not caught up with.
                due = (due + every).max(Instant::now());
            }
        };
        let thread = thread::Builder::new().spawn(publish);
        let thread = thread.map_err(|error| Failure::io("a thread", &error))?;
        Ok(Self { stop, thread })
    }

    /// Ends it; tells how many times it has published.
    pub(super) fn stop(self) -> Result<u64, Failure> {
        drop(self.stop);
        let died = |_| Failure::new(ErrorKind::Io, "the publishing thread has died");
        self.thread.join().map_err(died)?
    }
}
