//! Work on shards, several at once.

use crate::exit::Failure;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Says that the work ends early: one of its parts has failed.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Does the work on each item, at most `jobs` at once. After a failure nothing more is begun, and
/// what is being done may end early, by the flag. Returns the first failure.
pub(crate) fn each<T: Sync>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T, &Stop) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let (next, stop, failed) = (AtomicUsize::new(0), Stop::default(), Mutex::new(None));
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.is_set() {
                return;
            }
            if let Err(failure) = work(item, &stop) {
                stop.0.store(true, Ordering::Relaxed);
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
            }
        }
    };
    thread::scope(|scope| {
        for number in 1..jobs.min(items.len()) {
            // Without a thread, the others do its part.
            let _ = thread::Builder::new().name(format!("job-{number}")).spawn_scoped(scope, run);
        }
        run();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use graven::ErrorKind;

    #[test]
    fn each_item_once_and_the_first_failure() {
        for jobs in [1, 3, 100] {
            let items: Vec<usize> = (0..50).collect();
            let seen = Mutex::new(Vec::new());
            let done = each(&items, jobs, |&item, _| {
                seen.lock().unwrap().push(item);
                Ok(())
            });
            assert!(done.is_ok());
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            assert_eq!(seen, items);
            let failed = each(&items, jobs, |&item, stop| match item {
                7 => Err(Failure::new(ErrorKind::Io, "seven")),
                _ if item > 7 => {
                    while !stop.is_set() {
                        thread::yield_now();
                    }
                    Ok(())
                }
                _ => Ok(()),
            });
            assert!(matches!(failed, Err(Failure::Failed { line, .. }) if line == "seven"));
        }
        assert!(each(&[(); 0], 4, |(), _| Ok(())).is_ok());
    }
}
