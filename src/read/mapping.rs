//! A mapped part of a file: where the table lies in it, the advice that it gets, and what the
//! kernel says when there is no room for one.

use super::advice::Reading;
use crate::error::OpenError;
use memmap2::{Advice, Mmap};
use std::ptr::NonNull;

/// A mapped part of a file.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) map: Mmap,
    pub(super) reading: Reading,
    /// Who owns the file, where users have numbers.
    pub(super) user: Option<u32>,
}

impl Mapping {
    /// Where a byte of the table lies in the mapping, which may begin before it.
    pub(super) fn place(&self, table: NonNull<u8>, offset: usize) -> usize {
        table.addr().get() - self.map.as_ptr().addr() + offset
    }

    /// Advice: a kernel that refuses it reads ahead as it likes.
    pub(super) fn advise(&self, reading: Reading) {
        #[cfg(unix)]
        let _ = self.map.advise(match reading {
            Reading::Ahead => Advice::Normal,
            Reading::Sequential => Advice::Sequential,
            Reading::Pages | Reading::Windows => Advice::Random,
        });
        #[cfg(not(unix))]
        let _ = reading;
    }

    /// Asks the kernel to begin to read a part, and does not wait. Advice, too.
    pub(super) fn ask(&self, start: usize, len: usize) {
        /// The kernel reads no more for one question than its read-ahead or the largest request of
        /// the disk, of which the one is at least this unless somebody has lowered it.
        const PIECE: usize = 128 << 10;
        #[cfg(unix)]
        for at in (start..start + len).step_by(PIECE) {
            let _ = self.map.advise_range(Advice::WillNeed, at, PIECE.min(start + len - at));
        }
        #[cfg(not(unix))]
        let _ = (start, len, PIECE);
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

/// With the limit, where there is one.
pub(super) fn address_space_exhausted(needed: u64) -> OpenError {
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    #[cfg(not(unix))]
    let limit = None;
    OpenError::AddressSpaceExhausted { needed, limit }
}

#[cfg(unix)]
pub(super) fn out_of_address_space(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error())
}

#[cfg(not(unix))]
pub(super) fn out_of_address_space(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::OutOfMemory
}
