//! The audit of packed keys and values: each one is decoded, and what the packing section and the hash
//! index say of them is compared.

use super::hashed::{budget, check_buckets};
use super::progress::Meter;
use crate::codec::ValueBuffer;
use crate::error::{OpenFailure, ReadError, ReadResult};
use crate::format::layout::HashLayout;
use crate::read::parallel::{check_pieces, threads};
use crate::read::place::LocatedPart;
use crate::read::view::View;
use crate::read::{Packing, Table};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Entries of a piece, at least.
const PIECE: u64 = 1024;
/// Pieces for each thread: some take longer than others.
const SHARE: usize = 16;

/// Bytes of entries between two reports.
const REPORT: usize = 1 << 20;

/// What was seen of all entries.
#[derive(Default)]
struct Seen {
    /// The buckets whose overflow bits are collected: all, unless the hash index is very large.
    numbers: Range<u64>,
    /// The overflow bits that each of these buckets must have, because of keys in their second bucket.
    overflow: Vec<AtomicU32>,
    key_bytes: AtomicU64,
    key_len_max: AtomicU64,
    value_bytes: AtomicU64,
    value_len_max: AtomicU64,
    as_they_are: AtomicU64,
    /// Keys in the first bucket of the hash index, in the second, and in none.
    first: AtomicU64,
    second: AtomicU64,
    set_aside: AtomicU64,
}

/// The audit of what is packed in a table.
pub(super) struct Packed<'t> {
    pub(super) table: &'t Table,
}

impl Packed<'_> {
    /// Decodes all keys and values, and finds the keys through the hash index. Returns the number of keys in
    /// their second bucket; 0 for a plain table, whose hash index is no matter of this.
    pub(super) fn check(self, meter: &Meter<'_>) -> ReadResult<u64> {
        let table = self.table;
        let view = table.view();
        let Some(span) = view.layout().packing else { return Ok(0) };
        let packing = match Packing::read(view) {
            Ok(Some(packing)) => packing,
            Ok(None) => return Ok(0),
            Err(OpenFailure::Damaged(failure)) => return Err(failure.into()),
            Err(_) => {
                let what = "values need a decoder that this library does not have, and";
                return Err(ReadError::corrupt(what, span.start as u64));
            }
        };
        let buckets = view.layout().hash_of_decoded.map_or(0, |index| index.buckets);
        let step = (budget() / size_of::<AtomicU32>() as u64).max(1);
        let mut numbers = 0..buckets.min(step);
        let seen = self.walk(&packing, meter, numbers.clone())?;
        let mut taken = seen.check_buckets(view, meter)?;
        while numbers.end < buckets {
            numbers = numbers.end..buckets.min(numbers.end + step);
            taken += self.walk(&packing, meter, numbers.clone())?.check_buckets(view, meter)?;
        }
        seen.compare(&packing, view, span.start as u64, taken)
    }

    /// Decodes all keys and values.
    fn walk(&self, packing: &Packing, meter: &Meter<'_>, numbers: Range<u64>) -> ReadResult<Seen> {
        let (table, view) = (self.table, self.table.view());
        let most = usize::try_from(table.len() / PIECE).unwrap_or(usize::MAX);
        let walks = table.split(most.clamp(1, SHARE * threads(most)));
        let seen = Seen::of(numbers);
        check_pieces(walks.len(), |piece| {
            let (mut buffer, mut codes) = (ValueBuffer::new(), Vec::new());
            let (mut last, mut read) = (None, 0);
            for entry in walks[piece].clone() {
                let (stored_key, stored) = entry?;
                let value = packing.value(view, stored, &mut buffer.value)?;
                seen.value_bytes.fetch_add(value.len() as u64, Relaxed);
                seen.value_len_max.fetch_max(value.len() as u64, Relaxed);
                seen.as_they_are.fetch_add(packing.is_as_it_is(stored).into(), Relaxed);
                let key = packing.key(view, stored_key, &mut buffer.key)?;
                seen.key_bytes.fetch_add(key.len() as u64, Relaxed);
                seen.key_len_max.fetch_max(key.len() as u64, Relaxed);
                if packing.stored_key(key, &mut codes) != stored_key {
                    let at = view.memory().offset_of(stored_key) as u64;
                    return Err(ReadError::corrupt("key has other codes than its own", at));
                }
                // Equal keys may be in two pieces: those that the piece before begins are its own.
                let repeated = last == Some(stored_key)
                    || last.is_none()
                        && view.layout().repeated_keys
                        && self.follows(stored_key, stored)?;
                if !repeated {
                    seen.note(packing, view, key, stored_key)?;
                }
                last = Some(stored_key);
                read += stored_key.len() + stored.len();
                if read >= REPORT {
                    meter.add(std::mem::take(&mut read))?;
                }
            }
            meter.add(read)
        })?;
        Ok(seen)
    }

    /// Whether an entry is not the first one of its key.
    fn follows(&self, stored_key: &[u8], stored: &[u8]) -> ReadResult<bool> {
        Ok(match self.table.ceil(stored_key)? {
            Some((_, first)) => !std::ptr::eq(first.as_ptr(), stored.as_ptr()),
            None => false,
        })
    }
}

