//! A walk over a plain table, and the entry that it is at.

use crate::error::{ReadFailure, ReadResult};
use crate::format::order::head;
use crate::format::record::Fixed;
use crate::read::{Iter, Table};
use std::fmt;

/// A plain table and its next entry.
#[derive(Clone)]
pub struct Source<'t> {
    /// The head of the key after the prefix of all keys.
    pub(super) head: u64,
    pub(super) key: &'t [u8],
    pub(super) value: &'t [u8],
    /// How records lie, if all have one width and no key is repeated.
    fixed: Option<Fixed>,
    /// Records from the entry on, whose pages are checked; empty if the walk gave the entry.
    run: &'t [u8],
    rest: Iter<'t>,
    prefix: usize,
    over: bool,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl<'t> Source<'t> {
    /// Stands before the first entry. `prefix`: length of a prefix that all keys have.
    pub(super) fn new(table: &'t Table, prefix: usize) -> Self {
        let layout = table.view().layout();
        let fixed = layout.fixed.filter(|_| !layout.repeated_keys);
        let none = &[][..];
        Self {
            head: 0,
            key: none,
            value: none,
            fixed,
            run: none,
            rest: Self::walk_of(table),
            prefix,
            over: false,
        }
    }

    /// All entries; an error of a packed table, where what is stored of an entry is no entry.
    fn walk_of(table: &'t Table) -> Iter<'t> {
        let view = table.view();
        match view.layout().packing {
            None => table.iter(),
            Some(_) => {
                let packed = view.named(ReadFailure::IsPacked.into());
                Iter::between(view, Err(packed), Ok(view.end()), 0)
            }
        }
    }

    /// Moves to the next entry; false at the end.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> ReadResult<bool> {
        if let Some(fixed) = &self.fixed {
            self.run = self.run.get(fixed.stride..).unwrap_or_default();
            if self.run.is_empty() {
                self.run = self.rest.take_run(fixed);
            }
            // A record may have no bytes at all, but its place has one.
            if !self.run.is_empty()
                && let Some((key, value)) = fixed.split(self.run)
            {
                self.stand_on(key, value);
                return Ok(true);
            }
        }
        if let Some((key, value)) = self.rest.ready() {
            self.stand_on(key, value);
            return Ok(true);
        }
        self.advance_checked()
    }

    #[inline(never)]
    fn advance_checked(&mut self) -> ReadResult<bool> {
        match self.rest.next() {
            Some(Ok((key, value))) => {
                self.stand_on(key, value);
                Ok(true)
            }
            end => {
                // No head is greater.
                (self.over, self.head) = (true, u64::MAX);
                end.map_or(Ok(false), |failed| failed.map(|_| false))
            }
        }
    }

    /// Whether no entry is left. After an error, too.
    #[inline(always)]
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    #[inline(always)]
    fn stand_on(&mut self, key: &'t [u8], value: &'t [u8]) {
        self.head = head(key.get(self.prefix..).unwrap_or_default());
        (self.key, self.value) = (key, value);
    }

    /// Key and value.
    #[inline(always)]
    pub(super) fn entry(&self) -> (&'t [u8], &'t [u8]) {
        (self.key, self.value)
    }

    /// Records of fixed width from the entry on, whose keys differ. None if the walk gave the entry.
    #[inline(always)]
    pub(super) fn run(&self) -> Option<(&Fixed, &'t [u8])> {
        self.fixed.as_ref().filter(|_| !self.run.is_empty()).map(|fixed| (fixed, self.run))
    }

    /// Length of the prefix that all keys have.
    pub(super) fn prefix(&self) -> usize {
        self.prefix
    }

    /// Stands on the last of so many bytes of records of the run.
    pub(super) fn skip_to_last(&mut self, bytes: usize) {
        let stride = self.fixed.map_or(0, |fixed| fixed.stride);
        self.run = self.run.get(bytes.saturating_sub(stride)..).unwrap_or_default();
    }

    /// The walk, which stands behind the entry.
    pub(super) fn walk(&mut self) -> &mut Iter<'t> {
        if let Some(fixed) = &self.fixed {
            let unread = self.run.get(fixed.stride..).unwrap_or_default();
            self.rest.give_back(unread, fixed);
            self.run = &[];
        }
        &mut self.rest
    }
}
