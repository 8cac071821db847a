//! The tree of separators: from the root down to a block, and blocks by rank.

use super::search::{Bound, Place, below};
use super::simd::prefetch;
use super::table::Inner;
use crate::error::{ReadError, ReadResult};
use crate::format::MAX_BLOCK;
use crate::format::layout::IndexLayout;
use crate::format::node::{BAD_NODE, Node, NodeShape};
use std::ops::Range;

/// A block: its first place, the rank after its last record, and where the index names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) start: Place,
    pub(super) end_rank: u64,
    leaf: u64,
    child: usize,
}

impl Block {
    /// The leaf that names this block, and its number there.
    pub(super) fn in_leaf(&self) -> (u64, usize) {
        (self.leaf, self.child)
    }
}

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

impl Inner {
    /// The samples of block `child` of a leaf: numbers, and for each its rank in the leaf.
    fn block_samples(&self, index: &IndexLayout, leaf: &Node<'_>, child: usize) -> Range<usize> {
        let step = usize::from(index.sample_step.max(1));
        let first = leaf.rank_of(child) as usize / step + 1;
        let end = match child < leaf.separators() {
            true => (leaf.rank_of(child + 1) as usize).div_ceil(step),
            false => leaf.samples(),
        };
        // No more than a block can have.
        first..end.min(leaf.samples()).min(first + usize::from(MAX_BLOCK)).max(first)
    }

    /// Bisects the samples of a block: a place at or before the one that is looked for, at most
    /// a step away. All samples are prefetched, so they cost one memory latency together.
    pub(super) fn bisect_samples(
        &self,
        index: &IndexLayout,
        leaf: &Node<'_>,
        child: usize,
        start: Place,
        key: &[u8],
        bound: Bound,
    ) -> ReadResult<Place> {
        let samples = self.block_samples(index, leaf, child);
        for i in samples.clone() {
            if let Some(offset) = leaf.sample(i) {
                prefetch(self.bytes(), start.offset + offset);
            }
        }
        let (mut low, mut high, mut near) = (samples.start, samples.end, start);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(offset) = leaf.sample(middle) else {
                high = middle;
                continue;
            };
            let offset = start.offset + offset;
            let (found, parts) = self.key_at(offset)?;
            if below(found, key, bound) {
                let rank = leaf.base_rank() + (middle * usize::from(index.sample_step)) as u64;
                near = Place { rank: rank + 1, offset: parts.end() };
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(near)
    }

    /// Node `number` of the index, checked.
    #[inline(always)]
    pub(super) fn node(
        &self,
        index: &IndexLayout,
        number: u64,
        leaf: bool,
    ) -> ReadResult<Node<'_>> {
        if number >= index.nodes {
            return Err(ReadError::corrupt(BAD_NODE, index.span.start as u64));
        }
        let start = index.span.start + ((number as usize) << index.node_log2);
        let range = start..start + (1 << index.node_log2);
        self.ensure(range.clone())?;
        let shape = NodeShape { variable: self.layout.fixed.is_none() };
        Node::parse(self.slice(range)?, leaf, shape)
            .ok_or_else(|| ReadError::corrupt(BAD_NODE, start as u64))
    }

    /// From the root to the leaf and its block in which `key` belongs.
    pub(super) fn descend(
        &self,
        index: &IndexLayout,
        key: &[u8],
        strict: bool,
    ) -> ReadResult<(Node<'_>, usize)> {
        let mut number = index.nodes - 1;
        for level in (0..index.levels).rev() {
            let leaf = level == 0;
            let (node, child) = self.search_node(index, number, leaf, key, strict)?;
            let bad = || {
                ReadError::corrupt(BAD_NODE, index.span.start as u64 + (number << index.node_log2))
            };
            if leaf {
                return Ok((node, child));
            }
            let below = node.first_child().checked_add(child as u64).ok_or_else(bad)?;
            // Children stand before their parents, so the walk can't go round in circles.
            if below >= number {
                return Err(bad());
            }
            number = below;
            // The levels above the leaves are few enough to be in the processor's cache.
            if level == 1 {
                let start = index.span.start + ((number as usize) << index.node_log2);
                for line in 1..(1 << index.node_log2) / LINE {
                    prefetch(self.bytes(), start + line * LINE);
                }
            }
        }
        Err(ReadError::corrupt(BAD_NODE, index.span.start as u64))
    }

    /// Node `number` and its child under which `key` belongs.
    #[inline]
    pub(super) fn search_node(
        &self,
        index: &IndexLayout,
        number: u64,
        leaf: bool,
        key: &[u8],
        strict: bool,
    ) -> ReadResult<(Node<'_>, usize)> {
        let node = self.node(index, number, leaf)?;
        let first_key = |child| self.first_key(index, &node, child, leaf);
        let at = index.span.start as u64 + (number << index.node_log2);
        let child = node.search(key, strict, first_key)?;
        Ok((node, child.ok_or_else(|| ReadError::corrupt(BAD_NODE, at))?))
    }

    /// The first key under a child, which decides where its separator was cut.
    fn first_key(
        &self,
        index: &IndexLayout,
        node: &Node<'_>,
        child: usize,
        leaf: bool,
    ) -> ReadResult<&[u8]> {
        let bad = || ReadError::corrupt(BAD_NODE, index.span.start as u64);
        let place = if leaf {
            self.block_place(node, child).ok_or_else(bad)?
        } else {
            let number = node.first_child().checked_add(child as u64).ok_or_else(bad)?;
            // Only the child's header is read, which leaves and inner nodes share.
            let child = self.node(index, number, false)?;
            self.place(child.base_rank(), child.base_offset()).ok_or_else(bad)?
        };
        Ok(self.key_at(place.offset)?.0)
    }

