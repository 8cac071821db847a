//! The shards of an open set: mapped when first used, let go when others need the room.

#![expect(
    unsafe_code,
    reason = "shards are mapped later under the promise made when the set opens"
)]

use super::shard::{Range, ShardTable};
use crate::error::{OpenFailure, ReadError, ReadResult, SetError};
use crate::manifest::partition::{Starts, hash_shard};
use crate::manifest::{Manifest, Partition};
use crate::read::OpenOptions;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// The shards of a set.
pub(super) struct Shards<T> {
    pub(super) manifest: Manifest,
    /// The directory of the set's version.
    pub(super) directory: PathBuf,
    starts: Starts,
    /// Entries of all shards before each shard, and of all shards.
    before: Vec<u64>,
    options: OpenOptions,
    max_mapped_bytes: Option<u64>,
    slots: Box<[Slot<T>]>,
    mapped: ArcSwap<Guarded>,
    /// Number of mappings that were made: the time by which uses are told apart.
    mappings: AtomicU64,
    /// The manifest's file, whose lock keeps the version from being pruned.
    _held: File,
}

/// An entry of a shard.
type Entry<T> = (<T as ShardTable>::Key, <T as ShardTable>::Value);

/// The place of a shard.
struct Slot<T> {
    table: ArcSwapOption<T>,
    /// The number of mappings that had been made when the shard was used last. Kept only under a
    /// bound.
    used: AtomicU64,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self { table: ArcSwapOption::empty(), used: AtomicU64::new(0) }
    }
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

