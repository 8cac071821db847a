//! The hash index: hashes in, buckets out, some groups after the others and those on all threads.
//!
//! The hashes of a large table do not fit in memory. They are spilled in parts: each part is
//! divided by the upper bits of the hash, which decide the group, so that the keys of some
//! groups are a short stretch of each part.

mod group;
mod parts;

use super::pool::Pool;
use super::scratch::Scratch;
use super::sink::Sink;
use crate::error::BuildError;
use crate::format::hasher::{Hasher, MAX_ATTEMPTS};
use crate::format::index::hash::{BUCKET, GROUP_BUCKETS, Shape, Slots, Tails};
use group::Group;
use parts::Parts;
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// A key's hash (of attempt 0) and its reference: rank or record offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    pub(super) hash: u64,
    pub(super) reference: u64,
}

/// How the index came about.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) shape: Shape,
    pub(super) slots: Slots,
    pub(super) attempt: u32,
    /// Keys that stand in their second bucket.
    pub(super) second: u64,
}

/// What the index looks like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    shape: Shape,
    slots: Slots,
    tails: Tails,
}

/// The hashes of distinct keys, as they are collected in ascending order of the keys.
pub(super) struct Hashes {
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

/// Bytes per key while groups are built: its hash twice, its places, its slot.
const BYTES_PER_KEY: usize = 96;
/// Fewest hashes in memory, fewest bytes for building.
const LEAST_HELD: usize = 1 << 16;
const LEAST_MEMORY: usize = 8 << 20;

impl Hashes {
    /// Takes about `memory` bytes, but some MiB at least.
    pub(super) fn new(memory: usize, directory: &Arc<Path>) -> Self {
        // What is held is copied in order of the groups.
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
    pub(super) fn push(&mut self, hash: u64, reference: u64) -> Result<(), BuildError> {
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
            None => Parts::new(Scratch::create(&self.directory)?, self.most, 0),
        };
        parts.append(&self.held)?;
        self.held.clear();
        self.parts = Some(parts);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes the index. `Err` holds the number of attempts after which it was given up: too many
    /// keys share one 64-bit hash. All references are below `references`. `done` is told of groups
    /// written, and how many there are.
    pub(super) fn write(
        mut self,
        sink: &mut Sink,
        pool: &Pool,
        references: u64,
        done: &dyn Fn(u64, u64),
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
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                sink.go_back(&mark)?;
                if let Some(parts) = &mut self.parts {
                    *parts = parts.divided_anew(Scratch::create(&self.directory)?, attempt)?;
                }
            }
            if let Some(second) = self.attempt(form, attempt, sink, pool, done)? {
                return Ok(Ok(Built { shape, slots, attempt, second }));
            }
        }
        sink.go_back(&mark)?;
        Ok(Err(MAX_ATTEMPTS))
    }

    /// Builds all groups, or `None` if one of them can't be filled.
    fn attempt(
        &self,
        form: Form,
        attempt: u32,
        sink: &mut Sink,
        pool: &Pool,
        done: &dyn Fn(u64, u64),
    ) -> Result<Option<u64>, BuildError> {
        let Form { shape, slots, .. } = form;
        let (all, mut second) = (0..shape.groups, 0);
        let mut starts = Vec::new();
        let mut grouped = Vec::new();
        if self.parts.is_none() {
            group_up(self.held.iter().copied(), shape, attempt, &all, &mut starts, &mut grouped);
        }
        let keys_per_group = (GROUP_BUCKETS as usize * slots.count()).min(self.count as usize);
        let at_once = (self.memory / BYTES_PER_KEY / keys_per_group.max(1)).max(1) as u64;
        let group_bytes = shape.per_group as usize * BUCKET;
        let mut bytes = Vec::new();
        for first in (0..shape.groups).step_by(at_once as usize) {
            let groups = first..(first + at_once).min(shape.groups);
            let mut base = first as usize;
            if let Some(parts) = &self.parts {
                let keys = parts.of_groups(shape, attempt, &groups)?;
                group_up(keys.into_iter(), shape, attempt, &groups, &mut starts, &mut grouped);
                base = 0;
            }
            bytes.clear();
            bytes.resize(group_bytes * (groups.end - groups.start) as usize, 0);
            let fill = |(group, out): (usize, &mut [u8])| {
                let keys = starts[base + group]..starts[base + group + 1];
                Group::new(form, &grouped[keys])?.fill(out)
            };
            let moved = if groups.end - groups.start == 1 {
                fill((0, &mut bytes))
            } else {
                pool.run(|| bytes.par_chunks_mut(group_bytes).enumerate().map(fill).sum())
            };
            let Some(moved) = moved else { return Ok(None) };
            second += moved;
            sink.write(&bytes)?;
            done(groups.end, shape.groups);
        }
        Ok(Some(second))
    }
}