impl Seen {
    fn of(numbers: Range<u64>) -> Self {
        let overflow = numbers.clone().map(|_| AtomicU32::new(0)).collect();
        Self { numbers, overflow, ..Self::default() }
    }

    /// Finds a key through the hash index.
    fn note(
        &self,
        packing: &Packing,
        view: &View,
        key: &[u8],
        stored_key: &[u8],
    ) -> ReadResult<()> {
        let Some(index) = &view.layout().hash_of_decoded else { return Ok(()) };
        let at = view.memory().offset_of(stored_key);
        let mut buckets = 0;
        let found = packing.locate(view, key, |part, _| {
            buckets += u32::from(part == LocatedPart::Bucket);
        })?;
        match found {
            Some(found) if found.parts.key().start == at => {
                if buckets > 1 {
                    self.second.fetch_add(1, Relaxed);
                    self.sends_on(index, index.hasher.hash(key));
                } else {
                    self.first.fetch_add(1, Relaxed);
                }
            }
            None if index.set_aside > 0 => {
                self.set_aside.fetch_add(1, Relaxed);
            }
            _ => return Err(ReadError::corrupt("index does not find the record", at as u64)),
        }
        Ok(())
    }

    /// Notes the overflow bit of a key in its second bucket.
    fn sends_on(&self, index: &HashLayout, hash: u64) {
        let place = index.shape.place(hash);
        let at = place.first.checked_sub(self.numbers.start);
        if let Some(bits) = at.and_then(|at| self.overflow.get(at as usize)) {
            bits.fetch_or(index.slots.overflow_bit(place.overflow), Relaxed);
        }
    }

    /// Checks the buckets whose overflow bits were collected. Returns their number of taken slots.
    fn check_buckets(&self, view: &View, meter: &Meter<'_>) -> ReadResult<u64> {
        let Some(index) = &view.layout().hash_of_decoded else { return Ok(0) };
        check_buckets(self.numbers.clone(), &self.overflow, index, view, meter)
    }

    /// Compares what was seen with what the table says, and the number of taken slots of its hash
    /// index.
    fn compare(&self, packing: &Packing, view: &View, at: u64, taken: u64) -> ReadResult<u64> {
        let block = packing.block;
        let right = self.key_bytes.load(Relaxed) == block.key_bytes.get()
            && self.key_len_max.load(Relaxed) == u64::from(block.key_len_max.get())
            && self.value_bytes.load(Relaxed) == block.value_bytes.get()
            && self.value_len_max.load(Relaxed) == u64::from(block.value_len_max.get())
            && self.as_they_are.load(Relaxed) == block.as_they_are.get();
        if !right {
            return Err(ReadError::corrupt("packing is wrong", at));
        }
        let (first, second) = (self.first.load(Relaxed), self.second.load(Relaxed));
        if let Some(index) = &view.layout().hash_of_decoded {
            let wrong = || ReadError::corrupt("hash index has other keys", index.span.start as u64);
            let counted = first + second == taken
                && self.set_aside.load(Relaxed) == index.set_aside
                && first + second + index.set_aside == view.layout().keys;
            if !counted {
                return Err(wrong());
            }
        }
        Ok(second)
    }
}
