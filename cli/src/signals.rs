//! Signals: which ones end the run, and what is done before it ends.

use crate::exit::Failure;
use graven::ErrorKind;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tempfile::TempDir;

/// Directories that an interruption removes, beside unpublished tables.
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Attempts at removing a directory in which another thread is still at work.
const ATTEMPTS: usize = 100;

/// Makes a write beyond `ulimit -f` an error like any other. By default it ends the process.
pub(crate) fn report_large_files() {
    // The value of the flag does not matter. The signal has a handler, so the write fails; without
    // a handler, the process dies of the signal.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Makes an interruption or a termination first remove what the run has not published, and then end
/// the run. The exit code is the one that a shell gives a process that died of the signal: 130 or
/// 143.
///
/// Only runs that publish, or that have a [`Directory`], call this. The other runs have nothing to
/// remove and die of the signal itself.
pub(crate) fn clean_up_and_exit() -> Result<(), Failure> {
    let failed = |error| Failure::at(ErrorKind::Io, "signals", error);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            graven::remove_temporary_files();
            for directory in &*directories() {
                let removed = || fs::remove_dir_all(directory).is_ok() || !directory.exists();
                let _ = (0..ATTEMPTS).any(|_| removed());
            }
            // Exits without running destructors: they would wait for locks that the interrupted
            // work holds.
            signal_hook::low_level::exit(128 + signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop).map_err(failed)
}

fn directories() -> MutexGuard<'static, Vec<PathBuf>> {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary directory that is removed when dropped, and by an interruption as well.
pub(crate) struct Directory {
    directory: Option<TempDir>,
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(directory: TempDir) -> Self {
        let path = directory.path().to_owned();
        directories().push(path.clone());
        Self { directory: Some(directory), path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // An interruption during the removal must still find the path in the list.
        drop(self.directory.take());
        directories().retain(|path| *path != self.path);
    }
}
