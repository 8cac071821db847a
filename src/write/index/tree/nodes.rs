//! The nodes of the tree: separators in, nodes out. All levels grow at the same time. Only the open
//! node of each level is in memory; finished nodes wait in a spool.

use crate::error::BuildError;
use crate::format::index::tree::{
    MAX_PREFIX, NO_SAMPLE, NODE_HEADER, NodeHeader, TAIL_CUT, array_bytes, tail_of,
};
use crate::format::order::{common_prefix, head};
use crate::format::{BLOCK_RECORDS, SAMPLE_STEP};
use crate::write::sink::Sink;
use crate::write::spool::Spool;
use std::path::Path;
use std::sync::Arc;
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a level's nodes that may stay in memory.
const HELD: usize = 4 << 20;

/// The finished nodes of all levels.
pub(crate) struct Nodes {
    /// The nodes of each level, leaves first.
    spools: Vec<Spool>,
    node_log2: u8,
    pub(crate) levels: u8,
    pub(crate) leaves: u64,
}

impl Nodes {
    /// Writes the nodes, leaves first, the root last.
    pub(crate) fn write(&self, sink: &mut Sink) -> Result<(), BuildError> {
        // Number of the first node of the level below, and of this level.
        let (mut below, mut start) = (0, 0);
        for spool in &self.spools {
            spool.read(|nodes| {
                for node in nodes.chunks_exact_mut(1 << self.node_log2) {
                    if let Ok((header, _)) = NodeHeader::mut_from_prefix(node) {
                        header.first_child += below;
                    }
                }
                sink.write(nodes)
            })?;
            below = start;
            start += spool.len() >> self.node_log2;
        }
        Ok(())
    }

    /// Bytes of all nodes.
    pub(crate) fn len(&self) -> u64 {
        self.spools.iter().map(Spool::len).sum()
    }
}

/// Collects blocks into nodes.
pub(super) struct NodesBuilder {
    /// The levels, leaves first.
    levels: Vec<Level>,
    node_log2: u8,
    directory: Arc<Path>,
}

impl NodesBuilder {
    /// `variable`: leaves hold offsets, ranks and samples. `directory` is for nodes that do not fit in
    /// memory.
    pub(super) fn new(node_log2: u8, variable: bool, directory: &Arc<Path>) -> Self {
        let leaves = Level::new(node_log2, variable, directory);
        Self { levels: vec![leaves], node_log2, directory: Arc::clone(directory) }
    }

    /// Adds the offset of the next record. Its block is added at once or later.
    #[inline]
    pub(super) fn record(&mut self, offset: u64) {
        let leaves = &mut self.levels[0];
        if leaves.with_places {
            leaves.starts.push(offset);
        }
    }

    /// Adds a block by its separator, the shortest string above all keys before the block and not
    /// above its first key, and by rank and offset of its first record.
    pub(super) fn add(
        &mut self,
        separator: &[u8],
        rank: u64,
        offset: u64,
    ) -> Result<(), BuildError> {
        match self.levels[0].add(Child { separator: separator.to_vec(), rank, offset })? {
            Some(child) => self.promote(1, child),
            None => Ok(()),
        }
    }

    /// Adds a finished node to level `at`, the level above it. A level begins with its second node.
    fn promote(&mut self, mut at: usize, mut child: Child) -> Result<(), BuildError> {
        loop {
            if self.levels.len() == at {
                let Some(first) = self.levels[at - 1].root.take() else {
                    self.levels[at - 1].root = Some(child);
                    return Ok(());
                };
                let mut level = Level::new(self.node_log2, false, &self.directory);
                level.add(first)?;
                self.levels.push(level);
            }
            match self.levels[at].add(child)? {
                Some(next) => child = next,
                None => return Ok(()),
            }
            at += 1;
        }
    }

    /// Ends all levels; `None` if there is at most one block.
    pub(super) fn finish(&mut self) -> Result<Option<Nodes>, BuildError> {
        if self.levels[0].children <= 1 {
            return Ok(None);
        }
        let mut at = 0;
        while at < self.levels.len() {
            if let Some(child) = self.levels[at].end()? {
                self.promote(at + 1, child)?;
            }
            at += 1;
        }
        let spools: Vec<_> = self.levels.drain(..).map(|level| level.done).collect();
        let leaves = spools.first().map_or(0, Spool::len) >> self.node_log2;
        let levels = spools.len() as u8;
        Ok(Some(Nodes { spools, node_log2: self.node_log2, levels, leaves }))
    }
}

/// A child of the open node: a block, or a finished node of the level below.
struct Child {
    separator: Vec<u8>,
    rank: u64,
    offset: u64,
}

/// One level: its finished nodes and its open node.
struct Level {
    node_bytes: usize,
    /// Whether nodes hold offsets, ranks and samples: leaves of tables of variable width do.
    with_places: bool,
    /// Number of the open node's first child.
    first_child: u64,
    /// Children of all nodes so far.
    children: u64,
    /// Children of the open node.
    open: Vec<Child>,
    /// With places: the offset of each record of the open node.
    starts: Vec<u64>,
    /// Length of the stored prefix of the open node.
    prefix: usize,
    /// Bytes of the open node without samples.
    used: usize,
    /// Finished nodes.
    done: Spool,
    /// Buffer for the bytes of a node.
    node: Vec<u8>,
    /// The first node as a child of the level above, as long as it is the only node.
    root: Option<Child>,
}

