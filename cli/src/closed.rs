//! Standard streams that were closed when the program began.
//!
//! The standard library opens /dev/null in the place of a closed stream, before `main`: whatever is
//! written there then counts as written. Afterwards that file looks like a /dev/null that the
//! program was started with, so the streams are checked before the standard library starts.

use std::sync::atomic::{AtomicBool, Ordering};

static INPUT: AtomicBool = AtomicBool::new(false);
static OUTPUT: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // SAFETY: code that runs before `main` must not use what the standard library sets up at its
    // start. Two system calls and two atomic stores need nothing of that.
    #[ctor(unsafe)]
    fn look() {
        let closed = |stream| rustix::io::fcntl_getfd(stream).is_err();
        INPUT.store(closed(rustix::stdio::stdin()), Ordering::Relaxed);
        OUTPUT.store(closed(rustix::stdio::stdout()), Ordering::Relaxed);
    }
}

/// Whether standard input was closed.
pub(crate) fn input() -> bool {
    INPUT.load(Ordering::Relaxed)
}

/// Whether standard output was closed.
pub(crate) fn output() -> bool {
    OUTPUT.load(Ordering::Relaxed)
}
