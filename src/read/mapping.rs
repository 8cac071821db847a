//! A mapped part of a file: where the table lies in it, the advice that it gets, and whether
//! the kernel had no room for one.

use super::open::Access;
use memmap2::{Advice, Mmap};
use std::ptr::NonNull;

/// A mapped part of a file.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) map: Mmap,
    pub(super) access: Access,
    /// Who owns the file, where users have numbers.
    pub(super) user: Option<u32>,
}

impl Mapping {
    /// Where a byte of the table lies in the mapping, which may begin before it.
    pub(super) fn place(&self, table: NonNull<u8>, offset: usize) -> usize {
        table.addr().get() - self.map.as_ptr().addr() + offset
    }

    /// Advice: a kernel that refuses it reads ahead as it likes.
    pub(super) fn advise(&self, access: Access) {
        #[cfg(unix)]
        let _ = self.map.advise(match access {
            Access::Normal => Advice::Normal,
            Access::Random => Advice::Random,
            Access::Sequential => Advice::Sequential,
        });
        #[cfg(not(unix))]
        let _ = access;
    }
}

/// The whole pages that hold `len` bytes from `start` on.
pub(super) fn pages_around(start: usize, len: usize) -> (usize, usize) {
    #[cfg(unix)]
    let page = rustix::param::page_size();
    #[cfg(not(unix))]
    let page = 4096;
    (start & !(page - 1), (start + len).next_multiple_of(page))
}

#[cfg(unix)]
pub(super) fn out_of_address_space(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error())
}

#[cfg(not(unix))]
pub(super) fn out_of_address_space(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::OutOfMemory
}
