//! `Builder` and `build`: entries that are Python objects become a table.

use crate::building::{Asked, BuildSummary};
use crate::errors;
use crate::keys::Bytes;
use crate::options::AnyPath;
use crate::wait::{self, Shared, Unwanted};
use graven::{BuildError, BuildOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyString, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes of entries that are collected before they are handed on with the interpreter released.
const BATCH: usize = 1 << 20;

/// Entries between two looks for signals, while an iterable runs no Python code that would look.
const LOOK: u32 = 8192;

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
/// - metadata: a mapping of bytes that the table carries
/// - mode: permission bits of the file, 0o444
/// - durable: whether the file is synced before it gets its name
/// - replace: whether a table that stands at the path is replaced
/// - verify_after_write: whether the table is read back and checked before it gets its name
/// - progress: called some times per second as ``progress(phase, done, total)``; phases are "sort",
///   "merge", "index" in entries, "sync" in bytes. An exception that it raises ends the build.
#[pyclass(frozen, weakref, module = "graven")]
pub(crate) struct Builder {
    state: Mutex<Option<State>>,
    shared: Arc<Shared>,
    callback: Option<Py<PyAny>>,
    summary: OnceLock<Py<BuildSummary>>,
}

struct State {
    builder: graven::Builder,
    pending: Pending,
}

/// Entries that were not handed on yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Lengths of key and value.
    lens: Vec<(usize, usize)>,
}

impl Pending {
    fn push(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.lens.push((key.len(), value.len()));
    }
}

impl State {
    fn insert(&mut self, py: Python<'_>, key: &Bytes<'_>, value: &Bytes<'_>) -> PyResult<()> {
        if let (Bytes::Fixed(key), Bytes::Fixed(value)) = (key, value)
            && value.len() >= BATCH
        {
            let insert = || self.hand_on().and_then(|()| self.builder.insert(key, value));
            return py.detach(insert).map_err(errors::build);
        }
        self.pending.push(key, value);
        if self.pending.bytes.len() >= BATCH || self.pending.lens.len() >= BATCH / 16 {
            py.detach(|| self.hand_on()).map_err(errors::build)?;
        }
        Ok(())
    }

    fn hand_on(&mut self) -> Result<(), BuildError> {
        let mut rest = &self.pending.bytes[..];
        for &(key, value) in &self.pending.lens {
            let (entry, after) = rest.split_at(key + value);
            let (key, value) = entry.split_at(key);
            self.builder.insert(key, value)?;
            rest = after;
        }
        self.pending.bytes.clear();
        // A large value may have been among them.
        self.pending.bytes.shrink_to(2 * BATCH);
        self.pending.lens.clear();
        Ok(())
    }
}

impl Builder {
    pub(crate) fn start(
        py: Python<'_>,
        path: AnyPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let Asked { options, callback, shared } = Asked::new(BuildOptions::new(), options)?;
        let builder = py.detach(|| options.create(path.0)).map_err(errors::build)?;
        let state = State { builder, pending: Pending::default() };
        let state = Mutex::new(Some(state));
        Ok(Self { state, shared, callback, summary: OnceLock::new() })
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Option<State>> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the callback with what is new, and looks for signals.
    fn look(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.look(py, self.callback.as_ref().map(|callback| callback.bind(py)))
    }

    /// Takes the state out: nothing is published unless it is finished.
    fn take(&self, py: Python<'_>) -> Option<State> {
        self.lock(py).take()
    }

    fn add(&self, py: Python<'_>, key: &Bytes<'_>, value: &Bytes<'_>) -> PyResult<()> {
        let mut place = self.lock(py);
        let Some(state) = &mut *place else { return Err(errors::closed("builder")) };
        state.insert(py, key, value)
    }

    /// Adds the entries of a mapping or of an iterable of pairs.
    fn add_all(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        let pairs = match entries.cast::<PyMapping>() {
            Ok(mapping) => mapping.call_method0("items")?.try_iter()?,
            Err(_) => entries.try_iter()?,
        };
        let mut until_look = LOOK;
        for (number, pair) in pairs.enumerate() {
            let pair = pair?;
            let (key, value) = halves(&pair, number)?;
            self.add(py, &key.extract::<Bytes<'_>>()?, &value.extract::<Bytes<'_>>()?)?;
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK;
                self.look(py)?;
            }
        }
        Ok(())
    }
}

/// Key and value of an entry.
fn halves<'py>(
    pair: &Bound<'py, PyAny>,
    number: usize,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let wrong = || {
        PyTypeError::new_err(format!(
            "entry {number} is no pair of key and value: give a mapping or an iterable of pairs"
        ))
    };
    match pair.cast::<PyTuple>() {
        Ok(tuple) if tuple.len() == 2 => Ok((tuple.get_item(0)?, tuple.get_item(1)?)),
        Ok(_) => Err(wrong()),
        // A key of two bytes is no pair of numbers.
        Err(_) if pair.is_instance_of::<PyBytes>() || pair.is_instance_of::<PyString>() => {
            Err(wrong())
        }
        Err(_) => {
            let mut halves = pair.try_iter().map_err(|_| wrong())?;
            let (key, value) = (halves.next(), halves.next());
            match (key, value, halves.next()) {
                (Some(key), Some(value), None) => Ok((key?, value?)),
                _ => Err(wrong()),
            }
        }
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
        self.add(py, &key, &value)
    }

    /// Adds the entries of a mapping, or of an iterable of pairs. If the iterable raises an
    /// exception, the builder is discarded: entries are missing.
    fn extend(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.add_all(py, entries).inspect_err(|_| self.discard(py))
    }

    /// Publishes the table: sorts, writes, syncs, and gives it its name, with the interpreter
    /// released.
    fn finish(&self, py: Python<'_>) -> PyResult<Py<BuildSummary>> {
        let Some(mut state) = self.take(py) else { return Err(errors::closed("builder")) };
        let callback = self.callback.as_ref().map(|callback| callback.bind(py));
        let summary = wait::run(py, &self.shared, callback, Unwanted::Awaited, move || {
            state.hand_on()?;
            state.builder.finish()
        })?;
        let summary = Py::new(py, BuildSummary::from(summary.map_err(errors::build)?))?;
        // Only the call that has taken the state comes here.
        let _ = self.summary.set(summary.clone_ref(py));
        Ok(summary)
    }

    /// Ends the build. Nothing is left of it.
    fn discard(&self, py: Python<'_>) {
        let state = self.take(py);
        py.detach(|| drop(state));
    }

    /// What ``finish`` returned. None before.
    #[getter]
    fn summary(&self, py: Python<'_>) -> Option<Py<BuildSummary>> {
        self.summary.get().map(|summary| summary.clone_ref(py))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().lock(slf.py()).is_none() {
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
        } else if self.lock(py).is_some() {
            // Else the block has called `finish` or `discard`.
            self.finish(py)?;
        }
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match (&*self.lock(py), self.summary.get()) {
            (Some(_), _) => "<graven.Builder, open>".into(),
            (None, Some(_)) => "<graven.Builder, finished>".into(),
            (None, None) => "<graven.Builder, discarded>".into(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callback.as_ref().map_or(Ok(()), |callback| visit.call(callback))
    }
}

/// Builds a table of `entries`, a mapping or an iterable of pairs, at `path`, and publishes it. On
/// an exception, also one of the iterable, nothing is published or left. The options are those of
/// Builder.
///
/// >>> squares = ((b"%d" % n, b"%d" % (n * n)) for n in range(100))
/// >>> graven.build(tmp / "squares.grv", squares).entries
/// 100
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
