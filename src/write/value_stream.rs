//! Values that come from a reader. A short value is read into memory, a long one into a file.

use super::scratch::{Scratch, Stored};
use crate::error::BuildError;
use std::io::{self, Read};
use std::sync::Arc;

/// Most bytes of a value in memory. A value of this length or more goes to a file in pieces of this
/// size.
const PIECE: usize = 2 << 20;

/// Reads values.
#[derive(Default)]
pub(super) struct ValueStream {
    /// The bytes that were read last.
    piece: Vec<u8>,
}

impl ValueStream {
    /// Reads the first [`PIECE`] bytes of a value. Returns the value if these are all of it.
    pub(super) fn begin(&mut self, value: &mut dyn Read) -> io::Result<Option<&[u8]>> {
        let whole = self.fill(value)? < PIECE;
        Ok(whole.then_some(&self.piece))
    }

    /// Writes the value that [`begin`](Self::begin) has read in part to `file`, at the place `at`.
    /// `most` is the longest length that is allowed; errors name the number `entry`.
    pub(super) fn store(
        &mut self,
        value: &mut dyn Read,
        file: Arc<Scratch>,
        at: u64,
        most: u64,
        entry: u64,
    ) -> Result<Stored, BuildError> {
        let mut len = 0;
        while !self.piece.is_empty() {
            let end = len + self.piece.len() as u64;
            if end > most {
                let len = usize::try_from(end).unwrap_or(usize::MAX);
                return Err(BuildError::ValueTooLong { len, entry });
            }
            file.write(&self.piece, at + len)?;
            len = end;
            self.fill(value).map_err(|source| BuildError::ValueReader { entry, source })?;
        }
        Ok(Stored { file, at, len: len as u32 })
    }

    fn fill(&mut self, value: &mut dyn Read) -> io::Result<usize> {
        self.piece.clear();
        value.take(PIECE as u64).read_to_end(&mut self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Value;
    use super::*;

    fn store(len: usize, most: usize) -> Result<Vec<u8>, BuildError> {
        let file = Arc::new(Scratch::create(&std::env::temp_dir()).unwrap());
        let bytes: Vec<u8> = (0..len).map(|i| (i / 7) as u8).collect();
        let (mut stream, mut reader) = (ValueStream::default(), &bytes[..]);
        let whole = stream.begin(&mut reader).unwrap();
        assert_eq!(whole.is_some(), len < PIECE);
        let stored = stream.store(&mut reader, file, 11, most as u64, 3)?;
        let mut back = Vec::new();
        let copied = Value::Stored(&stored).copy(|piece| {
            back.extend_from_slice(piece);
            Ok(())
        });
        copied.unwrap();
        assert!(back == bytes, "{len} bytes");
        Ok(back)
    }

    #[test]
    fn a_value_of_any_number_of_pieces_comes_back() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5] {
            store(len, len).unwrap();
        }
    }

    #[test]
    fn a_value_too_long_is_refused_on_the_way() {
        for (len, most) in [(PIECE + 1, PIECE), (3 * PIECE, 2 * PIECE + 5), (PIECE, PIECE - 1)] {
            let error = store(len, most).expect_err("too long");
            match error {
                BuildError::ValueTooLong { len: got, entry: 3 } => assert!(most < got),
                other => panic!("{other:?}"),
            }
        }
    }
}
