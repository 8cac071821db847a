//! The end of a table that was replaced.
//!
//! Whoever unmaps a removed file last frees its pages, which takes about a third of a second per
//! GiB. That must be no thread that answers requests, whether it refreshed or held the last pin.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Tables up to this size are unmapped in about the time that starting a thread takes.
pub(super) const SMALL: usize = 4 << 20;

/// Time between two looks whether the last pin is gone.
const LOOK: Duration = Duration::from_millis(20);

/// Pins that are kept for longer belong to no request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Drops `old` on a thread of its own, once nobody else holds it; here and now where there is no
/// thread to be had.
pub(super) fn retire<T: Send + Sync + 'static>(old: Arc<T>) {
    let wait = move || {
        let start = Instant::now();
        while Arc::strong_count(&old) > 1 && start.elapsed() < PATIENCE {
            thread::sleep(LOOK);
        }
    };
    let _ = thread::Builder::new().name("graven-retire".into()).spawn(wait);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Sender};
    use std::thread::ThreadId;

    /// Says which thread dropped it.
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
        retire(old);
        assert!(told.recv_timeout(LOOK * 5).is_err(), "it is pinned");
        drop(pin);
        let thread = told.recv_timeout(Duration::from_secs(30)).expect("nobody holds it");
        assert_ne!(thread, thread::current().id());
    }
}
