//! RocksDB through its C API: one sorted table, mapped reads, no compression, Bloom filter.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uchar, c_void},
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::{null, null_mut},
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

type Handle = *mut c_void;
type Errors = *mut *mut c_char;

unsafe extern "C" {
    fn rocksdb_options_create() -> Handle;
    fn rocksdb_options_destroy(options: Handle);
    fn rocksdb_options_set_create_if_missing(options: Handle, yes: c_uchar);
    fn rocksdb_options_set_compression(options: Handle, kind: c_int);
    fn rocksdb_options_set_compression_options(o: Handle, w: c_int, l: c_int, s: c_int, d: c_int);
    fn rocksdb_options_set_compression_options_zstd_max_train_bytes(options: Handle, n: c_int);
    fn rocksdb_options_set_allow_mmap_reads(options: Handle, yes: c_uchar);
    fn rocksdb_options_set_advise_random_on_open(options: Handle, yes: c_uchar);
    fn rocksdb_options_prepare_for_bulk_load(options: Handle);
    fn rocksdb_options_set_block_based_table_factory(options: Handle, table: Handle);
    fn rocksdb_block_based_options_create() -> Handle;
    fn rocksdb_block_based_options_destroy(table: Handle);
    fn rocksdb_block_based_options_set_filter_policy(table: Handle, policy: Handle);
    fn rocksdb_block_based_options_set_data_block_index_type(table: Handle, kind: c_int);
    fn rocksdb_filterpolicy_create_bloom_full(bits_per_key: f64) -> Handle;
    fn rocksdb_envoptions_create() -> Handle;
    fn rocksdb_envoptions_destroy(env: Handle);
    fn rocksdb_sstfilewriter_create(env: Handle, options: Handle) -> Handle;
    fn rocksdb_sstfilewriter_open(writer: Handle, path: *const c_char, e: Errors);
    fn rocksdb_sstfilewriter_put(
        w: Handle,
        k: *const u8,
        kl: usize,
        v: *const u8,
        vl: usize,
        e: Errors,
    );
    fn rocksdb_sstfilewriter_finish(writer: Handle, e: Errors);
    fn rocksdb_sstfilewriter_destroy(writer: Handle);
    fn rocksdb_ingestexternalfileoptions_create() -> Handle;
    fn rocksdb_ingestexternalfileoptions_destroy(options: Handle);
    fn rocksdb_ingestexternalfileoptions_set_move_files(options: Handle, yes: c_uchar);
    fn rocksdb_ingest_external_file(
        db: Handle,
        files: *const *const c_char,
        count: usize,
        options: Handle,
        e: Errors,
    );
    fn rocksdb_open(options: Handle, path: *const c_char, e: Errors) -> Handle;
    fn rocksdb_open_for_read_only(o: Handle, p: *const c_char, wal: c_uchar, e: Errors) -> Handle;
    fn rocksdb_close(db: Handle);
    fn rocksdb_writeoptions_create() -> Handle;
    fn rocksdb_writeoptions_destroy(options: Handle);
    fn rocksdb_writeoptions_disable_WAL(options: Handle, yes: c_int);
    fn rocksdb_put(
        db: Handle,
        options: Handle,
        k: *const u8,
        kl: usize,
        v: *const u8,
        vl: usize,
        e: Errors,
    );
    fn rocksdb_compact_range(db: Handle, s: *const u8, sl: usize, l: *const u8, ll: usize);
    fn rocksdb_readoptions_create() -> Handle;
    fn rocksdb_readoptions_destroy(options: Handle);
    fn rocksdb_readoptions_set_verify_checksums(options: Handle, yes: c_uchar);
    fn rocksdb_get_pinned(db: Handle, o: Handle, k: *const u8, kl: usize, e: Errors) -> Handle;
    fn rocksdb_pinnableslice_value(slice: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_pinnableslice_destroy(slice: Handle);
    fn rocksdb_create_iterator(db: Handle, options: Handle) -> Handle;
    fn rocksdb_iter_destroy(iter: Handle);
    fn rocksdb_iter_valid(iter: Handle) -> c_uchar;
    fn rocksdb_iter_seek(iter: Handle, key: *const u8, len: usize);
    fn rocksdb_iter_seek_to_first(iter: Handle);
    fn rocksdb_iter_seek_to_last(iter: Handle);
    fn rocksdb_iter_next(iter: Handle);
    fn rocksdb_iter_prev(iter: Handle);
    fn rocksdb_iter_key(iter: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_iter_value(iter: Handle, len: *mut usize) -> *const u8;
    fn rocksdb_free(memory: *mut c_void);
}

pub struct RocksDb {
    name: &'static str,
    options: &'static str,
    zstd: bool,
}

pub const PLAIN: RocksDb = RocksDb {
    name: "rocksdb",
    options: "Debian's build; mmap reads, no compression, Bloom filter of 10 bits, hash index in data \
              blocks, checksums not verified; sorted input as one ingested SST, unsorted by put \
              without WAL and a compaction",
    zstd: false,
};

pub const COMPRESSED: RocksDb = RocksDb {
    name: "rocksdb-zstd",
    options: "as rocksdb, with zstd level 3 and a dictionary of 110 KiB trained on 11 MB for each file; \
              block cache of the default size",
    zstd: true,
};

const ZSTD: c_int = 7;
const LEVEL: c_int = 3;
const DICTIONARY: c_int = 112_640;

const BLOOM_BITS: f64 = 10.0;
const BINARY_SEARCH_AND_HASH: c_int = 1;

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Runs a call that reports through an error string.
fn guarded<T>(call: impl FnOnce(Errors) -> T) -> Result<T> {
    let mut error = null_mut();
    let answer = call(&mut error);
    if error.is_null() {
        return Ok(answer);
    }
    // SAFETY: a C string that the library allocated for us.
    let text = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
    // SAFETY: allocated by the library, freed once.
    unsafe { rocksdb_free(error.cast()) };
    Err(format!("rocksdb: {text}").into())
}

/// Destroys a handle when it goes out of scope.
struct Owned(Handle, unsafe extern "C" fn(Handle));

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the pair was made by the matching create call and is destroyed once.
        unsafe { (self.1)(self.0) };
    }
}