impl Level {
    fn new(node_log2: u8, with_places: bool, directory: &Arc<Path>) -> Self {
        Self {
            node_bytes: 1 << node_log2,
            with_places,
            first_child: 0,
            children: 0,
            open: Vec::new(),
            starts: Vec::new(),
            prefix: 0,
            used: NODE_HEADER,
            done: Spool::new(directory, HELD),
            node: Vec::new(),
            root: None,
        }
    }

    /// Adds a child. Returns the node before if it was completed.
    fn add(&mut self, child: Child) -> Result<Option<Child>, BuildError> {
        let Child { ref separator, rank, offset } = child;
        let (prefix, used) = self.measure(separator);
        let records = self.open.first().map_or(0, |first| rank - first.rank);
        let far = self.with_places
            && self.open.first().is_some_and(|first| {
                offset - first.offset > u64::from(u32::MAX) || records > u64::from(u16::MAX)
            });
        let mut closed = None;
        if used + self.most_sample_bytes(records) > self.node_bytes || far {
            closed = self.close(records as usize)?;
        } else {
            (self.prefix, self.used) = (prefix, used);
        }
        self.open.push(child);
        self.children += 1;
        Ok(closed)
    }

    /// Completes the last node and returns it.
    fn end(&mut self) -> Result<Option<Child>, BuildError> {
        self.close(self.starts.len())
    }

    /// Most bytes of the samples of `records` records and one more block.
    fn most_sample_bytes(&self, records: u64) -> usize {
        if !self.with_places {
            return 0;
        }
        2 * (records as usize + usize::from(BLOCK_RECORDS)).div_ceil(usize::from(SAMPLE_STEP))
    }

    /// Length of the stored prefix and used bytes of the open node with one more child. The first
    /// child needs no separator.
    fn measure(&self, separator: &[u8]) -> (usize, usize) {
        if self.open.is_empty() {
            return (0, NODE_HEADER);
        }
        let Some(first) = self.open.get(1) else {
            let prefix = separator.len().min(MAX_PREFIX);
            return (prefix, self.bytes_for(prefix, std::iter::once(separator)));
        };
        // Separators ascend, so the common prefix of the first and the last is common to all.
        let prefix = common_prefix(&first.separator, separator).min(MAX_PREFIX);
        if prefix == self.prefix {
            let more = array_bytes(1, self.with_places) + tail_of(separator, prefix).0.len();
            return (prefix, self.used + more);
        }
        let all = self.open[1..].iter().map(|child| child.separator.as_slice());
        (prefix, self.bytes_for(prefix, all.chain(std::iter::once(separator))))
    }

    /// Bytes of a node with this prefix length and these separators, without samples.
    fn bytes_for<'s>(&self, prefix: usize, separators: impl Iterator<Item = &'s [u8]>) -> usize {
        separators.fold(NODE_HEADER + prefix, |sum, separator| {
            sum + array_bytes(1, self.with_places) + tail_of(separator, prefix).0.len()
        })
    }

    /// The samples of the open node: the offset in its block of every sixth record.
    fn samples(&self, children: &[Child], records: usize) -> Vec<u16> {
        let Some(first) = children.first().filter(|_| self.with_places) else { return Vec::new() };
        let mut block = 0;
        let sampled = (0..records).step_by(usize::from(SAMPLE_STEP));
        sampled
            .map(|record| {
                let rank = first.rank + record as u64;
                while children.get(block + 1).is_some_and(|next| next.rank <= rank) {
                    block += 1;
                }
                u16::try_from(self.starts[record] - children[block].offset).unwrap_or(NO_SAMPLE)
            })
            .collect()
    }

    /// Completes the open node, which has `records` records, and returns it as a child.
    fn close(&mut self, records: usize) -> Result<Option<Child>, BuildError> {
        let children = std::mem::take(&mut self.open);
        let samples = self.samples(&children, records);
        if self.with_places {
            self.starts.drain(..records);
        }
        let mut iter = children.into_iter();
        let Some(first) = iter.next() else { return Ok(None) };
        let rest: Vec<Child> = iter.collect();
        let header = NodeHeader {
            children: (rest.len() as u16 + 1).into(),
            prefix_len: (self.prefix as u16).into(),
            samples: (samples.len() as u16).into(),
            reserved: 0.into(),
            first_child: self.first_child.into(),
            base_rank: first.rank.into(),
            base_offset: first.offset.into(),
        };
        let out = &mut self.node;
        out.clear();
        out.extend_from_slice(header.as_bytes());
        let stored = self.prefix;
        out.extend(rest.iter().flat_map(|c| head(&c.separator[stored..]).to_le_bytes()));
        let mut end = 0;
        for child in &rest {
            let (tail, kind) = tail_of(&child.separator, stored);
            end += tail.len() as u16;
            debug_assert!(kind <= TAIL_CUT);
            out.extend_from_slice(&((end << 4) | kind).to_le_bytes());
        }
        if self.with_places {
            let offset = |c: &Child| ((c.offset - first.offset) as u32).to_le_bytes();
            out.extend(rest.iter().flat_map(offset));
            out.extend(rest.iter().flat_map(|c| ((c.rank - first.rank) as u16).to_le_bytes()));
        }
        out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        if let Some(child) = rest.first() {
            out.extend_from_slice(&child.separator[..stored]);
        }
        for child in &rest {
            out.extend_from_slice(tail_of(&child.separator, stored).0);
        }
        debug_assert!(out.len() <= self.node_bytes);
        out.resize(self.node_bytes, 0);
        self.done.append(&self.node)?;
        self.first_child += rest.len() as u64 + 1;
        (self.prefix, self.used) = (0, NODE_HEADER);
        Ok(Some(first))
    }
}
