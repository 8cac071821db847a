//! One group of buckets: keys in, 64-byte lines out.

use super::{Form, Hashed};
use crate::format::index::hash::{BUCKET, HashPlace, MAX_EQUAL_TAGS, Slots, Tails};

const EMPTY: u32 = u32::MAX;
/// Buckets visited at most to make room for one key.
const SEARCH: usize = 2048;

/// One group while it is filled. Keys are numbered within the group.
pub(super) struct Group<'k> {
    keys: &'k [Hashed],
    places: Vec<HashPlace>,
    slots: Slots,
    tails: Tails,
    per_group: usize,
    /// Number of the group's first bucket.
    start: u64,
    /// Key in every slot, or `EMPTY`.
    taken: Vec<u32>,
}

/// A bucket reached in search of room: `key` would move into it from `parent`.
struct Step {
    bucket: usize,
    key: u32,
    parent: usize,
}

impl<'k> Group<'k> {
    /// For hashes of the attempt; `None` for more keys than slots.
    pub(super) fn new(form: Form, keys: &'k [Hashed]) -> Option<Self> {
        let Form { shape, slots, tails } = form;
        let per_group = shape.per_group as usize;
        let places: Vec<HashPlace> = keys.iter().map(|key| shape.place(key.hash)).collect();
        let start = places.first().map_or(0, |place| place.group * u64::from(shape.per_group));
        let taken = vec![EMPTY; per_group * slots.count()];
        (keys.len() <= taken.len()).then_some(Self {
            keys,
            places,
            slots,
            tails,
            per_group,
            start,
            taken,
        })
    }

    /// Places every key, then writes the buckets; returns the keys in second buckets.
    pub(super) fn fill(mut self, out: &mut [u8]) -> Option<u64> {
        let mut waiting = Vec::new();
        for key in 0..self.keys.len() as u32 {
            if !self.put(key, self.first(key)) {
                waiting.push(key);
            }
        }
        for key in waiting {
            if !self.put(key, self.second(key)) {
                self.make_room(key)?;
            }
        }
        Some(self.write(out))
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

    fn bucket(&self, bucket: usize) -> &[u32] {
        &self.taken[bucket * self.slots.count()..(bucket + 1) * self.slots.count()]
    }

    /// Whether the bucket may hold one more key with this key's tag when `leaving` goes.
    fn tag_fits(&self, key: u32, bucket: usize, leaving: u32) -> bool {
        let tag = self.places[key as usize].tag;
        let same = |&&other: &&u32| {
            other != EMPTY && other != leaving && self.places[other as usize].tag == tag
        };
        self.bucket(bucket).iter().filter(same).count() < MAX_EQUAL_TAGS
    }

    fn put(&mut self, key: u32, bucket: usize) -> bool {
        let free = self.bucket(bucket).iter().position(|&other| other == EMPTY);
        match free {
            Some(slot) if self.tag_fits(key, bucket, EMPTY) => {
                self.taken[bucket * self.slots.count() + slot] = key;
                true
            }
            _ => false,
        }
    }

    /// Breadth-first search for the shortest chain of moves that frees a slot for `key`, as in
    /// cuckoo hashing with buckets (Dietzfelbinger and Weidling 2007).
    fn make_room(&mut self, key: u32) -> Option<()> {
        let mut steps = vec![Step { bucket: self.first(key), key, parent: usize::MAX }];
        if self.second(key) != self.first(key) {
            steps.push(Step { bucket: self.second(key), key, parent: usize::MAX });
        }
        let mut at = 0;
        while at < steps.len() && at < SEARCH {
            let Step { bucket, key, .. } = steps[at];
            for slot in 0..self.slots.count() {
                let resident = self.bucket(bucket)[slot];
                if resident == EMPTY || !self.tag_fits(key, bucket, resident) {
                    continue;
                }
                let to = self.other(resident, bucket);
                if to == bucket || steps.iter().any(|step| step.bucket == to) {
                    continue;
                }
                if self.put(resident, to) {
                    self.unwind(&steps, at, resident);
                    return Some(());
                }
                if steps.len() < SEARCH {
                    steps.push(Step { bucket: to, key: resident, parent: at });
                }
            }
            at += 1;
        }
        None
    }

    /// `leaving` has moved out of `steps[at].bucket`: fill its slot, and the slots that this
    /// empties in turn.
    fn unwind(&mut self, steps: &[Step], mut at: usize, mut leaving: u32) {
        while let Some(step) = steps.get(at) {
            let count = self.slots.count();
            let row = &mut self.taken[step.bucket * count..(step.bucket + 1) * count];
            if let Some(slot) = row.iter().position(|&other| other == leaving) {
                row[slot] = step.key;
            }
            leaving = step.key;
            at = step.parent;
        }
    }

    fn write(&self, out: &mut [u8]) -> u64 {
        let (buckets, _) = out.as_chunks_mut::<BUCKET>();
        let mut second = 0;
        for bucket in 0..self.per_group {
            for slot in 0..self.slots.count() {
                let key = self.bucket(bucket)[slot];
                if key == EMPTY {
                    continue;
                }
                let place = &self.places[key as usize];
                let Hashed { hash, reference } = self.keys[key as usize];
                let held = self.tails.with_tail(reference, hash);
                self.slots.set(&mut buckets[bucket], slot, place.tag, held);
                if self.first(key) != bucket {
                    self.slots.set_overflow(&mut buckets[self.first(key)], place.overflow);
                    second += 1;
                }
            }
        }
        second
    }
}
