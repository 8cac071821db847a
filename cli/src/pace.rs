//! A bound on how many bytes a second are read.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Where the time comes from, and how it passes.
pub(crate) trait Clock: Sync {
    /// Time since some moment.
    fn now(&self) -> Duration;
    fn sleep(&self, time: Duration);
}

/// The system's clock.
pub(crate) struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// Makes readers wait so that they stay below a rate. A read that took longer than the rate asks for
/// does not wait, and does not allow a burst later.
pub(crate) struct Pace<C = SystemClock> {
    clock: C,
    bytes_per_second: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes that were read so far.
    done: u64,
    /// When the bytes that were read so far are paid for.
    paid: Duration,
    /// Time of the last report. The bytes of the next one are paid for from here on at the earliest.
    reported: Duration,
}

impl Pace {
    /// No pace without a rate.
    pub(crate) fn new(bytes_per_second: Option<u64>) -> Option<Self> {
        bytes_per_second.map(|rate| Self::with_clock(rate, SystemClock(Instant::now())))
    }
}

impl<C: Clock> Pace<C> {
    fn with_clock(bytes_per_second: u64, clock: C) -> Self {
        Self { clock, bytes_per_second, state: Mutex::default() }
    }

    /// Waits until all bytes that were read, `done` in number, are paid for. Several threads may
    /// report, one of them less than another one before.
    pub(crate) fn reached(&self, done: u64) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let more = done.saturating_sub(state.done);
        state.done += more;
        let costs = Duration::from_secs_f64(more as f64 / self.bytes_per_second as f64);
        state.paid = state.paid.max(state.reported).saturating_add(costs);
        state.reported = now;
        let wait = state.paid.saturating_sub(now);
        drop(state);
        if !wait.is_zero() {
            self.clock.sleep(wait);
        }
    }

    /// Begins to count anew, with another table or another pass.
    pub(crate) fn restart(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).done = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that moves when it sleeps, and when the test says so.
    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Clock for Hand {
        fn now(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    fn pace() -> Pace<Hand> {
        Pace::with_clock(1000, Hand::default())
    }

    #[test]
    fn bytes_take_the_time_that_the_rate_gives_them() {
        let pace = pace();
        for done in (0..=50_000).step_by(100) {
            pace.reached(done);
            assert_eq!(pace.clock.now(), Duration::from_millis(done));
        }
    }

    #[test]
    fn a_pause_allows_no_burst() {
        let pace = pace();
        pace.reached(1000);
        // A read that takes a minute, as if the disk had hung.
        pace.clock.sleep(Duration::from_secs(60));
        pace.reached(3000);
        assert_eq!(pace.clock.now(), Duration::from_secs(61));
        pace.reached(5000);
        assert_eq!(pace.clock.now(), Duration::from_secs(63));
    }

    #[test]
    fn slow_readers_do_not_wait() {
        let pace = pace();
        for second in 1..10 {
            pace.clock.sleep(Duration::from_secs(1));
            let before = pace.clock.now();
            pace.reached(second * 10);
            assert_eq!(pace.clock.now(), before, "{second}");
        }
    }

    #[test]
    fn reports_out_of_order_count_once() {
        let pace = pace();
        for done in [2000, 1000, 3000, 2000, 3000] {
            pace.reached(done);
        }
        assert_eq!(pace.clock.now(), Duration::from_secs(3));
        pace.restart();
        pace.reached(1000);
        assert_eq!(pace.clock.now(), Duration::from_secs(4));
    }

    #[test]
    fn several_threads_share_the_rate() {
        let pace = pace();
        thread::scope(|scope| {
            for first in 1..=4 {
                let pace = &pace;
                scope.spawn(move || (0..50).for_each(|i| pace.reached(100 * (4 * i + first))));
            }
        });
        assert!(pace.state.lock().unwrap().paid >= Duration::from_secs(20));
        assert!(pace.clock.now() >= Duration::from_secs(20));
    }
}
