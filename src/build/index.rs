//! The ordered index: separators in, nodes out, one level after the other.

use crate::format::node::{
    MAX_PREFIX, NO_SAMPLE, NODE_HEADER, NodeHeader, TAIL_CUT, array_bytes, tail_of,
};
use crate::format::order::{common_prefix, head};
use crate::format::{BLOCK_RECORDS, SAMPLE_STEP};
use zerocopy::IntoBytes;

/// The nodes of all levels, leaves first, the root last.
pub(super) struct Nodes {
    pub(super) bytes: Vec<u8>,
    pub(super) levels: u8,
    pub(super) leaves: u64,
}

/// Collects the blocks of a table.
pub(super) struct IndexBuilder {
    level: Level,
    node_log2: u8,
}

impl IndexBuilder {
    /// `variable`: leaves carry offsets, ranks and samples.
    pub(super) fn new(node_log2: u8, variable: bool) -> Self {
        Self { level: Level::new(node_log2, variable, 0), node_log2 }
    }

    /// Notes where the next record starts; its block is added at once or later.
    #[inline]
    pub(super) fn record(&mut self, offset: u64) {
        if self.level.with_places {
            self.level.starts.push(offset);
        }
    }

    /// Adds a block: the shortest string above everything before it and not above its first key,
    /// its first rank and its first offset.
    pub(super) fn add(&mut self, separator: &[u8], rank: u64, offset: u64) {
        self.level.add(separator, rank, offset);
    }

    /// Builds the upper levels; `None` if there is a single block or none.
    pub(super) fn finish(&mut self) -> Option<Nodes> {
        let level = std::mem::replace(&mut self.level, Level::new(self.node_log2, false, 0));
        if level.children <= 1 {
            return None;
        }
        let mut promoted = Vec::new();
        let mut bytes = level.finish(&mut promoted);
        let leaves = promoted.len() as u64;
        let (mut levels, mut below) = (1, 0);
        while promoted.len() > 1 {
            let start = (bytes.len() >> self.node_log2) as u64;
            let mut level = Level::new(self.node_log2, false, below);
            for child in promoted.drain(..) {
                level.add(&child.separator, child.rank, child.offset);
            }
            bytes.extend(level.finish(&mut promoted));
            below = start;
            levels += 1;
        }
        Some(Nodes { bytes, levels, leaves })
    }
}

/// A child of a node that is being filled, or a finished node for the level above.
struct Child {
    separator: Vec<u8>,
    rank: u64,
    offset: u64,
}

/// One level: finished nodes and the one that is being filled.
struct Level {
    node_bytes: usize,
    with_places: bool,
    /// Number of the first child of the whole level.
    first_child: u64,
    children: u64,
    open: Vec<Child>,
    /// With places: where every record since the open node's first starts.
    starts: Vec<u64>,
    /// Stored prefix of the open node, and its bytes without samples.
    prefix: usize,
    used: usize,
    done: Vec<u8>,
    promoted: Vec<Child>,
}

impl Level {
    fn new(node_log2: u8, with_places: bool, first_child: u64) -> Self {
        Self {
            node_bytes: 1 << node_log2,
            with_places,
            first_child,
            children: 0,
            open: Vec::new(),
            starts: Vec::new(),
            prefix: 0,
            used: NODE_HEADER,
            done: Vec::new(),
            promoted: Vec::new(),
        }
    }

    fn add(&mut self, separator: &[u8], rank: u64, offset: u64) {
        let (prefix, used) = self.measure(separator);
        let records = self.open.first().map_or(0, |first| rank - first.rank);
        let far = self.with_places
            && self.open.first().is_some_and(|first| {
                offset - first.offset > u64::from(u32::MAX) || records > u64::from(u16::MAX)
            });
        if used + self.most_sample_bytes(records) > self.node_bytes || far {
            self.close(records as usize);
        } else {
            (self.prefix, self.used) = (prefix, used);
        }
        self.open.push(Child { separator: separator.to_vec(), rank, offset });
        self.children += 1;
    }

    /// Bytes of the samples of `records` records and of one more block, however long.
    fn most_sample_bytes(&self, records: u64) -> usize {
        if !self.with_places {
            return 0;
        }
        2 * (records as usize + usize::from(BLOCK_RECORDS)).div_ceil(usize::from(SAMPLE_STEP))
    }

    /// Stored prefix and used bytes of the open node with one more child. The first child needs
    /// no separator.
    fn measure(&self, separator: &[u8]) -> (usize, usize) {
        if self.open.is_empty() {
            return (0, NODE_HEADER);
        }
        let Some(first) = self.open.get(1) else {
            let prefix = separator.len().min(MAX_PREFIX);
            return (prefix, self.bytes_for(prefix, std::iter::once(separator)));
        };
        // Separators ascend, so the first and the last share what all share.
        let prefix = common_prefix(&first.separator, separator).min(MAX_PREFIX);
        if prefix == self.prefix {
            let more = array_bytes(1, self.with_places) + tail_of(separator, prefix).0.len();
            return (prefix, self.used + more);
        }
        let all = self.open[1..].iter().map(|child| child.separator.as_slice());
        (prefix, self.bytes_for(prefix, all.chain(std::iter::once(separator))))
    }

    fn bytes_for<'s>(&self, prefix: usize, separators: impl Iterator<Item = &'s [u8]>) -> usize {
        separators.fold(NODE_HEADER + prefix, |sum, separator| {
            sum + array_bytes(1, self.with_places) + tail_of(separator, prefix).0.len()
        })
    }

    /// The samples of the open node: of every sixth of its records, the place in its block.
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

    /// Writes the open node, which has `records` records, and hands its first child on to the
    /// level above.
    fn close(&mut self, records: usize) {
        let children = std::mem::take(&mut self.open);
        let samples = self.samples(&children, records);
        if self.with_places {
            self.starts.drain(..records);
        }
        let mut iter = children.into_iter();
        let Some(first) = iter.next() else { return };
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
        let start = self.done.len();
        let out = &mut self.done;
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
        debug_assert!(out.len() - start <= self.node_bytes);
        out.resize(start + self.node_bytes, 0);
        self.first_child += rest.len() as u64 + 1;
        self.promoted.push(first);
        (self.prefix, self.used) = (0, NODE_HEADER);
    }

    fn finish(mut self, promoted: &mut Vec<Child>) -> Vec<u8> {
        self.close(self.starts.len());
        *promoted = self.promoted;
        self.done
    }
}
