//! Models of a hook that is set while it is called.

use super::hook::Hook;
// What has really happened, for the models' eyes alone.
use std::real::sync::Arc;
use std::real::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{model, thread};

/// A function's own state, which sets the hook once more when it is dropped.
struct Last {
    hook: Arc<Hook<u32>>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.dropped.fetch_add(1, SeqCst);
            self.hook.set(|_| {});
        }
    }
}

/// Guards against a lock that is held while code of the program runs: the function that is called
/// sets the hook, and so does the state of the old function, when it is dropped.
pub fn a_hook_may_set_hooks() {
    model::check("a_hook_may_set_hooks", None, || {
        let hook = Arc::new(Hook::<u32>::default());
        let [called, dropped] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let last = Last { hook: Arc::clone(&hook), dropped: Arc::clone(&dropped) };
        let of_function = Arc::clone(&called);
        hook.set(move |_| {
            of_function.fetch_add(1, SeqCst);
            last.hook.set(|_| {});
        });
        let other = Arc::clone(&hook);
        let calling = thread::spawn(move || other.call(|| 7));
        hook.set(|_| {});
        calling.join().expect("no panic");
        assert!(called.load(SeqCst) <= 1);
        assert_eq!(dropped.load(SeqCst), 1, "the old function is dropped once");
    });
}
