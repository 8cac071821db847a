//! The checked path: each page is checked before it is read, and the error says what is wrong with
//! the table.

use super::super::index::hash::{Buckets, Hash};
use super::super::pages::prefetch_page;
use super::super::place::{Found, Place, Side};
use super::super::search::Search;
use super::super::simd::Baseline;
use super::super::view::View;
use super::optimistic::Optimistic;
use super::shape::AllChecked;
use crate::error::ReadResult;
use crate::format::order::equal;
use std::hint::black_box;

/// Checked lookups in a table.
#[derive(Clone, Copy)]
pub(crate) struct Checked<'t> {
    view: &'t View,
}

impl<'t> Checked<'t> {
    pub(crate) fn of(view: &'t View) -> Self {
        Self { view }
    }

    /// The value of the first record of `key`.
    #[cold]
    #[inline(never)]
    pub(crate) fn get(self, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        // The first checksums take a page fault; meanwhile the record's page comes from memory.
        if self.view.pages().nothing_checked() {
            self.prefetch_record(key);
        }
        self.value_of(self.locate(key)?)
    }

    /// The first record of `key`.
    pub(crate) fn locate(self, key: &[u8]) -> ReadResult<Option<Found>> {
        self.view.sound(match Hash::of(self.view) {
            Some(hash) => match hash.ask(key, 0) {
                Ok(Buckets::Record(found)) => Ok(Some(found)),
                Ok(Buckets::Absent) => Ok(None),
                Ok(Buckets::SetAside) => self.locate_by_order(key),
                Err(error) => Err(error),
            },
            None => self.locate_by_order(key),
        })
    }

    fn locate_by_order(self, key: &[u8]) -> ReadResult<Option<Found>> {
        self.record_at(Search::of(self.view).seek(key, Side::NotBelow)?, key)
    }

    /// The record at the place where an ordered index has `key` or the first key above it.
    fn record_at(self, place: Place, key: &[u8]) -> ReadResult<Option<Found>> {
        let view = self.view;
        if place.rank >= view.layout().entries {
            return Ok(None);
        }
        let parts = view.parts_at(place.offset)?;
        if !equal(view.slice(parts.key())?, key) {
            return Ok(None);
        }
        view.ensure(parts.value..parts.end())?;
        Ok(Some(Found { offset: place.offset, parts }))
    }

    /// The value at the place where an ordered index has `key` or the first key above it.
    pub(super) fn value_at(self, place: Place, key: &[u8]) -> ReadResult<Option<&'t [u8]>> {
        self.value_of(self.view.sound(self.record_at(place, key))?)
    }

    fn value_of(self, found: Option<Found>) -> ReadResult<Option<&'t [u8]>> {
        found.map(|found| self.view.slice(found.parts.value())).transpose()
    }

    /// Prefetches the page of the record that the index names for `key`, unchecked.
    fn prefetch_record(self, key: &[u8]) {
        let optimistic = Optimistic::new(self.view, Baseline, AllChecked);
        if let Some(offset) = optimistic.expected_record(key) {
            // A page that is not mapped yet can't be prefetched, so it is touched first.
            black_box(self.view.bytes().get(offset).copied());
            prefetch_page(self.view.bytes(), offset);
        }
    }
}
