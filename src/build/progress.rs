//! How far a build is, told to whoever asked.

use std::fmt;
use std::sync::Arc;

/// How far a build is: see [`BuildOptions::progress`](super::BuildOptions::progress).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of it is done: entries, or bytes while syncing.
    pub done: u64,
    /// How much there is to do. Where input is still to come, this grows.
    pub total: u64,
}

/// A stage of a build. Entries that arrive in order skip the first two.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What fits in memory is sorted, and written to a temporary file if more is to come.
    Sort,
    /// Entries are written in order, merged from several sorted runs if need be.
    Merge,
    /// The indexes are written.
    Index,
    /// The table is made durable and gets its name.
    Sync,
}

type Callback = dyn Fn(Progress) + Send + Sync;

/// A callback, if there is one.
#[derive(Clone, Default)]
pub(super) struct Reporter(Option<Arc<Callback>>);

impl Reporter {
    pub(super) fn new(callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    pub(super) fn tell(&self, phase: Phase, done: u64, total: u64) {
        if let Some(callback) = &self.0 {
            callback(Progress { phase, done, total });
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}
