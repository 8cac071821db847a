//! The comparison of two sources of which one is a set: a walk over the merged entries of both.

use crate::exit::Failure;
use graven::{Difference, Merge, MergeError, MergePolicy, PackedTable};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Hands the differences between the entries of some tables and of others to `show`, in the order of
/// keys, until it breaks off, as [`graven::Diff`] does for two tables. Errors name old tables by their numbers, and new
/// ones by the numbers behind them.
pub(super) fn differences<'t>(
    old: impl Iterator<Item = &'t PackedTable>,
    new: impl Iterator<Item = &'t PackedTable>,
    failed: impl Fn(MergeError) -> Failure,
    show: &mut dyn FnMut(Difference<'_>) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let (old, new): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
    let mut sides = [Side::new(&old, &new, 0), Side::new(&new, &old, old.len())];
    loop {
        let [old, new] = &mut sides;
        let (front, other) = (old.peek().map_err(&failed)?, new.peek().map_err(&failed)?);
        let order = match (front, other) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(()),
        };
        let (old, new) = (
            front.filter(|_| order.is_le()).map(|(key, value)| (&key[..], &value[..])),
            other.filter(|_| order.is_ge()).map(|(key, value)| (&key[..], &value[..])),
        );
        let difference = match (old, new) {
            (Some((_, old)), Some((_, new))) if old == new => None,
            (Some((key, old)), Some((_, new))) => Some(Difference::Changed { key, old, new }),
            (Some((key, value)), None) => Some(Difference::Removed { key, value }),
            (None, Some((key, value))) => Some(Difference::Added { key, value }),
            (None, None) => None,
        };
        if let Some(difference) = difference
            && show(difference)?.is_break()
        {
            return Ok(());
        }
        for (side, taken) in sides.iter_mut().zip([order.is_le(), order.is_ge()]) {
            if taken {
                side.next = None;
            }
        }
    }
}

/// An entry. Of [`MergePolicy::KeepAll`] no value is put together.
type Entry<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);

/// The entries of one side.
struct Side<'t> {
    merge: Merge<'t, PackedTable>,
    /// The numbers of its tables in error messages.
    numbers: Vec<usize>,
    /// The next entry, if it was looked at.
    next: Option<Entry<'t>>,
    over: bool,
}

impl<'t> Side<'t> {
    /// The entries of `tables`, of which the first has the number `first`. A table that is on the
    /// other side as well, byte for byte, is left out on both: its keys are in no other shard, so
    /// nothing differs there.
    fn new(tables: &[&'t PackedTable], others: &[&PackedTable], first: usize) -> Self {
        let others: HashSet<_> = others.iter().map(|table| table.build_id()).collect();
        let differ = tables.iter().copied().zip(first..);
        let differ = differ.filter(|(table, _)| !others.contains(&table.build_id()));
        let (tables, numbers): (Vec<_>, Vec<_>) = differ.unzip();
        let merge = Merge::new(tables).policy(MergePolicy::KeepAll);
        Self { merge, numbers, next: None, over: false }
    }

    fn peek(&mut self) -> Result<Option<&Entry<'t>>, MergeError> {
        if self.next.is_none() && !self.over {
            self.next = self.merge.next().transpose().map_err(|error| match error {
                MergeError::Read { table, source } => {
                    let table = self.numbers.get(table).copied().unwrap_or(table);
                    MergeError::Read { table, source }
                }
                error => error,
            })?;
            self.over = self.next.is_none();
        }
        Ok(self.next.as_ref())
    }
}
