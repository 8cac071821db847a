//! Fills the shards of a set: entries in, the tables of a version and its manifest out. Shards are
//! completed on threads of their own while the next one is being filled.

use super::super::filling::{Filling, Size};
use super::finishing::{Finishing, name};
use crate::error::{BuildError, PublishError, SetError};
use crate::manifest::partition::hash_shard;
use crate::manifest::{MANIFEST, MOST_SHARDS, Manifest, Partition};
use crate::publish::{NewSet, PublishOptions, Version};
use crate::write::{BuildOptions, Presort, Sorted, Value};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Memory that a shard takes while it is being filled, about: buffers and the hashes of keys.
const FILLING: usize = 8 << 20;
/// Memory that a packed shard takes besides until it is complete, about: the samples for its
/// dictionaries.
const SAMPLES: usize = 16 << 20;
/// Most shards that are filled at once: each one has an open file.
const MOST_FILLING: usize = 256;
/// Least memory budget of a table.
const LEAST: usize = 1 << 20;

/// Memory that the samples of a shard take, about, if it is packed.
fn samples(packs: bool) -> usize {
    if packs { SAMPLES } else { 0 }
}

/// Where shards end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    Bytes(u64),
    Entries(u64),
    Ranges(usize),
    Hash(usize),
}

/// Writes a set, entry by entry. Nobody reads it before [`finish`](Self::finish): if the builder is
/// dropped before, the version is removed; if the process is killed, the next version that is
/// published removes it. [`SetBuildOptions`](crate::SetBuildOptions) has an example.
pub struct SetBuilder {
    /// `None` if entries are written as they come.
    presort: Option<Presort>,
    shards: Shards,
    entries: u64,
    failed: bool,
}

impl fmt::Debug for SetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetBuilder")
            .field("path", &self.shards.new.path())
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl SetBuilder {
    /// Begins a new version in `directory`, with so many expected entries.
    pub(super) fn start(
        cut: Cut,
        expected: Option<u64>,
        tables: BuildOptions,
        publish: &PublishOptions,
        directory: &Path,
    ) -> Result<Self, PublishError> {
        let refused = |option, got: u64, expected| {
            let got = got.to_string();
            Err(BuildError::InvalidOption { option, got, expected }.into())
        };
        let some = 1..=MOST_SHARDS;
        match cut {
            Cut::Bytes(0) => return refused("shard_bytes", 0, "1 or more"),
            Cut::Entries(0) => return refused("shard_entries", 0, "1 or more"),
            Cut::Ranges(shards) if !some.contains(&shards) => {
                return refused("range_shards", shards as u64, "1 to 1000000");
            }
            Cut::Hash(shards) if !some.contains(&shards) => {
                return refused("hash_shards", shards as u64, "1 to 1000000");
            }
            _ => {}
        }
        let memory = tables.memory()?;
        let new = NewSet::begin(directory, publish)?;
        let ascends = tables.promises_order();
        let filling = FILLING + samples(tables.packs());
        let (at_once, direct) = match cut {
            Cut::Bytes(_) | Cut::Entries(_) => (1, ascends),
            Cut::Ranges(_) => (1, ascends && expected.is_some()),
            Cut::Hash(shards) => {
                let few = shards <= MOST_FILLING.min(memory / 2 / filling);
                (shards, ascends && few)
            }
        };
        let presort = match direct {
            true => None,
            false => Some(tables.presort(&new.path().join(name(0)))?),
        };
        let threads = tables.thread_count();
        let expected_bytes = tables.bytes_to_come();
        // A table that is completed takes one thread, or two. Few shards get more.
        let of_each = match cut {
            Cut::Ranges(shards) | Cut::Hash(shards) => threads / shards,
            Cut::Bytes(_) | Cut::Entries(_) => 0,
        };
        let (reporter, drops) = (tables.reporter(), tables.drops_duplicates());
        let mut shards = Shards {
            cut,
            expected,
            expected_bytes,
            tables: tables
                .without_progress()
                .sorted(true)
                .expected_bytes(None)
                .threads(of_each.max(threads.min(2))),
            drops,
            open: Vec::new(),
            last: None,
            stayed: 0,
            finishing: Finishing::new(threads, reporter),
            new,
        };
        if direct {
            shards.divide_memory(memory, at_once);
            if let Cut::Hash(number) = cut {
                (0..number).try_for_each(|_| shards.begin())?;
            }
        }
        Ok(Self { presort, shards, entries: 0, failed: false })
    }

    /// Adds an entry. What becomes of repeated keys is up to
    /// [`duplicates`](BuildOptions::duplicates); they are in one shard.
    ///
    /// # Errors
    /// The errors of [`Builder::insert`](crate::Builder::insert). After an error nothing is published
    /// any more.
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        self.add(key.as_ref(), Incoming::Bytes(value.as_ref()))
    }

    /// Adds an entry whose value is read from `value` to its end. A value of any length takes little
    /// memory, as with [`Builder::insert_from`](crate::Builder::insert_from).
    ///
    /// # Errors
    /// The errors of [`Builder::insert_from`](crate::Builder::insert_from). After an error nothing is
    /// published any more.
    pub fn insert_from(
        &mut self,
        key: impl AsRef<[u8]>,
        mut value: impl Read,
    ) -> Result<(), BuildError> {
        self.add(key.as_ref(), Incoming::Stream(&mut value))
    }

    /// Completes all shards, writes the manifest, and makes the version current.
    ///
    /// # Errors
    /// [`PublishError::Target`] if a shard can't be built, or the directory not be written;
    /// [`PublishError::TooFewEntries`], [`PublishError::Shrunk`] if a guard refuses the set. The
    /// version that was current stays current, except for
    /// [`BuildError::PublishedButNotDurable`].
    pub fn finish(self) -> Result<Version, PublishError> {
        let Self { presort, mut shards, failed, .. } = self;
        if failed {
            return Err(BuildError::Failed.into());
        }
        if let Some(presort) = presort {
            shards.take(presort.close()?)?;
        }
        shards.publish()
    }

    fn add(&mut self, key: &[u8], value: Incoming<'_>) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        // Set before a reader is called: if it panics, the entry is missing as well.
        self.failed = true;
        match &mut self.presort {
            Some(presort) => {
                let rank = self.shards.rank(key);
                let rank = &rank[rank.len() - self.shards.rank_len()..];
                match value {
                    Incoming::Bytes(bytes) => presort.insert(rank, key, bytes)?,
                    Incoming::Stream(stream) => presort.insert_from(rank, key, stream)?,
                }
            }
            None => self.shards.add(key, value, self.entries)?,
        }
        self.entries += 1;
        self.failed = false;
        Ok(())
    }
}

