//! The shards of an open set: mapped when first used, let go when others need the room.

#![expect(
    unsafe_code,
    reason = "shards are mapped later under the promise made when the set opens"
)]

use crate::error::{ReadError, SetError};
use crate::manifest::partition::{Starts, hash_shard};
use crate::manifest::{Manifest, Partition};
use crate::read::{OpenOptions, Table};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// The shards of a set.
pub(super) struct Shards {
    pub(super) manifest: Manifest,
    /// The directory of the set's version.
    pub(super) directory: PathBuf,
    starts: Starts,
    /// Entries of all shards before each shard, and of all shards.
    before: Vec<u64>,
    options: OpenOptions,
    max_mapped_bytes: Option<u64>,
    slots: Box<[Slot]>,
    mapped: ArcSwap<Guarded>,
    /// Number of mappings that were made: the time by which uses are told apart.
    mappings: AtomicU64,
    /// The manifest's file, whose lock keeps the version from being pruned.
    _held: File,
}

/// The place of a shard.
#[derive(Default)]
struct Slot {
    table: ArcSwapOption<Table>,
    /// The number of mappings that had been made when the shard was used last. Kept only under a
    /// bound.
    used: AtomicU64,
}

/// The list of what is mapped, under the lock of a process. A child made by `fork` makes its own:
/// the lock of its parent may be held by a thread that the child does not have.
struct Guarded {
    process: u32,
    mapped: Mutex<Mapped>,
}

impl Guarded {
    fn new(mapped: Mapped) -> Self {
        Self { process: process::id(), mapped: Mutex::new(mapped) }
    }
}

/// What is mapped, for whoever maps a shard or lets one go.
#[derive(Default)]
struct Mapped {
    bytes: u64,
    shards: Vec<usize>,
}

