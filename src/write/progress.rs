//! Reports of how far a build is.

use crate::error::BuildError;
use std::fmt;
use std::sync::Arc;

/// How far a build is. [`BuildOptions::progress`](crate::BuildOptions::progress) asks for it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BuildProgress {
    /// The current stage.
    pub phase: BuildPhase,
    /// How much of the stage is done: in bytes during [`BuildPhase::Sync`], otherwise in entries.
    pub done: u64,
    /// How much the stage has to do, in the same unit. It grows while input still comes.
    pub total: u64,
}

/// A stage of a build. Entries that come in order skip the first two stages.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuildPhase {
    /// The entries in memory are sorted, and written to a temporary file if more are to come.
    Sort,
    /// The entries are written in order, merged from sorted runs if there are several.
    Merge,
    /// The values are compressed, in a table that has them so.
    Compress,
    /// The indexes are written.
    Index,
    /// The table is made durable and gets its name.
    Sync,
}

/// One line: `merge: 300 of 1000 entries`.
impl fmt::Display for BuildProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, done, total } = self;
        let unit = if *phase == BuildPhase::Sync { "bytes" } else { "entries" };
        write!(f, "{phase}: {done} of {total} {unit}")
    }
}

/// One word: `sort`, `merge`, `compress`, `index`, `sync`.
impl fmt::Display for BuildPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sort => "sort",
            Self::Merge => "merge",
            Self::Compress => "compress",
            Self::Index => "index",
            Self::Sync => "sync",
        })
    }
}

type Callback = dyn Fn(BuildProgress) + Send + Sync;
type Question = dyn Fn() -> bool + Send + Sync;

/// The callbacks of a build: how far it is, and whether to give it up.
#[derive(Clone, Default)]
pub(crate) struct Reporter {
    callback: Option<Arc<Callback>>,
    cancelled: Option<Arc<Question>>,
}

impl Reporter {
    pub(super) fn on_progress(&mut self, callback: impl Fn(BuildProgress) + Send + Sync + 'static) {
        self.callback = Some(Arc::new(callback));
    }

    pub(super) fn cancel_when(&mut self, cancelled: impl Fn() -> bool + Send + Sync + 'static) {
        self.cancelled = Some(Arc::new(cancelled));
    }

    /// One that tells nothing and asks the same question.
    #[cfg(feature = "sets")]
    pub(super) fn silent(&self) -> Self {
        Self { callback: None, cancelled: self.cancelled.clone() }
    }

    /// Tells how far the build is; an error if it is to be given up.
    pub(crate) fn tell(&self, phase: BuildPhase, done: u64, total: u64) -> Result<(), BuildError> {
        self.tell_end(phase, done, total);
        self.ask()
    }

    /// An error if the build is to be given up.
    pub(super) fn ask(&self) -> Result<(), BuildError> {
        match &self.cancelled {
            Some(cancelled) if cancelled() => Err(BuildError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Tells how far the build is where it can no longer be given up.
    pub(super) fn tell_end(&self, phase: BuildPhase, done: u64, total: u64) {
        if let Some(callback) = &self.callback {
            callback(BuildProgress { phase, done, total });
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.callback.is_some() { "Some(..)" } else { "None" })
    }
}
