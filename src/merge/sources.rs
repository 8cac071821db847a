//! A heap of tables, which gives their entries in the order of keys.

use super::batch::Batch;
use super::source::{Front, Source, shared_prefix};
use crate::error::{MergeError, ReadError};
use crate::format::order::equal;
use crate::read::Table;
use std::mem::replace;

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
    /// Entries that come before those of the sources. The sources do not know yet what was taken.
    batch: Batch<'t>,
    error: Option<(usize, ReadError)>,
}

impl<'t> Sources<'t> {
    pub(super) fn new(tables: impl Iterator<Item = &'t Table>) -> Self {
        let tables: Vec<&Table> = tables.collect();
        let prefix = shared_prefix(&tables);
        let mut sources = Self {
            tables: tables.iter().map(|table| Source::new(table, prefix)).collect(),
            top: None,
            others: Vec::with_capacity(tables.len()),
            inputs: tables,
            batch: Batch::EMPTY,
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
        match self.batch.next() {
            Some(front) => {
                if self.batch.is_over() {
                    self.settle();
                }
                Some(Ok(front))
            }
            None => self.step(),
        }
    }

    /// Hands entries to `f` that come next, and have keys of their own: as many as are at hand.
    #[inline(always)]
    pub(super) fn fold_batch<A>(&mut self, all: A, f: impl FnMut(A, Front<'t>) -> A) -> A {
        if self.batch.is_over() {
            return all;
        }
        let all = self.batch.fold(all, f);
        self.settle();
        all
    }

    /// The next entry, behind the batch.
    #[inline(always)]
    fn step(&mut self) -> Option<Result<Front<'t>, MergeError>> {
        if self.batch.is_taken() {
            self.settle();
        }
        if self.error.is_some() {
            return self.fail();
        }
        let Some(table) = self.top else { return self.end() };
        if self.tables[table].run().is_some()
            && let Some(front) = self.plan(table)
        {
            return Some(Ok(front));
        }
        let Source { key, value, .. } = self.tables[table];
        self.top = match self.advance(table) {
            true => Some(self.smallest(table)),
            false => self.take_first(),
        };
        Some(Ok(Front { key, value, table }))
    }

    /// Nothing, once; an error if a page of a table was lost while its entries were compared.
    #[cold]
    fn end(&mut self) -> Option<Result<Front<'t>, MergeError>> {
        self.intact().err().map(Err)
    }

    /// Takes a new batch, and its first entry.
    #[inline(never)]
    fn plan(&mut self, top: usize) -> Option<Front<'t>> {
        let second = self.others.first().map(|&other| (other, &self.tables[other]));
        self.batch.fill((top, &self.tables[top]), second, self.others.len() == 1);
        self.batch.next().inspect(|_| {
            if self.batch.is_over() {
                self.settle();
            }
        })
    }

    /// Moves the sources to where the batch has come.
    #[inline(never)]
    fn settle(&mut self) {
        let [(first, taken), (second, others_taken)] = self.batch.settle();
        let more = self.pass(first, taken);
        if first == second {
            self.top = if more { Some(self.smallest(first)) } else { self.take_first() };
            return;
        }
        // A batch of two tables means that there is no third.
        let others_more = self.pass(second, others_taken);
        self.others.clear();
        self.top = match (more, others_more) {
            (true, true) => {
                self.others.push(second);
                Some(self.smallest(first))
            }
            (true, false) => Some(first),
            (false, more) => more.then_some(second),
        };
    }

    /// Moves a table behind so many bytes of records; false where no entry is left.
    fn pass(&mut self, table: usize, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        self.tables[table].skip_to_last(bytes);
        self.advance(table)
    }

    /// The table of the next entry, if its key is that of `front`.
    #[inline(always)]
    pub(super) fn repeats(&self, front: &Front<'t>) -> Option<usize> {
        // The keys of a batch differ from each other and from those of all other tables.
        let next = self.top.filter(|_| self.batch.is_over())?;
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
        match self.tables[table].advance() {
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
