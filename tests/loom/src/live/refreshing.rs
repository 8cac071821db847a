//! Models of refreshes by several threads at once, and of the thread that a handle may start.

use super::handle::{Handle, Version};
use super::place::{Site, Table};
use super::status::RefreshOutcome;
// What has really happened, for the models' eyes alone.
use std::real::collections::BTreeMap;
use std::real::sync::{Arc, Mutex};
use std::time::{Duration, timers_run_out};
use std::{model, thread};

const SECOND: Duration = Duration::from_secs(1);

/// The tables that pins saw, by generation.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<u64, usize>>);

impl Seen {
    /// One generation is one table.
    fn note(&self, version: &Version<Table>) -> usize {
        let number = version.served.number;
        let mut seen = self.0.lock().expect("no panic");
        assert_eq!(*seen.entry(version.generation).or_insert(number), number, "two tables in one");
        number
    }

    /// A later generation is a later table.
    fn settled(&self) {
        let seen = self.0.lock().expect("no panic");
        let numbers: Vec<usize> = seen.values().copied().collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "went back: {seen:?}");
    }
}

/// Refreshes and pins. What stood at the place when the refresh began is served by its end.
fn refresh(handle: &Handle<Site>, seen: &Seen) -> bool {
    let stood = handle.shared.place.standing();
    let before = seen.note(&handle.shared.current.load());
    let outcome = handle.shared.refresh().expect("a table");
    let after = seen.note(&handle.shared.current.load());
    assert!(after >= before, "went back from {before} to {after}");
    assert!(after >= stood, "{after} is served, and {stood} stood there before");
    outcome == RefreshOutcome::Swapped
}

/// Guards against a reader that goes back to an older table, a generation that stands for two
/// tables, and a refresh that leaves its caller on what was replaced before: two threads refresh
/// while the table is replaced twice.
pub fn nobody_goes_back() {
    model::check("nobody_goes_back", Some(2), || {
        let handle = Arc::new(Site::handle(0));
        let seen = Arc::new(Seen::default());
        let threads = [(); 2].map(|()| {
            let (handle, seen) = (Arc::clone(&handle), Arc::clone(&seen));
            thread::spawn(move || refresh(&handle, &seen))
        });
        handle.shared.place.publish();
        handle.shared.place.publish();
        let swapped = threads.map(|thread| thread.join().expect("no panic"));
        let last = refresh(&handle, &seen);
        let version = handle.shared.current.load_full();
        let swaps = swapped.into_iter().chain([last]).filter(|&swapped| swapped).count();
        assert_eq!((version.served.number, version.generation), (3, 1 + swaps as u64));
        seen.settled();
    });
}

/// Guards against a handle that waits for itself: the hook of a swap drops the handle, on the thread
/// that the handle would wait for.
pub fn a_hook_may_drop_the_handle() {
    model::check("a_hook_may_drop_the_handle", None, || {
        timers_run_out(2);
        let handle = Site::handle(0);
        let shared = std::sync::Arc::clone(&handle.shared);
        let place = Arc::new(std::sync::Mutex::new(Some(handle)));
        let take = |place: &Arc<std::sync::Mutex<Option<Handle<Site>>>>| {
            let handle = place.lock().expect("no panic").take();
            drop(handle);
        };
        let of_hook = Arc::clone(&place);
        shared.on_swap.set(move |_| take(&of_hook));
        let guard = place.lock().expect("no panic");
        let started = guard.as_ref().expect("still there").refresh_every(SECOND, SECOND);
        started.expect("a thread");
        drop(guard);
        shared.place.publish();
        take(&place);
    });
}

/// Guards against threads that wait for each other: one replaces the thread of a handle, and waits
/// for its end, while the hook of a swap on that thread replaces it, too.
pub fn a_hook_may_start_another_thread() {
    model::check("a_hook_may_start_another_thread", Some(2), || {
        timers_run_out(1);
        let handle = Arc::new(Site::handle(0));
        let weak = Arc::downgrade(&handle);
        handle.shared.on_swap.set(move |_| {
            if let Some(handle) = weak.upgrade() {
                handle.refresh_every(SECOND, SECOND).expect("a thread");
            }
        });
        handle.shared.place.publish();
        handle.refresh_every(SECOND, SECOND).expect("a thread");
        handle.refresh_every(SECOND, SECOND).expect("a thread");
        drop(handle);
    });
}
