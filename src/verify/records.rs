//! The audit of the records, piece by piece, with all that indexes and statistics say of them.

use super::content::{Content, InOrder};
use super::hashed::{Batch, Counts, Round};
use super::indexes::Indexes;
use super::progress::Meter;
use super::zeros::check_zeros;
use crate::error::{ReadError, ReadResult};
use crate::format::header::kind;
use crate::format::index::tree::{BAD_NODE, NO_SAMPLE};
use crate::format::meta::EntryCounts;
use crate::format::sums::UNIT;
use crate::limits;
use crate::read::StatsSection;
use crate::read::index::tree::Tree;
use crate::read::parallel::{check_pieces, threads};
use crate::read::place::Place;
use crate::read::search::Search;
use crate::read::view::View;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use zerocopy::IntoBytes;

/// Bytes that are read ahead, and bytes that are checked at once.
pub(super) const PIECE: usize = 1 << 20;

/// The audit of a table's records.
#[derive(Clone, Copy)]
pub(super) struct Records<'t> {
    pub(super) view: &'t View,
    pub(super) indexes: Indexes<'t>,
}

impl Records<'_> {
    /// Checks all records and what the indexes say of them, the hash index in these rounds. Returns
    /// the content up to the end of the records, what was counted, and the number of keys in their
    /// second bucket.
    pub(super) fn check<'r>(
        self,
        content: Content,
        mut rounds: impl Iterator<Item = Round<'r>>,
        meter: &Meter<'_>,
    ) -> ReadResult<(Content, EntryCounts, u64)> {
        let layout = self.view.layout();
        let order = InOrder::new(content);
        let seen = Mutex::new(EntryCounts::new());
        let counts = Counts::default();
        let pieces = Pieces::of(self);
        let mut round = rounds.next();
        let mut first = true;
        while first || round.is_some() {
            check_pieces(pieces.count, |number| {
                let piece = Piece::new(&pieces, number, round.as_ref())?;
                let bytes = piece.bytes().len();
                let found = if first { piece.check(&order)? } else { piece.check_keys()? };
                seen.lock().unwrap_or_else(PoisonError::into_inner).add_all(&found);
                meter.add(bytes)
            })?;
            if let Some(round) = &round {
                round.finish(meter)?;
                counts.add(&round.counts);
            }
            // Drops this round before the next one is made: only one round is in memory.
            drop(round);
            round = rounds.next();
            first = false;
        }
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        if seen.keys != layout.keys {
            return Err(ReadError::corrupt("number of distinct keys is wrong", 48));
        }
        if let Some(hash) = &layout.hash
            && !counts.fit(hash, seen.keys)
        {
            return Err(ReadError::corrupt("hash index has other keys", hash.span.start as u64));
        }
        Ok((order.into_content(), seen, counts.second()))
    }

    /// Checks that the statistics section holds what was counted. `second` is the number of keys in
    /// their second bucket.
    pub(super) fn check_statistics(self, seen: &EntryCounts, second: u64) -> ReadResult<()> {
        let layout = self.view.layout();
        let first = self.view.entry_from(self.view.start().offset)?;
        let last = Search::of(self.view).entry_before(self.view.end())?;
        let key = |entry: Option<(_, _)>| entry.map_or(&[][..], |(key, _)| key);
        let (first, last) = (key(first), key(last));
        let StatsSection { block, keys } = StatsSection::read(self.view)?;
        let right = seen.stats(first.len(), last.len(), second);
        if block.as_bytes() == right.as_bytes() && keys == [first, last].concat() {
            return Ok(());
        }
        let at = layout.section(kind::STATS).map_or(0, |span| span.start as u64);
        Err(ReadError::corrupt("statistics are wrong", at))
    }
}

/// How the records are divided into pieces: at the first records of leaves, or anywhere if there
/// are no leaves.
struct Pieces<'t> {
    records: Records<'t>,
    count: usize,
    /// Leaves in a piece, or records if there are no leaves.
    step: u64,
    /// How many pieces ahead of the checked one the kernel is asked to read.
    ahead: usize,
}

