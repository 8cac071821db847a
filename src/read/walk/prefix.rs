//! The entry with the longest key that is a prefix of another key.
//!
//! Between a stored prefix of a key and the key itself, all stored keys start with that prefix. So
//! what stored keys share with the key only grows on the way to it, and where two of them share
//! the same, none between them is a prefix: a prefix between them would be longer than what the
//! first one shares, and no longer than what the second does.

use super::super::get::Checked;
use super::super::index::tree::Tree;
use super::super::place::{Entry, Found, Place, Side};
use super::super::search::Search;
use super::super::simd::prefetch;
use super::super::view::View;
use crate::error::ReadResult;
use crate::format::MAX_BLOCK;
use crate::format::order::common_prefix;
use std::ops::Range;

/// Searches from the root before the walk over what is left begins: most keys need one to three,
/// and a search is the fastest way past many entries.
const SEARCHES: usize = 3;
/// A search compares whole keys at each level. From this length on the walk begins earlier, since
/// it never reads again what is known to be shared.
const LONG: usize = 256;

/// How many records ahead of a walk memory is asked for. Of long keys only the ends are read, which
/// lie on pages of their own; where keys grow by a byte each, the places are a line off at most.
const AHEAD: usize = 6;

/// More halvings than a section of 2^44 bytes allows.
const HALVINGS: usize = 64;

const UNORDERED: &str = "keys are out of order";

/// Searches for the longest stored prefix of a key.
#[derive(Clone, Copy)]
pub(crate) struct LongestPrefix<'t> {
    view: &'t View,
}

impl<'t> LongestPrefix<'t> {
    pub(crate) fn of(view: &'t View) -> Self {
        Self { view }
    }

    /// The entry with the longest key that is a prefix of `key`; of repeated keys the first, as
    /// `get` gives it.
    pub(crate) fn find(self, key: &[u8]) -> ReadResult<Option<Entry<'t>>> {
        self.locate(key)?.map(|found| self.view.entry(&found.parts)).transpose()
    }

    /// The first record with the longest key that is a prefix of `key`.
    pub(super) fn locate(self, key: &[u8]) -> ReadResult<Option<Found>> {
        let view = self.view;
        let checked = Checked::of(view);
        // Of keys of one length, one may be a prefix.
        if let Some(len) = view.layout().record.fixed_key {
            return key.get(..len as usize).map_or(Ok(None), |prefix| checked.locate(prefix));
        }
        let Some(found) = view.sound(self.locate_last(key))? else { return Ok(None) };
        if !view.layout().repeated_keys {
            return Ok(Some(found));
        }
        let first = checked.locate(view.slice(found.parts.key())?)?;
        let missed = || view.corrupt("index misses a record", found.offset as u64);
        view.sound(first.ok_or_else(missed).map(Some))
    }

    /// The last record with the longest key that is a prefix of `key`.
    fn locate_last(self, key: &[u8]) -> ReadResult<Option<Found>> {
        let search = Search::of(self.view);
        let mut candidate = key;
        for turn in 1.. {
            let place = search.seek(candidate, Side::Above)?;
            let Some(found) = search.record_before(place)? else { return Ok(None) };
            let stored = self.view.slice(found.parts.key())?;
            let shared = common_prefix(stored, candidate);
            if shared == stored.len() {
                return Ok(Some(found));
            }
            if shared == candidate.len() {
                return Err(self.view.corrupt(UNORDERED, found.offset as u64));
            }
            // A stored prefix stands before `found` and shares no more with the key.
            candidate = &key[..shared];
            if turn == SEARCHES || shared >= LONG {
                let end = Place { rank: place.rank - 1, offset: found.offset };
                return self.last_prefix(candidate, end);
            }
        }
        Ok(None)
    }

    /// The last record before `end` whose key is a prefix of `key`. The record at `end` starts
    /// with `key`, in a table of variable width.
    fn last_prefix(self, key: &[u8], end: Place) -> ReadResult<Option<Found>> {
        let mut walk = Walk { view: self.view, key, end: end.offset };
        let first = walk.read(0, self.view.start().offset, 0)?;
        let found = match Tree::of(self.view) {
            None => walk.search(0..1, first, |_| Ok(first.offset), Walk::block)?,
            Some(tree) => walk.leaves(tree, first, tree.block_of(end.rank)?.in_leaf())?,
        };
        let Some(offset) = found else { return Ok(None) };
        let (stored, parts) = self.view.key_at(offset)?;
        // What was taken as shared rests on the order of the keys.
        match key.starts_with(stored) {
            true => Ok(Some(Found { offset, parts })),
            false => Err(self.view.corrupt(UNORDERED, offset as u64)),
        }
    }
}

