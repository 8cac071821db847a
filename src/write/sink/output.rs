//! The file under a sink. It counts, sums and hashes the bytes that the file has accepted.

use crate::error::BuildError;
use crate::file::io::{CHUNK, write_all_at};
use crate::format::sums::{self, SUM_BYTES, UNIT};
use crate::write::spool::{PIECE, Spool};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Most bytes of disk space that are reserved at once.
const RESERVED: u64 = 64 << 20;

/// A file that is written from front to back.
pub(super) struct Output {
    file: File,
    path: PathBuf,
    /// Bytes written.
    at: u64,
    /// CRC of every finished unit. The CRC of unit 0 is replaced once the header is known.
    crcs: Spool,
    /// The first unit, in which the header is still missing.
    first: Vec<u8>,
    /// Hash of the written bytes, without the header.
    content: Xxh3,
    /// Bytes of the header, as long as they have not been skipped.
    unhashed: usize,
    /// Where the reserved disk space ends; at least the length of the file.
    reserved: u64,
    expected: u64,
    /// Whether the file system can reserve disk space.
    reserves: bool,
}

/// A place to go back to.
pub(super) struct Mark {
    at: u64,
    content: Xxh3,
    unhashed: usize,
    crcs: u64,
}

impl Output {
    pub(super) fn new(
        file: &File,
        path: &Path,
        header: usize,
        directory: &Arc<Path>,
        expected: u64,
    ) -> Result<Self, BuildError> {
        let file = file
            .try_clone()
            .map_err(|e| BuildError::io("write the unpublished table", path, 0, e))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            at: 0,
            crcs: Spool::new(directory, 4 * PIECE),
            first: Vec::new(),
            content: Xxh3::new(),
            unhashed: header,
            reserved: 0,
            expected,
            reserves: true,
        })
    }

    /// Writes bytes, then sums and hashes them. All but the last call give [`CHUNK`] bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.reserve(bytes.len())?;
        self.write_at(bytes, self.at)?;
        if self.at == 0 {
            self.first = bytes[..bytes.len().min(UNIT)].to_vec();
        }
        for unit in bytes.chunks(UNIT) {
            self.crcs.append(&sums::crc(unit).to_le_bytes())?;
        }
        self.content.update(&bytes[self.unhashed.min(bytes.len())..]);
        self.unhashed = 0;
        self.at += bytes.len() as u64;
        self.reserved = self.reserved.max(self.at);
        Ok(())
    }

    /// Writes bytes that will be written again, together with bytes after them.
    pub(super) fn peek(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.write_at(bytes, self.at)?;
        self.reserved = self.reserved.max(self.at + bytes.len() as u64);
        Ok(())
    }

    /// Reserves disk space for the next full chunk and for some that follow. The file then lies in
    /// few pieces, and a full disk is found early. Files smaller than a chunk are not worth it.
    fn reserve(&mut self, len: usize) -> Result<(), BuildError> {
        let end = self.at + len as u64;
        if !self.reserves || len < CHUNK || end <= self.reserved {
            return Ok(());
        }
        // As much as was written so far, since the end may be near, or as much as is known to come.
        let more = self.at.max(self.expected.saturating_sub(self.at));
        let more = more.clamp(CHUNK as u64, RESERVED) & !(CHUNK as u64 - 1);
        match reserve(&self.file, self.at, more) {
            Ok(()) => self.reserved = self.at + more,
            Err(source) => {
                self.reserves = false;
                let error =
                    BuildError::io("write the unpublished table", &self.path, self.at, source);
                let known = self.at + more <= self.expected;
                if matches!(error, BuildError::OutOfSpace { .. }) && known {
                    return Err(error);
                }
                // Not every file system can reserve, and the space may not be needed.
            }
        }
        Ok(())
    }

    pub(super) fn content(&self) -> Xxh3 {
        self.content.clone()
    }

    /// The hash of the written bytes followed by `more`.
    pub(super) fn digest(&self, more: &[u8]) -> u128 {
        let mut content = self.content.clone();
        content.update(&more[self.unhashed.min(more.len())..]);
        content.digest128()
    }

    pub(super) fn mark(&self) -> Mark {
        let (content, unhashed) = (self.content.clone(), self.unhashed);
        Mark { at: self.at, content, unhashed, crcs: self.crcs.len() }
    }

    pub(super) fn go_back(&mut self, mark: &Mark) {
        self.at = mark.at;
        self.content = mark.content.clone();
        self.unhashed = mark.unhashed;
        self.crcs.truncate(mark.crcs);
    }

    /// Writes sums and footer after the body and the header into its place, and gives reserved
    /// space back that was not needed.
    pub(super) fn finish(
        &mut self,
        end: u64,
        header: &[u8],
        footer: &[u8],
        build_id: &[u8; 16],
        tail: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        self.first[..header.len()].copy_from_slice(header);
        let first = sums::crc(&self.first);
        let (mut unit, mut at) = (0, end);
        tail.clear();
        self.crcs.read(|crcs| {
            for crc in crcs.as_chunks().0 {
                let crc = if unit == 0 { first } else { u32::from_le_bytes(*crc) };
                let sum = crc ^ sums::mask(build_id, unit);
                tail.extend_from_slice(&sum.to_le_bytes());
                unit += 1;
            }
            if tail.len() + PIECE > CHUNK {
                self.write_at(tail, at)?;
                at += tail.len() as u64;
                tail.clear();
            }
            Ok(())
        })?;
        debug_assert_eq!(unit, sums::units(end));
        tail.extend_from_slice(footer);
        self.write_at(tail, at)?;
        self.write_at(header, 0)?;
        let file_bytes = end + unit * SUM_BYTES + footer.len() as u64;
        if self.reserved > file_bytes {
            self.file.set_len(file_bytes).map_err(|e| {
                BuildError::io("cut the unpublished table to its length", &self.path, end, e)
            })?;
        }
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), BuildError> {
        write_all_at(&self.file, bytes, at)
            .map_err(|e| BuildError::io("write the unpublished table", &self.path, at, e))
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, at: u64, len: u64) -> std::io::Result<()> {
    let flags = rustix::fs::FallocateFlags::empty();
    Ok(rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, flags, at, len))?)
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: u64) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
