//! Reading a table into memory before the first lookup.

use super::table::Table;
use crate::error::ReadError;
use crate::format::layout::Layout;
use std::fmt;
use std::ops::{ControlFlow, Range};

/// Which part of a table is read into memory.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Warm {
    /// Nothing.
    #[default]
    None,
    /// Everything but the records: a lookup then waits for the disk at most once or twice, for
    /// the record.
    Index,
    /// Everything.
    All,
    /// Everything, into 2 MiB pages, where the kernel has them for the file system: page tables take a
    /// 512th of the memory, and lookups about a tenth less time. A table that was built or published
    /// here has them anyway. One that came by a copy, a download or a backup, or was read since the
    /// last restart, lies in memory in small pages; these are joined where the kernel can do so
    /// (`MADV_COLLAPSE`). Elsewhere they are given back, written to the disk before if need be, and the
    /// table is read again, which takes as long as the disk. Pages that another process has mapped stay
    /// as they are. As [`All`](Self::All) if the table is larger than the memory, and on other systems
    /// than Linux.
    LargePages,
}

impl Warm {
    /// The parts of a table that a warm-up reads, in the order of the file.
    fn parts(self, layout: &Layout) -> Vec<Range<usize>> {
        match self {
            Self::None => Vec::new(),
            // The indexes, statistics, metadata and sums all stand behind the records.
            Self::Index => vec![0..layout.header_size, layout.records.end..layout.file_len],
            Self::All | Self::LargePages => std::iter::once(0..layout.file_len).collect(),
        }
    }
}

/// The progress of a warm-up, in bytes. `Display` writes `4096 of 8192 bytes`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WarmProgress {
    /// Bytes that are in memory and mapped.
    pub done: u64,
    /// Bytes that were asked for.
    pub total: u64,
}

impl fmt::Display for WarmProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.done, self.total)
    }
}

/// Bytes read by one system call: the largest page that the kernel maps at once.
const CHUNK: usize = 2 << 20;

impl Table {
    /// Reads a part of the table into memory and maps it, so that the first lookups wait neither
    /// for the disk nor for page faults. Costs the time of reading the bytes that are not in memory,
    /// and for the others about 0.1 ms per 2 MiB, much less where the kernel maps 2 MiB pages, for
    /// which it asks first. On Linux a page that can't be read is an error here, never a SIGBUS. Other
    /// systems, and Linux before 5.14, are only advised to read, and the call does not wait.
    ///
    /// Nothing keeps the kernel from dropping pages again when memory is short:
    /// [`OpenOptions::lock_memory`](crate::OpenOptions::lock_memory) does.
    ///
    /// # Errors
    /// [`ReadFailure::Faulted`](crate::ReadFailure::Faulted) if a page can't be read.
    pub fn warm(&self, warm: Warm) -> Result<(), ReadError> {
        self.warm_with(warm, |_| ControlFlow::Continue(())).map(drop)
    }

