//! Records that a build wrote, read back in order: to encode them anew when they turn out not to
//! be of one width, to merge them when they turn out to be a sorted run, to take their hashes.

use super::scratch::{Scratch, Stored, Value};
use crate::error::BuildError;
use crate::format::record::{Decoder, Parts, RecordLayout};
use crate::format::{MAX_KEY, SECTION_ALIGN};
use std::sync::Arc;

/// Where the records of a file are.
#[derive(Clone)]
pub(super) struct Extent {
    pub(super) file: Arc<Scratch>,
    pub(super) layout: RecordLayout,
    /// Where the first one starts, and where the last one ends.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) entries: u64,
}

/// Zeros after a window of records, since a length word is read as four bytes.
const WORD_SLACK: usize = 4;
/// What a window must hold: a record's lengths, padding and key.
pub(super) const LEAST_WINDOW: usize = MAX_KEY + 1 + 64 + 64 + 16;

/// A record of [`RecordReader`]: its value is not in memory if it is too large for the window.
pub(super) struct RecordReader {
    extent: Extent,
    stride: Option<u64>,
    decoder: Decoder,
    /// Where the next record starts.
    at: u64,
    left: u64,
    /// A part of the file and where it starts.
    window: Vec<u8>,
    start: u64,
    capacity: usize,
    parts: Parts,
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
            // What stands in front of a key that is there was read whole.
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

    /// Reads on from the next record.
    fn fill(&mut self) -> Result<(), BuildError> {
        // Keeps the window on the alignment that places are computed with.
        self.start = self.at & !(SECTION_ALIGN - 1);
        let len = (self.extent.end - self.start).min(self.capacity as u64);
        self.window.resize(len as usize, 0);
        self.extent.file.read(&mut self.window, self.start)?;
        let next = self.start + len;
        self.extent.file.announce(next, (self.extent.end - next).min(self.capacity as u64));
        self.window.extend_from_slice(&[0; WORD_SLACK]);
        Ok(())
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        &self.window[self.parts.key()]
    }

    #[inline]
    pub(super) fn value(&self) -> Value<'_> {
        match &self.stored {
            Some(stored) => Value::Stored(stored),
            None => Value::Bytes(&self.window[self.parts.value()]),
        }
    }
}
