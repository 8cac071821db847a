//! The hash index: hashes in, buckets out. Ranges of groups are built one after the other, the
//! groups of a range on all threads.
//!
//! The hashes of a large table do not fit in memory. They are spilled in parts. Each part is
//! divided by the upper bits of the hash, which decide the group, so the keys of a range of groups
//! are a short stretch of each part.
//!
//! If several keys have one hash, the first stands in the index. The others are set aside: no seed
//! would separate them, and each costs only a comparison. Keys that were chosen to crowd few
//! buckets make an attempt fail, within a bounded number of steps. The next attempt has a seed that
//! is made from the table's content.

mod form;
mod group;
mod parts;

use crate::error::BuildError;
use crate::format::hasher::{Hasher, MAX_ATTEMPTS};
use crate::format::index::hash::{BUCKET, GROUP_BUCKETS, Shape, Slots, Tails};
use crate::write::pool::Pool;
use crate::write::scratch::Scratch;
use crate::write::sink::Sink;
use form::{Form, Hashed};
use group::{Filled, Group};
use parts::Parts;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How the index came about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) shape: Shape,
    pub(crate) slots: Slots,
    pub(crate) attempt: u32,
    pub(crate) seed: u64,
    /// Keys that stand in their second bucket.
    pub(crate) second: u64,
    /// Keys that are not in the index.
    pub(crate) set_aside: u64,
}

/// The hashes of distinct keys, collected in ascending order of the keys.
pub(crate) struct Hashes {
    held: Vec<Hashed>,
    /// Most hashes in memory.
    most: usize,
    directory: Arc<Path>,
    parts: Option<Parts>,
    count: u64,
    largest: u64,
    /// Bytes that groups may take while they are built.
    memory: usize,
}

/// Bytes per key while groups are built: three times its hash (groups may be read with twice as
/// many keys as they hold), its places, its slot.
const BYTES_PER_KEY: usize = 96;
/// Fewest hashes in memory, and fewest bytes for building.
const LEAST_HELD: usize = 1 << 16;
const LEAST_MEMORY: usize = 8 << 20;

impl Hashes {
    /// Makes a collection that takes about `memory` bytes, but some MiB at least.
    pub(crate) fn new(memory: usize, directory: &Arc<Path>) -> Self {
        // The factor of two: the hashes in memory are copied into the order of the groups.
        let most = (memory / (2 * size_of::<Hashed>())).max(LEAST_HELD);
        Self::with_room(most, memory.max(LEAST_MEMORY), directory)
    }

