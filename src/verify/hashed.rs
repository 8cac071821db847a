//! The audit of the hash index: each key has its slot, and each slot its key.
//!
//! Following each slot to its record would read the records in the order of hashes. Instead, the
//! audit collects the keys, which come in their own order, with their hashes. It sorts a batch by
//! hash, which is the order of the buckets, and goes through the index once. A slot refers to one
//! record only. So if each key has found a slot that refers to it, and there are no further slots,
//! each slot leads where it should.
//!
//! A key without a slot is set aside. A smaller key of the same hash must then have a slot in the
//! same buckets, so the smallest key of each hash has a slot.

use super::progress::Meter;
use crate::error::{ReadError, ReadResult};
use crate::format::index::hash::{BUCKET, HashPlace, MAX_EQUAL_TAGS};
use crate::format::layout::HashLayout;
use crate::format::sums::UNIT;
use crate::limits;
use crate::read::index::hash::Hash;
use crate::read::parallel::check_pieces;
use crate::read::view::View;
use std::iter;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The buckets of some groups, and what the keys require of them. The audit of a very large index
/// takes several rounds, so that it needs a bounded amount of memory.
pub(super) struct Round<'t> {
    view: &'t View,
    index: Hash<'t>,
    /// The round's buckets.
    numbers: Range<u64>,
    /// The overflow bits that each bucket must have, because of keys in their second bucket.
    overflow: Vec<AtomicU32>,
    /// Batches that no thread is filling.
    batches: Mutex<Vec<Batch>>,
    /// Keys in a full batch.
    full: usize,
    pub(super) counts: Counts,
}

/// Numbers of keys, by where their slot was found, and of taken slots.
#[derive(Default)]
pub(super) struct Counts {
    /// Keys in a slot.
    slots: AtomicU64,
    /// Keys in a slot of their second bucket.
    second: AtomicU64,
    /// Keys in no slot, of whose hash a smaller key is in a slot.
    set_aside: AtomicU64,
    /// Slots that are taken.
    taken: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, other: &Self) {
        for (sum, count) in [
            (&self.slots, &other.slots),
            (&self.second, &other.second),
            (&self.set_aside, &other.set_aside),
            (&self.taken, &other.taken),
        ] {
            sum.fetch_add(count.load(Relaxed), Relaxed);
        }
    }

    /// Keys in their second bucket.
    pub(super) fn second(&self) -> u64 {
        self.second.load(Relaxed)
    }

    /// Whether an index holds all keys except those that are set aside, and nothing else.
    pub(super) fn fit(&self, hash: &HashLayout, keys: u64) -> bool {
        let (slots, set_aside) = (self.slots.load(Relaxed), self.set_aside.load(Relaxed));
        slots == self.taken.load(Relaxed)
            && set_aside == hash.set_aside
            && slots + set_aside == keys
    }
}

/// Hashes of keys, each with the reference to its record. References ascend as keys do.
pub(super) type Batch = Vec<(u64, u64)>;

/// Most bytes of all batches, and most bytes of the overflow bits of a round.
const MOST: u64 = 64 << 20;
/// Fewest bytes of each, however short memory is.
const LEAST: u64 = 1 << 20;

/// Bytes that an audit of the hash index may take for batches, and as many for overflow bits.
pub(super) fn budget() -> u64 {
    limits::recently_available_memory().map_or(MOST, |available| (available / 8).clamp(LEAST, MOST))
}

impl<'t> Round<'t> {
    /// All rounds of a table, each made when its turn comes; none if it has no hash index.
    /// `threads` is the number of threads that fill batches at once.
    pub(super) fn all(view: &'t View, threads: usize) -> impl ExactSizeIterator<Item = Self> {
        let mut rounds = Vec::new();
        if let Some(index) = Hash::of(view) {
            let hash = index.layout();
            let per_group = u64::from(hash.shape.per_group).max(1);
            let groups = (budget() / size_of::<AtomicU32>() as u64 / per_group).max(1);
            let step = groups * per_group;
            let starts = iter::successors(Some(0), |start: &u64| start.checked_add(step));
            for start in starts.take_while(|&start| start < hash.buckets) {
                rounds.push((index, start..start.saturating_add(step).min(hash.buckets)));
            }
        }
        rounds.into_iter().map(move |(index, numbers)| Self::new(view, index, numbers, threads))
    }

