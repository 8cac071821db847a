//! The audit of the hash index: each key has its slot, and each slot its key.
//!
//! To follow each slot to its record would read the records in the order of hashes. Instead the
//! keys, which come by in their own order, are collected with their hashes; a batch is sorted by
//! hash, which is the order of the buckets, and goes through the index once. A slot refers to one
//! record only, so where each key has found a slot that refers to it, and there are no more slots
//! than that, each slot leads where it should.

use crate::error::{ReadError, ReadResult};
use crate::format::bucket::{BUCKET, MAX_EQUAL_TAGS};
use crate::format::layout::HashLayout;
use crate::format::sums::UNIT;
use crate::limits;
use crate::read::Table;
use crate::read::parallel::check_pieces;
use std::iter;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The buckets of some groups, and what the keys say of them. Very large indexes take several
/// rounds, so that this needs a bounded amount of memory.
pub(super) struct Buckets<'t> {
    table: &'t Table,
    hash: HashLayout,
    numbers: Range<u64>,
    /// For each bucket the overflow bits of the keys that stand in their second bucket.
    overflow: Vec<AtomicU32>,
    /// Batches that no thread has in hand.
    batches: Mutex<Vec<Batch>>,
    /// Keys in a full batch.
    full: usize,
    pub(super) counts: Counts,
}

/// Keys by what was found of them.
#[derive(Default)]
pub(super) struct Counts {
    /// In a slot.
    slots: AtomicU64,
    /// In a slot of their second bucket.
    pub(super) second: AtomicU64,
    /// In no slot, and found all the same.
    elsewhere: AtomicU64,
    /// Slots that are taken.
    taken: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, other: &Self) {
        for (sum, count) in [
            (&self.slots, &other.slots),
            (&self.second, &other.second),
            (&self.elsewhere, &other.elsewhere),
            (&self.taken, &other.taken),
        ] {
            sum.fetch_add(count.load(Relaxed), Relaxed);
        }
    }

    /// Whether all keys are there and nothing else.
    pub(super) fn fit(&self, keys: u64) -> bool {
        let slots = self.slots.load(Relaxed);
        slots == self.taken.load(Relaxed) && slots + self.elsewhere.load(Relaxed) == keys
    }
}

/// Hashes of keys, and what refers to their records.
pub(super) type Batch = Vec<(u64, u64)>;

/// Most bytes of all batches, and of the overflow bits of a round.
const MOST: u64 = 64 << 20;
/// Fewest, however short memory is.
const LEAST: u64 = 1 << 20;

fn budget() -> u64 {
    limits::recently_available_memory().map_or(MOST, |available| (available / 8).clamp(LEAST, MOST))
}

/// The buckets of each round: whole groups.
pub(super) fn rounds(hash: HashLayout) -> impl Iterator<Item = Range<u64>> {
    let per_group = u64::from(hash.shape.per_group).max(1);
    let groups = (budget() / size_of::<AtomicU32>() as u64 / per_group).max(1);
    let (step, buckets) = (groups * per_group, hash.buckets);
    let starts = iter::successors(Some(0), move |start: &u64| start.checked_add(step));
    starts
        .take_while(move |&start| start < buckets)
        .map(move |start| start..start.saturating_add(step).min(buckets))
}

impl<'t> Buckets<'t> {
    /// `threads`: how many fill batches at once.
    pub(super) fn new(
        table: &'t Table,
        hash: HashLayout,
        numbers: Range<u64>,
        threads: usize,
    ) -> Self {
        let overflow = (numbers.start..numbers.end).map(|_| AtomicU32::new(0)).collect();
        let full = budget() as usize / threads / size_of::<(u64, u64)>();
        let (batches, counts) = (Mutex::default(), Counts::default());
        Self { table, hash, numbers, overflow, batches, full, counts }
    }

