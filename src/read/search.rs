//! Searches: the place of a key or of a rank, through whichever index the table has.

use super::index::hash::{Buckets, Hash};
use super::index::line::Lines;
use super::index::tree::{Block, Tree};
use super::place::{Entry, Found, Place, Side, Start};
use super::simd::{CACHE_LINE, prefetch, prefetch_outer};
use super::view::View;
use crate::error::ReadResult;
use crate::format::index::tree::Node;
use crate::format::record::Fixed;
use std::cell::Cell;

/// The error for a record that ends elsewhere than the index says.
const MISPLACED: &str = "index names another place";

/// Keys whose searches go through the tree together. 32 are no faster.
pub(crate) const GROUP: usize = 16;
/// Lines of the records between two samples that are prefetched for each of them. More gain nothing.
const WALKED: usize = 8;
/// In a long block of fixed width, a search asks for each record of so many at once, before it compares one.
const STEP: u64 = 4;

thread_local! {
    /// Whether the thread's last seek asked a hash index in vain. One that did foretells that the next
    /// does: a seek to an absent key takes a tenth less time if the tree is searched while the bucket
    /// comes from memory, one to a stored key up to a tenth more.
    static ASKED_IN_VAIN: Cell<bool> = const { Cell::new(false) };
}

/// A search by order through the tree, in four parts. Each prefetches what the next one reads, so that
/// the waits of many searches overlap. The answers are sound once [`View::sound`] says so. Compiled
/// into both of its callers: as functions of their own the parts take 2,369 instructions instead of
/// 1,986 for a seek by URL.
#[derive(Clone, Copy)]
pub(crate) struct Descent<'t> {
    view: &'t View,
    tree: Tree<'t>,
    side: Side,
}

/// The block under which a key belongs, with its samples in the leaf.
#[derive(Clone, Copy)]
pub(crate) struct InLeaf<'t> {
    leaf: Node<'t>,
    first_sample: usize,
    end_sample: usize,
    start: Place,
}

impl<'t> Descent<'t> {
    /// `None` in a table that has no tree.
    #[inline]
    pub(crate) fn of(view: &'t View, side: Side) -> Option<Self> {
        Tree::of(view).map(|tree| Self { view, tree, side })
    }

    /// The places of keys, each in its table; at most [`GROUP`] keys, level by level, so that the
    /// waits for memory of all searches overlap. `None` is passed over.
    pub(crate) fn places(asked: &[Option<(Self, &[u8])>]) -> ReadResult<[Place; GROUP]> {
        let mut leaves = [0; GROUP];
        for (asked, leaf) in asked.iter().zip(&mut leaves) {
            if let &Some((descent, key)) = asked {
                *leaf = descent.view.sound(descent.leaf(key))?;
            }
        }
        let mut blocks = [None; GROUP];
        for ((asked, leaf), block) in asked.iter().zip(leaves).zip(&mut blocks) {
            if let &Some((descent, key)) = asked {
                *block = Some(descent.view.sound(descent.block(leaf, key))?);
            }
        }
        let mut places = [Place { rank: 0, offset: 0 }; GROUP];
        for ((asked, block), place) in asked.iter().zip(&blocks).zip(&mut places) {
            if let (&Some((descent, key)), Some(block)) = (asked, block) {
                *place = descent.view.sound(descent.near(block, key))?;
                descent.prefetch_rest(*place);
            }
        }
        for ((asked, block), place) in asked.iter().zip(&blocks).zip(&mut places) {
            if let (&Some((descent, key)), Some(block)) = (asked, block) {
                *place = descent.view.sound(descent.place(block, *place, key))?;
            }
        }
        Ok(places)
    }

    /// With repeated keys a block may start in the middle of equal keys.
    #[inline]
    fn is_strict(self) -> bool {
        self.side == Side::NotBelow && self.view.layout().repeated_keys
    }

    /// The number of the leaf under which `key` belongs.
    #[inline(always)]
    pub(crate) fn leaf(self, key: &[u8]) -> ReadResult<u64> {
        self.tree.leaf_of(key, self.is_strict())
    }

