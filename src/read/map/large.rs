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
        let Range { start, end } = self.addresses();
        let (first, end) = (start.next_multiple_of(LARGE), end & !(LARGE - 1));
        first..end.max(first)
    }

    /// Bytes in large pages; `None` where the kernel does not say.
    fn bytes(&self) -> Option<usize> {
        let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
        Some(in_large_pages(&maps, &self.addresses()))
    }

    /// Whether nearly all that large pages can hold lies in large pages, or nobody knows.
    pub(super) fn hold_nearly_all(&self) -> bool {
        // Memory may be too fragmented for some.
        let enough = self.places().len() / 100 * 95;
        self.bytes().is_none_or(|large| large >= enough)
    }

    /// Joins small pages that are in memory to large ones. Fails where the kernel can't do so for this
    /// file system.
    pub(super) fn collapse(&self) -> io::Result<()> {
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
        /// So many, since some may be large already.
        const TRIED: usize = 8;
        let whole = self.places();
        let step = (whole.len() / TRIED).next_multiple_of(LARGE).max(LARGE);
        for start in whole.step_by(step) {
            let before = self.bytes();
            self.forget(file, start..start + LARGE)?;
            let place = start - self.mapping.addresses().start;
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
        let offset = self.mapping.offset + (addresses.start - self.addresses().start) as u64;
        let len = NonZero::new(addresses.len() as u64);
        self.mapping.turn(addresses, Turn::GiveUp)?;
        Ok(fadvise(file, offset, len, Advice::DontNeed)?)
    }
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
    use super::*;

    #[test]
    fn large_pages_of_a_range_are_counted() {
        let maps = "\
7f0000000000-7f0000400000 r--s 00000000 fe:00 12 /a/b-c
Rss:                4096 kB
FilePmdMapped:      2048 kB
ShmemPmdMapped:        0 kB
7f0000400000-7f0000800000 r--s 00400000 fe:00 12 /a/b-c
ShmemPmdMapped:     4096 kB
VmFlags: rd mr mw me
7f0000800000-7f0000a00000 rw-p 00000000 00:00 0
FilePmdMapped:       512 kB
";
        let counted = |start: usize, end: usize| in_large_pages(maps, &(start..end));
        assert_eq!(counted(0x7f00_0000_0000, 0x7f00_0040_0000), 2 << 20);
        assert_eq!(counted(0x7f00_0000_0000, 0x7f00_0080_0000), 6 << 20);
        assert_eq!(counted(0x7f00_0080_0000, 0x7f00_00a0_0000), 512 << 10);
        assert_eq!(counted(0x7f00_00a0_0000, 0x7f00_00b0_0000), 0);
        assert_eq!(in_large_pages("", &(0..1)), 0);
    }
}
