//! Files that a build writes on the way and reads back. They have no name, so nothing is left of
//! them whatever happens, and they are read with `pread`: a mapping would count as memory.

use crate::error::BuildError;
use crate::file::io::{read_exact_at, write_all_at};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds before hours of work whether files for sorting can be made.
pub(super) fn check(directory: &Path) -> Result<(), BuildError> {
    tempfile::tempfile_in(directory)
        .map(drop)
        .map_err(|e| BuildError::io("create temporary files", directory, 0, e))
}

/// A file that can be read in any place.
#[derive(Debug)]
pub(super) struct Scratch {
    file: File,
    /// What messages name: the directory of a temporary file.
    path: PathBuf,
}

impl Scratch {
    /// A temporary file in `directory`.
    pub(super) fn create(directory: &Path) -> Result<Self, BuildError> {
        let file = tempfile::tempfile_in(directory)
            .map_err(|e| BuildError::io("create a temporary file", directory, 0, e))?;
        Ok(Self { file, path: directory.to_owned() })
    }

    /// A second handle of a file that has been written.
    pub(super) fn of(file: &File, path: &Path) -> Result<Self, BuildError> {
        let file = file.try_clone().map_err(|e| BuildError::io("read records back", path, 0, e))?;
        Ok(Self { file, path: path.to_owned() })
    }

    pub(super) fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), BuildError> {
        read_exact_at(&self.file, bytes, at)
            .map_err(|e| BuildError::io("read a temporary file", &self.path, at, e))
    }

    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<(), BuildError> {
        write_all_at(&self.file, bytes, at)
            .map_err(|e| BuildError::io("write a temporary file", &self.path, at, e))
    }

    /// Tells the system what is read next, so that the disk works ahead.
    pub(super) fn announce(&self, at: u64, len: u64) {
        #[cfg(target_os = "linux")]
        if let Some(len) = std::num::NonZeroU64::new(len) {
            // Advice may be ignored, and so may be that it was.
            let _ = rustix::fs::fadvise(&self.file, at, Some(len), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (at, len);
    }

    /// Bytes that the file takes on the disk.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn taken(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().unwrap().blocks() * 512
    }

    /// Gives the room of bytes back that nobody reads any more: on the disk, and in the page cache
    /// without their being written. File systems that can't keep them until the end.
    pub(super) fn free(&self, bytes: Range<u64>) {
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

/// A value that is to be written: in memory, or still in a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'v> {
    Bytes(&'v [u8]),
    Stored(&'v Stored),
}

/// A value in a file, too large to be held in memory.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) file: Arc<Scratch>,
    pub(super) at: u64,
    pub(super) len: u32,
}

/// Bytes of a stored value that are copied at once.
const PIECE: usize = 1 << 20;

impl Value<'_> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stored(stored) => stored.len as usize,
        }
    }

    /// Hands the bytes on, in pieces where they are not in memory.
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
