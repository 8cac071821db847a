//! A sorted run: entries as the arena wrote them, or records of a table that was begun and given
//! up.

use super::entry::{ELSEWHERE, EntryParts, lengths, parts, reference, referred};
use crate::error::BuildError;
use crate::format::MAX_KEY;
use crate::write::reread::{Extent, RecordReader};
use crate::write::scratch::{PIECE, Scratch, Stored, Value};
use std::ops::Range;
use std::sync::Arc;

/// Where a run is.
pub(crate) enum Run {
    /// Entries, in pieces one after the other.
    Spilled(Vec<Piece>),
    /// Records of a table.
    Written(Extent),
}

/// A part of a run: whole entries in a file.
pub(crate) struct Piece {
    pub(super) file: Arc<Scratch>,
    pub(super) range: Range<u64>,
}

impl Run {
    /// A reader that reads `capacity` bytes at once and gives the disk space of spilled entries back
    /// once they were read. `large` is the file for large values.
    pub(crate) fn reader(self, capacity: usize, large: Option<&Arc<Scratch>>) -> Reader {
        match self {
            Self::Spilled(pieces) => Reader::Spilled(Entries {
                pieces: pieces.into_iter(),
                file: None,
                freed: 0,
                large: large.cloned(),
                next: 0,
                end: 0,
                window: Vec::new(),
                at: 0,
                after: 0,
                capacity: capacity.max(LEAST),
                parts: EntryParts { key: 0..0, value: 0..0, elsewhere: false },
                stored: None,
            }),
            Self::Written(extent) => Reader::Written(Box::new(RecordReader::new(extent, capacity))),
        }
    }
}

/// Fewest bytes of a window: it must hold an entry but for its value.
pub(super) const LEAST: usize = 2 * (MAX_KEY + 1);

/// Disk space is given back in multiples of this, a multiple of the block size of any file system.
const FREED: u64 = 64 << 10;

/// Reads a run: after each [`advance`](Self::advance) it has a current entry.
pub(crate) enum Reader {
    Spilled(Entries),
    Written(Box<RecordReader>),
}

impl Reader {
    /// Moves to the next entry; false at the end.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool, BuildError> {
        match self {
            Self::Spilled(entries) => entries.advance(),
            Self::Written(records) => records.advance(),
        }
    }

    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Spilled(entries) => &entries.window[entries.parts.key.clone()],
            Self::Written(records) => records.key(),
        }
    }

    #[inline]
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Spilled(entries) => match &entries.stored {
                Some(stored) => Value::Stored(stored),
                None => Value::Bytes(&entries.window[entries.parts.value.clone()]),
            },
            Self::Written(records) => records.value(),
        }
    }
}

/// Reads spilled entries.
pub(crate) struct Entries {
    /// The pieces after the current one.
    pieces: std::vec::IntoIter<Piece>,
    file: Option<Arc<Scratch>>,
    large: Option<Arc<Scratch>>,
    /// Where in the file the window ends, and where the piece ends.
    next: u64,
    end: u64,
    /// Where the disk space begins that has not been given back.
    freed: u64,
    window: Vec<u8>,
    /// Where the next entry starts in the window, and bytes of the current value beyond the window.
    at: usize,
    after: u64,
    capacity: usize,
    parts: EntryParts,
    stored: Option<Stored>,
}

impl Entries {
    #[inline]
    fn advance(&mut self) -> Result<bool, BuildError> {
        self.parts = parts(&self.window, self.at);
        if self.parts.value.end > self.window.len() || self.parts.elsewhere {
            return self.advance_slowly();
        }
        self.stored = None;
        self.at = self.parts.value.end;
        Ok(true)
    }