/// Walks backward over what is left, by halves: over leaves, over the blocks of a leaf, over the
/// records of a block. A half whose ends share the same with the key is left out, so that each
/// level reads at most one record for each byte of the key, and each byte once.
struct Walk<'t, 'k> {
    view: &'t View,
    /// The key, as far as an entry before `end` can share it.
    key: &'k [u8],
    /// Where what is left ends.
    end: usize,
}

/// A record where a leaf or a block starts, or any of a block.
#[derive(Clone, Copy)]
struct Fence {
    number: u64,
    offset: usize,
    /// Where the next record starts.
    after: usize,
    /// Bytes of the key that this record's shares.
    shared: usize,
    /// Whether that is all of the record's key.
    is_prefix: bool,
}

impl Fence {
    /// About where the key of the record after the next `records` ends, if all are as long.
    fn ahead(&self, records: usize) -> usize {
        self.after + records * (self.after - self.offset)
    }
}

impl Walk<'_, '_> {
    /// Reads a record that shares at least `known` bytes with the key.
    fn read(&self, number: u64, offset: usize, known: usize) -> ReadResult<Fence> {
        let (stored, parts) = self.view.key_at(offset)?;
        let unordered = || self.view.corrupt(UNORDERED, offset as u64);
        let rest = stored.get(known..).ok_or_else(unordered)?;
        let shared = known + common_prefix(rest, self.key.get(known..).ok_or_else(unordered)?);
        #[cfg(test)]
        tests::count(shared - known + 1);
        let is_prefix = shared == stored.len();
        Ok(Fence { number, offset, after: parts.end(), shared, is_prefix })
    }

    /// The last prefix in the leaves up to a block, which stands in leaf `last` as that child.
    fn leaves(
        &mut self,
        tree: Tree<'_>,
        first: Fence,
        (last, last_child): (u64, usize),
    ) -> ReadResult<Option<usize>> {
        let place = |leaf: u64| Ok(tree.block_start(&tree.node(leaf, true)?, 0)?.offset);
        self.search(0..last + 1, first, place, |walk, leaf| {
            let node = tree.node(leaf.number, true)?;
            let child = if leaf.number == last { last_child } else { node.separators() };
            let first = Fence { number: 0, ..leaf };
            let place = |child: u64| Ok(tree.block_start(&node, child as usize)?.offset);
            walk.search(0..child as u64 + 1, first, place, Self::block)
        })
    }

    /// The last prefix in a row of leaves or blocks. `place` gives the offset of the first record
    /// of each, `inside` searches one of them behind its first record.
    fn search(
        &mut self,
        fences: Range<u64>,
        first: Fence,
        place: impl Fn(u64) -> ReadResult<usize>,
        mut inside: impl FnMut(&mut Self, Fence) -> ReadResult<Option<usize>>,
    ) -> ReadResult<Option<usize>> {
        let (mut pending, mut depth) = ([first; HALVINGS], 0);
        let (mut at, mut high) = (first, fences.end);
        loop {
            if at.shared < self.key.len() {
                if high - at.number > 1
                    && let Some(slot) = pending.get_mut(depth)
                {
                    *slot = at;
                    depth += 1;
                    let middle = at.number + (high - at.number) / 2;
                    at = self.read(middle, place(middle)?, at.shared)?;
                    continue;
                }
                if let Some(found) = inside(self, at)? {
                    return Ok(Some(found));
                }
            }
            if at.is_prefix {
                return Ok(Some(at.offset));
            }
            (high, self.end) = (at.number, at.offset);
            self.key = &self.key[..at.shared];
            let Some(before) = depth.checked_sub(1) else { return Ok(None) };
            (at, depth) = (pending[before], before);
        }
    }

