//! The threads of a build: started when there is work for them, ended with the build. Rayon's
//! global pool would be missing in a child made by `fork`, which would wait for it for ever, and
//! panics where no threads may be started.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, OnceLock};

/// Threads for what takes several.
#[derive(Clone)]
pub(super) struct Pool {
    threads: usize,
    /// None inside: as many as are here already.
    started: Arc<OnceLock<Option<ThreadPool>>>,
}

impl Pool {
    /// Of so many threads, or of as many as there are processors.
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, started: Arc::default() }
    }

    /// Runs work that divides itself among the threads.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.started.get_or_init(|| start(self.threads)) {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// As many threads as the system grants; the result is the same with any number of them.
fn start(threads: usize) -> Option<ThreadPool> {
    // Whoever builds on threads of a pool of rayon's means those.
    if threads == 0 && rayon::current_thread_index().is_some() {
        return None;
    }
    let named = || ThreadPoolBuilder::new().thread_name(|n| format!("graven build {n}"));
    let mut most = threads;
    loop {
        if let Ok(pool) = named().num_threads(most).build() {
            return Some(pool);
        }
        most = match most {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            _ => most,
        } / 2;
        if most == 0 {
            // The caller's thread becomes one for good; no other is needed then.
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
            assert_eq!(Pool::new(threads).run(rayon::current_num_threads), threads);
        }
        let inside = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let of_caller = inside.install(|| {
            let own = rayon::current_thread_index();
            Pool::new(0).run(rayon::current_thread_index) == own
        });
        assert!(of_caller);
    }
}
