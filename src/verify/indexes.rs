//! The audit of the indexes: each says what the records say, and nothing else.

use crate::error::{ReadError, ReadResult};
use crate::format::bucket::{BUCKET, GROUP_BUCKETS};
use crate::format::layout::{HashLayout, IndexLayout};
use crate::format::line::{LINE, LINE_TAGS, MAX_LINE_KEYS, NO_TAG, base_rank, tag};
use crate::format::node::{BAD_NODE, Node, NodeHeader};
use crate::read::Table;
use crate::read::parallel::check_pieces;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

impl Table {
    /// Nodes stand level by level, each the child of one; their separators separate; what they do
    /// not use is zero.
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
            for child in 1..=node.separators() {
                if !self.separates(&index, number, &node, child)? {
                    return Err(bad());
                }
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
    fn first_place(
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
                (rank, (fixed.offset(rank.min(self.len())) - records) as u64)
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
        index: &IndexLayout,
        number: u64,
        node: &Node<'_>,
        child: usize,
    ) -> ReadResult<bool> {
        let (rank, _) = self.first_place(index, number, node, child)?;
        let Some(before) = rank.checked_sub(1) else { return Ok(false) };
        let (Some((before, _)), Some((first, _))) = (self.nth(before)?, self.nth(rank)?) else {
            return Ok(false);
        };
        // Equals may go on over the edge; then their last block is found.
        Ok(self.child_for(index, number, first)? >= child
            && (before == first || self.child_for(index, number, before)? < child))
    }

    /// The ordered index leads to every record by its rank, samples included. Pieces of the table
    /// are walked on all threads; each ends where the next begins.
    pub(super) fn check_places(&self) -> ReadResult<()> {
        const PIECE: u64 = 1 << 16;
        if self.layout().index.is_none() || self.layout().fixed.is_some() {
            return Ok(());
        }
        check_pieces(self.len().div_ceil(PIECE) as usize, |piece| {
            let piece = piece as u64;
            let ranks = piece * PIECE..((piece + 1) * PIECE).min(self.len());
            let mut offset = self.offset_of(ranks.start)?;
            for rank in ranks {
                if self.offset_of(rank)? != offset {
                    return Err(ReadError::corrupt("index names another place", offset as u64));
                }
                offset = self.offset_after(offset)?;
            }
            let end = self.offset_of(((piece + 1) * PIECE).min(self.len()))?;
            let joined = end == offset;
            if joined { Ok(()) } else { Err(ReadError::corrupt("index skips records", end as u64)) }
        })
    }

    /// Every line has the rank and the tags of its keys.
    pub(super) fn check_lines(&self) -> ReadResult<()> {
        let Some(index) = self.layout().lines else { return Ok(()) };
        let bytes = &self.bytes()[index.span.start..index.span.end];
        let (lines, _) = bytes.as_chunks::<LINE>();
        let bad = |line: usize| {
            ReadError::corrupt("line has wrong tags", (index.span.start + line * LINE) as u64)
        };
        let mut expected = [NO_TAG; LINE_TAGS];
        let mut records = self.records().peekable();
        let mut rank = 0;
        for (number, line) in lines.iter().enumerate() {
            let first = rank;
            expected.fill(NO_TAG);
            while let Some(Ok(found)) = records.peek() {
                let place = index.scale.place(&self.bytes()[found.parts.key()]);
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
        if rank == self.len() { Ok(()) } else { Err(bad(lines.len())) }
    }

    /// The ordered index leads to both ends of every block.
    pub(super) fn check_blocks(&self) -> ReadResult<()> {
        let layout = self.layout();
        let mut rank = 0;
        while rank < layout.entries {
            let (first, end) = self.block_bounds(rank)?;
            let bad =
                || ReadError::corrupt("ordered index misses a block", layout.records.start as u64);
            if first != rank || end <= rank {
                return Err(bad());
            }
            for (edge, above) in [(first, false), (end - 1, true)] {
                let Some((key, _)) = self.nth(edge)? else { return Err(bad()) };
                let found = if above { self.count(..=key)? } else { self.rank(key)? };
                let right = match (above, layout.repeated_keys) {
                    (false, false) => found == edge,
                    (true, false) => found == edge + 1,
                    // Equals may go on over the block's edges.
                    (false, true) => found <= edge && self.nth(found)?.is_some_and(|e| e.0 == key),
                    (true, true) => {
                        found > edge && self.nth(found - 1)?.is_some_and(|e| e.0 == key)
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
        let Some(hash) = self.layout().hash else { return Ok(0) };
        let bytes = &self.bytes()[hash.span.start..hash.span.end];
        let (buckets, _) = bytes.as_chunks::<BUCKET>();
        let per_group = hash.shape.per_group as usize;
        let (taken, second) = (AtomicU64::new(0), AtomicU64::new(0));
        check_pieces(buckets.len().div_ceil(per_group), |group| {
            let buckets = &buckets[group * per_group..];
            let buckets = &buckets[..per_group.min(buckets.len())];
            let (in_group, in_second) = self.check_group(&hash, group, buckets)?;
            taken.fetch_add(in_group, Relaxed);
            second.fetch_add(in_second, Relaxed);
            Ok(())
        })?;
        if taken.into_inner() + hash.set_aside == self.layout().keys {
            Ok(second.into_inner())
        } else {
            Err(ReadError::corrupt("hash index has other keys", hash.span.start as u64))
        }
    }

    /// Taken slots of a group, and how many of them in second buckets.
    fn check_group(
        &self,
        hash: &HashLayout,
        group: usize,
        buckets: &[[u8; BUCKET]],
    ) -> ReadResult<(u64, u64)> {
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
                let key = self.referred_key(hash.tails.reference(held))?;
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
