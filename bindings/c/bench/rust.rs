//! The loops of `bench.c` by the Rust API, as a static library: one process times both, in turns. The
//! functions read keys and values as those in C do.

#![expect(unsafe_code, reason = "is called from C")]
#![expect(clippy::multiple_unsafe_ops_per_block, reason = "the promises are those of one program")]

use graven::Table;
use std::ffi::{CStr, OsStr, c_char};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt;
use std::slice;

/// A `graven_slice`.
#[repr(C)]
#[derive(Debug)]
pub struct Key {
    data: *const u8,
    len: usize,
}

impl AsRef<[u8]> for Key {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the program in C gives whole keys.
        unsafe { slice::from_raw_parts(self.data, self.len) }
    }
}

/// The first eight bytes of a value, as a number. Every value of the benchmark has so many.
#[expect(clippy::host_endian_bytes, reason = "bench.c adds words as memory has them")]
#[inline(always)]
fn word(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
}

/// Opens a table for good.
///
/// # Safety
/// `path` is a string, and nobody changes the file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_open(path: *const c_char) -> &'static Table {
    // SAFETY: the caller's promise.
    let table = unsafe {
        let path = OsStr::from_bytes(CStr::from_ptr(path).to_bytes());
        Table::open(path).expect("the table of the benchmark")
    };
    Box::leak(Box::new(table))
}

/// Sums the values of keys: lookups that do not wait for each other.
///
/// # Safety
/// `keys` are `count` keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_get(table: &Table, keys: *const Key, count: usize, _: u64) -> u64 {
    // SAFETY: the caller's promise.
    let keys = unsafe { slice::from_raw_parts(keys, count) };
    let mut sum = 0u64;
    for key in keys {
        if let Some(value) = table.get(key).expect("a good table") {
            sum = sum.wrapping_add(word(value));
        }
    }
    sum
}

/// [`rust_get`] by a function that is not inlined.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_call(table: &Table, keys: *const Key, count: usize, _: u64) -> u64 {
    #[inline(never)]
    fn get<'t>(table: &'t Table, key: &[u8]) -> Option<&'t [u8]> {
        table.get(key).expect("a good table")
    }
    // SAFETY: the caller's promise.
    let keys = unsafe { slice::from_raw_parts(keys, count) };
    let mut sum = 0u64;
    for key in keys {
        if let Some(value) = get(table, key.as_ref()) {
            sum = sum.wrapping_add(word(value));
        }
    }
    sum
}

/// [`rust_get`] where each key's address waits for the value before. `zero` is 0, which the compiler
/// does not know.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_chain(
    table: &Table,
    keys: *const Key,
    count: usize,
    zero: u64,
) -> u64 {
    // SAFETY: the caller's promise.
    let keys = unsafe { slice::from_raw_parts(keys, count) };
    let (mut sum, mut last) = (0u64, 0);
    for i in 0..count {
        let key = &keys[i + (last & zero) as usize];
        if let Some(value) = table.get(key).expect("a good table") {
            last = word(value);
            sum = sum.wrapping_add(last);
        }
    }
    sum
}

/// [`rust_get`] with `batch` keys at once, each answer handed to a closure.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_many(
    table: &Table,
    keys: *const Key,
    count: usize,
    batch: u64,
) -> u64 {
    // SAFETY: the caller's promise.
    let keys = unsafe { slice::from_raw_parts(keys, count) };
    let mut sum = 0u64;
    for keys in keys.chunks(batch as usize) {
        let add = |value: Option<&[u8]>| sum = sum.wrapping_add(value.map_or(0, word));
        table.get_many_with(keys, add).expect("a good table");
    }
    sum
}

/// [`rust_many`] with the answers in a vector that is used again, as C has them in an array.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_many_into(
    table: &Table,
    keys: *const Key,
    count: usize,
    batch: u64,
) -> u64 {
    // SAFETY: the caller's promise.
    let keys = unsafe { slice::from_raw_parts(keys, count) };
    let (mut sum, mut values) = (0u64, Vec::new());
    for keys in keys.chunks(batch as usize) {
        table.get_many_into(keys, &mut values).expect("a good table");
        for value in black_box(&values).iter().flatten() {
            sum = sum.wrapping_add(word(value));
        }
    }
    sum
}