    fn with_room(most: usize, memory: usize, directory: &Arc<Path>) -> Self {
        Self {
            held: Vec::new(),
            most,
            directory: Arc::clone(directory),
            parts: None,
            count: 0,
            largest: 0,
            memory,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, hash: u64, reference: u64) -> Result<(), BuildError> {
        if self.held.len() == self.most {
            self.spill()?;
        }
        self.count += 1;
        self.largest = self.largest.max(reference);
        self.held.push(Hashed { hash, reference });
        Ok(())
    }

    #[cold]
    fn spill(&mut self) -> Result<(), BuildError> {
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => Parts::new(Scratch::create(&self.directory)?, self.most, Hasher::new(0)),
        };
        parts.append(&self.held)?;
        self.held.clear();
        self.parts = Some(parts);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes the index. The inner `Err` holds the number of attempts after which it was given up.
    /// All references are below `references`. Calls `done` with the number of groups written and
    /// the number of all groups.
    pub(crate) fn write(
        mut self,
        sink: &mut Sink,
        pool: &Pool,
        references: u64,
        done: &dyn Fn(u64, u64) -> Result<(), BuildError>,
    ) -> Result<Result<Built, u32>, BuildError> {
        if self.parts.is_some() {
            self.spill()?;
            self.held = Vec::new();
        }
        let slots = Slots::for_reference(self.largest);
        let tails = Tails::new(slots, references);
        let shape = Shape::for_keys(self.count, slots);
        let form = Form { shape, slots, tails };
        let mark = sink.mark()?;
        let mut seed = 0;
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                sink.go_back(&mark)?;
                seed = Hasher::seed(sink.digest()?, attempt);
                if let Some(parts) = &mut self.parts {
                    let file = Scratch::create(&self.directory)?;
                    *parts = parts.divided_anew(file, Hasher::new(seed))?;
                }
            }
            let filled = self.attempt(form, Hasher::new(seed), sink, pool, done)?;
            if let Some(Filled { placed, second }) = filled {
                let set_aside = self.count - placed;
                return Ok(Ok(Built { shape, slots, attempt, seed, second, set_aside }));
            }
        }
        sink.go_back(&mark)?;
        Ok(Err(MAX_ATTEMPTS))
    }

    /// Builds all groups. Returns `None` if one of them can't be filled, or if too many keys stand
    /// in their second bucket: keys can be chosen so that they drive others there.
    fn attempt(
        &self,
        form: Form,
        hasher: Hasher,
        sink: &mut Sink,
        pool: &Pool,
        done: &dyn Fn(u64, u64) -> Result<(), BuildError>,
    ) -> Result<Option<Filled>, BuildError> {
        let Form { shape, slots, .. } = form;
        let (all, mut filled) = (0..shape.groups, Filled::default());
        let mut starts = Vec::new();
        let mut grouped = Vec::new();
        if self.parts.is_none() {
            group_up(self.held.iter().copied(), shape, hasher, &all, &mut starts, &mut grouped);
        }
        let keys_per_group = (GROUP_BUCKETS as usize * slots.count()).min(self.count as usize);
        let at_once = (self.memory / BYTES_PER_KEY / keys_per_group.max(1)).max(1) as u64;
        let group_bytes = shape.per_group as usize * BUCKET;
        let mut bytes = Vec::new();
        for first in (0..shape.groups).step_by(at_once as usize) {
            let groups = first..(first + at_once).min(shape.groups);
            let mut base = first as usize;
            let count = (groups.end - groups.start) as usize;
            if let Some(parts) = &self.parts {
                let room = count * shape.per_group as usize * slots.count();
                let keys = parts.of_groups(shape, hasher, &groups, room)?;
                let Some(keys) = keys else { return Ok(None) };
                group_up(keys.into_iter(), shape, hasher, &groups, &mut starts, &mut grouped);
                base = 0;
            }
            bytes.clear();
            bytes.resize(group_bytes * count, 0);
            let fill = |(group, out): (usize, &mut [u8])| {
                let keys = starts[base + group]..starts[base + group + 1];
                Group::new(form, &grouped[keys])?.fill(out)
            };
            let more: Option<Filled> = if count == 1 {
                fill((0, &mut bytes))
            } else {
                pool.run(|| bytes.par_chunks_mut(group_bytes).enumerate().map(fill).sum())
            };
            let Some(more) = more else { return Ok(None) };
            filled = [filled, more].into_iter().sum();
            if filled.second > most_second(self.count, slots) {
                return Ok(None);
            }
            sink.write(&bytes)?;
            done(groups.end, shape.groups)?;
        }
        Ok(Some(filled))
    }
}

/// Most keys that may stand in their second bucket. With 12 slots, 9.1 % of ordinary keys stand
/// there and 10.4 % may. The root allows for chance in small tables.
fn most_second(keys: u64, slots: Slots) -> u64 {
    keys * 5 / (4 * slots.count() as u64) + 2 * keys.isqrt() + 16
}