    #[cold]
    fn advance_slowly(&mut self) -> Result<bool, BuildError> {
        if self.after > 0 {
            // The value that did not fit in the window may still be read: its space stays.
            self.next += std::mem::take(&mut self.after);
            self.freed = self.next.next_multiple_of(FREED);
        }
        let held = self.window.len().saturating_sub(self.at);
        if held == 0 && self.next == self.end && !self.next_piece() {
            return Ok(false);
        }
        if parts(&self.window, self.at).value.end > self.window.len() {
            self.fill()?;
        }
        let found = parts(&self.window, self.at);
        if found.key.end > self.window.len() {
            let source = std::io::ErrorKind::InvalidData.into();
            return Err(BuildError::io("read a sorted run", "", self.next, source));
        }
        self.stored = None;
        self.at = found.value.end;
        if found.elsewhere {
            let (window, at) = (&self.window, found.value.start);
            self.stored = self.large.as_ref().map(|file| referred(window, at, file));
        } else if let Some(after) = self.at.checked_sub(self.window.len()).filter(|&n| n > 0) {
            // A value that does not fit in the window is read when it is copied.
            let inside = (self.window.len() - found.value.start) as u64;
            let (at, len) = (self.next - inside, found.value.len() as u32);
            let file = self.file.as_ref();
            self.stored = file.map(|file| Stored { file: Arc::clone(file), at, len });
            self.after = after as u64;
            self.at = self.window.len();
        }
        self.parts = found;
        Ok(true)
    }

    /// Goes on to the next piece with an entry, if there is one.
    fn next_piece(&mut self) -> bool {
        self.free(self.end);
        let next = self.pieces.find(|piece| !piece.range.is_empty());
        let Some(Piece { file, range }) = next else { return false };
        self.file = Some(file);
        (self.next, self.end) = (range.start, range.end);
        self.freed = range.start.next_multiple_of(FREED);
        true
    }

    /// Gives back the disk space up to `until`, so that a merge does not need space twice.
    fn free(&mut self, until: u64) {
        let until = until & !(FREED - 1);
        if let Some(file) = &self.file
            && until > self.freed
        {
            file.free(self.freed..until);
            self.freed = until;
        }
    }

    /// Makes the window begin with the next entry.
    fn fill(&mut self) -> Result<(), BuildError> {
        self.window.drain(..self.at);
        self.at = 0;
        let held = self.window.len();
        self.free(self.next - held as u64);
        let more = (self.capacity - held.min(self.capacity)) as u64;
        let more = more.min(self.end - self.next);
        self.window.resize(held + more as usize, 0);
        if let Some(file) = &self.file {
            file.read(&mut self.window[held..], self.next)?;
            self.next += more;
            file.announce(self.next, (self.end - self.next).min(self.capacity as u64));
        }
        Ok(())
    }
}

/// Writes a run, entry after entry. A value in the file for large values stays there.
pub(crate) struct Writer {
    file: Arc<Scratch>,
    start: u64,
    at: u64,
    piece: Vec<u8>,
    large: Option<Arc<Scratch>>,
}

impl Writer {
    /// A run that starts at `start`.
    pub(crate) fn new(file: &Arc<Scratch>, start: u64, large: Option<Arc<Scratch>>) -> Self {
        Self { file: Arc::clone(file), start, at: start, piece: Vec::with_capacity(PIECE), large }
    }

    pub(crate) fn push(&mut self, key: &[u8], value: Value<'_>) -> Result<(), BuildError> {
        if let Value::Stored(Stored { file, at, len }) = value
            && self.large.as_ref().is_some_and(|large| Arc::ptr_eq(large, file))
        {
            self.write(&lengths(key.len(), ELSEWHERE))?;
            self.write(key)?;
            return self.write(&reference(*at, *len));
        }
        self.write(&lengths(key.len(), value.len() as u32))?;
        self.write(key)?;
        value.copy(|bytes| self.write(bytes))
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        while self.piece.len() + bytes.len() > PIECE {
            let (now, later) = bytes.split_at(PIECE - self.piece.len());
            self.piece.extend_from_slice(now);
            self.flush()?;
            bytes = later;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BuildError> {
        let len = self.piece.len() as u64;
        self.file.write_piece(&mut self.piece, self.at)?;
        self.at += len;
        Ok(())
    }

    /// The run and where it ends.
    pub(crate) fn finish(mut self) -> Result<(Run, u64), BuildError> {
        self.flush()?;
        let piece = Piece { file: self.file, range: self.start..self.at };
        Ok((Run::Spilled(vec![piece]), self.at))
    }
}