#[expect(clippy::undocumented_unsafe_blocks, reason = "setters on handles made in this function")]
fn options(access: Access, zstd: bool) -> Owned {
    let options = Owned(unsafe { rocksdb_options_create() }, rocksdb_options_destroy);
    let table =
        Owned(unsafe { rocksdb_block_based_options_create() }, rocksdb_block_based_options_destroy);
    // The table options take over the policy; the factory copies the table options.
    let policy = unsafe { rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS) };
    unsafe { rocksdb_block_based_options_set_filter_policy(table.0, policy) };
    unsafe {
        rocksdb_block_based_options_set_data_block_index_type(table.0, BINARY_SEARCH_AND_HASH)
    };
    unsafe { rocksdb_options_set_block_based_table_factory(options.0, table.0) };
    unsafe { rocksdb_options_set_create_if_missing(options.0, 1) };
    unsafe { rocksdb_options_set_compression(options.0, if zstd { ZSTD } else { 0 }) };
    if zstd {
        unsafe { rocksdb_options_set_compression_options(options.0, -14, LEVEL, 0, DICTIONARY) };
        let sample = 100 * DICTIONARY;
        unsafe { rocksdb_options_set_compression_options_zstd_max_train_bytes(options.0, sample) };
    }
    unsafe { rocksdb_options_set_allow_mmap_reads(options.0, 1) };
    let random = c_uchar::from(access != Access::Normal);
    unsafe { rocksdb_options_set_advise_random_on_open(options.0, random) };
    options
}

impl Contestant for RocksDb {
    fn name(&self) -> &'static str {
        self.name
    }

    fn holds(&self, shape: &Shape) -> bool {
        !self.zstd || shape.key_len.is_none()
    }

    fn options(&self) -> &'static str {
        self.options
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        if input.sorted { ingest(input, dir, self.zstd) } else { put(input, dir, self.zstd) }
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let options = options(access, self.zstd);
        let path = c_path(&place.file("db"))?;
        // SAFETY: the options and the path live through the call.
        let db =
            guarded(|e| unsafe { rocksdb_open_for_read_only(options.0, path.as_ptr(), 0, e) })?;
        let db = Owned(db, rocksdb_close);
        // SAFETY: allocates read options.
        let read = Owned(unsafe { rocksdb_readoptions_create() }, rocksdb_readoptions_destroy);
        // SAFETY: the read options are fresh.
        unsafe { rocksdb_readoptions_set_verify_checksums(read.0, 0) };
        Ok(Box::new(Table { read, db, _options: options }))
    }
}

fn create(dir: &Path, options: &Owned) -> Result<Owned> {
    let path = c_path(&dir.join("db"))?;
    // SAFETY: the options and the path live through the call.
    Ok(Owned(guarded(|e| unsafe { rocksdb_open(options.0, path.as_ptr(), e) })?, rocksdb_close))
}

fn ingest(input: &Input, dir: &Path, zstd: bool) -> Result<()> {
    let options = options(Access::Normal, zstd);
    let sst = c_path(&dir.join("one.sst"))?;
    // SAFETY: allocates environment options.
    let env = Owned(unsafe { rocksdb_envoptions_create() }, rocksdb_envoptions_destroy);
    // SAFETY: both option handles outlive the writer.
    let writer = unsafe { rocksdb_sstfilewriter_create(env.0, options.0) };
    let writer = Owned(writer, rocksdb_sstfilewriter_destroy);
    // SAFETY: `sst` is a C string.
    guarded(|e| unsafe { rocksdb_sstfilewriter_open(writer.0, sst.as_ptr(), e) })?;
    for (key, value) in input.iter() {
        let (k, v) = (key.as_ptr(), value.as_ptr());
        // SAFETY: both slices live through the call, which copies them.
        guarded(|e| unsafe {
            rocksdb_sstfilewriter_put(writer.0, k, key.len(), v, value.len(), e)
        })?;
    }
    // SAFETY: the writer is open.
    guarded(|e| unsafe { rocksdb_sstfilewriter_finish(writer.0, e) })?;
    let db = create(dir, &options)?;
    // SAFETY: allocates ingest options.
    let how = unsafe { rocksdb_ingestexternalfileoptions_create() };
    let how = Owned(how, rocksdb_ingestexternalfileoptions_destroy);
    // SAFETY: the ingest options are fresh.
    unsafe { rocksdb_ingestexternalfileoptions_set_move_files(how.0, 1) };
    let files = [sst.as_ptr()];
    // SAFETY: one C string, one file.
    guarded(|e| unsafe { rocksdb_ingest_external_file(db.0, files.as_ptr(), 1, how.0, e) })
}

