//! Reading a table into memory before it is asked for.

use super::table::Table;
use crate::error::ReadError;
use std::ops::{ControlFlow, Range};

/// Which part of a table is read into memory.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Warm {
    /// Nothing.
    #[default]
    None,
    /// Everything but the records: a lookup then waits for the disk at most once or twice, for
    /// the record.
    Index,
    /// Everything.
    All,
}

/// How far a warm-up has come, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warmed {
    /// Bytes that are in memory and mapped.
    pub done: u64,
    /// Bytes that were asked for.
    pub total: u64,
}

/// What is read by one system call: the largest page that the kernel maps at once.
const CHUNK: usize = 2 << 20;

impl Table {
    /// Reads a part of the table into memory and maps it, so that the first lookups wait neither
    /// for the disk nor for page faults. Costs the time of reading what is not in memory yet, and
    /// for the rest about 0.1 ms per 2 MiB, much less where the kernel maps 2 MiB pages; it asks
    /// for these first. On Linux a page that can't be read is an error here, never a SIGBUS. Other
    /// systems, and Linux before 5.14, are only advised to read, and the call does not wait.
    ///
    /// Nothing keeps the kernel from dropping pages again when memory is short:
    /// [`OpenOptions::lock_memory`](crate::OpenOptions::lock_memory) does.
    ///
    /// # Errors
    /// [`ReadError::Faulted`] if a page can't be read.
    pub fn warm(&self, warm: Warm) -> Result<(), ReadError> {
        self.warm_with(warm, |_| ControlFlow::Continue(())).map(drop)
    }

    /// As [`warm`](Self::warm); tells `progress` after every 2 MiB how far it has come, and stops
    /// when that says so. Returns how far it came.
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
    ///     println!("{} of {} bytes", warmed.done, warmed.total);
    ///     ControlFlow::Continue(()) // Break(()) stops
    /// })?;
    /// assert_eq!(warmed.done, warmed.total);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Faulted`] if a page can't be read.
    pub fn warm_with(
        &self,
        warm: Warm,
        mut progress: impl FnMut(Warmed) -> ControlFlow<()>,
    ) -> Result<Warmed, ReadError> {
        let parts = self.parts(warm);
        let total = parts.iter().map(Range::len).sum::<usize>() as u64;
        let mut warmed = Warmed { done: 0, total };
        let bytes = &self.inner.bytes;
        let windows = self.inner.windows;
        let mut work = || {
            for part in &parts {
                if !part.is_empty() && !windows {
                    bytes.ask_for_huge_pages(part.start, part.len());
                }
                let mut start = part.start;
                while start < part.end {
                    // Chunks end at multiples of their size, as the large pages do.
                    let end = (start + 1).next_multiple_of(CHUNK).min(part.end);
                    if windows {
                        // The kernel would read ahead what it drops before it is its turn.
                        self.ask(end..(end + CHUNK).min(part.end));
                        self.populate(start..end)?;
                    } else {
                        self.map_in(start..end)?;
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
        if windows { work() } else { bytes.reading_ahead(work) }
    }

    /// The parts of the table that a warm-up reads, in the order of the file.
    fn parts(&self, warm: Warm) -> Vec<Range<usize>> {
        let layout = self.layout();
        match warm {
            Warm::None => Vec::new(),
            // The indexes, statistics, metadata and sums all stand behind the records.
            Warm::Index => vec![0..layout.header_size, layout.records.end..layout.file_len],
            Warm::All => std::iter::once(0..layout.file_len).collect(),
        }
    }
}
