//! Large pages: how much of a mapping the kernel maps by them, and how a file that lies in memory in
//! small ones comes to lie in large ones.
//!
//! Which pages a file has in memory is decided when it comes into memory: what was written or read in
//! small pieces stays in small pages, also for those who map it later. Linux can join them
//! (`MADV_COLLAPSE`) where it was compiled with `CONFIG_READ_ONLY_THP_FOR_FS`. Elsewhere they have to
//! leave the memory and to be read again.

use super::file::io_error;
use super::mapping::{Mapping, Turn};
use crate::file::io::open_regular;
use rustix::fs::{Advice, fadvise, fdatasync};
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

/// The large pages of a mapping.
pub(super) struct LargePages<'m> {
    mapping: &'m Mapping,
}

impl<'m> LargePages<'m> {
    pub(super) fn of(mapping: &'m Mapping) -> Self {
        Self { mapping }
    }

    /// The addresses of the mapping.
    fn addresses(&self) -> Range<usize> {
        self.mapping.addresses()
    }

    /// The addresses of the mapping that large pages can hold.
    pub(super) fn places(&self) -> Range<usize> {
        places_in(self.addresses())
    }

    /// Bytes in large pages; `None` where the kernel does not say.
    fn bytes(&self) -> Option<usize> {
        let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        Some(in_large_pages(&maps, &self.addresses()))
    }

    /// Whether nearly all that large pages can hold lies in large pages, or nobody knows.
    pub(super) fn hold_nearly_all(&self) -> bool {
        self.bytes().is_none_or(|large| are_nearly_all(large, self.places().len()))
    }

    /// Whether the mapping lies in large pages, which `is_large` finds out: as it is, or else after its
    /// small pages were joined.
    pub(super) fn are_there_or_join(&self, is_large: impl Fn() -> bool) -> bool {
        is_large() || self.collapse().is_ok() && is_large()
    }

    /// Joins small pages that are in memory to large ones. Fails where the kernel can't do so for this
    /// file system.
    fn collapse(&self) -> io::Result<()> {
        self.mapping.turn(self.places(), Turn::Join)
    }

    /// Has the kernel forget all pages of the file at `path`, if they come back as large ones. See
    /// [`forget`](Self::forget).
    pub(super) fn forget_small_pages(&self, path: &Path) -> io::Result<()> {
        // Something else may have taken the place of the mapped file.
        let Ok((file, metadata)) = open_regular(path, io_error("open the file")) else {
            return Ok(());
        };
        if (metadata.dev(), metadata.ino()) != self.mapping.identity {
            return Ok(());
        }
        // Pages that are not on the disk yet are not forgotten.
        fdatasync(&file)?;
        if self.come_back_large(&file)? { self.forget(&file, self.addresses()) } else { Ok(()) }
    }

