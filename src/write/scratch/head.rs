//! The beginning of a temporary file, which stays in memory as long as there is room.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a piece, but for the last one; and of a value that are copied at once.
pub(crate) const PIECE: usize = 1 << 20;

/// Pieces one after the other. One that was given back is empty.
#[derive(Debug, Default)]
pub(super) struct Head {
    pieces: Mutex<Vec<Vec<u8>>>,
    /// Most pieces.
    most: usize,
}

impl Head {
    /// A head of at most `room` bytes.
    pub(super) fn new(room: usize) -> Self {
        Self { pieces: Mutex::default(), most: room / PIECE }
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a piece that begins at `at`, and leaves an empty buffer in its place; false if there is no
    /// room.
    pub(super) fn keep(&self, piece: &mut Vec<u8>, at: u64) -> bool {
        let mut pieces = self.pieces();
        let fits = pieces.len() < self.most && at == (pieces.len() * PIECE) as u64;
        if fits {
            pieces.push(std::mem::replace(piece, Vec::with_capacity(PIECE)));
        }
        fits
    }

    /// Fills the front of `bytes` from the place `at`, and returns how many are not here.
    pub(super) fn read(&self, mut bytes: &mut [u8], mut at: u64) -> usize {
        let pieces = self.pieces();
        while !bytes.is_empty()
            && let Some(piece) = pieces.get((at / PIECE as u64) as usize)
            && let Some(held) = piece.get(at as usize % PIECE..).filter(|held| !held.is_empty())
        {
            let len = held.len().min(bytes.len());
            let (now, later) = bytes.split_at_mut(len);
            now.copy_from_slice(&held[..len]);
            (bytes, at) = (later, at + len as u64);
        }
        bytes.len()
    }

    /// Drops the pieces that end up to the place `until`: they are read from front to back.
    pub(super) fn free(&self, until: u64) {
        let number = (until / PIECE as u64) as usize;
        self.pieces().iter_mut().take(number).for_each(|piece| *piece = Vec::new());
    }

    /// Gives all pieces away, each with its place.
    pub(super) fn take(&self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        let pieces = std::mem::take(&mut *self.pieces());
        pieces.into_iter().enumerate().map(|(number, piece)| ((number * PIECE) as u64, piece))
    }
}