/// Sorts keys by group. Within a group the keys ascend, and so do their references. The hashes
/// become those of this attempt.
fn group_up(
    keys: impl Iterator<Item = Hashed> + Clone,
    shape: Shape,
    hasher: Hasher,
    groups: &Range<u64>,
    starts: &mut Vec<usize>,
    grouped: &mut Vec<Hashed>,
) {
    let group_of =
        |key: &Hashed| (shape.place(hasher.remix(key.hash)).group - groups.start) as usize;
    // A counting sort keeps the order of the keys in a group.
    let count = (groups.end - groups.start) as usize;
    starts.clear();
    starts.resize(count + 2, 0);
    let mut all = 0;
    for key in keys.clone() {
        starts[group_of(&key) + 2] += 1;
        all += 1;
    }
    for i in 2..starts.len() {
        starts[i] += starts[i - 1];
    }
    grouped.clear();
    grouped.resize(all, Hashed { hash: 0, reference: 0 });
    for key in keys {
        let next = &mut starts[group_of(&key) + 1];
        grouped[*next] = Hashed { hash: hasher.remix(key.hash), ..key };
        *next += 1;
    }
    // Keys that came from several parts are out of order.
    for group in 0..count {
        let keys = &mut grouped[starts[group]..starts[group + 1]];
        if !keys.is_sorted_by_key(|key| key.reference) {
            keys.sort_unstable_by_key(|key| key.reference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::form::one_of_each_hash;
    use super::*;
    use crate::format::index::hash::MAX_EQUAL_TAGS;
    use crate::write::sink::Terms;

    fn keys(hashes: impl Iterator<Item = u64>) -> Vec<Hashed> {
        hashes.zip(0..).map(|(hash, reference)| Hashed { hash, reference }).collect()
    }

    struct Index {
        bytes: Vec<u8>,
        built: Built,
        references: u64,
    }

    /// Builds with at most `most` keys in memory, and with few groups at once if `most` is less
    /// than all keys.
    fn build_with(keys: &[Hashed], most: usize) -> Result<Index, u32> {
        let directory: Arc<Path> = std::env::temp_dir().into();
        let file = tempfile::tempfile().unwrap();
        let terms = Terms {
            directory: directory.clone(),
            threaded: true,
            expected: 0,
            progress: Default::default(),
        };
        let mut sink = Sink::new(&file, &directory, 64, &terms).unwrap();
        let mut hashes = Hashes::with_room(most, 1 << 20, &directory);
        keys.iter().for_each(|key| hashes.push(key.hash, key.reference).unwrap());
        assert_eq!(hashes.parts.is_some(), keys.len() > most);
        let built = hashes
            .write(&mut sink, &Pool::new(None), keys.len() as u64, &|_, _| Ok(()))
            .unwrap()?;
        let end = sink.written_out().unwrap();
        let mut bytes = vec![0; end as usize - 64];
        crate::file::io::read_exact_at(&file, &mut bytes, 64).unwrap();
        Ok(Index { bytes, built, references: keys.len() as u64 })
    }

    /// Builds in memory and through a file, and checks that both give the same bytes.
    fn build(keys: &[Hashed]) -> Result<Index, u32> {
        let in_memory = build_with(keys, usize::MAX >> 8);
        for most in [1_000, 30_000] {
            let spilled = build_with(keys, most);
            match (&in_memory, &spilled) {
                (Ok(one), Ok(other)) => {
                    assert!(one.bytes == other.bytes, "{} keys, {most} in memory", keys.len());
                    assert_eq!(one.built, other.built);
                }
                (one, other) => assert_eq!(one.is_ok(), other.is_ok()),
            }
        }
        in_memory
    }

    /// Looks a hash up as a reader does. Returns the references to which matching tags lead.
    fn candidates(index: &Index, hash: u64) -> Vec<u64> {
        let Built { shape, slots, seed, .. } = index.built;
        let hash = Hasher::new(seed).remix(hash);
        let (place, tails) = (shape.place(hash), Tails::new(slots, index.references));
        let (buckets, _) = index.bytes.as_chunks::<BUCKET>();
        let mut found = Vec::new();
        for (turn, number) in [place.first, place.second].into_iter().enumerate() {
            let bucket = &buckets[number as usize];
            let same: Vec<usize> =
                (0..slots.count()).filter(|&slot| slots.tag(bucket, slot) == place.tag).collect();
            assert!(same.len() <= MAX_EQUAL_TAGS);
            let held = same.into_iter().map(|slot| slots.get(bucket, slot));
            found.extend(held.filter(|&held| tails.fits(held, hash)).map(|h| tails.reference(h)));
            if turn == 0 && !slots.overflows(bucket, place.overflow) {
                break;
            }
        }
        found
    }

    /// Checks that each hash leads to the first key that has it.
    fn check(keys: &[Hashed], index: &Index) {
        let mut firsts = keys.to_vec();
        one_of_each_hash(&mut firsts);
        for key in &firsts {
            assert!(candidates(index, key.hash).contains(&key.reference), "{} keys", keys.len());
        }
        assert_eq!(index.built.set_aside, (keys.len() - firsts.len()) as u64);
    }

    #[test]
    fn every_key_is_found_at_every_size() {
        for n in [0u64, 1, 2, 11, 12, 13, 100, 1000, 9_000, 12_000, 400_000] {
            let keys = keys((0..n).map(|i| Hasher::base(&i.to_le_bytes())));
            let index = build(&keys).unwrap();
            check(&keys, &index);
            assert_eq!(index.built.attempt, 0, "{n} keys");
        }
    }

    /// The first key of a hash stands in the index, however many keys have the hash; the others are
    /// counted. No seed separates them, so there is no second attempt.
    #[test]
    fn keys_of_one_hash_are_set_aside() {
        let base = |n: u64| (0..n).map(|i| Hasher::base(&i.to_le_bytes()));
        for (others, equal) in [(0, 2), (0, 7), (2_000, 3), (2_000, 40_000), (100_000, 7)] {
            for hash in [7, u64::MAX] {
                let equals = || std::iter::repeat_n(hash, equal);
                let last = keys(base(others).chain(equals()));
                let first = keys(equals().chain(base(others)));
                for keys in [last, first] {
                    let index = build(&keys).unwrap();
                    check(&keys, &index);
                    let built = &index.built;
                    assert_eq!((built.attempt, built.set_aside), (0, equal as u64 - 1));
                }
            }
        }
        // Many hashes, with two to five keys each.
        let keys =
            keys((0..60_000u64).flat_map(|i| {
                std::iter::repeat_n(Hasher::base(&i.to_le_bytes()), i as usize % 4 + 2)
            }));
        check(&keys, &build(&keys).unwrap());
    }

    /// Hashes that were chosen to crowd few buckets, groups, or halves of buckets. An attempt with
    /// a seed spreads them, and no bytes of the failed attempt stay in the file.
    #[test]
    fn a_crowd_takes_a_seed() {
        let base = || (0..150_000u64).map(|i| Hasher::base(&i.to_le_bytes()));
        let crowd = |n: u64, step: u64| (0..n).map(move |i| (1 << 63) + i * step);
        let shape = Shape::for_keys(300_000, Slots::Four);
        let halves = (0..).map(|i: u64| Hasher::base(&i.to_be_bytes()));
        let halves = halves.filter(|&hash| shape.place(hash).first.is_multiple_of(2)).take(150_000);
        // The first keys of a table take their first buckets, so the chosen keys drive out the
        // others.
        let sets = [
            keys(base().chain(crowd(9_000, 0x1234_5671))),
            keys(crowd(150_000, 3).chain(base())),
            keys(crowd(100_000, 1 << 40)),
            keys(halves.chain(base())),
        ];
        for (number, keys) in sets.iter().enumerate() {
            let index = build(keys).unwrap();
            assert_eq!(index.built.attempt, 1, "set {number}");
            assert_ne!(index.built.seed, 0, "set {number}");
            check(keys, &index);
        }
    }

    /// References beyond 4 GiB need wider slots.
    #[test]
    fn wide_references() {
        for most in [1u64 << 33, 1 << 41] {
            let mut keys = keys((0..5000u64).map(|i| Hasher::base(&i.to_le_bytes())));
            for key in &mut keys {
                key.reference += most;
            }
            check(&keys, &build(&keys).unwrap());
        }
    }
}
