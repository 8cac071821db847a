//! Entries by their numbers.

use super::Source;
use crate::exit::{Failure, reading};
use crate::open;
use graven::{PackedTable, ValueBuffer};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Finds entries by their places: the order of keys, but in a set of hash shards one shard after the
/// other, which costs no search. Places that ascend ask each shard once for its table.
pub(crate) struct ByPlace<'s> {
    source: &'s Source,
    path: &'s Path,
    /// The number of entries before each shard of a set, and of all; none for a table.
    before: Vec<u64>,
    /// The shard that was asked last, and its number.
    shard: Option<(usize, Shard)>,
    buffer: ValueBuffer,
}

/// A shard, and the path of its file.
struct Shard {
    table: PackedTable,
    path: PathBuf,
}

impl Shard {
    fn open(source: &Source, path: &Path, number: usize) -> Result<Self, Failure> {
        let (table, path) = source.table(path, number)?;
        Ok(Self { table, path })
    }
}

impl<'s> ByPlace<'s> {
    pub(super) fn new(source: &'s Source, path: &'s Path) -> Self {
        let mut before = Vec::new();
        if let Some(manifest) = source.manifest() {
            before.push(0);
            before.extend(manifest.shards.iter().scan(0, |sum, shard| {
                *sum += shard.entries;
                Some(*sum)
            }));
        }
        Self { source, path, before, shard: None, buffer: ValueBuffer::new() }
    }

    /// The key at a place.
    pub(crate) fn key(&mut self, place: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut found = None;
        self.entry(place, |key, _| {
            found = Some(key.to_vec());
            Ok(())
        })?;
        Ok(found)
    }

    /// Hands the entry at a place to `each`, if there is one.
    pub(crate) fn entry(
        &mut self,
        place: u64,
        each: impl FnOnce(&[u8], &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (number, rank) = match &self.before[..] {
            [] => (0, place),
            [.., all] if place >= *all => return Ok(()),
            before => {
                let number = before.partition_point(|&before| before <= place) - 1;
                (number, place - before[number])
            }
        };
        if self.shard.as_ref().is_none_or(|(open, _)| *open != number) {
            self.shard = Some((number, Shard::open(self.source, self.path, number)?));
        }
        let Some((_, Shard { table, path })) = &self.shard else { return Ok(()) };
        if let Some((key, value)) = table.nth(rank, &mut self.buffer).map_err(reading(path))? {
            each(key, value)?;
        }
        open::intact(table.stored(), path)
    }
}

/// The key with so many entries before it in a set of hash shards. Each round asks all shards and
/// leaves at most three quarters of the entries, so a set of n entries takes 2.5 log n rounds at most.
pub(super) fn nth_key(source: &Source, path: &Path, rank: u64) -> Result<Option<Vec<u8>>, Failure> {
    if rank >= source.len() {
        return Ok(None);
    }
    let shards = (0..source.shard_count()).map(|number| Shard::open(source, path, number));
    let shards = shards.collect::<Result<Vec<_>, _>>()?;
    let mut buffer = ValueBuffer::new();
    // The ranks, within each shard, among which the entry is.
    let mut left: Vec<Range<u64>> = shards.iter().map(|shard| 0..shard.table.len()).collect();
    loop {
        let Some(pivot) = middle(&shards, &left, &mut buffer)? else { return Ok(None) };
        let (mut below, mut up_to) = (Vec::new(), Vec::new());
        for Shard { table, path } in &shards {
            below.push(table.rank(&pivot).map_err(reading(path))?);
            up_to.push(table.count(..=&pivot[..]).map_err(reading(path))?);
        }
        if rank < below.iter().sum() {
            left.iter_mut().zip(below).for_each(|(left, end)| left.end = left.end.min(end));
        } else if rank < up_to.iter().sum() {
            return Ok(Some(pivot));
        } else {
            left.iter_mut().zip(up_to).for_each(|(left, start)| left.start = left.start.max(start));
        }
    }
}

/// The median of the medians of what is left in each shard, each weighted by how much that is.
fn middle(
    shards: &[Shard],
    left: &[Range<u64>],
    buffer: &mut ValueBuffer,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut medians = Vec::new();
    for (Shard { table, path }, left) in shards.iter().zip(left) {
        let many = left.end.saturating_sub(left.start);
        if many == 0 {
            continue;
        }
        if let Some((key, _)) = table.nth(left.start + many / 2, buffer).map_err(reading(path))? {
            medians.push((key.to_vec(), many));
        }
    }
    medians.sort_unstable();
    let all: u64 = medians.iter().map(|(_, many)| many).sum();
    let mut before = 0;
    let middle = medians.into_iter().find(|(_, many)| {
        before += many;
        before * 2 >= all
    });
    Ok(middle.map(|(key, _)| key))
}
