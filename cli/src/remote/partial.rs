//! The file of a shard while its bytes come.

use graven::Shard;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a write. Linux maps what was written so by pages of this size.
pub(super) const PIECE: usize = 2 << 20;

/// The file of a shard while its bytes come. What it holds was hashed by this process, and is a
/// multiple of [`PIECE`] bytes until the last piece.
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    /// SHA-256 of what is in the file and in the piece.
    hasher: Sha256,
    /// Bytes in the file.
    written: u64,
    /// The piece that comes next in the file.
    piece: Vec<u8>,
    expected: u64,
}

impl Partial {
    /// Opens the file of an earlier run, or makes it. What it holds is read and hashed.
    pub(super) fn open(path: &Path, shard: &Shard) -> io::Result<Self> {
        // The file may be one that was complete and was made read-only.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("is no file: remove it"));
        }
        let options =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = match options() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
                options()?
            }
            opened => opened?,
        };
        let mut partial = Self {
            file,
            path: path.to_owned(),
            hasher: Sha256::new(),
            written: 0,
            piece: Vec::with_capacity(PIECE),
            expected: shard.bytes,
        };
        partial.hash_what_is_there()?;
        partial.reserve()?;
        Ok(partial)
    }

    /// Bytes that have come.
    pub(super) fn len(&self) -> u64 {
        self.written + self.piece.len() as u64
    }

    /// Bytes that are missing.
    pub(super) fn missing(&self) -> u64 {
        self.expected - self.len()
    }

    /// The piece, to which bytes are appended, and the length that it may reach.
    pub(super) fn piece(&mut self) -> (&mut Vec<u8>, u64) {
        let most = (self.expected - self.written).min(PIECE as u64);
        (&mut self.piece, most)
    }

    /// Writes the piece if it is complete. Call this after each append.
    pub(super) fn write_complete(&mut self) -> io::Result<()> {
        let complete = self.piece.len() == PIECE || self.missing() == 0;
        if !complete || self.piece.is_empty() {
            return Ok(());
        }
        self.hasher.update(&self.piece);
        self.file.write_all_at(&self.piece, self.written)?;
        self.written += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// SHA-256 of the whole file, which is complete.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }

    /// Makes the file what readers get.
    pub(super) fn finish(self, mode: u32, durable: bool) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))?;
        if durable { self.file.sync_all() } else { Ok(()) }
    }

    /// Forgets all bytes, which are wrong.
    pub(super) fn start_over(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.hasher = Sha256::new();
        self.written = 0;
        self.piece.clear();
        self.reserve()
    }

    /// Removes the file.
    pub(super) fn remove(self) {
        // A file that stays is hashed by the next run, which finds that it is wrong.
        let _ = fs::remove_file(&self.path);
    }

    fn hash_what_is_there(&mut self) -> io::Result<()> {
        let found = self.file.metadata()?.len();
        // The end of a longer file cannot be right, and the beginning most likely is not, either.
        let found = if found > self.expected { 0 } else { found };
        let whole = found / PIECE as u64 * PIECE as u64;
        let kept = if found == self.expected { found } else { whole };
        self.piece.resize(PIECE, 0);
        while self.written < kept {
            let len = (kept - self.written).min(PIECE as u64) as usize;
            self.file.read_exact_at(&mut self.piece[..len], self.written)?;
            self.hasher.update(&self.piece[..len]);
            self.written += len as u64;
        }
        self.piece.clear();
        self.file.set_len(kept)
    }

    /// Reserves room for all bytes, so that a full disk is found before they come.
    fn reserve(&self) -> io::Result<()> {
        if self.missing() == 0 {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, self.expected) {
            Err(error) if [Errno::NOSPC, Errno::DQUOT, Errno::FBIG].contains(&error) => {
                Err(error.into())
            }
            // The file system reserves nothing.
            _ => Ok(()),
        }
    }
}
