//! Walking backward: where the records of a block start, and prefetching against the direction.

use super::simd::prefetch;
use super::table::Inner;
use super::tree::{Block, LINE};
use crate::error::{ReadError, ReadResult};
use crate::format::{BLOCK_BYTES, MAX_BLOCK};
use std::ops::Range;

/// How far before a record that is read backward prefetching goes: about a block, so that the
/// places of the next one can be found without waiting for memory.
const LEAD: usize = BLOCK_BYTES as usize;
/// Cache lines that are prefetched for one record at most.
const MOST_PREFETCHED: usize = 16;

/// Where the records of one block start, for walking backward: records are found only forward.
#[derive(Clone)]
pub(super) struct BackBlock {
    block: Option<Block>,
    starts: [u32; MAX_BLOCK as usize],
}

impl BackBlock {
    pub(super) const fn new() -> Self {
        Self { block: None, starts: [0; MAX_BLOCK as usize] }
    }

    /// Offset of the record with this rank.
    #[inline]
    pub(super) fn offset(&mut self, inner: &Inner, rank: u64) -> ReadResult<usize> {
        if let Some(fixed) = &inner.layout.fixed {
            return Ok(fixed.offset(rank));
        }
        match self.known_offset(rank) {
            Some(offset) => Ok(offset),
            None => self.load(inner, rank),
        }
    }

    /// Offset of the record with this rank, if it is in the block that was read last.
    #[inline(always)]
    pub(super) fn known_offset(&self, rank: u64) -> Option<usize> {
        let block = self.block.as_ref()?;
        let i = rank.checked_sub(block.start.rank).filter(|_| rank < block.end_rank)?;
        Some(block.start.offset + *self.starts.get(i as usize)? as usize)
    }

    #[inline(never)]
    fn load(&mut self, inner: &Inner, rank: u64) -> ReadResult<usize> {
        let block = match self.block.take() {
            Some(block) if block.start.rank == rank + 1 => inner.block_before(&block)?,
            _ => inner.block_of(rank)?,
        };
        let base = block.start.offset;
        let mut offset = base;
        let records = (block.end_rank - block.start.rank) as usize;
        for start in &mut self.starts[..records] {
            let far = |_| ReadError::corrupt("block is too long", base as u64);
            *start = u32::try_from(offset - base).map_err(far)?;
            offset = inner.parts_at(offset)?.end();
        }
        let i = (rank - block.start.rank) as usize;
        self.block = Some(block);
        Ok(base + self.starts[i] as usize)
    }
}

/// Asks for what lies a block before a record that is read on the way back: processors foresee
/// walks backward badly, and the next block's places are found by a walk forward.
#[inline]
pub(super) fn prefetch_before(table: &[u8], record: Range<usize>) {
    let lines = (record.len() / LINE + 1).min(MOST_PREFETCHED);
    for line in 0..lines {
        prefetch(table, record.start.saturating_sub(LEAD) + line * LINE);
    }
}
