//! The shards of a set that are being completed, each by a thread.

use super::super::filling::Filling;
use crate::error::BuildError;
use crate::manifest::Shard;
use crate::write::{BuildPhase, Reporter};
use std::collections::VecDeque;
use std::thread::{self, JoinHandle};

/// The name of a shard's file.
pub(super) fn name(number: usize) -> String {
    format!("part-{number:05}.grv")
}

/// Shards that are being completed, each by a thread.
pub(super) struct Finishing {
    /// Most threads.
    pub(super) most: usize,
    /// Shards that were handed over.
    pub(super) begun: usize,
    running: VecDeque<JoinHandle<Result<Shard, BuildError>>>,
    pub(super) done: Vec<Shard>,
    reporter: Reporter,
    /// Entries that were handed over, and those of shards that are complete.
    entries: (u64, u64),
}

impl Finishing {
    pub(super) fn new(most: usize, reporter: Reporter) -> Self {
        let (running, done) = (VecDeque::new(), Vec::new());
        Self { most: most.max(1), begun: 0, running, done, reporter, entries: (0, 0) }
    }

    /// Completes a shard, after one that was handed over before if too many are under way.
    pub(super) fn add(&mut self, filling: Filling) -> Result<(), BuildError> {
        self.join(self.most - 1)?;
        let path = filling.path().to_owned();
        self.entries.0 += filling.entries();
        let thread = thread::Builder::new().name("graven-shard".into());
        let running = thread.spawn(move || filling.finish());
        let action = "start a thread for the shard";
        self.running.push_back(running.map_err(|error| BuildError::io(action, path, 0, error))?);
        self.begun += 1;
        Ok(())
    }

    /// Waits until all are complete, and gives them in the order in which they were handed over.
    pub(super) fn end(&mut self) -> Result<Vec<Shard>, BuildError> {
        self.reporter.tell(BuildPhase::Index, self.entries.1, self.entries.0)?;
        while !self.running.is_empty() {
            self.join(self.running.len() - 1)?;
            self.reporter.tell(BuildPhase::Index, self.entries.1, self.entries.0)?;
        }
        Ok(std::mem::take(&mut self.done))
    }

    /// Waits until at most `most` are running.
    fn join(&mut self, most: usize) -> Result<(), BuildError> {
        while self.running.len() > most {
            let Some(oldest) = self.running.pop_front() else { break };
            let finished = oldest.join();
            let shard = finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            self.entries.1 += shard.entries;
            self.done.push(shard);
        }
        Ok(())
    }
}

impl Drop for Finishing {
    fn drop(&mut self) {
        // Nobody writes any more when the directory is removed.
        self.running.drain(..).for_each(|running| drop(running.join()));
    }
}
