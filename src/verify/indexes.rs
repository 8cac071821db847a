//! The audit of the ordered indexes: each agrees with the records, and holds nothing else.

use super::zeros::check_zeros;
use crate::error::{ReadError, ReadResult};
use crate::format::index::line::{
    LINE, LINE_TAGS, LinePlace, MAX_LINE_EQUAL, MAX_LINE_KEYS, NO_TAG, base_rank, tag,
};
use crate::format::index::tree::{BAD_NODE, Node, NodeHeader};
use crate::format::layout::LineLayout;
use crate::read::Table;
use crate::read::index::tree::Tree;
use crate::read::view::View;
use std::mem::offset_of;
use std::ops::Range;

/// The audit of a table's ordered indexes.
#[derive(Clone, Copy)]
pub(super) struct Indexes<'t> {
    pub(super) table: &'t Table,
    pub(super) view: &'t View,
}

impl<'t> Indexes<'t> {
    /// Node `number` of the tree.
    pub(super) fn node(self, tree: Tree<'t>, number: u64) -> ReadResult<Node<'t>> {
        tree.node(number, number < tree.layout().leaves)
    }

    /// The child of a node to which a search for the place after `key` goes, or, if `strict`, for the
    /// place before it.
    fn child_for(self, tree: Tree<'t>, number: u64, key: &[u8], strict: bool) -> ReadResult<u64> {
        let leaf = number < tree.layout().leaves;
        Ok(tree.search_node(number, leaf, key, strict)?.1 as u64)
    }

    /// Checks that nodes stand level by level and each is the child of one node, that their
    /// separators ascend, and that their unused bytes are zero. What nodes say of the records is
    /// checked with the records.
    pub(super) fn check_nodes(self) -> ReadResult<()> {
        let Some(tree) = Tree::of(self.view) else { return Ok(()) };
        let index = tree.layout();
        let (mut next_block, mut next_node) = (0, 0);
        for number in 0..index.nodes {
            let node = self.node(tree, number)?;
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
        }
        // Every node but the root, and every block, must be a child.
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

    /// The number of samples that a node must have: in a leaf of a table of variable width one for
    /// every `sample_step` records, otherwise none.
    fn samples_of(self, tree: Tree<'t>, number: u64, node: &Node<'_>) -> ReadResult<u64> {
        let index = tree.layout();
        if number >= index.leaves || self.view.layout().fixed.is_some() {
            return Ok(0);
        }
        let end = match number + 1 < index.leaves {
            true => self.node(tree, number + 1)?.base_rank(),
            false => self.table.len(),
        };
        Ok(end.saturating_sub(node.base_rank()).div_ceil(u64::from(index.sample_step.max(1))))
    }

    /// Rank and offset (from the start of the records) of the first record under a child.
    pub(super) fn first_place(
        self,
        tree: Tree<'t>,
        number: u64,
        node: &Node<'_>,
        child: usize,
    ) -> ReadResult<(u64, u64)> {
        if number >= tree.layout().leaves {
            let child = self.node(tree, node.first_child() + child as u64)?;
            return Ok((child.base_rank(), child.base_offset()));
        }
        let layout = self.view.layout();
        Ok(match &layout.fixed {
            Some(fixed) => {
                let block = node.first_child() + child as u64;
                let rank = block.saturating_mul(u64::from(layout.block_records));
                let rank = rank.min(layout.entries);
                (rank, (fixed.offset(rank) - layout.records.start) as u64)
            }
            None => {
                let rank = node.base_rank().saturating_add(node.rank_of(child));
                (rank, node.base_offset().saturating_add(node.offset_of(child)))
            }
        })
    }

    /// Checks that a search for `first`, the first key of a block, leads to that block, and that a
    /// search for the key before it does not. For the first block of a leaf the search starts at
    /// the root, for other blocks in the leaf. Separators ascend, so a larger key never leads to a
    /// smaller child; so searches for all keys between lead to the block as well.
    pub(super) fn check_separator(
        self,
        tree: Tree<'t>,
        leaf: u64,
        child: usize,
        before: &[u8],
        first: &[u8],
    ) -> ReadResult<()> {
        // Equal keys may go on into the next block. A search for the first of them finds the block
        // before, or one before that; a search for what follows them finds the last that holds them.
        let equal = before == first;
        let search = |key: &[u8], strict| match child {
            0 => self.leaf_for(tree, key, strict),
            _ => self.child_for(tree, leaf, key, strict),
        };
        let wanted = if child == 0 { leaf } else { child as u64 };
        let right = search(first, false)? >= wanted && search(before, equal)? < wanted;
        let index = tree.layout();
        let at = index.span.start as u64 + (leaf << index.node_log2);
        if right { Ok(()) } else { Err(ReadError::corrupt(BAD_NODE, at)) }
    }

    /// The leaf to which a search for the place after `key` leads, or, if `strict`, before it.
    fn leaf_for(self, tree: Tree<'t>, key: &[u8], strict: bool) -> ReadResult<u64> {
        let index = tree.layout();
        let bad = || ReadError::corrupt(BAD_NODE, index.span.start as u64);
        let mut number = index.nodes - 1;
        for _ in 1..index.levels {
            let child = self.child_for(tree, number, key, strict)?;
            let below = self.node(tree, number)?.first_child().checked_add(child);
            number = below.filter(|&below| below < number).ok_or_else(bad)?;
        }
        if number < index.leaves { Ok(number) } else { Err(bad()) }
    }

    /// Checks that the ordered index leads to both ends of a block with repeated keys: to the first
    /// and to the last of equal keys.
    pub(super) fn check_block(self, ranks: Range<u64>) -> ReadResult<()> {
        let start = self.view.layout().records.start as u64;
        let bad = || ReadError::corrupt("ordered index misses a block", start);
        for (edge, above) in [(ranks.start, false), (ranks.end - 1, true)] {
            let Some((key, _)) = self.table.nth(edge)? else { return Err(bad()) };
            let found = if above { self.table.count(..=key)? } else { self.table.rank(key)? };
            // Equal keys may go on beyond both ends of the block.
            let (place, fits) = match above {
                false => (Some(found), found <= edge),
                true => (found.checked_sub(1), found > edge),
            };
            let Some(place) = place.filter(|_| fits) else { return Err(bad()) };
            if self.table.nth(place)?.is_none_or(|entry| entry.0 != key) {
                return Err(bad());
            }
        }
        Ok(())
    }

    /// Checks that each line that ends with a key of these ranks, and each line without keys
    /// between such lines, has the rank and the tags of its keys.
    pub(super) fn check_lines(self, index: &LineLayout, ranks: Range<u64>) -> ReadResult<()> {
        let bytes = &self.view.bytes()[index.span.start..index.span.end];
        let (lines, _) = bytes.as_chunks::<LINE>();
        let bad = |line: u64| {
            ReadError::corrupt("line has wrong tags", index.span.start as u64 + line * LINE as u64)
        };
        let first = match ranks.start.checked_sub(1) {
            None => 0,
            Some(before) => self.place_in_lines(index, before)?.line + 1,
        };
        let last = ranks.end == self.table.len();
        let end = match last {
            true => index.lines,
            false => self.place_in_lines(index, ranks.end - 1)?.line + 1,
        };
        let mut rank = ranks.start;
        // Skips the keys of a line that began in the piece before and was checked with it.
        while rank < ranks.end && self.place_in_lines(index, rank)?.line < first {
            rank += 1;
        }
        for number in first..end {
            let line = lines.get(number as usize).ok_or_else(|| bad(number))?;
            let (start, mut expected) = (rank, [NO_TAG; LINE_TAGS]);
            let (mut equal, mut before) = (0, None);
            while rank < self.table.len() {
                if rank >= ranks.end {
                    // The next piece may not have been read.
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
                    let at = self.view.layout().records.start as u64;
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
        // A search finds no key beyond the last line.
        if last && rank != self.table.len() { Err(bad(index.lines)) } else { Ok(()) }
    }

    fn populate_record(self, rank: u64) -> ReadResult<()> {
        let Some(fixed) = &self.view.layout().fixed else { return Ok(()) };
        self.view.populate(fixed.parts(fixed.offset(rank)).key())
    }

    /// The line and the tag of the key with this rank.
    #[inline]
    fn place_in_lines(self, index: &LineLayout, rank: u64) -> ReadResult<LinePlace> {
        let bad = || ReadError::corrupt("line has wrong tags", index.span.start as u64);
        let fixed = self.view.layout().fixed.as_ref().ok_or_else(bad)?;
        let (key, _) = self.view.key_at(fixed.offset(rank))?;
        index.scale.place(key).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::NODE_LOG2;
    use crate::format::index::line::LineScale;
    use crate::format::layout::Span;
    use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks};

    const NODE: usize = 1 << NODE_LOG2;

    /// The bytes of a table of variable width whose tree has two levels.
    fn bytes() -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..3000).map(|i| (key(i), vec![7u8; i as usize % 7]));
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Never);
        options.build(&path, entries).unwrap();
        std::fs::read(&path).unwrap()
    }

    fn key(rank: u64) -> Vec<u8> {
        format!("{rank:05}").into_bytes()
    }

    fn open(bytes: Vec<u8>) -> Table {
        OpenOptions::new().page_checks(PageChecks::Never).from_bytes(bytes).unwrap()
    }

    fn indexes(table: &Table) -> Indexes<'_> {
        Indexes { table, view: table.view() }
    }

    #[test]
    fn each_child_of_the_root_begins_where_its_leaf_does() {
        let table = open(bytes());
        let tree = Tree::of(table.view()).unwrap();
        let number = tree.layout().nodes - 1;
        let root = indexes(&table).node(tree, number).unwrap();
        assert_eq!(root.separators() as u64 + 1, tree.layout().leaves);
        for child in 0..=root.separators() {
            let leaf = indexes(&table).node(tree, child as u64).unwrap();
            let place = (leaf.base_rank(), leaf.base_offset());
            let found = indexes(&table).first_place(tree, number, &root, child);
            assert_eq!(found, Ok(place), "child {child}");
        }
    }

    /// Here the root has no separators, and so one child. All other leaves are children of none.
    #[test]
    fn every_leaf_must_be_a_child() {
        let mut bytes = bytes();
        let table = open(bytes.clone());
        assert_eq!(indexes(&table).check_nodes(), Ok(()));
        let span = Tree::of(table.view()).unwrap().layout().span;
        let root = &mut bytes[span.end - NODE..span.end];
        root.fill(0);
        root[0] = 1;
        let error = ReadError::corrupt(BAD_NODE, span.start as u64);
        assert_eq!(indexes(&open(bytes)).check_nodes(), Err(error));
    }

    #[test]
    fn the_error_for_a_separator_names_its_leaf() {
        let table = open(bytes());
        let tree = Tree::of(table.view()).unwrap();
        assert!(tree.layout().leaves > 3);
        let first = indexes(&table).node(tree, 2).unwrap().base_rank();
        let check = |before: u64, first: u64| {
            indexes(&table).check_separator(tree, 2, 0, &key(before), &key(first))
        };
        assert_eq!(check(first - 1, first), Ok(()));
        let at = tree.layout().span.start + 2 * NODE;
        let error = ReadError::corrupt(BAD_NODE, at as u64);
        assert_eq!(check(2999, 2999), Err(error.clone()), "no key before the leaf");
        assert_eq!(check(0, 0), Err(error), "no key of the leaf");
    }

    #[test]
    fn eight_keys_may_have_one_tag_and_nine_may_not() {
        for keys in [8, 9] {
            // The line with these tags is a value of the table.
            let mut line = [0u8; LINE];
            line[4..].as_chunks_mut().0.fill(NO_TAG.to_le_bytes());
            line[4..4 + 2 * keys as usize].fill(0);
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("t");
            let entries = (0..keys).map(|key: u64| (key.to_be_bytes(), line));
            BuildOptions::new().durable(false).build(&path, entries).unwrap();
            let table = Table::load(&path).unwrap();
            let layout = table.view().layout();
            let start = layout.fixed.unwrap().offset(0) + 8;
            let span = Span { start, end: start + LINE };
            // All heads belong to line 0 and have tag 0.
            let index = LineLayout { span, scale: LineScale { base: 0, scale: 0 }, lines: 1 };
            let found = indexes(&table).check_lines(&index, 0..keys);
            let records = layout.records.start as u64;
            let error = ReadError::corrupt("more keys of one tag than allowed", records);
            assert_eq!(found, if keys == 8 { Ok(()) } else { Err(error) }, "{keys} keys");
        }
    }
}
