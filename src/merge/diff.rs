//! The comparison of two tables.

use super::sources::shared_prefix;
use crate::error::MergeError;
use crate::format::order::head;
use crate::read::Table;
use crate::read::walk::{Item, Lockstep};
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
    walks: Lockstep<'t>,
    old: Side<'t>,
    new: Side<'t>,
    /// Length of a prefix that all keys have.
    prefix: usize,
    /// The entries before were equal, so the next ones are probably equal, too.
    equal: bool,
    over: bool,
}

/// The next entry of a table.
#[derive(Clone)]
struct Side<'t> {
    next: Next,
    /// The head of the key after the prefix of all keys.
    head: u64,
    key: &'t [u8],
    value: &'t [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Not known yet.
    Unknown,
    Entry,
    End,
}

impl<'t> Side<'t> {
    const UNKNOWN: Self = Self { next: Next::Unknown, head: 0, key: &[], value: &[] };

    /// Takes what a walk gives.
    #[inline(always)]
    fn take(&mut self, item: Item<'t>, prefix: usize, table: usize) -> Result<(), MergeError> {
        match item {
            Some(Ok((key, value))) => {
                self.head = head(key.get(prefix..).unwrap_or_default());
                (self.next, self.key, self.value) = (Next::Entry, key, value);
            }
            None => self.next = Next::End,
            Some(Err(source)) => return Err(MergeError::Read { table, source }),
        }
        Ok(())
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
        let walks = Lockstep::new(old.iter(), new.iter());
        let prefix = shared_prefix(&[old, new]);
        let (old, new) = (Side::UNKNOWN, Side::UNKNOWN);
        // The first entries are taken to be equal.
        Self { walks, old, new, prefix, equal: true, over: false }
    }

    /// How the next entries of both tables compare; none where both are at their end.
    #[inline(always)]
    fn order(&self) -> Option<Ordering> {
        let (old, new) = (&self.old, &self.new);
        Some(match (old.next, new.next) {
            (Next::Entry, Next::Entry) if old.head != new.head => old.head.cmp(&new.head),
            (Next::Entry, Next::Entry) => old.key.cmp(new.key),
            (Next::Entry, _) => Ordering::Less,
            (_, Next::Entry) => Ordering::Greater,
            _ => return None,
        })
    }

    fn step(&mut self) -> Result<Option<Difference<'t>>, MergeError> {
        loop {
            let unknown = (self.old.next == Next::Unknown, self.new.next == Next::Unknown);
            if unknown == (true, true) && self.equal {
                self.walks.pass_equal();
                self.equal = false;
            }
            if unknown.0 {
                self.old.take(self.walks.left(), self.prefix, 0)?;
            }
            if unknown.1 {
                self.new.take(self.walks.right(), self.prefix, 1)?;
            }
            let Some(order) = self.order() else { return Ok(None) };
            let ((key, old), new) = ((self.old.key, self.old.value), self.new.value);
            if order.is_le() {
                self.old.next = Next::Unknown;
            }
            if order.is_ge() {
                self.new.next = Next::Unknown;
            }
            if order.is_eq() && old == new {
                self.equal = true;
                continue;
            }
            self.equal = false;
            return Ok(Some(match order {
                Ordering::Equal => Difference::Changed { key, old, new },
                Ordering::Less => Difference::Removed { key, value: old },
                Ordering::Greater => Difference::Added { key: self.new.key, value: new },
            }));
        }
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
