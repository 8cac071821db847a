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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::{Layout, Span};
    use crate::read::map::Bytes;
    use crate::read::pages::Pages;
    use crate::{BuildOptions, HashIndex};

    /// The bytes of a table with a hash index.
    fn table(keys: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
        options.build(&path, keys.map(|key| (key, b"value"))).unwrap();
        std::fs::read(&path).unwrap()
    }

    /// The view of a table whose pages are checked as `pages` says.
    fn view(bytes: Vec<u8>, pages: impl FnOnce(&Layout) -> Pages) -> View {
        let layout = Layout::parse(&bytes).unwrap();
        let pages = pages(&layout);
        View::new(Bytes::from_cow(bytes.into()), layout, pages, None)
    }

    fn unchecked(bytes: Vec<u8>) -> View {
        view(bytes, |_| Pages::unchecked())
    }

    /// Keys of eight bytes.
    fn dense(i: u64) -> Vec<u8> {
        i.to_be_bytes().to_vec()
    }

    /// Keys of one hash: their first eight bytes multiply the rest by zero.
    fn of_one_hash(i: u64) -> Vec<u8> {
        [0xA076_1D64_78BD_642F_u64.to_le_bytes(), i.to_be_bytes()].concat()
    }

    #[test]
    fn what_is_stored_is_one_key_and_has_its_hash() {
        let hasher = Hasher::new(0);
        let (key, other) = (&b"path/to/one"[..], &b"path/to/two"[..]);
        let hash = hasher.hash(key);
        assert!(AsTheyAre.has_hash(key, hasher, hash));
        assert!(!AsTheyAre.has_hash(other, hasher, hash));
        let symbols = &KeySymbols::of(&[&b"path/"[..], b"to/"]).unwrap();
        let [codes, codes_of_other] = [key, other].map(|key| {
            let mut codes = Vec::new();
            symbols.encode(key, &mut codes);
            codes
        });
        assert!(StoredKeys::is(symbols, &codes, key));
        assert!(!StoredKeys::is(symbols, &codes, other));
        assert!(StoredKeys::has_hash(symbols, &codes, hasher, hash));
        assert!(!StoredKeys::has_hash(symbols, &codes_of_other, hasher, hash));
        // Half a code stands for nothing.
        assert!(!StoredKeys::has_hash(symbols, &codes[..codes.len() - 1], hasher, hash));
    }

    /// A slot of another key may have the tag and the tail of the key that is asked for. The ordered
    /// index has to be asked only if keys were set aside and the other key has the same hash.
    #[test]
    fn only_keys_of_one_hash_are_set_aside() {
        let one = unchecked(table((0..1).map(of_one_hash)));
        let index = Hash::of(&one).unwrap();
        assert_eq!(index.layout().set_aside, 0);
        assert!(matches!(index.ask(&of_one_hash(0), 0), Ok(Buckets::Record(_))));
        assert!(matches!(index.ask(&of_one_hash(1), 0), Ok(Buckets::Absent)));

        let two = unchecked(table((0..2).map(of_one_hash)));
        let index = Hash::of(&two).unwrap();
        assert_eq!(index.layout().set_aside, 1);
        assert!(matches!(index.ask(&of_one_hash(2), 0), Ok(Buckets::SetAside)));
        let KeyBuckets { hash, numbers } = index.buckets_of(&of_one_hash(2));
        let of_other_hash = KeyBuckets { hash: hash ^ 1 << 40, numbers };
        assert!(matches!(index.ask_in(of_other_hash, &of_one_hash(2), 0), Ok(Buckets::Absent)));
    }

    #[test]
    fn a_slot_refers_to_a_record_in_a_good_bucket_and_by_its_tag() {
        let mut bytes = table((0..100).map(dense));
        let key = dense(7);
        let whole = unchecked(bytes.clone());
        let index = Hash::of(&whole).unwrap();
        let slots = index.layout().slots;
        let place = index.layout().shape.place(index.layout().hasher.hash(&key));
        let buckets = [place.first, place.second].map(|number| {
            let start = index.layout().bucket_start(number);
            start..start + BUCKET
        });
        let offset = whole.layout().fixed.unwrap().offset(7);
        assert!(index.refers_to(&key, offset, |_| true));
        assert!(!index.refers_to(&key, offset, |_| false));
        let mut asked = Vec::new();
        let found = index.refers_to(&key, offset + 1, |bucket| {
            asked.push(bucket);
            true
        });
        assert!(!found);
        assert_eq!(asked, buckets);

        // The same slots with another tag are not those of the key.
        for bucket in buckets {
            let first_tag = bucket.start + slots.tags_start();
            let tags = &mut bytes[first_tag..first_tag + slots.count()];
            for tag in tags.iter_mut().filter(|tag| **tag == place.tag) {
                *tag = place.tag % 255 + 1;
            }
        }
        let changed = unchecked(bytes);
        assert!(!Hash::of(&changed).unwrap().refers_to(&key, offset, |_| true));
    }

    #[test]
    fn slots_refer_to_records_and_to_nothing_behind_them() {
        let fixed = unchecked(table((0..100).map(dense)));
        let variable = unchecked(table((1..100).map(|len| vec![b'k'; len])));
        let last_key = fixed.layout().fixed.unwrap().offset(99);
        let Span { start, end } = variable.layout().records;
        for (view, references, last) in
            [(&fixed, 100, last_key), (&variable, (end - start) as u64, end - 1)]
        {
            let index = Hash::of(view).unwrap();
            assert_eq!(index.referred(references - 1), Ok(last));
            let records = view.layout().records.start as u64;
            let error = view.corrupt("slot refers to no record", records);
            assert_eq!(index.referred(references), Err(error));
        }
    }

    /// Damage elsewhere is no reason to fail, and a page that need not be checked takes no time.
    #[test]
    fn a_bucket_is_read_without_a_check_of_the_pages_behind_it() {
        let view = view(table((0..1000).map(dense)), Pages::new);
        let index = Hash::of(&view).unwrap();
        let span = index.layout().span;
        assert!(span.len() > 4096, "the index has several pages");
        assert!(index.bucket(0).is_ok());
        assert!(view.pages().is_checked(span.start));
        assert!(!view.pages().is_checked(span.end - 1));
    }
}
