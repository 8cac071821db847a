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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;
    use xxhash_rust::xxh3::xxh3_64;

    #[test]
    fn a_piece_waits_for_those_before_it() {
        let order = InOrder::new(Content::new());
        let hash = |piece, bytes: &[u8]| -> ReadResult<()> {
            let mut turn = order.turn(piece);
            turn.update(bytes)?;
            turn.end();
            Ok(())
        };
        thread::scope(|scope| {
            let second = scope.spawn(|| hash(1, b"second"));
            // Long enough for the other one to ask first.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(hash(0, b"first "), Ok(()));
            assert_eq!(second.join().unwrap(), Ok(()));
        });
        assert_eq!(order.into_content().0.digest(), xxh3_64(b"first second"));
    }

    /// Guards against an audit of a damaged table that waits for ever.
    #[test]
    fn pieces_behind_a_failed_one_do_not_wait() {
        let order = InOrder::new(Content::new());
        order.turn(0).end();
        assert_eq!(order.lock().failed, usize::MAX);
        for piece in [4, 2, 3] {
            drop(order.turn(piece));
        }
        assert_eq!(order.lock().failed, 2);
        let damaged = ReadError::corrupt("records before are damaged", 0);
        assert_eq!(order.turn(3).update(b"3"), Err(damaged));
        assert_eq!(order.turn(1).update(b"1"), Ok(()));
    }
}
