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

/// Publishes two tables in turn, from the word on until it is stopped.
pub(super) struct Publisher {
    /// The word to begin; its end is that to stop.
    word: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<u64, Failure>>>,
    /// Whether it goes before the readers. If not, they have to give way to it.
    pub(super) preferred: bool,
}

impl Publisher {
    /// Readers never pause: where they have the same right to the processors, a few of them leave
    /// no time for copying, and tables come more seldom than was asked for.
    const NICE: i32 = -10;

    /// The table is served already; the other one comes first.
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
                // A copy that took too long is not caught up with.
                due = (due + every).max(Instant::now());
            }
        };
        let thread = thread::Builder::new().spawn(publish);
        let thread = thread.map_err(|error| Failure::io("a thread", &error))?;
        let preferred = told.recv().unwrap_or(false);
        Ok(Self { word: Some(word), thread: Some(thread), preferred })
    }

    pub(super) fn begin(&self) {
        // A thread that has died is found when it is stopped.
        let _ = self.word.as_ref().map(|word| word.send(()));
    }

    /// Ends it; tells how many times it has published.
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
        // After a failure: what it has copied goes before the process does.
        let _ = self.end();
    }
}
