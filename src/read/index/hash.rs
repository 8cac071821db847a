//! The hash index: from a key to its record through two buckets at most.

use super::super::place::{Found, LocatedPart};
use super::super::simd::{Baseline, Simd, prefetch};
use super::super::view::View;
use crate::codec::KeySymbols;
use crate::error::ReadResult;
use crate::format::hasher::Hasher;
use crate::format::index::hash::{BUCKET, HashPlace, MAX_EQUAL_TAGS, overflow, tag};
use crate::format::layout::HashLayout;
use crate::format::order::equal;
use std::ops::Range;

/// The hash index of a table. `K`: what is stored of keys.
#[derive(Clone, Copy)]
pub(crate) struct Hash<'t, K = AsTheyAre> {
    view: &'t View,
    index: &'t HashLayout,
    keys: K,
}

/// Where a key may be referred to.
#[derive(Clone, Copy)]
pub(crate) struct KeyBuckets {
    hash: u64,
    numbers: [u64; 2],
}

/// What is stored of keys.
pub(crate) trait StoredKeys: Copy {
    /// Whether `stored` is `key`.
    fn is(self, stored: &[u8], key: &[u8]) -> bool;
    /// Whether the key of `stored` has this hash.
    fn has_hash(self, stored: &[u8], hasher: Hasher, hash: u64) -> bool;
}

/// Keys that are stored as they are.
#[derive(Clone, Copy)]
pub(crate) struct AsTheyAre;

impl StoredKeys for AsTheyAre {
    #[inline(always)]
    fn is(self, stored: &[u8], key: &[u8]) -> bool {
        equal(stored, key)
    }

    #[inline(always)]
    fn has_hash(self, stored: &[u8], hasher: Hasher, hash: u64) -> bool {
        hasher.hash(stored) == hash
    }
}

impl StoredKeys for &KeySymbols {
    #[inline(always)]
    fn is(self, stored: &[u8], key: &[u8]) -> bool {
        KeySymbols::is(self, stored, key)
    }

    fn has_hash(self, stored: &[u8], hasher: Hasher, hash: u64) -> bool {
        let mut key = Vec::new();
        self.decode(stored, &mut key).is_ok_and(|key| hasher.hash(key) == hash)
    }
}

/// What the two buckets of a key say about it.
pub(crate) enum Buckets {
    /// They refer to the key's first record.
    Record(Found),
    /// The key is not in the table.
    Absent,
    /// They refer to another key with the same hash. Only the ordered index knows the key, if the
    /// table has it.
    SetAside,
}

impl<'t> Hash<'t> {
    /// The hash index, if the table has one.
    pub(crate) fn of(view: &'t View) -> Option<Self> {
        view.layout().hash.as_ref().map(|index| Self { view, index, keys: AsTheyAre })
    }
}

impl<'t> Hash<'t, &'t KeySymbols> {
    /// The hash index of a table whose keys are encoded, if it has one: of the keys as they were.
    pub(crate) fn of_decoded(view: &'t View, keys: &'t KeySymbols) -> Option<Self> {
        view.layout().hash_of_decoded.as_ref().map(|index| Self { view, index, keys })
    }
}