    /// The last prefix among the records of a block behind its first one.
    fn block(&mut self, first: Fence) -> ReadResult<Option<usize>> {
        let (mut at, mut found) = (first, None);
        let table = self.view.bytes();
        (1..AHEAD).for_each(|records| prefetch(table, first.ahead(records)));
        for _ in 0..MAX_BLOCK {
            prefetch(table, at.ahead(AHEAD));
            // Behind a record that shares all of the key, none is a prefix that is not before it.
            if at.after >= self.end || at.shared == self.key.len() {
                return Ok(found);
            }
            at = self.read(0, at.after, at.shared)?;
            found = if at.is_prefix { Some(at.offset) } else { found };
        }
        Err(self.view.corrupt("block is longer than allowed", first.offset as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fence, LONG, SEARCHES};
    use crate::{BuildOptions, Table};
    use std::cell::Cell;

    thread_local! {
        /// Records read and bytes compared by the walks of this thread.
        static STEPS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn count(bytes: usize) {
        let (records, before) = STEPS.get();
        STEPS.set((records + 1, before + bytes));
    }

    fn table(mut keys: Vec<Vec<u8>>) -> Table {
        keys.sort();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let mut builder = BuildOptions::new().durable(false).create(&path).unwrap();
        for key in &keys {
            builder.insert(key, &[b'v'; 9][..key.len() % 7]).unwrap();
        }
        builder.finish().unwrap();
        Table::load(&path).unwrap()
    }

    /// `n` times `a`, then `end`.
    fn run(n: usize, end: &str) -> Vec<u8> {
        [&vec![b'a'; n], end.as_bytes()].concat()
    }

    /// Asks for a prefix, and returns the length of the one found with the steps of the walk.
    fn ask(table: &Table, key: &[u8]) -> (Option<usize>, usize, usize) {
        STEPS.set((0, 0));
        let found = table.longest_prefix(key).unwrap().map(|(found, _)| found.len());
        let (records, bytes) = STEPS.get();
        println!("{} bytes: {found:?}, {records} records, {bytes} bytes", key.len());
        (found, records, bytes)
    }

    /// Each stored key shares one byte more and none is a prefix: every record is read once, and
    /// on each level every byte of the key once.
    #[test]
    fn a_walk_reads_each_record_and_byte_once() {
        for stored in [None, Some(1), Some(1_499), Some(2_999)] {
            let n = 3_000;
            let stored_key = stored.map(|len| run(len, ""));
            let table = table((1..n).map(|len| run(len, "!")).chain(stored_key).collect());
            let levels = 2 * usize::BITS as usize - 2 * n.leading_zeros() as usize;
            let (found, records, bytes) = ask(&table, &run(n, ""));
            assert_eq!(found, stored);
            assert!(records <= n + n / 2, "{records} records of {n}");
            assert!(bytes <= records + levels * n, "{bytes} bytes on {levels} levels");
        }
    }

    /// Between two keys that share the same with the key nothing is read, however many there are.
    #[test]
    fn a_walk_leaves_out_what_shares_the_same() {
        let (len, group) = (20, 1_000);
        let entries = (1..len).flat_map(|i| (0..group).map(move |j| run(i, &format!("!{j:03}"))));
        let table = table(entries.chain([run(2, "")]).collect());
        let (found, records, _) = ask(&table, &run(len, ""));
        assert_eq!(found, Some(2));
        // Halvings of leaves and blocks, and the records of one block, for each byte.
        let most = len * (usize::BITS - (len * group).leading_zeros() + 32) as usize;
        assert!((1..=most).contains(&records), "{records} records of {}", len * group);
    }

    /// A chain of prefixes is found by the first search.
    #[test]
    fn a_chain_takes_one_search() {
        let n = 1_000;
        let table = table((1..=n).map(|len| run(len, "")).collect());
        for (key, right) in [(run(n, "b"), n), (run(n / 2, "!"), n / 2), (run(n / 3, ""), n / 3)] {
            assert_eq!(ask(&table, &key), (Some(right), 0, 0));
        }
    }

    /// A walk is for keys that few searches do not find, and for long ones.
    #[test]
    fn few_searches_come_before_a_walk() {
        let walked = |others: std::ops::Range<usize>, len: usize| {
            let table = table(others.map(|i| run(i, "!")).chain([run(1, "")]).collect());
            let (found, records, _) = ask(&table, &run(len, ""));
            assert_eq!(found, Some(1));
            records > 0
        };
        for searches in 2..=2 * SEARCHES {
            assert_eq!(walked(1..searches, searches), searches > SEARCHES, "{searches}");
        }
        for shared in [LONG - 1, LONG] {
            assert_eq!(walked(shared..shared + 1, shared + 1), shared >= LONG, "{shared}");
        }
    }

    /// Records that share all of the key stand behind every prefix that is left.
    #[test]
    fn a_walk_leaves_out_what_shares_all_of_the_key() {
        let group = (0..3000).map(|i| run(LONG, &format!("!{i:04}")));
        let table = table(group.chain([run(1, "")]).collect());
        let blocks = 3000 / usize::from(table.view().layout().block_records);
        let (found, records, _) = ask(&table, &run(LONG + 1, ""));
        assert_eq!(found, Some(1));
        // A few for each halving of the leaves and of the blocks of one.
        assert!((1..=32).contains(&records) && blocks > 64, "{records} records, {blocks} blocks");
    }

    #[test]
    fn memory_is_asked_for_as_if_all_records_were_as_long() {
        let fence = Fence { number: 7, offset: 100, after: 130, shared: 0, is_prefix: false };
        assert_eq!([0, 1, 2, 6].map(|records| fence.ahead(records)), [130, 160, 190, 310]);
    }
}
