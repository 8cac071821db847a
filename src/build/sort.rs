//! Entries in any order in, ascending order out; equal keys keep their order of insertion.
//!
//! Entries are collected in an arena. When the arena reaches the memory budget it is sorted on all
//! threads and appended to a spill file as a run; at the end the runs are merged. Input that
//! arrives in order is noticed and not sorted.

use crate::error::BuildError;
use crate::format::order::head;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An entry in the arena: key, then value.
#[derive(Clone, Copy)]
struct Slot {
    /// First eight bytes of the key, which decide most comparisons without a cache miss.
    head: u64,
    at: usize,
    value_len: u32,
    key_len: u16,
}

/// Collects entries and gives them back in order.
pub(super) struct Sorter {
    budget: usize,
    directory: PathBuf,
    arena: Vec<u8>,
    slots: Vec<Slot>,
    bytes: u64,
    ascending: bool,
    spill: Option<Spill>,
    /// Threads to sort with, if not rayon's own.
    pool: Option<Arc<rayon::ThreadPool>>,
}

/// Where an entry goes, in ascending order.
pub(super) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<(), BuildError> + 'v;

impl Sorter {
    /// `directory` is where runs are spilled to.
    pub(super) fn new(budget: u64, directory: &Path, pool: Option<Arc<rayon::ThreadPool>>) -> Self {
        Self {
            budget: usize::try_from(budget).unwrap_or(usize::MAX),
            directory: directory.to_owned(),
            arena: Vec::new(),
            slots: Vec::new(),
            bytes: 0,
            ascending: true,
            spill: None,
            pool,
        }
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let used = self.arena.len() + self.slots.len() * size_of::<Slot>();
        if used + key.len() + value.len() + size_of::<Slot>() > self.budget && used > 0 {
            self.spill()?;
        }
        let slot = Slot {
            head: head(key),
            at: self.arena.len(),
            value_len: value.len() as u32,
            key_len: key.len() as u16,
        };
        if self.ascending
            && let Some(last) = self.slots.last()
        {
            self.ascending = match last.head.cmp(&slot.head) {
                Ordering::Less => true,
                Ordering::Equal => self.key(last) <= key,
                Ordering::Greater => false,
            };
        }
        self.bytes += (key.len() + value.len()) as u64;
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(value);
        self.slots.push(slot);
        Ok(())
    }

    /// Bytes of all keys and values so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        &self.arena[slot.at..slot.at + usize::from(slot.key_len)]
    }

    fn value(&self, slot: &Slot) -> &[u8] {
        let at = slot.at + usize::from(slot.key_len);
        &self.arena[at..at + slot.value_len as usize]
    }

    fn sort(&mut self) {
        if std::mem::replace(&mut self.ascending, true) {
            return;
        }
        let arena = &self.arena;
        let key = |slot: &Slot| &arena[slot.at..slot.at + usize::from(slot.key_len)];
        // The place in the arena is the order of insertion. Entries without any byte share their
        // place with the next one, which is the only one of them that can have a value.
        let slots = &mut self.slots;
        let mut sort = || {
            slots.par_sort_unstable_by(|a, b| {
                let order = a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b)));
                order.then(a.at.cmp(&b.at)).then(a.value_len.cmp(&b.value_len))
            })
        };
        match &self.pool {
            Some(pool) => pool.install(sort),
            None => sort(),
        }
    }

    fn spill(&mut self) -> Result<(), BuildError> {
        self.sort();
        let mut spill = match self.spill.take() {
            Some(spill) => spill,
            None => Spill::create(&self.directory)?,
        };
        spill.append(self.slots.iter().map(|slot| (self.key(slot), self.value(slot))))?;
        self.spill = Some(spill);
        self.arena.clear();
        self.slots.clear();
        Ok(())
    }

    /// Visits all entries in order.
    pub(super) fn visit(mut self, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        if self.spill.is_some() {
            self.spill()?;
        }
        match self.spill.take() {
            Some(spill) => {
                let budget = self.budget;
                drop(self);
                spill.merge(budget, visit)
            }
            None => {
                self.sort();
                self.slots.iter().try_for_each(|slot| visit(self.key(slot), self.value(slot)))
            }
        }
    }
}

/// Sorted runs, one after the other in one unnamed file.
struct Spill {
    file: BufWriter<File>,
    directory: PathBuf,
    runs: Vec<std::ops::Range<u64>>,
    end: u64,
}

/// Bytes before an entry in a run: key length, value length.
const ENTRY_HEADER: usize = 8;

