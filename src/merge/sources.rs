//! A heap of tables, which gives their entries in the order of keys.

use crate::error::MergeError;
use crate::error::{ReadError, ReadResult};
use crate::format::order::{common_prefix, equal, head};
use crate::read::{Iter, Table};
use std::mem::replace;

/// An entry and the number of its table.
#[derive(Clone, Copy)]
pub(super) struct Front<'t> {
    pub(super) key: &'t [u8],
    pub(super) value: &'t [u8],
    /// Of equal keys, that of the table with the lower number comes first.
    pub(super) table: usize,
}

/// A table and its next entry.
#[derive(Clone)]
struct Source<'t> {
    /// The head of the key after the prefix of all keys.
    head: u64,
    key: &'t [u8],
    value: &'t [u8],
    rest: Iter<'t>,
}

impl<'t> Source<'t> {
    /// Moves to the next entry; false at the end.
    #[inline(always)]
    fn advance(&mut self, prefix: usize) -> ReadResult<bool> {
        match self.rest.next() {
            Some(Ok((key, value))) => {
                self.head = head(key.get(prefix..).unwrap_or_default());
                (self.key, self.value) = (key, value);
                Ok(true)
            }
            Some(Err(error)) => Err(error),
            None => Ok(false),
        }
    }
}

/// The entries of many tables, ascending. Of equal keys, the table with the lower number comes
/// first, and within a table the order stays.
#[derive(Clone)]
pub(super) struct Sources<'t> {
    inputs: Vec<&'t Table>,
    /// The tables by their numbers. Entries stay in their place while the tables change theirs.
    tables: Vec<Source<'t>>,
    /// The table with the smallest entry; none at the end.
    top: Option<usize>,
    /// The other tables that have an entry, a binary heap with the smallest first.
    others: Vec<usize>,
    /// Length of a prefix that all keys have.
    prefix: usize,
    error: Option<(usize, ReadError)>,
}

impl<'t> Sources<'t> {
    pub(super) fn new(tables: impl Iterator<Item = &'t Table>) -> Self {
        let tables: Vec<&Table> = tables.collect();
        let source = |table: &&'t Table| {
            let (rest, none) = (table.iter(), &[][..]);
            Source { head: 0, key: none, value: none, rest }
        };
        let mut sources = Self {
            prefix: shared_prefix(&tables),
            tables: tables.iter().map(source).collect(),
            top: None,
            others: Vec::with_capacity(tables.len()),
            inputs: tables,
            error: None,
        };
        for table in 0..sources.tables.len() {
            if sources.advance(table) {
                sources.add(table);
            }
        }
        sources.top = sources.take_first();
        sources
    }

    /// The next entry.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Result<Front<'t>, MergeError>> {
        if self.error.is_some() {
            return self.fail();
        }
        let table = self.top?;
        let Source { key, value, .. } = self.tables[table];
        self.top = match self.advance(table) {
            true => Some(self.smallest(table)),
            false => self.take_first(),
        };
        Some(Ok(Front { key, value, table }))
    }

    /// The table of the next entry, if its key is that of `front`.
    #[inline(always)]
    pub(super) fn repeats(&self, front: &Front<'t>) -> Option<usize> {
        let next = self.top?;
        (self.error.is_none() && equal(self.tables[next].key, front.key)).then_some(next)
    }

    /// An error if a page of a table was lost: then what was read of it may be zeros.
    pub(super) fn intact(&self) -> Result<(), MergeError> {
        intact(&self.inputs)
    }

    /// The end, after the error of a table.
    #[cold]
    fn fail(&mut self) -> Option<Result<Front<'t>, MergeError>> {
        let (table, source) = self.error.take()?;
        self.top = None;
        self.others.clear();
        Some(Err(MergeError::Read { table, source }))
    }

    /// Moves a table to its next entry; false where there is none.
    #[inline(always)]
    fn advance(&mut self, table: usize) -> bool {
        match self.tables[table].advance(self.prefix) {
            Ok(more) => more,
            Err(error) => {
                self.error.get_or_insert((table, error));
                false
            }
        }
    }

    /// Whether the entry of one table comes before that of another.
    #[inline(always)]
    fn is_before(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.tables[one], &self.tables[other]);
        if a.head != b.head {
            return a.head < b.head;
        }
        (a.key, one) < (b.key, other)
    }

    /// The smallest of `table` and the others; the rest are the others from then on.
    #[inline(always)]
    fn smallest(&mut self, table: usize) -> usize {
        let Some(&first) = self.others.first() else { return table };
        let behind = self.is_before(first, table);
        // Which one is smaller is a toss-up, so the places are computed instead of branched on.
        let (smallest, other) = if behind { (first, table) } else { (table, first) };
        self.others[0] = other;
        if self.others.len() > 1 && behind {
            self.sink();
        }
        smallest
    }

    /// Moves the first of the others down to its place.
    fn sink(&mut self) {
        let mut at = 0;
        loop {
            let mut child = 2 * at + 1;
            if child >= self.others.len() {
                return;
            }
            if child + 1 < self.others.len()
                && self.is_before(self.others[child + 1], self.others[child])
            {
                child += 1;
            }
            if !self.is_before(self.others[child], self.others[at]) {
                return;
            }
            self.others.swap(at, child);
            at = child;
        }
    }

    /// Takes the smallest of the others.
    fn take_first(&mut self) -> Option<usize> {
        let last = self.others.pop()?;
        let Some(first) = self.others.first_mut() else { return Some(last) };
        let first = replace(first, last);
        self.sink();
        Some(first)
    }

    /// Adds a table to the others.
    fn add(&mut self, table: usize) {
        self.others.push(table);
        let mut at = self.others.len() - 1;
        while at > 0 && self.is_before(self.others[at], self.others[(at - 1) / 2]) {
            self.others.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }
}

/// An error if a page of one of the tables was lost.
pub(super) fn intact(tables: &[&Table]) -> Result<(), MergeError> {
    for (number, table) in tables.iter().enumerate() {
        let failed = |source| MergeError::Read { table: number, source };
        table.view().sound(Ok(())).map_err(failed)?;
    }
    Ok(())
}

/// Length of the longest prefix that all keys have. A table that cannot be read is left out: its
/// error comes with its entries.
pub(super) fn shared_prefix(tables: &[&Table]) -> usize {
    let ends = tables.iter().flat_map(|table| [table.first(), table.last()]);
    let mut keys = ends.filter_map(|end| Some(end.ok()??.0));
    let Some(first) = keys.next() else { return 0 };
    keys.map(|key| common_prefix(first, key)).min().unwrap_or(0)
}
