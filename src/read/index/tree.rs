//! The tree of separators: from the root down to a block, and blocks by rank. A table of one block
//! has no tree.

use super::super::place::{Place, Side};
use super::super::simd::{CACHE_LINE, prefetch};
use super::super::view::View;
use crate::error::{ReadError, ReadResult};
use crate::format::MAX_BLOCK;
use crate::format::index::tree::{BAD_NODE, Node, NodeShape};
use crate::format::layout::TreeLayout;
use std::ops::Range;

/// The ordered index of a table.
#[derive(Clone, Copy)]
pub(crate) struct Tree<'t> {
    view: &'t View,
    index: &'t TreeLayout,
}

/// A block of records of variable width: its first place, the rank after its last record, and
/// where the tree names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) start: Place,
    pub(crate) end_rank: u64,
    leaf: u64,
    child: usize,
}

impl Block {
    /// The only block of a table without a tree.
    pub(crate) fn only(view: &View) -> Self {
        Self { start: view.start(), end_rank: view.layout().entries, leaf: 0, child: 0 }
    }

    /// The leaf that names this block, and its number there.
    pub(crate) fn in_leaf(&self) -> (u64, usize) {
        (self.leaf, self.child)
    }

    /// The block, if it holds `rank` and has no more records than a block may have.
    pub(crate) fn proven(self, view: &View, rank: u64) -> ReadResult<Self> {
        let records = self.end_rank.saturating_sub(self.start.rank);
        let holds = (self.start.rank..self.end_rank).contains(&rank);
        if records > u64::from(MAX_BLOCK) || !holds {
            let offset = self.start.offset as u64;
            return Err(view.corrupt("block does not hold its ranks", offset));
        }
        Ok(self)
    }
}

impl<'t> Tree<'t> {
    /// The ordered index, if the table has one.
    #[inline]
    pub(crate) fn of(view: &'t View) -> Option<Self> {
        view.layout().tree.as_ref().map(|index| Self { view, index })
    }

