//! `SetBuilder`, `build_set` and `build_set_arrow`: entries become a set.

use crate::arrow::{self, Column};
use crate::errors;
use crate::filling::Filling;
use crate::keys::Bytes;
use crate::options::AnyPath;
use crate::set_building::SetAsked;
use crate::versions::Version;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::OnceLock;

/// A build of a set, which becomes the current version in `directory`, a directory of versions that
/// is made if it is missing. Entries may come in any order. As a context manager it publishes the
/// set at the end of the block, and discards it if an exception leaves the block.
///
/// >>> with graven.SetBuilder(tmp / "ages", hash_shards=4) as builder:
/// ...     builder.insert(b"Ann", b"31")
/// ...     builder.extend({b"Bob": b"45"})
/// >>> graven.TableSet(builder.version.path)[b"Bob"]
/// b'45'
///
/// Where shards end, one of these by keyword:
///
/// - shards: range shards, so many or fewer, of about the same number of entries
/// - shard_bytes: range shards of about so many bytes each; 1 GiB if nothing is said
/// - shard_entries: range shards of so many entries
/// - hash_shards: hash shards, 1 to 1,000,000, written one after the other unless the entries come
///   ``sorted``
///
/// All entries of a key are in one shard. Entries are sorted once, within `memory_budget`; what does
/// not fit goes to a file in `temp_dir` or `directory` meanwhile. With ``sorted=True`` they come in
/// order and are written at once, for shard_bytes and shard_entries.
///
/// The other options are those of Builder without replace; ``progress`` is called with the figures
/// of the shard at work. The guards of ``Versions.publish`` go with them: min_entries, max_shrink,
/// directory_mode.
#[pyclass(frozen, weakref, module = "graven")]
pub(crate) struct SetBuilder {
    filling: Filling<graven::SetBuilder>,
    version: OnceLock<Py<Version>>,
}

impl SetBuilder {
    fn start(
        py: Python<'_>,
        directory: &AnyPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let asked = SetAsked::new(py, options)?;
        let intake = py.detach(|| asked.create(&directory.0)).map_err(errors::publish)?;
        Ok(Self { filling: Filling::new(intake, asked.tables), version: OnceLock::new() })
    }
}

#[pymethods]
impl SetBuilder {
    #[new]
    #[pyo3(signature = (directory, **options))]
    fn new(
        py: Python<'_>,
        directory: AnyPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        Self::start(py, &directory, options)
    }

    /// Adds an entry, as ``Builder.insert``.
    fn insert(&self, py: Python<'_>, key: Bytes<'_>, value: Bytes<'_>) -> PyResult<()> {
        self.filling.insert(py, &key, &value)
    }

    /// Adds the entries of a mapping, or of an iterable of pairs. If the iterable raises an
    /// exception, the builder is discarded: entries are missing.
    fn extend(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.filling.extend(py, entries)
    }

    /// Publishes the set: writes all shards and the manifest, syncs, and makes the version current,
    /// with the interpreter released.
    fn finish(&self, py: Python<'_>) -> PyResult<Py<Version>> {
        let version = Py::new(py, Version(self.filling.finish(py)?))?;
        // Only one call comes here.
        let _ = self.version.set(version.clone_ref(py));
        Ok(version)
    }

    /// Ends the build. Nothing is left of it.
    fn discard(&self, py: Python<'_>) {
        self.filling.discard(py);
    }

    /// What ``finish`` returned. None before.
    #[getter]
    fn version(&self, py: Python<'_>) -> Option<Py<Version>> {
        self.version.get().map(|version| version.clone_ref(py))
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
        match (self.filling.is_open(py), self.version.get()) {
            (true, _) => "<graven.SetBuilder, open>".into(),
            (false, Some(_)) => "<graven.SetBuilder, finished>".into(),
            (false, None) => "<graven.SetBuilder, discarded>".into(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.filling.traverse(&visit)
    }
}

/// Builds a set of `entries`, a mapping or an iterable of pairs, and makes it the current version in
/// `directory`. On an exception, also one of the iterable, the version that was current stays so.
/// The options are those of SetBuilder.
///
/// >>> squares = ((b"%d" % n, b"%d" % (n * n)) for n in range(100))
/// >>> version = graven.build_set(tmp / "squares", squares, shards=3)
/// >>> version.current, len(graven.TableSet(tmp / "squares").manifest.shards)
/// (True, 3)
#[pyfunction]
#[pyo3(signature = (directory, entries, **options))]
pub(crate) fn build_set(
    py: Python<'_>,
    directory: AnyPath,
    entries: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<Version>> {
    let builder = SetBuilder::start(py, &directory, options)?;
    builder.extend(py, entries)?;
    builder.finish(py)
}

/// Builds a set of two columns of Arrow data, and makes it the current version in `directory`. No row
/// becomes a Python object, and the interpreter is released. Batches and columns are as in
/// ``build_arrow``, the options are those of SetBuilder.
///
/// >>> import pyarrow
/// >>> cities = pyarrow.table({"name": ["Bern", "Basel"], "people": [133883, 173863]})
/// >>> _ = graven.build_set_arrow(tmp / "cities", cities, key="name", value="people", hash_shards=2)
/// >>> graven.TableSet(tmp / "cities").typed(value="<q")[b"Basel"]
/// 173863
#[pyfunction]
#[pyo3(signature = (directory, batches, *, key, value, **options))]
pub(crate) fn build_set_arrow(
    py: Python<'_>,
    directory: AnyPath,
    batches: &Bound<'_, PyAny>,
    key: Column,
    value: Column,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Version> {
    let asked = SetAsked::new(py, options)?;
    let intake = py.detach(|| asked.create(&directory.0)).map_err(errors::publish)?;
    arrow::take_all(py, intake, &asked.tables, batches, (key, value)).map(Version)
}