    fn new(view: &'t View, index: Hash<'t>, numbers: Range<u64>, threads: usize) -> Self {
        let overflow = numbers.clone().map(|_| AtomicU32::new(0)).collect();
        let full = budget() as usize / threads / size_of::<(u64, u64)>();
        let (batches, counts) = (Mutex::default(), Counts::default());
        Self { view, index, numbers, overflow, batches, full, counts }
    }

    /// A batch to fill.
    pub(super) fn batch(&self) -> Batch {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes a batch back, full or not.
    pub(super) fn take(&self, batch: Batch) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }

    /// Adds a key by its first record. `reference` is what a slot stores for this record.
    pub(super) fn add(&self, batch: &mut Batch, key: &[u8], reference: u64) -> ReadResult<()> {
        let index = self.index.layout();
        let hash = index.hasher.hash(key);
        if self.numbers.contains(&index.first_bucket(hash)) {
            batch.push((hash, reference));
            if batch.len() >= self.full {
                self.look_up(batch)?;
            }
        }
        Ok(())
    }

    /// Looks up all keys of a batch in the index, and empties the batch.
    fn look_up(&self, batch: &mut Batch) -> ReadResult<()> {
        batch.sort_unstable();
        let index = self.index.layout();
        let span = index.span;
        // Few keys read single pages of the index. Many keys read all of it, so it is read ahead.
        let dense = batch.len() > span.len() / UNIT;
        let (mut slots, mut second, mut set_aside, mut asked) = (0, 0, 0, 0);
        // The hash of the last key that has a slot or a witness.
        let mut known = None;
        for &(hash, reference) in batch.iter() {
            let place = index.shape.place(hash);
            let at = index.bucket_start(place.first);
            if dense && at >= asked {
                const AHEAD: usize = 1 << 20;
                let from = asked.max(at);
                self.view.ask(from..(at + 2 * AHEAD).min(span.end));
                asked = at + AHEAD;
            }
            let held = index.tails.with_tail(reference, hash);
            if self.holds(place.first, place.tag, held) {
                slots += 1;
            } else if self.holds(place.second, place.tag, held) {
                slots += 1;
                second += 1;
                let bit = index.slots.overflow_bit(place.overflow);
                if let Some(bits) = self.overflow.get((place.first - self.numbers.start) as usize) {
                    bits.fetch_or(bit, Relaxed);
                }
            } else {
                // Smaller keys of the same hash come before, so only the first one needs a witness.
                if index.set_aside == 0 || known != Some(hash) {
                    self.find_witness(place, hash, reference)?;
                }
                set_aside += 1;
            }
            known = Some(hash);
        }
        batch.clear();
        self.counts.slots.fetch_add(slots, Relaxed);
        self.counts.second.fetch_add(second, Relaxed);
        self.counts.set_aside.fetch_add(set_aside, Relaxed);
        Ok(())
    }

