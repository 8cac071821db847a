//! Opens files without hanging, names the kind of a file, and reads and writes at any place of it.

use crate::error::OpenFailure;
use rustix::fs::{FileType, OFlags};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Bytes of one write. Measured: smaller writes give no 2 MiB pages (format.md).
pub(crate) const CHUNK: usize = 2 << 20;

/// Flags with which a FIFO does not hang the open, and a terminal does not become this process's
/// own.
pub(super) const CAREFUL: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);

/// Opens a regular file to read it. `failed` turns the system's error into the caller's.
pub(crate) fn open_regular(
    path: &Path,
    failed: impl Fn(io::Error) -> OpenFailure,
) -> Result<(File, Metadata), OpenFailure> {
    let opened = File::options().read(true).custom_flags(CAREFUL.bits() as i32).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            // The system refuses to open a socket, or a device without a driver: name its kind.
            if let Ok(metadata) = fs::metadata(path) {
                check_kind(&metadata)?;
            }
            return Err(failed(error));
        }
    };
    let metadata = file.metadata().map_err(failed)?;
    check_kind(&metadata)?;
    Ok((file, metadata))
}

fn check_kind(metadata: &Metadata) -> Result<(), OpenFailure> {
    match special_kind(FileType::from_raw_mode(metadata.mode() as _)) {
        Some(kind) => Err(OpenFailure::NotARegularFile { kind }),
        None => Ok(()),
    }
}

/// The kind of a file; `None` for a regular one.
pub(super) fn special_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile => None,
        FileType::Directory => Some("directory"),
        FileType::Fifo => Some("FIFO"),
        FileType::Socket => Some("socket"),
        _ => Some("device or terminal"),
    }
}

/// Fills `bytes` from the file, from offset `at` on.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    file.read_exact_at(bytes, at)
}

/// Writes all of `bytes` to the file, from offset `at` on.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}
