//! The shards of a set that is written: those that are being filled, and those that are being
//! completed, each by a thread.

use crate::error::BuildError;
use crate::manifest::Shard;
use crate::manifest::digest::sha256;
use crate::write::{BuildOptions, BuildPhase, Builder, Reporter, Value};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// What an entry takes in a shard besides its key and its value, about: its lengths and its part of
/// the index.
const OVERHEAD: u64 = 8;

/// How large a shard becomes: it is full once it has so many entries, or so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// A shard that is being filled.
pub(super) struct Filling {
    file: String,
    path: PathBuf,
    builder: Builder,
    size: Size,
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    /// Entries, without those that the duplicates policy leaves out.
    entries: u64,
    /// Bytes that its entries take, about.
    bytes: u64,
}

impl Filling {
    /// Begins the shard of a number in the directory of a version.
    pub(super) fn begin(
        directory: &Path,
        number: usize,
        tables: &BuildOptions,
        size: Size,
    ) -> Result<Self, BuildError> {
        let file = name(number);
        let path = directory.join(&file);
        let builder = tables.create(&path)?;
        let (first, last) = (None, None);
        Ok(Self { file, path, builder, size, first, last, entries: 0, bytes: 0 })
    }

    /// Adds an entry. `stays` is false if the duplicates policy leaves one of the entries with this
    /// key out.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        stays: bool,
    ) -> Result<(), BuildError> {
        match value {
            Value::Bytes(bytes) => self.builder.insert(key, bytes)?,
            Value::Stored(_) => self.builder.insert_ascending(key, value)?,
        }
        self.note(key, value.len() as u64, stays);
        Ok(())
    }

    /// Adds an entry whose value is read to its end.
    pub(super) fn insert_from(
        &mut self,
        key: &[u8],
        value: &mut dyn Read,
        stays: bool,
    ) -> Result<(), BuildError> {
        let mut value = Counting { value, bytes: 0 };
        self.builder.insert_from(key, &mut value)?;
        let bytes = value.bytes;
        self.note(key, bytes, stays);
        Ok(())
    }

    fn note(&mut self, key: &[u8], value_len: u64, stays: bool) {
        if stays {
            self.entries += 1;
            self.bytes += key.len() as u64 + value_len + OVERHEAD;
        }
        keep(&mut self.first, key, |kept| key < kept);
        keep(&mut self.last, key, |kept| key > kept);
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries >= self.size.entries || self.bytes >= self.size.bytes
    }

    fn finish(self) -> Result<Shard, BuildError> {
        let Self { file, path, builder, first, last, .. } = self;
        let summary = builder.finish()?;
        let read = |source| BuildError::io("read the new shard", &path, 0, source);
        let (bytes, sha256) = sha256(&File::open(&path).map_err(read)?).map_err(read)?;
        let (entries, build_id) = (summary.entries, summary.build_id);
        Ok(Shard { file, entries, bytes, build_id, first_key: first, last_key: last, sha256 })
    }
}

/// The name of a shard's file.
pub(super) fn name(number: usize) -> String {
    format!("part-{number:05}.grv")
}

/// Keeps a key in place of another one, if `better` says so.
fn keep(kept: &mut Option<Vec<u8>>, key: &[u8], better: impl Fn(&[u8]) -> bool) {
    if kept.as_deref().is_none_or(better) {
        let kept = kept.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(key);
    }
}

/// Counts the bytes of a value that is read.
struct Counting<'v> {
    value: &'v mut dyn Read,
    bytes: u64,
}

impl Read for Counting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.value.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
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
        let path = filling.path.clone();
        self.entries.0 += filling.entries;
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
