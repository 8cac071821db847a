//! Values without a copy: an object that exports the bytes of a table.

#![expect(unsafe_code, reason = "the buffer protocol is C")]

use crate::found::Found;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use std::ffi::{c_int, c_void};

/// The owner of the bytes of a memoryview that ``Table.view`` returned: its ``obj``. It keeps the
/// mapping of the table, also after ``close()``, or a value that a packed table decoded. Read-only.
#[pyclass(frozen, module = "graven")]
pub(crate) struct View(Found);

impl View {
    /// A memoryview of what was found, whose owner is a new `View`.
    pub(crate) fn of(py: Python<'_>, found: Found) -> PyResult<Bound<'_, PyMemoryView>> {
        PyMemoryView::from(Bound::new(py, Self(found))?.as_any())
    }
}

#[pymethods]
impl View {
    /// Whether a page of the table was lost since the table was opened, so that bytes of this view
    /// may be zeros that are not the file's. False for a value that a packed table decoded.
    #[getter]
    fn is_faulted(&self) -> bool {
        matches!(&self.0, Found::Mapped(value) if value.is_faulted())
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("<graven.View of {} bytes>", self.0.len())
    }

    /// # Safety
    /// CPython calls it with a structure to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes = &slf.get().0;
        let len = ffi::Py_ssize_t::try_from(bytes.len())
            .map_err(|_| PyBufferError::new_err("the value is longer than a buffer may be"))?;
        let start = bytes.as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: `buffer` is CPython's. The bytes never move or change while `slf` lives, of which
        // the buffer gets a reference. Read-only: a request for a writable one is refused.
        let filled = unsafe { ffi::PyBuffer_FillInfo(buffer, slf.as_ptr(), start, len, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
