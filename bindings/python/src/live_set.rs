//! `LiveSet`: a set whose versions are followed while it is read.

#![expect(unsafe_code, reason = "following a path is unsafe, and the promise is the caller's")]

use crate::errors;
use crate::found::Found;
use crate::handle::Handle;
use crate::keys::Bytes;
use crate::live::{LiveStatus, seconds};
use crate::opened_set;
use crate::options::AnyPath;
use crate::set::{SetOpening, TableSet};
use crate::view::View;
use crate::wait::{self, Shared, Unwanted};
use graven::{PackedLiveSet, PackedSet, RefreshOutcome};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyTuple};
use std::path::{PathBuf, absolute};
use std::sync::{Mutex, PoisonError};

/// A handle on the current version of a set, for processes that serve while it is replaced. `path`
/// is a directory of versions.
///
/// >>> _ = graven.build_set(tmp / "prices", {b"apple": b"3"})
/// >>> live = graven.LiveSet(tmp / "prices")
/// >>> set = live.pin()
/// >>> _ = graven.build_set(tmp / "prices", {b"apple": b"4"})  # by any process
/// >>> live.refresh(), live[b"apple"], set[b"apple"], live.generation
/// (True, b'4', b'3', 2)
///
/// ``pin`` once per request, so that one version of the whole set answers all of its lookups, also
/// from shards that are mapped later; each lookup of the handle itself asks the version that is
/// served then. Shards may be plain tables in one version and packed ones in the next. A version that
/// is pinned is not pruned. A handle pickles as its path and options; the other process opens the
/// version that is current there. The options are those of TableSet; each version has its own bound on
/// mapped bytes.
#[pyclass(frozen, weakref, module = "graven")]
pub(crate) struct LiveSet {
    live: Handle<PackedLiveSet>,
    /// Absolute.
    path: PathBuf,
    opening: SetOpening,
    /// Interval and jitter of the thread that refreshes, in seconds.
    every: Mutex<Option<(f64, f64)>>,
}

impl LiveSet {
    fn with<T>(&self, query: impl FnOnce(&PackedLiveSet) -> PyResult<T>) -> PyResult<T> {
        self.live.with(query)
    }

    fn pinned(&self) -> PyResult<TableSet> {
        self.with(|live| {
            let set = PackedSet::clone(&live.pin());
            Ok(TableSet::new(set.into(), self.opening.clone()))
        })
    }

    fn found(&self, py: Python<'_>, key: &Bytes<'_>) -> PyResult<Option<Found>> {
        if self.opening.tables.reads_all() {
            return self.pinned()?.found(py, key);
        }
        self.with(|live| opened_set::value(&live.pin(), key).map_err(errors::set))
    }
}

