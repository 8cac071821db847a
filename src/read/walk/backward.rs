//! Walking backward: where the records of a block start, and prefetching against the direction of
//! the file.

use super::super::index::tree::Block;
use super::super::search::Search;
use super::super::simd::{CACHE_LINE, prefetch};
use super::super::view::View;
use crate::error::ReadResult;
use crate::format::{BLOCK_BYTES, MAX_BLOCK};
use std::ops::Range;

/// Distance from a record that is read backward to the bytes that are prefetched for it: about a
/// block, so that the records of the block before can be found without waiting for memory.
const LEAD: usize = BLOCK_BYTES as usize;
/// Cache lines that are prefetched for one record at most.
const MOST_PREFETCHED: usize = 16;

/// Where the records of one block start. A walk backward needs them all, as a record's end is only
/// found from its start.
#[derive(Clone)]
pub(super) struct BackwardBlock {
    block: Option<Block>,
    starts: [u32; MAX_BLOCK as usize],
}

impl BackwardBlock {
    pub(super) const fn new() -> Self {
        Self { block: None, starts: [0; MAX_BLOCK as usize] }
    }

    /// Offset of the record with this rank.
    #[inline]
    pub(super) fn offset(&mut self, view: &View, rank: u64) -> ReadResult<usize> {
        if let Some(fixed) = &view.layout().fixed {
            return Ok(fixed.offset(rank));
        }
        match self.known_offset(rank) {
            Some(offset) => Ok(offset),
            None => self.fill(view, rank),
        }
    }

    /// Offset of the record with this rank, if it is in the block that was read last.
    #[inline(always)]
    pub(super) fn known_offset(&self, rank: u64) -> Option<usize> {
        let block = self.block.as_ref()?;
        let i = rank.checked_sub(block.start.rank).filter(|_| rank < block.end_rank)?;
        Some(block.start.offset + *self.starts.get(i as usize)? as usize)
    }

    /// Reads the block with this rank, and returns the offset of its record.
    #[inline(never)]
    fn fill(&mut self, view: &View, rank: u64) -> ReadResult<usize> {
        let block = match self.block.take() {
            Some(block) if block.start.rank == rank + 1 => Search::of(view).block_before(&block)?,
            _ => Search::of(view).block_of(rank)?,
        };
        let base = block.start.offset;
        let mut offset = base;
        let records = (block.end_rank - block.start.rank) as usize;
        for start in &mut self.starts[..records] {
            let far = |_| view.corrupt("block is too long", base as u64);
            *start = u32::try_from(offset - base).map_err(far)?;
            offset = view.parts_at(offset)?.end();
        }
        let i = (rank - block.start.rank) as usize;
        self.block = Some(block);
        Ok(base + self.starts[i] as usize)
    }
}

/// Prefetches the bytes a block before a record that is read backward. Processors foresee walks
/// backward badly, and the records of the block before are found by a walk forward.
#[inline]
pub(super) fn prefetch_before(table: &[u8], record: Range<usize>) {
    let (start, lines) = lines_before(record);
    // Most records are short: two lines without a loop, whose end would be guessed wrongly.
    prefetch(table, start);
    prefetch(table, start + CACHE_LINE);
    for line in 2..lines {
        prefetch(table, start + line * CACHE_LINE);
    }
}

/// Where the bytes start that are prefetched for a record, and how many lines they are, if more than
/// two.
#[inline(always)]
fn lines_before(record: Range<usize>) -> (usize, usize) {
    let lines = (record.len() / CACHE_LINE + 1).min(MOST_PREFETCHED);
    (record.start.saturating_sub(LEAD), lines)
}

#[cfg(test)]
mod tests {
    use super::super::tables::{built, entries, places, trusted, unchecked};
    use super::*;
    use crate::format::sums::UNIT;

    #[test]
    fn all_places_of_the_block_that_was_read_last_are_known() {
        let view = trusted(&built(&entries(100, false)));
        let places = places(&view);
        let mut back = BackwardBlock::new();
        assert_eq!(back.known_offset(50), None);
        assert_eq!(back.offset(&view, 50), Ok(places[50].offset));
        let block = back.block.unwrap();
        let ranks = block.start.rank..block.end_rank;
        assert!(ranks.contains(&50) && ranks.start > 0 && ranks.end < 100, "{ranks:?}");
        for rank in 0..100 {
            let known = ranks.contains(&rank).then(|| places[rank as usize].offset);
            assert_eq!(back.known_offset(rank), known, "{rank}");
        }
    }

    /// A search by rank begins at the leaf in the middle, whose page is checked by that.
    #[test]
    fn the_block_before_is_found_without_a_search() {
        let bytes = built(&entries(50_000, false));
        let view = trusted(&bytes);
        let tree = view.layout().tree.unwrap();
        let node = |number: u64| tree.span.start + ((number as usize) << tree.node_log2);
        let middle = node(tree.leaves / 2);
        assert!(node(tree.leaves - 2) - middle > 2 * UNIT, "{} leaves", tree.leaves);

        let mut back = BackwardBlock::new();
        back.offset(&view, view.layout().entries - 1).unwrap();
        let rank = back.block.unwrap().start.rank - 1;
        let right = Search::of(&view).place_of(rank).map(|place| place.offset);
        for (mut back, searches) in [(back, false), (BackwardBlock::new(), true)] {
            let view = unchecked(&bytes);
            assert_eq!(back.offset(&view, rank), right);
            assert_eq!(view.pages().is_checked(middle), searches);
        }
    }

    /// As many lines as the record takes, a block before it.
    #[test]
    fn lines_are_prefetched_a_block_before() {
        const AT: usize = 3 * LEAD;
        for (record, lines) in [
            (AT..AT, (2 * LEAD, 1)),
            (AT..AT + CACHE_LINE - 1, (2 * LEAD, 1)),
            (AT..AT + 3 * CACHE_LINE, (2 * LEAD, 4)),
            (AT..AT + 3 * CACHE_LINE + 5, (2 * LEAD, 4)),
            (AT..AT + 1000 * CACHE_LINE, (2 * LEAD, MOST_PREFETCHED)),
            (LEAD - 1..LEAD + CACHE_LINE, (0, 2)),
        ] {
            assert_eq!(lines_before(record.clone()), lines, "{record:?}");
        }
    }
}
