//! Structs that begin with their size, so that later versions may append fields: a program that was
//! compiled with fewer fields than the library knows goes on working, and so does one with more.

#![expect(unsafe_code, reason = "reads and writes memory of the caller")]

use crate::args::shared;
use crate::status::{Answer, Failure, GRAVEN_OK};
use std::mem::{MaybeUninit, size_of};
use std::ptr;
use std::slice;

/// A larger size is no size but memory that was not initialized.
const LARGEST: usize = 4096;

/// A struct of numbers and pointers for which zeros are a value, and whose first field is its
/// `size_t size`.
///
/// # Safety
/// The type is `repr(C)`, has no padding, begins with a `usize`, and all zeros are a value of it.
pub(crate) unsafe trait Sized: Copy {
    /// Its name in C.
    const NAME: &'static str;
}

fn checked<T: Sized>(size: usize) -> Result<(), Failure> {
    if (size_of::<usize>()..=LARGEST).contains(&size) {
        return Ok(());
    }
    let name = T::NAME;
    Err(Failure::invalid(format_args!("{name}.size is {size}, expected sizeof({name})")))
}

/// A struct that the caller has filled. Fields beyond its size are zero. Bytes that this version
/// does not know must be zero: a later version would not ignore them.
///
/// # Safety
/// `given` is NULL, or points to a `size_t`, which is the number of bytes that may be read there.
pub(crate) unsafe fn read<T: Sized>(given: *const T, name: &str) -> Result<T, Failure> {
    let mut known = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller's promise.
    let size = *unsafe { shared(given.cast::<usize>(), name) }?;
    checked::<T>(size)?;
    // SAFETY: the caller's promise.
    let bytes = unsafe { slice::from_raw_parts(given.cast::<u8>(), size) };
    let (fields, unknown) = bytes.split_at(size.min(size_of::<T>()));
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(Failure::invalid(format_args!(
            "{} sets a field that this version of the library does not know",
            T::NAME
        )));
    }
    // SAFETY: no more bytes than `known` has.
    unsafe { ptr::copy_nonoverlapping(fields.as_ptr(), known.as_mut_ptr().cast(), fields.len()) };
    // SAFETY: zeros are a value of `T`, and so are numbers and pointers of the caller.
    Ok(unsafe { known.assume_init() })
}

/// As [`read`]; NULL stands for zeros.
///
/// # Safety
/// As for [`read`].
pub(crate) unsafe fn read_or_zero<T: Sized>(given: *const T) -> Result<T, Failure> {
    if given.is_null() {
        // SAFETY: zeros are a value of `T`.
        return Ok(unsafe { MaybeUninit::zeroed().assume_init() });
    }
    // SAFETY: the caller's promise.
    unsafe { read(given, "options") }
}

/// A struct that the library fills: as many of its fields as the caller knows.
pub(crate) struct SizedPlace<T> {
    place: *mut T,
    size: usize,
}

impl<T: Sized> SizedPlace<T> {
    /// # Safety
    /// `place` is NULL, or points to a `size_t`, which is the number of bytes that may be read and
    /// written there until this call of C ends.
    pub(crate) unsafe fn at(place: *mut T, name: &str) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        let size = *unsafe { shared(place.cast::<usize>(), name) }?;
        checked::<T>(size)?;
        Ok(Self { place, size })
    }

    /// Writes the fields behind the size. Those that only the caller knows become zero.
    pub(crate) fn set(self, value: &T) -> Answer {
        let (head, known) = (size_of::<usize>(), self.size.min(size_of::<T>()));
        let (from, to) = (ptr::from_ref(value).cast::<u8>(), self.place.cast::<u8>());
        // SAFETY: both have so many bytes, the caller's by the promise to `at`; a `T` has no
        // padding.
        unsafe {
            ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
            ptr::write_bytes(to.add(known), 0, self.size - known);
        }
        Ok(GRAVEN_OK)
    }
}
