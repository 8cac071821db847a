//! All records of a table, one after the other.

use crate::error::ReadResult;
use crate::read::place::{Found, Place};
use crate::read::view::View;

/// All records in order. After an error the iteration is over.
pub(super) struct EveryRecord<'t> {
    view: &'t View,
    next: Place,
}

impl<'t> EveryRecord<'t> {
    pub(super) fn of(view: &'t View) -> Self {
        Self { view, next: view.start() }
    }
}

impl Iterator for EveryRecord<'_> {
    type Item = ReadResult<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        let Place { rank, offset } = self.next;
        if rank >= self.view.layout().entries {
            return None;
        }
        let found = self.view.parts_at(offset).map(|parts| Found { offset, parts });
        self.next = match &found {
            Ok(found) => Place { rank: rank + 1, offset: self.view.after(offset, &found.parts) },
            Err(_) => self.view.end(),
        };
        Some(found)
    }
}