/// Sorts keys by group; within a group they stand in ascending order of the keys, which is that
/// of their references. Their hashes become those of the attempt.
fn group_up(
    keys: impl Iterator<Item = Hashed> + Clone,
    shape: Shape,
    attempt: u32,
    groups: &Range<u64>,
    starts: &mut Vec<usize>,
    grouped: &mut Vec<Hashed>,
) {
    let hasher = Hasher::new(attempt);
    let group_of =
        |key: &Hashed| (shape.place(hasher.remix(key.hash)).group - groups.start) as usize;
    // A counting sort keeps the keys' order.
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
    use super::super::sink::Terms;
    use super::*;
    use crate::format::index::hash::MAX_EQUAL_TAGS;

    fn keys(hashes: impl Iterator<Item = u64>) -> Vec<Hashed> {
        hashes.zip(0..).map(|(hash, reference)| Hashed { hash, reference }).collect()
    }

    struct Index {
        bytes: Vec<u8>,
        built: Built,
        references: u64,
    }

    /// Builds with `most` keys in memory, and few groups at once where that is fewer than all.
    fn build_with(keys: &[Hashed], most: usize) -> Result<Index, u32> {
        let directory: Arc<Path> = std::env::temp_dir().into();
        let file = tempfile::tempfile().unwrap();
        let terms = Terms { directory: directory.clone(), threaded: true, expected: 0 };
        let mut sink = Sink::new(&file, &directory, 64, &terms).unwrap();
        let mut hashes = Hashes::with_room(most, 1 << 20, &directory);
        keys.iter().for_each(|key| hashes.push(key.hash, key.reference).unwrap());
        assert_eq!(hashes.parts.is_some(), keys.len() > most);
        let built =
            hashes.write(&mut sink, &Pool::new(0), keys.len() as u64, &|_, _| ()).unwrap()?;
        let end = sink.written_out().unwrap();
        let mut bytes = vec![0; end as usize - 64];
        crate::file::io::read_exact_at(&file, &mut bytes, 64).unwrap();
        Ok(Index { bytes, built, references: keys.len() as u64 })
    }

    /// In memory and through a file: the same bytes.
    fn build(keys: &[Hashed]) -> Result<Index, u32> {
        let in_memory = build_with(keys, usize::MAX >> 8);
        for most in [1_000, 30_000] {
            let spilled = build_with(keys, most);
            match (&in_memory, &spilled) {
                (Ok(one), Ok(other)) => {
                    assert!(one.bytes == other.bytes, "{} keys, {most} in memory", keys.len());
                    assert_eq!(one.built.attempt, other.built.attempt);
                    assert_eq!(one.built.second, other.built.second);
                }
                (one, other) => assert_eq!(one.is_ok(), other.is_ok()),
            }
        }
        in_memory
    }

    /// Looks a hash up as a reader does and returns the references its tags lead to.
    fn candidates(index: &Index, hash: u64) -> Vec<u64> {
        let Built { shape, slots, attempt, .. } = index.built;
        let hash = Hasher::new(attempt).remix(hash);
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

    fn check(keys: &[Hashed], index: &Index) {
        for key in keys {
            assert!(candidates(index, key.hash).contains(&key.reference), "{} keys", keys.len());
        }
    }

    #[test]
    fn every_key_is_found_at_every_size() {
        for n in [0u64, 1, 2, 11, 12, 13, 100, 1000, 9_000, 12_000, 400_000] {
            let keys = keys((0..n).map(|i| Hasher::base(&i.to_le_bytes())));
            check(&keys, &build(&keys).unwrap());
        }
    }

    /// Three keys of one hash still fit a bucket, six fit two; more is given up, not lost.
    #[test]
    fn equal_hashes_are_bounded() {
        for equal in [1usize, 3, 6] {
            let base = (0..2_000u64).map(|i| Hasher::base(&i.to_le_bytes()));
            let keys = keys(base.chain(std::iter::repeat_n(7, equal)));
            check(&keys, &build(&keys).unwrap());
        }
        let few = keys(std::iter::repeat_n(7, 7));
        assert!(matches!(build(&few), Err(MAX_ATTEMPTS)));
        let base = (0..100_000u64).map(|i| Hasher::base(&i.to_le_bytes()));
        let many = keys(base.chain(std::iter::repeat_n(u64::MAX, 7)));
        assert!(matches!(build(&many), Err(MAX_ATTEMPTS)));
    }

    /// More keys than a group has room for: the next attempt spreads them, and nothing of the one
    /// before stays in the file.
    #[test]
    fn a_crowded_group_takes_another_attempt() {
        let base = (0..150_000u64).map(|i| Hasher::base(&i.to_le_bytes()));
        let crowd = (0..9_000u64).map(|i| (1 << 63) + i * 0x1234_5671);
        let keys = keys(base.chain(crowd));
        let index = build(&keys).unwrap();
        assert!(index.built.attempt > 0);
        check(&keys, &index);
    }

    /// References beyond 4 GiB take wider slots.
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
