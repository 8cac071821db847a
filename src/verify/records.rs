//! The audit of the records, piece by piece, together with all that is said of them elsewhere.

use super::content::{Content, InOrder};
use super::hashed::{Batch, Buckets, Counts, rounds};
use super::{PIECE, wrong_statistics};
use crate::error::{ReadError, ReadResult};
use crate::format::layout::IndexLayout;
use crate::format::meta::{KEY_BINS, VALUE_BINS, bin};
use crate::format::node::BAD_NODE;
use crate::format::sums::UNIT;
use crate::limits;
use crate::read::Table;
use crate::read::parallel::{check_pieces, threads};
use crate::read::search::Place;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

impl Table {
    /// Checks all records, and the indexes by them. Returns the content up to the end of the
    /// records, the number of distinct keys, and that of the keys in their second bucket.
    pub(super) fn check_records(&self, content: Content) -> ReadResult<(Content, u64, u64)> {
        let layout = self.layout();
        let order = InOrder::new(content);
        let seen = Mutex::new(Seen::NOTHING);
        let mut counts = Counts::default();
        let pieces = Pieces::new(self);
        let rounds = layout.hash.map(|hash| rounds(hash).map(move |round| (hash, round)));
        let mut rounds = rounds.into_iter().flatten();
        let mut round = |first: bool| -> ReadResult<bool> {
            let buckets = rounds
                .next()
                .map(|(hash, round)| Buckets::new(self, hash, round, threads(pieces.count)));
            if !first && buckets.is_none() {
                return Ok(false);
            }
            check_pieces(pieces.count, |number| {
                let piece = Piece::new(self, &pieces, number, buckets.as_ref())?;
                let found = if first { piece.check(&order)? } else { piece.check_keys()? };
                seen.lock().unwrap_or_else(PoisonError::into_inner).add_all(&found);
                Ok(())
            })?;
            if let Some(buckets) = &buckets {
                buckets.finish()?;
                counts.add(&buckets.counts);
            }
            Ok(true)
        };
        let mut first = true;
        while round(first)? {
            first = false;
        }
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        if seen.keys != layout.keys {
            return Err(ReadError::corrupt("number of distinct keys is wrong", 48));
        }
        if let Some(hash) = &layout.hash
            && !counts.fit(seen.keys)
        {
            return Err(ReadError::corrupt("hash index has other keys", hash.span.start as u64));
        }
        seen.compare(self)?;
        let second = counts.second.get_mut();
        Ok((order.into_content(), seen.keys, *second))
    }
}

/// How the records are divided: at the first records of leaves, where there are leaves.
struct Pieces {
    count: usize,
    /// Leaves or records of a piece.
    step: u64,
    /// Pieces that are asked for ahead of the one that is checked.
    ahead: usize,
}

impl Pieces {
    fn new(table: &Table) -> Self {
        let layout = table.layout();
        let ahead = 2 * threads(layout.records.len().div_ceil(PIECE));
        // All that is in hand or on its way takes a small part of the memory.
        let available = limits::recently_available_memory().unwrap_or(u64::MAX);
        let bytes = (available / (8 * 2 * ahead as u64)).clamp(PIECE as u64 / 8, PIECE as u64);
        // Those without leaves and of variable width are a single block.
        let parts = match (&layout.index, &layout.fixed) {
            (Some(index), _) => index.leaves,
            (None, Some(_)) => layout.entries,
            (None, None) => 1,
        };
        let each = (layout.records.len() as u64).div_ceil(parts.max(1)).max(1);
        let step = (bytes / each).max(1);
        Self { count: parts.max(1).div_ceil(step) as usize, step, ahead }
    }