    fn bucket(&self, number: u64) -> &'t [u8; BUCKET] {
        bucket(number, self.index.layout(), self.view)
    }

    #[inline]
    fn holds(&self, number: u64, tag: u8, held: u64) -> bool {
        let (bucket, slots) = (self.bucket(number), self.index.layout().slots);
        (0..slots.count())
            .any(|slot| slots.tag(bucket, slot) == tag && slots.get(bucket, slot) == held)
    }

    /// Finds the witness of a key that is set aside: a smaller key of the same hash in its buckets.
    #[cold]
    fn find_witness(&self, place: HashPlace, hash: u64, reference: u64) -> ReadResult<()> {
        let index = self.index.layout();
        for number in [place.first, place.second] {
            let bucket = self.bucket(number);
            for slot in 0..index.slots.count() {
                let held = index.slots.get(bucket, slot);
                if index.slots.tag(bucket, slot) != place.tag || !index.tails.fits(held, hash) {
                    continue;
                }
                let other = index.tails.reference(held);
                let offset = self.index.referred(other)?;
                // Only smaller references are followed: records behind the key may not have been
                // read.
                if index.set_aside > 0
                    && other < reference
                    && index.hasher.hash(self.view.key_at(offset)?.0) == hash
                {
                    return Ok(());
                }
            }
        }
        let offset = self.index.referred(reference)? as u64;
        Err(ReadError::corrupt("index does not find the record", offset))
    }

    /// Ends the round, after all keys: looks up the keys of unfinished batches. Then compares the
    /// overflow bits, counts the taken slots, and checks that unused slots are zero and that no
    /// bucket has too many equal tags.
    pub(super) fn finish(&self, meter: &Meter<'_>) -> ReadResult<()> {
        let mut waiting = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let batches: Vec<_> = waiting.drain(..).map(Mutex::new).collect();
        drop(waiting);
        check_pieces(batches.len(), |piece| {
            self.look_up(&mut batches[piece].lock().unwrap_or_else(PoisonError::into_inner))
        })?;
        let (index, numbers) = (self.index.layout(), self.numbers.clone());
        let taken = check_buckets(numbers, &self.overflow, index, self.view, meter)?;
        self.counts.taken.fetch_add(taken, Relaxed);
        Ok(())
    }
}

/// Checks the buckets with these numbers, on all threads: that each has its overflow bits, that unused
/// slots are zero, and that none has too many equal tags. Returns the number of taken slots.
pub(super) fn check_buckets(
    numbers: Range<u64>,
    overflow: &[AtomicU32],
    index: &HashLayout,
    view: &View,
    meter: &Meter<'_>,
) -> ReadResult<u64> {
    const STEP: u64 = (1 << 20) / BUCKET as u64;
    let Range { start, end } = numbers;
    let all = AtomicU64::new(0);
    check_pieces((end - start).div_ceil(STEP) as usize, |piece| {
        let first = start + piece as u64 * STEP;
        let numbers = first..(first + STEP).min(end);
        let bytes = |number| index.bucket_start(number);
        view.ask(bytes(numbers.end)..bytes((numbers.end + STEP).min(end)));
        view.populate(bytes(first)..bytes(numbers.end))?;
        let mut taken = 0;
        for number in numbers.clone() {
            let overflow = overflow[(number - start) as usize].load(Relaxed);
            taken += check_bucket(number, bucket(number, index, view), overflow, index)?;
        }
        all.fetch_add(taken, Relaxed);
        meter.add(bytes(numbers.end) - bytes(first))
    })?;
    Ok(all.into_inner())
}

/// A bucket; zeros beyond the end of a file that was cut off.
fn bucket<'t>(number: u64, index: &HashLayout, view: &'t View) -> &'t [u8; BUCKET] {
    const NONE: [u8; BUCKET] = [0; BUCKET];
    let bytes = view.bytes().get(index.bucket_start(number)..);
    bytes.and_then(|bytes| bytes.first_chunk()).unwrap_or(&NONE)
}

