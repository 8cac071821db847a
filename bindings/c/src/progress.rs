//! Callbacks that are told how far a call is, and may stop it.

#![expect(unsafe_code, reason = "calls functions of the caller")]

use crate::status::{Failure, GRAVEN_ERR_CANCELLED};
use graven::{BuildOptions, BuildPhase, BuildProgress};
use graven_build_phase::*;
use std::ffi::c_void;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A stage of a build. Later versions may add some.
#[repr(i32)]
pub enum graven_build_phase {
    /// Entries are sorted; in entries.
    GRAVEN_BUILD_PHASE_SORT = 0,
    /// Entries are written in order; in entries.
    GRAVEN_BUILD_PHASE_MERGE = 1,
    /// Indexes are written; in entries.
    GRAVEN_BUILD_PHASE_INDEX = 2,
    /// The table is made durable and gets its name; in bytes.
    GRAVEN_BUILD_PHASE_SYNC = 3,
    /// Values are compressed, between the merge and the indexes of a packed table; in entries.
    GRAVEN_BUILD_PHASE_COMPRESS = 4,
}

/// Is told how far a call is. Not 0 stops the call, which then gives GRAVEN_ERR_CANCELLED.
///
/// `user`: what was given with the function. `phase`: in a build a graven_build_phase, otherwise 0.
/// `done` of `total`: bytes, or what the phase says.
///
/// The threads that do the work call it, also several at once, and wait for it: it must be safe to
/// call from any thread. It must return: no longjmp, no C++ exception.
pub type graven_progress_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, phase: i32, done: u64, total: u64) -> i32>;

/// A callback of the caller with what is to be given to it.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    function: unsafe extern "C" fn(*mut c_void, i32, u64, u64) -> i32,
    user: *mut c_void,
}

// SAFETY: `of` was promised that any thread may call it.
unsafe impl Send for Progress {}
// SAFETY: `of` was promised that any thread may call it, also several at once.
unsafe impl Sync for Progress {}

impl Progress {
    /// # Safety
    /// `function` may be called with `user` from any thread, by several at once, while the call or
    /// the handle lasts to which it is given.
    pub(crate) unsafe fn of(function: graven_progress_fn, user: *mut c_void) -> Option<Self> {
        function.map(|function| Self { function, user })
    }

    /// Whether the callback wants to go on.
    pub(crate) fn tell(&self, phase: i32, done: u64, total: u64) -> bool {
        // SAFETY: what `of` was promised.
        let stop = unsafe { (self.function)(self.user, phase, done, total) };
        stop == 0
    }

    /// Lets a build tell its progress here, and stop when this says so.
    pub(crate) fn watch(self, options: BuildOptions) -> BuildOptions {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let tell = move |progress: BuildProgress| {
            let phase = match progress.phase {
                BuildPhase::Sort => GRAVEN_BUILD_PHASE_SORT,
                BuildPhase::Merge => GRAVEN_BUILD_PHASE_MERGE,
                BuildPhase::Compress => GRAVEN_BUILD_PHASE_COMPRESS,
                BuildPhase::Index => GRAVEN_BUILD_PHASE_INDEX,
                _ => GRAVEN_BUILD_PHASE_SYNC,
            };
            if !self.tell(phase as i32, progress.done, progress.total) {
                stop.store(true, Relaxed);
            }
        };
        options.progress(tell).cancel_when(move || asked.load(Relaxed))
    }
}

/// What the callback of an audit or a warm-up wants.
pub(crate) fn flow(progress: Option<Progress>, done: u64, total: u64) -> ControlFlow<()> {
    match progress {
        Some(progress) if !progress.tell(0, done, total) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

#[cold]
pub(crate) fn stopped() -> Failure {
    Failure::new(GRAVEN_ERR_CANCELLED, "the callback asked to stop")
}
