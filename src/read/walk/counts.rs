//! The distinct keys of a table, with how many entries each has.

use super::super::place::Side;
use super::super::search::Search;
use super::super::view::View;
use super::iter::Iter;
use crate::error::{ReadError, ReadResult};
use std::fmt;
use std::iter::FusedIterator;

/// Entries of one key that are walked before a search finds the end of the others. About what a
/// search costs.
const WALK: u64 = 32;

/// The distinct keys, ascending, each with the number of its entries. After an error the iteration
/// is over. See [`Table::key_counts`](crate::Table::key_counts).
#[derive(Clone)]
pub struct KeyCounts<'t> {
    view: &'t View,
    /// What comes after `first`.
    entries: Iter<'t>,
    /// The key of the first entry that was not counted yet.
    first: Option<&'t [u8]>,
}

impl<'t> KeyCounts<'t> {
    /// `entries`: all of the table's.
    pub(crate) fn new(view: &'t View, entries: Iter<'t>) -> Self {
        Self { view, entries, first: None }
    }

    /// The next key, if any, with the number of its entries.
    fn step(&mut self) -> ReadResult<Option<(&'t [u8], u64)>> {
        let key = match self.first.take() {
            Some(key) => key,
            None => match self.entries.next().transpose()? {
                Some((key, _)) => key,
                None => return Ok(None),
            },
        };
        if !self.view.layout().repeated_keys {
            return Ok(Some((key, 1)));
        }
        for walked in 1..=WALK {
            match self.entries.next().transpose()? {
                Some((next, _)) if next == key => {}
                next => {
                    self.first = next.map(|(next, _)| next);
                    return Ok(Some((key, walked)));
                }
            }
        }
        let skipped = self.skip_to_end_of(key)?;
        Ok(Some((key, 1 + WALK + skipped)))
    }

    /// Leaves out the entries of `key` that are left, and returns how many these are.
    fn skip_to_end_of(&mut self, key: &[u8]) -> ReadResult<u64> {
        let place = Search::of(self.view).seek(key, Side::Above)?;
        let misplaced = || self.view.corrupt("index names another place", place.offset as u64);
        let rank = self.view.layout().entries.saturating_sub(self.entries.len() as u64);
        let skipped = place.rank.checked_sub(rank).ok_or_else(misplaced)?;
        let skip = usize::try_from(skipped).map_err(|_| misplaced())?;
        self.first = self.entries.nth(skip).transpose()?.map(|(next, _)| next);
        // The last of the same key, then another one.
        if self.first == Some(key) { self.view.sound(Err(misplaced())) } else { Ok(skipped) }
    }
}

impl fmt::Debug for KeyCounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCounts").finish_non_exhaustive()
    }
}

impl<'t> Iterator for KeyCounts<'t> {
    type Item = Result<(&'t [u8], u64), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            // An empty iterator: nothing comes after an error.
            self.first = None;
            let end = self.view.end();
            self.entries = Iter::between(self.view, Ok(end.into()), Ok(end), 0);
        }
        step.transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let waiting = usize::from(self.first.is_some());
        let most = self.entries.size_hint().1.and_then(|left| left.checked_add(waiting));
        (waiting, most)
    }
}

impl FusedIterator for KeyCounts<'_> {}
