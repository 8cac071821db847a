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

/// The SHA-256 of a file, piece by piece.
pub(super) struct Digesting<'f> {
    file: &'f File,
    hasher: Sha256,
    buffer: Vec<u8>,
    /// Bytes that were read.
    pub(super) len: u64,
}

impl<'f> Digesting<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self { file, hasher: Sha256::new(), buffer: vec![0; 1 << 18], len: 0 }
    }

    /// Reads a piece. Returns false at the end of the file.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        loop {
            match self.file.read(&mut self.buffer) {
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
}
