//! Bytes and entries as C has them.

#![expect(unsafe_code, reason = "reads memory of the caller")]

use std::borrow::Cow;
use std::slice;

/// Bytes: keys that are asked for, and keys and values of a table. Bytes of a table are valid until
/// the table and everything that was made from it (clones, iterators, cursors, pins) is closed; bytes
/// of a set as long as the graven_answer or the graven_set_iter keeps them; bytes of a packed table as
/// long as the graven_buffer or the graven_packed_cursor holds them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_slice {
    /// First byte. May be NULL in a key of length 0.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// An entry of a table: a key and its value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct graven_entry {
    /// The key.
    pub key: graven_slice,
    /// The value.
    pub value: graven_slice,
}

impl graven_slice {
    /// What says that a key of graven_get_many() is absent.
    pub(crate) const ABSENT: Self = Self { data: std::ptr::null(), len: 0 };

    #[inline(always)]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

impl graven_entry {
    #[inline(always)]
    pub(crate) fn of((key, value): (&[u8], &[u8])) -> Self {
        Self { key: graven_slice::of(key), value: graven_slice::of(value) }
    }
}

/// The bytes at `data`. NULL stands for none if there are none.
///
/// # Safety
/// `data` is NULL, or points to `len` bytes that nobody changes while `'a` lasts.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Option<&'a [u8]> {
    if data.is_null() {
        return if len == 0 { Some(&[]) } else { None };
    }
    // SAFETY: the caller's promise. No object is larger than `isize::MAX` bytes.
    Some(unsafe { slice::from_raw_parts(data, len) })
}

/// A key in an array of the caller. Its data is never NULL: each stage of a batch reads it again.
#[repr(transparent)]
#[derive(Clone)]
pub(crate) struct Key(graven_slice);

impl Key {
    /// The keys at `keys`, unless one has a length and no data. The constructor of all keys, so each
    /// has passed it.
    ///
    /// # Safety
    /// `keys` points to `count` slices, each of which is as [`bytes`] asks, and nobody changes them
    /// while `'a` lasts.
    #[inline]
    pub(crate) unsafe fn all<'a>(
        keys: *const graven_slice,
        count: usize,
    ) -> Option<Cow<'a, [Self]>> {
        if count == 0 {
            return Some(Cow::Borrowed(&[]));
        }
        if keys.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        let slices = unsafe { slice::from_raw_parts(keys, count) };
        // A sum needs no branch.
        if slices.iter().map(|key| usize::from(key.data.is_null())).sum::<usize>() > 0 {
            return Self::with_nulls(slices).map(Cow::Owned);
        }
        // SAFETY: a `Key` is laid out as a `graven_slice`, and none of these has NULL.
        Some(Cow::Borrowed(unsafe { slice::from_raw_parts(keys.cast(), count) }))
    }

    /// The keys of slices some of which have NULL: that is the empty key.
    #[cold]
    fn with_nulls(slices: &[graven_slice]) -> Option<Vec<Self>> {
        let key = |slice: &graven_slice| match (slice.data.is_null(), slice.len) {
            (false, _) => Some(Self(*slice)),
            (true, 0) => Some(Self(graven_slice::of(&[]))),
            (true, _) => None,
        };
        slices.iter().map(key).collect()
    }
}

impl AsRef<[u8]> for Key {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: what `Key::all` was promised, and it has left no NULL.
        unsafe { slice::from_raw_parts(self.0.data, self.0.len) }
    }
}
