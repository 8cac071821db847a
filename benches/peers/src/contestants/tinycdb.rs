//! tinycdb through a few lines of FFI. The file is mapped by the library itself.

use std::{
    ffi::{c_int, c_uchar, c_uint, c_void},
    fs::File,
    os::fd::{AsRawFd, IntoRawFd},
    path::Path,
    slice,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

/// `struct cdb` of cdb.h, version 0.78.
#[repr(C)]
#[derive(Clone, Copy)]
struct Cdb {
    fd: c_int,
    fsize: c_uint,
    dend: c_uint,
    mem: *const c_uchar,
    vpos: c_uint,
    vlen: c_uint,
    kpos: c_uint,
    klen: c_uint,
}

/// `struct cdb_make` is 4096 bytes of buffer, 256 pointers and a few words; this is roomy.
#[repr(C, align(16))]
struct CdbMake([u8; 8192]);

unsafe extern "C" {
    fn cdb_init(cdb: *mut Cdb, fd: c_int) -> c_int;
    fn cdb_free(cdb: *mut Cdb);
    fn cdb_find(cdb: *mut Cdb, key: *const c_void, klen: c_uint) -> c_int;
    fn cdb_get(cdb: *const Cdb, len: c_uint, pos: c_uint) -> *const c_void;
    fn cdb_seqnext(at: *mut c_uint, cdb: *mut Cdb) -> c_int;
    fn cdb_make_start(make: *mut CdbMake, fd: c_int) -> c_int;
    fn cdb_make_add(
        make: *mut CdbMake,
        key: *const c_void,
        klen: c_uint,
        value: *const c_void,
        vlen: c_uint,
    ) -> c_int;
    fn cdb_make_finish(make: *mut CdbMake) -> c_int;
}

pub struct TinyCdb;

impl Contestant for TinyCdb {
    fn name(&self) -> &'static str {
        "tinycdb"
    }

    fn options(&self) -> &'static str {
        "Debian's libcdb; no options exist; one struct cdb per thread over one mapping"
    }

    /// Offsets are 32 bits wide.
    fn holds(&self, shape: &Shape) -> bool {
        shape.payload + 24 * shape.entries + 2048 < u64::from(u32::MAX)
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(dir.join("table.cdb"))?;
        let mut make = Box::new(CdbMake([0; 8192]));
        // SAFETY: `make` is large enough for a struct cdb_make, and `file` stays open.
        let mut failed = unsafe { cdb_make_start(&mut *make, file.as_raw_fd()) } != 0;
        for (key, value) in input.iter() {
            let (k, v) = (key.as_ptr().cast(), value.as_ptr().cast());
            // SAFETY: both slices live through the call, which copies them.
            failed |= unsafe {
                cdb_make_add(&mut *make, k, key.len() as c_uint, v, value.len() as c_uint)
            } != 0;
        }
        // SAFETY: started above, finished once.
        failed |= unsafe { cdb_make_finish(&mut *make) } != 0;
        if failed { Err("cdb_make failed".into()) } else { Ok(()) }
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let fd = File::open(place.file("table.cdb"))?.into_raw_fd();
        let nothing = std::ptr::null();
        let mut cdb =
            Cdb { fd, fsize: 0, dend: 0, mem: nothing, vpos: 0, vlen: 0, kpos: 0, klen: 0 };
        // SAFETY: `fd` is open for reading and now belongs to `cdb`.
        if unsafe { cdb_init(&mut cdb, fd) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(Box::new(Table(cdb)))
    }
}

struct Table(Cdb);

// SAFETY: the mapping behind `mem` is read-only; what a lookup writes lies in the session's copy.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: initialized in `open`; cdb_free unmaps and leaves the descriptor to its owner.
        unsafe { cdb_free(&mut self.0) };
        // SAFETY: the descriptor came from `into_raw_fd` in `open`.
        unsafe { libc::close(self.0.fd) };
    }
}

impl Store for Table {
    type Session<'s> = Reader;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> Reader {
        Reader(self.0)
    }
}

struct Reader(Cdb);

impl Reader {
    #[inline]
    fn slice(&self, len: c_uint, pos: c_uint) -> &[u8] {
        // SAFETY: `len` and `pos` come from the library's own last answer.
        let at = unsafe { cdb_get(&self.0, len, pos) };
        if at.is_null() {
            return &[];
        }
        // SAFETY: cdb_get checked that these bytes lie inside the mapping.
        unsafe { slice::from_raw_parts(at.cast(), len as usize) }
    }
}

impl Session for Reader {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let key = probe.key;
        // SAFETY: the struct is a copy of an initialized one whose mapping is still there.
        let found = unsafe { cdb_find(&mut self.0, key.as_ptr().cast(), key.len() as c_uint) };
        if found <= 0 {
            return None;
        }
        Some(f(self.slice(self.0.vlen, self.0.vpos)))
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut at = 2048;
        // SAFETY: as in `get`; `at` starts where cdb_seqinit says.
        while unsafe { cdb_seqnext(&mut at, &mut self.0) } > 0 {
            f(self.slice(self.0.klen, self.0.kpos), self.slice(self.0.vlen, self.0.vpos));
        }
    }
}
