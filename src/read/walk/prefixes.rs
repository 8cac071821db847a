//! All entries whose keys are prefixes of another key.
//!
//! Each found key is a prefix of the key before it. So only the first search needs the key that was
//! asked for; the next shorter prefix is looked for in what was found, less its last byte.

use super::super::view::View;
use super::prefix::LongestPrefix;
use super::values::GetAll;
use crate::error::ReadError;
use std::fmt;
use std::iter::FusedIterator;

/// The entries whose keys are prefixes of one key, the longest first, those of one key in the order
/// of their insertion. After an error the iteration is over. See
/// [`Table::prefixes_of`](crate::Table::prefixes_of).
///
/// Each key is shorter than the one before, whatever the indexes of a damaged table say, and no
/// more entries come than the table has.
pub struct PrefixesOf<'t> {
    view: &'t View,
    /// The entries of the key that was found last.
    entries: GetAll<'t>,
    /// What the keys that are left are prefixes of.
    rest: Option<&'t [u8]>,
}

impl<'t> PrefixesOf<'t> {
    pub(crate) fn new(view: &'t View, key: &[u8]) -> Self {
        let found = LongestPrefix::of(view).locate(key);
        let entries = GetAll::of_found(view, found, view.layout().entries);
        Self { view, entries, rest: None }
    }
}

impl fmt::Debug for PrefixesOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixesOf").finish_non_exhaustive()
    }
}

impl<'t> Iterator for PrefixesOf<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = self.entries.next_entry();
        if entry.is_none() {
            let found = LongestPrefix::of(self.view).locate(self.rest?);
            self.entries = GetAll::of_found(self.view, found, self.entries.left());
            entry = self.entries.next_entry();
        }
        self.rest = match entry {
            Some(Ok((key, _))) => key.split_last().map(|(_, rest)| rest),
            _ => None,
        };
        entry
    }
}

impl FusedIterator for PrefixesOf<'_> {}