impl<'t> Pieces<'t> {
    fn of(records: Records<'t>) -> Self {
        let layout = records.view.layout();
        let ahead = pieces_ahead(threads(layout.records.len().div_ceil(PIECE)));
        let available = limits::recently_available_memory().unwrap_or(u64::MAX);
        let bytes = piece_bytes(available, ahead);
        // Records of variable width without leaves are a single block.
        let parts = match (&layout.tree, &layout.fixed) {
            (Some(index), _) => index.leaves,
            (None, Some(_)) => layout.entries,
            (None, None) => 1,
        };
        let each = (layout.records.len() as u64).div_ceil(parts.max(1)).max(1);
        let step = (bytes / each).max(1);
        Self { records, count: parts.max(1).div_ceil(step) as usize, step, ahead }
    }

    /// Where a piece starts, by the index. Piece numbers from `count` on start at the end of the
    /// records.
    fn start(&self, number: usize) -> ReadResult<Place> {
        let Records { view, indexes } = self.records;
        let (layout, start, end) = (view.layout(), view.start(), view.end());
        if number >= self.count {
            return Ok(end);
        }
        let part = number as u64 * self.step;
        let place = match (Tree::of(view), &layout.fixed) {
            (Some(tree), fixed) => {
                let leaf = indexes.node(tree, part)?;
                let rank = leaf.base_rank();
                let offset = match fixed {
                    Some(fixed) => fixed.offset(rank.min(layout.entries)),
                    None => usize::try_from(leaf.base_offset())
                        .map_or(end.offset, |offset| layout.records.start.saturating_add(offset)),
                };
                Place { rank, offset }
            }
            (None, Some(fixed)) => Place { rank: part, offset: fixed.offset(part) },
            (None, None) => start,
        };
        let right = match number {
            0 => place == start,
            _ => (1..layout.entries).contains(&place.rank) && place.offset < end.offset,
        };
        if !right {
            let at = layout.tree.map_or(layout.records, |index| index.span).start as u64;
            return Err(ReadError::corrupt(BAD_NODE, at));
        }
        Ok(place)
    }
}

/// How many pieces are read ahead while so many threads check.
fn pieces_ahead(threads: usize) -> usize {
    2 * threads
}

/// Bytes of a piece, if so many bytes of memory are available and so many pieces are read ahead: those
/// that are checked or read ahead take a small part of the memory.
fn piece_bytes(available: u64, ahead: usize) -> u64 {
    (available / (8 * 2 * ahead as u64)).clamp(PIECE as u64 / 8, PIECE as u64)
}

/// A piece while it is checked.
struct Piece<'t, 'r> {
    view: &'t View,
    indexes: Indexes<'t>,
    number: usize,
    ahead: usize,
    /// The bytes that the kernel is asked to read ahead.
    next: Range<usize>,
    from: Place,
    to: Place,
    leaves: Range<u64>,
    /// The key before the next record.
    previous: Option<&'t [u8]>,
    seen: EntryCounts,
    round: Option<(&'r Round<'t>, Batch)>,
}

impl<'t, 'r> Piece<'t, 'r> {
    fn new(pieces: &Pieces<'t>, number: usize, round: Option<&'r Round<'t>>) -> ReadResult<Self> {
        let Records { view, indexes } = pieces.records;
        let (from, to) = (pieces.start(number)?, pieces.start(number + 1)?);
        if to.rank < from.rank || to.offset < from.offset {
            return Err(misplaced(from.offset));
        }
        let next = number + pieces.ahead;
        let next = match (pieces.start(next), pieces.start(next + 1)) {
            (Ok(from), Ok(to)) => from.offset..to.offset.min(from.offset.saturating_add(PIECE)),
            _ => 0..0,
        };
        let leaves = view.layout().tree.map_or(0, |index| index.leaves);
        let first_leaf = (number as u64 * pieces.step).min(leaves);
        Ok(Self {
            view,
            indexes,
            number,
            ahead: pieces.ahead,
            next,
            from,
            to,
            leaves: first_leaf..first_leaf.saturating_add(pieces.step).min(leaves),
            previous: None,
            seen: EntryCounts::new(),
            round: round.map(|round| (round, round.batch())),
        })
    }

