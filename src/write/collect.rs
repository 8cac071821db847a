//! Collects entries that may come in any order.
//!
//! Entries are collected and sorted. If the first 28 MiB of them (fewer with a small budget) came in
//! order, they are written to the table instead, and so are the following ones as long as they
//! come in order. The first key out of order turns the records written so far into a sorted run,
//! which is merged with the other runs at the end.

use super::duplicates::{Begun, Resolver};
use super::pool::Pool;
use super::progress::{BuildPhase, Reporter};
use super::scratch::{Scratch, Stored};
use super::settings::Settings;
use super::sort::Sorter;
use super::summary::BuildSummary;
use crate::error::BuildError;
use crate::file::Unpublished;
use std::path::Path;
use std::sync::Arc;

/// Most bytes, 7/8 of this, that are collected before the collector looks whether they are in
/// order.
const IN_ORDER: usize = 32 << 20;
/// Entries between two reports of progress.
const STEP: u64 = 1 << 16;

/// Collects entries.
pub(super) struct Collector {
    sorter: Sorter,
    pool: Pool,
    /// None while the resolver has it.
    output: Option<Unpublished>,
    /// Writes entries to the table, as long as all entries have come in order.
    resolver: Option<Box<Resolver>>,
    directory: Arc<Path>,
    /// Bytes in memory after which the collector looks whether they are in order.
    patience: usize,
    progress: Reporter,
}

impl Collector {
    pub(super) fn new(settings: &Settings, output: Unpublished, directory: &Arc<Path>) -> Self {
        let limit = settings.memory();
        let pool = Pool::new(settings.threads);
        let progress = settings.progress.clone();
        Self {
            sorter: Sorter::new(limit, directory, pool.clone(), progress.clone()),
            pool,
            output: Some(output),
            resolver: None,
            directory: Arc::clone(directory),
            patience: limit.min(IN_ORDER) / 8 * 7,
            progress,
        }
    }

    /// Adds an entry.
    #[inline]
    pub(super) fn push(
        &mut self,
        settings: &Settings,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), BuildError> {
        if self.resolver.is_some() {
            return self.push_in_order(settings, key, value);
        }
        self.sorter.push(key, value)?;
        if self.sorter.used() >= self.patience {
            self.look(settings)?;
        }
        Ok(())
    }

    /// If all entries so far came in order, writes them to the table.
    #[cold]
    fn look(&mut self, settings: &Settings) -> Result<(), BuildError> {
        self.patience = usize::MAX;
        if !self.sorter.ascending() {
            return Ok(());
        }
        let Some(output) = self.output.take() else { return Err(BuildError::Failed) };
        let mut resolver =
            Resolver::new(settings, output, &self.directory, &self.pool, settings.memory(), 0)?;
        self.sorter.drain(&mut |key, value| resolver.push_value(key, value))?;
        self.resolver = Some(Box::new(resolver));
        Ok(())
    }

    /// Adds an entry while all entries before it came in order.
    fn push_in_order(
        &mut self,
        settings: &Settings,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), BuildError> {
        if let Some(resolver) = &mut self.resolver
            && resolver.follows(key)
        {
            return resolver.push(key, value);
        }
        self.end_order()?;
        self.push(settings, key, value)
    }

    /// Turns the records written so far into a sorted run. The following entries are collected.
    fn end_order(&mut self) -> Result<(), BuildError> {
        let Some(resolver) = self.resolver.take() else { return Err(BuildError::Failed) };
        let (output, run) = resolver.into_run()?;
        self.output = Some(output);
        if let Some(Begun { run, entries, first, last }) = run {
            self.sorter.add_run(run, &first, &last, entries);
        }
        Ok(())
    }

    /// A file for the value of the next entry, whose key is `key`, and where in the file the value
    /// goes. [`push_stored`](Self::push_stored) then adds the entry.
    pub(super) fn room(&mut self, key: &[u8]) -> Result<(Arc<Scratch>, u64), BuildError> {
        if let Some(resolver) = &mut self.resolver {
            if resolver.follows(key) {
                return Ok((resolver.room()?, 0));
            }
            self.end_order()?;
        }
        self.sorter.room()
    }

    /// Adds an entry whose value was written where [`room`](Self::room) said.
    pub(super) fn push_stored(
        &mut self,
        settings: &Settings,
        key: &[u8],
        value: &Stored,
    ) -> Result<(), BuildError> {
        if let Some(resolver) = &mut self.resolver {
            return resolver.push_stored(key, value);
        }
        self.sorter.push_stored(key, value.len)?;
        if self.sorter.used() >= self.patience {
            self.look(settings)?;
        }
        Ok(())
    }

    /// Sorts and merges the entries and completes the table.
    pub(super) fn finish(
        mut self,
        settings: &Settings,
    ) -> Result<(Unpublished, BuildSummary), BuildError> {
        if let Some(resolver) = self.resolver {
            return resolver.finish();
        }
        let Some(output) = self.output.take() else { return Err(BuildError::Failed) };
        let expected = if settings.may_shrink() { 0 } else { self.sorter.bytes() };
        output.check_space(expected)?;
        self.sorter.close()?;
        // A quarter of the memory is enough for reading runs. The indexes get what neither the
        // runs nor the entries in memory take.
        let limit = settings.memory();
        let reading = if self.sorter.spilled() { limit / 4 } else { 0 };
        let free = limit - reading - self.sorter.used().min(limit - reading);
        let mut resolver =
            Resolver::new(settings, output, &self.directory, &self.pool, free, expected)?;
        let (total, progress) = (self.sorter.entries(), self.progress);
        let mut done = 0;
        self.sorter.visit(reading, &mut |key, value| {
            done += 1;
            if done % STEP == 1 {
                progress.tell(BuildPhase::Merge, done, total)?;
            }
            resolver.push_value(key, value)
        })?;
        progress.tell(BuildPhase::Merge, total, total)?;
        resolver.finish()
    }
}
