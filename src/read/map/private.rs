//! Private memory for the copy of a table.

use super::room::no_room;
use crate::error::OpenFailure;
#[cfg(target_os = "linux")]
use memmap2::Advice;
#[cfg(unix)]
use memmap2::{Mmap, MmapMut};

/// Memory that holds a copy of a table and is not written any more. It starts at a multiple of
/// [`ALIGN`], so that typed values are aligned.
#[derive(Debug)]
pub(super) struct Private {
    #[cfg(unix)]
    memory: Mmap,
    #[cfg(not(unix))]
    memory: Vec<u8>,
    /// Where the copy starts in the memory.
    start: usize,
    len: usize,
}

/// The largest alignment of values in a table.
const ALIGN: usize = 64;

impl Private {
    /// Zeroed memory of whole pages, in huge pages where the kernel has them, which `fill` writes
    /// into.
    #[cfg(unix)]
    pub(super) fn new(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), OpenFailure>,
    ) -> Result<Self, OpenFailure> {
        let out_of_memory = |_| no_room(len as u64, true);
        let mut memory = MmapMut::map_anon(len.max(1)).map_err(out_of_memory)?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages it is slower, not wrong.
        let _ = memory.advise(Advice::HugePage);
        fill(&mut memory[..len])?;
        let memory = memory.make_read_only().map_err(out_of_memory)?;
        debug_assert!(memory.as_ptr().addr().is_multiple_of(ALIGN), "pages are aligned");
        Ok(Self { memory, start: 0, len })
    }

    /// Zeroed memory of the heap, which `fill` writes into.
    #[cfg(not(unix))]
    pub(super) fn new(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), OpenFailure>,
    ) -> Result<Self, OpenFailure> {
        let mut memory = Vec::new();
        let room = len.saturating_add(ALIGN);
        memory.try_reserve_exact(room).map_err(|_| no_room(len as u64, true))?;
        memory.resize(room, 0);
        let start = memory.as_ptr().align_offset(ALIGN);
        fill(&mut memory[start..][..len])?;
        Ok(Self { memory, start, len })
    }

    /// The copy.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }

    /// Keeps the copy in memory.
    #[cfg(unix)]
    pub(super) fn lock(&self) -> std::io::Result<()> {
        self.memory.lock()
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::super::observed::have_flag;
    use super::*;

    fn fill_one(bytes: &mut [u8]) -> Result<(), OpenFailure> {
        bytes.fill(7);
        Ok(())
    }

    #[test]
    fn a_copy_is_locked_when_that_was_asked() {
        let memory = Private::new(1, fill_one).unwrap();
        let is_locked = || have_flag([memory.bytes().as_ptr().addr()], "lo");
        assert_ne!(is_locked(), Some([true]));
        // The limit may leave no room. Some systems do not tell what is locked.
        if memory.lock().is_ok() {
            assert_ne!(is_locked(), Some([false]));
        }
        assert_eq!(memory.bytes(), [7]);
    }
}
