//! The audit of the indexes: each says what the records say, and nothing else.

use super::records::EveryRecord;
use super::zeros::check_zeros;
use crate::error::{ReadError, ReadResult};
use crate::format::index::hash::{BUCKET, GROUP_BUCKETS};
use crate::format::index::line::{LINE, LINE_TAGS, MAX_LINE_KEYS, NO_TAG, base_rank, tag};
use crate::format::index::tree::{BAD_NODE, Node, NodeHeader};
use crate::read::Table;
use crate::read::index::hash::Hash;
use crate::read::index::tree::Tree;
use crate::read::parallel::check_pieces;
use crate::read::search::Search;
use crate::read::view::View;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The audit of a table's indexes.
pub(super) struct Indexes<'t> {
    pub(super) table: &'t Table,
    pub(super) view: &'t View,
}

impl<'t> Indexes<'t> {
    /// Nodes stand level by level, each the child of one; their separators separate; what they do
    /// not use is zero.
    pub(super) fn check_nodes(&self) -> ReadResult<()> {
        let Some(tree) = Tree::of(self.view) else { return Ok(()) };
        let index = tree.layout();
        let (mut next_block, mut next_node) = (0, 0);
        for number in 0..index.nodes {
            let node = tree.node(number, number < index.leaves)?;
            let start = index.span.start + ((number as usize) << index.node_log2);
            let bad = || ReadError::corrupt(BAD_NODE, start as u64);
            let next = if number < index.leaves { &mut next_block } else { &mut next_node };
            let samples = self.samples_of(tree, number, &node)?;
            if !node.is_well_formed()
                || node.first_child() != *next
                || node.samples() as u64 != samples
            {
                return Err(bad());
            }
            *next += node.separators() as u64 + 1;
            let reserved = offset_of!(NodeHeader, reserved);
            check_zeros(self.view.bytes(), start + reserved, start + reserved + 2)?;
            check_zeros(self.view.bytes(), start + node.used(), start + (1 << index.node_log2))?;
            if self.first_place(tree, number, &node, 0)? != (node.base_rank(), node.base_offset()) {
                return Err(bad());
            }
            for child in 1..=node.separators() {
                if !self.separates(tree, number, &node, child)? {
                    return Err(bad());
                }
            }
        }
        // All nodes but the root, and all blocks.
        let blocks = match self.view.layout().fixed {
            Some(_) => self.table.len().div_ceil(u64::from(self.view.layout().block_records)),
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
    fn samples_of(&self, tree: Tree<'t>, number: u64, node: &Node<'_>) -> ReadResult<u64> {
        let index = tree.layout();
        if number >= index.leaves || self.view.layout().fixed.is_some() {
            return Ok(0);
        }
        let end = match number + 1 < index.leaves {
            true => tree.node(number + 1, number + 1 < index.leaves)?.base_rank(),
            false => self.table.len(),
        };
        Ok(end.saturating_sub(node.base_rank()).div_ceil(u64::from(index.sample_step.max(1))))
    }

    /// Rank and offset (from the start of the records) of the first record under a child.
    fn first_place(
        &self,
        tree: Tree<'t>,
        number: u64,
        node: &Node<'_>,
        child: usize,
    ) -> ReadResult<(u64, u64)> {
        let leaves = tree.layout().leaves;
        if number >= leaves {
            let child = node.first_child() + child as u64;
            let child = tree.node(child, child < leaves)?;
            return Ok((child.base_rank(), child.base_offset()));
        }
        let records = self.view.layout().records.start;
        Ok(match &self.view.layout().fixed {
            Some(fixed) => {
                let block = node.first_child() + child as u64;
                let rank = block.saturating_mul(u64::from(self.view.layout().block_records));
                (rank, (fixed.offset(rank.min(self.table.len())) - records) as u64)
            }
            None => {
                let rank = node.base_rank().saturating_add(node.rank_of(child));
                (rank, node.base_offset().saturating_add(node.offset_of(child)))
            }
        })
    }

    /// Whether a search for the first key under `child` leads there, and one for the key before
    /// does not.
    fn separates(
        &self,
        tree: Tree<'t>,
        number: u64,
        node: &Node<'_>,
        child: usize,
    ) -> ReadResult<bool> {
        let (rank, _) = self.first_place(tree, number, node, child)?;
        let Some(before) = rank.checked_sub(1) else { return Ok(false) };
        let (Some((before, _)), Some((first, _))) =
            (self.table.nth(before)?, self.table.nth(rank)?)
        else {
            return Ok(false);
        };
        let leaf = number < tree.layout().leaves;
        let child_for = |key| Ok::<_, ReadError>(tree.search_node(number, leaf, key, false)?.1);
        // Equal keys may go on beyond the edge; then the search finds their last block.
        Ok(child_for(first)? >= child && (before == first || child_for(before)? < child))
    }

    /// The ordered index leads to every record by its rank, samples included. Pieces of the table
    /// are walked on all threads; each ends where the next begins.
    pub(super) fn check_places(&self) -> ReadResult<()> {
        const PIECE: u64 = 1 << 16;
        if self.view.layout().tree.is_none() || self.view.layout().fixed.is_some() {
            return Ok(());
        }
        check_pieces(self.table.len().div_ceil(PIECE) as usize, |piece| {
            let piece = piece as u64;
            let ranks = piece * PIECE..((piece + 1) * PIECE).min(self.table.len());
            let mut offset = self.offset_of(ranks.start)?;
            for rank in ranks {
                if self.offset_of(rank)? != offset {
                    return Err(ReadError::corrupt("index names another place", offset as u64));
                }
                offset = self.offset_after(offset)?;
            }
            let end = self.offset_of(((piece + 1) * PIECE).min(self.table.len()))?;
            let joined = end == offset;
            if joined { Ok(()) } else { Err(ReadError::corrupt("index skips records", end as u64)) }
        })
    }

    /// Every line has the rank and the tags of its keys.
    pub(super) fn check_lines(&self) -> ReadResult<()> {
        let Some(index) = self.view.layout().lines else { return Ok(()) };
        let bytes = &self.view.bytes()[index.span.start..index.span.end];
        let (lines, _) = bytes.as_chunks::<LINE>();
        let bad = |line: usize| {
            ReadError::corrupt("line has wrong tags", (index.span.start + line * LINE) as u64)
        };
        let mut expected = [NO_TAG; LINE_TAGS];
        let mut records = EveryRecord::of(self.view).peekable();
        let mut rank = 0;
        for (number, line) in lines.iter().enumerate() {
            let first = rank;
            expected.fill(NO_TAG);
            while let Some(Ok(found)) = records.peek() {
                let place = index.scale.place(&self.view.bytes()[found.parts.key()]);
                let place = place.ok_or_else(|| bad(number))?;
                if place.line != number as u64 {
                    break;
                }
                if let Some(tag) = expected.get_mut((rank - first) as usize) {
                    *tag = place.tag;
                }
                rank += 1;
                records.next();
            }
            let tags = (0..LINE_TAGS).all(|i| tag(line, i) == expected[i]);
            if base_rank(line) != first || !tags || rank - first > MAX_LINE_KEYS {
                return Err(bad(number));
            }
        }
        if rank == self.table.len() { Ok(()) } else { Err(bad(lines.len())) }
    }

    /// Where the record with this rank starts, by the ordered index; the end for the number of
    /// entries.
    fn offset_of(&self, rank: u64) -> ReadResult<usize> {
        match rank < self.table.len() {
            true => Ok(Search::of(self.view).place_of(rank)?.offset),
            false => Ok(self.view.end().offset),
        }
    }

    /// Where the record after the one at `offset` starts.
    fn offset_after(&self, offset: usize) -> ReadResult<usize> {
        Ok(self.view.after(offset, &self.view.parts_at(offset)?))
    }

    /// First rank and end rank of the block that holds `rank`.
    fn block_bounds(&self, rank: u64) -> ReadResult<(u64, u64)> {
        let layout = self.view.layout();
        if layout.fixed.is_some() {
            let records = u64::from(layout.block_records);
            let start = rank / records * records;
            return Ok((start, (start + records).min(layout.entries)));
        }
        let block = Search::of(self.view).block_of(rank)?;
        Ok((block.start.rank, block.end_rank))
    }

    /// The ordered index leads to both ends of every block.
    pub(super) fn check_blocks(&self) -> ReadResult<()> {
        let layout = self.view.layout();
        let mut rank = 0;
        while rank < layout.entries {
            let (first, end) = self.block_bounds(rank)?;
            let bad =
                || ReadError::corrupt("ordered index misses a block", layout.records.start as u64);
            if first != rank || end <= rank {
                return Err(bad());
            }
            for (edge, above) in [(first, false), (end - 1, true)] {
                let Some((key, _)) = self.table.nth(edge)? else { return Err(bad()) };
                let found = if above { self.table.count(..=key)? } else { self.table.rank(key)? };
                let right = match (above, layout.repeated_keys) {
                    (false, false) => found == edge,
                    (true, false) => found == edge + 1,
                    // Equals may go on over the block's edges.
                    (false, true) => {
                        found <= edge && self.table.nth(found)?.is_some_and(|e| e.0 == key)
                    }
                    (true, true) => {
                        found > edge && self.table.nth(found - 1)?.is_some_and(|e| e.0 == key)
                    }
                };
                if !right {
                    return Err(bad());
                }
            }
            rank = end;
        }
        Ok(())
    }

    /// Every slot stands where its key belongs and has its tag and tail, the overflow bits are those
    /// of the keys in their second bucket, unused slots are zero. Returns how many keys stand in
    /// their second bucket. That every key is found was checked while the records were read.
    pub(super) fn check_hash_index(&self) -> ReadResult<u64> {
        let Some(index) = Hash::of(self.view) else { return Ok(0) };
        let hash = index.layout();
        let bytes = &self.view.bytes()[hash.span.start..hash.span.end];
        let (buckets, _) = bytes.as_chunks::<BUCKET>();
        let per_group = hash.shape.per_group as usize;
        let (taken, second) = (AtomicU64::new(0), AtomicU64::new(0));
        check_pieces(buckets.len().div_ceil(per_group), |group| {
            let buckets = &buckets[group * per_group..];
            let buckets = &buckets[..per_group.min(buckets.len())];
            let (in_group, in_second) = self.check_group(index, group, buckets)?;
            taken.fetch_add(in_group, Relaxed);
            second.fetch_add(in_second, Relaxed);
            Ok(())
        })?;
        if taken.into_inner() + hash.set_aside == self.view.layout().keys {
            Ok(second.into_inner())
        } else {
            Err(ReadError::corrupt("hash index has other keys", hash.span.start as u64))
        }
    }

    /// Taken slots of a group, and how many of them in second buckets.
    fn check_group(
        &self,
        index: Hash<'t>,
        group: usize,
        buckets: &[[u8; BUCKET]],
    ) -> ReadResult<(u64, u64)> {
        let hash = index.layout();
        let start = (group * hash.shape.per_group as usize) as u64;
        let mut overflow = [0; GROUP_BUCKETS as usize];
        let (mut taken, mut second) = (0, 0);
        let bad = |bucket: u64| {
            let at = hash.span.start as u64 + bucket * BUCKET as u64;
            ReadError::corrupt("bucket does not fit its keys", at)
        };
        for (number, bucket) in (start..).zip(buckets) {
            for slot in 0..hash.slots.count() {
                let held = hash.slots.get(bucket, slot);
                let tag = hash.slots.tag(bucket, slot);
                if tag == 0 {
                    if held != 0 {
                        return Err(bad(number));
                    }
                    continue;
                }
                let place = index.referred(hash.tails.reference(held))?;
                let (key, _) = self.view.key_at(place)?;
                let hash_of_key = hash.hasher.hash(key);
                let place = hash.shape.place(hash_of_key);
                taken += 1;
                if place.first != number {
                    let first = overflow.get_mut(place.first.wrapping_sub(start) as usize);
                    let first = first.ok_or_else(|| bad(number))?;
                    *first |= hash.slots.overflow_bit(place.overflow);
                    second += 1;
                }
                let fits = tag == place.tag && hash.tails.fits(held, hash_of_key);
                if !fits || ![place.first, place.second].contains(&number) {
                    return Err(bad(number));
                }
            }
        }
        for ((number, bucket), expected) in (start..).zip(buckets).zip(overflow) {
            if hash.slots.overflow_bits(bucket) != expected {
                return Err(bad(number));
            }
        }
        Ok((taken, second))
    }
}