fn put(input: &Input, dir: &Path, zstd: bool) -> Result<()> {
    let options = options(Access::Normal, zstd);
    // SAFETY: the options are fresh.
    unsafe { rocksdb_options_prepare_for_bulk_load(options.0) };
    let db = create(dir, &options)?;
    // SAFETY: allocates write options.
    let write = Owned(unsafe { rocksdb_writeoptions_create() }, rocksdb_writeoptions_destroy);
    // SAFETY: the write options are fresh.
    unsafe { rocksdb_writeoptions_disable_WAL(write.0, 1) };
    for (key, value) in input.iter() {
        let (k, v) = (key.as_ptr(), value.as_ptr());
        // SAFETY: both slices live through the call, which copies them.
        guarded(|e| unsafe { rocksdb_put(db.0, write.0, k, key.len(), v, value.len(), e) })?;
    }
    // SAFETY: null bounds mean the whole range.
    unsafe { rocksdb_compact_range(db.0, null(), 0, null(), 0) };
    Ok(())
}

/// Fields drop in this order: the database before its options.
struct Table {
    db: Owned,
    read: Owned,
    _options: Owned,
}

// SAFETY: a RocksDB handle may be used by any number of threads.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        Reader { table: self, iter: None }
    }
}

struct Reader<'s> {
    table: &'s Table,
    /// Made at the first seek and kept.
    iter: Option<Owned>,
}

#[inline]
fn bytes(
    handle: Handle,
    part: unsafe extern "C" fn(Handle, *mut usize) -> *const u8,
) -> *const [u8] {
    let mut len = 0;
    // SAFETY: all callers pass a live slice or an iterator that stands at an entry.
    let at = unsafe { part(handle, &mut len) };
    std::ptr::slice_from_raw_parts(at, len)
}

impl Reader<'_> {
    fn iter(&mut self) -> Handle {
        let table = self.table;
        let make = || {
            // SAFETY: the database is open and outlives the iterator.
            let iter = unsafe { rocksdb_create_iterator(table.db.0, table.read.0) };
            Owned(iter, rocksdb_iter_destroy)
        };
        self.iter.get_or_insert_with(make).0
    }
}

fn walk(
    iter: Handle,
    limit: usize,
    step: unsafe extern "C" fn(Handle),
    mut f: impl FnMut(&[u8], &[u8]),
) {
    for _ in 0..limit {
        // SAFETY: the iterator is live.
        if unsafe { rocksdb_iter_valid(iter) } == 0 {
            return;
        }
        // SAFETY: the iterator stands at an entry; its bytes stay until it moves.
        let key = unsafe { &*bytes(iter, rocksdb_iter_key) };
        // SAFETY: as above.
        let value = unsafe { &*bytes(iter, rocksdb_iter_value) };
        f(key, value);
        // SAFETY: as above; no borrow is left.
        unsafe { step(iter) };
    }
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (db, read) = (self.table.db.0, self.table.read.0);
        let (key, len) = (probe.key.as_ptr(), probe.key.len());
        // SAFETY: the database is open and the key lives through the call.
        let found = guarded(|e| unsafe { rocksdb_get_pinned(db, read, key, len, e) }).ok()?;
        if found.is_null() {
            return None;
        }
        let found = Owned(found, rocksdb_pinnableslice_destroy);
        // SAFETY: the pinned bytes live until `found` drops.
        Some(f(unsafe { &*bytes(found.0, rocksdb_pinnableslice_value) }))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, f: impl FnMut(&[u8], &[u8])) {
        let iter = self.iter();
        // SAFETY: the iterator is live and the key lives through the call.
        unsafe { rocksdb_iter_seek(iter, probe.key.as_ptr(), probe.key.len()) };
        walk(iter, limit, rocksdb_iter_next, f);
    }

    fn scan(&mut self, forward: bool, f: impl FnMut(&[u8], &[u8])) {
        let iter = self.iter();
        let (start, step): (unsafe extern "C" fn(Handle), unsafe extern "C" fn(Handle)) = if forward
        {
            (rocksdb_iter_seek_to_first, rocksdb_iter_next)
        } else {
            (rocksdb_iter_seek_to_last, rocksdb_iter_prev)
        };
        // SAFETY: the iterator is live.
        unsafe { start(iter) };
        walk(iter, usize::MAX, step, f);
    }
}