    /// The bytes of the piece's records, with the padding between them.
    fn bytes(&self) -> Range<usize> {
        let records = self.view.layout().records;
        let start = if self.from.rank == 0 { records.start } else { self.from.offset };
        start..self.to.offset.max(start)
    }

    /// Runs all checks of a piece.
    fn check(mut self, order: &InOrder) -> ReadResult<EntryCounts> {
        let (view, layout) = (self.view, self.view.layout());
        let bytes = self.bytes();
        let mut turn = order.turn(self.number);
        view.ask(self.next.clone());
        // A piece is longer than `PIECE` only if its values are long.
        for start in bytes.clone().step_by(PIECE) {
            let end = (start + PIECE).min(bytes.end);
            if end < bytes.end {
                view.ask(end..(end + self.ahead * PIECE).min(bytes.end));
            }
            view.check_units(start / UNIT..end.div_ceil(UNIT))?;
            turn.update(&view.bytes()[start..end])?;
        }
        turn.end();
        if let Some(fixed) = &layout.fixed
            && self.from.rank == 0
        {
            check_zeros(view.bytes(), layout.records.start, fixed.first.min(layout.records.end))?;
        }
        self.find_previous()?;
        let end = match Tree::of(view) {
            Some(tree) => self.walk_leaves(tree)?,
            None => self.walk()?,
        };
        self.check_end(end)?;
        if let Some(lines) = &layout.lines {
            self.indexes.check_lines(lines, self.from.rank..self.to.rank)?;
        }
        Ok(self.done())
    }

    /// Only collects the keys for the hash index.
    fn check_keys(mut self) -> ReadResult<EntryCounts> {
        self.view.ask(self.next.clone());
        let bytes = self.bytes();
        if bytes.len() <= 2 * PIECE {
            self.view.populate(bytes)?;
        }
        self.find_previous()?;
        let end = self.walk()?;
        self.check_end(end)?;
        self.done();
        Ok(EntryCounts::new())
    }

    /// Finds the last key of the piece before, by the index. That key's place is checked with that
    /// piece, whose pages were read before this piece's turn.
    fn find_previous(&mut self) -> ReadResult<()> {
        if let Some(rank) = self.from.rank.checked_sub(1) {
            let place = Search::of(self.view).place_of(rank)?;
            self.previous = Some(self.view.key_at(place.offset)?.0);
        }
        Ok(())
    }

    /// Checks that the piece ends where the next one begins, or the last one where the records end.
    fn check_end(&self, end: Place) -> ReadResult<()> {
        let layout = self.view.layout();
        if self.to == self.view.end() {
            check_zeros(self.view.bytes(), end.offset, layout.records.end)?;
            let filled = layout.fixed.is_some() || end.offset == layout.records.end;
            let what = "records do not fill their section";
            return if filled { Ok(()) } else { Err(ReadError::corrupt(what, end.offset as u64)) };
        }
        if end == self.to { Ok(()) } else { Err(misplaced(end.offset)) }
    }

    fn done(self) -> EntryCounts {
        if let Some((round, batch)) = self.round {
            round.take(batch);
        }
        self.seen
    }

    /// Checks all records of the piece, one after the other.
    fn walk(&mut self) -> ReadResult<Place> {
        let mut place = self.from;
        while place.rank < self.to.rank {
            place = self.record(place)?.0;
        }
        Ok(place)
    }

