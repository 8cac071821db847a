//! A mapped part of a file: how it is made, the advice that it gets, and the pages around it.

#![expect(unsafe_code, reason = "maps files")]

use super::file::{AccessPattern, Located};
use super::reading::Reading;
use super::room::no_room;
use crate::error::OpenFailure;
use memmap2::{Advice, Mmap, MmapOptions};
use std::ops::Range;
use std::ptr::NonNull;

/// A mapped part of a file.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) map: Mmap,
    reading: Reading,
    /// The part that [`keep_index`](Self::keep_index) has chosen.
    kept: Range<usize>,
    /// The file's owner, where users have numbers.
    pub(super) owner: Option<u32>,
    #[cfg(target_os = "linux")]
    pub(super) identity: (u64, u64),
    /// Where the mapping begins in the file.
    #[cfg(target_os = "linux")]
    pub(super) offset: u64,
}

impl Mapping {
    /// Maps a part of a file, whose offset need not be a multiple of the page size.
    ///
    /// # Safety
    /// Until the result is dropped, nobody modifies or truncates the file.
    pub(super) unsafe fn new(file: &Located, access: AccessPattern) -> Result<Self, OpenFailure> {
        let len = file.len;
        let mut options = MmapOptions::new();
        options.offset(file.offset).len(len);
        // SAFETY: the caller promises that the file stays as it is.
        let shared = unsafe { options.map(&file.file) };
        let mapped = match shared {
            // Some file systems refuse shared mappings; a private read-only one uses the same
            // page-cache pages.
            Err(error) if !out_of_address_space(&error) => {
                // SAFETY: the caller promises that the file stays as it is.
                unsafe { options.map_copy_read_only(&file.file) }.map_err(|_| error)
            }
            other => other,
        };
        let map = mapped.map_err(|source| {
            if out_of_address_space(&source) {
                no_room(len as u64, false)
            } else {
                OpenFailure::Io { action: "map the file", source }
            }
        })?;
        let reading = Reading::new(access, len);
        let mapping = Self {
            map,
            reading,
            kept: 0..0,
            owner: file.owner(),
            #[cfg(target_os = "linux")]
            identity: file.identity(),
            #[cfg(target_os = "linux")]
            offset: file.offset,
        };
        if reading != Reading::Ahead {
            mapping.advise(reading);
        }
        Ok(mapping)
    }

    /// Where a byte of the table lies in the mapping, which may begin before the table.
    fn place(&self, table: NonNull<u8>, offset: usize) -> usize {
        table.addr().get() - self.map.as_ptr().addr() + offset
    }

    /// Advises the kernel how to read ahead. A kernel that refuses the advice reads ahead as it
    /// likes.
    fn advise(&self, reading: Reading) {
        let _ = self.map.advise(match reading {
            Reading::Ahead => Advice::Normal,
            Reading::Sequential => Advice::Sequential,
            Reading::Pages | Reading::Windows { .. } => Advice::Random,
        });
        if reading == self.reading && !self.kept.is_empty() {
            let _ = self.map.advise_range(Advice::Normal, self.kept.start, self.kept.len());
        }
    }

    /// Has the kernel read ahead in an index and keep its pages, where a table exceeds the memory and
    /// its index is small. In a mapping that is read at random Linux counts no accesses (since 6.3),
    /// so pages of the index, which lookups read over and over, would leave memory as soon as those of
    /// the records: of 250 MB of ids in 125 MB a get then took 1.14 faults.
    pub(super) fn keep_index(&mut self, table: NonNull<u8>, start: usize, len: usize) {
        if self.reading.keeps(len) {
            let (first, end) = pages_around(self.place(table, start), len);
            self.kept = first..end.min(self.map.len());
            self.advise(self.reading);
        }
    }

    /// How pages come into memory.
    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    /// Asks the kernel to begin to read `len` bytes of the table from `start` on, and does not wait.
    pub(super) fn ask(&self, table: NonNull<u8>, start: usize, len: usize) {
        /// For one question the kernel reads no more than its read-ahead or the largest request of
        /// the disk. The larger of both is at least this, unless somebody has lowered it.
        const PIECE: usize = 128 << 10;
        let start = self.place(table, start);
        for at in (start..start + len).step_by(PIECE) {
            let _ = self.map.advise_range(Advice::WillNeed, at, PIECE.min(start + len - at));
        }
    }

