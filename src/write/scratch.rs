//! Temporary files of a build. They have no name, so nothing is left of them however the process
//! ends. They are read with `pread`: the pages of a mapping would count as memory of the process.

mod head;

use crate::error::BuildError;
use crate::file::io::{read_exact_at, write_all_at};
use head::Head;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use head::PIECE;

/// Finds out before hours of work whether temporary files can be made in `directory`.
pub(super) fn check(directory: &Path) -> Result<(), BuildError> {
    tempfile::tempfile_in(directory)
        .map(drop)
        .map_err(|e| BuildError::io("create temporary files", directory, 0, e))
}

/// A file that is written and read in any place.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: File,
    /// The path that errors name: the directory of a temporary file.
    path: PathBuf,
    head: Option<Head>,
}

impl Scratch {
    /// A temporary file in `directory`.
    pub(super) fn create(directory: &Path) -> Result<Self, BuildError> {
        let file = tempfile::tempfile_in(directory)
            .map_err(|e| BuildError::io("create a temporary file", directory, 0, e))?;
        Ok(Self { file, path: directory.to_owned(), head: None })
    }

    /// Another handle of `file`. Errors name `path`.
    pub(super) fn of(file: &File, path: &Path) -> Result<Self, BuildError> {
        let file = file.try_clone().map_err(|e| BuildError::io("read records back", path, 0, e))?;
        Ok(Self { file, path: path.to_owned(), head: None })
    }

    /// This file, of which the first `room` bytes stay in memory if they come by
    /// [`write_piece`](Self::write_piece).
    pub(super) fn with_head(self, room: usize) -> Self {
        Self { head: Some(Head::new(room)), ..self }
    }

    /// Fills `bytes` from the place `at`.
    pub(super) fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), BuildError> {
        let left = match &self.head {
            Some(head) => head.read(bytes, at),
            None => bytes.len(),
        };
        let held = bytes.len() - left;
        let at = at + held as u64;
        read_exact_at(&self.file, &mut bytes[held..], at)
            .map_err(|e| BuildError::io("read a temporary file", &self.path, at, e))
    }

    /// Writes `bytes` at the place `at`.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<(), BuildError> {
        write_all_at(&self.file, bytes, at)
            .map_err(|e| BuildError::io("write a temporary file", &self.path, at, e))
    }

    /// Writes a piece at the place `at` and empties it. Pieces have [`PIECE`] bytes, but for the last one.
    pub(super) fn write_piece(&self, piece: &mut Vec<u8>, at: u64) -> Result<(), BuildError> {
        if self.head.as_ref().is_some_and(|head| head.keep(piece, at)) {
            return Ok(());
        }
        self.write(piece, at)?;
        piece.clear();
        Ok(())
    }

    /// Writes what is still in memory.
    pub(super) fn write_head(&self) -> Result<(), BuildError> {
        let head = self.head.iter().flat_map(Head::take);
        head.into_iter().try_for_each(|(at, piece)| self.write(&piece, at))
    }

    /// Tells the system which bytes are read next, so that it reads them from the disk meanwhile.
    pub(super) fn announce(&self, at: u64, len: u64) {
        #[cfg(target_os = "linux")]
        if let Some(len) = std::num::NonZeroU64::new(len) {
            // Only advice: an error changes nothing.
            let _ = rustix::fs::fadvise(&self.file, at, Some(len), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (at, len);
    }

    /// Disk space of the file in bytes.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn taken(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().unwrap().blocks() * 512
    }

    /// Gives the disk space of bytes back that nobody reads any more. If they are only in the page
    /// cache, they are never written. A file system that can't do so keeps them until the end.
    pub(super) fn free(&self, bytes: Range<u64>) {
        if let Some(head) = &self.head {
            head.free(bytes.end);
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(&self.file, flags, bytes.start, bytes.end - bytes.start);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = bytes;
    }
}

/// A value that is to be written: in memory or in a temporary file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'v> {
    Bytes(&'v [u8]),
    Stored(&'v Stored),
}

/// A value in a temporary file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(super) file: Arc<Scratch>,
    pub(super) at: u64,
    pub(super) len: u32,
}

/// Bytes at the start of a stored value.
const START: usize = 32 << 10;

impl Value<'_> {
    /// Length in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stored(stored) => stored.len as usize,
        }
    }

    /// Hands the bytes to `to`, in pieces if they are in a file.
    #[inline]
    pub(super) fn copy(
        &self,
        mut to: impl FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        match self {
            Self::Bytes(bytes) => to(bytes),
            Self::Stored(stored) => stored.copy(&mut to),
        }
    }
}

impl Stored {
    /// The first bytes, as many as a sample takes.
    pub(super) fn start(&self) -> Result<Vec<u8>, BuildError> {
        let mut start = vec![0; (self.len as usize).min(START)];
        self.file.read(&mut start, self.at)?;
        Ok(start)
    }

    #[cold]
    fn copy(&self, to: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>) -> Result<(), BuildError> {
        let len = self.len as usize;
        let mut piece = vec![0; len.min(PIECE)];
        for done in (0..len).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(len - done)];
            self.file.read(piece, self.at + done as u64)?;
            to(piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces stay in memory as long as there is room; all bytes are read from where they are, and can
    /// be given to the file.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_first_pieces_stay_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3 * PIECE + 100).map(|i| (i / 7 % 251) as u8).collect();
        for (room, in_file) in [(0, 4), (PIECE, 3), (2 * PIECE + 5, 2), (9 * PIECE, 0)] {
            let file = Scratch::create(directory.path()).unwrap().with_head(room);
            for (number, piece) in bytes.chunks(PIECE).enumerate() {
                let mut piece = piece.to_vec();
                file.write_piece(&mut piece, (number * PIECE) as u64).unwrap();
                assert!(piece.is_empty());
            }
            let pieces_in_file = file.taken().div_ceil(PIECE as u64);
            assert_eq!(pieces_in_file, in_file, "{room}");
            let read = |at: usize, len: usize| {
                let mut read = vec![0; len];
                file.read(&mut read, at as u64).unwrap();
                assert!(read == bytes[at..at + len], "{room}, {at}");
            };
            for at in [0, 1, PIECE - 1, PIECE, 2 * PIECE - 9, 3 * PIECE + 1] {
                read(at, 10);
            }
            read(0, bytes.len());
            if in_file < 4 {
                file.write_head().unwrap();
                assert_eq!(file.taken().div_ceil(PIECE as u64), 4);
                read(0, bytes.len());
            }
        }
    }
}
