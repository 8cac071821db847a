//! `Live`: a table that is replaced while it is read.

#![expect(unsafe_code, reason = "following a path is unsafe, and the promise is the caller's")]

use crate::errors;
use crate::handle::Handle;
use crate::keys::Bytes;
use crate::opened::Opened;
use crate::options::{self, AnyPath, Opening};
use crate::packed;
use crate::table::{Origin, Table};
use crate::view::View;
use crate::wait::{self, Shared, Unwanted};
use graven::{PackedLive, PackedTable, RefreshOutcome};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyTuple};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A handle on the newest table at a path, for processes that serve while the table is replaced. A
/// directory stands for its versions: the current one is served. A packed table may take the place of
/// a plain one, and the other way round.
///
/// >>> path = tmp / "prices.grv"
/// >>> _ = graven.build(path, {b"apple": b"3"})
/// >>> live = graven.Live(path)
/// >>> table = live.pin()
/// >>> _ = graven.build(path, {b"apple": b"4"})  # by any process
/// >>> live.refresh(), live[b"apple"], table[b"apple"]
/// (True, b'4', b'3')
///
/// ``pin`` once per request, so that one version answers all of its lookups; each lookup of the
/// handle itself asks the table that is newest then. A handle pickles as its path and options; the
/// other process opens the table that is newest there. ``load`` is not among the options: nobody may
/// change the files in place.
#[pyclass(frozen, weakref, module = "graven")]
pub(crate) struct Live {
    live: Handle<PackedLive>,
    origin: Origin,
    /// Interval and jitter of the thread that refreshes, in seconds.
    every: Mutex<Option<(f64, f64)>>,
}

impl Live {
    fn with<T>(&self, query: impl FnOnce(&PackedLive) -> PyResult<T>) -> PyResult<T> {
        self.live.with(query)
    }

    fn own(&self) -> PyResult<Arc<PackedLive>> {
        self.live.own()
    }

    fn copied<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.with(|live| {
            packed::get(&live.pin(), self.origin.opening.longest(), key, |value| {
                PyBytes::new(py, value)
            })
            .map_err(errors::read)
        })
    }
}

pub(crate) fn seconds(name: &str, seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|error| PyValueError::new_err(format!("{name} is {seconds} seconds: {error}")))
}

