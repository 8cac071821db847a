//! SHA-256 of files.

use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};

/// Length and SHA-256 of a file, which is read from its start to its end.
pub(crate) fn sha256(file: &File) -> io::Result<(u64, [u8; 32])> {
    let mut digest = Digesting::new(file);
    while digest.step()? {}
    Ok(digest.finish())
}

/// The SHA-256 of what is read, piece by piece.
pub(super) struct Digesting<R> {
    source: R,
    hasher: Sha256,
    buffer: Vec<u8>,
    /// Bytes that were read.
    pub(super) len: u64,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, hasher: Sha256::new(), buffer: vec![0; 1 << 18], len: 0 }
    }

    /// Reads a piece. Returns false at the end.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(read) => {
                    self.hasher.update(&self.buffer[..read]);
                    self.len += read as u64;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn finish(self) -> (u64, [u8; 32]) {
        (self.len, self.hasher.finalize().into())
    }
}

/// SHA-256 of texts, one after the other.
pub(super) fn sha256_of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    texts.for_each(|text| hasher.update(text));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_has_no_digest() {
        let directory = tempfile::tempdir().unwrap();
        let error = sha256(&File::open(directory.path()).unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    /// Gives its bytes one by one, with a signal before each.
    struct Interrupted<'a> {
        bytes: &'a [u8],
        signal: bool,
    }

    impl Read for Interrupted<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.signal = !self.signal;
            match self.signal {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => self.bytes.read(&mut into[..1]),
            }
        }
    }

    #[test]
    fn a_signal_does_not_end_a_digest() {
        let text = &b"text"[..];
        let mut digest = Digesting::new(Interrupted { bytes: text, signal: false });
        while digest.step().unwrap() {}
        assert_eq!(digest.finish(), (4, sha256_of([text].into_iter())));
    }
}
