//! The build id, computed from bytes that come in pieces from several threads.

use crate::error::{ReadError, ReadResult};
use crate::format::header::build_id;
use crate::read::view::View;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// The hash of the part of the body that was read so far.
pub(super) struct Content(Xxh3);

impl Content {
    pub(super) fn new() -> Self {
        Self(Xxh3::new())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Compares the build id, once the whole body was read.
    pub(super) fn check(self, view: &View) -> ReadResult<()> {
        let layout = view.layout();
        if build_id(self.0, &view.bytes()[..layout.header_size]) == layout.build_id {
            return Ok(());
        }
        Err(ReadError::corrupt("build id does not fit the content", 24))
    }
}

/// Hashes content in the order of the pieces, whichever threads hold them.
pub(super) struct InOrder {
    state: Mutex<State>,
    next: Condvar,
}

struct State {
    content: Content,
    /// The piece whose bytes come next.
    piece: usize,
    /// The first piece that has an error. Pieces behind it stop waiting.
    failed: usize,
}

/// A piece's turn. If it is dropped without [`end`](Self::end), pieces behind it stop waiting.
pub(super) struct Turn<'o> {
    order: &'o InOrder,
    piece: usize,
    ended: bool,
}

impl InOrder {
    pub(super) fn new(content: Content) -> Self {
        let state = State { content, piece: 0, failed: usize::MAX };
        Self { state: Mutex::new(state), next: Condvar::new() }
    }

    pub(super) fn turn(&self, piece: usize) -> Turn<'_> {
        Turn { order: self, piece, ended: false }
    }

    pub(super) fn into_content(self) -> Content {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).content
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Hashes the next bytes of the piece, once all bytes of the pieces before it were hashed.
    ///
    /// # Errors
    /// A piece before this one has an error; that error is the one to report.
    pub(super) fn update(&mut self, bytes: &[u8]) -> ReadResult<()> {
        let piece = self.piece;
        let waits = |state: &mut State| state.piece != piece && state.failed > piece;
        let state = self.order.next.wait_while(self.order.lock(), waits);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.piece != piece {
            return Err(ReadError::corrupt("records before are damaged", 0));
        }
        state.content.update(bytes);
        Ok(())
    }

    /// Ends the turn, after the piece's last bytes.
    pub(super) fn end(mut self) {
        self.ended = true;
        self.order.lock().piece = self.piece + 1;
        self.order.next.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let mut state = self.order.lock();
            state.failed = state.failed.min(self.piece);
            drop(state);
            self.order.next.notify_all();
        }
    }
}
