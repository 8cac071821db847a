//! Models of the thread that unmaps a table that was replaced, beside a reader that holds it by a pin
//! and then by a clone.

use super::place::{Mapped, Site};
use super::retire::retire;
// What has really happened, for the models' eyes alone.
use std::real::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, sleeps_last};
use std::{model, thread};

/// More than a refresh unmaps itself.
const LARGE: u64 = 5 << 20;

/// What was served: a table, of which clones may be in use.
struct Old(Arc<Mapped>);

fn in_use(old: &Old) -> bool {
    Arc::strong_count(&old.0) > 1
}

/// Guards against a reader that unmaps: it clones the table that it has pinned, then drops the pin,
/// then the clone. Only `graven-retire` may unmap, and must not while the clone is in use.
pub fn the_last_use_is_waited_for() {
    model::check("the_last_use_is_waited_for", None, || {
        let old = Arc::new(Old(Arc::new(Mapped::large())));
        let pin = Arc::clone(&old);
        let reader = thread::spawn(move || {
            let clone = Arc::clone(&pin.0);
            drop(pin);
            drop(clone);
        });
        retire(old, in_use);
        reader.join().expect("no panic");
    });
}

/// Guards against a thread that waits for ever: a pin that is held for longer than a minute is left
/// to its holder.
pub fn patience_has_an_end() {
    static UNMAPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            UNMAPPED.fetch_add(1, SeqCst);
        }
    }
    model::check("patience_has_an_end", None, || {
        UNMAPPED.store(0, SeqCst);
        sleeps_last(Duration::from_secs(31));
        let old = Arc::new(Counted);
        let pin = Arc::clone(&old);
        // Never in doubt, so that only the time ends the wait.
        retire(old, |_| true);
        assert_eq!(UNMAPPED.load(SeqCst), 0, "it is pinned");
        drop(pin);
    });
    assert_eq!(UNMAPPED.load(SeqCst), 1);
}

/// Both through a handle: a reader pins and clones while a refresh replaces the table.
pub fn a_refresh_leaves_unmapping_to_a_thread() {
    model::check("a_refresh_leaves_unmapping_to_a_thread", Some(3), || {
        let handle = std::real::sync::Arc::new(Site::handle(LARGE));
        let of_reader = std::real::sync::Arc::clone(&handle);
        let reader = thread::spawn(move || {
            let pin = of_reader.shared.current.load();
            let clone = pin.served.clone();
            drop(pin);
            drop(clone);
        });
        handle.shared.place.publish();
        handle.shared.refresh().expect("a table");
        reader.join().expect("no panic");
    });
}
