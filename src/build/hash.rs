//! The hash index: hashes in, buckets out, one group after the other and on all threads.

use crate::format::hash::{BUCKET, Hasher, MAX_ATTEMPTS, MAX_EQUAL_TAGS, Place, Shape, Slots};
use rayon::prelude::*;

/// A key's hash (of attempt 0) and its reference: rank or record offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    pub(super) hash: u64,
    pub(super) reference: u64,
}

/// Buckets of all groups and how they came about.
pub(super) struct Buckets {
    pub(super) bytes: Vec<u8>,
    pub(super) shape: Shape,
    pub(super) slots: Slots,
    pub(super) attempt: u32,
    /// Keys that stand in their second bucket.
    pub(super) second: u64,
}

/// Builds the index over distinct keys in ascending order. `Err` holds the number of attempts
/// after which it was given up: too many keys share one 64-bit hash.
pub(super) fn build(keys: &[Hashed]) -> Result<Buckets, u32> {
    let most = keys.iter().map(|key| key.reference).max().unwrap_or(0);
    let slots = Slots::for_reference(most);
    let shape = Shape::for_keys(keys.len() as u64, slots);
    (0..MAX_ATTEMPTS).find_map(|attempt| try_build(keys, shape, slots, attempt)).ok_or(MAX_ATTEMPTS)
}

fn try_build(keys: &[Hashed], shape: Shape, slots: Slots, attempt: u32) -> Option<Buckets> {
    let hasher = Hasher::new(attempt);
    let group_of = |key: &Hashed| shape.place(hasher.remix(key.hash)).group as usize;
    // A counting sort by group keeps the keys' order, which makes the bytes deterministic.
    let mut starts = vec![0usize; shape.groups as usize + 1];
    for key in keys {
        starts[group_of(key) + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut grouped = vec![Hashed { hash: 0, reference: 0 }; keys.len()];
    let mut next = starts.clone();
    for key in keys {
        let group = group_of(key);
        grouped[next[group]] = Hashed { hash: hasher.remix(key.hash), ..*key };
        next[group] += 1;
    }
    let group_bytes = shape.per_group as usize * BUCKET;
    let mut bytes = vec![0; group_bytes * shape.groups as usize];
    let second = bytes
        .par_chunks_mut(group_bytes)
        .enumerate()
        .map(|(group, out)| {
            Group::new(shape, slots, &grouped[starts[group]..starts[group + 1]])?.fill(out)
        })
        .try_fold(|| 0, |sum, second: Option<u64>| Some(sum + second?))
        .try_reduce(|| 0, |a, b| Some(a + b))?;
    Some(Buckets { bytes, shape, slots, attempt, second })
}

const EMPTY: u32 = u32::MAX;
/// Buckets visited at most to make room for one key.
const SEARCH: usize = 2048;

/// One group while it is filled. Keys are numbered within the group.
struct Group<'k> {
    keys: &'k [Hashed],
    places: Vec<Place>,
    slots: Slots,
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
    fn new(shape: Shape, slots: Slots, keys: &'k [Hashed]) -> Option<Self> {
        let per_group = shape.per_group as usize;
        let places: Vec<Place> = keys.iter().map(|key| shape.place(key.hash)).collect();
        let start = places.first().map_or(0, |place| place.group * u64::from(shape.per_group));
        let taken = vec![EMPTY; per_group * slots.count()];
        (keys.len() <= taken.len()).then_some(Self { keys, places, slots, per_group, start, taken })
    }

    /// Places every key, then writes the buckets; returns the keys in second buckets.
    fn fill(mut self, out: &mut [u8]) -> Option<u64> {
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
                let reference = self.keys[key as usize].reference;
                self.slots.set(&mut buckets[bucket], slot, place.tag, reference);
                if self.first(key) != bucket {
                    self.slots.set_overflow(&mut buckets[self.first(key)], place.overflow);
                    second += 1;
                }
            }
        }
        second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hashes: impl Iterator<Item = u64>) -> Vec<Hashed> {
        hashes.zip(0..).map(|(hash, reference)| Hashed { hash, reference }).collect()
    }

    /// Looks a hash up as a reader does and returns the references its tags lead to.
    fn candidates(index: &Buckets, hash: u64) -> Vec<u64> {
        let place = index.shape.place(Hasher::new(index.attempt).remix(hash));
        let (buckets, _) = index.bytes.as_chunks::<BUCKET>();
        let mut found = Vec::new();
        for (turn, number) in [place.first, place.second].into_iter().enumerate() {
            let bucket = &buckets[number as usize];
            let slots = 0..index.slots.count();
            let same: Vec<usize> = slots.filter(|&slot| bucket[slot] == place.tag).collect();
            assert!(same.len() <= MAX_EQUAL_TAGS);
            found.extend(same.into_iter().map(|slot| index.slots.reference(bucket, slot)));
            if turn == 0 && !index.slots.overflows(bucket, place.overflow) {
                break;
            }
        }
        found
    }

    #[test]
    fn every_key_is_found_at_every_size() {
        for n in [0u64, 1, 2, 11, 12, 13, 100, 1000, 9_000, 12_000, 100_000] {
            let keys = keys((0..n).map(|i| Hasher::base(&i.to_le_bytes())));
            let index = build(&keys).unwrap();
            for key in &keys {
                assert!(candidates(&index, key.hash).contains(&key.reference), "{n} keys");
            }
        }
    }

    /// Three keys of one hash still fit a bucket, six fit two; more is given up, not lost.
    #[test]
    fn equal_hashes_are_bounded() {
        for equal in [1usize, 3, 6] {
            let base = (0..200u64).map(|i| Hasher::base(&i.to_le_bytes()));
            let keys = keys(base.chain(std::iter::repeat_n(7, equal)));
            let index = build(&keys).unwrap();
            for key in &keys {
                assert!(candidates(&index, key.hash).contains(&key.reference), "{equal} equal");
            }
        }
        let keys = keys(std::iter::repeat_n(7, 7));
        assert!(matches!(build(&keys), Err(MAX_ATTEMPTS)));
    }

    /// References beyond 4 GiB take wider slots.
    #[test]
    fn wide_references() {
        for most in [1u64 << 33, 1 << 41] {
            let mut keys = keys((0..5000u64).map(|i| Hasher::base(&i.to_le_bytes())));
            for key in &mut keys {
                key.reference += most;
            }
            let index = build(&keys).unwrap();
            assert!(keys.iter().all(|key| candidates(&index, key.hash).contains(&key.reference)));
        }
    }
}
