//! A thread that does some work at intervals.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Shorter intervals would keep a processor busy.
const SHORTEST: Duration = Duration::from_millis(1);

/// A longer jitter has no use. With this limit the product can't overflow.
const LONGEST_JITTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The thread. Dropping it stops it and waits for its end.
#[derive(Debug)]
pub(super) struct Helper {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
    process: u32,
}

impl Helper {
    /// Starts a thread that calls `work` every `interval` plus a random part of `jitter`.
    pub(super) fn start(
        interval: Duration,
        jitter: Duration,
        mut work: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let body = move || loop {
            let jitter = jitter.min(LONGEST_JITTER).mul_f64(random());
            let pause = interval.max(SHORTEST).saturating_add(jitter);
            match stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => work(),
                _ => return,
            }
        };
        let thread = thread::Builder::new().name("graven-refresh".into()).spawn(body)?;
        Ok(Self { thread: Some((stop, thread)), process: std::process::id() })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.thread.take() else { return };
        if thread.thread().id() == thread::current().id() {
            // The work itself dropped its helper: the thread ends after this piece of work.
        } else if self.process == std::process::id() {
            drop(stop);
            // A panic has printed its message; there is nothing left to stop.
            let _ = thread.join();
        } else {
            // A child made by `fork` does not have this thread and must not use its handle.
            std::mem::forget((stop, thread));
        }
    }
}

/// A random number from 0 to 1.
fn random() -> f64 {
    // The standard library's seed for hash maps is different at every call.
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}
