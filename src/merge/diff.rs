//! The comparison of two tables.

use super::any_table::{AnyTable, intact, shared_prefix};
use super::batch::Batch;
use super::walk::{Front, Walk};
use crate::error::MergeError;
use crate::read::walk::Lockstep;
use crate::read::{PackedTable, Table};
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
    fn of_one(front: Front<&'t [u8]>) -> Self {
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
/// Of [`PackedTable`]s each key is decoded, and of keys that both have the values; entries are lent
/// by [`next_lent`](Self::next_lent). Of plain ones among them equal stretches are passed likewise.
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
pub struct Diff<'t, T: AnyTable = Table> {
    tables: [&'t Table; 2],
    lockstep: Lockstep,
    old: Side<T::Walk<'t>>,
    new: Side<T::Walk<'t>>,
    /// Entries that come next, each of one table alone.
    batch: Batch<'t>,
    /// The entries before were equal, so the next ones are probably equal, too.
    equal: bool,
    /// The difference that is lent.
    lent: Option<Differing<T::Bytes<'t>>>,
    over: bool,
}

/// A table and its next entry.
#[derive(Clone)]
struct Side<W> {
    next: Next,
    source: W,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Not known yet.
    Unknown,
    Entry,
    End,
}

/// A key with its values in the two tables; they are not both missing.
#[derive(Clone, Copy)]
struct Differing<B> {
    key: B,
    old: Option<B>,
    new: Option<B>,
}

impl<'t> Differing<&'t [u8]> {
    #[inline(always)]
    fn difference(self) -> Difference<'t> {
        let Self { key, old, new } = self;
        match (old, new) {
            (Some(old), Some(new)) => Difference::Changed { key, old, new },
            (Some(value), None) => Difference::Removed { key, value },
            (None, new) => Difference::Added { key, value: new.unwrap_or_default() },
        }
    }
}

impl<'t, W: Walk<'t>> Side<W> {
    fn new(source: W) -> Self {
        Self { next: Next::Unknown, source }
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
        if bytes > 0
            && let Some(source) = self.source.plain_mut()
        {
            source.skip_to_last(bytes);
            self.next = Next::Unknown;
        }
    }
}

impl<T: AnyTable> fmt::Debug for Diff<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diff").finish_non_exhaustive()
    }
}

impl<'t, T: AnyTable> Diff<'t, T> {
    /// The differences that make `new` of `old`. Reads the first and the last entry of both.
    pub fn new(old: &'t T, new: &'t T) -> Self {
        let (tables, prefix) = ([old.stored(), new.stored()], shared_prefix(&[], &[old, new]));
        Self {
            tables,
            lockstep: Lockstep::new(tables[0].view(), tables[1].view()),
            old: Side::new(old.walk(prefix)),
            new: Side::new(new.walk(prefix)),
            batch: Batch::EMPTY,
            // The first entries are taken to be equal.
            equal: true,
            lent: None,
            over: false,
        }
    }

    /// The next difference, lent until the next one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let (plain, packed) = (dir.path().join("plain"), dir.path().join("packed"));
    /// # graven::BuildOptions::new().build(&plain, [("a", "1"), ("b", "2")])?;
    /// # graven::BuildOptions::new().compact_keys(true).build(&packed, [("a", "1"), ("b", "3")])?;
    /// use graven::{Diff, Difference, PackedTable};
    /// let (old, new) = (PackedTable::load(&plain)?, PackedTable::load(&packed)?);
    /// let mut diff = Diff::new(&old, &new);
    /// while let Some(difference) = diff.next_lent() {
    ///     assert_eq!(difference?, Difference::Changed { key: b"b", old: b"2", new: b"3" });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MergeError::Read`].
    pub fn next_lent(&mut self) -> Option<Result<Difference<'_>, MergeError>> {
        if self.over {
            return None;
        }
        match self.step() {
            Ok(found) => self.lent = found,
            Err(error) => {
                self.over = true;
                return Some(Err(error));
            }
        }
        self.over = self.lent.is_none();
        let Differing { key, old, new } = self.lent.as_ref()?;
        Some(Ok(Differing { key: &**key, old: old.as_deref(), new: new.as_deref() }.difference()))
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

    fn step(&mut self) -> Result<Option<Differing<T::Bytes<'t>>>, MergeError> {
        loop {
            if let Some(Front { key, value, table }) = self.batch.next() {
                let (key, value) = (key.into(), Some(value.into()));
                let (old, new) = if table == 0 { (value, None) } else { (None, value) };
                return Ok(Some(Differing { key, old, new }));
            }
            if self.batch.is_taken() {
                let [(first, taken), (second, others_taken)] = self.batch.settle();
                self.side(first).pass(taken);
                self.side(second).pass(others_taken);
            }
            if self.equal && (self.old.next, self.new.next) == (Next::Unknown, Next::Unknown) {
                if let Some(old) = self.old.source.plain_mut()
                    && let Some(new) = self.new.source.plain_mut()
                {
                    self.lockstep.pass_equal(old.walk(), new.walk());
                }
                self.equal = false;
            }
            self.old.read(0)?;
            self.new.read(1)?;
            let Some(order) = self.order() else {
                intact(self.tables)?;
                return Ok(None);
            };
            if order.is_ne() && self.plan(order) {
                continue;
            }
            if order.is_le() {
                self.old.next = Next::Unknown;
            }
            if order.is_ge() {
                self.new.next = Next::Unknown;
            }
            let of = |table| move |source| MergeError::Read { table, source };
            self.equal = order.is_eq()
                && self.old.source.value().map_err(of(0))?
                    == self.new.source.value().map_err(of(1))?;
            if self.equal {
                continue;
            }
            let old = order.is_le().then(|| self.old.source.take().map_err(of(0))).transpose()?;
            let new = order.is_ge().then(|| self.new.source.take().map_err(of(1))).transpose()?;
            return Ok(match (old, new) {
                (Some((key, old)), new) => {
                    Some(Differing { key, old: Some(old), new: new.map(|(_, new)| new) })
                }
                (None, new) => new.map(|(key, new)| Differing { key, old: None, new: Some(new) }),
            });
        }
    }

    fn side(&mut self, table: usize) -> &mut Side<T::Walk<'t>> {
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

impl Diff<'_, PackedTable> {
    /// Takes values of at most `most` bytes, as [`ValueBuffer::with_limit`](crate::ValueBuffer::with_limit)
    /// does: a longer one of a packed table is an error before memory is asked for. For tables from
    /// elsewhere.
    pub fn value_limit(mut self, most: u32) -> Self {
        self.old.source.limit_values(most);
        self.new.source.limit_values(most);
        self
    }
}

impl<'t> Iterator for Diff<'t> {
    type Item = Result<Difference<'t>, MergeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        // Most differences of a batch take this short way.
        if let Some(front) = self.batch.next() {
            return Some(Ok(Difference::of_one(front)));
        }
        let item = self.step().map(|found| found.map(Differing::difference)).transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

impl FusedIterator for Diff<'_> {}
