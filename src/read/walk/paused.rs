//! An iteration without its borrow of the table, for iterators that own the table.

use super::super::place::Entry;
use super::super::view::View;
use super::iter::Iter;
use super::state::Walk;
use crate::error::ReadResult;

/// An [`Iter`] that is between two steps. Each step is given the view of the table, always the same.
#[derive(Clone)]
pub(crate) struct Paused {
    walk: Walk,
    /// Length of the table's part up to which pages ahead of the front are known to be checked.
    ahead: usize,
}

impl Paused {
    pub(crate) fn new(iter: Iter<'_>) -> Self {
        Self { walk: iter.walk, ahead: iter.ahead.len() }
    }

    /// A step of [`Iter::next`]. Only steps that find nothing ready are taken by an `Iter`, as its
    /// making copies some hundred bytes.
    #[inline]
    pub(crate) fn next<'t>(&mut self, view: &'t View) -> Option<ReadResult<Entry<'t>>> {
        if self.walk.is_over() {
            return self.resume(view, Iter::over);
        }
        let ahead = view.bytes().get(..self.ahead).unwrap_or_default();
        match self.walk.ready(view, ahead) {
            Some(entry) if view.memory().nothing_lost() => Some(Ok(entry)),
            _ => self.resume(view, Iter::checked_next),
        }
    }

    /// A step of [`Iter::next_back`](DoubleEndedIterator::next_back).
    #[inline]
    pub(crate) fn next_back<'t>(&mut self, view: &'t View) -> Option<ReadResult<Entry<'t>>> {
        if self.walk.is_over() {
            return self.resume(view, Iter::over);
        }
        match self.walk.ready_back(view) {
            Some(entry) if view.memory().nothing_lost() => Some(Ok(entry)),
            _ => self.resume(view, Iter::checked_next_back),
        }
    }

    /// Lets an [`Iter`] go on from here.
    #[inline(never)]
    pub(crate) fn resume<'t, T>(
        &mut self,
        view: &'t View,
        step: impl FnOnce(&mut Iter<'t>) -> T,
    ) -> T {
        let mut iter = self.iter(view);
        let result = step(&mut iter);
        *self = Self::new(iter);
        result
    }

    /// What is left.
    pub(crate) fn iter<'t>(&self, view: &'t View) -> Iter<'t> {
        let ahead = view.bytes().get(..self.ahead).unwrap_or_default();
        Iter { view, walk: self.walk.clone(), ahead }
    }
}
