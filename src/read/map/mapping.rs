//! A mapped part of a file: how it is made, the advice that it gets, and the pages around it.

#![expect(unsafe_code, reason = "maps files")]

use super::file::Located;
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
    pub(super) unsafe fn new(file: &Located, reading: Reading) -> Result<Self, OpenFailure> {
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
        let start = self.place(table, start);
        for piece in pieces(start..start + len) {
            let _ = self.map.advise_range(Advice::WillNeed, piece.start, piece.len());
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
        if let Some(answer) =
            known(self.map.advise_range(Advice::PopulateRead, self.place(table, start), len))
        {
            return answer;
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

/// For one question the kernel reads no more than its read-ahead or the largest request of the disk. The
/// larger of both is at least this, unless somebody has lowered it.
const PIECE: usize = 128 << 10;

/// A part of a mapping, cut into so much as the kernel reads for one question.
fn pieces(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    part.clone().step_by(PIECE).map(move |start| start..part.end.min(start + PIECE))
}

/// The kernel's answer to an advice; `None` from an older kernel, which does not know the advice.
#[cfg(target_os = "linux")]
fn known(answer: std::io::Result<()>) -> Option<std::io::Result<()>> {
    match answer {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => None,
        answer => Some(answer),
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

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::super::observed::{
        PART, have_flag, large_pages_can_be_asked_for, mapped, mapped_in, pages_can_be_mapped_in,
        unread_file,
    };
    use super::*;
    use rustix::io::Errno;

    /// The address of a table that begins so many bytes behind the start of the mapping.
    fn table_at(mapping: &Mapping, start: usize) -> NonNull<u8> {
        NonNull::from(&mapping.map[start..]).cast()
    }

    /// Which of some places of the mapping have a flag; `None` where the system tells no flags.
    fn flags<const N: usize>(
        mapping: &Mapping,
        flag: &str,
        places: [usize; N],
    ) -> Option<[bool; N]> {
        let start = mapping.addresses().start;
        have_flag(places.map(|place| start + place), flag)
    }

    #[test]
    fn places_count_from_the_start_of_the_mapping() {
        let (_directory, file) = unread_file(PART);
        let mapping = mapped(&file, Reading::Ahead);
        assert_eq!(mapping.place(table_at(&mapping, 0), 0), 0);
        assert_eq!(mapping.place(table_at(&mapping, 0), 7), 7);
        assert_eq!(mapping.place(table_at(&mapping, 5), 7), 12);
        let start = mapping.map.as_ptr().addr();
        assert_eq!(mapping.addresses(), start..start + PART);
    }

    #[test]
    fn the_kernel_is_told_how_to_read_ahead() {
        let (_directory, mut file) = unread_file(2 * PART);
        // A table need not begin with a page.
        (file.offset, file.len) = (100, 2 * PART - 100);
        for (reading, random, sequential) in [
            (Reading::Ahead, false, false),
            (Reading::Sequential, false, true),
            (Reading::Pages, true, false),
            (Reading::Windows { available: 0 }, true, false),
        ] {
            let mapping = mapped(&file, reading);
            let told = || ["rr", "sr"].map(|flag| flags(&mapping, flag, [0, PART]));
            let before = told();
            if before == [None; 2] {
                return;
            }
            assert_eq!(before, [Some([random; 2]), Some([sequential; 2])], "{reading:?}");
            assert_eq!(mapping.reading_ahead(told), [Some([false; 2]); 2], "{reading:?}");
            assert_eq!(told(), before, "{reading:?}");
        }
    }

    #[test]
    fn an_index_that_is_kept_is_read_ahead() {
        let (_directory, file) = unread_file(8 * PART);
        let mut mapping = mapped(&file, Reading::Windows { available: 4 * PART as u64 });
        let table = table_at(&mapping, 0);
        let read_singly = |mapping: &Mapping| {
            flags(mapping, "rr", [0, 5 * PART - 1, 5 * PART, 7 * PART - 1, 7 * PART, 8 * PART - 1])
        };
        let Some(before) = read_singly(&mapping) else { return };
        assert_eq!(before, [true; 6]);
        mapping.keep_index(table, 5 * PART, 2 * PART + 1);
        assert_eq!(read_singly(&mapping), Some([true; 6]), "it is too large to be kept");
        mapping.keep_index(table, 5 * PART, 2 * PART);
        let kept = Some([true, true, false, false, true, true]);
        assert_eq!(read_singly(&mapping), kept);
        assert_eq!(mapping.reading_ahead(|| read_singly(&mapping)), Some([false; 6]));
        assert_eq!(read_singly(&mapping), kept);
    }

    #[test]
    fn large_pages_are_asked_for_under_a_part() {
        if !large_pages_can_be_asked_for() {
            return;
        }
        let (_directory, file) = unread_file(4 * PART);
        let mapping = mapped(&file, Reading::Ahead);
        mapping.ask_for_huge_pages(table_at(&mapping, 0), PART, 2 * PART);
        let asked = flags(&mapping, "hg", [PART - 1, PART, 3 * PART - 1, 3 * PART]);
        assert_eq!(asked, Some([false, true, true, false]));
    }

    #[test]
    fn a_part_is_asked_for_in_pieces_without_a_gap() {
        assert_eq!(pieces(5..5).count(), 0);
        assert_eq!(pieces(5..5 + PIECE).count(), 1);
        assert_eq!(pieces(0..2 * PIECE).collect::<Vec<_>>(), [0..PIECE, PIECE..2 * PIECE]);
        let (one, two) = (7 + PIECE, 7 + 2 * PIECE);
        assert_eq!(pieces(7..two + 3).collect::<Vec<_>>(), [7..one, one..two, two..two + 3]);
    }

    #[test]
    fn an_advice_that_the_kernel_does_not_know_has_no_answer() {
        let refused = |errno: Errno| known(Err(errno.into()));
        assert!(matches!(known(Ok(())), Some(Ok(()))));
        assert!(matches!(refused(Errno::FAULT), Some(Err(_))));
        assert!(refused(Errno::INVAL).is_none());
    }

    #[test]
    fn only_the_pages_that_are_given_up_are_mapped_no_more() {
        // Less than a large page, which would be given up as a whole.
        let (_directory, file) = unread_file(8 * PART);
        let mapping = mapped(&file, Reading::Ahead);
        let all = mapping.addresses();
        if !pages_can_be_mapped_in() || mapped_in(&all).is_none() {
            return;
        }
        mapping.populate(table_at(&mapping, 0), 0, 8 * PART).unwrap();
        assert_eq!(mapped_in(&all), Some(8 * PART));
        mapping.turn(all.start + 2 * PART..all.start + 5 * PART, Turn::GiveUp).unwrap();
        assert_eq!(mapped_in(&all), Some(5 * PART));
        // What lies outside of the mapping is not its own.
        mapping.turn(0..usize::MAX, Turn::GiveUp).unwrap();
        assert_eq!(mapped_in(&all), Some(0));
    }

    #[test]
    fn only_a_want_of_room_is_taken_for_one() {
        assert!(out_of_address_space(&Errno::NOMEM.into()));
        assert!(!out_of_address_space(&Errno::NODEV.into()));
    }
}
