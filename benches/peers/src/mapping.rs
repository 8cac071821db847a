//! Files as the floors want them: written so that the page cache holds them in 2 MiB folios,
//! and mapped at an address that lets the kernel use them.

use std::{
    fs::File,
    io::Write,
    os::fd::AsRawFd,
    path::Path,
    ptr::{NonNull, null_mut},
};

use crate::Result;

pub const HUGE: usize = 2 << 20;

/// Writes `parts` back to back in chunks that start and end at multiples of 2 MiB. ext4 and xfs
/// answer a `write` of at least 2 MiB at such an offset with a folio of that size.
pub fn write_huge(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let mut out = File::create(path)?;
    let mut buffer = Vec::with_capacity(4 * HUGE);
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(4 * HUGE - buffer.len()));
            buffer.extend_from_slice(now);
            rest = later;
            if buffer.len() == 4 * HUGE {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
    }
    out.write_all(&buffer)?;
    Ok(())
}

/// A shared read-only mapping of a whole file, 2 MiB-aligned.
pub struct HugeMap {
    at: NonNull<u8>,
    len: usize,
    /// What was reserved, to be unmapped as a whole.
    reserved: (usize, usize),
}

// SAFETY: the mapping is read-only and lives until drop.
unsafe impl Send for HugeMap {}
// SAFETY: as above.
unsafe impl Sync for HugeMap {}

impl HugeMap {
    pub fn open(path: &Path) -> Result<HugeMap> {
        let file = File::open(path)?;
        let len = file.metadata()?.len() as usize;
        let reserve = len + 2 * HUGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh reservation at an address of the kernel's choice.
        let base = unsafe { libc::mmap(null_mut(), reserve, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        let aligned = (base as usize).next_multiple_of(HUGE) as *mut libc::c_void;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: `aligned .. aligned + len` lies inside the reservation made above.
        let at = unsafe { libc::mmap(aligned, len, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        let at = NonNull::new(at.cast()).ok_or("mmap gave a null mapping")?;
        Ok(HugeMap { at, len, reserved: (base as usize, reserve) })
    }

    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `at` and `len` describe the mapping that `open` made; it lives until drop.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl Drop for HugeMap {
    fn drop(&mut self) {
        let (base, len) = self.reserved;
        // SAFETY: exactly the reservation of `open`; no slice of it outlives `self`.
        unsafe { libc::munmap(base as *mut libc::c_void, len) };
    }
}