impl<T: ShardTable> Shards<T> {
    /// The shards of a manifest, none of them mapped; an error if one of them is of another kind.
    ///
    /// # Safety
    /// The promise of [`Table::open`](crate::Table::open) holds for every shard, for as long as the set
    /// or a part of a shard is in use.
    pub(super) unsafe fn new(
        (manifest, held): (Manifest, File),
        directory: PathBuf,
        options: OpenOptions,
        max_mapped_bytes: Option<u64>,
    ) -> Result<Self, SetError> {
        if let Some(packed) = manifest.shards.iter().find(|shard| shard.packed && !T::PACKED) {
            let failure = OpenFailure::IsPacked { codec: None };
            return Err(failure.at(&packed.path(&directory)).into());
        }
        let mut before = Vec::with_capacity(manifest.shards.len() + 1);
        before.push(0);
        before.extend(manifest.shards.iter().scan(0, |sum, shard| {
            *sum += shard.entries;
            Some(*sum)
        }));
        Ok(Self {
            starts: match manifest.partition {
                Partition::Range => Starts::of(&manifest.shards),
                Partition::Hash => Starts::of(&[]),
            },
            before,
            options: options.allow_packed(T::PACKED),
            max_mapped_bytes,
            slots: manifest.shards.iter().map(|_| Slot::new()).collect(),
            mapped: ArcSwap::from_pointee(Guarded::new(Mapped::default())),
            mappings: AtomicU64::new(0),
            _held: held,
            directory,
            manifest,
        })
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
    fn before(&self, shard: usize) -> u64 {
        self.before[shard]
    }

    /// The shard with the entry of this rank, in a set of range shards.
    fn of_rank(&self, rank: u64) -> Option<usize> {
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
    pub(super) fn ask<A>(
        &self,
        shard: usize,
        ask: impl FnOnce(&T) -> Result<A, ReadError>,
    ) -> Result<A, SetError> {
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

    /// Asks the only shard that may have `key`; the default answer if none may.
    #[inline]
    pub(super) fn ask_for<A: Default>(
        &self,
        key: &[u8],
        ask: impl FnOnce(&T) -> ReadResult<A>,
    ) -> Result<A, SetError> {
        match self.of_key(key) {
            Some(shard) => self.ask(shard, ask),
            None => Ok(A::default()),
        }
    }

    /// A shard as a table.
    pub(super) fn table(&self, shard: usize) -> Result<T, SetError> {
        self.ask(shard, |table| Ok(table.clone()))
    }

    /// Bytes of the shards that are mapped by the set.
    pub(super) fn mapped_bytes(&self) -> u64 {
        self.with_mapped(|mapped| mapped.bytes)
    }

    /// Hands the list of what is mapped to `work`, under its lock.
    fn with_mapped<A>(&self, work: impl FnOnce(&mut Mapped) -> A) -> A {
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
    fn map(&self, shard: usize) -> Result<T, SetError> {
        self.with_mapped(|mapped| self.map_beside(mapped, shard))
    }

    /// Maps a shard, beside those that are mapped.
    fn map_beside(&self, mapped: &mut Mapped, shard: usize) -> Result<T, SetError> {
        let slot = &self.slots[shard];
        if let Some(table) = slot.table.load_full() {
            return Ok(T::clone(&table));
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
        self.any_mapped(|shard| shard.stored().is_faulted())
    }

    /// Whether clones or owned values of a mapped shard are in use.
    pub(super) fn is_in_use(&self) -> bool {
        self.any_mapped(T::is_shared)
    }

    fn any_mapped(&self, is: fn(&T) -> bool) -> bool {
        let of_slot = |&shard: &usize| self.slots[shard].table.load().as_deref().is_some_and(is);
        self.with_mapped(|mapped| mapped.shards.iter().any(of_slot))
    }

    /// Opens a shard and compares it with the manifest.
    pub(super) fn open(&self, shard: usize) -> Result<T, SetError> {
        let expected = &self.manifest.shards[shard];
        let path = expected.path(&self.directory);
        let options = self.options.expect_build_id(expected.build_id);
        // SAFETY: the promise that `Shards::new` asks for covers every shard.
        let shard = T::of(unsafe { options.open(&path) }?)?;
        let table = shard.stored();
        let (layout, mut room) = (table.view().layout(), Vec::new());
        let mut end = |entry: Option<(&[u8], &[u8])>| -> ReadResult<Option<Vec<u8>>> {
            entry.map(|(key, _)| Ok(shard.key(key, &mut room)?.to_vec())).transpose()
        };
        let what = if layout.file_len as u64 != expected.bytes {
            format!("has {} bytes, {} in the manifest", layout.file_len, expected.bytes)
        } else if table.len() != expected.entries {
            format!("has {} entries, {} in the manifest", table.len(), expected.entries)
        } else if layout.packing.is_some() != expected.packed {
            let kind = |packed| if packed { "packed" } else { "plain" };
            let (is, said) = (kind(!expected.packed), kind(expected.packed));
            format!("is a {is} table, a {said} one in the manifest")
        } else if end(table.first()?)? != expected.first_key {
            "has another first key than the manifest says".into()
        } else if end(table.last()?)? != expected.last_key {
            "has another last key than the manifest says".into()
        } else {
            return Ok(shard);
        };
        Err(SetError::Shard { path, what })
    }

    /// The last entry of all shards whose key is not greater than `key`.
    pub(super) fn floor(&self, key: &[u8]) -> Result<Option<Entry<T>>, SetError> {
        if self.is_hashed() {
            let floors = self.entries_of_all(|shard| shard.floor(key))?;
            // Equal keys are in one shard, so the largest key decides.
            return Ok(floors.into_iter().max_by(|a, b| a.0.cmp(&b.0)));
        }
        match self.last_from_below(key) {
            Some(shard) => self.ask(shard, |shard| shard.floor(key)),
            None => Ok(None),
        }
    }

    /// The first entry of all shards whose key is not smaller than `key`.
    pub(super) fn ceil(&self, key: &[u8]) -> Result<Option<Entry<T>>, SetError> {
        if self.is_hashed() {
            let ceils = self.entries_of_all(|shard| shard.ceil(key))?;
            return Ok(ceils.into_iter().min_by(|a, b| a.0.cmp(&b.0)));
        }
        match self.first_up_to(key) {
            shard if shard < self.len() => self.ask(shard, |shard| shard.ceil(key)),
            _ => Ok(None),
        }
    }

    /// The entry that each shard answers with.
    fn entries_of_all(
        &self,
        ask: impl Fn(&T) -> ReadResult<Option<Entry<T>>>,
    ) -> Result<Vec<Entry<T>>, SetError> {
        (0..self.len()).filter_map(|shard| self.ask(shard, &ask).transpose()).collect()
    }

    /// The entry with `rank` entries before it.
    pub(super) fn nth(&self, rank: u64) -> Result<Option<Entry<T>>, SetError> {
        if self.is_hashed() {
            let what = "a set of hash shards finds no entry by its rank: walk it, or write it anew \
                        with range shards";
            return Err(SetError::Unsupported { path: self.directory.clone(), what });
        }
        match self.of_rank(rank) {
            Some(shard) => self.ask(shard, |table| table.nth(rank - self.before(shard))),
            None => Ok(None),
        }
    }

    /// Number of entries with keys within a range.
    pub(super) fn count(&self, (lower, upper): Range<'_>) -> Result<u64, SetError> {
        let before = match lower {
            Bound::Unbounded => 0,
            Bound::Included(key) => self.up_to(Bound::Excluded(key))?,
            Bound::Excluded(key) => self.up_to(Bound::Included(key))?,
        };
        Ok(self.up_to(upper)?.saturating_sub(before))
    }

    /// Number of entries up to the end of a range.
    pub(super) fn up_to(&self, upper: Bound<&[u8]>) -> Result<u64, SetError> {
        let (Bound::Included(key) | Bound::Excluded(key)) = upper else {
            return Ok(self.manifest.entries);
        };
        let range = (Bound::Unbounded, upper);
        if self.is_hashed() {
            let shards = 0..self.len();
            return shards.map(|shard| self.ask(shard, |table| table.count(range))).sum();
        }
        match self.last_from_below(key) {
            Some(shard) => {
                let inside = self.ask(shard, |table| table.count(range))?;
                Ok(self.before(shard) + inside)
            }
            None => Ok(0),
        }
    }
}
