//! Values without a copy: an object that exports the bytes of a table.

#![expect(unsafe_code, reason = "the buffer protocol is C")]

use crate::errors;
use crate::opened::Opened;
use crate::opened_set::Found;
use graven::Value;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use std::ffi::{c_int, c_void};

/// The owner of the bytes of a memoryview that ``Table.view`` returned: its ``obj``. It keeps the
/// mapping of the table, also after ``close()``, or a value that a packed table decoded. Read-only.
#[pyclass(frozen, module = "graven")]
pub(crate) struct View(Shown);

/// The bytes of a view.
enum Shown {
    Mapped(Value),
    Decoded(Box<[u8]>),
}

impl View {
    /// A memoryview of `value`, whose owner is a new `View`.
    pub(crate) fn memory<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(Bound::new(py, Self(Shown::Mapped(value)))?.as_any())
    }

    /// A memoryview of a value that was decoded.
    pub(crate) fn decoded(py: Python<'_>, value: Box<[u8]>) -> PyResult<Bound<'_, PyMemoryView>> {
        PyMemoryView::from(Bound::new(py, Self(Shown::Decoded(value)))?.as_any())
    }

    /// A memoryview of the value of a key.
    pub(crate) fn of_key<'py>(
        py: Python<'py>,
        table: &Opened,
        key: &[u8],
    ) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        let view = match table {
            Opened::Plain(table) => {
                table.get_owned(key).map(|value| value.map(|value| Self::memory(py, value)))
            }
            packed => packed.get(key, |value| Self::decoded(py, value.into())),
        };
        view.map_err(errors::read)?.transpose()
    }

    /// A memoryview of a value of a set.
    pub(crate) fn of(py: Python<'_>, found: Found) -> PyResult<Bound<'_, PyMemoryView>> {
        match found {
            Found::Mapped(value) => Self::memory(py, value),
            Found::Decoded(bytes) => Self::decoded(py, bytes.into_boxed_slice()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Shown::Mapped(value) => value,
            Shown::Decoded(value) => value,
        }
    }
}

#[pymethods]
impl View {
    /// Whether a page of the table was lost since the table was opened, so that bytes of this view
    /// may be zeros that are not the file's. False for a value that a packed table decoded.
    #[getter]
    fn is_faulted(&self) -> bool {
        matches!(&self.0, Shown::Mapped(value) if value.is_faulted())
    }

    fn __len__(&self) -> usize {
        self.bytes().len()
    }

    fn __repr__(&self) -> String {
        format!("<graven.View of {} bytes>", self.bytes().len())
    }

    /// # Safety
    /// CPython calls it with a structure to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = slf.get().bytes();
        let len = ffi::Py_ssize_t::try_from(bytes.len())
            .map_err(|_| PyBufferError::new_err("the value is longer than a buffer may be"))?;
        let start = bytes.as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: `buffer` is CPython's. The bytes never move or change while `slf` lives, of which
        // the buffer gets a reference. Read-only: a request for a writable one is refused.
        let filled = unsafe { ffi::PyBuffer_FillInfo(buffer, slf.as_ptr(), start, len, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
