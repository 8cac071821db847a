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
use std::iter;
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
        // Each round sees all entries.
        let (mut seen, mut taken) = (Seen::default(), 0);
        for numbers in rounds(buckets, budget()) {
            seen = self.walk(&packing, meter, numbers)?;
            taken += seen.check_buckets(view, meter)?;
        }
        seen.compare(&packing, view, span.start as u64, taken)
    }

    /// Decodes all keys and values.
    fn walk(&self, packing: &Packing, meter: &Meter<'_>, numbers: Range<u64>) -> ReadResult<Seen> {
        let (table, view) = (self.table, self.table.view());
        let walks = table.split(pieces(table.len()));
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

/// The buckets of each round, at least one, so that their overflow bits take no more than so many bytes.
fn rounds(buckets: u64, bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let step = (bytes / size_of::<AtomicU32>() as u64).max(1);
    let from = move |start: u64| start..buckets.min(start.saturating_add(step));
    iter::successors(Some(from(0)), move |last| (last.end < buckets).then(|| from(last.end)))
}

/// How many pieces so many entries are divided into.
fn pieces(entries: u64) -> usize {
    let most = usize::try_from(entries / PIECE).unwrap_or(usize::MAX);
    most.clamp(1, SHARE * threads(most))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildOptions, HashIndex, OpenOptions, VerifyProgress};
    use std::sync::Mutex;

    /// A table whose keys are encoded, with a hash index. All values have so many bytes.
    fn table(keys: impl Iterator<Item = Vec<u8>>, value: usize) -> Table {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
        let entries = keys.map(|key| (key, vec![b'v'; value]));
        options.compact_keys(true).build(&path, entries).unwrap();
        let table = OpenOptions::new().allow_packed(true).load(&path).unwrap();
        assert!(table.view().layout().hash_of_decoded.is_some());
        table
    }

    fn page(i: u64) -> Vec<u8> {
        format!("https://example.org/page/{i:04}").into_bytes()
    }

    /// The first eight bytes of these keys multiply the rest by zero, so all have one hash.
    fn of_one_hash(i: u64) -> Vec<u8> {
        [0xA076_1D64_78BD_642F_u64.to_le_bytes(), i.to_be_bytes()].concat()
    }

    fn packing(table: &Table) -> Packing {
        Packing::read(table.view()).unwrap().unwrap()
    }

    /// What an audit finds, and how many bytes of entries it has reported after each report.
    fn audited<T>(
        table: &Table,
        audit: impl FnOnce(Packed<'_>, &Meter<'_>) -> ReadResult<T>,
    ) -> (ReadResult<T>, Vec<u64>) {
        let reports = Mutex::new(Vec::new());
        let report = |progress: VerifyProgress| -> ReadResult<()> {
            reports.lock().unwrap().push(progress.done);
            Ok(())
        };
        let found = audit(Packed { table }, &Meter::new(&report, table.view().layout(), 1));
        (found, reports.into_inner().unwrap())
    }

    #[test]
    fn rounds_have_all_buckets_once_and_there_is_one_at_least() {
        let ends = |buckets, bytes| {
            let rounds = rounds(buckets, bytes).map(|numbers| (numbers.start, numbers.end));
            rounds.collect::<Vec<_>>()
        };
        assert_eq!(ends(0, 16), [(0, 0)]);
        assert_eq!(ends(5, 1 << 20), [(0, 5)]);
        assert_eq!(ends(8, 16), [(0, 4), (4, 8)]);
        assert_eq!(ends(10, 19), [(0, 4), (4, 8), (8, 10)]);
        assert_eq!(ends(2, 3), [(0, 1), (1, 2)]);
    }

    #[test]
    fn pieces_have_1024_entries_or_are_16_for_each_thread() {
        assert_eq!([0, 1023, 2047, 5 * 1024, 16 * 1024].map(pieces), [1, 1, 1, 5, 16]);
        assert_eq!(pieces(1 << 40), 16 * threads(1 << 30));
    }

    #[test]
    fn every_key_is_found_whatever_the_pieces_and_rounds() {
        let table = table((0..5000).map(page), 5);
        let index = table.stats().unwrap().hash_index.unwrap();
        let checked = audited(&table, |audit, meter| audit.check(meter)).0;
        assert_eq!(checked, Ok(index.second_bucket_keys));
        let (packing, view) = (packing(&table), table.view());
        for bytes in [4 * index.buckets, 2 * index.buckets, index.buckets] {
            let compared = audited(&table, |audit, meter| {
                let (mut seen, mut taken) = (Seen::default(), 0);
                for numbers in rounds(index.buckets, bytes) {
                    seen = audit.walk(&packing, meter, numbers)?;
                    taken += seen.check_buckets(view, meter)?;
                }
                seen.compare(&packing, view, 0, taken)
            });
            assert_eq!(compared.0, Ok(index.second_bucket_keys), "{bytes} bytes");
        }
    }

    #[test]
    fn keys_that_are_set_aside_are_counted() {
        let table = table((0..1000).map(of_one_hash), 5);
        assert_eq!(table.view().layout().hash_of_decoded.unwrap().set_aside, 999);
        assert_eq!(audited(&table, |audit, meter| audit.check(meter)).0, Ok(0));
    }

    #[test]
    fn the_index_must_lead_to_the_very_record() {
        let table = table((0..1000).map(page), 5);
        let (packing, view) = (packing(&table), table.view());
        let [first, second] = [0, 1].map(|rank| table.nth(rank).unwrap().unwrap().0);
        let seen = Seen::of(0..0);
        let lost = |stored: &[u8]| -> ReadResult<()> {
            let at = view.memory().offset_of(stored) as u64;
            Err(ReadError::corrupt("index does not find the record", at))
        };
        assert_eq!(seen.note(&packing, view, &page(0), first), Ok(()));
        assert_eq!(seen.note(&packing, view, &page(0), second), lost(second));
        // No key is set aside.
        assert_eq!(seen.note(&packing, view, b"absent", first), lost(first));
    }

    #[test]
    fn keys_are_counted_by_where_they_were_found() {
        let table = table((0..1000).map(page), 5);
        let (packing, view) = (packing(&table), table.view());
        let index = view.layout().hash_of_decoded.unwrap();
        let compare = |first: u64, set_aside: u64, taken: u64| {
            let walked = audited(&table, |audit, meter| audit.walk(&packing, meter, 0..0));
            let seen = walked.0.unwrap();
            seen.first.fetch_add(first, Relaxed);
            seen.set_aside.fetch_add(set_aside, Relaxed);
            seen.compare(&packing, view, 0, 1000 + taken).map(|_| ())
        };
        let wrong = ReadError::corrupt("hash index has other keys", index.span.start as u64);
        assert_eq!(compare(0, 0, 0), Ok(()));
        assert_eq!(compare(0, 0, 1), Err(wrong.clone()), "a slot without a key");
        assert_eq!(compare(0, 1, 0), Err(wrong.clone()), "one more is set aside");
        assert_eq!(compare(1, 0, 1), Err(wrong), "one more in a slot");
    }

    /// A piece reports after each mebibyte and at its end.
    #[test]
    fn stored_bytes_are_reported() {
        for (value, reports) in [(5, 1), (4096, 3)] {
            let table = table((0..700).map(page), value);
            let packing = packing(&table);
            let (found, done) =
                audited(&table, |audit, meter| audit.walk(&packing, meter, 0..0).map(|_| ()));
            assert_eq!((found, done.len()), (Ok(()), reports), "{done:?}");
            let stored = table.iter().map(|entry| {
                let (key, value) = entry.unwrap();
                key.len() + value.len()
            });
            assert_eq!(done[reports - 1], stored.sum::<usize>() as u64);
        }
    }
}