impl Shards {
    /// The shards of a manifest, none of them mapped.
    ///
    /// # Safety
    /// The promise of [`Table::open`] holds for every shard, for as long as the set or a part of a
    /// shard is in use.
    pub(super) unsafe fn new(
        (manifest, held): (Manifest, File),
        directory: PathBuf,
        options: OpenOptions,
        max_mapped_bytes: Option<u64>,
    ) -> Self {
        let mut before = Vec::with_capacity(manifest.shards.len() + 1);
        before.push(0);
        before.extend(manifest.shards.iter().scan(0, |sum, shard| {
            *sum += shard.entries;
            Some(*sum)
        }));
        Self {
            starts: match manifest.partition {
                Partition::Range => Starts::of(&manifest.shards),
                Partition::Hash => Starts::of(&[]),
            },
            before,
            options,
            max_mapped_bytes,
            slots: manifest.shards.iter().map(|_| Slot::default()).collect(),
            mapped: ArcSwap::from_pointee(Guarded::new(Mapped::default())),
            mappings: AtomicU64::new(0),
            _held: held,
            directory,
            manifest,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_hashed(&self) -> bool {
        self.manifest.partition == Partition::Hash
    }

    /// Whether there is a bound on mapped bytes.
    pub(super) fn is_bounded(&self) -> bool {
        self.max_mapped_bytes.is_some()
    }

    /// Entries of all shards before this one.
    pub(super) fn before(&self, shard: usize) -> u64 {
        self.before[shard]
    }

    /// The shard with the entry of this rank, in a set of range shards.
    pub(super) fn of_rank(&self, rank: u64) -> Option<usize> {
        let shard = self.before.partition_point(|&before| before <= rank);
        (shard < self.before.len()).then(|| shard - 1)
    }

    /// The shard that has `key`, if one has it.
    #[inline]
    pub(super) fn of_key(&self, key: &[u8]) -> Option<usize> {
        match self.manifest.partition {
            Partition::Hash => Some(hash_shard(key, self.len())),
            Partition::Range => self.last_from_below(key),
        }
    }

    /// The last range shard whose first key is not above `key`.
    #[inline]
    pub(super) fn last_from_below(&self, key: &[u8]) -> Option<usize> {
        self.starts.not_above(&self.manifest.shards, key).checked_sub(1)
    }

    /// The first range shard whose last key is not below `key`. The number of shards if there is
    /// none.
    pub(super) fn first_up_to(&self, key: &[u8]) -> usize {
        self.manifest.shards.partition_point(|shard| shard.last_key.as_deref() < Some(key))
    }

    /// Asks a shard, which is mapped if it is not.
    #[inline]
    pub(super) fn ask<T>(
        &self,
        shard: usize,
        ask: impl FnOnce(&Table) -> Result<T, ReadError>,
    ) -> Result<T, SetError> {
        let slot = &self.slots[shard];
        if self.max_mapped_bytes.is_some() {
            let now = self.mappings.load(Relaxed);
            // Not written again and again: all threads would wait for the cache line.
            if slot.used.load(Relaxed) != now {
                slot.used.store(now, Relaxed);
            }
        }
        match &*slot.table.load() {
            Some(table) => Ok(ask(table)?),
            None => Ok(ask(&self.map(shard)?)?),
        }
    }

    /// A shard as a table.
    pub(super) fn table(&self, shard: usize) -> Result<Table, SetError> {
        self.ask(shard, |table| Ok(table.clone()))
    }

    /// Bytes of the shards that are mapped by the set.
    pub(super) fn mapped_bytes(&self) -> u64 {
        self.with_mapped(|mapped| mapped.bytes)
    }

    /// Hands the list of what is mapped to `work`, under its lock.
    fn with_mapped<T>(&self, work: impl FnOnce(&mut Mapped) -> T) -> T {
        let mut list = self.mapped.load_full();
        // A lock that is free has no owner elsewhere, and asking for the process is a system call.
        match list.mapped.try_lock() {
            Ok(mut mapped) => return work(&mut mapped),
            Err(TryLockError::Poisoned(mapped)) => return work(&mut mapped.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        if list.process != process::id() {
            let own = Arc::new(Guarded::new(self.mapped_now()));
            let before = self.mapped.compare_and_swap(&list, Arc::clone(&own));
            // Another thread of this process may have been first.
            list = if Arc::ptr_eq(&before, &list) { own } else { Arc::clone(&before) };
        }
        // Nothing panics between two changes that belong together.
        let mut mapped = list.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut mapped)
    }

    /// What is mapped, by the slots.
    fn mapped_now(&self) -> Mapped {
        let is_mapped = |&shard: &usize| self.slots[shard].table.load().is_some();
        let shards: Vec<usize> = (0..self.len()).filter(is_mapped).collect();
        let bytes = shards.iter().map(|&shard| self.manifest.shards[shard].bytes).sum();
        Mapped { bytes, shards }
    }

    #[cold]
    fn map(&self, shard: usize) -> Result<Table, SetError> {
        self.with_mapped(|mapped| self.map_beside(mapped, shard))
    }

    /// Maps a shard, beside those that are mapped.
    fn map_beside(&self, mapped: &mut Mapped, shard: usize) -> Result<Table, SetError> {
        let slot = &self.slots[shard];
        if let Some(table) = slot.table.load_full() {
            return Ok(Table::clone(&table));
        }
        let bytes = self.manifest.shards[shard].bytes;
        if let Some(most) = self.max_mapped_bytes {
            self.make_room(mapped, most.saturating_sub(bytes));
        }
        let table = match self.open(shard) {
            // Fewer mappings stay below a limit that this process has reached.
            Err(error) if error.lacks_room() => {
                self.make_room(mapped, 0);
                self.open(shard)?
            }
            other => other?,
        };
        slot.table.store(Some(Arc::new(table.clone())));
        mapped.bytes += bytes;
        mapped.shards.push(shard);
        self.mappings.fetch_add(1, Relaxed);
        Ok(table)
    }

    /// Lets shards go until no more than `most` bytes are mapped, the one that was used least
    /// recently first. Uses between two mappings count as one time.
    fn make_room(&self, mapped: &mut Mapped, most: u64) {
        while mapped.bytes > most {
            let used = |&at: &usize| self.slots[mapped.shards[at]].used.load(Relaxed);
            let Some(at) = (0..mapped.shards.len()).min_by_key(used) else { return };
            let shard = mapped.shards.swap_remove(at);
            self.slots[shard].table.store(None);
            mapped.bytes -= self.manifest.shards[shard].bytes;
        }
    }

    /// Maps shards and prepares them as the options say, so that no lookup has to: in their order,
    /// as far as the bound on mapped bytes and the room of the process go. Maps nothing if the
    /// options ask for nothing but mapping. Ends early when `go_on` breaks.
    pub(super) fn prepare(&self, go_on: &dyn Fn() -> ControlFlow<()>) -> Result<(), SetError> {
        if !self.options.prepares() {
            return Ok(());
        }
        let mut bytes = 0;
        for (number, shard) in self.manifest.shards.iter().enumerate() {
            bytes += shard.bytes;
            if self.max_mapped_bytes.is_some_and(|most| bytes > most) || go_on().is_break() {
                break;
            }
            self.table(number)?;
            if self.mapped_bytes() < bytes {
                // Another shard was let go for this one: the process has no more room.
                break;
            }
        }
        Ok(())
    }

    /// Whether a page of a mapped shard was lost. Costs two loads for each of them.
    pub(super) fn is_faulted(&self) -> bool {
        self.any_mapped(Table::is_faulted)
    }

    /// Whether clones or owned values of a mapped shard are in use.
    pub(super) fn is_in_use(&self) -> bool {
        self.any_mapped(Table::is_shared)
    }

    fn any_mapped(&self, is: fn(&Table) -> bool) -> bool {
        let of_slot = |&shard: &usize| self.slots[shard].table.load().as_deref().is_some_and(is);
        self.with_mapped(|mapped| mapped.shards.iter().any(of_slot))
    }

    /// Opens a shard and compares it with the manifest.
    pub(super) fn open(&self, shard: usize) -> Result<Table, SetError> {
        let expected = &self.manifest.shards[shard];
        let path = expected.path(&self.directory);
        let options = self.options.expect_build_id(expected.build_id);
        // SAFETY: the promise that `Shards::new` asks for covers every shard.
        let table = unsafe { options.open(&path) }?;
        let bytes = table.view().bytes().len() as u64;
        let end = |entry: Option<(&[u8], &[u8])>| entry.map(|(key, _)| key.to_vec());
        let what = if bytes != expected.bytes {
            format!("has {bytes} bytes, {} in the manifest", expected.bytes)
        } else if table.len() != expected.entries {
            format!("has {} entries, {} in the manifest", table.len(), expected.entries)
        } else if end(table.first()?) != expected.first_key {
            "has another first key than the manifest says".into()
        } else if end(table.last()?) != expected.last_key {
            "has another last key than the manifest says".into()
        } else {
            return Ok(table);
        };
        Err(SetError::Shard { path, what })
    }
}
