//! The mapping: the one file that knows where a table's bytes come from, and the functions that
//! map a path, which are unsafe to call.

#![expect(unsafe_code, reason = "maps files, and gives out the mapped bytes as a slice")]

use super::open::{Access, OpenOptions};
use super::table::Table;
use super::typed::TypedTable;
use crate::error::OpenError;
use crate::format::types::TypedKey;
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use std::borrow::Cow;
use std::fs::File;
use std::path::Path;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The bytes of a table, whoever owns them. They do not move and do not change.
#[derive(Debug)]
pub(crate) struct Bytes {
    /// Invariant: valid for reads of `len` bytes, unchanged, as long as `owner` lives.
    start: *const u8,
    len: usize,
    owner: Owner,
}

#[derive(Debug)]
enum Owner {
    Mapped(Mmap),
    Private(#[expect(dead_code, reason = "held for its memory")] Mmap),
    Heap(#[expect(dead_code, reason = "held for its memory")] Vec<u8>),
    Static,
}

// SAFETY: `Bytes` only ever gives out shared slices of memory that nobody writes (invariant of
// `start`), so it may be used from any thread.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// All bytes of the table.
    #[inline]
    pub(crate) fn get(&self) -> &[u8] {
        // SAFETY: invariant of `start`; the slice can't outlive `self`, which holds the owner.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// Bytes borrowed for ever, or owned.
    pub(crate) fn from_cow(bytes: Cow<'static, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => {
                Self { start: bytes.as_ptr(), len: bytes.len(), owner: Owner::Static }
            }
            // A `Vec` that is never touched again keeps its buffer where it is.
            Cow::Owned(bytes) => {
                Self { start: bytes.as_ptr(), len: bytes.len(), owner: Owner::Heap(bytes) }
            }
        }
    }

    /// A private copy that `fill` writes into zeroed, page-aligned memory, in huge pages where
    /// the kernel has them.
    pub(crate) fn private(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        let out_of_memory = |_| OpenError::OutOfMemory { needed: len as u64 };
        let mut memory = MmapMut::map_anon(len.max(1)).map_err(out_of_memory)?;
        #[cfg(target_os = "linux")]
        // Advice: without huge pages it is slower, not wrong.
        let _ = memory.advise(Advice::HugePage);
        fill(&mut memory[..len])?;
        let memory = memory.make_read_only().map_err(out_of_memory)?;
        Ok(Self { start: memory.as_ptr(), len, owner: Owner::Private(memory) })
    }

    /// Maps `len` bytes at `offset`, which need not be a multiple of the page size.
    ///
    /// # Safety
    /// Until the result is dropped, nobody modifies or truncates the file.
    unsafe fn map(file: &File, offset: u64, len: usize, access: Access) -> Result<Self, OpenError> {
        let mut options = MmapOptions::new();
        options.offset(offset).len(len);
        // SAFETY: the caller promises that the file stays as it is.
        let shared = unsafe { options.map(file) };
        let mapped = match shared {
            // Some file systems refuse shared mappings; a private read-only one uses the same
            // page-cache pages.
            Err(error) if !out_of_address_space(&error) => {
                // SAFETY: as above.
                unsafe { options.map_copy_read_only(file) }.map_err(|_| error)
            }
            other => other,
        };
        let map = mapped.map_err(|source| {
            if out_of_address_space(&source) {
                OpenError::AddressSpaceExhausted { needed: len as u64 }
            } else {
                OpenError::Io { action: "map the file", path: None, source }
            }
        })?;
        #[cfg(unix)]
        {
            let advice = match access {
                Access::Normal => None,
                Access::Random => Some(Advice::Random),
                Access::Sequential => Some(Advice::Sequential),
            };
            // Advice: a kernel that refuses it reads ahead as it likes.
            let _ = advice.map(|advice| map.advise(advice));
        }
        Ok(Self { start: map.as_ptr(), len, owner: Owner::Mapped(map) })
    }

    /// Makes the kernel map these bytes. On Linux ≥ 5.14 a page that can't be read is an error
    /// here and not a SIGBUS at its first touch; elsewhere nothing happens.
    pub(crate) fn populate(&self, start: usize, len: usize) -> std::io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Owner::Mapped(map) = &self.owner {
            let shift = self.start.addr() - map.as_ptr().addr();
            return match map.advise_range(Advice::PopulateRead, start + shift, len) {
                // An older kernel does not know the advice.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
                other => other,
            };
        }
        let _ = (start, len, &self.owner);
        Ok(())
    }
}

#[cfg(unix)]
fn out_of_address_space(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOMEM.raw_os_error())
}

#[cfg(not(unix))]
fn out_of_address_space(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::OutOfMemory
}

impl Table {
    /// Maps the table at `path`, shared and read-only: its pages are those of the page cache, in
    /// memory once however many processes map it. Costs a handful of system calls and touches the
    /// first and the last page, whatever the size.
    ///
    /// # Safety
    /// As long as the table or a clone of it lives, nobody modifies or truncates the file. Files
    /// published by graven are replaced by rename and never modified, so this holds unless
    /// something else writes into them: never `cp` over a table, never edit one in place.
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        unsafe { OpenOptions::new().open(path) }
    }
}

impl OpenOptions {
    /// Maps the table at `path` with these options.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// See [`OpenError`]; each cause has its own.
    pub unsafe fn open(&self, path: impl AsRef<Path>) -> Result<Table, OpenError> {
        let (file, offset, len) = self.locate(path.as_ref())?;
        // SAFETY: the caller promises that the file stays as it is while the table lives.
        let bytes = unsafe { Bytes::map(&file, offset, len, self.access) }?;
        self.finish(bytes)
    }
}

impl<K, V> TypedTable<K, V>
where
    K: TypedKey,
    V: FromBytes + Immutable + KnownLayout + 'static,
{
    /// Maps the typed table at `path`.
    ///
    /// # Safety
    /// As for [`Table::open`].
    ///
    /// # Errors
    /// As [`Table::open`], and as [`TypedTable::new`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SAFETY: the caller's promise is the same.
        let table = unsafe { Table::open(path) }?;
        Self::new(table)
    }
}