    /// Where a piece starts, by the index; the end for the number of pieces and beyond.
    fn start(&self, table: &Table, number: usize) -> ReadResult<Place> {
        let layout = table.layout();
        let (start, end) = table.ends();
        if number >= self.count {
            return Ok(end);
        }
        let part = number as u64 * self.step;
        let place = match (&layout.index, &layout.fixed) {
            (Some(index), fixed) => {
                let leaf = table.index_node(index, part)?;
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
        let wrong = if number == 0 { place != start } else { place.rank == 0 };
        let empty = layout.entries == 0 && number == 0;
        if wrong || (!empty && (place.rank >= layout.entries || place.offset >= end.offset)) {
            let at = layout.index.map_or(layout.records, |index| index.span).start as u64;
            return Err(ReadError::corrupt(BAD_NODE, at));
        }
        Ok(place)
    }
}

/// A piece while it is checked.
struct Piece<'t, 'b> {
    table: &'t Table,
    number: usize,
    ahead: usize,
    /// What is asked for ahead.
    next: Range<usize>,
    from: Place,
    to: Place,
    leaves: Range<u64>,
    /// The key before the next record.
    previous: Option<&'t [u8]>,
    seen: Seen,
    buckets: Option<(&'b Buckets<'t>, Batch)>,
}

impl<'t, 'b> Piece<'t, 'b> {
    fn new(
        table: &'t Table,
        pieces: &Pieces,
        number: usize,
        buckets: Option<&'b Buckets<'t>>,
    ) -> ReadResult<Self> {
        let (from, to) = (pieces.start(table, number)?, pieces.start(table, number + 1)?);
        if to.rank < from.rank || to.offset < from.offset {
            return Err(misplaced(from.offset));
        }
        let next = number + pieces.ahead;
        let next = match (pieces.start(table, next), pieces.start(table, next + 1)) {
            (Ok(from), Ok(to)) => from.offset..to.offset.min(from.offset.saturating_add(PIECE)),
            _ => 0..0,
        };
        let leaves = table.layout().index.map_or(0, |index| index.leaves);
        let first_leaf = (number as u64 * pieces.step).min(leaves);
        Ok(Self {
            table,
            number,
            ahead: pieces.ahead,
            next,
            from,
            to,
            leaves: first_leaf..first_leaf.saturating_add(pieces.step).min(leaves),
            previous: None,
            seen: Seen::NOTHING,
            buckets: buckets.map(|buckets| (buckets, buckets.batch())),
        })
    }

    /// The bytes of its records, with those between them.
    fn bytes(&self) -> Range<usize> {
        let records = self.table.layout().records;
        let start = if self.from.rank == 0 { records.start } else { self.from.offset };
        start..self.to.offset.max(start)
    }

    /// Checks all there is to check.
    fn check(mut self, order: &InOrder) -> ReadResult<Seen> {
        let (table, layout) = (self.table, self.table.layout());
        let bytes = self.bytes();
        let mut turn = order.turn(self.number);
        table.ask(self.next.clone());
        // A piece is longer only where its values are.
        for start in bytes.clone().step_by(PIECE) {
            let end = (start + PIECE).min(bytes.end);
            if end < bytes.end {
                table.ask(end..(end + self.ahead * PIECE).min(bytes.end));
            }
            table.check_units(start / UNIT..end.div_ceil(UNIT))?;
            turn.update(&table.bytes()[start..end])?;
        }
        turn.end();
        if let Some(fixed) = &layout.fixed
            && self.from.rank == 0
        {
            table.zeros(layout.records.start, fixed.first.min(layout.records.end))?;
        }
        self.find_previous()?;
        let end = match &layout.index {
            Some(index) => self.walk_leaves(index)?,
            None => self.walk()?,
        };
        self.check_end(end)?;
        if let Some(lines) = &layout.lines {
            table.check_lines(lines, self.from.rank..self.to.rank)?;
        }
        Ok(self.done())
    }

    /// Only collects the keys for the hash index.
    fn check_keys(mut self) -> ReadResult<Seen> {
        self.table.ask(self.next.clone());
        let bytes = self.bytes();
        if bytes.len() <= 2 * PIECE {
            self.table.populate(bytes)?;
        }
        self.find_previous()?;
        let end = self.walk()?;
        self.check_end(end)?;
        self.done();
        Ok(Seen::NOTHING)
    }

    /// The last key of the piece before, by the index: its place is checked with that piece, whose
    /// pages were read before this one's turn.
    fn find_previous(&mut self) -> ReadResult<()> {
        let before = self.from.rank.checked_sub(1).map(|rank| self.table.nth(rank));
        self.previous = before.transpose()?.flatten().map(|(key, _)| key);
        Ok(())
    }

    /// The piece ends where the next begins, and the last one where the records do.
    fn check_end(&self, end: Place) -> ReadResult<()> {
        let layout = self.table.layout();
        if self.to.rank == layout.entries && self.to.offset == layout.records.end {
            self.table.zeros(end.offset, layout.records.end)?;
            let filled = layout.fixed.is_some() || end.offset == layout.records.end;
            let what = "records do not fill their section";
            return if filled { Ok(()) } else { Err(ReadError::corrupt(what, end.offset as u64)) };
        }
        if end == self.to { Ok(()) } else { Err(misplaced(end.offset)) }
    }

    fn done(self) -> Seen {
        if let Some((buckets, batch)) = self.buckets {
            buckets.take(batch);
        }
        self.seen
    }

    /// All records, one after the other.
    fn walk(&mut self) -> ReadResult<Place> {
        let mut place = self.from;
        while place.rank < self.to.rank {
            place = self.record(place)?.0;
        }
        Ok(place)
    }

    /// All records, as the leaves of the ordered index name them.
    fn walk_leaves(&mut self, index: &IndexLayout) -> ReadResult<Place> {
        let (table, layout) = (self.table, self.table.layout());
        let step = u64::from(index.sample_step.max(1));
        let mut place = self.from;
        for number in self.leaves.clone() {
            let leaf = table.index_node(index, number)?;
            let end = match number + 1 < index.leaves {
                true => table.index_node(index, number + 1)?.base_rank(),
                false => layout.entries,
            };
            for child in 0..=leaf.separators() {
                let named = |child| table.first_place(index, number, &leaf, child);
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
                        // Without a sample a search begins at the block's start.
                        let sample = leaf.sample((in_leaf / step) as usize);
                        if sample.is_some_and(|sample| sample != far) {
                            return Err(misplaced(place.offset));
                        }
                    }
                    let (next, key) = self.record(place)?;
                    if place == start
                        && let Some(before) = before
                    {
                        table.check_separator(index, number, child, before, key)?;
                    }
                    place = next;
                }
                if layout.repeated_keys {
                    table.check_block(start.rank..end)?;
                }
            }
        }
        Ok(place)
    }

