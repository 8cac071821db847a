//! Bytes in, file out: chunks of 2 MiB at multiples of 2 MiB, so that Linux keeps the file in
//! 2 MiB pages and maps it with them; on the way every unit gets its CRC and the content its hash.

use crate::error::BuildError;
use crate::format::sums::{self, UNIT};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// Bytes of one write. Measured: smaller writes give no 2 MiB pages (format.md).
pub(super) const CHUNK: usize = 2 << 20;

/// An append-only output file whose first bytes are patched at the end.
pub(super) struct Sink {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    /// File offset of the buffer's first byte, a multiple of [`CHUNK`].
    start: u64,
    /// CRC of every finished unit; that of unit 0 is made when its header is known.
    crcs: Vec<u32>,
    /// The first unit, kept for the patch.
    first: Vec<u8>,
    /// Hash of everything after the first `unhashed` bytes.
    content: Xxh3,
    unhashed: usize,
}

/// What is known once everything before the sums is written.
pub(super) struct Body {
    /// Content hash without the header.
    pub(super) content: Xxh3,
    /// Where the body ends and the sums start.
    pub(super) end: u64,
}

impl Sink {
    /// A sink for `file`, whose first `header` bytes are left for [`Sink::finish`].
    pub(super) fn new(file: &File, path: &Path, header: usize) -> Result<Self, BuildError> {
        let file = file
            .try_clone()
            .map_err(|e| BuildError::io("write the unpublished table", path, 0, e))?;
        let mut buffer = Vec::with_capacity(CHUNK);
        buffer.resize(header, 0);
        Ok(Self {
            file,
            path: path.to_owned(),
            buffer,
            start: 0,
            crcs: Vec::new(),
            first: Vec::new(),
            content: Xxh3::new(),
            unhashed: header,
        })
    }

    /// Bytes so far, header included.
    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Appends `bytes`.
    #[inline]
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), BuildError> {
        while bytes.len() >= CHUNK - self.buffer.len() {
            let (now, later) = bytes.split_at(CHUNK - self.buffer.len());
            self.buffer.extend_from_slice(now);
            self.flush()?;
            bytes = later;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends zeros up to a multiple of the power of two `align`.
    pub(super) fn pad_to(&mut self, align: u64) -> Result<(), BuildError> {
        let missing = self.position().wrapping_neg() & (align - 1);
        self.write_zeros(missing as usize)
    }

    /// Appends `count` zeros, at most 4 KiB.
    #[inline]
    pub(super) fn write_zeros(&mut self, count: usize) -> Result<(), BuildError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        self.write(&ZEROS[..count])
    }

    /// Writes the buffer, then accounts for the bytes that the file accepted.
    fn flush(&mut self) -> Result<(), BuildError> {
        self.write_at(&self.buffer, self.start)?;
        if self.start == 0 {
            self.first = self.buffer[..self.buffer.len().min(UNIT)].to_vec();
        }
        self.crcs.extend(self.buffer.chunks(UNIT).map(sums::crc));
        self.content.update(&self.buffer[self.unhashed..]);
        self.unhashed = 0;
        self.start += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the body. Afterwards only [`Sink::finish`] may follow.
    pub(super) fn end_body(&mut self) -> Result<Body, BuildError> {
        let end = self.position();
        self.flush()?;
        Ok(Body { content: self.content.clone(), end })
    }

    /// Writes sums and footer after the body, then the header into its place.
    pub(super) fn finish(
        mut self,
        body: &Body,
        header: &[u8],
        footer: &[u8],
        build_id: &[u8; 16],
    ) -> Result<(), BuildError> {
        self.first[..header.len()].copy_from_slice(header);
        if let Some(first) = self.crcs.first_mut() {
            *first = sums::crc(&self.first);
        }
        let tail: Vec<u8> = (0u64..)
            .zip(&self.crcs)
            .flat_map(|(unit, crc)| (crc ^ sums::mask(build_id, unit)).to_le_bytes())
            .chain(footer.iter().copied())
            .collect();
        self.write_at(&tail, body.end)?;
        self.write_at(header, 0)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> Result<(), BuildError> {
        write_all_at(&self.file, bytes, at)
            .map_err(|e| BuildError::io("write the unpublished table", &self.path, at, e))
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
pub(super) fn read_exact_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
}
