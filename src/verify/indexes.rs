//! The audit of the ordered indexes: each says what the records say, and nothing else.

use crate::error::{ReadError, ReadResult};
use crate::format::layout::{IndexLayout, LineLayout};
use crate::format::line::{
    LINE, LINE_TAGS, LinePlace, MAX_LINE_EQUAL, MAX_LINE_KEYS, NO_TAG, base_rank, tag,
};
use crate::format::node::{BAD_NODE, Node, NodeHeader};
use crate::read::Table;
use std::mem::offset_of;
use std::ops::Range;

impl Table {
    /// Nodes stand level by level, each the child of one; their separators ascend; what they do
    /// not use is zero. What they say of the records is checked with these.
    pub(super) fn check_nodes(&self) -> ReadResult<()> {
        let Some(index) = self.layout().index else { return Ok(()) };
        let (mut next_block, mut next_node) = (0, 0);
        for number in 0..index.nodes {
            let node = self.index_node(&index, number)?;
            let start = index.span.start + ((number as usize) << index.node_log2);
            let bad = || ReadError::corrupt(BAD_NODE, start as u64);
            let next = if number < index.leaves { &mut next_block } else { &mut next_node };
            let samples = self.samples_of(&index, number, &node)?;
            if !node.is_well_formed()
                || node.first_child() != *next
                || node.samples() as u64 != samples
            {
                return Err(bad());
            }
            *next += node.separators() as u64 + 1;
            let reserved = offset_of!(NodeHeader, reserved);
            self.zeros(start + reserved, start + reserved + 2)?;
            self.zeros(start + node.used(), start + (1 << index.node_log2))?;
            if self.first_place(&index, number, &node, 0)? != (node.base_rank(), node.base_offset())
            {
                return Err(bad());
            }
        }
        // All nodes but the root, and all blocks.
        let blocks = match self.layout().fixed {
            Some(_) => self.len().div_ceil(u64::from(self.layout().block_records)),
            None => next_block,
        };
        if next_node == index.nodes - 1 && next_block == blocks {
            Ok(())
        } else {
            Err(ReadError::corrupt(BAD_NODE, index.span.start as u64))
        }
    }

    /// The number of samples that a node must have: one for every `sample_step` records of a leaf
    /// of a table of variable width.
    fn samples_of(&self, index: &IndexLayout, number: u64, node: &Node<'_>) -> ReadResult<u64> {
        if number >= index.leaves || self.layout().fixed.is_some() {
            return Ok(0);
        }
        let end = match number + 1 < index.leaves {
            true => self.index_node(index, number + 1)?.base_rank(),
            false => self.len(),
        };
        Ok(end.saturating_sub(node.base_rank()).div_ceil(u64::from(index.sample_step.max(1))))
    }

    /// Rank and offset (from the start of the records) of the first record under a child.
    pub(super) fn first_place(
        &self,
        index: &IndexLayout,
        number: u64,
        node: &Node<'_>,
        child: usize,
    ) -> ReadResult<(u64, u64)> {
        if number >= index.leaves {
            let child = self.index_node(index, node.first_child() + child as u64)?;
            return Ok((child.base_rank(), child.base_offset()));
        }
        let records = self.layout().records.start;
        Ok(match &self.layout().fixed {
            Some(fixed) => {
                let block = node.first_child() + child as u64;
                let rank = block.saturating_mul(u64::from(self.layout().block_records));
                let rank = rank.min(self.len());
                (rank, (fixed.offset(rank) - records) as u64)
            }
            None => {
                let rank = node.base_rank().saturating_add(node.rank_of(child));
                (rank, node.base_offset().saturating_add(node.offset_of(child)))
            }
        })
    }

    /// A search for `first`, the first key of a block, leads there, and one for the key before does
    /// not: in the leaf, and where the leaf begins, from the root on. Searches in a node never fall
    /// while keys rise, since separators ascend; so those for all keys between lead there as well.
    pub(super) fn check_separator(
        &self,
        index: &IndexLayout,
        leaf: u64,
        child: usize,
        before: &[u8],
        first: &[u8],
    ) -> ReadResult<()> {
        let (found, found_before, wanted) = match child {
            0 => (self.leaf_for(index, first)?, self.leaf_for(index, before)?, leaf),
            _ => (
                self.child_for(index, leaf, first)? as u64,
                self.child_for(index, leaf, before)? as u64,
                child as u64,
            ),
        };
        // Equals may go on over the edge; then their last block is found.
        let right = match before == first {
            true => found >= wanted,
            false => found >= wanted && found_before < wanted,
        };
        let at = index.span.start as u64 + (leaf << index.node_log2);
        if right { Ok(()) } else { Err(ReadError::corrupt(BAD_NODE, at)) }
    }

