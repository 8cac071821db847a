//! `Builder` and `build`: entries that are Python objects become a table.

use crate::building::{Asked, BuildSummary};
use crate::errors;
use crate::filling::Filling;
use crate::keys::Bytes;
use crate::options::AnyPath;
use graven::BuildOptions;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::OnceLock;

/// A build of a table at `path`. Entries may come in any order. As a context manager it publishes
/// the table at the end of the block, and discards it if an exception leaves the block.
///
/// >>> path = tmp / "capitals.grv"
/// >>> with graven.Builder(path, metadata={b"source": b"atlas"}) as builder:
/// ...     builder.insert(b"Norway", b"Oslo")
/// ...     builder.extend({b"Japan": b"Tokyo"})
/// >>> builder.summary.entries, graven.open(path).metadata
/// (2, {b'source': b'atlas'})
///
/// The table appears under its name complete and at once; a table that stood there goes on being
/// served to those who have it open. Options, all by keyword:
///
/// - sorted: entries come in ascending order of their keys and are written at once
/// - duplicates: of repeated keys, "reject" the build, or "keep-first", "keep-last", "keep-all"
/// - memory_budget: bytes of memory for the build; what does not fit goes to temporary files
/// - threads, expected_bytes, temp_dir: as in the Rust library
/// - hash_index: "auto", "always" or "never"
/// - value_align: each value starts at a multiple of this many bytes: 1, 2, 4, … 64
/// - compress: how values are compressed, each one alone: "zstd" for values of 100 bytes and more,
///   "fsst" for shorter text. Entries wait until the last one has come, also with sorted: in memory
///   as far as memory_budget goes, then in a temporary file. Each lookup decodes its value. Not with
///   value_align.
/// - level, dictionary_bytes: of "zstd": 1 to 22, by default 3, where a higher one takes longer to
///   build; most bytes of the dictionary, by default 112,640, 0 for none
/// - compact_keys: whether keys are encoded by symbols that many keys have in common, which shrinks
///   paths, names and addresses, and makes lookups slower
/// - metadata: a mapping of bytes that the table carries
/// - mode: permission bits of the file, 0o444
/// - durable: whether the file is synced before it gets its name
/// - replace: whether a table that stands at the path is replaced
/// - verify_after_write: whether the table is read back and checked before it gets its name
/// - progress: called some times per second as ``progress(phase, done, total)``; phases are "sort",
///   "merge", "compress", "index" in entries, "sync" in bytes. An exception that it raises ends the
///   build.
#[pyclass(frozen, weakref, module = "graven")]
pub(crate) struct Builder {
    filling: Filling<graven::Builder>,
    summary: OnceLock<Py<BuildSummary>>,
}

impl Builder {
    pub(crate) fn start(
        py: Python<'_>,
        path: AnyPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let asked = Asked::new(BuildOptions::new(), options)?;
        let builder = py.detach(|| asked.options.create(path.0)).map_err(errors::build)?;
        Ok(Self { filling: Filling::new(builder, asked), summary: OnceLock::new() })
    }
}

#[pymethods]
impl Builder {
    #[new]
    #[pyo3(signature = (path, **options))]
    fn new(py: Python<'_>, path: AnyPath, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::start(py, path, options)
    }

    /// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB - 1. Both are copied, and
    /// handed on in batches, so that an error may be raised by a later call. It names the entry.
    fn insert(&self, py: Python<'_>, key: Bytes<'_>, value: Bytes<'_>) -> PyResult<()> {
        self.filling.insert(py, &key, &value)
    }

    /// Adds the entries of a mapping, or of an iterable of pairs. If the iterable raises an
    /// exception, the builder is discarded: entries are missing.
    fn extend(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.filling.extend(py, entries)
    }

    /// Publishes the table: sorts, writes, syncs, and gives it its name, with the interpreter
    /// released.
    fn finish(&self, py: Python<'_>) -> PyResult<Py<BuildSummary>> {
        let summary = Py::new(py, BuildSummary::from(self.filling.finish(py)?))?;
        // Only one call comes here.
        let _ = self.summary.set(summary.clone_ref(py));
        Ok(summary)
    }

    /// Ends the build. Nothing is left of it.
    fn discard(&self, py: Python<'_>) {
        self.filling.discard(py);
    }

    /// What ``finish`` returned. None before.
    #[getter]
    fn summary(&self, py: Python<'_>) -> Option<Py<BuildSummary>> {
        self.summary.get().map(|summary| summary.clone_ref(py))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if !slf.get().filling.is_open(slf.py()) {
            return Err(errors::closed("builder"));
        }
        Ok(slf)
    }

    #[pyo3(signature = (kind, _exception, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        _exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_some() {
            self.discard(py);
        } else if self.filling.is_open(py) {
            // Else the block has called `finish` or `discard`.
            self.finish(py)?;
        }
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match (self.filling.is_open(py), self.summary.get()) {
            (true, _) => "<graven.Builder, open>".into(),
            (false, Some(_)) => "<graven.Builder, finished>".into(),
            (false, None) => "<graven.Builder, discarded>".into(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.filling.traverse(&visit)
    }
}

/// Builds a table of `entries`, a mapping or an iterable of pairs, at `path`, and publishes it. On
/// an exception, also one of the iterable, nothing is published or left. The options are those of
/// Builder.
///
/// >>> squares = ((b"%d" % n, b"%d" % (n * n)) for n in range(100))
/// >>> graven.build(tmp / "squares.grv", squares).entries
/// 100
///
/// With ``compress`` or ``compact_keys`` it is a packed table, which ``open`` opens as any other:
///
/// >>> pages = {b"https://example.org/%04d" % n: b"Page %d of the manual" % n for n in range(900)}
/// >>> summary = graven.build(tmp / "pages.grv", pages, compress="fsst", compact_keys=True)
/// >>> summary.stored_value_bytes * 2 < summary.value_bytes
/// True
/// >>> graven.open(tmp / "pages.grv") == pages
/// True
#[pyfunction]
#[pyo3(signature = (path, entries, **options))]
pub(crate) fn build(
    py: Python<'_>,
    path: AnyPath,
    entries: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<BuildSummary>> {
    let builder = Builder::start(py, path, options)?;
    builder.extend(py, entries)?;
    builder.finish(py)
}