    pub(crate) fn layout(self) -> &'t TreeLayout {
        self.index
    }

    /// The error for a tree whose nodes contradict each other.
    fn bad(self) -> ReadError {
        self.view.corrupt(BAD_NODE, self.index.span.start as u64)
    }

    /// The error for node `number`.
    fn bad_node(self, number: u64) -> ReadError {
        let start = self.index.span.start as u64 + (number << self.index.node_log2);
        self.view.corrupt(BAD_NODE, start)
    }

    /// The numbers of the samples of block `child` of a leaf.
    #[inline]
    pub(crate) fn block_samples(self, leaf: &Node<'t>, child: usize) -> Range<usize> {
        let step = usize::from(self.index.sample_step.max(1));
        let first = leaf.rank_of(child) as usize / step + 1;
        let end = match child < leaf.separators() {
            true => (leaf.rank_of(child + 1) as usize).div_ceil(step),
            false => leaf.samples(),
        };
        // No more than a block can have.
        first..end.min(leaf.samples()).min(first + usize::from(MAX_BLOCK)).max(first)
    }

    /// Prefetches samples of a block, two lines of each, so that together they cost one memory
    /// latency.
    #[inline]
    pub(crate) fn prefetch_samples(self, leaf: &Node<'t>, samples: Range<usize>, start: Place) {
        for i in samples {
            if let Some(offset) = leaf.sample(i) {
                prefetch(self.view.bytes(), start.offset + offset);
                prefetch(self.view.bytes(), start.offset + offset + CACHE_LINE);
            }
        }
    }

    /// Bisects samples of a block: returns a place at or before the one that is looked for, at
    /// most a step away.
    #[inline(always)]
    pub(crate) fn bisect_samples(
        self,
        leaf: &Node<'t>,
        samples: Range<usize>,
        start: Place,
        key: &[u8],
        side: Side,
    ) -> ReadResult<Place> {
        let (mut low, mut high, mut near) = (samples.start, samples.end, start);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(offset) = leaf.sample(middle) else {
                high = middle;
                continue;
            };
            let offset = start.offset + offset;
            let (found, parts) = self.view.key_at(offset)?;
            if side.is_behind(found, key) {
                let rank = leaf.base_rank() + (middle * usize::from(self.index.sample_step)) as u64;
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
    pub(crate) fn node(self, number: u64, leaf: bool) -> ReadResult<Node<'t>> {
        if number >= self.index.nodes {
            return Err(self.bad());
        }
        let start = self.index.span.start + ((number as usize) << self.index.node_log2);
        let range = start..start + (1 << self.index.node_log2);
        self.view.ensure(range.clone())?;
        let shape = NodeShape { variable: self.view.layout().fixed.is_none() };
        Node::parse(self.view.slice(range)?, leaf, shape).ok_or_else(|| self.bad_node(number))
    }

    /// The number of the leaf under which `key` belongs: before entries that equal `key` if `strict`,
    /// else after them. Its lines are prefetched.
    pub(crate) fn leaf_of(self, key: &[u8], strict: bool) -> ReadResult<u64> {
        let mut number = self.index.nodes - 1;
        for level in (1..self.index.levels).rev() {
            let (node, child) = self.search_node(number, false, key, strict)?;
            let below = node.first_child().checked_add(child as u64);
            let below = below.ok_or_else(|| self.bad_node(number))?;
            // Children stand before their parents, so the walk has an end.
            if below >= number {
                return Err(self.bad_node(number));
            }
            number = below;
            // The levels above the leaves are few enough to be in the processor's cache.
            if level == 1 {
                let start = self.index.span.start + ((number as usize) << self.index.node_log2);
                for line in 0..(1 << self.index.node_log2) / CACHE_LINE {
                    prefetch(self.view.bytes(), start + line * CACHE_LINE);
                }
            }
        }
        Ok(number)
    }

    /// Where the nodes are that a search reads, from the root on, and the block that it finds.
    pub(crate) fn path(
        self,
        key: &[u8],
        strict: bool,
    ) -> ReadResult<(Vec<Range<usize>>, Range<usize>)> {
        let mut nodes = Vec::new();
        let mut number = self.index.nodes - 1;
        for level in (0..self.index.levels).rev() {
            let start = self.index.span.start + ((number as usize) << self.index.node_log2);
            nodes.push(start..start + (1 << self.index.node_log2));
            let (node, child) = self.search_node(number, level == 0, key, strict)?;
            if level > 0 {
                let below = node.first_child().checked_add(child as u64);
                let below = below.filter(|below| *below < number);
                number = below.ok_or_else(|| self.bad_node(number))?;
                continue;
            }
            let start = self.block_start(&node, child)?.offset;
            let end = if child < node.separators() {
                self.block_start(&node, child + 1)?.offset
            } else if number + 1 < self.index.leaves {
                self.block_start(&self.node(number + 1, true)?, 0)?.offset
            } else {
                self.view.end().offset
            };
            return Ok((nodes, start..end.max(start)));
        }
        Err(self.bad())
    }

    /// Node `number`, and the number of its child under which `key` belongs.
    #[inline(always)]
    pub(crate) fn search_node(
        self,
        number: u64,
        leaf: bool,
        key: &[u8],
        strict: bool,
    ) -> ReadResult<(Node<'t>, usize)> {
        let node = self.node(number, leaf)?;
        let first_key = |child| self.first_key(&node, child, leaf);
        let child = node.search(key, strict, first_key)?;
        Ok((node, child.ok_or_else(|| self.bad_node(number))?))
    }

    /// The first key under a child, which decides where its separator was cut.
    fn first_key(self, node: &Node<'t>, child: usize, leaf: bool) -> ReadResult<&'t [u8]> {
        let bad = || self.bad();
        let place = if leaf {
            self.block_place(node, child).ok_or_else(bad)?
        } else {
            let number = node.first_child().checked_add(child as u64).ok_or_else(bad)?;
            // This reads the child's header only, which is the same in leaves and inner nodes.
            let child = self.node(number, false)?;
            self.place(child.base_rank(), child.base_offset()).ok_or_else(bad)?
        };
        Ok(self.view.key_at(place.offset)?.0)
    }

    /// The first place of block `child` of a leaf.
    #[inline]
    pub(crate) fn block_start(self, leaf: &Node<'t>, child: usize) -> ReadResult<Place> {
        self.block_place(leaf, child).ok_or_else(|| self.bad())
    }

    #[inline]
    fn block_place(self, node: &Node<'t>, child: usize) -> Option<Place> {
        if self.view.layout().fixed.is_some() {
            let block = node.first_child().checked_add(child as u64)?;
            return self.place(block.checked_mul(u64::from(self.view.layout().block_records))?, 0);
        }
        let rank = node.base_rank().checked_add(node.rank_of(child))?;
        self.place(rank, node.base_offset().checked_add(node.offset_of(child))?)
    }

    /// A place from numbers in the file, if it lies before the last record.
    #[inline]
    fn place(self, rank: u64, offset: u64) -> Option<Place> {
        if rank >= self.view.layout().entries {
            return None;
        }
        if let Some(fixed) = &self.view.layout().fixed {
            return Some(Place { rank, offset: fixed.offset(rank) });
        }
        (offset < self.view.layout().records.len() as u64)
            .then(|| Place { rank, offset: self.view.layout().records.start + offset as usize })
    }

    /// The last sampled place of a block that is not after `rank`.
    pub(crate) fn sample_before(self, block: &Block, rank: u64) -> ReadResult<Place> {
        let leaf = self.node(block.leaf, true)?;
        let step = u64::from(self.index.sample_step.max(1));
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

    /// The block that holds a rank: a binary search over the leaves, then inside one.
    pub(crate) fn block_of(self, rank: u64) -> ReadResult<Block> {
        let (mut low, mut high) = (0, self.index.leaves);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.node(middle, true)?.base_rank() <= rank {
                low = middle;
            } else {
                high = middle;
            }
        }
        let leaf = self.node(low, true)?;
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
        self.block_in_leaf(low, &leaf, child)?.proven(self.view, rank)
    }

    /// Block `child` of leaf `number`.
    fn block_in_leaf(self, number: u64, leaf: &Node<'t>, child: usize) -> ReadResult<Block> {
        let start = self.block_place(leaf, child).ok_or_else(|| self.bad_node(number))?;
        let end_rank = if child < leaf.separators() {
            leaf.base_rank().saturating_add(leaf.rank_of(child + 1))
        } else if number + 1 < self.index.leaves {
            self.node(number + 1, true)?.base_rank()
        } else {
            self.view.layout().entries
        };
        Ok(Block { start, end_rank, leaf: number, child })
    }

    /// The block before `block`, which is not the first.
    pub(crate) fn block_before(self, block: &Block) -> ReadResult<Block> {
        let before = match block.child.checked_sub(1) {
            Some(child) => {
                let leaf = self.node(block.leaf, true)?;
                self.block_in_leaf(block.leaf, &leaf, child)?
            }
            None => {
                let number = block.leaf.checked_sub(1);
                let number = number.ok_or_else(|| self.bad())?;
                let leaf = self.node(number, true)?;
                self.block_in_leaf(number, &leaf, leaf.separators())?
            }
        };
        before.proven(self.view, block.start.rank.saturating_sub(1))
    }
}
