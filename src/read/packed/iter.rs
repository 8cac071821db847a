//! Iteration over the entries of a packed table.

use super::super::packing::Packed;
use super::super::walk::Iter;
use crate::codec::ValueBuffer;
use crate::error::{ReadError, ReadResult};
use std::iter::FusedIterator;

/// Entries of a packed table, ascending, each in memory of its own. See
/// [`PackedTable::iter`](crate::PackedTable::iter).
#[derive(Debug)]
pub struct PackedIter<'t> {
    table: &'t Packed,
    stored: Iter<'t>,
    buffer: ValueBuffer,
}

impl<'t> PackedIter<'t> {
    pub(super) fn new(table: &'t Packed, stored: Iter<'t>) -> Self {
        Self { table, stored, buffer: ValueBuffer::new() }
    }

    /// Goes on with other entries of the table.
    pub(super) fn move_to(&mut self, stored: Iter<'t>) {
        self.stored = stored;
    }

    fn own(
        &mut self,
        entry: Option<ReadResult<(&'t [u8], &'t [u8])>>,
    ) -> Option<Result<(Vec<u8>, Vec<u8>), ReadError>> {
        let unpacked = entry?.and_then(|entry| {
            let entry = self.table.entry(Some(entry), &mut self.buffer)?;
            let (key, value) = entry.unwrap_or_default();
            Ok((key.to_vec(), value.to_vec()))
        });
        Some(unpacked)
    }
}

impl<'t> PackedIter<'t> {
    /// The same entries, decoded into `buffer`: one that is there already, or one
    /// [with a limit](ValueBuffer::with_limit).
    #[must_use]
    pub fn with_buffer(mut self, buffer: ValueBuffer) -> Self {
        self.buffer = buffer;
        self
    }

    /// The next entry, lent until the next one: nothing is allocated.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2")])?;
    /// # let table = graven::PackedTable::load(&path)?;
    /// let mut entries = table.range("b"..);
    /// while let Some(entry) = entries.next_lent() {
    ///     assert_eq!(entry?, (&b"b"[..], &b"2"[..]));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn next_lent(&mut self) -> Option<Result<(&[u8], &[u8]), ReadError>> {
        let entry = self.stored.next()?;
        self.lend(entry)
    }

    /// The last entry that is left, lent until the next one.
    #[inline]
    pub fn next_back_lent(&mut self) -> Option<Result<(&[u8], &[u8]), ReadError>> {
        let entry = self.stored.next_back()?;
        self.lend(entry)
    }

    #[inline]
    fn lend(
        &mut self,
        entry: ReadResult<(&'t [u8], &'t [u8])>,
    ) -> Option<Result<(&[u8], &[u8]), ReadError>> {
        entry.and_then(|entry| self.table.entry(Some(entry), &mut self.buffer)).transpose()
    }
}

impl Iterator for PackedIter<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.stored.next();
        self.own(entry)
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let entry = self.stored.nth(n);
        self.own(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stored.size_hint()
    }
}

impl DoubleEndedIterator for PackedIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.stored.next_back();
        self.own(entry)
    }

    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        let entry = self.stored.nth_back(n);
        self.own(entry)
    }
}

impl ExactSizeIterator for PackedIter<'_> {}

impl FusedIterator for PackedIter<'_> {}
