//! The ordered index: records in, a tree of separators out.
//!
//! Records are cut into blocks. Of the records that may begin the next block, the one with the
//! shortest separator begins it: short separators make small nodes (the split interval of prefix
//! B-trees, Bayer and Unterauer 1977).

mod nodes;

pub(crate) use nodes::Nodes;

use crate::error::BuildError;
use crate::format::order::common_prefix;
use crate::format::{
    BLOCK_BYTES, BLOCK_RECORDS, BLOCK_RECORDS_FIXED, BLOCK_RECORDS_LEAST, NODE_LOG2,
};
use nodes::NodesBuilder;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// A record that may begin a block.
struct BlockStart {
    rank: u64,
    offset: u64,
    /// The shortest string above the key before and not above the record's key.
    separator: Vec<u8>,
}

/// Cuts ascending records into blocks and collects the tree's nodes.
pub(crate) struct TreeBuilder {
    nodes: NodesBuilder,
    fixed: bool,
    /// Rank and offset of the first record of the open block.
    start: (u64, u64),
    /// The records of the open block that may begin the next one, in order.
    candidates: VecDeque<BlockStart>,
    /// Buffers of old separators, to be used again.
    spare: Vec<Vec<u8>>,
}

impl TreeBuilder {
    /// `fixed`: all records have one width, and all blocks one number of records. `directory` is for
    /// nodes that do not fit in memory.
    pub(crate) fn new(fixed: bool, directory: &Arc<Path>) -> Self {
        Self {
            nodes: NodesBuilder::new(NODE_LOG2, !fixed, directory),
            fixed,
            start: (0, 0),
            candidates: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// Takes the next record; `previous` is the key before.
    #[inline]
    pub(crate) fn record(
        &mut self,
        previous: &[u8],
        key: &[u8],
        rank: u64,
        offset: u64,
    ) -> Result<(), BuildError> {
        self.nodes.record(offset);
        if rank == 0 {
            self.start = (0, offset);
            return self.nodes.add(&[], 0, offset);
        }
        let records = rank - self.start.0;
        if self.fixed {
            if records == u64::from(BLOCK_RECORDS_FIXED) {
                self.start = (rank, offset);
                return self.nodes.add(separator(previous, key), rank, offset);
            }
            return Ok(());
        }
        let full = records >= u64::from(BLOCK_RECORDS) || offset - self.start.1 >= BLOCK_BYTES;
        if full && self.candidates.is_empty() || records >= u64::from(BLOCK_RECORDS_LEAST) {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(separator(previous, key));
            self.candidates.push_back(BlockStart { rank, offset, separator: bytes });
        }
        if full { self.cut() } else { Ok(()) }
    }

    /// The tree over all blocks; `None` if there is at most one block.
    pub(crate) fn finish(&mut self) -> Result<Option<Nodes>, BuildError> {
        self.nodes.finish()
    }

    /// Begins a block at the candidate with the shortest separator; of several, at the last one.
    fn cut(&mut self) -> Result<(), BuildError> {
        let lengths = self.candidates.iter().map(|candidate| candidate.separator.len());
        let best = lengths.enumerate().min_by_key(|&(i, len)| (len, usize::MAX - i));
        let Some((best, _)) = best else { return Ok(()) };
        let chosen = &self.candidates[best];
        self.nodes.add(&chosen.separator, chosen.rank, chosen.offset)?;
        self.start = (chosen.rank, chosen.offset);
        let least = self.start.0 + u64::from(BLOCK_RECORDS_LEAST);
        while self.candidates.front().is_some_and(|candidate| candidate.rank < least) {
            self.spare.extend(self.candidates.pop_front().map(|candidate| candidate.separator));
        }
        Ok(())
    }
}

/// The shortest string above `previous` and not above `key`.
fn separator<'k>(previous: &[u8], key: &'k [u8]) -> &'k [u8] {
    &key[..(common_prefix(previous, key) + 1).min(key.len())]
}