#[pymethods]
impl LiveSet {
    #[new]
    #[pyo3(signature = (path, *, max_mapped_bytes=None, page_checks="first-touch", warm="none",
        lock_memory=false, access="auto"))]
    fn new(
        py: Python<'_>,
        path: AnyPath,
        max_mapped_bytes: Option<u64>,
        page_checks: &str,
        warm: &str,
        lock_memory: bool,
        access: &str,
    ) -> PyResult<Self> {
        let opening = SetOpening::new(max_mapped_bytes, page_checks, warm, lock_memory, access)?;
        let path = absolute(&path.0).unwrap_or(path.0);
        let (followed, options) = (path.clone(), opening.options());
        // SAFETY: the class hands the promise on to its caller: nobody changes or truncates the
        // files in place; sets are replaced by new versions.
        let open = move || unsafe { PackedLiveSet::open_with(&followed, &options) };
        let live = wait::run(py, &Shared::default(), None, Unwanted::Left, open)?;
        let live = Handle::new(live.map_err(errors::set)?, "handle");
        Ok(Self { live, path, opening, every: Mutex::new(None) })
    }

    /// The version that is served, as a TableSet. It stays as it is.
    fn pin(&self) -> PyResult<TableSet> {
        self.pinned()
    }

    /// Looks whether another version is current, and if so, opens it and serves it. Returns whether
    /// there was one. On an exception the old version is still served.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        let live = self.live.own()?;
        let refresh = move || live.refresh();
        let outcome = if self.opening.tables.reads_all() {
            wait::run(py, &Shared::default(), None, Unwanted::Left, refresh)?
        } else {
            py.detach(refresh)
        };
        Ok(outcome.map_err(errors::set)? == RefreshOutcome::Swapped)
    }

    /// Starts a thread that refreshes every `interval` seconds, plus a random part of `jitter`
    /// seconds. ``status().failure`` has what went wrong. The thread ends with ``close()``. It does
    /// not survive a fork: call this in each child, and not before in the parent.
    #[pyo3(signature = (interval, jitter=0.0))]
    fn refresh_every(&self, py: Python<'_>, interval: f64, jitter: f64) -> PyResult<()> {
        let live = self.live.own()?;
        let (wait, random) = (seconds("interval", interval)?, seconds("jitter", jitter)?);
        py.detach(|| live.refresh_every(wait, random))?;
        let mut every = self.every.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        *every = Some((interval, jitter));
        Ok(())
    }

    /// What is served, for metrics. Its build id is the set's id.
    fn status(&self) -> PyResult<LiveStatus> {
        self.with(|live| Ok(live.status().into()))
    }

    /// Counts the versions that the handle has served, from 1.
    #[getter]
    fn generation(&self) -> PyResult<u64> {
        self.with(|live| Ok(live.pin().generation()))
    }

    /// The absolute path that is followed.
    #[getter]
    fn path(&self) -> &std::ffi::OsStr {
        self.path.as_os_str()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = Bytes::extract(key.as_borrowed())?;
        match self.found(py, &bytes)? {
            Some(value) => Ok(PyBytes::new(py, &value)),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    fn __contains__(&self, py: Python<'_>, key: Bytes<'_>) -> PyResult<bool> {
        if self.opening.tables.reads_all() {
            return Ok(self.found(py, &key)?.is_some());
        }
        self.with(|live| live.pin().contains_key(&key).map_err(errors::set))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.with(|live| Ok(usize::try_from(live.pin().len())?))
    }

    /// The value of a key in the version that is served, copied, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.found(py, &key)?.map(|value| PyBytes::new(py, &value).into_any()).or(default))
    }

    /// The value of a key in the version that is served as a memoryview, or None. It keeps the shard
    /// mapped, or, if the shard is packed, a copy of the value.
    fn view<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
    ) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        self.found(py, &key)?.map(|found| View::of(py, found)).transpose()
    }

    /// Whether ``close()`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.live.is_closed()
    }

    /// Closes the handle, and ends its thread. Sets and views that were taken stay valid.
    fn close(&self, py: Python<'_>) {
        self.live.close(py);
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().live.own()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let path = self.path.display();
        match self.generation() {
            Ok(generation) => format!("<graven.LiveSet '{path}', generation {generation}>"),
            Err(_) => format!("<graven.LiveSet '{path}', closed>"),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.live.own()?;
        let reopen = py.import("graven._graven")?.getattr("_reopen_live_set")?;
        let every = *self.every.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        (reopen, (self.path(), self.opening.arguments(py)?, every)).into_pyobject(py)
    }
}

/// Opens a pickled handle.
#[pyfunction]
pub(crate) fn _reopen_live_set<'py>(
    path: Bound<'py, PyAny>,
    arguments: Bound<'py, PyDict>,
    every: Option<(f64, f64)>,
) -> PyResult<Bound<'py, LiveSet>> {
    let py = path.py();
    let live = py.get_type::<LiveSet>().call((path,), Some(&arguments))?.cast_into::<LiveSet>()?;
    if let Some((interval, jitter)) = every {
        live.get().refresh_every(py, interval, jitter)?;
    }
    Ok(live)
}
