//! Writes a set: entries in, the tables of a version and its manifest out. Shards are finished on
//! threads of their own while the next one is being filled.

use crate::error::{BuildError, PublishError, SetError};
use crate::manifest::digest::sha256;
use crate::manifest::partition::hash_shard;
use crate::manifest::{MANIFEST, Manifest, Partition, Shard};
use crate::publish::{NewSet, PublishOptions, Version};
use crate::write::{BuildOptions, Builder};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// Most hash shards that one builder fills: each has its file and its buffers.
const MOST_HASH_SHARDS: usize = 4096;
/// What an entry takes in a shard besides its key and its value, about: its lengths and its part of
/// the index.
const OVERHEAD: u64 = 8;

/// Where shards end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Bytes(u64),
    Entries(u64),
    Hash(usize),
}

/// Writes a set, entry by entry. Nobody reads it before [`finish`](Self::finish): if the builder is
/// dropped before, the version is removed; if the process is killed, the next version that is
/// published removes it. [`SetBuildOptions`](crate::SetBuildOptions) has an example.
pub struct SetBuilder {
    cut: Cut,
    tables: BuildOptions,
    /// The shard that is being filled, or all hash shards.
    open: Vec<Filling>,
    /// The last key, of range shards.
    last: Option<Vec<u8>>,
    entries: u64,
    failed: bool,
    /// Dropped before `new`, which removes the directory.
    finishing: Finishing,
    new: NewSet,
}

impl fmt::Debug for SetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetBuilder")
            .field("path", &self.new.path())
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl SetBuilder {
    /// Begins a new version in `directory`.
    pub(super) fn start(
        cut: Cut,
        tables: BuildOptions,
        publish: &PublishOptions,
        directory: &Path,
    ) -> Result<Self, PublishError> {
        let refused = |option, got: u64, expected| {
            let got = got.to_string();
            Err(BuildError::InvalidOption { option, got, expected }.into())
        };
        match cut {
            Cut::Bytes(0) => return refused("shard_bytes", 0, "1 or more"),
            Cut::Entries(0) => return refused("shard_entries", 0, "1 or more"),
            Cut::Hash(shards) if !(1..=MOST_HASH_SHARDS).contains(&shards) => {
                return refused("hash_shards", shards as u64, "1 to 4096");
            }
            _ => {}
        }
        let new = NewSet::begin(directory, publish)?;
        let mut builder = SetBuilder {
            cut,
            tables: if matches!(cut, Cut::Hash(_)) { tables } else { tables.sorted(true) },
            open: Vec::new(),
            last: None,
            entries: 0,
            failed: false,
            finishing: Finishing::default(),
            new,
        };
        if let Cut::Hash(shards) = cut {
            for _ in 0..shards {
                builder.begin_shard()?;
            }
        }
        Ok(builder)
    }

    /// Adds an entry. For range shards, keys ascend; for hash shards they come in any order. What
    /// becomes of repeated keys is up to [`duplicates`](BuildOptions::duplicates); they are in one
    /// shard.
    ///
    /// # Errors
    /// Those of [`Builder::insert`]. After an error nothing is published any more.
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        let inserted = self.add(key.as_ref(), value.as_ref());
        self.failed = inserted.is_err();
        self.entries += 1;
        inserted
    }

    /// Completes all shards, writes the manifest, and makes the version current.
    ///
    /// # Errors
    /// [`PublishError::Target`] if a shard can't be built, or the directory not be written;
    /// [`PublishError::TooFewEntries`], [`PublishError::Shrunk`] if a guard refuses the set. The
    /// version that was current stays current, except for
    /// [`BuildError::PublishedButNotDurable`].
    pub fn finish(mut self) -> Result<Version, PublishError> {
        if self.failed {
            return Err(BuildError::Failed.into());
        }
        if self.open.is_empty() && self.finishing.is_empty() {
            // A set of no entries has one empty shard.
            self.begin_shard()?;
        }
        for filling in std::mem::take(&mut self.open) {
            self.finishing.add(filling)?;
        }
        self.finishing.join(0)?;
        let shards = std::mem::take(&mut self.finishing.done);
        let partition = match self.cut {
            Cut::Hash(_) => Partition::Hash,
            Cut::Bytes(_) | Cut::Entries(_) => Partition::Range,
        };
        let manifest = Manifest::new(partition, shards).map_err(|fault| SetError::Manifest {
            path: self.new.path().join(MANIFEST),
            field: fault.field,
            what: fault.what,
        })?;
        self.new.publish(&manifest)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if let Cut::Hash(shards) = self.cut {
            return self.open[hash_shard(key, shards)].insert(key, value);
        }
        let ascends = match &mut self.last {
            Some(last) if *key < last[..] => {
                let (previous, key) = (last.clone(), key.to_vec());
                return Err(BuildError::OutOfOrder { previous, key, entry: self.entries });
            }
            Some(last) if key == &last[..] => false,
            last => {
                let last = last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(key);
                true
            }
        };
        // Repeated keys stay together.
        if ascends && let Some(filling) = self.open.pop_if(|filling| filling.is_full(self.cut)) {
            self.finishing.add(filling)?;
        }
        if self.open.is_empty() {
            self.begin_shard()?;
        }
        match self.open.last_mut() {
            Some(filling) => filling.insert(key, value),
            None => Ok(()),
        }
    }

    fn begin_shard(&mut self) -> Result<(), BuildError> {
        let number = self.finishing.begun + self.open.len();
        let file = format!("part-{number:05}.grv");
        let path = self.new.path().join(&file);
        let builder = self.tables.create(&path)?;
        let (first, last) = (None, None);
        self.open.push(Filling { file, path, builder, first, last, entries: 0, bytes: 0 });
        Ok(())
    }
}

