//! Values without a copy: an object that exports the bytes of a table.

#![expect(unsafe_code, reason = "the buffer protocol is C")]

use graven::Value;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;
use std::ffi::{c_int, c_void};

/// The owner of the bytes of a memoryview that ``Table.view`` returned: its ``obj``. It keeps the
/// mapping of the table, also after ``close()``. Read-only.
#[pyclass(frozen, module = "graven")]
pub(crate) struct View {
    value: Value,
}

impl View {
    /// A memoryview of `value`, whose owner is a new `View`.
    pub(crate) fn memory<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyMemoryView>> {
        let view = Bound::new(py, Self { value })?;
        PyMemoryView::from(view.as_any())
    }
}

#[pymethods]
impl View {
    /// Whether a page of the table was lost since the table was opened, so that bytes of this view
    /// may be zeros that are not the file's.
    #[getter]
    fn is_faulted(&self) -> bool {
        self.value.is_faulted()
    }

    fn __len__(&self) -> usize {
        self.value.len()
    }

    fn __repr__(&self) -> String {
        format!("<graven.View of {} bytes>", self.value.len())
    }

    /// # Safety
    /// CPython calls it with a structure to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        buffer: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let bytes: &[u8] = &slf.get().value;
        let len = ffi::Py_ssize_t::try_from(bytes.len())
            .map_err(|_| PyBufferError::new_err("the value is longer than a buffer may be"))?;
        let start = bytes.as_ptr().cast_mut().cast::<c_void>();
        // SAFETY: `buffer` is CPython's. The bytes never move or change while `slf` lives, of which
        // the buffer gets a reference. Read-only: a request for a writable one is refused.
        let filled = unsafe { ffi::PyBuffer_FillInfo(buffer, slf.as_ptr(), start, len, 1, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
