//! Entries by their numbers.

use super::{Source, shard};
use crate::exit::{Failure, reading};
use graven::{SetError, Table, TableSet, Value};
use std::ops::Range;
use std::path::Path;

/// Finds entries by their places: the order of keys, but in a set of hash shards one shard after the
/// other, which costs no search. Places are asked in ascending order.
pub(crate) struct ByPlace<'s> {
    source: &'s Source,
    path: &'s Path,
    /// The current shard of a set, its number and the number of entries before it.
    table: Option<Table>,
    shard: usize,
    before: u64,
}

impl<'s> ByPlace<'s> {
    pub(super) fn new(source: &'s Source, path: &'s Path) -> Self {
        Self { source, path, table: None, shard: 0, before: 0 }
    }

    /// The key at a place.
    pub(crate) fn key(&mut self, place: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path;
        let entry = |table: &Table, rank| {
            let entry = table.nth(rank).map_err(reading(path))?;
            Ok(entry.map(|(key, _)| key.to_vec()))
        };
        match self.source {
            Source::Table(table) => entry(table, place),
            Source::Packed(_) => self.source.nth_key(path, place),
            Source::Set(set) => match self.of_set(set, place)? {
                Some(table) => entry(&table, place - self.before),
                None => Ok(None),
            },
        }
    }

    /// The entry of a set at a place.
    pub(crate) fn entry(
        &mut self,
        set: &TableSet,
        place: u64,
    ) -> Result<Option<(Value, Value)>, Failure> {
        let Some(table) = self.of_set(set, place)? else { return Ok(None) };
        let entry = table.nth(place - self.before).map_err(reading(self.path))?;
        let own = |(key, value)| Some((table.slice_ref(key)?, table.slice_ref(value)?));
        Ok(entry.and_then(own))
    }

    /// The shard with a place.
    fn of_set(&mut self, set: &TableSet, place: u64) -> Result<Option<Table>, Failure> {
        let shards = &set.manifest().shards;
        while self.shard < shards.len() && place - self.before >= shards[self.shard].entries {
            self.before += shards[self.shard].entries;
            self.shard += 1;
            self.table = None;
        }
        if self.table.is_none() && self.shard < shards.len() {
            self.table = Some(shard(set, self.shard)?.0);
        }
        Ok(self.table.clone())
    }
}

/// The key with so many entries before it in a set of hash shards. Each round asks all shards and leaves at most three
/// quarters of the entries, so a set of n entries takes 2.5 log n rounds at most.
pub(super) fn nth_key(set: &TableSet, rank: u64) -> Result<Option<Vec<u8>>, SetError> {
    if rank >= set.len() {
        return Ok(None);
    }
    let tables = (0..set.manifest().shards.len()).map(|shard| set.table(shard));
    let tables = tables.collect::<Result<Vec<Table>, _>>()?;
    // The ranks, within each shard, among which the entry is.
    let mut left: Vec<Range<u64>> = tables.iter().map(|table| 0..table.len()).collect();
    loop {
        let Some(pivot) = middle(&tables, &left)? else { return Ok(None) };
        let (mut below, mut up_to) = (Vec::new(), Vec::new());
        for table in &tables {
            below.push(table.rank(&pivot)?);
            up_to.push(table.count(..=&pivot[..])?);
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
fn middle(tables: &[Table], left: &[Range<u64>]) -> Result<Option<Vec<u8>>, SetError> {
    let mut medians = Vec::new();
    for (table, left) in tables.iter().zip(left) {
        let many = left.end.saturating_sub(left.start);
        if many > 0
            && let Some((key, _)) = table.nth(left.start + many / 2)?
        {
            medians.push((key, many));
        }
    }
    medians.sort_unstable();
    let all: u64 = medians.iter().map(|(_, many)| many).sum();
    let mut before = 0;
    let middle = medians.iter().find(|(_, many)| {
        before += many;
        before * 2 >= all
    });
    Ok(middle.map(|(key, _)| key.to_vec()))
}
