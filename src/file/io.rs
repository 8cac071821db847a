//! Reading and writing in any place of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of one write. Measured: smaller writes give no 2 MiB pages (format.md).
pub(crate) const CHUNK: usize = 2 << 20;

/// Reads so many bytes at this place.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}

/// Writes all of these bytes at this place.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}