    /// Checks the record at a place; returns the place after it, and its key.
    #[inline]
    fn record(&mut self, place: Place) -> ReadResult<(Place, &'t [u8])> {
        let (table, layout) = (self.table, self.table.layout());
        let parts = table.record_at(place.offset)?;
        let key = &table.bytes()[parts.key()];
        let offset = match &layout.fixed {
            // What lies between two records.
            Some(fixed) => {
                let next = place.offset + fixed.stride;
                table.zeros(parts.end(), next.min(layout.records.end))?;
                next
            }
            None => {
                // What lies before the value, but for the length word and the key.
                table.zeros(parts.key + parts.key_len, parts.value)?;
                parts.end()
            }
        };
        match self.previous.map(|previous| previous.cmp(key)) {
            Some(std::cmp::Ordering::Greater) => {
                return Err(ReadError::corrupt("keys are out of order", place.offset as u64));
            }
            Some(std::cmp::Ordering::Equal) => {}
            _ => {
                self.seen.keys += 1;
                if let Some((buckets, batch)) = &mut self.buckets {
                    let reference = match &layout.fixed {
                        Some(_) => place.rank,
                        None => (place.offset - layout.records.start) as u64,
                    };
                    buckets.add(batch, key, reference)?;
                }
            }
        }
        self.seen.add(parts.key_len as u32, parts.value_len as u32);
        self.previous = Some(key);
        Ok((Place { rank: place.rank + 1, offset }, key))
    }
}

fn misplaced(offset: usize) -> ReadError {
    ReadError::corrupt("index names another place", offset as u64)
}

/// What is counted while records are read.
struct Seen {
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    key_len: (u32, u32),
    value_len: (u32, u32),
    key_bins: [u64; KEY_BINS],
    value_bins: [u64; VALUE_BINS],
}

impl Seen {
    const NOTHING: Self = Self {
        keys: 0,
        key_bytes: 0,
        value_bytes: 0,
        key_len: (u32::MAX, 0),
        value_len: (u32::MAX, 0),
        key_bins: [0; KEY_BINS],
        value_bins: [0; VALUE_BINS],
    };

    #[inline]
    fn add(&mut self, key_len: u32, value_len: u32) {
        self.key_bytes += u64::from(key_len);
        self.value_bytes += u64::from(value_len);
        self.key_len = (self.key_len.0.min(key_len), self.key_len.1.max(key_len));
        self.value_len = (self.value_len.0.min(value_len), self.value_len.1.max(value_len));
        self.key_bins[bin(key_len)] += 1;
        self.value_bins[bin(value_len)] += 1;
    }

    fn add_all(&mut self, other: &Self) {
        let both = |a: (u32, u32), b: (u32, u32)| (a.0.min(b.0), a.1.max(b.1));
        self.keys += other.keys;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.key_len = both(self.key_len, other.key_len);
        self.value_len = both(self.value_len, other.value_len);
        for (sum, count) in self.key_bins.iter_mut().zip(other.key_bins) {
            *sum += count;
        }
        for (sum, count) in self.value_bins.iter_mut().zip(other.value_bins) {
            *sum += count;
        }
    }

    /// The statistics section says what was counted.
    fn compare(&self, table: &Table) -> ReadResult<()> {
        let (block, keys) = table.stats_block()?;
        let first = table.first()?.map_or(&[][..], |(key, _)| key);
        let last = table.last()?.map_or(&[][..], |(key, _)| key);
        let shortest = |len: (u32, u32)| if table.is_empty() { 0 } else { len.0 };
        let same = block.key_bytes.get() == self.key_bytes
            && block.value_bytes.get() == self.value_bytes
            && block.key_len_min.get() == shortest(self.key_len)
            && block.key_len_max.get() == self.key_len.1
            && block.value_len_min.get() == shortest(self.value_len)
            && block.value_len_max.get() == self.value_len.1
            && block.key_bins.map(|bin| bin.get()) == self.key_bins
            && block.value_bins.map(|bin| bin.get()) == self.value_bins
            && block.first_key_len.get() as usize == first.len()
            && keys.len() == first.len() + last.len()
            && keys.starts_with(first)
            && keys.ends_with(last);
        if same { Ok(()) } else { Err(wrong_statistics(table)) }
    }
}
