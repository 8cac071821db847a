//! A clock that moves only when a thread sleeps, as far as the model says, and the timers of channels.

use std::ops::Add;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
pub use std::time::Duration;

/// Time since the model's start, in milliseconds.
static NOW: AtomicU64 = AtomicU64::new(0);
/// How far one sleep moves the clock, in milliseconds.
static SLEEP: AtomicU64 = AtomicU64::new(0);
/// How many timers of channels may still run out.
static TIMERS: AtomicU32 = AtomicU32::new(0);

pub(crate) fn start() {
    NOW.store(0, Relaxed);
    SLEEP.store(0, Relaxed);
    TIMERS.store(0, Relaxed);
}

/// In a model: says how long each sleep is, whatever was asked for.
pub fn sleeps_last(each: Duration) {
    SLEEP.store(each.as_millis() as u64, Relaxed);
}

/// In a model: says how many timers of channels run out. Later ones never do.
pub fn timers_run_out(times: u32) {
    TIMERS.store(times, Relaxed);
}

pub(crate) fn sleep() {
    NOW.fetch_add(SLEEP.load(Relaxed), Relaxed);
}

pub(crate) fn timer_runs_out() -> bool {
    TIMERS.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// A moment of the model's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    #[must_use]
    pub fn now() -> Self {
        Self(Duration::from_millis(NOW.load(Relaxed)))
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + later)
    }
}
