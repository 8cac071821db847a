//! The comparison of two tables.

use super::batch::Batch;
use super::source::{Front, Source, shared_prefix};
use super::sources::intact;
use crate::error::MergeError;
use crate::read::Table;
use crate::read::walk::Lockstep;
use std::cmp::Ordering;
use std::fmt;
use std::iter::FusedIterator;

/// A difference between two tables, an old one and a new one.
///
/// The values of a repeated key are compared by their place: the first with the first, the second
/// with the second. What one table has beyond the other is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference<'t> {
    /// An entry of the new table alone.
    Added {
        /// The key.
        key: &'t [u8],
        /// Its value in the new table.
        value: &'t [u8],
    },
    /// An entry of the old table alone.
    Removed {
        /// The key.
        key: &'t [u8],
        /// Its value in the old table.
        value: &'t [u8],
    },
    /// An entry that has another value.
    Changed {
        /// The key.
        key: &'t [u8],
        /// Its value in the old table.
        old: &'t [u8],
        /// Its value in the new table.
        new: &'t [u8],
    },
}

impl<'t> Difference<'t> {
    /// An entry of one table alone.
    #[inline(always)]
    fn of_one(front: Front<'t>) -> Self {
        let Front { key, value, table } = front;
        if table == 0 { Self::Removed { key, value } } else { Self::Added { key, value } }
    }

    /// The key of the entry.
    #[must_use]
    pub fn key(&self) -> &'t [u8] {
        match self {
            Self::Added { key, .. } | Self::Removed { key, .. } | Self::Changed { key, .. } => key,
        }
    }
}

/// The differences between the entries of two tables, in the order of keys. Metadata, indexes,
/// alignment and types are not compared; equal [build ids](Table::build_id) say that all of it is
/// equal.
///
/// Costs a walk of both tables. Stretches of records that are equal byte for byte are passed
/// without a look at each key, wherever they stand in the two files, so tables that are nearly equal
/// are compared faster than they are scanned. Allocates nothing.
///
/// After an error the iteration is over.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let build = |name, entries: &[(&str, &str)]| -> Result<_, Box<dyn std::error::Error>> {
/// #     let path = dir.path().join(name);
/// #     let mut builder = graven::Builder::create(&path)?;
/// #     for (key, value) in entries { builder.insert(key.as_bytes(), value.as_bytes())?; }
/// #     builder.finish()?;
/// #     Ok(graven::Table::load(&path)?)
/// # };
/// use graven::{Diff, Difference};
/// let old = build("old", &[("a", "1"), ("b", "2")])?;
/// let new = build("new", &[("b", "3"), ("c", "4")])?;
/// let differences = Diff::new(&old, &new).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(differences, [
///     Difference::Removed { key: b"a", value: b"1" },
///     Difference::Changed { key: b"b", old: b"2", new: b"3" },
///     Difference::Added { key: b"c", value: b"4" },
/// ]);
/// # Ok(())
/// # }
/// ```
#[must_use = "iterators do nothing unless they are consumed"]
#[derive(Clone)]
pub struct Diff<'t> {
    tables: [&'t Table; 2],
    lockstep: Lockstep,
    old: Side<'t>,
    new: Side<'t>,
    /// Entries that come next, each of one table alone.
    batch: Batch<'t>,
    /// The entries before were equal, so the next ones are probably equal, too.
    equal: bool,
    over: bool,
}

/// A table and its next entry.
#[derive(Clone)]
struct Side<'t> {
    next: Next,
    source: Source<'t>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Not known yet.
    Unknown,
    Entry,
    End,
}

impl<'t> Side<'t> {
    fn new(table: &'t Table, prefix: usize) -> Self {
        Self { next: Next::Unknown, source: Source::new(table, prefix) }
    }

    /// Finds the next entry, if it is not known.
    #[inline(always)]
    fn read(&mut self, table: usize) -> Result<(), MergeError> {
        if self.next == Next::Unknown {
            let more = self.source.advance();
            let more = more.map_err(|source| MergeError::Read { table, source })?;
            self.next = if more { Next::Entry } else { Next::End };
        }
        Ok(())
    }

    /// Leaves so many bytes of records behind.
    fn pass(&mut self, bytes: usize) {
        if bytes > 0 {
            self.source.skip_to_last(bytes);
            self.next = Next::Unknown;
        }
    }
}

impl fmt::Debug for Diff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff").finish_non_exhaustive()
    }
}

impl<'t> Diff<'t> {
    /// The differences that make `new` of `old`. Reads the first and the last entry of both.
    pub fn new(old: &'t Table, new: &'t Table) -> Self {
        let tables = [old, new];
        let prefix = shared_prefix(&tables);
        let lockstep = Lockstep::new(old.view(), new.view());
        let (old, new) = (Side::new(old, prefix), Side::new(new, prefix));
        // The first entries are taken to be equal.
        Self { tables, lockstep, old, new, batch: Batch::EMPTY, equal: true, over: false }
    }

    /// How the next entries of both tables compare; none where both are at their end.
    #[inline(always)]
    fn order(&self) -> Option<Ordering> {
        let (old, new) = (&self.old, &self.new);
        Some(match (old.next, new.next) {
            (Next::Entry, Next::Entry) => old.source.order(&new.source),
            (Next::Entry, _) => Ordering::Less,
            (_, Next::Entry) => Ordering::Greater,
            _ => return None,
        })
    }

    fn step(&mut self) -> Result<Option<Difference<'t>>, MergeError> {
        loop {
            if let Some(front) = self.batch.next() {
                return Ok(Some(Difference::of_one(front)));
            }
            if self.batch.is_taken() {
                let [(first, taken), (second, others_taken)] = self.batch.settle();
                self.side(first).pass(taken);
                self.side(second).pass(others_taken);
            }
            if self.equal && (self.old.next, self.new.next) == (Next::Unknown, Next::Unknown) {
                self.lockstep.pass_equal(self.old.source.walk(), self.new.source.walk());
                self.equal = false;
            }
            self.old.read(0)?;
            self.new.read(1)?;
            let Some(order) = self.order() else {
                intact(&self.tables)?;
                return Ok(None);
            };
            if order.is_ne() && self.plan(order) {
                continue;
            }
            let ((key, old), new) = (self.old.source.entry(), self.new.source.entry());
            if order.is_le() {
                self.old.next = Next::Unknown;
            }
            if order.is_ge() {
                self.new.next = Next::Unknown;
            }
            if order.is_eq() && old == new.1 {
                self.equal = true;
                continue;
            }
            self.equal = false;
            return Ok(Some(match order {
                Ordering::Equal => Difference::Changed { key, old, new: new.1 },
                Ordering::Less => Difference::Removed { key, value: old },
                Ordering::Greater => Difference::Added { key: new.0, value: new.1 },
            }));
        }
    }

    fn side(&mut self, table: usize) -> &mut Side<'t> {
        if table == 0 { &mut self.old } else { &mut self.new }
    }

    /// Takes a batch, where the next entries differ; false if none is at hand.
    fn plan(&mut self, order: Ordering) -> bool {
        let sides = [(0, &self.old.source), (1, &self.new.source)];
        let both = self.old.next == self.new.next;
        let [first, second] = if order.is_lt() { sides } else { [sides[1], sides[0]] };
        self.batch.fill(first, both.then_some(second), true);
        !self.batch.is_over()
    }
}

impl<'t> Iterator for Diff<'t> {
    type Item = Result<Difference<'t>, MergeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.step().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl FusedIterator for Diff<'_> {}
