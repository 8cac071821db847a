//! All values of one key.

use super::super::get::Checked;
use super::super::place::{Entry, Found};
use super::super::view::View;
use super::windows::Windows;
use crate::error::{ReadError, ReadResult};
use crate::format::order::equal;
use std::fmt;
use std::iter::FusedIterator;

/// All values of one key, in the order of their insertion. After an error the iteration is over.
/// See [`Table::get_all`](crate::Table::get_all).
#[must_use = "iterators do nothing unless they are consumed"]
pub struct GetAll<'t> {
    view: &'t View,
    state: State<'t>,
    /// How many values may come: a table has no more than its entries.
    left: u64,
    /// What was asked for, where the table exceeds the memory.
    windows: Windows,
}

impl fmt::Debug for GetAll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.state {
            State::At(key, _) => Some(key.escape_ascii().to_string()),
            State::Failed(_) | State::Over => None,
        };
        f.debug_struct("GetAll").field("key", &key).finish_non_exhaustive()
    }
}

enum State<'t> {
    /// This record holds the key; its value comes next.
    At(&'t [u8], Found),
    Failed(ReadError),
    Over,
}

impl<'t> GetAll<'t> {
    pub(crate) fn new(view: &'t View, key: &[u8]) -> Self {
        Self::of_found(view, Checked::of(view).locate(key), view.layout().entries)
    }

    /// The values of a key whose first record was looked for. `left`: how many may come.
    pub(super) fn of_found(view: &'t View, found: ReadResult<Option<Found>>, left: u64) -> Self {
        let first = found.and_then(|found| match found {
            Some(found) => Ok(Some((view.slice(found.parts.key())?, found))),
            None => Ok(None),
        });
        let state = match first {
            Ok(Some((key, found))) => State::At(key, found),
            Ok(None) => State::Over,
            Err(error) => State::Failed(error),
        };
        Self { view, state, left, windows: Windows::START }
    }

    /// How many values may come yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The key with its next value.
    pub(super) fn next_entry(&mut self) -> Option<ReadResult<Entry<'t>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => None,
            State::Failed(error) => Some(Err(error)),
            State::At(key, found) => match self.step(key, found) {
                Ok((value, state)) => {
                    self.state = state;
                    Some(Ok((key, value)))
                }
                Err(error) => Some(self.view.sound(Err(error))),
            },
        }
    }

    /// The value of `found`, and the record after it if it holds the same key.
    fn step(&mut self, key: &'t [u8], found: Found) -> ReadResult<(&'t [u8], State<'t>)> {
        let too_many = || self.view.corrupt("more records than ranks", found.offset as u64);
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        let (_, value) = self.view.entry(&found.parts)?;
        if !self.view.layout().repeated_keys {
            return Ok((value, State::Over));
        }
        let offset = self.view.after(found.offset, &found.parts);
        if offset >= self.view.layout().records.end {
            return Ok((value, State::Over));
        }
        if self.view.exceeds_memory() {
            self.windows.forward(self.view, offset, self.view.layout().records.end);
        }
        let parts = self.view.parts_at(offset)?;
        let same = equal(self.view.slice(parts.key())?, key);
        Ok((value, if same { State::At(key, Found { offset, parts }) } else { State::Over }))
    }
}

impl<'t> Iterator for GetAll<'t> {
    type Item = Result<&'t [u8], ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_entry()?.map(|entry| entry.1))
    }
}

impl FusedIterator for GetAll<'_> {}
