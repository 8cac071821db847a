//! A progress bar for work that lasts, seen only on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(100);

/// What the numbers count.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Bytes,
    Entries,
}

/// Work in progress; the bar vanishes when this is dropped. The bar has a thread of its own, so
/// that it also moves during a long call, and the work pays one relaxed store per step.
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    bar: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to count, and to show it unless `quiet` or standard error is no terminal. Without a
    /// total it only shows that something moves.
    pub(crate) fn new(what: &'static str, unit: Unit, total: Option<u64>, quiet: bool) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        if quiet || !io::stderr().is_terminal() {
            return Self { done, bar: None };
        }
        let (stop, stopped) = mpsc::channel();
        let position = Arc::clone(&done);
        let draw = move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = bar(what, unit, total);
            while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                bar.set_position(position.load(Ordering::Relaxed));
                bar.tick();
            }
            bar.finish_and_clear();
        };
        // Without a thread to spare, the work goes on without a bar.
        let thread = thread::Builder::new().spawn(draw).ok();
        Self { done, bar: thread.map(|thread| (stop, thread)) }
    }

    /// Says how much is done.
    #[inline]
    pub(crate) fn set(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.bar.take() {
            drop(stop);
            // A bar that panicked is no reason for the work to fail.
            let _ = thread.join();
        }
    }
}

fn bar(what: &'static str, unit: Unit, total: Option<u64>) -> ProgressBar {
    let template = match (unit, total) {
        (Unit::Bytes, Some(_)) => "{msg} {bar:30} {bytes} of {total_bytes}, {eta} left",
        (Unit::Entries, Some(_)) => "{msg} {bar:30} {human_pos} of {human_len} entries, {eta} left",
        (Unit::Bytes, None) => "{msg} {spinner} {bytes}, {elapsed}",
        (Unit::Entries, None) => "{msg} {spinner} {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what)
}
