//! All entries of a packed table whose keys are prefixes of another key.

use super::super::packing::Packed;
use super::iter::PackedIter;
use crate::codec::ValueBuffer;
use crate::error::{ReadError, ReadResult};
use std::fmt;
use std::iter::FusedIterator;

/// The entries whose keys are prefixes of one key, the longest first, those of one key in the order
/// of their insertion, each in memory of its own. After an error the iteration is over. See
/// [`PackedTable::prefixes_of`](crate::PackedTable::prefixes_of).
///
/// Each key is shorter than the one before, whatever the indexes of a damaged table say.
pub struct PackedPrefixesOf<'t> {
    table: &'t Packed,
    /// The entries of the key that was found last.
    entries: PackedIter<'t>,
    /// What the keys that are left are prefixes of; none at the end.
    rest: Option<Vec<u8>>,
    /// Room for codes.
    codes: Vec<u8>,
}

impl fmt::Debug for PackedPrefixesOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedPrefixesOf").finish_non_exhaustive()
    }
}

impl<'t> PackedPrefixesOf<'t> {
    /// `none`: an iteration over no entries.
    pub(super) fn new(table: &'t Packed, key: &[u8], none: PackedIter<'t>) -> Self {
        Self { table, entries: none, rest: Some(key.to_vec()), codes: Vec::new() }
    }

    /// The same entries, decoded into `buffer`: one that is there already, or one
    /// [with a limit](ValueBuffer::with_limit).
    #[must_use]
    pub fn with_buffer(mut self, buffer: ValueBuffer) -> Self {
        self.entries = self.entries.with_buffer(buffer);
        self
    }

    /// Goes to the entries of the longest key that is left; false at the end.
    fn find(&mut self) -> ReadResult<bool> {
        let Some(mut rest) = self.rest.take() else { return Ok(false) };
        let found = self.table.longest_prefix(&rest, &mut self.codes)?;
        let Some(((stored, _), len)) = found else { return Ok(false) };
        self.entries.move_to(self.table.stored.range(stored..=stored));
        if let Some(shorter) = len.checked_sub(1) {
            rest.truncate(shorter);
            self.rest = Some(rest);
        }
        Ok(true)
    }
}

impl Iterator for PackedPrefixesOf<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = self.entries.next();
        if entry.is_none() {
            entry = match self.find() {
                Ok(true) => self.entries.next(),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            };
        }
        if !matches!(entry, Some(Ok(_))) {
            self.rest = None;
        }
        entry
    }
}

impl FusedIterator for PackedPrefixesOf<'_> {}
