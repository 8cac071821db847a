//! Entries in memory: their bytes one after the other, and a slot of 16 bytes for each entry.
//! Sorting moves only the slots.

use super::entry::{ELSEWHERE, EntryParts, LENGTHS, REFERENCE, Visit};
use super::entry::{lengths, parts, reference, referred};
use super::memory::Memory;
use super::order;
use super::run::{Piece, Run};
use super::slot::{AHEAD, Slot, touch_all};
use crate::error::BuildError;
use crate::format::order::head;
use crate::write::scratch::{Scratch, Value};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::sync::Arc;

/// Entries in memory.
pub(super) struct Arena {
    limit: usize,
    memory: Memory,
    slots: Vec<Slot>,
    ascending: bool,
    /// The most bytes that entries and slots have taken each since their memory was allocated.
    high: (usize, usize),
}

/// Up to so many bytes, memory grows as it is needed. Beyond, room for all entries that may come is
/// reserved at once, so that they are moved only once.
const SMALL: usize = 16 << 20;

impl Arena {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, memory: Memory::new(), slots: Vec::new(), ascending: true, high: (0, 0) }
    }

    /// Bytes that entries and slots take.
    pub(super) fn used(&self) -> usize {
        self.memory.len() + self.slots.len() * size_of::<Slot>()
    }

    /// Number of entries.
    pub(super) fn entries(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Whether the entries are in order.
    pub(super) fn ascending(&self) -> bool {
        self.ascending
    }

    /// Whether an entry of so many bytes fits. An empty arena takes anything.
    #[inline]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.used() + LENGTHS + bytes + size_of::<Slot>() <= self.limit || self.slots.is_empty()
    }

    /// Adds an entry.
    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.push_slot(key, LENGTHS + key.len() + value.len());
        self.memory.append(&lengths(key.len(), value.len() as u32));
        self.memory.append(key);
        self.memory.append(value);
    }

    /// Adds an entry whose value, of `len` bytes, starts at `at` in the file for large values.
    pub(super) fn push_reference(&mut self, key: &[u8], at: u64, len: u32) {
        self.push_slot(key, LENGTHS + key.len() + REFERENCE);
        self.memory.append(&lengths(key.len(), ELSEWHERE));
        self.memory.append(key);
        self.memory.append(&reference(at, len));
    }

    #[inline]
    fn push_slot(&mut self, key: &[u8], len: usize) {
        if self.memory.room() < len {
            self.grow(len);
        }
        let slot = Slot { head: head(key), at: self.memory.len() as u64 };
        if self.ascending
            && let Some(last) = self.slots.last()
        {
            self.ascending = match last.head.cmp(&slot.head) {
                Ordering::Less => true,
                Ordering::Equal => self.key(last) <= key,
                Ordering::Greater => false,
            };
        }
        self.slots.push(slot);
    }

    /// Reserves memory for all entries that may come. Memory that is never touched costs nothing,
    /// and growing by copies would hold everything twice.
    #[cold]
    fn grow(&mut self, len: usize) {
        // While entries are moved they take twice the memory: up to 32 MiB, which a build may take
        // beyond its budget.
        if self.memory.len() < SMALL.min(self.limit / 4) {
            return;
        }
        let (bytes, slots) = (self.memory.len() + len, self.slots.len() + 1);
        let share = self.limit as f64 / (bytes + slots * size_of::<Slot>()) as f64;
        self.memory.reserve(self.limit.saturating_sub(self.memory.len()).max(len));
        let slots = (slots as f64 * share * 1.1) as usize;
        let _ = self.slots.try_reserve_exact(slots.saturating_sub(self.slots.len()));
    }

    #[inline]
    fn key(&self, slot: &Slot) -> &[u8] {
        let bytes = self.memory.bytes();
        &bytes[parts(bytes, slot.at as usize).key]
    }

    /// First and last key of sorted entries.
    pub(super) fn ends(&self) -> Option<(&[u8], &[u8])> {
        Some((self.key(self.slots.first()?), self.key(self.slots.last()?)))
    }

    /// Whether sorting divides itself among threads.
    pub(super) fn is_worth_threads(&self) -> bool {
        !self.ascending && self.slots.len() >= order::MANY
    }

    /// Sorts the entries; entries of equal keys keep their order.
    pub(super) fn sort(&mut self) {
        if !self.ascending {
            order::sort(self.memory.bytes(), &mut self.slots);
        }
        self.ascending = true;
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        let (bytes, slots) = (self.memory.len(), self.slots.len() * size_of::<Slot>());
        self.high = (self.high.0.max(bytes), self.high.1.max(slots));
        self.memory.clear();
        self.slots.clear();
        self.ascending = true;
        // Memory that was touched stays allocated. If entries took most of it once and slots
        // another time, both together would exceed the limit.
        if self.high.0 + self.high.1 > self.limit + self.limit / 16 {
            *self = Self::new(self.limit);
        }
    }

    /// Visits all entries in their order; `large` is the file for large values.
    pub(super) fn visit(
        &self,
        large: Option<&Arc<Scratch>>,
        visit: &mut Visit<'_>,
    ) -> Result<(), BuildError> {
        let bytes = self.memory.bytes();
        for slots in self.slots.chunks(AHEAD) {
            touch_all(bytes, slots);
            for slot in slots {
                let EntryParts { key, value, elsewhere } = parts(bytes, slot.at as usize);
                let key = &bytes[key];
                match large {
                    Some(file) if elsewhere => {
                        visit(key, Value::Stored(&referred(bytes, value.start, file)))?;
                    }
                    _ => visit(key, Value::Bytes(&bytes[value]))?,
                }
            }
        }
        Ok(())
    }

    /// Writes all entries in their order, a piece at the end of each of `files`. Each piece is
    /// written by a thread of its own. One file would not do: the system lets one thread at a time
    /// write to a file.
    pub(super) fn write(&self, files: &mut [(Arc<Scratch>, u64)]) -> Result<Run, BuildError> {
        let share = self.slots.len().div_ceil(files.len().max(1)).max(AHEAD);
        let pieces = self.slots.par_chunks(share).zip(files).map(|(slots, (file, end))| {
            let start = *end;
            *end = self.write_part(slots, file, start)?;
            Ok(Piece { file: Arc::clone(file), range: start..*end })
        });
        Ok(Run::Spilled(pieces.collect::<Result<_, BuildError>>()?))
    }

    fn write_part(&self, slots: &[Slot], file: &Scratch, start: u64) -> Result<u64, BuildError> {
        const PIECE: usize = 1 << 20;
        let (mut at, mut piece) = (start, Vec::with_capacity(PIECE));
        let bytes = self.memory.bytes();
        for slots in slots.chunks(AHEAD) {
            touch_all(bytes, slots);
            for slot in slots {
                let entry = slot.at as usize;
                let entry = &bytes[entry..parts(bytes, entry).value.end];
                if piece.len() + entry.len() > PIECE {
                    file.write(&piece, at)?;
                    at += piece.len() as u64;
                    piece.clear();
                }
                if entry.len() > PIECE {
                    file.write(entry, at)?;
                    at += entry.len() as u64;
                } else {
                    piece.extend_from_slice(entry);
                }
            }
        }
        file.write(&piece, at)?;
        Ok(at + piece.len() as u64)
    }
}
