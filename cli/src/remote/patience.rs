//! What is tried again, how often, and after which pauses.

use super::fault::Fault;
use crate::exit;
use std::collections::hash_map::RandomState;
use std::fmt::Display;
use std::hash::BuildHasher;
use std::thread;
use std::time::Duration;

/// Pause after the first failure; each one after it is twice as long.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// How often an operation is tried again.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// Attempts after a failed one.
    pub(crate) retries: u32,
    /// Whether attempts are reported.
    pub(crate) quiet: bool,
}

impl Patience {
    /// Does what may fail for reasons that pass.
    pub(crate) fn of<T>(
        &self,
        object: impl Display,
        mut attempt: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut failed = 0;
        loop {
            match attempt() {
                Err(Fault::Passing(what)) => self.pause(&object, &mut failed, what)?,
                other => return other,
            }
        }
    }

    /// Waits before the next attempt, and reports it. Returns the fault if there were enough.
    pub(crate) fn pause(
        &self,
        object: impl Display,
        failed: &mut u32,
        what: String,
    ) -> Result<(), Fault> {
        if *failed >= self.retries {
            let attempts = exit::counted(u64::from(*failed) + 1, "attempt", "attempts");
            return Err(Fault::Passing(format!("failed after {attempts}: {what}")));
        }
        let pause = (FIRST * 2u32.pow((*failed).min(16))).min(LONGEST);
        *failed += 1;
        if !self.quiet {
            let retries = self.retries;
            exit::say(format_args!("{object}: {what}; attempt {failed} of {retries} follows"));
        }
        // Up to half as long again, so that many clients of one store do not return at once.
        let extra = f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX) / 2.0;
        thread::sleep(pause.mul_f64(1.0 + extra));
        Ok(())
    }
}