    /// Checks all records of the piece, by the leaves of the ordered index.
    fn walk_leaves(&mut self, tree: Tree<'t>) -> ReadResult<Place> {
        let (indexes, layout, index) = (self.indexes, self.view.layout(), tree.layout());
        let step = u64::from(index.sample_step.max(1));
        let mut place = self.from;
        for number in self.leaves.clone() {
            let leaf = indexes.node(tree, number)?;
            let end = match number + 1 < index.leaves {
                true => indexes.node(tree, number + 1)?.base_rank(),
                false => layout.entries,
            };
            for child in 0..=leaf.separators() {
                let named = |child| indexes.first_place(tree, number, &leaf, child);
                let (rank, offset) = named(child)?;
                if rank != place.rank || offset != (place.offset - layout.records.start) as u64 {
                    return Err(misplaced(place.offset));
                }
                let end = if child < leaf.separators() { named(child + 1)?.0 } else { end };
                let records = end.saturating_sub(rank);
                if !(1..=u64::from(layout.block_records)).contains(&records) {
                    let at = place.offset as u64;
                    return Err(ReadError::corrupt("block does not hold its ranks", at));
                }
                let (start, before) = (place, self.previous);
                while place.rank < end {
                    let in_leaf = place.rank - leaf.base_rank();
                    if layout.fixed.is_none() && in_leaf.is_multiple_of(step) {
                        let far = place.offset - start.offset;
                        let expected = (far < usize::from(NO_SAMPLE)).then_some(far);
                        if leaf.sample((in_leaf / step) as usize) != expected {
                            return Err(misplaced(place.offset));
                        }
                    }
                    let (next, key) = self.record(place)?;
                    if place == start
                        && let Some(before) = before
                    {
                        indexes.check_separator(tree, number, child, before, key)?;
                    }
                    place = next;
                }
                if layout.repeated_keys {
                    indexes.check_block(start.rank..end)?;
                }
            }
        }
        Ok(place)
    }

    /// Checks the record at a place. Returns the place after the record, and its key.
    #[inline]
    fn record(&mut self, place: Place) -> ReadResult<(Place, &'t [u8])> {
        let (view, layout) = (self.view, self.view.layout());
        let (key, parts) = view.key_at(place.offset)?;
        let offset = match &layout.fixed {
            // The padding between two records.
            Some(fixed) => {
                let next = place.offset + fixed.stride;
                check_zeros(view.bytes(), parts.end(), next.min(layout.records.end))?;
                next
            }
            None => {
                // The padding between the key and the value.
                check_zeros(view.bytes(), parts.key + parts.key_len, parts.value)?;
                parts.end()
            }
        };
        let order = self.previous.map(|previous| previous.cmp(key));
        match order {
            Some(Ordering::Greater) => {
                return Err(ReadError::corrupt("keys are out of order", place.offset as u64));
            }
            Some(Ordering::Equal) => {}
            _ => {
                if let Some((round, batch)) = &mut self.round {
                    let reference = match &layout.fixed {
                        Some(_) => place.rank,
                        None => (place.offset - layout.records.start) as u64,
                    };
                    round.add(batch, key, reference)?;
                }
            }
        }
        let repeated = order == Some(Ordering::Equal);
        self.seen.add(parts.key_len as u32, parts.value_len as u32, repeated);
        self.previous = Some(key);
        Ok((Place { rank: place.rank + 1, offset }, key))
    }
}

