//! Reads the records that a build has written, in order: to encode them with another layout, to
//! merge them as a sorted run, or to take the hashes of their keys.

use super::scratch::{Scratch, Stored, Value};
use crate::error::BuildError;
use crate::format::record::{Decoder, Parts, RecordLayout};
use crate::format::{MAX_KEY, SECTION_ALIGN};
use std::sync::Arc;

/// Where records are, and how they are laid out.
#[derive(Clone)]
pub(super) struct Extent {
    pub(super) file: Arc<Scratch>,
    pub(super) layout: RecordLayout,
    /// Where the first record starts, and where the last one ends.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) entries: u64,
}

/// Zeros after a window of records: a length word is always read as four bytes.
const WORD_SLACK: usize = 4;
/// Fewest bytes of a window: it must hold a record's lengths, key and padding.
pub(super) const LEAST_WINDOW: usize = MAX_KEY + 1 + 64 + 64 + 16;

/// Reads records: after each [`advance`](Self::advance) it has a current record.
pub(super) struct RecordReader {
    extent: Extent,
    stride: Option<u64>,
    decoder: Decoder,
    /// Where the next record starts.
    at: u64,
    /// Records from the next one on.
    left: u64,
    /// A part of the file, and where it starts.
    window: Vec<u8>,
    start: u64,
    capacity: usize,
    /// The current record in the window.
    parts: Parts,
    /// The current value, if it is too large for the window.
    stored: Option<Stored>,
}

impl RecordReader {
    /// Reads `capacity` bytes at once.
    pub(super) fn new(extent: Extent, capacity: usize) -> Self {
        Self {
            stride: extent.layout.stride().map(|(stride, _)| stride),
            decoder: extent.layout.decoder(),
            at: extent.start,
            left: extent.entries,
            window: Vec::new(),
            start: extent.start,
            capacity: capacity.max(LEAST_WINDOW),
            parts: Parts { key: 0, key_len: 0, value: 0, value_len: 0 },
            stored: None,
            extent,
        }
    }

    /// Moves to the next record; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, BuildError> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let mut fresh = false;
        loop {
            let from = (self.at - self.start) as usize;
            let known = self.window.len().saturating_sub(WORD_SLACK);
            let parts = match self.stride {
                Some(_) => Some(self.extent.layout.fixed_parts(from)),
                None if from < known => self.decoder.parts(&self.window, from),
                None => None,
            };
            // If the whole key is in the window, so are the lengths before it.
            if let Some(parts) = parts.filter(|parts| parts.key().end <= known) {
                let stored = parts.end() > known;
                if !stored || fresh {
                    let length = (parts.end() - from) as u64;
                    self.stored = stored.then(|| Stored {
                        file: Arc::clone(&self.extent.file),
                        at: self.start + parts.value as u64,
                        len: parts.value_len as u32,
                    });
                    self.at += self.stride.unwrap_or(length);
                    self.parts = parts;
                    return Ok(true);
                }
            }
            if fresh {
                let source = std::io::ErrorKind::InvalidData.into();
                return Err(BuildError::io("read records back", "", self.at, source));
            }
            self.fill()?;
            fresh = true;
        }
    }

    /// Fills the window from the next record on.
    fn fill(&mut self) -> Result<(), BuildError> {
        // Records are decoded by their places in the window: it must keep the file's alignment.
        self.start = self.at & !(SECTION_ALIGN - 1);
        let len = (self.extent.end - self.start).min(self.capacity as u64);
        self.window.resize(len as usize, 0);
        self.extent.file.read(&mut self.window, self.start)?;
        let next = self.start + len;
        self.extent.file.announce(next, (self.extent.end - next).min(self.capacity as u64));
        self.window.extend_from_slice(&[0; WORD_SLACK]);
        Ok(())
    }

    /// The current key.
    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        &self.window[self.parts.key()]
    }

    /// The current value.
    #[inline]
    pub(super) fn value(&self) -> Value<'_> {
        match &self.stored {
            Some(stored) => Value::Stored(stored),
            None => Value::Bytes(&self.window[self.parts.value()]),
        }
    }
}