impl<'t, K: StoredKeys> Hash<'t, K> {
    pub(crate) fn layout(self) -> &'t HashLayout {
        self.index
    }

    /// Asks the buckets of `key` for its first record. Touches at most two buckets and three records
    /// for each, whatever the file says. `walk`: bytes of records that will be walked from there.
    pub(crate) fn ask(self, key: &[u8], walk: usize) -> ReadResult<Buckets> {
        self.ask_watched(key, walk, |_, _| {})
    }

    /// As [`ask`](Self::ask), and tells `watch` which buckets and records are read.
    #[inline(always)]
    pub(crate) fn ask_watched(
        self,
        key: &[u8],
        walk: usize,
        watch: impl FnMut(LocatedPart, Range<usize>),
    ) -> ReadResult<Buckets> {
        self.ask_in_watched(self.buckets_of(key), key, walk, watch)
    }

    /// The buckets of `key`; the first is prefetched.
    #[inline(always)]
    pub(crate) fn buckets_of(self, key: &[u8]) -> KeyBuckets {
        let hash = self.index.hasher.hash(key);
        let HashPlace { first, second, .. } = self.index.shape.place(hash);
        prefetch(self.view.bytes(), self.index.bucket_start(first));
        KeyBuckets { hash, numbers: [first, second] }
    }

    /// As [`ask`](Self::ask), with what [`buckets_of`](Self::buckets_of) said.
    pub(crate) fn ask_in(self, of: KeyBuckets, key: &[u8], walk: usize) -> ReadResult<Buckets> {
        self.ask_in_watched(of, key, walk, |_, _| {})
    }

    #[inline(always)]
    fn ask_in_watched(
        self,
        KeyBuckets { hash, numbers }: KeyBuckets,
        key: &[u8],
        walk: usize,
        mut watch: impl FnMut(LocatedPart, Range<usize>),
    ) -> ReadResult<Buckets> {
        let Self { view, index, keys } = self;
        let mut set_aside = false;
        for number in numbers {
            let bucket = self.bucket(number)?;
            let start = index.bucket_start(number);
            watch(LocatedPart::Bucket, start..start + BUCKET);
            let mask = Baseline.matches(bucket, tag(hash), index.slots);
            if mask.count_ones() as usize > MAX_EQUAL_TAGS {
                let start = index.bucket_start(number) as u64;
                return Err(self.view.corrupt("bucket has too many equal tags", start));
            }
            for slot in (0..index.slots.count()).filter(|slot| mask >> slot & 1 != 0) {
                let held = index.slots.get(bucket, slot);
                if !index.tails.fits(held, hash) {
                    continue;
                }
                let offset = self.referred(index.tails.reference(held))?;
                view.prefetch_walk(offset, walk);
                let parts = view.parts_at(offset)?;
                watch(LocatedPart::Compared, offset..parts.key().end);
                let stored = view.slice(parts.key())?;
                if keys.is(stored, key) {
                    view.ensure(parts.value..parts.end())?;
                    return Ok(Buckets::Record(Found { offset, parts }));
                }
                set_aside |= index.set_aside > 0 && keys.has_hash(stored, index.hasher, hash);
            }
            if !index.slots.overflows(bucket, overflow(hash)) {
                break;
            }
        }
        Ok(if set_aside { Buckets::SetAside } else { Buckets::Absent })
    }

    /// Whether a slot of the buckets of `key` refers to a record at `offset`. Buckets that are not
    /// `good` are passed over, so that this can be asked of a damaged table.
    pub(crate) fn refers_to(
        self,
        key: &[u8],
        offset: usize,
        mut good: impl FnMut(Range<usize>) -> bool,
    ) -> bool {
        let index = self.index;
        let hash = index.hasher.hash(key);
        let place = index.shape.place(hash);
        [place.first, place.second].into_iter().any(|number| {
            let start = index.bucket_start(number);
            if !good(start..start + BUCKET) {
                return false;
            }
            let Ok(bucket) = self.bucket(number) else { return false };
            let mask = Baseline.matches(bucket, tag(hash), index.slots);
            (0..index.slots.count()).filter(|slot| mask >> slot & 1 != 0).any(|slot| {
                let held = index.slots.get(bucket, slot);
                index.tails.fits(held, hash)
                    && self.referred(index.tails.reference(held)) == Ok(offset)
            })
        })
    }

    /// Bucket `number`, its page checked.
    #[inline(always)]
    fn bucket(self, number: u64) -> ReadResult<&'t [u8; BUCKET]> {
        let start = self.index.bucket_start(number);
        self.view.ensure(start..start + BUCKET)?;
        let bucket = self.view.bytes().get(start..).and_then(|bytes| bytes.first_chunk());
        bucket.ok_or_else(|| self.view.corrupt("bucket beyond the end", start as u64))
    }

    /// Where the record starts to which a slot of the hash index refers.
    pub(crate) fn referred(self, reference: u64) -> ReadResult<usize> {
        let records = self.view.layout().records;
        match &self.view.layout().fixed {
            Some(fixed) if reference < self.view.layout().entries => Ok(fixed.offset(reference)),
            None if reference < records.len() as u64 => Ok(records.start + reference as usize),
            _ => Err(self.view.corrupt("slot refers to no record", records.start as u64)),
        }
    }
}
