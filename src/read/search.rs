//! Searches: the place of a key or of a rank, through whichever index the table has.

use super::index::hash::{Buckets, Hash};
use super::index::line::Lines;
use super::index::tree::{Block, Tree};
use super::place::{Entry, Found, Place, Side, Start};
use super::view::View;
use crate::error::ReadResult;

/// The error for a record that ends elsewhere than the index says.
const MISPLACED: &str = "index names another place";

/// Searches in a table.
#[derive(Clone, Copy)]
pub(crate) struct Search<'t> {
    view: &'t View,
}

impl<'t> Search<'t> {
    pub(crate) fn of(view: &'t View) -> Self {
        Self { view }
    }

    /// Finds a place by key.
    pub(crate) fn seek(self, key: &[u8], side: Side) -> ReadResult<Place> {
        self.view.sound(self.by_order(key, side, 0))
    }

    /// Finds where to start an iteration at `key`. Where the hash index has the key, it finds the
    /// place through two cache lines instead of one line for each level of the tree. Slots know
    /// offsets and no ranks; with repeated keys no search finds the rank afterwards, so there the
    /// tree is asked. `walk`: bytes of records that will be walked from there.
    pub(crate) fn seek_start(self, key: &[u8], side: Side, walk: usize) -> ReadResult<Start> {
        if let Some(hash) = Hash::of(self.view)
            && self.view.layout().fixed.is_none()
            && !self.view.layout().repeated_keys
        {
            // A damaged hash index is no reason to fail: the tree answers as well.
            // So it does for a key that is set aside.
            if let Ok(Buckets::Record(found)) = hash.ask(key, walk) {
                let offset = match side {
                    Side::NotBelow => found.offset,
                    Side::Above => found.parts.end(),
                };
                return self.view.sound(Ok(Start { rank: None, offset }));
            }
        }
        self.seek_ordered(key, side, walk)
    }

    /// Finds where to start an iteration at `key`, by order alone. `walk`: bytes of records that
    /// will be walked from there.
    pub(crate) fn seek_ordered(self, key: &[u8], side: Side, walk: usize) -> ReadResult<Start> {
        self.view.sound(self.by_order(key, side, walk)).map(Start::from)
    }

    /// The rank of the record at `offset`, in a table without repeated keys.
    #[cold]
    pub(crate) fn rank_at(self, offset: usize) -> ReadResult<u64> {
        let place = self.seek(self.view.key_at(offset)?.0, Side::NotBelow)?;
        let misplaced = || self.view.corrupt("ordered index misses a record", offset as u64);
        if place.offset == offset { Ok(place.rank) } else { Err(misplaced()) }
    }

    fn by_order(self, key: &[u8], side: Side, walk: usize) -> ReadResult<Place> {
        let view = self.view;
        let layout = view.layout();
        if layout.entries == 0 {
            return Ok(view.end());
        }
        if let Some(lines) = Lines::of(view) {
            return lines.seek(key, side, walk);
        }
        let Some(tree) = Tree::of(view) else {
            return match &layout.fixed {
                Some(fixed) => view.bisect(fixed, 0..layout.entries, key, side),
                None => self.walk_block(view.start(), view.start().rank, key, side),
            };
        };
        // With repeated keys a block may start in the middle of equal keys.
        let strict = side == Side::NotBelow && layout.repeated_keys;
        let (leaf, child) = tree.descend(key, strict)?;
        let start = tree.block_start(&leaf, child)?;
        match &layout.fixed {
            Some(fixed) => {
                let end = start.rank + u64::from(layout.block_records);
                view.bisect(fixed, start.rank..end, key, side)
            }
            None => {
                let near = tree.bisect_samples(&leaf, child, start, key, side)?;
                view.prefetch_walk(near.offset, walk);
                self.walk_block(near, start.rank, key, side)
            }
        }
    }

    /// Walks through a block of records of variable width, from `place` on. `first`: the block's
    /// first rank.
    fn walk_block(self, mut place: Place, first: u64, key: &[u8], side: Side) -> ReadResult<Place> {
        let layout = self.view.layout();
        let most = first.saturating_add(u64::from(layout.block_records));
        while place.rank < layout.entries {
            let (found, parts) = self.view.key_at(place.offset)?;
            if !side.is_behind(found, key) {
                return Ok(place);
            }
            if place.rank > most {
                let at = place.offset as u64;
                return Err(self.view.corrupt("block is longer than allowed", at));
            }
            place = Place { rank: place.rank + 1, offset: parts.end() };
        }
        if place.offset != layout.records.end {
            return Err(self.view.corrupt("records after the last entry", place.offset as u64));
        }
        Ok(self.view.end())
    }

    /// The place of an entry by its rank, which is below the number of entries.
    pub(crate) fn place_of(self, rank: u64) -> ReadResult<Place> {
        match &self.view.layout().fixed {
            Some(fixed) => Ok(Place { rank, offset: fixed.offset(rank) }),
            None => self.view.sound(self.place_in_blocks(rank)),
        }
    }

    fn place_in_blocks(self, rank: u64) -> ReadResult<Place> {
        let block = self.block_of(rank)?;
        let mut place = match Tree::of(self.view) {
            Some(tree) => tree.sample_before(&block, rank)?,
            None => block.start,
        };
        while place.rank < rank {
            let parts = self.view.parts_at(place.offset)?;
            place = Place { rank: place.rank + 1, offset: parts.end() };
        }
        if place.offset >= self.view.layout().records.end {
            return Err(self.view.corrupt(MISPLACED, place.offset as u64));
        }
        Ok(place)
    }

    /// The record before a place; none before the first. A record that is found by its rank ends
    /// where the one behind it starts.
    pub(crate) fn record_before(self, place: Place) -> ReadResult<Option<Found>> {
        let Some(rank) = place.rank.checked_sub(1) else { return Ok(None) };
        let offset = self.place_of(rank)?.offset;
        let parts = self.view.parts_at(offset)?;
        if self.view.after(offset, &parts) != place.offset {
            return self.view.sound(Err(self.view.corrupt(MISPLACED, offset as u64)));
        }
        Ok(Some(Found { offset, parts }))
    }

    /// The entry before a place; none before the first.
    pub(crate) fn entry_before(self, place: Place) -> ReadResult<Option<Entry<'t>>> {
        let found = self.record_before(place)?;
        found.map(|found| self.view.entry(&found.parts)).transpose()
    }

    /// The block that holds a rank, in a table of variable width.
    pub(crate) fn block_of(self, rank: u64) -> ReadResult<Block> {
        match Tree::of(self.view) {
            Some(tree) => tree.block_of(rank),
            None => Block::only(self.view).proven(self.view, rank),
        }
    }

    /// The block before `block`, which is not the first.
    pub(crate) fn block_before(self, block: &Block) -> ReadResult<Block> {
        match Tree::of(self.view) {
            Some(tree) => tree.block_before(block),
            None => self.block_of(0),
        }
    }
}
