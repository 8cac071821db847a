//! Bytes that come from Python: keys, values, and whatever else has a buffer.

#![expect(unsafe_code, reason = "the buffer protocol is C")]

use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;

/// The bytes of a Python object, without a copy: of `bytes`, `bytearray`, `memoryview`, a numpy
/// array, or anything else whose buffer is contiguous.
pub(crate) enum Bytes<'a> {
    /// `bytes` never change.
    Fixed(&'a [u8]),
    /// While a buffer is exported, its owner does not move it.
    Exported(Buffer),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Bytes<'a> {
    type Error = PyErr;

    #[inline]
    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&[u8]>() {
            Ok(bytes) => Ok(Self::Fixed(bytes)),
            Err(_) => Buffer::of(&object, ffi::PyBUF_SIMPLE).map(Self::Exported),
        }
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Exported(buffer) => buffer.bytes(),
        }
    }
}

impl AsRef<[u8]> for Bytes<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// A contiguous buffer that an object exports. Made, used and dropped while attached to the
/// interpreter: neither `Send` nor `Sync`.
pub(crate) struct Buffer {
    view: Box<ffi::Py_buffer>,
    here: PhantomData<*const ()>,
}

impl Buffer {
    /// Asks `object` for its buffer, with flags that ask for a C-contiguous one.
    pub(crate) fn of(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(MaybeUninit::<ffi::Py_buffer>::uninit());
        // SAFETY: `object` is alive, and `view` has room for the structure.
        let asked = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) };
        if asked != 0 {
            return Err(refused(object));
        }
        // SAFETY: `PyObject_GetBuffer` returned 0, so it has filled the structure.
        let view = unsafe { view.assume_init() };
        Ok(Self { view, here: PhantomData })
    }

    /// Asks for a buffer that can be written to.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_C_CONTIGUOUS | ffi::PyBUF_WRITABLE)
    }

    /// Asks for a buffer with its shape.
    pub(crate) fn shaped(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_C_CONTIGUOUS)
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.view.len).unwrap_or(0)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.len() == 0 {
            return &[];
        }
        // SAFETY: an exporter keeps `len` contiguous bytes at `buf` until the buffer is released,
        // which `drop` does. No other thread runs Python code that could change them while this
        // one is attached: modules for abi3 load into interpreters with a lock only. Callers that
        // detach copy first.
        unsafe { std::slice::from_raw_parts(self.view.buf.cast(), self.len()) }
    }

    /// Where the bytes of a [`writable`](Self::writable) buffer start.
    pub(crate) fn start(&self) -> *mut u8 {
        self.view.buf.cast()
    }

    /// Rows and bytes per row: the first dimension, and all that lies behind one of its steps.
    pub(crate) fn rows(&self) -> PyResult<(usize, usize)> {
        if self.view.ndim == 0 || self.view.shape.is_null() {
            return Err(PyTypeError::new_err("has no dimension: give an array of rows"));
        }
        // SAFETY: `shape` has `ndim` numbers, which is not zero.
        let rows = unsafe { *self.view.shape };
        let rows = usize::try_from(rows).unwrap_or(0);
        Ok((rows, self.len().checked_div(rows).unwrap_or(0)))
    }

    /// Bytes per item.
    pub(crate) fn item(&self) -> usize {
        usize::try_from(self.view.itemsize).unwrap_or(0)
    }

    pub(crate) fn dimensions(&self) -> usize {
        usize::try_from(self.view.ndim).unwrap_or(0)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the structure was filled by `PyObject_GetBuffer` and is released once.
        unsafe { ffi::PyBuffer_Release(&mut *self.view) }
    }
}

/// Why an object gave no buffer, instead of the text that its class has for that.
#[cold]
fn refused(object: &Bound<'_, PyAny>) -> PyErr {
    let cause = PyErr::fetch(object.py());
    if object.is_instance_of::<PyString>() {
        return PyTypeError::new_err(
            "expected bytes or another buffer, got str: encode it, for example with .encode()",
        );
    }
    // SAFETY: `object` is alive.
    if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
        let kind = object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        return PyTypeError::new_err(format!("expected bytes or another buffer, got {kind}"));
    }
    let error = PyBufferError::new_err(format!(
        "the buffer is not contiguous or cannot be written ({}): copy it, for example with bytes()",
        cause.value(object.py())
    ));
    error.set_cause(object.py(), Some(cause));
    error
}
