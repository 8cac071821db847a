//! Checks a table's checksums while its bytes stream by. A table that is copied or read back from
//! the disk is never in memory as a whole.

mod disk;
#[cfg(test)]
mod tests;

use super::io::{CHUNK, read_exact_at};
use crate::error::{BuildError, OpenFailure, ReadError, ReadFailure};
use crate::format::header::{FOOTER, MAX_HEADER, build_id};
use crate::format::layout::{Layout, SMALLEST};
use crate::format::sums::{self, SUM_BYTES, UNIT};
use std::fs::File;
use std::io;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// Reads and proves the header and footer of the table in a file.
pub(crate) fn layout(file: &File, len: u64) -> Result<Layout, OpenFailure> {
    if len < SMALLEST {
        // A foreign file is reported as no table, if it is long enough to show its magic bytes.
        let mut start = vec![0; len as usize];
        read(file, &mut start, 0)?;
        Layout::check_start(&start, len)?;
        return Err(OpenFailure::TooShort { got: len, expected: SMALLEST });
    }
    let mut start = vec![0; len.min(u64::from(MAX_HEADER)) as usize];
    read(file, &mut start, 0)?;
    let mut end = [0; FOOTER];
    // `parse_ends` compares the length with the header's before it looks at the footer.
    read(file, &mut end, len - FOOTER as u64)?;
    Layout::parse_ends(&start, &end, len)
}

fn read(file: &File, bytes: &mut [u8], at: u64) -> Result<(), OpenFailure> {
    read_exact_at(file, bytes, at).map_err(failed)
}

fn failed(source: io::Error) -> OpenFailure {
    OpenFailure::Io { action: "read the table", source }
}

/// The state of a check: what has been taken of a table so far.
#[derive(Clone)]
pub(crate) struct Check {
    layout: Layout,
    header: Vec<u8>,
    footer: Vec<u8>,
    at: usize,
    /// Hash of the content, for the build id.
    content: Xxh3,
    /// Digests of the page sums made from the pages and of those found in the file. Digests,
    /// because a large table's sums are large.
    made: Xxh3,
    found: Xxh3,
}

impl Check {
    /// Starts a check of the table with this layout.
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            header: Vec::new(),
            footer: Vec::new(),
            at: 0,
            content: Xxh3::new(),
            made: Xxh3::new(),
            found: Xxh3::new(),
        }
    }

    /// Takes the next bytes: [`CHUNK`] of them, or the last ones.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let part = |from: usize, to: usize| {
            let (from, to) = (from.saturating_sub(self.at), to.saturating_sub(self.at));
            &bytes[from.min(bytes.len())..to.min(bytes.len())]
        };
        let Layout { header_size, sums, file_len, .. } = self.layout;
        self.header.extend_from_slice(part(0, header_size));
        self.content.update(part(header_size, sums.start));
        for (unit, page) in (self.at / UNIT..).zip(part(0, sums.start).chunks(UNIT)) {
            let sum = sums::crc(page) ^ sums::mask(&self.layout.build_id, unit as u64);
            self.made.update(&sum.to_le_bytes());
        }
        self.found.update(part(sums.start, sums.end));
        self.footer.extend_from_slice(part(sums.end, file_len));
        self.at += bytes.len();
    }

    /// Ends the check. On damage, reads `file` once more to name the damaged page.
    pub(crate) fn finish(self, file: &File) -> Result<(), OpenFailure> {
        // Header and footer may have changed since they were proven.
        let layout = Layout::parse_ends(&self.header, &self.footer, self.at as u64)?;
        let same = layout.build_id == self.layout.build_id && layout.sums == self.layout.sums;
        if !same {
            return Err(ReadError::corrupt("header changed while it was read", 0).into());
        }
        if self.made.digest128() != self.found.digest128() {
            return Err(OpenFailure::Damaged(first_bad_page(file, &layout)?));
        }
        if build_id(self.content, &self.header) == self.layout.build_id {
            Ok(())
        } else {
            Err(ReadError::corrupt("build id does not fit the content", 24).into())
        }
    }
}

/// Reads a damaged table once more, to find the first bad page.
fn first_bad_page(file: &File, layout: &Layout) -> Result<ReadFailure, OpenFailure> {
    let mut page = [0; UNIT];
    for unit in 0..layout.sums.len() / SUM_BYTES as usize {
        let start = unit * UNIT;
        let page = &mut page[..UNIT.min(layout.sums.start - start)];
        read(file, page, start as u64)?;
        let mut stored = [0; SUM_BYTES as usize];
        read(file, &mut stored, (layout.sums.start + unit * SUM_BYTES as usize) as u64)?;
        let expected = u32::from_le_bytes(stored) ^ sums::mask(&layout.build_id, unit as u64);
        let got = sums::crc(page);
        if expected != got {
            return Ok(ReadFailure::Checksum { offset: start as u64, expected, got });
        }
    }
    let what = "page sums changed while they were read";
    Ok(ReadFailure::Corrupt { what, offset: layout.sums.start as u64 })
}

/// The chunks of a file, each with its offset and its length.
pub(crate) fn chunks(len: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..len).step_by(CHUNK).map(move |at| (at, (len - at).min(CHUNK as u64) as usize))
}

/// Asks the system to begin to read the chunks behind the one at `at`, so that the disk works while
/// that chunk is checked and written.
pub(crate) fn ask_behind(file: &File, at: u64) {
    /// Systems read at least this many bytes for one request.
    const PIECE: u64 = 128 << 10;
    let next = at + CHUNK as u64;
    #[cfg(target_os = "linux")]
    for at in (next..next + 2 * CHUNK as u64).step_by(PIECE as usize) {
        let piece = std::num::NonZero::new(PIECE);
        // This is advice, so an error is ignored. Beyond the end there is nothing to read.
        let _ = rustix::fs::fadvise(file, at, piece, rustix::fs::Advice::WillNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, next, PIECE);
}

/// Reads back a table that was written and synced, and checks all of it. The bytes come from the
/// disk where the system supports direct reads.
///
/// The reads bypass the page cache and do not drop it: dropped pages would come back in the sizes
/// of the reads, and every reader would lose the 2 MiB pages that writing made.
pub(crate) fn read_back(file: &File, path: &Path) -> Result<(), BuildError> {
    let checked = || {
        let len = file.metadata().map_err(failed)?.len();
        let mut check = Check::new(layout(file, len)?);
        let mut disk = disk::Disk::new(file);
        for (at, len) in chunks(len) {
            check.take(disk.read(at, len).map_err(failed)?);
        }
        drop(disk);
        check.finish(file)
    };
    checked().map_err(|source| BuildError::ReadBack { path: path.to_owned(), source })
}
