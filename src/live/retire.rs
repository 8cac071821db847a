//! Unmaps a table that was replaced.
//!
//! The thread that unmaps a removed file last frees its pages, which takes about a third of a
//! second per GiB. No thread that answers requests may do this, whether it refreshed or held the
//! last pin or the last owned value.

use std::sync::Arc;
use std::sync::atomic::{Ordering::Acquire, fence};
use std::thread;
use std::time::{Duration, Instant};

/// Unmapping a table of at most this size takes about as long as starting a thread.
pub(super) const SMALL: u64 = 4 << 20;

/// Time between two checks whether the last pin is gone.
const LOOK: Duration = Duration::from_millis(20);

/// A pin that is held for longer belongs to no request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Drops `old` on a thread of its own, once nobody else holds it and nothing `in_use` says so: a
/// clone of its table or an owned value, which outlive a pin. If no thread can be started, drops it
/// at once on this thread.
pub(super) fn retire<T: Send + Sync + 'static>(old: Arc<T>, in_use: fn(&T) -> bool) {
    let wait = move || {
        let start = Instant::now();
        let is_held = || {
            let pinned = Arc::strong_count(&old) > 1;
            // Whoever dropped the last pin may have cloned the table before, which `in_use` must see.
            fence(Acquire);
            pinned || in_use(&old)
        };
        while is_held() && start.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
    };
    let _ = thread::Builder::new().name("graven-retire".into()).spawn(wait);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::sync::mpsc::{self, Sender};
    use std::thread::ThreadId;

    /// Reports which thread dropped it.
    struct Old(Sender<ThreadId>);

    impl Drop for Old {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).expect("somebody listens");
        }
    }

    #[test]
    fn the_last_pin_is_waited_for_elsewhere() {
        let (tell, told) = mpsc::channel();
        let old = Arc::new(Old(tell));
        let pin = Arc::clone(&old);
        retire(old, |_| false);
        assert!(told.recv_timeout(LOOK * 5).is_err(), "it is pinned");
        drop(pin);
        let thread = told.recv_timeout(Duration::from_secs(30)).expect("nobody holds it");
        assert_ne!(thread, thread::current().id());
    }

    /// An owned value holds the table, and no pin.
    #[test]
    fn the_last_use_is_waited_for_elsewhere() {
        static IN_USE: AtomicBool = AtomicBool::new(true);
        let (tell, told) = mpsc::channel();
        retire(Arc::new(Old(tell)), |_| IN_USE.load(Relaxed));
        assert!(told.recv_timeout(LOOK * 5).is_err(), "it is in use");
        IN_USE.store(false, Relaxed);
        let thread = told.recv_timeout(Duration::from_secs(30)).expect("nobody uses it");
        assert_ne!(thread, thread::current().id());
    }
}
