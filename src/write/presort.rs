//! Entries that are sorted before it is known into which tables they go: those of a set. They are
//! sorted once, however many tables there are, and the memory budget is that of all of them.

use super::pool::Pool;
use super::progress::BuildPhase;
use super::scratch::{self, Value};
use super::settings::Settings;
use super::sort::Sorter;
use super::value_stream::ValueStream;
use crate::error::BuildError;
use crate::file::{check_space, target};
use crate::format::MAX_KEY;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Entries between two reports of progress.
const STEP: u64 = 1 << 16;

/// Collects entries and sorts them.
pub(crate) struct Presort {
    settings: Settings,
    sorter: Sorter,
    value_stream: ValueStream,
    /// A key behind the bytes that decide first.
    key: Vec<u8>,
    /// The last key, if ascending order was promised.
    last: Option<Vec<u8>>,
    entries: u64,
}

impl Presort {
    /// For tables of which `first` is the first one.
    pub(super) fn new(settings: &Settings, first: &Path) -> Result<Self, BuildError> {
        let settings = settings.clone().checked()?;
        if let Some(bytes) = settings.expected_bytes.filter(|_| !settings.may_shrink()) {
            check_space(first, bytes)?;
        }
        let beside = target::directory_of(first);
        let directory: Arc<Path> = settings.temp_dir.as_deref().unwrap_or(beside).into();
        scratch::check(&directory)?;
        let pool = Pool::new(settings.threads);
        let sorter = Sorter::new(settings.memory(), &directory, pool, settings.progress.clone());
        let value_stream = ValueStream::default();
        Ok(Self { settings, sorter, value_stream, key: Vec::new(), last: None, entries: 0 })
    }

    /// Adds an entry. Entries are sorted by `rank` first, of which all have the same length, up to
    /// four bytes; then by their keys. Equal keys keep their order.
    pub(crate) fn insert(
        &mut self,
        rank: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<(), BuildError> {
        self.accept(key)?;
        let entry = self.entries;
        if value.len() as u64 > self.settings.longest_value() {
            return Err(BuildError::ValueTooLong { len: value.len(), entry });
        }
        self.entries += 1;
        self.join(rank, key);
        self.sorter.push(&self.key, value)
    }

    /// Adds an entry whose value is read to its end, as
    /// [`Builder::insert_from`](super::Builder::insert_from) does.
    pub(crate) fn insert_from(
        &mut self,
        rank: &[u8],
        key: &[u8],
        value: &mut dyn Read,
    ) -> Result<(), BuildError> {
        self.accept(key)?;
        let entry = self.entries;
        self.entries += 1;
        self.join(rank, key);
        let begun = self.value_stream.begin(value);
        match begun.map_err(|source| BuildError::ValueReader { entry, source })? {
            Some(whole) => self.sorter.push(&self.key, whole),
            None => {
                let (file, at) = self.sorter.room()?;
                let most = self.settings.longest_value();
                let stored = self.value_stream.store(value, file, at, most, entry)?;
                self.sorter.push_stored(&self.key, stored.len)
            }
        }
    }

    /// Checks a key.
    fn accept(&mut self, key: &[u8]) -> Result<(), BuildError> {
        let entry = self.entries;
        if key.len() > MAX_KEY {
            return Err(BuildError::KeyTooLong { len: key.len(), entry });
        }
        if !self.settings.sorted {
            return Ok(());
        }
        if let Some(last) = &self.last
            && key < &last[..]
        {
            let (previous, key) = (last.clone(), key.to_vec());
            return Err(BuildError::OutOfOrder { previous, key, entry });
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    fn join(&mut self, rank: &[u8], key: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(rank);
        self.key.extend_from_slice(key);
    }

    /// Ends the input.
    pub(crate) fn close(mut self) -> Result<Sorted, BuildError> {
        self.sorter.close()?;
        let Self { settings, sorter, .. } = self;
        Ok(Sorted { settings, sorter })
    }
}

/// Sorted entries.
pub(crate) struct Sorted {
    settings: Settings,
    sorter: Sorter,
}

impl Sorted {
    /// Number of entries that tables will have: of distinct keys, if the duplicates policy leaves one
    /// entry of each. That may cost one more copy of what was spilled.
    pub(crate) fn count(&mut self) -> Result<u64, BuildError> {
        if !self.settings.duplicates.drops() {
            return Ok(self.sorter.entries());
        }
        let empty = self.sorter.emptied();
        let sorter = std::mem::replace(&mut self.sorter, empty);
        let (sorter, keys) = sorter.count_keys(self.settings.memory() / 2)?;
        self.sorter = sorter;
        Ok(keys)
    }

    /// Least bytes that the tables will take, as far as it is known.
    pub(crate) fn bytes(&self) -> u64 {
        if self.settings.duplicates.drops() { 0 } else { self.sorter.bytes() }
    }

    /// Bytes that reading takes of the memory budget, if there are runs.
    fn reading(&self) -> usize {
        if self.sorter.spilled() { self.settings.memory() / 4 } else { 0 }
    }

    /// Bytes of the memory budget that are left for tables while [`visit`](Self::visit) runs.
    pub(crate) fn memory_left(&self) -> usize {
        let taken = self.reading().saturating_add(self.sorter.used());
        self.settings.memory().saturating_sub(taken)
    }

    /// Hands all entries to `visit`, in order, with what they are sorted by before their keys.
    pub(crate) fn visit(
        self,
        visit: &mut dyn FnMut(&[u8], Value<'_>) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let (total, progress) = (self.sorter.entries(), self.settings.progress.clone());
        let reading = self.reading();
        let mut done = 0;
        self.sorter.visit(reading, &mut |key, value| {
            done += 1;
            if done % STEP == 1 {
                progress.tell(BuildPhase::Merge, done, total)?;
            }
            visit(key, value)
        })?;
        progress.tell(BuildPhase::Merge, total, total)
    }
}