    /// The first place of block `child` of a leaf.
    #[inline]
    pub(super) fn block_place(&self, node: &Node<'_>, child: usize) -> Option<Place> {
        if self.layout.fixed.is_some() {
            let block = node.first_child().checked_add(child as u64)?;
            return self.place(block.checked_mul(u64::from(self.layout.block_records))?, 0);
        }
        let rank = node.base_rank().checked_add(node.rank_of(child))?;
        self.place(rank, node.base_offset().checked_add(node.offset_of(child))?)
    }

    /// A place from numbers in the file, if it lies before the last record.
    #[inline]
    fn place(&self, rank: u64, offset: u64) -> Option<Place> {
        if rank >= self.layout.entries {
            return None;
        }
        if let Some(fixed) = &self.layout.fixed {
            return Some(Place { rank, offset: fixed.offset(rank) });
        }
        (offset < self.layout.records.len() as u64)
            .then(|| Place { rank, offset: self.layout.records.start + offset as usize })
    }

    /// The place of an entry by its rank, which is below the number of entries.
    pub(super) fn place_of(&self, rank: u64) -> ReadResult<Place> {
        match &self.layout.fixed {
            Some(fixed) => Ok(Place { rank, offset: fixed.offset(rank) }),
            None => self.sound(self.place_in_blocks(rank)),
        }
    }

    fn place_in_blocks(&self, rank: u64) -> ReadResult<Place> {
        let block = self.block_of(rank)?;
        let mut place = self.sample_before(&block, rank)?;
        while place.rank < rank {
            let parts = self.parts_at(place.offset)?;
            place = Place { rank: place.rank + 1, offset: parts.end() };
        }
        if place.offset >= self.layout.records.end {
            return Err(ReadError::corrupt("index names another place", place.offset as u64));
        }
        Ok(place)
    }

    /// The last sampled place of a block that is not after `rank`.
    fn sample_before(&self, block: &Block, rank: u64) -> ReadResult<Place> {
        let Some(index) = &self.layout.index else { return Ok(block.start) };
        let leaf = self.node(index, block.leaf, true)?;
        let step = u64::from(index.sample_step.max(1));
        let i = (rank - leaf.base_rank().min(rank)) / step;
        let sampled = leaf.base_rank() + i * step;
        if sampled <= block.start.rank {
            return Ok(block.start);
        }
        let offset = usize::try_from(i).ok().and_then(|i| leaf.sample(i));
        Ok(offset.map_or(block.start, |offset| Place {
            rank: sampled,
            offset: block.start.offset + offset,
        }))
    }

    /// The block that holds a rank, in a table of variable width.
    pub(super) fn block_of(&self, rank: u64) -> ReadResult<Block> {
        let entries = self.layout.entries;
        let block = match &self.layout.index {
            None => Block { start: self.start(), end_rank: entries, leaf: 0, child: 0 },
            Some(index) => self.block_in_leaves(index, rank)?,
        };
        self.proven(block, rank)
    }

    /// Binary search by rank: over the leaves, then inside one.
    fn block_in_leaves(&self, index: &IndexLayout, rank: u64) -> ReadResult<Block> {
        let (mut low, mut high) = (0, index.leaves);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.node(index, middle, true)?.base_rank() <= rank {
                low = middle;
            } else {
                high = middle;
            }
        }
        let leaf = self.node(index, low, true)?;
        let base = leaf.base_rank();
        let (mut child, mut end) = (0, leaf.separators() + 1);
        while end - child > 1 {
            let middle = child + (end - child) / 2;
            if base.saturating_add(leaf.rank_of(middle)) <= rank {
                child = middle;
            } else {
                end = middle;
            }
        }
        self.block_in_leaf(index, low, &leaf, child)
    }

    fn block_in_leaf(
        &self,
        index: &IndexLayout,
        number: u64,
        leaf: &Node<'_>,
        child: usize,
    ) -> ReadResult<Block> {
        let at = index.span.start as u64 + (number << index.node_log2);
        let bad = || ReadError::corrupt(BAD_NODE, at);
        let start = self.block_place(leaf, child).ok_or_else(bad)?;
        let end_rank = if child < leaf.separators() {
            leaf.base_rank().saturating_add(leaf.rank_of(child + 1))
        } else if number + 1 < index.leaves {
            self.node(index, number + 1, true)?.base_rank()
        } else {
            self.layout.entries
        };
        Ok(Block { start, end_rank, leaf: number, child })
    }

    /// The block before `block`, which is not the first.
    pub(super) fn block_before(&self, block: &Block) -> ReadResult<Block> {
        let Some(index) = &self.layout.index else { return self.block_of(0) };
        let before = match block.child.checked_sub(1) {
            Some(child) => {
                let leaf = self.node(index, block.leaf, true)?;
                self.block_in_leaf(index, block.leaf, &leaf, child)?
            }
            None => {
                let number = block.leaf.checked_sub(1);
                let bad = || ReadError::corrupt(BAD_NODE, index.span.start as u64);
                let number = number.ok_or_else(bad)?;
                let leaf = self.node(index, number, true)?;
                self.block_in_leaf(index, number, &leaf, leaf.separators())?
            }
        };
        self.proven(before, block.start.rank.saturating_sub(1))
    }

    /// A block that holds `rank` and has no more records than a block may have.
    fn proven(&self, block: Block, rank: u64) -> ReadResult<Block> {
        let records = block.end_rank.saturating_sub(block.start.rank);
        let holds = (block.start.rank..block.end_rank).contains(&rank);
        if records > u64::from(MAX_BLOCK) || !holds {
            let offset = block.start.offset as u64;
            return Err(ReadError::corrupt("block does not hold its ranks", offset));
        }
        Ok(block)
    }
}