    /// Whether forgotten pages come back as large ones, tried with a few: a file system without large
    /// pages, or another process that has the file mapped, is no reason to read all of it again.
    fn come_back_large(&self, file: &File) -> io::Result<bool> {
        for part in tried(self.places()) {
            let before = self.bytes();
            let place = part.start - self.mapping.addresses().start;
            self.forget(file, part)?;
            self.mapping.map.advise_range(memmap2::Advice::PopulateRead, place, LARGE)?;
            if self.bytes() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has the kernel forget pages of the file, which is the mapped one. Those stay that another
    /// process has mapped, or somebody has locked.
    fn forget(&self, file: &File, addresses: Range<usize>) -> io::Result<()> {
        let offset = self.offset_of(addresses.start);
        let len = NonZero::new(addresses.len() as u64);
        self.mapping.turn(addresses, Turn::GiveUp)?;
        Ok(fadvise(file, offset, len, Advice::DontNeed)?)
    }

    /// Where in the file the byte at an address of the mapping stands.
    fn offset_of(&self, address: usize) -> u64 {
        self.mapping.offset + (address - self.addresses().start) as u64
    }
}

/// The part of some addresses that large pages can hold.
fn places_in(addresses: Range<usize>) -> Range<usize> {
    let Range { start, end } = addresses;
    let (first, end) = (start.next_multiple_of(LARGE), end & !(LARGE - 1));
    first..end.max(first)
}

/// Whether so many bytes in large pages are nearly all of those that large pages can hold. Memory may be
/// too fragmented for some.
fn are_nearly_all(large: usize, places: usize) -> bool {
    large >= places / 100 * 95
}

/// Where some large pages would lie among the addresses that large pages can hold, evenly spread.
fn tried(places: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    /// At most so many, since some may be large already.
    const TRIED: usize = 8;
    let step = (places.len() / TRIED).next_multiple_of(LARGE).max(LARGE);
    places.step_by(step).map(|start| start..start + LARGE)
}

/// Bytes in a range of addresses that are mapped by large pages, by `/proc/PID/smaps`. A mapping that
/// lies in the range in part counts as a whole.
fn in_large_pages(maps: &str, range: &Range<usize>) -> usize {
    let (mut inside, mut sum) = (false, 0);
    for line in maps.lines() {
        let first = line.split_ascii_whitespace().next().unwrap_or_default();
        let address = |text| usize::from_str_radix(text, 16).ok();
        let ends = first.split_once('-').and_then(|(a, b)| Some((address(a)?, address(b)?)));
        if let Some((start, end)) = ends {
            inside = start < range.end && range.start < end;
        } else if inside && matches!(first, "FilePmdMapped:" | "ShmemPmdMapped:") {
            let kib =
                line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok());
            sum += kib.unwrap_or(0) << 10;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::file::Located;
    use super::super::observed::{
        PART, is_emulated, mapped, mapped_in, pages_can_be_mapped_in, pages_in_memory, unread_file,
    };
    use super::super::reading::Reading;
    use super::*;
    use std::cell::Cell;

    /// A file of zeros, none of them in memory, and a mapping of it that gets no large pages.
    fn small(len: usize) -> (tempfile::TempDir, Located, Mapping) {
        let (directory, file) = unread_file(len);
        let mapping = mapped(&file, Reading::Pages);
        // Refused by kernels that have none.
        let _ = mapping.map.advise(memmap2::Advice::NoHugePage);
        (directory, file, mapping)
    }

    /// Whether the system maps pages when it is told to, and tells what is mapped.
    fn pages_can_be_counted() -> bool {
        let (_directory, _file, mapping) = small(PART);
        pages_can_be_mapped_in() && mapped_in(&mapping.addresses()) == Some(0)
    }

    /// Whether a file that nobody has mapped any more leaves memory when the system is told so, and the system
    /// tells.
    fn files_are_forgotten() -> bool {
        let (_directory, file, mapping) = small(PART);
        mapping.map.advise(memmap2::Advice::PopulateRead).unwrap();
        drop(mapping);
        fadvise(&file.file, 0, None, Advice::DontNeed).unwrap();
        pages_in_memory(&mapped(&file, Reading::Pages).addresses()) == 0
    }

    #[test]
    fn large_pages_hold_whole_places_only() {
        assert_eq!(places_in(0..2 * LARGE), 0..2 * LARGE);
        assert_eq!(places_in(1..4 * LARGE - 1), LARGE..3 * LARGE);
        assert_eq!(places_in(LARGE - 1..2 * LARGE + 1), LARGE..2 * LARGE);
        for none in [1..LARGE + 5, LARGE + 1..LARGE + 2, LARGE..LARGE] {
            assert!(places_in(none.clone()).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn nineteen_of_twenty_are_nearly_all() {
        assert!(are_nearly_all(950, 1000) && !are_nearly_all(949, 1000));
        assert!(are_nearly_all(0, 0));
    }

    #[test]
    fn places_are_tried_all_over_the_mapping() {
        let numbers = |count: usize| {
            let places = 5 * LARGE..(5 + count) * LARGE;
            let number = |part: Range<usize>| {
                assert_eq!(part.len(), LARGE);
                part.start / LARGE - 5
            };
            tried(places).map(number).collect::<Vec<_>>()
        };
        assert!(numbers(0).is_empty());
        assert_eq!(numbers(3), [0, 1, 2]);
        assert_eq!(numbers(8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(numbers(9), [0, 2, 4, 6, 8]);
        assert_eq!(numbers(24), [0, 3, 6, 9, 12, 15, 18, 21]);
    }

    #[test]
    fn a_mapping_without_large_pages_does_not_lie_in_them() {
        let (_directory, _file, mapping) = small(4 * LARGE);
        let large = LargePages::of(&mapping);
        if mapped_in(&mapping.addresses()).is_some() {
            assert_eq!(large.bytes(), Some(0));
            assert!(!large.hold_nearly_all());
        }
        let (_directory, _file, mapping) = small(PART);
        assert!(LargePages::of(&mapping).hold_nearly_all(), "there is no place for one");
    }

    /// The kernel joins no pages that are to stay small.
    #[test]
    fn pages_that_cannot_be_joined_are_not_looked_at_again() {
        if is_emulated() {
            return;
        }
        let (_directory, _file, mapping) = small(4 * LARGE);
        let large = LargePages::of(&mapping);
        assert!(large.collapse().is_err());
        assert!(large.are_there_or_join(|| true));
        let asked = Cell::new(0);
        let large_the_second_time = || asked.replace(asked.get() + 1) > 0;
        assert!(!large.are_there_or_join(large_the_second_time));
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn offsets_count_from_the_start_of_the_file() {
        let (_directory, mut file) = unread_file(2 * PART);
        (file.offset, file.len) = (PART as u64, PART);
        let mapping = mapped(&file, Reading::Ahead);
        let large = LargePages::of(&mapping);
        let start = mapping.addresses().start;
        assert_eq!(large.offset_of(start), PART as u64);
        assert_eq!(large.offset_of(start + 7), PART as u64 + 7);
    }

    #[test]
    fn only_a_part_is_forgotten() {
        let (_directory, file, mapping) = small(8 * PART);
        let all = mapping.addresses();
        if !pages_can_be_counted() {
            return;
        }
        mapping.map.advise(memmap2::Advice::PopulateRead).unwrap();
        assert_eq!(mapped_in(&all), Some(8 * PART));
        let part = all.start + 2 * PART..all.start + 5 * PART;
        LargePages::of(&mapping).forget(&file.file, part.clone()).unwrap();
        assert_eq!(mapped_in(&all), Some(5 * PART));
        // Nobody has the part mapped now, so it leaves memory, unless the file system lies there itself.
        let pages = |addresses: &Range<usize>| addresses.len() / rustix::param::page_size();
        let left = pages_in_memory(&part);
        assert!(left == 0 || !files_are_forgotten(), "{left} of {}", pages(&part));
        assert_eq!(pages_in_memory(&all) - left, pages(&all) - pages(&part));
    }

    #[test]
    fn small_pages_that_come_back_small_are_no_gain() {
        let (_directory, file, mapping) = small(4 * LARGE);
        if !pages_can_be_counted() {
            return;
        }
        let large = LargePages::of(&mapping);
        assert!(!large.come_back_large(&file.file).unwrap());
        // Every place was tried: so few are tried all.
        assert_eq!(mapped_in(&mapping.addresses()), Some(large.places().len()));
    }

    #[test]
    fn no_pages_of_another_file_are_forgotten() {
        let (_directory, file, mapping) = small(4 * LARGE);
        if !pages_can_be_counted() {
            return;
        }
        let large = LargePages::of(&mapping);
        let (directory, other) = unread_file(4 * LARGE);
        for path in [&*other.path, &*directory.path().join("none")] {
            large.forget_small_pages(path).unwrap();
            assert_eq!(mapped_in(&mapping.addresses()), Some(0), "{}", path.display());
        }
        large.forget_small_pages(&file.path).unwrap();
        assert_eq!(mapped_in(&mapping.addresses()), Some(large.places().len()));
    }

    /// Only where files can have large pages. Which the kernel finds is no promise: only a loss each time
    /// counts.
    #[test]
    fn small_pages_come_back_large_where_the_system_has_large_ones() {
        let ask = |mapping: &Mapping| -> io::Result<()> {
            mapping.map.advise(memmap2::Advice::Normal)?;
            mapping.map.advise(memmap2::Advice::HugePage)
        };
        let lost = (0..4).take_while(|_| {
            let (_directory, file) = unread_file(4 * LARGE);
            let control = mapped(&file, Reading::Ahead);
            let populate = |mapping: &Mapping| mapping.map.advise(memmap2::Advice::PopulateRead);
            if ask(&control).and_then(|()| populate(&control)).is_err() {
                return false;
            }
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
            if in_large_pages(&maps, &control.addresses()) == 0 {
                return false;
            }
            let (_directory, file, in_small) = small(4 * LARGE);
            populate(&in_small).unwrap();
            // Not in the same mapping: before Linux 6.14, page tables of small pages stay.
            let mapping = mapped(&file, Reading::Ahead);
            drop(in_small);
            ask(&mapping).unwrap();
            !LargePages::of(&mapping).come_back_large(&file.file).unwrap()
        });
        assert!(lost.count() < 4);
    }

    #[test]
    fn large_pages_of_a_range_are_counted() {
        let maps = "\
7f000000-7f400000 r--s 00000000 fe:00 12 /a/b-c
Rss:                4096 kB
FilePmdMapped:      2048 kB
ShmemPmdMapped:        0 kB
7f400000-7f800000 r--s 00400000 fe:00 12 /a/b-c
ShmemPmdMapped:     4096 kB
VmFlags: rd mr mw me
7f800000-7fa00000 rw-p 00000000 00:00 0
FilePmdMapped:       512 kB
";
        let counted = |start: usize, end: usize| in_large_pages(maps, &(start..end));
        assert_eq!(counted(0x7f00_0000, 0x7f40_0000), 2 << 20);
        assert_eq!(counted(0x7f00_0000, 0x7f80_0000), 6 << 20);
        assert_eq!(counted(0x7f80_0000, 0x7fa0_0000), 512 << 10);
        assert_eq!(counted(0x7fa0_0000, 0x7fb0_0000), 0);
        assert_eq!(in_large_pages("", &(0..1)), 0);
    }
}
