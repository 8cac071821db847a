//! Items that are known early and written late. They wait in memory up to a limit, and beyond it in
//! a temporary file.

use super::scratch::Scratch;
use crate::error::BuildError;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are handed back at once, a multiple of the size of any item.
pub(super) const PIECE: usize = 256 << 10;

/// Items that are appended, and read back in order.
pub(super) struct Spool {
    directory: Arc<Path>,
    /// Bytes that may stay in memory.
    limit: usize,
    file: Option<Scratch>,
    /// Bytes in the file. They come before the bytes in memory.
    written: u64,
    /// Full pieces in memory.
    full: Vec<Vec<u8>>,
    /// The piece that is being filled.
    last: Vec<u8>,
}

impl Spool {
    /// An empty spool. The temporary file would be in `directory`; `limit` is in bytes.
    pub(super) fn new(directory: &Arc<Path>, limit: usize) -> Self {
        Self {
            directory: Arc::clone(directory),
            limit,
            file: None,
            written: 0,
            full: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Appends one item or several.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        if self.last.len() + bytes.len() > PIECE {
            return self.append_slowly(bytes);
        }
        self.last.extend_from_slice(bytes);
        Ok(())
    }

    #[cold]
    fn append_slowly(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        while self.last.len() + bytes.len() > PIECE {
            let (now, later) = bytes.split_at(PIECE - self.last.len());
            self.last.extend_from_slice(now);
            bytes = later;
            let held = (self.full.len() + 1) * PIECE;
            if self.file.is_none() && held < self.limit {
                self.full.push(std::mem::replace(&mut self.last, Vec::with_capacity(PIECE)));
            } else {
                self.write_out()?;
            }
        }
        self.last.extend_from_slice(bytes);
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), BuildError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => Scratch::create(&self.directory)?,
        };
        for piece in self.full.drain(..).chain([std::mem::take(&mut self.last)]) {
            file.write(&piece, self.written)?;
            self.written += piece.len() as u64;
            self.last = piece;
        }
        self.full = Vec::new();
        self.last.clear();
        self.file = Some(file);
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.written + (self.full.len() * PIECE + self.last.len()) as u64
    }

    /// Removes everything after the first `len` bytes.
    pub(super) fn truncate(&mut self, len: u64) {
        let Some(kept) = len.checked_sub(self.written) else {
            self.written = len;
            self.full.clear();
            self.last.clear();
            return;
        };
        let kept = kept as usize;
        if kept < self.full.len() * PIECE {
            self.full.truncate(kept / PIECE + 1);
            self.last = self.full.pop().unwrap_or_default();
        }
        self.last.truncate(kept - self.full.len() * PIECE);
    }

    /// Hands all bytes to `take`, in pieces of whole items.
    pub(super) fn read(
        &self,
        mut take: impl FnMut(&mut [u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let mut piece = Vec::new();
        if let Some(file) = &self.file {
            for at in (0..self.written).step_by(PIECE) {
                piece.resize(PIECE.min((self.written - at) as usize), 0);
                file.read(&mut piece, at)?;
                take(&mut piece)?;
            }
        }
        for held in self.full.iter().chain([&self.last]).filter(|held| !held.is_empty()) {
            piece.clear();
            piece.extend_from_slice(held);
            take(&mut piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In memory and spilled, cut short at any place: what was appended comes back.
    #[test]
    fn bytes_come_back() {
        let temporary = tempfile::tempdir().unwrap();
        let directory: Arc<Path> = temporary.path().into();
        let items = 5 * PIECE as u32 / 8 + 77;
        for limit in [0, 1, 2 * PIECE, 3 * PIECE + 1, 100 * PIECE] {
            for kept in [0, 1, 1000, PIECE as u64 / 4, PIECE as u64, u64::from(items)] {
                let mut spool = Spool::new(&directory, limit);
                for item in 0..items {
                    spool.append(&item.to_le_bytes()).unwrap();
                }
                assert_eq!(spool.len(), u64::from(items) * 4);
                let kept = kept.min(u64::from(items));
                spool.truncate(kept * 4);
                let held = spool.full.len() * PIECE + spool.last.len();
                assert!(held <= limit.max(PIECE), "{held} bytes held of {limit}");
                spool.append(&[9; 4]).unwrap();
                let mut back = Vec::new();
                let take = |piece: &mut [u8]| {
                    assert_eq!(piece.len() % 4, 0);
                    back.extend_from_slice(piece);
                    Ok(())
                };
                spool.read(take).unwrap();
                let mut right: Vec<u8> = (0..kept as u32).flat_map(u32::to_le_bytes).collect();
                right.extend([9; 4]);
                assert!(back == right, "limit {limit}, {kept} kept");
            }
        }
    }
}
