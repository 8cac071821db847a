//! mtbl through FFI: sorted blocks, the file mapped; without compression and with zlib, its default.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    marker::PhantomData,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::null,
    slice,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

type Handle = *mut c_void;
const SUCCESS: c_int = 1;
const NO_COMPRESSION: c_int = 0;
const ZLIB: c_int = 2;

unsafe extern "C" {
    fn mtbl_writer_options_init() -> Handle;
    fn mtbl_writer_options_destroy(options: *mut Handle);
    fn mtbl_writer_options_set_compression(options: Handle, kind: c_int);
    fn mtbl_writer_init(path: *const c_char, options: Handle) -> Handle;
    fn mtbl_writer_add(w: Handle, k: *const u8, kl: usize, v: *const u8, vl: usize) -> c_int;
    fn mtbl_writer_destroy(writer: *mut Handle);
    fn mtbl_reader_options_init() -> Handle;
    fn mtbl_reader_options_destroy(options: *mut Handle);
    fn mtbl_reader_options_set_madvise_random(options: Handle, random: bool);
    fn mtbl_reader_options_set_verify_checksums(options: Handle, verify: bool);
    fn mtbl_reader_init(path: *const c_char, options: Handle) -> Handle;
    fn mtbl_reader_source(reader: Handle) -> *const c_void;
    fn mtbl_reader_destroy(reader: *mut Handle);
    fn mtbl_source_get(source: *const c_void, key: *const u8, len: usize) -> Handle;
    fn mtbl_source_iter(source: *const c_void) -> Handle;
    fn mtbl_iter_seek(iter: Handle, key: *const u8, len: usize) -> c_int;
    fn mtbl_iter_next(
        iter: Handle,
        key: *mut *const u8,
        klen: *mut usize,
        value: *mut *const u8,
        vlen: *mut usize,
    ) -> c_int;
    fn mtbl_iter_destroy(iter: *mut Handle);
}

pub struct Mtbl {
    name: &'static str,
    options: &'static str,
    compression: c_int,
}

pub const PLAIN: Mtbl = Mtbl {
    name: "mtbl",
    options: "no compression, blocks of 8 KiB (the default), checksums not verified; unsorted input \
              is sorted in memory first",
    compression: NO_COMPRESSION,
};

pub const COMPRESSED: Mtbl = Mtbl {
    name: "mtbl-zlib",
    options: "zlib (the default), blocks of 8 KiB (the default), checksums not verified; unsorted \
              input is sorted in memory first",
    compression: ZLIB,
};

fn path(dir: &Path) -> Result<CString> {
    Ok(CString::new(dir.join("table.mtbl").as_os_str().as_bytes())?)
}

impl Contestant for Mtbl {
    fn name(&self) -> &'static str {
        self.name
    }

    fn options(&self) -> &'static str {
        self.options
    }

    fn holds(&self, shape: &Shape) -> bool {
        self.compression == NO_COMPRESSION || shape.key_len.is_none()
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let path = path(dir)?;
        // SAFETY: allocates options; destroyed below.
        let mut options = unsafe { mtbl_writer_options_init() };
        // SAFETY: the options are fresh.
        unsafe { mtbl_writer_options_set_compression(options, self.compression) };
        // SAFETY: `path` is a C string; the writer copies the options.
        let mut writer = unsafe { mtbl_writer_init(path.as_ptr(), options) };
        // SAFETY: made above, destroyed once.
        unsafe { mtbl_writer_options_destroy(&mut options) };
        if writer.is_null() {
            return Err("mtbl: the file cannot be created".into());
        }
        let mut good = true;
        for (key, value) in input.ascending() {
            let (k, v) = (key.as_ptr(), value.as_ptr());
            // SAFETY: both slices live through the call, which copies them.
            good &= unsafe { mtbl_writer_add(writer, k, key.len(), v, value.len()) } == SUCCESS;
        }
        // SAFETY: made above, destroyed once; this writes the index and the trailer.
        unsafe { mtbl_writer_destroy(&mut writer) };
        if good { Ok(()) } else { Err("mtbl: an entry was refused".into()) }
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let path = path(&place.dir)?;
        // SAFETY: allocates options; destroyed below.
        let mut options = unsafe { mtbl_reader_options_init() };
        // SAFETY: the options are fresh.
        unsafe { mtbl_reader_options_set_madvise_random(options, access != Access::Normal) };
        // SAFETY: as above.
        unsafe { mtbl_reader_options_set_verify_checksums(options, false) };
        // SAFETY: `path` is a C string; the reader copies the options.
        let reader = unsafe { mtbl_reader_init(path.as_ptr(), options) };
        // SAFETY: made above, destroyed once.
        unsafe { mtbl_reader_options_destroy(&mut options) };
        if reader.is_null() {
            return Err("mtbl: the file cannot be opened".into());
        }
        // SAFETY: the reader is open; the source belongs to it.
        let source = unsafe { mtbl_reader_source(reader) };
        Ok(Box::new(Table { reader, source }))
    }
}

struct Table {
    reader: Handle,
    source: *const c_void,
}

// SAFETY: a reader is immutable once opened; every iterator has its own state.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, destroyed once.
        unsafe { mtbl_reader_destroy(&mut self.reader) };
    }
}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        // SAFETY: the source lives as long as the table.
        let seeker = Iter(unsafe { mtbl_source_iter(self.source) });
        Reader { source: self.source, seeker, table: PhantomData }
    }
}

struct Reader<'s> {
    source: *const c_void,
    /// Kept for seeks, as a program that seeks a lot would.
    seeker: Iter,
    table: PhantomData<&'s Table>,
}

struct Iter(Handle);

impl Drop for Iter {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by the library, destroyed once.
            unsafe { mtbl_iter_destroy(&mut self.0) };
        }
    }
}

impl Iter {
    #[inline]
    fn next(&mut self) -> Option<(&[u8], &[u8])> {
        if self.0.is_null() {
            return None;
        }
        let (mut key, mut klen, mut value, mut vlen) = (null(), 0, null(), 0);
        // SAFETY: the iterator is live; the four places receive its answer.
        let code = unsafe { mtbl_iter_next(self.0, &mut key, &mut klen, &mut value, &mut vlen) };
        if code != SUCCESS {
            return None;
        }
        // SAFETY: the bytes stay until the iterator moves, which `&mut self` prevents.
        let key = unsafe { slice::from_raw_parts(key, klen) };
        // SAFETY: as above.
        let value = unsafe { slice::from_raw_parts(value, vlen) };
        Some((key, value))
    }
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (key, len) = (probe.key.as_ptr(), probe.key.len());
        // SAFETY: the source is open and the key lives through the call.
        let mut found = Iter(unsafe { mtbl_source_get(self.source, key, len) });
        found.next().map(|(_, value)| f(value))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let (key, len) = (probe.key.as_ptr(), probe.key.len());
        // SAFETY: the iterator is live and the key lives through the call.
        if unsafe { mtbl_iter_seek(self.seeker.0, key, len) } != SUCCESS {
            return;
        }
        for _ in 0..limit {
            let Some((key, value)) = self.seeker.next() else { return };
            f(key, value);
        }
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        // SAFETY: the source lives as long as the table.
        let mut iter = Iter(unsafe { mtbl_source_iter(self.source) });
        while let Some((key, value)) = iter.next() {
            f(key, value);
        }
    }
}
