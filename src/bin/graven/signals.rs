//! Signals: which end the run, and what is done before.

use crate::exit::Failure;
use graven::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// A write beyond `ulimit -f` becomes an error like any other, instead of the end of the process.
pub(crate) fn report_large_files() {
    // What the flag says does not matter: the signal has a handler, so the write fails. Without
    // one the process dies at such a write, as it does by default.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// From now on an interruption or a termination first removes what the run has not published. The
/// exit code is the one that a shell gives a process that died of the signal: 130 or 143.
///
/// Only for runs that publish. The others have nothing to remove and die of the signal itself.
pub(crate) fn clean_up_and_exit() -> Result<(), Failure> {
    let failed = |error| Failure::at(ErrorKind::Io, "signals", error);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            graven::remove_unpublished();
            // At once: destructors would wait for locks that the interrupted work holds.
            signal_hook::low_level::exit(128 + signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop).map_err(failed)
}