    /// As [`warm`](Self::warm), but calls `progress` after every 2 MiB, and stops when `progress`
    /// returns `Break`. Returns how far it came.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::ops::ControlFlow;
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::Builder::create(&path)?.finish()?;
    /// // SAFETY: nobody modifies or truncates the published file.
    /// let table = unsafe { graven::Table::open(&path)? };
    /// let warmed = table.warm_with(graven::Warm::All, |warmed| {
    ///     println!("{warmed}"); // 2097152 of 9000000 bytes
    ///     ControlFlow::Continue(()) // Break(()) stops
    /// })?;
    /// assert_eq!(warmed.done, warmed.total);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadFailure::Faulted`](crate::ReadFailure::Faulted) if a page can't be read.
    pub fn warm_with(
        &self,
        warm: Warm,
        mut progress: impl FnMut(WarmProgress) -> ControlFlow<()>,
    ) -> Result<WarmProgress, ReadError> {
        let view = self.view();
        let parts = warm.parts(view.layout());
        let total = parts.iter().map(Range::len).sum::<usize>() as u64;
        let mut warmed = WarmProgress { done: 0, total };
        let memory = view.memory();
        let exceeds_memory = view.exceeds_memory();
        let mut work = || {
            for part in &parts {
                if !part.is_empty() && !exceeds_memory {
                    memory.ask_for_huge_pages(part.start, part.len());
                }
                let mut start = part.start;
                while start < part.end {
                    // Chunks end at multiples of their size, as the large pages do.
                    let end = (start + 1).next_multiple_of(CHUNK).min(part.end);
                    if exceeds_memory {
                        // The kernel would read ahead what it drops before it is its turn.
                        view.ask(end..(end + CHUNK).min(part.end));
                        view.populate(start..end)?;
                    } else {
                        view.map_in(start..end)?;
                    }
                    warmed.done += (end - start) as u64;
                    start = end;
                    if progress(warmed).is_break() {
                        return Ok(warmed);
                    }
                }
            }
            Ok(warmed)
        };
        if exceeds_memory {
            return work();
        }
        if warm == Warm::LargePages
            && let Some(path) = view.path()
        {
            memory.ask_for_huge_pages(0, view.layout().file_len);
            memory.make_way_for_large_pages(path);
        }
        memory.reading_ahead(work)
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::super::map::observed::{PART, have_flag, large_pages_can_be_asked_for};
    use super::super::map::{AccessPattern, Bytes, Reading};
    use super::super::pages::Pages;
    use super::*;
    use crate::{BuildOptions, OpenOptions};
    use std::path::PathBuf;
    use std::time::Duration;

    /// A table of one entry, with a value of so many bytes.
    fn file(value_len: usize) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        BuildOptions::new().build(&path, [("key", vec![7u8; value_len])]).unwrap();
        (directory, path)
    }

    #[test]
    #[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is the test's own")]
    fn large_pages_are_asked_for_under_what_is_warmed() {
        if !large_pages_can_be_asked_for() {
            return;
        }
        let (_directory, path) = file(4 * PART);
        let options = OpenOptions::new().access(AccessPattern::Normal);
        // SAFETY: nobody else knows the file.
        let table = unsafe { options.open(&path) }.unwrap();
        let start = table.view().bytes().as_ptr().addr();
        let end = start + table.view().layout().file_len;
        let asked = || have_flag([start, start + 2 * PART, end - 1], "hg");
        assert_eq!(asked(), Some([false; 3]));
        table.warm(Warm::Index).unwrap();
        assert_eq!(asked(), Some([true, false, true]));
        table.warm(Warm::All).unwrap();
        assert_eq!(asked(), Some([true; 3]));
    }

    /// The memory may not hold more than what is read and the piece that comes next.
    #[test]
    #[expect(unsafe_code, reason = "mapping a file is unsafe, and this one is the test's own")]
    fn one_piece_ahead_is_asked_for_where_the_table_exceeds_the_memory() {
        let (_directory, path) = file(3 * CHUNK);
        let located = OpenOptions::new().locate(&path).unwrap();
        let layout = located.layout().unwrap();
        let pages = Pages::new(&layout);
        let reading = Reading::Windows { available: 0 };
        // SAFETY: nobody else knows the file.
        let bytes = unsafe { Bytes::map_as(&located, reading) }.unwrap();
        rustix::fs::fadvise(&located.file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let table = Table::new(bytes, layout, pages, None);
        let memory = table.view().memory();
        let all = 0..table.view().layout().file_len;
        let resident = |part: Range<usize>| memory.resident(part);
        let is_cold = resident(all.clone()) == Some(0);
        let warmed = table.warm_with(Warm::All, |_| ControlFlow::Break(())).unwrap();
        assert_eq!((warmed.done, warmed.total), (CHUNK as u64, all.len() as u64));
        let start = table.view().bytes().as_ptr().addr();
        assert_ne!(have_flag([start], "hg"), Some([true]), "large pages would be read as a whole");
        if !is_cold {
            return;
        }
        let came = |_| {
            std::thread::sleep(Duration::from_millis(5));
            resident(CHUNK..2 * CHUNK) == Some(CHUNK as u64)
        };
        assert!((0..1000).any(came));
        assert_eq!(resident(2 * CHUNK..all.end), Some(0));
    }
}
