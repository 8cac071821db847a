//! Walks over a set of packed shards. Each value is decoded when the walk returns it.

use super::super::shards::Shards;
use super::super::walk::{Ends, SetWalk};
use crate::codec::ValueBuffer;
use crate::error::SetError;
use crate::read::PackedTable;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

/// Entries of a set of packed shards, ascending, from both ends, each in memory of its own. It keeps
/// the set open and borrows nothing, and maps shards as [`SetIter`](crate::SetIter) does: over hash
/// shards all of them, of which one value at a time is decoded. After an error the iteration is over.
/// See [`PackedSet::iter`](crate::PackedSet::iter).
pub struct PackedSetIter {
    stored: SetWalk<PackedTable>,
    buffer: ValueBuffer,
}

impl PackedSetIter {
    pub(super) fn new(shards: &Arc<Shards<PackedTable>>, ends: Ends) -> Self {
        Self { stored: SetWalk::new(shards, ends), buffer: ValueBuffer::new() }
    }

    /// The same entries, decoded in `buffer`: one that is there already, or one
    /// [with a limit](ValueBuffer::with_limit).
    #[must_use]
    pub fn with_buffer(mut self, buffer: ValueBuffer) -> Self {
        self.buffer = buffer;
        self
    }

    fn decode(
        &mut self,
        step: fn(&mut SetWalk<PackedTable>) -> Option<<SetWalk<PackedTable> as Iterator>::Item>,
    ) -> Option<<Self as Iterator>::Item> {
        let decoded = step(&mut self.stored)?
            .and_then(|(key, value)| Ok((key, value.decode(&mut self.buffer.value)?.to_vec())));
        if decoded.is_err() {
            self.stored.end();
        }
        Some(decoded)
    }
}

impl fmt::Debug for PackedSetIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedSetIter").finish_non_exhaustive()
    }
}

impl Iterator for PackedSetIter {
    type Item = Result<(Vec<u8>, Vec<u8>), SetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.decode(SetWalk::next)
    }
}

impl DoubleEndedIterator for PackedSetIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.decode(SetWalk::next_back)
    }
}

impl FusedIterator for PackedSetIter {}
