//! What root may do and others may not, for tests.

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Calls `call` in a thread that has none of the powers of root. The other threads keep theirs.
pub(crate) fn without_powers<T: Send>(call: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let powerless = scope.spawn(|| {
            let mut sets = capabilities(None).expect("the sets of this thread");
            sets.effective = CapabilitySet::empty();
            set_capabilities(None, sets).expect("a thread may give up what it has");
            call()
        });
        powerless.join().expect("no panic")
    })
}
