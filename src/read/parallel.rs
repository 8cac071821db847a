//! Work on all processors, on threads that end with it. A pool that stays would be missing in a
//! child made by `fork`, which would wait for it for ever; and where no more threads may be
//! started, the one that asks does all of it.

use crate::error::ReadResult;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// How many threads work on so many pieces.
pub(crate) fn threads(pieces: usize) -> usize {
    match pieces {
        // To ask takes as long as a small piece: the system reads limits of control groups.
        0 | 1 => 1,
        _ => thread::available_parallelism().map_or(1, NonZero::get).min(pieces),
    }
}

/// Checks pieces 0 to `pieces`, in this order but for those that are checked at once. After an
/// error none behind it is begun; the error of the first piece that has one is returned.
pub(crate) fn check_pieces(
    pieces: usize,
    check: impl Fn(usize) -> ReadResult<()> + Sync,
) -> ReadResult<()> {
    let threads = threads(pieces);
    let next = AtomicUsize::new(0);
    // All pieces before it are to be checked.
    let end = AtomicUsize::new(pieces);
    let first = Mutex::new(None);
    let work = || {
        loop {
            let piece = next.fetch_add(1, Relaxed);
            if piece >= end.load(Relaxed) {
                return;
            }
            if let Err(error) = check(piece) {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                if end.fetch_min(piece, Relaxed) > piece {
                    *first = Some(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ReadError, ReadFailure};
    use std::time::Duration;

    #[test]
    fn threads_are_as_many_as_processors_and_no_more_than_pieces() {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        assert_eq!([0, 1, 2].map(threads), [1, 1, processors.min(2)]);
        assert_eq!(threads(usize::MAX), processors);
    }

    #[test]
    fn every_piece_is_checked_once() {
        for pieces in [0, 1, 2, 1000] {
            let checked: Vec<_> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
            let count = |piece: usize| {
                checked[piece].fetch_add(1, Relaxed);
                Ok(())
            };
            assert!(check_pieces(pieces, count).is_ok());
            assert!(checked.iter().all(|count| count.load(Relaxed) == 1), "{pieces}");
        }
    }

    /// Whichever of two pieces that are checked at once fails first.
    #[test]
    fn the_first_error_is_told() {
        for slow in [17, 18] {
            let checked = AtomicUsize::new(0);
            let check = |piece: usize| {
                checked.fetch_add(1, Relaxed);
                // Long enough for the other one.
                thread::sleep(Duration::from_millis(if piece == slow { 20 } else { 5 }));
                match piece {
                    17 | 18 | 29 => Err(ReadError::corrupt("bad", piece as u64)),
                    _ => Ok(()),
                }
            };
            let found = check_pieces(1000, check);
            assert!(
                matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Corrupt { offset: 17, .. })),
                "{found:?}"
            );
            assert!(checked.load(Relaxed) < 1000, "it goes on after an error");
        }
    }
}
