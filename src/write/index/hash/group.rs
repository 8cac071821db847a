//! One group of buckets: keys in, 64-byte lines out.

use super::form::{Form, Hashed, one_of_each_hash};
use crate::format::index::hash::{BUCKET, HashPlace, MAX_EQUAL_TAGS, Slots, Tails};
use std::borrow::Cow;

const EMPTY: u32 = u32::MAX;
/// A group while it is filled. Keys are numbered within the group.
pub(super) struct Group<'k> {
    keys: Cow<'k, [Hashed]>,
    places: Vec<HashPlace>,
    slots: Slots,
    tails: Tails,
    per_group: usize,
    /// Number of the group's first bucket.
    start: u64,
    /// Key in every slot, or `EMPTY`.
    taken: Vec<u32>,
    /// Tag of every slot, 0 where it is empty.
    tags: Vec<u8>,
    /// Number of buckets that searches may still visit.
    visits: usize,
    /// The buckets that the present search has reached.
    steps: Vec<Step>,
    /// For each bucket, the key whose search reached it last.
    reached: Vec<u32>,
}

/// A bucket that was reached in a search for room. `key` would move into it from step `parent`.
struct Step {
    bucket: usize,
    key: u32,
    parent: usize,
}

/// Numbers of keys in a filled group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// Keys in the group's buckets.
    pub(super) placed: u64,
    /// Keys in their second bucket.
    pub(super) second: u64,
}

impl std::iter::Sum for Filled {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            placed: a.placed + b.placed,
            second: a.second + b.second,
        })
    }
}

/// The result of putting a key into a bucket.
#[derive(PartialEq, Eq)]
enum Put {
    Done,
    /// A key with the same hash stands there.
    SetAside,
    Full,
}

impl<'k> Group<'k> {
    /// Makes a group from hashes of the attempt, in ascending order of the keys. Returns `None` if
    /// there are more hashes than slots.
    pub(super) fn new(form: Form, keys: &'k [Hashed]) -> Option<Self> {
        let Form { shape, slots, tails } = form;
        let per_group = shape.per_group as usize;
        let capacity = per_group * slots.count();
        let mut keys = Cow::Borrowed(keys);
        if keys.len() > capacity {
            one_of_each_hash(keys.to_mut());
            keys.to_mut().sort_unstable_by_key(|key| key.reference);
        }
        if keys.len() > capacity {
            return None;
        }
        let places: Vec<HashPlace> = keys.iter().map(|key| shape.place(key.hash)).collect();
        let start = places.first().map_or(0, |place| place.group * u64::from(shape.per_group));
        Some(Self {
            keys,
            places,
            slots,
            tails,
            per_group,
            start,
            taken: vec![EMPTY; capacity],
            tags: vec![0; capacity],
            // One visit for each slot; ordinary keys need one visit for ten slots. Keys can be
            // chosen so that each search goes through all buckets.
            visits: capacity,
            steps: Vec::new(),
            reached: vec![EMPTY; per_group],
        })
    }

    /// Places the first key of each hash, then writes the buckets. Returns `None` if a key finds no
    /// room, or only by too long a search.
    pub(super) fn fill(mut self, out: &mut [u8]) -> Option<Filled> {
        self.place()?;
        Some(self.write(out))
    }

    fn place(&mut self) -> Option<()> {
        let mut waiting = Vec::new();
        for key in 0..self.keys.len() as u32 {
            if self.put(key, self.first(key)) == Put::Full {
                waiting.push(key);
            }
        }
        // A key that waits is set aside here if one before it has the same hash: that one waits as
        // well, or stands in the first bucket.
        for key in waiting {
            if self.holds_hash_of(key, self.first(key)) {
                continue;
            }
            if self.put(key, self.second(key)) == Put::Full {
                self.make_room(key)?;
            }
        }
        Some(())
    }

    fn first(&self, key: u32) -> usize {
        (self.places[key as usize].first - self.start) as usize
    }

    fn second(&self, key: u32) -> usize {
        (self.places[key as usize].second - self.start) as usize
    }

    fn other(&self, key: u32, bucket: usize) -> usize {
        if self.first(key) == bucket { self.second(key) } else { self.first(key) }
    }

    fn tag(&self, key: u32) -> u8 {
        self.places[key as usize].tag
    }

    /// The slots of a bucket, as indexes into `taken` and `tags`.
    fn range(&self, bucket: usize) -> std::ops::Range<usize> {
        bucket * self.slots.count()..(bucket + 1) * self.slots.count()
    }

    /// Number of slots of a bucket with this tag; tag 0 counts the empty slots.
    fn count_of(&self, tag: u8, bucket: usize) -> usize {
        self.tags[self.range(bucket)].iter().filter(|&&other| other == tag).count()
    }

    /// Whether a key with this key's hash stands in the bucket.
    fn holds_hash_of(&self, key: u32, bucket: usize) -> bool {
        let hash_of = |key: u32| self.keys[key as usize].hash;
        let (tag, hash) = (self.tag(key), hash_of(key));
        self.range(bucket).any(|slot| self.tags[slot] == tag && hash_of(self.taken[slot]) == hash)
    }

    fn put(&mut self, key: u32, bucket: usize) -> Put {
        let tag = self.tag(key);
        let same = self.count_of(tag, bucket);
        if same > 0 && self.holds_hash_of(key, bucket) {
            return Put::SetAside;
        }
        let free = self.range(bucket).find(|&slot| self.tags[slot] == 0);
        match free {
            Some(slot) if same < MAX_EQUAL_TAGS => {
                (self.taken[slot], self.tags[slot]) = (key, tag);
                Put::Done
            }
            _ => Put::Full,
        }
    }

