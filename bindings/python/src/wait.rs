//! Long work on a thread of its own, while the calling thread lets Python run, looks for Ctrl-C and
//! calls the progress callback: Python handles signals on its main thread only, and the threads of
//! graven never run Python code.

use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Time between two looks for signals and progress.
const LOOK: Duration = Duration::from_millis(50);

/// How far the work is: stage, what is done of it, all of it.
pub(crate) type Report = (&'static str, u64, u64);

/// What the work and the calling thread share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Reports that the callback has not seen, the last one of each stage.
    reports: Mutex<Vec<Report>>,
    /// Set once the result is not wanted any more.
    stop: Arc<AtomicBool>,
}

impl Shared {
    pub(crate) fn report(&self, report: Report) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        match reports.last_mut() {
            Some(last) if last.0 == report.0 => *last = report,
            _ => reports.push(report),
        }
    }

    /// Reports; `Break` once the result is not wanted any more.
    pub(crate) fn go_on(&self, report: Report) -> ControlFlow<()> {
        self.report(report);
        match self.stop.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    pub(crate) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// Calls the callback with what is new, and the handlers of signals that came.
    pub(crate) fn look(&self, py: Python<'_>, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        // Taken out first: the callback may call into the same object.
        let new = std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner));
        let call = || match callback {
            Some(callback) => {
                new.into_iter().try_for_each(|report| callback.call1(report).map(drop))
            }
            None => Ok(()),
        };
        let looked = call().and_then(|()| py.check_signals());
        if looked.is_err() {
            self.stop.store(true, Relaxed);
        }
        looked
    }
}

/// What happens to work whose result is not wanted any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwanted {
    /// It is waited for, as it must have ended when the exception is raised.
    Awaited,
    /// It ends by itself and changes nothing.
    Left,
}

/// Does `work`, which tells how far it is by `shared`. An exception of the callback or of a signal's
/// handler sets [`Shared::stop`] and is returned.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    shared: &Shared,
    callback: Option<&Bound<'_, PyAny>>,
    unwanted: Unwanted,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = mpsc::sync_channel(1);
    let worker = thread::Builder::new().name("graven".into()).spawn(move || {
        // Nobody listens if the result is not wanted any more.
        let _ = sender.send(work());
    })?;
    let mut failed = None;
    loop {
        let came;
        (receiver, came) = py.detach(move || {
            let came = receiver.recv_timeout(LOOK);
            (receiver, came)
        });
        let looked = if failed.is_none() { shared.look(py, callback) } else { Ok(()) };
        match came {
            Ok(result) => {
                looked?;
                return failed.map_or(Ok(result), Err);
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The worker ended without a result: it panicked.
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Ok(()) => unreachable!("the worker sends before it ends"),
                Err(panic) => resume_unwind(panic),
            },
        }
        if let Err(error) = looked {
            if unwanted == Unwanted::Left {
                return Err(error);
            }
            failed = Some(error);
        }
    }
}
