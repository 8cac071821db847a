//! A progress bar for long work, shown only on a terminal.

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(100);

/// What the numbers count.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Bytes,
    Entries,
    /// Bytes that one system call writes to the disk. The call does not report how far it is.
    AtOnce,
}

/// What is being done, and how much of it there is, if that is known.
#[derive(Clone, Copy, PartialEq)]
struct Stage {
    what: &'static str,
    unit: Unit,
    total: Option<u64>,
}

/// Work in progress; the bar vanishes when this is dropped. The bar has a thread of its own, so
/// that it also moves during a long call, and the work pays one relaxed store per step.
pub(crate) struct Progress {
    state: Arc<State>,
    bar: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What the bar shows. The code that does the work updates it.
pub(crate) struct State {
    done: AtomicU64,
    stage: Mutex<Stage>,
}

impl State {
    /// Starts another stage of the work, or updates the current stage.
    pub(crate) fn stage(&self, what: &'static str, unit: Unit, done: u64, total: Option<u64>) {
        *self.current() = Stage { what, unit, total };
        self.done.store(done, Ordering::Relaxed);
    }

    fn current(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    /// Starts to count, and shows a bar unless `quiet` is set or standard error is no terminal.
    /// Without a total the bar only shows that something moves.
    pub(crate) fn new(what: &'static str, unit: Unit, total: Option<u64>, quiet: bool) -> Self {
        let stage = Mutex::new(Stage { what, unit, total });
        let state = Arc::new(State { done: AtomicU64::new(0), stage });
        if quiet || !io::stderr().is_terminal() {
            return Self { state, bar: None };
        }
        let (stop, stopped) = mpsc::channel();
        let shown = Arc::clone(&state);
        let draw = move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let mut stage = *shown.current();
            let mut bar = bar(stage);
            while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                let now = *shown.current();
                if (now.what, now.unit) != (stage.what, stage.unit) {
                    bar.finish_and_clear();
                    bar = self::bar(now);
                } else if let Some(total) = now.total {
                    bar.set_length(total);
                }
                stage = now;
                bar.set_position(shown.done.load(Ordering::Relaxed));
                bar.tick();
            }
            bar.finish_and_clear();
        };
        // If no thread can be started, the work goes on without a bar.
        let thread = thread::Builder::new().spawn(draw).ok();
        Self { state, bar: thread.map(|thread| (stop, thread)) }
    }

    /// Sets how much is done.
    #[inline]
    pub(crate) fn set(&self, done: u64) {
        self.state.done.store(done, Ordering::Relaxed);
    }

    /// Adds to how much is done.
    #[cfg(feature = "remote")]
    pub(crate) fn add(&self, more: u64) {
        self.state.done.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes back what has to be done again.
    #[cfg(feature = "remote")]
    pub(crate) fn take_back(&self, done: u64) {
        self.state.done.fetch_sub(done, Ordering::Relaxed);
    }

    /// The state, for work that has several stages.
    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
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

fn bar(stage: Stage) -> ProgressBar {
    let template = match (stage.unit, stage.total) {
        (Unit::Bytes, Some(_)) => {
            "{msg} {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        }
        (Unit::Entries, Some(_)) => {
            "{msg} {bar:30} {human_pos} of {human_len} entries, {rate}, {eta} left"
        }
        (Unit::Bytes, None) => "{msg} {spinner} {bytes}, {bytes_per_sec}, {elapsed}",
        (Unit::Entries, None) | (Unit::AtOnce, None) => "{msg} {spinner} {elapsed}",
        (Unit::AtOnce, Some(_)) => "{msg} {total_bytes} to the disk {spinner} {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(stage.total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.with_key("rate", rate));
    }
    bar.with_message(stage.what)
}

/// Entries per second as a whole number. indicatif's own rate has a fraction.
fn rate(state: &ProgressState, out: &mut dyn Write) {
    let per_second = HumanCount(state.per_sec().round() as u64);
    // If this fails, the bar lacks a number and nothing else.
    let _ = write!(out, "{per_second}/s");
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;

    /// A terminal that keeps all text that is written to it.
    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<String>>);

    impl TermLike for Kept {
        fn width(&self) -> u16 {
            120
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The last text that a bar shows.
    fn drawn(unit: Unit, done: u64, total: Option<u64>) -> String {
        let kept = Kept::default();
        let bar = bar(Stage { what: "working", unit, total });
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(kept.clone())));
        thread::sleep(FRAME);
        bar.set_position(done);
        bar.tick();
        let shown = kept.0.lock().unwrap().clone();
        shown[shown.rfind("working").expect("a bar")..].to_owned()
    }

    #[test]
    fn a_rate_is_a_whole_number() {
        let shown = drawn(Unit::Entries, 1_234_567, Some(2_000_000));
        let rate = shown.split(", ").find(|part| part.ends_with("/s")).expect("a rate");
        let digits = rate.trim_end_matches("/s").replace(',', "");
        assert!(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()), "{shown}");
        assert!(shown.contains("1,234,567 of 2,000,000 entries"), "{shown}");
    }

    #[test]
    fn what_tells_nothing_on_its_way_has_no_bar() {
        let shown = drawn(Unit::AtOnce, 0, Some(3 << 20));
        assert!(shown.contains("working 3.00 MiB to the disk"), "{shown}");
        assert!(!shown.contains('░') && !shown.contains("left"), "{shown}");
    }
}