/// A shard that is being filled.
struct Filling {
    file: String,
    path: PathBuf,
    builder: Builder,
    first: Option<Vec<u8>>,
    last: Option<Vec<u8>>,
    entries: u64,
    /// Bytes that its entries take, about.
    bytes: u64,
}

impl Filling {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.builder.insert(key, value)?;
        self.entries += 1;
        self.bytes += (key.len() + value.len()) as u64 + OVERHEAD;
        keep(&mut self.first, key, |kept| key < kept);
        keep(&mut self.last, key, |kept| key > kept);
        Ok(())
    }

    fn is_full(&self, cut: Cut) -> bool {
        match cut {
            Cut::Bytes(bytes) => self.bytes >= bytes,
            Cut::Entries(entries) => self.entries >= entries,
            Cut::Hash(_) => false,
        }
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

/// Keeps a key in place of another one, if `better` says so.
fn keep(kept: &mut Option<Vec<u8>>, key: &[u8], better: impl Fn(&[u8]) -> bool) {
    if kept.as_deref().is_none_or(better) {
        let kept = kept.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(key);
    }
}

/// Shards that are being completed, each by a thread, no more at once than there are processors.
#[derive(Default)]
struct Finishing {
    /// Shards that were handed over.
    begun: usize,
    running: VecDeque<JoinHandle<Result<Shard, BuildError>>>,
    done: Vec<Shard>,
}

impl Finishing {
    fn is_empty(&self) -> bool {
        self.begun == 0
    }

    fn add(&mut self, filling: Filling) -> Result<(), BuildError> {
        let most = thread::available_parallelism().map_or(1, NonZero::get);
        self.join(most - 1)?;
        let path = filling.path.clone();
        let thread = thread::Builder::new().name("graven-shard".into());
        let running = thread.spawn(move || filling.finish());
        let action = "start a thread for the shard";
        self.running.push_back(running.map_err(|error| BuildError::io(action, path, 0, error))?);
        self.begun += 1;
        Ok(())
    }

    /// Waits until at most `most` are running.
    fn join(&mut self, most: usize) -> Result<(), BuildError> {
        while self.running.len() > most {
            let Some(oldest) = self.running.pop_front() else { break };
            let finished = oldest.join();
            self.done.push(finished.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
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
