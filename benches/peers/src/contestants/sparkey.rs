//! Sparkey: a log of entries and a hash file beside it, both mapped, no compression.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path, ptr::null_mut, slice};

use sparkey_sys as sys;

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct Sparkey;

fn path(dir: &Path, name: &str) -> Result<CString> {
    Ok(CString::new(dir.join(name).as_os_str().as_bytes())?)
}

fn check(code: sys::returncode) -> Result<()> {
    match code {
        sys::returncode::SUCCESS => Ok(()),
        code => Err(format!("sparkey: {code:?}").into()),
    }
}

impl Contestant for Sparkey {
    fn name(&self) -> &'static str {
        "sparkey"
    }

    fn options(&self) -> &'static str {
        "no compression; hash width chosen by the library; one log iterator per thread"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let (log, hash) = (path(dir, "table.spl")?, path(dir, "table.spi")?);
        let mut writer = null_mut();
        let none = sys::compression_type::COMPRESSION_NONE;
        // SAFETY: `log` is a C string; `writer` receives a handle that is closed below.
        check(unsafe { sys::logwriter_create(&mut writer, log.as_ptr(), none, 0) })?;
        for (key, value) in input.iter() {
            let (klen, vlen) = (key.len() as u64, value.len() as u64);
            // SAFETY: both slices live through the call, which copies them.
            check(unsafe { sys::logwriter_put(writer, klen, key.as_ptr(), vlen, value.as_ptr()) })?;
        }
        // SAFETY: created above, closed once.
        check(unsafe { sys::logwriter_close(&mut writer) })?;
        // SAFETY: both are C strings; 0 lets the library choose the hash width.
        check(unsafe { sys::hash_write(hash.as_ptr(), log.as_ptr(), 0) })
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let (log, hash) = (path(&place.dir, "table.spl")?, path(&place.dir, "table.spi")?);
        let mut reader = null_mut();
        // SAFETY: both are C strings; `reader` receives a handle that `Drop` closes.
        check(unsafe { sys::hash_open(&mut reader, hash.as_ptr(), log.as_ptr()) })?;
        // SAFETY: the handle was just opened.
        let log = unsafe { sys::hash_getreader(reader) };
        Ok(Box::new(Table { reader, log }))
    }
}

struct Table {
    reader: *mut sys::hashreader,
    log: *mut sys::logreader,
}

// SAFETY: Sparkey's readers are documented as shareable between threads; iterators are not.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once; the log reader belongs to it.
        unsafe { sys::hash_close(&mut self.reader) };
    }
}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> Reader<'_> {
        let mut iter = null_mut();
        // SAFETY: the log reader is open; `iter` receives a handle that `Drop` closes.
        let code = unsafe { sys::logiter_create(&mut iter, self.log) };
        check(code).expect("an iterator over an open log");
        Reader { table: self, iter }
    }
}

struct Reader<'s> {
    table: &'s Table,
    iter: *mut sys::logiter,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: created in `session`, closed once.
        unsafe { sys::logiter_close(&mut self.iter) };
    }
}

type Chunk = unsafe extern "C" fn(
    *mut sys::logiter,
    *mut sys::logreader,
    u64,
    *mut *mut u8,
    *mut u64,
) -> sys::returncode;

impl Reader<'_> {
    /// Uncompressed, so that one chunk is the whole key or value, inside the mapping.
    #[inline]
    fn chunk(&self, chunk: Chunk, len: u64) -> &[u8] {
        let (mut at, mut got) = (null_mut(), 0);
        // SAFETY: the iterator stands at an entry of this log.
        let code = unsafe { chunk(self.iter, self.table.log, len, &mut at, &mut got) };
        if !matches!(code, sys::returncode::SUCCESS) || at.is_null() {
            return &[];
        }
        // SAFETY: the library says that `got` bytes lie there, in a mapping that `table` holds.
        unsafe { slice::from_raw_parts(at, got as usize) }
    }
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (key, klen) = (probe.key.as_ptr(), probe.key.len() as u64);
        // SAFETY: the handles are open and the key lives through the call.
        let code = unsafe { sys::hash_get(self.table.reader, key, klen, self.iter) };
        check(code).ok()?;
        // SAFETY: the iterator is open; its state says whether the key was found.
        let state = unsafe { sys::logiter_state(self.iter) };
        if !matches!(state, sys::iter_state::ITER_ACTIVE) {
            return None;
        }
        // SAFETY: the iterator stands at the entry that was found.
        let len = unsafe { sys::logiter_valuelen(self.iter) };
        Some(f(self.chunk(sys::logiter_valuechunk, len)))
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let fresh = self.table.session();
        loop {
            // SAFETY: the iterator and the log are open.
            let code = unsafe { sys::logiter_next(fresh.iter, self.table.log) };
            // SAFETY: as above.
            let state = unsafe { sys::logiter_state(fresh.iter) };
            if check(code).is_err() || !matches!(state, sys::iter_state::ITER_ACTIVE) {
                return;
            }
            // SAFETY: the iterator stands at an entry.
            let klen = unsafe { sys::logiter_keylen(fresh.iter) };
            // SAFETY: as above.
            let vlen = unsafe { sys::logiter_valuelen(fresh.iter) };
            // The key comes first in the log and has to be read first.
            let key = fresh.chunk(sys::logiter_keychunk, klen);
            f(key, fresh.chunk(sys::logiter_valuechunk, vlen));
        }
    }
}
