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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NODE_LOG2;
    use crate::format::index::tree::NODE_HEADER;
    use crate::format::layout::{Layout, Span};
    use crate::read::map::Bytes;
    use crate::read::pages::Pages;
    use crate::{BuildOptions, HashIndex};

    const NODE: usize = 1 << NODE_LOG2;

    /// The bytes of a table of variable width whose tree has two levels, and its layout.
    fn table() -> (Vec<u8>, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..3000).map(|i| (key(i), vec![7u8; i as usize % 7]));
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Never);
        options.build(&path, entries).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let layout = Layout::parse(&bytes).unwrap();
        let index = layout.tree.unwrap();
        assert!(index.levels == 2 && index.leaves > 3 && index.sample_step == 6);
        (bytes, layout)
    }

    fn key(rank: u64) -> Vec<u8> {
        format!("{rank:05}").into_bytes()
    }

    fn view((bytes, layout): (Vec<u8>, Layout)) -> View {
        View::new(Bytes::from_cow(bytes.into()), layout, Pages::unchecked(), None)
    }

    /// The places of all records, and the place behind the last.
    fn places(view: &View) -> Vec<Place> {
        let mut places = vec![view.start()];
        for rank in 0..view.layout().entries {
            let offset = view.parts_at(places[rank as usize].offset).unwrap().end();
            places.push(Place { rank: rank + 1, offset });
        }
        places
    }

    #[test]
    fn the_error_for_a_node_names_its_place() {
        let (mut bytes, layout) = table();
        let index = layout.tree.unwrap();
        let at = index.span.start + 2 * NODE;
        bytes[at..at + 2].fill(0);
        let view = view((bytes, layout));
        let tree = Tree::of(&view).unwrap();
        assert_eq!(tree.node(2, true).err(), Some(view.corrupt(BAD_NODE, at as u64)));
        let beyond = view.corrupt(BAD_NODE, index.span.start as u64);
        assert_eq!(tree.node(index.nodes, false).err(), Some(beyond));
    }

    /// Samples are of every sixth record of a leaf. A block begins with a place that is known.
    #[test]
    fn the_samples_of_a_block_lie_behind_its_first_record() {
        let view = view(table());
        let tree = Tree::of(&view).unwrap();
        // Of the leaf whose blocks, but for the first, begin with these ranks.
        let samples_of = |child: usize, ranks: &[u16], samples: u16| {
            let mut bytes = [0; NODE];
            bytes[..2].copy_from_slice(&(ranks.len() as u16 + 1).to_le_bytes());
            bytes[4..6].copy_from_slice(&samples.to_le_bytes());
            let ranks_start = NODE_HEADER + 14 * ranks.len();
            for (to, rank) in bytes[ranks_start..].chunks_exact_mut(2).zip(ranks) {
                to.copy_from_slice(&rank.to_le_bytes());
            }
            let leaf = Node::parse(&bytes, true, NodeShape { variable: true }).unwrap();
            tree.block_samples(&leaf, child)
        };
        assert_eq!(samples_of(0, &[20, 50], 12), 1..4);
        assert_eq!(samples_of(1, &[20, 50], 12), 4..9);
        assert_eq!(samples_of(2, &[20, 50], 12), 9..12);
        // No more than a block may have records.
        assert_eq!(samples_of(0, &[600], 120), 1..33);
        assert_eq!(samples_of(1, &[600], 120), 101..120);
    }

    #[test]
    fn samples_lead_to_the_last_sampled_place_before_a_record() {
        let view = view(table());
        let (tree, places) = (Tree::of(&view).unwrap(), places(&view));
        for rank in 0..view.layout().entries {
            let block = tree.block_of(rank).unwrap();
            let leaf = tree.node(block.leaf, true).unwrap();
            let (base, start) = (leaf.base_rank(), block.start.rank);
            let sampled = base + (rank - base) / 6 * 6;
            let right = places[sampled.max(start) as usize];
            assert_eq!(tree.sample_before(&block, rank), Ok(right));
            // By its key, a record is found behind the last sample that is smaller.
            let smaller = base + (rank - base).saturating_sub(1) / 6 * 6;
            let rank_near = if smaller > start { smaller + 1 } else { start };
            let (samples, key) = (tree.block_samples(&leaf, block.child), key(rank));
            let near = tree.bisect_samples(&leaf, samples, block.start, &key, Side::NotBelow);
            assert_eq!(near, Ok(places[rank_near as usize]), "rank {rank}");
        }
    }

    #[test]
    fn a_path_leads_through_root_and_leaf_to_the_whole_block() {
        let view = view(table());
        let (tree, places) = (Tree::of(&view).unwrap(), places(&view));
        let node = |number: u64| {
            let start = tree.index.span.start + number as usize * NODE;
            start..start + NODE
        };
        for rank in 0..view.layout().entries {
            let block = tree.block_of(rank).unwrap();
            let nodes = vec![node(tree.index.nodes - 1), node(block.leaf)];
            let records = block.start.offset..places[block.end_rank as usize].offset;
            assert_eq!(tree.path(&key(rank), false), Ok((nodes, records)), "rank {rank}");
        }
    }

    #[test]
    fn a_node_is_no_child_of_its_own() {
        let (mut bytes, layout) = table();
        let index = layout.tree.unwrap();
        let at = index.span.end - NODE;
        bytes[at + 8..at + 16].copy_from_slice(&(index.nodes - 1).to_le_bytes());
        let view = view((bytes, layout));
        let tree = Tree::of(&view).unwrap();
        let error = view.corrupt(BAD_NODE, at as u64);
        assert_eq!(tree.path(b"", false), Err(error.clone()));
        assert_eq!(tree.leaf_of(b"", false), Err(error));
    }

    #[test]
    fn places_are_those_of_records() {
        let view = view(table());
        let (tree, entries, records) =
            (Tree::of(&view).unwrap(), view.layout().entries, view.layout().records);
        let len = records.len() as u64;
        let last = Place { rank: entries - 1, offset: records.end - 1 };
        assert_eq!(tree.place(entries - 1, len - 1), Some(last));
        assert_eq!(tree.place(entries - 1, len), None);
        assert_eq!(tree.place(entries, 0), None);
    }

    /// The format does not say which of the two stands first.
    #[test]
    fn a_tree_may_stand_before_the_records() {
        let (bytes, mut layout) = table();
        let (index, records) = (layout.tree.unwrap(), layout.records);
        let nodes = &bytes[index.span.start..index.span.end];
        let moved = [&[0; NODE][..], nodes, &bytes[records.start..records.end], &[0; 32]].concat();
        let span = Span { start: NODE, end: NODE + nodes.len() };
        layout.records = Span { start: span.end, end: span.end + records.len() };
        layout.tree = Some(TreeLayout { span, ..index });
        let view = view((moved, layout));
        let tree = Tree::of(&view).unwrap();
        for rank in 0..view.layout().entries {
            let leaf = tree.block_of(rank).unwrap().leaf;
            assert_eq!(tree.leaf_of(&key(rank), false), Ok(leaf), "rank {rank}");
        }
    }
}