fn misplaced(offset: usize) -> ReadError {
    ReadError::corrupt("index names another place", offset as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::sums::{crc, mask};
    use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks, Table};

    fn open(bytes: Vec<u8>) -> Table {
        OpenOptions::new().page_checks(PageChecks::Never).from_bytes(bytes).unwrap()
    }

    fn records(table: &Table) -> Records<'_> {
        let view = table.view();
        Records { view, indexes: Indexes { table, view } }
    }

    #[test]
    fn pieces_that_are_read_ahead_take_a_sixteenth_of_the_memory() {
        assert_eq!(piece_bytes(16 * 4 * 300_000, 4), 300_000);
        assert_eq!(piece_bytes(u64::MAX, 4), 1 << 20);
        assert_eq!(piece_bytes(0, 4), 128 << 10);
    }

    #[test]
    fn two_pieces_are_read_ahead_for_each_thread() {
        assert_eq!([1, 3].map(pieces_ahead), [2, 6]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..3u8).map(|key| ([key], vec![7u8; PIECE]));
        BuildOptions::new().durable(false).build(&path, entries).unwrap();
        let table = Table::load(&path).unwrap();
        assert!(table.view().layout().fixed.is_some() && table.view().layout().tree.is_none());
        let pieces = Pieces::of(records(&table));
        assert_eq!(pieces.ahead, 2 * threads(4));
        // However much memory there is: each record is longer than a piece.
        assert_eq!((pieces.count, pieces.step), (3, 1));
    }

    #[test]
    fn a_piece_starts_with_a_record_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let entries = (0..3000usize).map(|i| (format!("{i:05}"), vec![7u8; i % 7]));
        BuildOptions::new().durable(false).build(&path, entries).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let table = open(bytes.clone());
        let (layout, index) = (table.view().layout(), table.view().layout().tree.unwrap());
        assert!(index.leaves > 3);
        let (entries, len) = (layout.entries, layout.records.len() as u64);
        // Where the piece of a leaf starts that names this rank and this offset.
        let start = |rank: u64, offset: u64| {
            let mut bytes = bytes.clone();
            let at = index.span.start + (2usize << index.node_log2);
            bytes[at + 16..at + 24].copy_from_slice(&rank.to_le_bytes());
            bytes[at + 24..at + 32].copy_from_slice(&offset.to_le_bytes());
            let table = open(bytes);
            let count = index.leaves as usize;
            Pieces { records: records(&table), count, step: 1, ahead: 1 }.start(2)
        };
        let last = Place { rank: entries - 1, offset: layout.records.end - 1 };
        assert_eq!(start(entries - 1, len - 1), Ok(last));
        let error = ReadError::corrupt(BAD_NODE, index.span.start as u64);
        assert_eq!(start(entries, len - 1), Err(error.clone()), "behind the last record");
        assert_eq!(start(entries - 1, len), Err(error.clone()), "at the end of the records");
        assert_eq!(start(0, len - 1), Err(error), "before the first record");
    }

    /// The sums of the pages fit, as those of a writer would.
    #[test]
    fn bytes_before_the_first_key_are_zero() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let options = BuildOptions::new().durable(false).value_align(8);
        options.build(&path, [([1u8], [7u8; 8]), ([2], [7; 8])]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let check = |bytes: Vec<u8>| {
            let table = open(bytes);
            let pieces = Pieces::of(records(&table));
            assert_eq!(pieces.count, 1);
            let order = InOrder::new(Content::new());
            Piece::new(&pieces, 0, None).unwrap().check(&order).map(|seen| seen.keys)
        };
        assert_eq!(check(bytes.clone()), Ok(2));

        let table = open(bytes.clone());
        let layout = table.view().layout();
        let (start, sums) = (layout.records.start, layout.sums.start);
        assert!(layout.fixed.unwrap().first > start && start < UNIT);
        bytes[start] = 1;
        let sum = crc(&bytes[..UNIT.min(sums)]) ^ mask(&layout.build_id, 0);
        bytes[sums..sums + 4].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(check(bytes), Err(ReadError::corrupt("padding is not zero", start as u64)));
    }

    /// A sample has two bytes, of which the largest number means that the record is too far. The block
    /// begins with the long record, whose separator is the shortest, and goes on with a sampled one.
    #[test]
    fn records_just_as_far_as_no_sample_can_tell_are_sound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let mut far = Vec::new();
        for len in 65_524..=65_533 {
            let short = (0..17u8).map(|i| (vec![b'a', i], vec![0u8; 0]));
            let long = [(vec![b'b'], vec![7u8; len])];
            let behind = (0..30u8).map(|i| (vec![b'b', i], vec![0u8; 0]));
            let options = BuildOptions::new().durable(false).hash_index(HashIndex::Never);
            options.build(&path, short.chain(long).chain(behind)).unwrap();
            let table = Table::load(&path).unwrap();
            assert_eq!(table.verify().map(|report| report.entries), Ok(48), "{len} bytes");
            let view = table.view();
            let tree = Tree::of(view).unwrap();
            let block = tree.block_of(18).unwrap().start;
            assert_eq!(block.rank, 17);
            far.push(Search::of(view).place_of(18).unwrap().offset - block.offset);
        }
        assert!(far.contains(&usize::from(NO_SAMPLE)), "{far:?}");
    }
}