    /// Breadth-first search for the shortest chain of moves that frees a slot for `key`, as in
    /// cuckoo hashing with buckets (Dietzfelbinger and Weidling 2007). Each bucket is visited
    /// once at most.
    fn make_room(&mut self, key: u32) -> Option<()> {
        self.steps.clear();
        for bucket in [self.first(key), self.second(key)] {
            self.reach(bucket, key, key, usize::MAX);
        }
        let mut at = 0;
        while at < self.steps.len() {
            self.visits = self.visits.checked_sub(1)?;
            let Step { bucket, key: arriving, .. } = self.steps[at];
            let same = self.count_of(self.tag(arriving), bucket);
            for slot in self.range(bucket) {
                let resident = self.taken[slot];
                if resident == EMPTY {
                    continue;
                }
                let makes_way = self.tags[slot] == self.tag(arriving);
                if same - usize::from(makes_way) >= MAX_EQUAL_TAGS {
                    continue;
                }
                let to = self.other(resident, bucket);
                if self.reached[to] == key {
                    continue;
                }
                if self.put(resident, to) == Put::Done {
                    self.unwind(at, resident);
                    return Some(());
                }
                self.reach(to, resident, key, at);
            }
            at += 1;
        }
        None
    }

    /// Adds a bucket to the search, at most once in each search.
    fn reach(&mut self, bucket: usize, key: u32, search: u32, parent: usize) {
        if self.reached[bucket] != search {
            self.reached[bucket] = search;
            self.steps.push(Step { bucket, key, parent });
        }
    }

    /// Moves keys back along the chain: `leaving` has moved out of `steps[at].bucket`, so the key
    /// of that step takes its slot, and so on up to the first step.
    fn unwind(&mut self, mut at: usize, mut leaving: u32) {
        while let Some(&Step { bucket, key, parent }) = self.steps.get(at) {
            if let Some(slot) = self.range(bucket).find(|&slot| self.taken[slot] == leaving) {
                (self.taken[slot], self.tags[slot]) = (key, self.tag(key));
            }
            leaving = key;
            at = parent;
        }
    }

    fn write(&self, out: &mut [u8]) -> Filled {
        let (buckets, _) = out.as_chunks_mut::<BUCKET>();
        let mut filled = Filled::default();
        for bucket in 0..self.per_group {
            for (slot, taken) in self.range(bucket).enumerate() {
                let key = self.taken[taken];
                if key == EMPTY {
                    continue;
                }
                let place = &self.places[key as usize];
                let Hashed { hash, reference } = self.keys[key as usize];
                let held = self.tails.with_tail(reference, hash);
                self.slots.set(&mut buckets[bucket], slot, place.tag, held);
                filled.placed += 1;
                if self.first(key) != bucket {
                    self.slots.set_overflow(&mut buckets[self.first(key)], place.overflow);
                    filled.second += 1;
                }
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::hasher::Hasher;
    use crate::format::index::hash::Shape;

    const SHAPE: Shape = Shape { groups: 1, per_group: 1024 };

    fn keys(hashes: impl Iterator<Item = u64>) -> Vec<Hashed> {
        hashes.zip(0..).map(|(hash, reference)| Hashed { hash, reference }).collect()
    }

    fn group(keys: &[Hashed]) -> Group<'_> {
        let form = Form { shape: SHAPE, slots: Slots::Four, tails: Tails::NONE };
        Group::new(form, keys).unwrap()
    }

    /// Guards against searches without end: ordinary keys stay far below the bound, and no group
    /// exceeds it.
    #[test]
    fn searches_are_bounded() {
        let ordinary = keys((0..15 * 12 * 64u64).map(|i| Hasher::base(&i.to_le_bytes())));
        let mut bounded = group(&ordinary);
        let limit = bounded.visits;
        assert_eq!(bounded.place(), Some(()));
        let visits = limit - bounded.visits;
        assert!((1..limit / 8).contains(&visits), "{visits} visits of {limit}");

        let mut bounded = group(&ordinary);
        bounded.visits = visits;
        assert_eq!(bounded.place(), Some(()));
        let mut bounded = group(&ordinary);
        bounded.visits = visits - 1;
        assert_eq!(bounded.place(), None);
    }

    /// Guards against a search that visits a bucket twice, or compares each bucket with all others.
    /// Keys can only move on by one bucket, all buckets but the last are full, and twelve more keys
    /// come to the first.
    #[test]
    fn a_search_goes_through_all_buckets_once() {
        // The parts of a hash: the first bucket, a number that distinguishes keys, a step of one,
        // tags that differ.
        let hash = |bucket: u64, i: u64| bucket << 54 | i << 27 | (i % 251 + 1);
        let counts = (0..1023u64).map(|bucket| (bucket, if bucket == 0 { 24 } else { 12 }));
        let chain = counts.flat_map(|(bucket, count)| (0..count).map(move |i| (bucket, i)));
        let chain = keys(chain.map(|(bucket, i)| hash(bucket, bucket * 24 + i)));
        assert!(chain.iter().all(|key| {
            let place = SHAPE.place(key.hash);
            place.second == place.first + 1
        }));
        let mut group = group(&chain);
        let limit = group.visits;
        assert_eq!(group.place(), Some(()));
        assert_eq!(limit - group.visits, 12 * 1023);
    }
}
