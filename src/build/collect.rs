//! Entries in any order on their way to the table.
//!
//! They are collected and sorted. As long as they come in order anyway, they need not be: once
//! more than a little has come so, it is written to the table at once. The first key out of order
//! turns what was written so far into a sorted run, which is merged with the others in the end.

use super::options::BuildOptions;
use super::pool::Pool;
use super::progress::{Phase, Reporter};
use super::resolve::Resolver;
use super::scratch::{Scratch, Stored};
use super::sort::{Run, Sorter};
use super::table::Written;
use crate::error::BuildError;
use crate::file::Unpublished;
use std::path::Path;
use std::sync::Arc;

/// Bytes in order after which they are written to the table.
const STREAM: usize = 32 << 20;
/// Entries between two reports.
const STEP: u64 = 1 << 16;

/// Collects entries.
pub(super) struct Collector {
    sorter: Sorter,
    pool: Pool,
    /// None while the resolver has it.
    output: Option<Unpublished>,
    /// Where entries go that have come in order so far.
    stream: Option<Box<Resolver>>,
    directory: Arc<Path>,
    /// Bytes in order after which they are streamed.
    patience: usize,
    progress: Reporter,
}

impl Collector {
    pub(super) fn new(options: &BuildOptions, output: Unpublished, directory: &Arc<Path>) -> Self {
        let limit = options.memory();
        let pool = Pool::new(options.threads);
        let progress = options.progress.clone();
        Self {
            sorter: Sorter::new(limit, directory, pool.clone(), progress.clone()),
            pool,
            output: Some(output),
            stream: None,
            directory: Arc::clone(directory),
            patience: limit.min(STREAM) / 8 * 7,
            progress,
        }
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        options: &BuildOptions,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), BuildError> {
        if self.stream.is_some() {
            return self.push_on(options, key, value);
        }
        self.sorter.push(key, value)?;
        if self.sorter.used() >= self.patience {
            self.look(options)?;
        }
        Ok(())
    }

    /// Enough has come to tell whether it comes in order.
    #[cold]
    fn look(&mut self, options: &BuildOptions) -> Result<(), BuildError> {
        self.patience = usize::MAX;
        if !self.sorter.ascending() {
            return Ok(());
        }
        let Some(output) = self.output.take() else { return Err(BuildError::Failed) };
        let mut stream =
            Resolver::new(options, output, &self.directory, &self.pool, options.memory(), 0);
        self.sorter.drain(&mut |key, value| stream.push_value(key, value))?;
        self.stream = Some(Box::new(stream));
        Ok(())
    }

    /// Adds an entry behind those that came in order.
    fn push_on(
        &mut self,
        options: &BuildOptions,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), BuildError> {
        if let Some(stream) = &mut self.stream
            && stream.follows(key)
        {
            return stream.push(key, value);
        }
        self.end_stream()?;
        self.push(options, key, value)
    }

    /// Turns what came in order into a run: what follows is collected and sorted.
    fn end_stream(&mut self) -> Result<(), BuildError> {
        let Some(stream) = self.stream.take() else { return Err(BuildError::Failed) };
        let (output, run) = stream.into_run()?;
        self.output = Some(output);
        if let Some((extent, first, last)) = run {
            let entries = extent.entries;
            self.sorter.add_run(Run::Written(extent), &first, &last, entries);
        }
        Ok(())
    }

    /// A file for the value of the next entry, which has this key, and where in it the value goes;
    /// [`push_stored`](Self::push_stored) then adds the entry.
    pub(super) fn room(&mut self, key: &[u8]) -> Result<(Arc<Scratch>, u64), BuildError> {
        if let Some(stream) = &mut self.stream {
            if stream.follows(key) {
                return Ok((stream.room()?, 0));
            }
            self.end_stream()?;
        }
        self.sorter.room()
    }

    /// Adds an entry whose value was written where [`room`](Self::room) said.
    pub(super) fn push_stored(
        &mut self,
        options: &BuildOptions,
        key: &[u8],
        value: &Stored,
    ) -> Result<(), BuildError> {
        if let Some(stream) = &mut self.stream {
            return stream.push_stored(key, value);
        }
        self.sorter.push_stored(key, value.len)?;
        if self.sorter.used() >= self.patience {
            self.look(options)?;
        }
        Ok(())
    }

    /// Sorts, merges and writes.
    pub(super) fn finish(
        mut self,
        options: &BuildOptions,
    ) -> Result<(Unpublished, Written), BuildError> {
        if let Some(stream) = self.stream {
            return stream.finish();
        }
        let Some(output) = self.output.take() else { return Err(BuildError::Failed) };
        let expected = if options.duplicates.drops() { 0 } else { self.sorter.bytes() };
        output.check_space(expected)?;
        self.sorter.close()?;
        // A quarter is enough for reading; what entries take in memory is not free for indexes.
        let limit = options.memory();
        let reading = if self.sorter.spilled() { limit / 4 } else { 0 };
        let free = limit - reading - self.sorter.used().min(limit - reading);
        let mut stream =
            Resolver::new(options, output, &self.directory, &self.pool, free, expected);
        let (total, progress) = (self.sorter.entries(), self.progress);
        let mut done = 0;
        self.sorter.visit(reading, &mut |key, value| {
            done += 1;
            if done % STEP == 1 {
                progress.tell(Phase::Merge, done, total);
            }
            stream.push_value(key, value)
        })?;
        progress.tell(Phase::Merge, total, total);
        stream.finish()
    }
}
