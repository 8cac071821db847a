//! Reads that bypass the page cache.

use super::super::io::CHUNK;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Alignment of direct reads, in memory and in the file. No disk needs more.
const BLOCK: usize = 4096;

/// A file whose bytes come from the disk as long as this lives, if the file system allows direct
/// reads.
pub(super) struct Disk<'f> {
    file: &'f File,
    buffer: Vec<u8>,
    direct: bool,
}

impl<'f> Disk<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        let direct = set_direct(file, true).is_ok();
        Self { file, buffer: vec![0; CHUNK + BLOCK], direct }
    }

    /// Reads the `len` bytes at `at`, which is a multiple of [`CHUNK`].
    pub(super) fn read(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let file = self.file;
        self.read_by(|bytes, at| file.read_at(bytes, at), at, len)
    }

    /// As [`read`](Self::read). `read_at` reads the file once.
    fn read_by(
        &mut self,
        mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
        at: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        let start = self.buffer.as_ptr().align_offset(BLOCK).min(BLOCK);
        let wanted = len.next_multiple_of(BLOCK);
        match fill(&mut read_at, &mut self.buffer[start..start + wanted], at, len) {
            // The file system accepted the flag but refuses direct reads.
            Err(error) if self.direct && error.kind() == io::ErrorKind::InvalidInput => {
                self.through_the_cache();
                fill(&mut read_at, &mut self.buffer[start..start + wanted], at, len)?;
            }
            other => other?,
        }
        Ok(&self.buffer[start..start + len])
    }

    fn through_the_cache(&mut self) {
        self.direct = false;
        // An error is ignored: if direct reads stay on, the next read reports it.
        let _ = set_direct(self.file, false);
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        if self.direct {
            self.through_the_cache();
        }
    }
}

/// Reads until `len` bytes are there. The buffer is larger, since a direct read asks for whole
/// blocks.
fn fill(
    mut read_at: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    buffer: &mut [u8],
    at: u64,
    len: usize,
) -> io::Result<()> {
    let mut filled = 0;
    while filled < len {
        match read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_direct(file: &File, on: bool) -> io::Result<()> {
    use rustix::fs::OFlags;
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind::{InvalidInput, PermissionDenied, UnexpectedEof};

    const TEXT: &[u8] = b"the bytes of a file";

    fn file() -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(TEXT, 0).unwrap();
        file
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_are_direct_as_long_as_the_disk_lives() {
        let file = file();
        let is_direct = || {
            let flags = rustix::fs::fcntl_getfl(&file).unwrap();
            flags.contains(rustix::fs::OFlags::DIRECT)
        };
        assert!(!is_direct());
        let mut disk = Disk::new(&file);
        // A file system without direct reads leaves both false.
        assert_eq!(is_direct(), disk.direct);
        assert_eq!(disk.read(0, TEXT.len()).unwrap(), TEXT);
        drop(disk);
        assert!(!is_direct());
    }

    /// Reads all of the file in a way that fails with these errors first. Returns the bytes or the
    /// error, the number of reads, and whether the next read is to be direct.
    fn read(
        direct: bool,
        errors: &[io::ErrorKind],
    ) -> (Result<Vec<u8>, io::ErrorKind>, usize, bool) {
        let file = file();
        let mut disk = Disk { file: &file, buffer: vec![0; CHUNK + BLOCK], direct };
        let (mut reads, mut errors) = (0, errors.iter());
        let read_at = |bytes: &mut [u8], at: u64| {
            reads += 1;
            errors.next().map_or_else(|| file.read_at(bytes, at), |&kind| Err(kind.into()))
        };
        let read = disk.read_by(read_at, 0, TEXT.len());
        let read = read.map(<[u8]>::to_vec).map_err(|error| error.kind());
        let direct = disk.direct;
        (read, reads, direct)
    }

    #[test]
    fn a_file_system_that_refuses_direct_reads_is_read_through_the_cache() {
        assert_eq!(read(true, &[]), (Ok(TEXT.to_vec()), 1, true));
        assert_eq!(read(true, &[InvalidInput]), (Ok(TEXT.to_vec()), 2, false));
        // It is not the direct reads that the system refuses.
        assert_eq!(read(true, &[InvalidInput; 2]), (Err(InvalidInput), 2, false));
        assert_eq!(read(false, &[InvalidInput]), (Err(InvalidInput), 1, false));
        assert_eq!(read(true, &[PermissionDenied]), (Err(PermissionDenied), 1, true));
    }

    #[test]
    fn a_read_goes_on_where_the_last_one_ended() {
        let file = file();
        let mut calls = 0;
        let in_pieces = |bytes: &mut [u8], at: u64| {
            calls += 1;
            match calls % 2 {
                // A signal comes before each piece.
                1 => Err(io::ErrorKind::Interrupted.into()),
                _ => file.read_at(&mut bytes[..3], at),
            }
        };
        let mut buffer = [0; 16];
        fill(in_pieces, &mut buffer, 4, 7).unwrap();
        // Three pieces of 3 bytes.
        assert_eq!((&buffer[..9], calls), (&TEXT[4..13], 6));

        let read_at = |bytes: &mut [u8], at: u64| file.read_at(bytes, at);
        let short = fill(read_at, &mut [0; 64], 0, TEXT.len() + 1).unwrap_err();
        assert_eq!(short.kind(), UnexpectedEof);
        let mut calls = 0;
        let refused = |_: &mut [u8], _: u64| {
            calls += 1;
            Err(PermissionDenied.into())
        };
        let error = fill(refused, &mut buffer, 0, 7).unwrap_err();
        assert_eq!((error.kind(), calls), (PermissionDenied, 1));
    }
}