    /// The block in this leaf.
    #[inline(always)]
    pub(crate) fn block(self, leaf: u64, key: &[u8]) -> ReadResult<InLeaf<'t>> {
        let (leaf, child) = self.tree.search_node(leaf, true, key, self.is_strict())?;
        let start = self.tree.block_start(&leaf, child)?;
        let samples = match &self.view.layout().fixed {
            Some(fixed) => {
                if self.is_long(fixed) {
                    self.prefetch_steps(fixed, start.rank);
                }
                0..0
            }
            None => self.tree.block_samples(&leaf, child),
        };
        self.tree.prefetch_samples(&leaf, samples.clone(), start);
        Ok(InLeaf { leaf, first_sample: samples.start, end_sample: samples.end, start })
    }

    /// A place in the block at or before the one that is looked for.
    #[inline(always)]
    pub(crate) fn near(self, block: &InLeaf<'t>, key: &[u8]) -> ReadResult<Place> {
        match &self.view.layout().fixed {
            Some(fixed) if self.is_long(fixed) => self.near_fixed(fixed, block.start.rank, key),
            Some(_) => Ok(block.start),
            None => {
                let samples = block.first_sample..block.end_sample;
                self.tree.bisect_samples(&block.leaf, samples, block.start, key, self.side)
            }
        }
    }

    /// Prefetches what [`place`](Self::place) reads from `near` on.
    #[inline(always)]
    fn prefetch_rest(self, near: Place) {
        let bytes = self.view.bytes();
        match &self.view.layout().fixed {
            // Into the first-level cache: from the second, a batch by ids takes 1.9 times as long.
            Some(fixed) if self.is_long(fixed) => {
                let records = 0..fixed.stride.saturating_mul(STEP as usize);
                for at in records.step_by(fixed.stride.max(CACHE_LINE)) {
                    prefetch(bytes, near.offset.saturating_add(at));
                }
            }
            _ => {
                for line in 0..WALKED {
                    prefetch_outer(bytes, near.offset + line * CACHE_LINE);
                }
            }
        }
    }

    /// Whether blocks have more lines than are prefetched anyhow.
    #[inline]
    fn is_long(self, fixed: &Fixed) -> bool {
        let records = usize::from(self.view.layout().block_records);
        fixed.stride.saturating_mul(records) > WALKED * CACHE_LINE
    }

    /// Prefetches what [`near_fixed`](Self::near_fixed) compares, in the block that begins at `first`.
    #[inline]
    fn prefetch_steps(self, fixed: &Fixed, first: u64) {
        let layout = self.view.layout();
        let end = layout.entries.min(first + u64::from(layout.block_records));
        for rank in (first + STEP..end).step_by(STEP as usize) {
            prefetch(self.view.bytes(), fixed.offset(rank));
        }
    }

    /// As [`near`](Self::near), in a long block of fixed width, at most a [`STEP`] away. `first`: the block's
    /// first rank, which is below the number of entries.
    fn near_fixed(self, fixed: &Fixed, first: u64, key: &[u8]) -> ReadResult<Place> {
        let layout = self.view.layout();
        let records = u64::from(layout.block_records).min(layout.entries - first);
        // Steps into the block: the record at `low`, unless it is the first, is behind the key.
        let (mut low, mut high) = (0, records.saturating_sub(1) / STEP);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let (found, _) = self.view.key_at(fixed.offset(first + middle * STEP))?;
            if self.side.is_behind_by_head(found, key) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let rank = first + low * STEP + u64::from(low > 0);
        Ok(Place { rank, offset: fixed.offset(rank) })
    }

    /// The place of the key.
    #[inline(always)]
    pub(crate) fn place(self, block: &InLeaf<'t>, near: Place, key: &[u8]) -> ReadResult<Place> {
        let (layout, first) = (self.view.layout(), block.start.rank);
        match &layout.fixed {
            Some(fixed) => {
                let mut records = u64::from(layout.block_records);
                if self.is_long(fixed) {
                    records = (near.rank - first).next_multiple_of(STEP).max(STEP).min(records);
                }
                self.view.bisect(fixed, near.rank..first + records, key, self.side)
            }
            None => Search::of(self.view).walk_block(near, first, key, self.side),
        }
    }
}

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
        let Some(hash) = self.hash() else { return self.seek_ordered(key, side, walk) };
        let buckets = hash.buckets_of(key);
        let descent = Descent::of(self.view, side).filter(|_| ASKED_IN_VAIN.get());
        let leaf = descent.map(|descent| (descent, descent.leaf(key)));
        let asked = hash.ask_in(buckets, key, walk);
        ASKED_IN_VAIN.set(!matches!(asked, Ok(Buckets::Record(_))));
        // A damaged index is no reason to fail where the other one answers. Nor is a key that is set aside.
        if let Ok(Buckets::Record(found)) = asked {
            let offset = match side {
                Side::NotBelow => found.offset,
                Side::Above => found.parts.end(),
            };
            return self.view.sound(Ok(Start { rank: None, offset }));
        }
        let Some((descent, leaf)) = leaf else { return self.seek_ordered(key, side, walk) };
        let place = leaf.and_then(|leaf| self.in_leaf(descent, leaf, key, walk));
        self.view.sound(place).map(Start::from)
    }

    /// The hash index, where it finds the first record of a stored key faster than the tree.
    #[inline]
    fn hash(self) -> Option<Hash<'t>> {
        let layout = self.view.layout();
        Hash::of(self.view).filter(|_| layout.fixed.is_none() && !layout.repeated_keys)
    }

    /// The record of a stored key, where the hash index finds it faster than the tree.
    #[inline]
    pub(crate) fn by_hash(self, key: &[u8], walk: usize) -> Option<Found> {
        match self.hash()?.ask(key, walk) {
            Ok(Buckets::Record(found)) => Some(found),
            _ => None,
        }
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
        let Some(descent) = Descent::of(view, side) else {
            return match &layout.fixed {
                Some(fixed) => view.bisect(fixed, 0..layout.entries, key, side),
                None => self.walk_block(view.start(), view.start().rank, key, side),
            };
        };
        self.in_leaf(descent, descent.leaf(key)?, key, walk)
    }

    /// The place of a key that belongs under this leaf.
    #[inline(always)]
    fn in_leaf(
        self,
        descent: Descent<'t>,
        leaf: u64,
        key: &[u8],
        walk: usize,
    ) -> ReadResult<Place> {
        let block = descent.block(leaf, key)?;
        if self.view.layout().fixed.as_ref().is_some_and(|fixed| descent.is_long(fixed)) {
            self.view.prefetch_walk(block.start.offset, walk);
        }
        let near = descent.near(&block, key)?;
        self.view.prefetch_walk(near.offset, walk);
        descent.place(&block, near, key)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::sums::UNIT;
    use crate::{BuildOptions, HashIndex, Table};

    /// A table of even numbers from 0 on, with values of these lengths.
    fn built(index: HashIndex, entries: u64, value_len: impl Fn(u64) -> usize) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..entries).map(|i| (key(2 * i), vec![7u8; value_len(i)]));
        BuildOptions::new().hash_index(index).durable(false).build(&path, entries).unwrap();
        std::fs::read(&path).unwrap()
    }

    fn key(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn short_blocks_of_fixed_width_are_searched_from_their_start() {
        let table = Table::from_bytes(built(HashIndex::Never, 1000, |_| 8)).unwrap();
        let (view, fixed) = (table.view(), table.view().layout().fixed.unwrap());
        let descent = Descent::of(view, Side::NotBelow).unwrap();
        for rank in 0..1000 {
            let key = key(2 * rank);
            let block = descent.block(descent.leaf(&key).unwrap(), &key).unwrap();
            assert_eq!(descent.near(&block, &key), Ok(block.start), "{rank}");
            let place = Place { rank, offset: fixed.offset(rank) };
            assert_eq!(descent.place(&block, block.start, &key), Ok(place));
        }
        let most = WALKED * CACHE_LINE / usize::from(view.layout().block_records);
        for (stride, is_long) in [(1, false), (most, false), (most + 1, true), (4096, true)] {
            assert_eq!(descent.is_long(&Fixed { stride, ..fixed }), is_long, "{stride}");
        }
    }

    /// Two of every fourth record, then at most three between two of these.
    #[test]
    fn few_records_of_a_long_block_are_compared() {
        const ENTRIES: u64 = 48;
        // Each record begins in a page of its own, which is checked once its key is compared.
        let bytes = built(HashIndex::Never, ENTRIES, |_| UNIT - 8);
        for rank in 0..ENTRIES {
            let table = Table::from_bytes(bytes.clone()).unwrap();
            let (view, fixed) = (table.view(), table.view().layout().fixed.unwrap());
            let place = Search::of(view).seek(&key(2 * rank), Side::NotBelow).unwrap();
            assert_eq!(place.rank, rank);
            let is_compared = |&other: &u64| view.pages().is_checked(fixed.offset(other));
            let compared = (0..ENTRIES).filter(is_compared).count();
            assert!((1..=5).contains(&compared), "{compared} records for {rank}");
        }
    }

    /// A seek to a stored key takes the hash index alone, until a seek to an absent key has asked it in vain.
    #[test]
    fn a_seek_knows_whether_the_last_one_asked_in_vain() {
        let bytes = built(HashIndex::Always, 500, |i| i as usize % 5);
        let table = Table::from_bytes(bytes).unwrap();
        let search = Search::of(table.view());
        for number in [6, 7, 9, 8, 10, 11] {
            let key = key(number);
            let is_stored = number % 2 == 0;
            let place = search.seek(&key, Side::NotBelow).unwrap();
            let start = search.seek_start(&key, Side::NotBelow, 0).unwrap();
            assert_eq!(start.offset, place.offset);
            assert_eq!(ASKED_IN_VAIN.get(), !is_stored, "{number}");
            let found = search.by_hash(&key, 0).map(|found| found.offset);
            assert_eq!(found, is_stored.then_some(place.offset), "{number}");
        }
    }

    #[test]
    fn a_walk_that_leaves_its_block_is_an_error() {
        let bytes = built(HashIndex::Never, 500, |i| i as usize % 5);
        let table = Table::from_bytes(bytes).unwrap();
        let (view, most) = (table.view(), u64::from(table.view().layout().block_records));
        let walk =
            |rank| Search::of(view).walk_block(view.start(), 0, &key(2 * rank), Side::NotBelow);
        for rank in 0..=most + 1 {
            assert_eq!(walk(rank).map(|place| place.rank), Ok(rank));
        }
        assert!(walk(most + 2).is_err());
    }
}
