//! The threads of a build. They start when there is work for them and end with the build.
//!
//! Rayon's global pool won't do: a child made by `fork` does not have its threads and would wait
//! for them for ever, and it panics where no threads may be started.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, OnceLock};

/// Threads for work that divides itself.
#[derive(Clone)]
pub(super) struct Pool {
    threads: Option<usize>,
    /// Empty before the threads start. `None` inside: the caller's threads do the work.
    started: Arc<OnceLock<Option<ThreadPool>>>,
}

impl Pool {
    /// A pool of `threads` threads; `None` means one for each processor.
    pub(super) fn new(threads: Option<usize>) -> Self {
        Self { threads, started: Arc::default() }
    }

    /// Runs work that divides itself among the threads.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.started.get_or_init(|| start(self.threads)) {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Runs `work`, which divides itself among the threads, and meanwhile something else on the
    /// caller's thread; one after the other if there is one thread.
    pub(super) fn beside<R>(&self, work: impl FnOnce() + Send, meanwhile: impl FnOnce() -> R) -> R {
        match self.started.get_or_init(|| start(self.threads)) {
            Some(pool) if pool.current_num_threads() > 1 => pool.in_place_scope(|scope| {
                scope.spawn(|_| work());
                meanwhile()
            }),
            _ => {
                work();
                meanwhile()
            }
        }
    }
}

/// Starts `threads` threads, or as many as the system grants: results don't depend on the number.
fn start(threads: Option<usize>) -> Option<ThreadPool> {
    // A build that runs on threads of a rayon pool uses these.
    if threads.is_none() && rayon::current_thread_index().is_some() {
        return None;
    }
    let named = || ThreadPoolBuilder::new().thread_name(|n| format!("graven build {n}"));
    // Rayon takes 0 for one thread per processor.
    let mut most = threads.unwrap_or(0);
    loop {
        if let Ok(pool) = named().num_threads(most).build() {
            return Some(pool);
        }
        most = match most {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            _ => most,
        } / 2;
        if most == 0 {
            // No thread can be started: the caller's thread does the work, as the only one.
            return named().num_threads(1).use_current_thread().build().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_threads_as_were_asked_for() {
        for threads in [1, 3] {
            assert_eq!(Pool::new(Some(threads)).run(rayon::current_num_threads), threads);
        }
        let inside = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let of_caller = inside.install(|| {
            let own = rayon::current_thread_index();
            Pool::new(None).run(rayon::current_thread_index) == own
        });
        assert!(of_caller);
    }
}