    /// Reads `len` bytes of the table from `start` on while the kernel reads ahead by its default, and
    /// waits for them; faults read single pages again afterwards. A long walk over a table that
    /// exceeds the memory took six tenths of the time that it took with [`ask`](Self::ask). The walk
    /// meets a page that can't be read when it touches the page. Where memory is scarce, only asks.
    pub(super) fn read_on(&self, table: NonNull<u8>, start: usize, len: usize) {
        #[cfg(target_os = "linux")]
        if self.reading.walks_ahead() {
            let place = self.place(table, start);
            let _ = self.map.advise_range(Advice::Normal, place, len);
            let read = self.map.advise_range(Advice::PopulateRead, place, len);
            let _ = self.map.advise_range(Advice::Random, place, len);
            if read.is_ok() {
                return;
            }
        }
        // Before Linux 5.14 the kernel does not know the advice.
        self.ask(table, start, len);
    }

    /// Makes the kernel map `len` bytes of the table from `start` on. On Linux ≥ 5.14 a page that
    /// can't be read is an error here and not a SIGBUS at its first touch; elsewhere the kernel is
    /// only advised to read the bytes.
    pub(super) fn populate(
        &self,
        table: NonNull<u8>,
        start: usize,
        len: usize,
    ) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        match self.map.advise_range(Advice::PopulateRead, self.place(table, start), len) {
            // An older kernel does not know the advice.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
            other => return other,
        }
        self.ask(table, start, len);
        Ok(())
    }

    /// Asks for 2 MiB pages under bytes that were not touched yet. The kernel then reads a cold
    /// file in pieces of that size.
    pub(super) fn ask_for_huge_pages(&self, table: NonNull<u8>, start: usize, len: usize) {
        let start = self.place(table, start);
        #[cfg(target_os = "linux")]
        // Without huge pages the kernel or file system maps small ones.
        let _ = self.map.advise_range(Advice::HugePage, start, len);
        let _ = (start, len);
    }

    /// The addresses of the mapping.
    #[cfg(target_os = "linux")]
    pub(super) fn addresses(&self) -> std::ops::Range<usize> {
        let start = self.map.as_ptr().addr();
        start..start + self.map.len()
    }

    /// Has the kernel change how it keeps the pages around addresses of the mapping.
    #[cfg(target_os = "linux")]
    pub(super) fn turn(
        &self,
        addresses: std::ops::Range<usize>,
        turn: Turn,
    ) -> std::io::Result<()> {
        let all = self.addresses();
        let (start, end) = (addresses.start.max(all.start), addresses.end.min(all.end));
        let (first, end) = pages_around(start, end.saturating_sub(start));
        let memory = self.map.as_ptr().with_addr(first).cast_mut().cast();
        let advice = match turn {
            Turn::Join => libc::MADV_COLLAPSE,
            Turn::GiveUp => libc::MADV_DONTNEED,
        };
        // SAFETY: the pages hold bytes of the mapping. Its content stays: nobody writes to it, so pages
        // that are given up come back from the file as they were.
        match unsafe { libc::madvise(memory, end - first, advice) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// Does `work` while the kernel reads ahead by its default, whatever access was asked for.
    pub(super) fn reading_ahead<T>(&self, work: impl FnOnce() -> T) -> T {
        if self.reading == Reading::Ahead {
            return work();
        }
        self.advise(Reading::Ahead);
        let result = work();
        self.advise(self.reading);
        result
    }
}

/// What becomes of mapped pages.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
pub(super) enum Turn {
    /// Small ones are joined to large ones.
    Join,
    /// They are mapped no more, until somebody touches them.
    GiveUp,
}

/// The whole pages that hold `len` bytes from `start` on.
pub(super) fn pages_around(start: usize, len: usize) -> (usize, usize) {
    let page = rustix::param::page_size();
    (start & !(page - 1), (start + len).next_multiple_of(page))
}

fn out_of_address_space(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error())
}