    /// The leaf to which a search for the place after `key` leads.
    fn leaf_for(&self, index: &IndexLayout, key: &[u8]) -> ReadResult<u64> {
        let bad = || ReadError::corrupt(BAD_NODE, index.span.start as u64);
        let mut number = index.nodes - 1;
        for _ in 1..index.levels {
            let child = self.child_for(index, number, key)? as u64;
            let below = self.index_node(index, number)?.first_child().checked_add(child);
            number = below.filter(|&below| below < number).ok_or_else(bad)?;
        }
        if number < index.leaves { Ok(number) } else { Err(bad()) }
    }

    /// The ordered index leads to both ends of a block with repeated keys, the first of the equals
    /// and the last.
    pub(super) fn check_block(&self, ranks: Range<u64>) -> ReadResult<()> {
        let start = self.layout().records.start as u64;
        let bad = || ReadError::corrupt("ordered index misses a block", start);
        for (edge, above) in [(ranks.start, false), (ranks.end - 1, true)] {
            let Some((key, _)) = self.nth(edge)? else { return Err(bad()) };
            let found = if above { self.count(..=key)? } else { self.rank(key)? };
            // Equals may go on over the block's edges.
            let (place, fits) = match above {
                false => (Some(found), found <= edge),
                true => (found.checked_sub(1), found > edge),
            };
            let Some(place) = place.filter(|_| fits) else { return Err(bad()) };
            if self.nth(place)?.is_none_or(|entry| entry.0 != key) {
                return Err(bad());
            }
        }
        Ok(())
    }

    /// The lines that end with a key of these ranks, and those without keys between them, have the
    /// ranks and the tags of their keys.
    pub(super) fn check_lines(&self, index: &LineLayout, ranks: Range<u64>) -> ReadResult<()> {
        let bytes = &self.bytes()[index.span.start..index.span.end];
        let (lines, _) = bytes.as_chunks::<LINE>();
        let bad = |line: u64| {
            ReadError::corrupt("line has wrong tags", index.span.start as u64 + line * LINE as u64)
        };
        let first = match ranks.start.checked_sub(1) {
            None => 0,
            Some(before) => self.place_in_lines(index, before)?.line + 1,
        };
        let last = ranks.end == self.len();
        let end = match last {
            true => index.lines,
            false => self.place_in_lines(index, ranks.end - 1)?.line + 1,
        };
        let mut rank = ranks.start;
        // Those of a line that began before and was checked with the piece before.
        while rank < ranks.end && self.place_in_lines(index, rank)?.line < first {
            rank += 1;
        }
        for number in first..end {
            let line = lines.get(number as usize).ok_or_else(|| bad(number))?;
            let (start, mut expected) = (rank, [NO_TAG; LINE_TAGS]);
            let (mut equal, mut before) = (0, None);
            while rank < self.len() {
                if rank >= ranks.end {
                    // The next piece need not have been read.
                    self.populate_record(rank)?;
                }
                let place = self.place_in_lines(index, rank)?;
                if place.line != number {
                    break;
                }
                if let Some(tag) = expected.get_mut((rank - start) as usize) {
                    *tag = place.tag;
                }
                equal = if before == Some(place.tag) { equal + 1 } else { 1 };
                before = Some(place.tag);
                if equal > MAX_LINE_EQUAL {
                    let at = self.layout().records.start as u64;
                    return Err(ReadError::corrupt("more keys of one tag than allowed", at));
                }
                rank += 1;
                if rank - start > MAX_LINE_KEYS {
                    return Err(bad(number));
                }
            }
            let tags = (0..LINE_TAGS).all(|i| tag(line, i) == expected[i]);
            if base_rank(line) != start || !tags {
                return Err(bad(number));
            }
        }
        // Beyond the last line no key is found.
        if last && rank != self.len() { Err(bad(index.lines)) } else { Ok(()) }
    }

    fn populate_record(&self, rank: u64) -> ReadResult<()> {
        let Some(fixed) = &self.layout().fixed else { return Ok(()) };
        self.populate(fixed.parts(fixed.offset(rank)).key())
    }

    /// Where the key of a rank belongs.
    #[inline]
    fn place_in_lines(&self, index: &LineLayout, rank: u64) -> ReadResult<LinePlace> {
        let bad = || ReadError::corrupt("line has wrong tags", index.span.start as u64);
        let fixed = self.layout().fixed.as_ref().ok_or_else(bad)?;
        let parts = self.record_at(fixed.offset(rank))?;
        index.scale.place(&self.bytes()[parts.key()]).ok_or_else(bad)
    }
}