impl Spill {
    fn create(directory: &Path) -> Result<Self, BuildError> {
        let file = tempfile::tempfile_in(directory)
            .map_err(|e| BuildError::io("create a spill file", directory, 0, e))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Self { file, directory: directory.to_owned(), runs: Vec::new(), end: 0 })
    }

    fn append<'e>(
        &mut self,
        entries: impl Iterator<Item = (&'e [u8], &'e [u8])>,
    ) -> Result<(), BuildError> {
        let start = self.end;
        let write = || -> io::Result<()> {
            for (key, value) in entries {
                self.file.write_all(&(key.len() as u32).to_le_bytes())?;
                self.file.write_all(&(value.len() as u32).to_le_bytes())?;
                self.file.write_all(key)?;
                self.file.write_all(value)?;
                self.end += (ENTRY_HEADER + key.len() + value.len()) as u64;
            }
            self.file.flush()
        };
        write().map_err(|e| BuildError::io("write a sorted run", &self.directory, start, e))?;
        self.runs.push(start..self.end);
        Ok(())
    }

    /// Merges the runs; ties go to the earlier run, which holds the earlier insertions.
    fn merge(self, budget: usize, visit: &mut Visit<'_>) -> Result<(), BuildError> {
        const LEAST: usize = 4 << 10;
        const MOST: usize = 4 << 20;
        let failed = |e| BuildError::io("read a sorted run", &self.directory, 0, e);
        let buffer = (budget / self.runs.len().max(1)).clamp(LEAST, MOST);
        let mut file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        let mut heap = BinaryHeap::with_capacity(self.runs.len());
        for (number, run) in self.runs.iter().enumerate() {
            let mut run = Run {
                number,
                next: run.start,
                end: run.end,
                buffer: Vec::new(),
                at: 0,
                capacity: buffer,
                key_len: 0,
                value_len: 0,
            };
            if run.advance(&mut file).map_err(failed)? {
                heap.push(run);
            }
        }
        while let Some(mut run) = heap.peek_mut() {
            visit(run.key(), run.value())?;
            if !run.advance(&mut file).map_err(failed)? {
                std::collections::binary_heap::PeekMut::pop(run);
            }
        }
        Ok(())
    }
}

/// A run that is being read.
struct Run {
    number: usize,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Where the current entry's key starts in the buffer.
    at: usize,
    capacity: usize,
    key_len: usize,
    value_len: usize,
}

impl Run {
    fn key(&self) -> &[u8] {
        &self.buffer[self.at..self.at + self.key_len]
    }

    fn value(&self) -> &[u8] {
        let at = self.at + self.key_len;
        &self.buffer[at..at + self.value_len]
    }

    /// Moves to the next entry; false at the end of the run.
    fn advance(&mut self, file: &mut File) -> io::Result<bool> {
        self.at += self.key_len + self.value_len;
        (self.key_len, self.value_len) = (0, 0);
        if self.at == self.buffer.len() && self.next == self.end {
            return Ok(false);
        }
        self.fill(ENTRY_HEADER, file)?;
        let length =
            |at: usize| crate::format::u32_at(&self.buffer, at).map_or(0, |length| length as usize);
        let (key_len, value_len) = (length(self.at), length(self.at + 4));
        self.at += ENTRY_HEADER;
        self.fill(key_len + value_len, file)?;
        (self.key_len, self.value_len) = (key_len, value_len);
        Ok(true)
    }

    /// Makes `needed` bytes available at `at`.
    fn fill(&mut self, needed: usize, file: &mut File) -> io::Result<()> {
        let have = self.buffer.len() - self.at;
        if have >= needed {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let more = (needed - have).max(self.capacity).min(left);
        self.buffer.resize(have + more, 0);
        file.seek(SeekFrom::Start(self.next))?;
        file.read_exact(&mut self.buffer[have..])?;
        self.next += more as u64;
        if have + more < needed {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// A max-heap gives the greatest first, so the smallest key is made the greatest.
impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(self.key()).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Run {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spilled or not, the order is that of a stable sort by key.
    #[test]
    fn order_is_that_of_a_stable_sort() {
        let directory = tempfile::tempdir().unwrap();
        for budget in [1usize, 200, 5_000, 1 << 20] {
            for n in [0u32, 1, 2, 500] {
                let mut entries: Vec<(Vec<u8>, Vec<u8>)> = (0..n)
                    .map(|i| {
                        let key = (i.wrapping_mul(0x9E37_79B1) >> 24).to_string().into_bytes();
                        (key, vec![b'v'; (i % 70) as usize])
                    })
                    .collect();
                let mut sorter = Sorter::new(budget as u64, directory.path(), None);
                for (key, value) in &entries {
                    sorter.push(key, value).unwrap();
                }
                let mut sorted = Vec::new();
                let mut collect = |key: &[u8], value: &[u8]| {
                    sorted.push((key.to_vec(), value.to_vec()));
                    Ok(())
                };
                sorter.visit(&mut collect).unwrap();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                assert!(entries == sorted, "budget {budget}, {n} entries");
            }
        }
    }
}
