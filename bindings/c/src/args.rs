//! Arguments as they come from C: handles, keys, paths, and places for results. NULL is an error
//! here, and everything else is the caller's promise.

#![expect(unsafe_code, reason = "reads and writes memory of the caller")]

use crate::slice::{bytes, graven_entry, graven_slice};
use crate::status::{Answer, Failure, GRAVEN_ERR_BUFFER_TOO_SMALL, GRAVEN_NOT_FOUND, GRAVEN_OK};
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[cold]
#[inline(never)]
fn null(name: &str) -> Failure {
    Failure::invalid(format_args!("the argument `{name}` is NULL"))
}

/// A handle that is used.
///
/// # Safety
/// `handle` is NULL, or a handle that nobody closes or changes while `'a` lasts.
#[inline(always)]
pub(crate) unsafe fn shared<'a, T>(handle: *const T, name: &str) -> Result<&'a T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_ref() }.ok_or_else(|| null(name))
}

/// A handle that is changed.
///
/// # Safety
/// `handle` is NULL, or a handle that nobody else uses while `'a` lasts.
#[inline(always)]
pub(crate) unsafe fn unique<'a, T>(handle: *mut T, name: &str) -> Result<&'a mut T, Failure> {
    // SAFETY: the caller's promise.
    unsafe { handle.as_mut() }.ok_or_else(|| null(name))
}

/// Takes a handle back that [`Place::give`] has given.
///
/// # Safety
/// `handle` is NULL, or a handle that nobody uses any more.
pub(crate) unsafe fn taken<T>(handle: *mut T) -> Option<Box<T>> {
    if handle.is_null() {
        return None;
    }
    // SAFETY: it came from a box, and the caller gives it up.
    Some(unsafe { Box::from_raw(handle) })
}

/// A key, a prefix or a value.
///
/// # Safety
/// `data` is NULL, or points to `len` bytes that nobody changes while `'a` lasts.
#[inline(always)]
pub(crate) unsafe fn key<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller's promise.
    unsafe { bytes(data.cast(), len) }.ok_or_else(|| null("key"))
}

/// A path, as bytes up to a NUL.
///
/// # Safety
/// `path` is NULL, or points to a string that nobody changes while `'a` lasts.
pub(crate) unsafe fn path<'a>(path: *const c_char, name: &str) -> Result<&'a Path, Failure> {
    if path.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(path) };
    Ok(Path::new(OsStr::from_bytes(text.to_bytes())))
}

/// Where one result goes.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// # Safety
    /// `place` is NULL, or may be written until this call of C ends.
    #[inline(always)]
    pub(crate) unsafe fn at(place: *mut T, name: &str) -> Result<Self, Failure> {
        if place.is_null() { Err(null(name)) } else { Ok(Self(place)) }
    }

    #[inline(always)]
    pub(crate) fn set(self, value: T) {
        // SAFETY: `at` was promised that it may be written.
        unsafe { self.0.write(value) }
    }
}

impl<T> Place<*mut T> {
    /// Gives a new handle to the caller.
    pub(crate) fn give(self, handle: T) -> Answer {
        self.set(Box::into_raw(Box::new(handle)));
        Ok(GRAVEN_OK)
    }
}

/// Where an entry goes. The caller may want neither of both parts.
pub(crate) struct EntryPlace {
    key: *mut graven_slice,
    value: *mut graven_slice,
}

impl EntryPlace {
    /// # Safety
    /// Each is NULL, or may be written until this call of C ends.
    #[inline(always)]
    pub(crate) unsafe fn at(key: *mut graven_slice, value: *mut graven_slice) -> Self {
        Self { key, value }
    }

    /// Whether the caller wants the key, and the value.
    pub(crate) fn wants(&self) -> (bool, bool) {
        (!self.key.is_null(), !self.value.is_null())
    }

    /// Writes the entry that was found.
    #[inline(always)]
    pub(crate) fn set(self, found: Option<(&[u8], &[u8])>) -> Answer {
        let Some((key, value)) = found else { return Ok(GRAVEN_NOT_FOUND) };
        for (place, bytes) in [(self.key, key), (self.value, value)] {
            if !place.is_null() {
                // SAFETY: `at` was promised that it may be written.
                unsafe { place.write(graven_slice::of(bytes)) };
            }
        }
        Ok(GRAVEN_OK)
    }
}

/// An array for results, of which there may be more than it has places.
pub(crate) struct Places<T> {
    first: *mut T,
    capacity: usize,
    count: usize,
}

impl<T> Places<T> {
    /// # Safety
    /// `first` is NULL, or `capacity` places from there on may be written until this call of C
    /// ends.
    pub(crate) unsafe fn at(first: *mut T, capacity: usize, name: &str) -> Result<Self, Failure> {
        if first.is_null() && capacity > 0 {
            return Err(null(name));
        }
        Ok(Self { first, capacity, count: 0 })
    }

    /// Writes a result, if there is still a place for it, and counts it.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        if self.count < self.capacity {
            // SAFETY: `at` was promised that so many places may be written.
            unsafe { self.first.add(self.count).write(value) };
        }
        self.count += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= self.capacity
    }

    /// Results, also those without a place.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

impl Places<graven_entry> {
    pub(crate) fn push_entry(&mut self, entry: (&[u8], &[u8])) {
        self.push(graven_entry::of(entry));
    }
}

/// A buffer of the caller for bytes whose number it does not know.
pub(crate) struct Buffer {
    first: *mut u8,
    capacity: usize,
    needed: Place<usize>,
}

impl Buffer {
    /// # Safety
    /// `first` is NULL, or `capacity` bytes from there on may be written, and `needed` as well,
    /// until this call of C ends.
    pub(crate) unsafe fn at(
        first: *mut u8,
        capacity: usize,
        needed: *mut usize,
    ) -> Result<Self, Failure> {
        if first.is_null() && capacity > 0 {
            return Err(null("buffer"));
        }
        // SAFETY: the caller's promise.
        let needed = unsafe { Place::at(needed, "needed") }?;
        Ok(Self { first, capacity, needed })
    }

    /// Copies all parts one after the other, or none of them if there is no room for all.
    fn copy(self, parts: &[&[u8]]) -> Answer {
        let len = parts.iter().map(|part| part.len()).sum::<usize>();
        self.needed.set(len);
        if len > self.capacity {
            let text = format_args!("the buffer has {} bytes, {len} are needed", self.capacity);
            return Err(Failure::new(GRAVEN_ERR_BUFFER_TOO_SMALL, text));
        }
        let mut at = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            // SAFETY: `at` was promised that so many bytes may be written, and the table's bytes,
            // which nobody may change, are no part of them.
            unsafe { part.as_ptr().copy_to_nonoverlapping(self.first.add(at), part.len()) };
            at += part.len();
        }
        Ok(GRAVEN_OK)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Answer {
        self.copy(&[bytes])
    }

    /// Text with a NUL behind it.
    pub(crate) fn text(self, text: &[u8]) -> Answer {
        self.copy(&[text, b"\0"])
    }

    /// The text, if there is one.
    pub(crate) fn text_if(self, text: Option<String>) -> Answer {
        text.map_or(Ok(GRAVEN_NOT_FOUND), |text| self.text(text.as_bytes()))
    }
}