    /// A batch to fill.
    pub(super) fn batch(&self) -> Batch {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes a batch back, full or not.
    pub(super) fn take(&self, batch: Batch) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    /// Adds the first record of a key. `reference`: what a slot says of it.
    pub(super) fn add(&self, batch: &mut Batch, key: &[u8], reference: u64) -> ReadResult<()> {
        let hash = self.hash.hasher.hash(key);
        if self.numbers.contains(&self.hash.first_bucket(hash)) {
            batch.push((hash, reference));
            if batch.len() >= self.full {
                self.look_up(batch)?;
            }
        }
        Ok(())
    }

    /// Goes through the index with a batch.
    fn look_up(&self, batch: &mut Batch) -> ReadResult<()> {
        batch.sort_unstable();
        let span = self.hash.span;
        // Of few keys each has a page of its own; more of them read the index as it stands.
        let dense = batch.len() > span.len() / UNIT;
        let (mut slots, mut second, mut asked) = (0, 0, 0);
        for &(hash, reference) in batch.iter() {
            let place = self.hash.shape.place(hash);
            let at = self.hash.bucket_start(place.first);
            if dense && at >= asked {
                const AHEAD: usize = 1 << 20;
                let from = asked.max(at);
                self.table.ask(from..(at + 2 * AHEAD).min(span.end));
                asked = at + AHEAD;
            }
            let held = self.hash.tails.with_tail(reference, hash);
            if self.holds(place.first, place.tag, held) {
                slots += 1;
            } else if self.holds(place.second, place.tag, held) {
                slots += 1;
                second += 1;
                let bit = self.hash.slots.overflow_bit(place.overflow);
                if let Some(bits) = self.overflow.get((place.first - self.numbers.start) as usize) {
                    bits.fetch_or(bit, Relaxed);
                }
            } else {
                self.find_elsewhere(reference)?;
            }
        }
        batch.clear();
        self.counts.slots.fetch_add(slots, Relaxed);
        self.counts.second.fetch_add(second, Relaxed);
        Ok(())
    }

    fn bucket(&self, number: u64) -> &'t [u8; BUCKET] {
        const NONE: [u8; BUCKET] = [0; BUCKET];
        let bytes = self.table.bytes().get(self.hash.bucket_start(number)..);
        bytes.and_then(|bytes| bytes.first_chunk()).unwrap_or(&NONE)
    }

    #[inline]
    fn holds(&self, number: u64, tag: u8, held: u64) -> bool {
        let (bucket, slots) = (self.bucket(number), self.hash.slots);
        (0..slots.count())
            .any(|slot| slots.tag(bucket, slot) == tag && slots.get(bucket, slot) == held)
    }

    /// A key that has no slot must be found in another way.
    #[cold]
    fn find_elsewhere(&self, reference: u64) -> ReadResult<()> {
        let (offset, key) = self.table.referred(reference)?;
        if self.table.first_record(key)? != Some(offset) {
            return Err(ReadError::corrupt("index does not find the record", offset as u64));
        }
        self.counts.elsewhere.fetch_add(1, Relaxed);
        Ok(())
    }

    /// After all keys: looks up those that still wait. Then compares the overflow bits, counts
    /// what is taken, and sees to it that unused slots are zero and tags not too often equal.
    pub(super) fn finish(&self) -> ReadResult<()> {
        let mut waiting = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let batches: Vec<_> = waiting.drain(..).map(Mutex::new).collect();
        drop(waiting);
        check_pieces(batches.len(), |piece| {
            self.look_up(&mut batches[piece].lock().unwrap_or_else(PoisonError::into_inner))
        })?;
        const STEP: u64 = (1 << 20) / BUCKET as u64;
        let Range { start, end } = self.numbers;
        check_pieces((end - start).div_ceil(STEP) as usize, |piece| {
            let first = start + piece as u64 * STEP;
            let numbers = first..(first + STEP).min(end);
            let bytes = |number| self.hash.bucket_start(number);
            self.table.ask(bytes(numbers.end)..bytes((numbers.end + STEP).min(end)));
            self.table.populate(bytes(first)..bytes(numbers.end))?;
            let mut taken = 0;
            for number in numbers {
                taken += self.check_bucket(number)?;
            }
            self.counts.taken.fetch_add(taken, Relaxed);
            Ok(())
        })
    }

    /// Returns the number of slots that are taken.
    fn check_bucket(&self, number: u64) -> ReadResult<u64> {
        let (bucket, slots) = (self.bucket(number), self.hash.slots);
        let bad = |what| ReadError::corrupt(what, self.hash.bucket_start(number) as u64);
        let mut seen = [0u8; 256];
        let mut taken = 0;
        for slot in 0..slots.count() {
            let tag = slots.tag(bucket, slot);
            if tag != 0 {
                taken += 1;
                seen[usize::from(tag)] += 1;
                if usize::from(seen[usize::from(tag)]) > MAX_EQUAL_TAGS {
                    return Err(bad("bucket has too many equal tags"));
                }
            } else if slots.get(bucket, slot) != 0 {
                return Err(bad("bucket does not fit its keys"));
            }
        }
        let expected = &self.overflow[(number - self.numbers.start) as usize];
        if slots.overflow_bits(bucket) != expected.load(Relaxed) {
            return Err(bad("bucket does not fit its keys"));
        }
        Ok(taken)
    }
}
