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
    use crate::format::header::{FOOTER, Footer, Header, header_checksum};
    use crate::format::index::line::LineScale;
    use crate::format::layout::Span;
    use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks};
    use zerocopy::{FromBytes, IntoBytes};

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

    /// The header counts one leaf less here, so that the last one stands between the leaves and the root.
    #[test]
    fn a_search_ends_in_a_leaf_and_begins_no_node_again() {
        let leaf_for = |levels, rank| {
            let mut bytes = bytes();
            let (header, _) = Header::mut_from_prefix(&mut bytes).unwrap();
            header.index_levels = levels;
            header.index_leaves = (header.index_leaves.get() - 1).into();
            header.checksum = header_checksum(header.as_bytes()).into();
            let footer = Footer::of(header);
            let end = bytes.len() - FOOTER;
            bytes[end..].copy_from_slice(footer.as_bytes());
            let table = open(bytes);
            let tree = Tree::of(table.view()).unwrap();
            let error = ReadError::corrupt(BAD_NODE, tree.layout().span.start as u64);
            indexes(&table).leaf_for(tree, &key(rank), false).map_err(|found| found == error)
        };
        assert_eq!(leaf_for(2, 0), Ok(0));
        assert_eq!(leaf_for(2, 2999), Err(true), "it ends above the leaves");
        // A leaf in the place of an inner node: its first block has its own number.
        assert_eq!(leaf_for(3, 0), Err(true), "it leads from a leaf to itself");
    }

    /// A search in a table of fixed width goes no further than to the end of the block to which it leads.
    #[test]
    fn a_block_that_begins_with_the_key_before_it_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..100u32).map(|i| ((i * i * i).to_be_bytes(), [7u8; 4]));
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Never);
        options.build(&path, entries).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let table = open(bytes.clone());
        let layout = table.view().layout();
        let (fixed, records) = (layout.fixed.unwrap(), layout.records.start as u64);
        assert!(layout.tree.is_some());
        let rank = u64::from(layout.block_records);
        assert_eq!(indexes(&table).check_block(rank..rank + 1), Ok(()));
        bytes.copy_within(fixed.offset(rank - 1)..fixed.offset(rank - 1) + 4, fixed.offset(rank));
        let error = ReadError::corrupt("ordered index misses a block", records);
        assert_eq!(indexes(&open(bytes)).check_block(rank..rank + 1), Err(error));
    }

    /// A table of fixed width whose keys have these heads, and a line index of so many lines, which is
    /// each of its values. To each line belong 65,536 heads. One line may be damaged.
    fn lined(heads: &[u64], lines: u64, damaged: Option<u64>) -> (Table, LineLayout) {
        let mut cells = Vec::new();
        for number in 0..lines {
            let first = heads.partition_point(|head| head >> 16 < number);
            let own = heads[first..].iter().take_while(|head| **head >> 16 == number);
            let mut cell = [0u8; LINE];
            cell[..4].copy_from_slice(&(first as u32).to_le_bytes());
            let tags = cell[4..].as_chunks_mut().0;
            tags.fill(NO_TAG.to_le_bytes());
            for (tag, head) in tags.iter_mut().zip(own) {
                *tag = ((head >> 1) as u16 & NO_TAG).to_le_bytes();
            }
            cell[0] ^= u8::from(damaged == Some(number));
            cells.push(cell);
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = heads.iter().map(|head| (head.to_be_bytes(), cells.as_flattened()));
        BuildOptions::new().durable(false).build(&path, entries).unwrap();
        let table = open(std::fs::read(&path).unwrap());
        let start = table.view().layout().fixed.unwrap().offset(0) + 8;
        let span = Span { start, end: start + cells.len() * LINE };
        (table, LineLayout { span, scale: LineScale { base: 0, scale: 1 << 48 }, lines })
    }

    /// Ten keys in each line but the last, which has none.
    #[test]
    fn the_lines_of_a_piece_are_checked_and_no_others() {
        let heads: Vec<u64> =
            (0..4).flat_map(|line| (0..10).map(move |i| line << 16 | i << 1)).collect();
        let check = |damaged, ranks| {
            let (table, index) = lined(&heads, 5, damaged);
            let at = |line: usize| (index.span.start + line * LINE) as u64;
            let bad = |line: &usize| ReadError::corrupt("line has wrong tags", at(*line));
            let found = indexes(&table).check_lines(&index, ranks);
            found.map_err(|error| (0..5).find(|line| error == bad(line)))
        };
        for line in 0..5 {
            assert_eq!(check(Some(line), 0..40), Err(Some(line as usize)));
        }
        // A piece that ends with a line, one with parts of two, and one with a part of the last.
        for (ranks, own) in [(0..20, 0..2), (15..25, 2..3), (37..40, 4..5)] {
            for line in 0..5 {
                let right = if own.contains(&line) { Err(Some(line as usize)) } else { Ok(()) };
                assert_eq!(check(Some(line), ranks.clone()), right, "line {line} of {ranks:?}");
            }
        }
    }

    #[test]
    fn a_line_may_have_255_keys_and_no_more() {
        for keys in [255, 256] {
            let heads: Vec<u64> = (0..keys).map(|i| i << 1).collect();
            let (table, index) = lined(&heads, 1, None);
            let found = indexes(&table).check_lines(&index, 0..keys);
            let error = ReadError::corrupt("line has wrong tags", index.span.start as u64);
            assert_eq!(found, if keys == 255 { Ok(()) } else { Err(error) }, "{keys} keys");
        }
    }

    /// A line whose last keys are of the next piece, which nobody has read, and of a file that was cut off.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is the test's own")]
    #[test]
    fn keys_behind_a_piece_that_cannot_be_read_are_an_error_and_no_signal() {
        /// A multiple of the size of a page on any machine.
        const PAGES: usize = 64 << 10;
        // Before Linux 5.14 they are a signal.
        if memmap2::MmapMut::map_anon(1).unwrap().advise(memmap2::Advice::PopulateRead).is_err() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..12u64).map(|key| (key.to_be_bytes(), vec![0u8; 2 * PAGES]));
        BuildOptions::new().durable(false).mode(0o644).build(&path, entries).unwrap();
        let options = OpenOptions::new().page_checks(PageChecks::Never);
        // SAFETY: nobody else knows the file, and what is cut off of it is only populated.
        let table = unsafe { options.open(&path) }.unwrap();
        let fixed = table.view().layout().fixed.unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len((fixed.offset(5) + 8).next_multiple_of(PAGES) as u64).unwrap();
        // All keys belong to the one line, which is part of a value.
        let start = fixed.offset(0) + 8;
        let span = Span { start, end: start + LINE };
        let index = LineLayout { span, scale: LineScale { base: 0, scale: 1 << 48 }, lines: 1 };
        let error = indexes(&table).check_lines(&index, 0..6).unwrap_err();
        let offset = fixed.offset(6) as u64;
        assert_eq!(error.failure(), crate::error::ReadFailure::Faulted { offset });
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