/// The value of an entry that comes.
enum Incoming<'v> {
    Bytes(&'v [u8]),
    Stream(&'v mut dyn Read),
}

/// The shards of a version that is written.
struct Shards {
    cut: Cut,
    /// Entries that will come, of those that stay.
    expected: Option<u64>,
    /// Bytes for which the first shard looks whether the disk has room.
    expected_bytes: Option<u64>,
    tables: BuildOptions,
    /// Whether repeated keys are left out.
    drops: bool,
    /// The shard that is being filled, or all hash shards.
    open: Vec<Filling>,
    /// The last key, if it is in a shard that is being filled.
    last: Option<Vec<u8>>,
    /// Entries that stay, of all shards.
    stayed: u64,
    /// Dropped before `new`, which removes the directory.
    finishing: Finishing,
    new: NewSet,
}

impl Shards {
    /// The number of a key's hash shard, by which entries are sorted first; of range shards it is 0.
    fn rank(&self, key: &[u8]) -> [u8; 4] {
        match self.cut {
            Cut::Hash(shards) => (hash_shard(key, shards) as u32).to_be_bytes(),
            _ => [0; 4],
        }
    }

    /// Bytes of the number by which entries are sorted first.
    fn rank_len(&self) -> usize {
        match self.cut {
            Cut::Hash(shards) => size_of::<usize>() - (shards - 1).leading_zeros() as usize / 8,
            _ => 0,
        }
    }

    /// Divides memory among the shards that are filled and completed at once.
    fn divide_memory(&mut self, memory: usize, filled: usize) {
        let samples = samples(self.tables.packs());
        if samples > 0 {
            let most = memory / 2 / (FILLING + samples);
            self.finishing.most = self.finishing.most.min(most).max(1);
        }
        let each = (memory / (filled + self.finishing.most)).saturating_sub(samples);
        self.tables = self.tables.clone().memory_budget(each.max(LEAST) as u64);
    }

    /// Writes entries that were sorted.
    fn take(&mut self, mut sorted: Sorted) -> Result<(), BuildError> {
        if let Cut::Ranges(_) = self.cut {
            self.expected = Some(sorted.count()?);
        }
        self.divide_memory(sorted.memory_left(), 1);
        self.expected_bytes = Some(sorted.bytes());
        self.begin()?;
        let skipped = self.rank_len();
        sorted.visit(&mut |key, value| {
            let (rank, key) = key.split_at(skipped);
            if let Cut::Hash(_) = self.cut {
                let rank = rank.iter().fold(0, |rank, &byte| rank << 8 | usize::from(byte));
                while self.finishing.begun < rank {
                    self.next()?;
                }
                return self.fill(key, value);
            }
            if self.is_next(key) && self.is_full() {
                self.next()?;
            }
            self.fill(key, value)
        })
    }

    /// Adds an entry that comes in the order of keys.
    fn add(&mut self, key: &[u8], value: Incoming<'_>, entry: u64) -> Result<(), BuildError> {
        if let Some(last) = self.last.as_ref().filter(|last| key < &last[..]) {
            let (previous, key) = (last.clone(), key.to_vec());
            return Err(BuildError::OutOfOrder { previous, key, entry });
        }
        if let Cut::Hash(shards) = self.cut {
            // All shards are open, and no number of entries is asked for.
            self.note(key);
            let shard = &mut self.open[hash_shard(key, shards)];
            return match value {
                Incoming::Bytes(bytes) => shard.insert(key, Value::Bytes(bytes), true),
                Incoming::Stream(stream) => shard.insert_from(key, stream, true),
            };
        }
        if self.open.is_empty() {
            self.begin()?;
        } else if self.is_next(key) && self.is_full() {
            self.next()?;
        }
        match value {
            Incoming::Bytes(bytes) => self.fill(key, Value::Bytes(bytes)),
            Incoming::Stream(stream) => {
                let stays = self.note(key);
                match self.open.last_mut() {
                    Some(filling) => filling.insert_from(key, stream, stays),
                    None => Ok(()),
                }
            }
        }
    }

    /// Whether the key is another one than the last: repeated keys stay together.
    fn is_next(&self, key: &[u8]) -> bool {
        self.last.as_deref() != Some(key)
    }

    fn is_full(&self) -> bool {
        self.open.last().is_some_and(Filling::is_full)
    }

    /// Adds an entry to the shard that is being filled.
    fn fill(&mut self, key: &[u8], value: Value<'_>) -> Result<(), BuildError> {
        let stays = self.note(key);
        match self.open.last_mut() {
            Some(filling) => filling.insert(key, value, stays),
            None => Ok(()),
        }
    }

    /// Keeps a key as the last one. Whether it counts as one more entry.
    fn note(&mut self, key: &[u8]) -> bool {
        let stays = !self.drops || self.is_next(key);
        self.stayed += u64::from(stays);
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        stays
    }

    /// Completes the shard that is being filled, and begins the next one.
    fn next(&mut self) -> Result<(), BuildError> {
        if let Some(filling) = self.open.pop() {
            self.finishing.add(filling)?;
        }
        self.last = None;
        self.begin()
    }

    fn begin(&mut self) -> Result<(), BuildError> {
        let number = self.finishing.begun + self.open.len();
        let (entries, bytes) = match self.cut {
            Cut::Bytes(bytes) => (u64::MAX, bytes),
            Cut::Entries(entries) => (entries, u64::MAX),
            Cut::Hash(_) => (u64::MAX, u64::MAX),
            Cut::Ranges(shards) => {
                // What is left is divided among the shards that are left, so that a shard with many
                // entries of one key takes from all of them.
                let left = self.expected.map_or(0, |all| all.saturating_sub(self.stayed));
                match shards.saturating_sub(number) as u64 {
                    0 | 1 => (u64::MAX, u64::MAX),
                    shards => (left.div_ceil(shards).max(1), u64::MAX),
                }
            }
        };
        let size = Size { entries, bytes };
        let first = self.expected_bytes.take();
        let tables = first.map(|bytes| self.tables.clone().expected_bytes(bytes));
        let tables = tables.as_ref().unwrap_or(&self.tables);
        let file = name(number);
        let path = self.new.path().join(&file);
        self.open.push(Filling::create(file, path, tables, size)?);
        Ok(())
    }

    /// Completes all shards, and makes them the current version.
    fn publish(mut self) -> Result<Version, PublishError> {
        let least = match self.cut {
            Cut::Hash(shards) => shards,
            // A set without entries has one empty shard.
            _ => 1,
        };
        while self.finishing.begun + self.open.len() < least {
            self.next()?;
        }
        for filling in std::mem::take(&mut self.open) {
            self.finishing.add(filling)?;
        }
        let shards = self.finishing.end()?;
        let partition = match self.cut {
            Cut::Hash(_) => Partition::Hash,
            _ => Partition::Range,
        };
        let manifest = Manifest::new(partition, shards).map_err(|fault| SetError::Manifest {
            path: self.new.path().join(MANIFEST),
            field: fault.field,
            what: fault.what,
        })?;
        let Self { new, finishing, .. } = self;
        drop(finishing);
        new.publish(&manifest)
    }
}
