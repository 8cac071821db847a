//! Entries in memory: their bytes one after the other, and a slot of 16 bytes for each, which is
//! all that is moved when they are sorted.
//!
//! An entry is `key length u16 | value length u32 | key | value`, in a run on disk too. A value
//! length of all ones says that the value stands in the file for large values: its place (u64) and
//! length (u32) are in its stead.

use super::memory::Memory;
use super::run::{Piece, Run};
use super::{Visit, order, stored};
use crate::build::scratch::{Scratch, Value};
use crate::error::BuildError;
use crate::format::order::head;
use crate::format::{u16_at, u32_at, u64_at};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Bytes before a key.
pub(super) const LENGTHS: usize = 6;
/// In the place of a value that is not here.
pub(super) const REFERENCE: usize = 12;
/// The value length that says so, which no value has that is here.
pub(super) const ELSEWHERE: u32 = u32::MAX;

/// An entry in the arena.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// Eight bytes of the key, which decide most comparisons without a cache miss.
    pub(super) head: u64,
    /// Where it starts, which is also the order of insertion.
    pub(super) at: u64,
}

/// The parts of an entry.
pub(super) struct Parts {
    pub(super) key: Range<usize>,
    /// The value's bytes, or the reference to them.
    pub(super) value: Range<usize>,
    pub(super) elsewhere: bool,
}

/// The parts of the entry at `at`; beyond the end of `bytes`, where its lengths are not there.
#[inline]
pub(super) fn parts(bytes: &[u8], at: usize) -> Parts {
    let key_len = u16_at(bytes, at).map_or(usize::MAX >> 2, usize::from);
    let value_len = u32_at(bytes, at + 2).unwrap_or(0);
    let elsewhere = value_len == ELSEWHERE;
    let len = if elsewhere { REFERENCE } else { value_len as usize };
    let key = at + LENGTHS;
    let value = key + key_len;
    Parts { key: key..value, value: value..value + len, elsewhere }
}

/// Where a value is that is not here.
pub(super) fn reference(bytes: &[u8], at: usize) -> (u64, u32) {
    (u64_at(bytes, at).unwrap_or(u64::MAX), u32_at(bytes, at + 8).unwrap_or(0))
}

/// Entries asked for at once.
pub(super) const AHEAD: usize = 32;
/// Bytes of a cache line, and lines of an entry that are asked for.
const LINE: usize = 64;
const LINES: usize = 8;

/// Entries in memory.
pub(super) struct Arena {
    limit: usize,
    memory: Memory,
    slots: Vec<Slot>,
    ascending: bool,
    /// The most that each has held since their memory was taken.
    high: (usize, usize),
}

/// Bytes up to which memory is taken as it is needed; then at once: it moves there and never again.
const SMALL: usize = 16 << 20;

impl Arena {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, memory: Memory::new(), slots: Vec::new(), ascending: true, high: (0, 0) }
    }

    pub(super) fn used(&self) -> usize {
        self.memory.len() + self.slots.len() * size_of::<Slot>()
    }

    pub(super) fn entries(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn ascending(&self) -> bool {
        self.ascending
    }

    /// Whether an entry of so many bytes fits. An empty arena takes anything.
    #[inline]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.used() + LENGTHS + bytes + size_of::<Slot>() <= self.limit || self.slots.is_empty()
    }

    #[inline]
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.push_slot(key, LENGTHS + key.len() + value.len());
        self.memory.append(&(key.len() as u16).to_le_bytes());
        self.memory.append(&(value.len() as u32).to_le_bytes());
        self.memory.append(key);
        self.memory.append(value);
    }

    pub(super) fn push_reference(&mut self, key: &[u8], at: u64, len: u32) {
        self.push_slot(key, LENGTHS + key.len() + REFERENCE);
        self.memory.append(&(key.len() as u16).to_le_bytes());
        self.memory.append(&ELSEWHERE.to_le_bytes());
        self.memory.append(key);
        self.memory.append(&at.to_le_bytes());
        self.memory.append(&len.to_le_bytes());
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

    /// Takes memory for all that may come: what is never touched costs nothing, and growing by
    /// copies would hold everything twice.
    #[cold]
    fn grow(&mut self, len: usize) {
        // What moves is there twice for a moment: up to 32 MiB, which a build may take beyond its
        // budget.
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
        // Memory that held bytes once and slots another time would count twice.
        if self.high.0 + self.high.1 > self.limit + self.limit / 16 {
            *self = Self::new(self.limit);
        }
    }

    /// Visits all entries in their order; `large` has the values that are elsewhere.
    pub(super) fn visit(
        &self,
        large: Option<&Arc<Scratch>>,
        visit: &mut Visit<'_>,
    ) -> Result<(), BuildError> {
        let bytes = self.memory.bytes();
        for slots in self.slots.chunks(AHEAD) {
            touch_all(bytes, slots);
            for slot in slots {
                let Parts { key, value, elsewhere } = parts(bytes, slot.at as usize);
                let key = &bytes[key];
                match large {
                    Some(file) if elsewhere => {
                        let (at, len) = reference(bytes, value.start);
                        visit(key, Value::Stored(&stored(file, at, len)))?;
                    }
                    _ => visit(key, Value::Bytes(&bytes[value]))?,
                }
            }
        }
        Ok(())
    }

    /// Writes all entries in their order, a piece at the end of each of `files`. The threads of
    /// rayon write a part each: a file is written by one at a time, so one file would hold all
    /// others up.
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

/// Asks for a byte of each entry that is needed soon, all at once: they are spread over the whole
/// memory, and one after the other each would be waited for.
pub(super) fn touch(bytes: &[u8], slots: &[Slot], offset: usize) {
    let mut sum = 0;
    for slot in slots {
        sum ^= bytes.get(slot.at as usize + offset).copied().unwrap_or(0);
    }
    std::hint::black_box(sum);
}

/// The same for all lines of the entries, or the first ones of long entries. The first two of each
/// do not wait for its lengths.
fn touch_all(bytes: &[u8], slots: &[Slot]) {
    touch(bytes, slots, 0);
    touch(bytes, slots, LINE);
    let mut sum = 0;
    for slot in slots {
        let at = slot.at as usize;
        let last = parts(bytes, at).value.end.saturating_sub(1);
        for line in 2..LINES {
            let byte = at + line * LINE;
            sum ^= bytes.get(byte.min(last)).copied().unwrap_or(0);
            if byte >= last {
                break;
            }
        }
    }
    std::hint::black_box(sum);
}