/// Checks that a bucket has these overflow bits, that its unused slots are zero, and that it has not
/// too many equal tags. Returns its number of taken slots.
fn check_bucket(
    number: u64,
    bucket: &[u8; BUCKET],
    overflow: u32,
    index: &HashLayout,
) -> ReadResult<u64> {
    let slots = index.slots;
    let bad = |what| ReadError::corrupt(what, index.bucket_start(number) as u64);
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
    if slots.overflow_bits(bucket) != overflow {
        return Err(bad("bucket does not fit its keys"));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::{FOOTER, Footer, Header, header_checksum};
    use crate::format::index::hash::{Shape, Slots};
    use crate::format::layout::Span;
    use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks, Table, VerifyProgress};
    use zerocopy::{FromBytes, IntoBytes};

    /// The bytes of a table of fixed width with a hash index, so that references are ranks.
    fn bytes(keys: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
        options.build(&path, keys.map(|key| (key, b"value"))).unwrap();
        std::fs::read(&path).unwrap()
    }

    fn table(keys: impl Iterator<Item = Vec<u8>>) -> Table {
        Table::from_bytes(bytes(keys)).unwrap()
    }

    /// The first eight bytes of these keys multiply the rest by zero, so all have one hash.
    fn of_one_hash(i: u64) -> Vec<u8> {
        [0xA076_1D64_78BD_642F_u64.to_le_bytes(), i.to_be_bytes()].concat()
    }

    /// As many keys as fill 15 of 16 slots of two groups.
    const KEYS: u64 = 23_040;

    fn two_groups() -> Table {
        let table = table((0..KEYS).map(|i| i.to_be_bytes().to_vec()));
        let shape = table.view().layout().hash.unwrap().shape;
        assert_eq!(shape, Shape { groups: 2, per_group: 1024 });
        table
    }

    /// What is said of a key, by its rank, that has neither a slot nor a witness.
    fn lost(view: &View, rank: u64) -> ReadResult<()> {
        let offset = view.layout().fixed.unwrap().offset(rank) as u64;
        Err(ReadError::corrupt("index does not find the record", offset))
    }

    #[test]
    fn a_witness_is_a_smaller_key_of_the_same_hash() {
        let table = table((0..3).map(of_one_hash));
        let view = table.view();
        let index = view.layout().hash.unwrap();
        assert_eq!(index.set_aside, 2);
        let hash = index.hasher.hash(&of_one_hash(0));
        assert_eq!(index.hasher.hash(&of_one_hash(2)), hash);
        let place = index.shape.place(hash);
        let round = Round::all(view, 1).next().unwrap();
        assert_eq!(round.find_witness(place, hash, 1), Ok(()));
        assert_eq!(round.find_witness(place, hash, 2), Ok(()));
        // The key in the slot is no witness of itself.
        assert_eq!(round.find_witness(place, hash, 0), lost(view, 0));
        // Nor of a key with another hash, even one of the same tag and tail.
        assert_eq!(round.find_witness(place, hash ^ 1 << 40, 2), lost(view, 2));
        // Nor is a key in a slot of another tag.
        let other_tag = HashPlace { tag: place.tag + 1, ..place };
        assert_eq!(round.find_witness(other_tag, hash, 2), lost(view, 2));
    }

    #[test]
    fn no_key_has_a_witness_in_an_index_that_sets_none_aside() {
        let mut bytes = bytes((0..3).map(of_one_hash));
        let (header, _) = Header::mut_from_prefix(&mut bytes).unwrap();
        header.hash_set_aside = 0.into();
        header.checksum = header_checksum(header.as_bytes()).into();
        let footer = Footer::of(header);
        let end = bytes.len() - FOOTER;
        bytes[end..].copy_from_slice(footer.as_bytes());
        let table = OpenOptions::new().page_checks(PageChecks::Never).from_bytes(bytes).unwrap();
        let view = table.view();
        let index = view.layout().hash.unwrap();
        let hash = index.hasher.hash(&of_one_hash(1));
        let round = Round::all(view, 1).next().unwrap();
        assert_eq!(round.find_witness(index.shape.place(hash), hash, 1), lost(view, 1));
    }

    /// Guards against an audit that reads the records for each group of a small index, and against
    /// one that has a new batch for each piece of the records.
    #[test]
    fn a_small_index_takes_one_round_and_few_batches() {
        let table = two_groups();
        let mut rounds = Round::all(table.view(), 1);
        assert_eq!(rounds.len(), 1);
        let round = rounds.next().unwrap();
        round.take(vec![(5, 7)]);
        assert_eq!(round.batch(), [(5, 7)]);
        assert!(round.batch().is_empty());
    }

    /// A very large index takes several rounds. Each asks for the overflow bits of its own buckets.
    #[test]
    fn rounds_together_audit_the_whole_index() {
        let table = two_groups();
        let view = table.view();
        let index = Hash::of(view).unwrap();
        let nothing = |_: VerifyProgress| -> ReadResult<()> { Ok(()) };
        let meter = Meter::new(&nothing, view.layout(), 1);
        let in_second = |ends: &[u64]| {
            let all = Counts::default();
            let mut start = 0;
            for &end in ends {
                let round = Round::new(view, index, start..end, 1);
                let mut batch = round.batch();
                for i in 0..KEYS {
                    round.add(&mut batch, &i.to_be_bytes(), i).unwrap();
                }
                round.take(batch);
                assert_eq!(round.finish(&meter), Ok(()), "buckets {start} to {end}");
                assert!(round.counts.second() > 0, "buckets {start} to {end}");
                all.add(&round.counts);
                start = end;
            }
            assert!(all.fit(index.layout(), KEYS), "{ends:?}");
            all.second()
        };
        let whole = in_second(&[2048]);
        assert_eq!(in_second(&[1024, 2048]), whole);
        assert_eq!(in_second(&[700, 1500, 2048]), whole);
    }

    /// Pieces of 16,384 buckets are checked at once. The buckets are the value of a table here, and
    /// those before the first are of another round.
    #[test]
    fn buckets_of_all_pieces_are_checked_and_reported() {
        const NUMBERS: Range<u64> = 10_000..40_000;
        let slots = Slots::Four;
        let mut buckets = vec![[0u8; BUCKET]; NUMBERS.end as usize];
        for (bucket, number) in buckets.iter_mut().zip(0u64..) {
            for slot in 0..number % 5 {
                slots.set(bucket, slot as usize, slot as u8 + 1, number);
            }
            slots.set_overflow(bucket, number as u32 % 32);
        }
        let taken: u64 = NUMBERS.map(|number| number % 5).sum();
        let overflow: Vec<_> = NUMBERS.map(|number| AtomicU32::new(1 << (number % 32))).collect();

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let value = buckets.as_flattened();
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
        options.build(&path, [(b"key", value)]).unwrap();
        let table = Table::load(&path).unwrap();
        let view = table.view();
        let start = view.memory().offset_of(table.get(b"key").unwrap().unwrap());
        let span = Span { start, end: start + value.len() };
        let index = HashLayout { span, slots, ..view.layout().hash.unwrap() };
        let check = || {
            let done = AtomicU64::new(0);
            let report = |progress: VerifyProgress| -> ReadResult<()> {
                done.fetch_max(progress.done, Relaxed);
                Ok(())
            };
            let meter = Meter::new(&report, view.layout(), 1);
            let taken = check_buckets(NUMBERS, &overflow, &index, view, &meter);
            (taken, done.load(Relaxed))
        };
        assert_eq!(check(), (Ok(taken), 30_000 * BUCKET as u64));

        // The first and the last of both pieces.
        for number in [10_000u64, 26_383, 26_384, 39_999] {
            let bits = &overflow[(number - NUMBERS.start) as usize];
            let right = bits.fetch_xor(1, Relaxed);
            let offset = index.bucket_start(number) as u64;
            let error = ReadError::corrupt("bucket does not fit its keys", offset);
            assert_eq!(check().0, Err(error), "bucket {number}");
            bits.store(right, Relaxed);
        }
    }

    #[test]
    fn three_slots_of_a_bucket_may_have_one_tag_and_four_may_not() {
        let table = table((0..1).map(of_one_hash));
        let index = table.view().layout().hash.unwrap();
        let mut bucket = [0; BUCKET];
        for slot in [0, 5, 6] {
            index.slots.set(&mut bucket, slot, 9, 1);
        }
        assert_eq!(check_bucket(7, &bucket, 0, &index), Ok(3));
        index.slots.set(&mut bucket, 11, 9, 1);
        let offset = index.bucket_start(7) as u64;
        let error = ReadError::corrupt("bucket has too many equal tags", offset);
        assert_eq!(check_bucket(7, &bucket, 0, &index), Err(error));
    }
}