#[pymethods]
impl Live {
    #[new]
    #[pyo3(signature = (path, *, page_checks="first-touch", warm="none", lock_memory=false,
        access="auto", max_value=None))]
    fn new(
        py: Python<'_>,
        path: AnyPath,
        page_checks: &str,
        warm: &str,
        lock_memory: bool,
        access: &str,
        max_value: Option<u32>,
    ) -> PyResult<Self> {
        let opening = Opening {
            page_checks: options::page_checks(page_checks)?,
            warm: options::warm(warm)?,
            lock_memory,
            access: options::access(access)?,
            max_value,
            ..Opening::default()
        };
        let AnyPath(path) = path;
        let origin = Origin::new(&path, opening);
        let options = origin.opening.options();
        // SAFETY: the class hands the promise on to its caller: nobody changes or truncates the
        // files in place; tables are replaced by rename.
        let open = move || unsafe { PackedLive::open_with(&path, &options) };
        let live = if origin.opening.reads_all() {
            wait::run(py, &Shared::default(), None, Unwanted::Left, open)?
        } else {
            py.detach(open)
        };
        let live = live.map_err(errors::open)?;
        Ok(Self { live: Handle::new(live, "handle"), origin, every: Mutex::new(None) })
    }

    /// The newest table that was found, as a Table. It stays as it is.
    fn pin(&self) -> PyResult<Table> {
        self.with(|live| {
            let table = PackedTable::clone(&live.pin());
            let path = table.path().map_or_else(|| live.path().to_owned(), Path::to_owned);
            let table = Opened::of(table, self.origin.opening.longest());
            Ok(Table::new(table, Origin::new(&path, self.origin.opening.clone())))
        })
    }

    /// Looks for another table at the path, and opens it beside the old one. Returns whether there
    /// was one. On an exception the old table is still served.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        let live = self.own()?;
        let outcome = if self.origin.opening.reads_all() {
            let refresh = move || live.refresh();
            wait::run(py, &Shared::default(), None, Unwanted::Left, refresh)?
        } else {
            py.detach(|| live.refresh())
        };
        let outcome = outcome.map_err(errors::open)?;
        Ok(outcome == RefreshOutcome::Swapped)
    }

    /// Starts a thread that refreshes every `interval` seconds, plus a random part of `jitter`
    /// seconds. ``status().failure`` has what went wrong. The thread ends with ``close()``. It does
    /// not survive a fork: call this in each child, and not before in the parent.
    #[pyo3(signature = (interval, jitter=0.0))]
    fn refresh_every(&self, py: Python<'_>, interval: f64, jitter: f64) -> PyResult<()> {
        let live = self.own()?;
        let (wait, random) = (seconds("interval", interval)?, seconds("jitter", jitter)?);
        py.detach(|| live.refresh_every(wait, random))?;
        let mut every = self.every.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        *every = Some((interval, jitter));
        Ok(())
    }

    /// What is served, for metrics.
    fn status(&self) -> PyResult<LiveStatus> {
        self.with(|live| Ok(live.status().into()))
    }

    /// The absolute path that is followed.
    #[getter]
    fn path(&self) -> Option<&std::ffi::OsStr> {
        self.origin.path.as_deref().map(Path::as_os_str)
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = Bytes::extract(key.as_borrowed())?;
        let value = self.copied(py, &bytes)?;
        value.ok_or_else(|| PyKeyError::new_err(key.clone().unbind()))
    }

    fn __contains__(&self, key: Bytes<'_>) -> PyResult<bool> {
        self.with(|live| live.pin().contains_key(&key).map_err(errors::read))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.with(|live| Ok(usize::try_from(live.pin().len())?))
    }

    /// The value of a key in the newest table, copied, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.copied(py, &key)?.map(Bound::into_any).or(default))
    }

    /// The value of a key in the newest table as a memoryview, or None. It keeps that table, or, if
    /// the table is packed, a copy of the value.
    fn view<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
    ) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        self.with(|live| {
            let found = packed::found(&live.pin(), self.origin.opening.longest(), &key);
            found.map_err(errors::read)?.map(|found| View::of(py, found)).transpose()
        })
    }

    /// Whether ``close()`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.live.is_closed()
    }

    /// Closes the handle, and ends its thread. Tables and views that were taken stay valid.
    fn close(&self, py: Python<'_>) {
        self.live.close(py);
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().own()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let path = self.origin.path.as_deref().unwrap_or(Path::new("")).display();
        match self.with(|live| Ok(live.status().generation)) {
            Ok(generation) => format!("<graven.Live '{path}', generation {generation}>"),
            Err(_) => format!("<graven.Live '{path}', closed>"),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.own()?;
        let reopen = py.import("graven._graven")?.getattr("_reopen_live")?;
        let every = *self.every.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let arguments = self.origin.opening.arguments(py)?;
        (reopen, (self.path(), arguments, every)).into_pyobject(py)
    }
}

/// Opens a pickled handle.
#[pyfunction]
pub(crate) fn _reopen_live<'py>(
    path: Bound<'py, PyAny>,
    arguments: Bound<'py, PyDict>,
    every: Option<(f64, f64)>,
) -> PyResult<Bound<'py, Live>> {
    let py = path.py();
    let live = py.get_type::<Live>().call((path,), Some(&arguments))?.cast_into::<Live>()?;
    if let Some((interval, jitter)) = every {
        live.get().refresh_every(py, interval, jitter)?;
    }
    Ok(live)
}

/// What a Live or a LiveSet serves.
#[pyclass(frozen, get_all, module = "graven")]
pub(crate) struct LiveStatus {
    /// Counts the tables or sets that the handle has served, from 1.
    generation: u64,
    /// The build id of the table that is served, or the id of the set.
    build_id: String,
    /// Seconds since it was swapped in.
    age: f64,
    /// The name of the version, in a directory of versions.
    version: Option<String>,
    /// Why the last refresh failed, if it did.
    failure: Option<String>,
}

impl From<graven::LiveStatus> for LiveStatus {
    fn from(status: graven::LiveStatus) -> Self {
        Self {
            generation: status.generation,
            build_id: status.build_id.to_string(),
            age: status.age.as_secs_f64(),
            version: status.version,
            failure: status.failure,
        }
    }
}

#[pymethods]
impl LiveStatus {
    fn __repr__(&self) -> String {
        let Self { generation, build_id, age, .. } = self;
        format!("LiveStatus(generation={generation}, build_id='{build_id}', age={age:.3})")
    }
}
