//! A walk without its table, for iterators that own the table.

use super::super::place::Place;
use super::super::view::View;
use super::backward::BackwardBlock;
use super::iter::Iter;
use super::windows::Windows;
use crate::error::ReadError;
use std::ops::Range;

/// What an [`Iter`] is besides its borrow of the table.
#[derive(Clone)]
pub(crate) struct Paused {
    front: usize,
    end: Place,
    left: u64,
    ranked: bool,
    /// Length of the checked part at the front.
    ahead: usize,
    behind: Range<usize>,
    back: BackwardBlock,
    windows: [Windows; 2],
    error: Option<ReadError>,
}

impl Paused {
    pub(crate) fn new(iter: Iter<'_>) -> Self {
        let Iter { view: _, front, end, left, ranked, ahead, behind, back, windows, error } = iter;
        Self { front, end, left, ranked, ahead: ahead.len(), behind, back, windows, error }
    }

    /// The walk, from where it was paused. `view` is that of the table whose walk was paused.
    pub(crate) fn resume<'t>(&self, view: &'t View) -> Iter<'t> {
        let Self { front, end, left, ranked, ahead, behind, back, windows, error } = self.clone();
        let ahead = view.bytes().get(..ahead).unwrap_or_default();
        Iter { view, front, end, left, ranked, ahead, behind, back, windows, error }
    }

    /// Leaves nothing of the walk.
    pub(crate) fn end(&mut self) {
        (self.end.offset, self.left, self.error) = (self.front, 0, None);
    }
}
