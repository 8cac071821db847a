//! Entries that are Python objects on their way into a table or a set: collected while Python runs,
//! handed on in batches with the interpreter released.

use crate::building::Asked;
use crate::errors;
use crate::keys::Bytes;
use crate::wait::{self, Shared, Unwanted};
use graven::{BuildError, BuildSummary, PublishError};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyMapping, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of entries that are collected before they are handed on with the interpreter released.
const BATCH: usize = 1 << 20;

/// Entries between two looks for signals, while an iterable runs no Python code that would look.
const LOOK: u32 = 8192;

/// What takes entries and publishes them. Dropped before, it publishes nothing.
pub(crate) trait Target: Send + 'static {
    /// What was published.
    type Published: Send;

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError>;

    fn finish(self) -> Result<Self::Published, PublishError>;
}

impl Target for graven::Builder {
    type Published = BuildSummary;

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.insert(key, value)
    }

    fn finish(self) -> Result<BuildSummary, PublishError> {
        Ok(self.finish()?)
    }
}

/// A build that Python objects go into.
pub(crate) struct Filling<T> {
    /// `None` once it is finished or discarded.
    state: Mutex<Option<State<T>>>,
    shared: Arc<Shared>,
    callback: Option<Py<PyAny>>,
}

struct State<T> {
    /// `None` once it is finished.
    target: Option<T>,
    pending: Pending,
    /// The process that began the build. A child made by `fork` has the target's memory, but its
    /// files and threads are its parent's.
    process: u32,
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.target.take());
        }
    }
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

impl<T: Target> State<T> {
    fn check_process(&self) -> PyResult<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let text = format!("process {} began this build: end it there", self.process);
        Err(errors::error("BuildError", text, None))
    }

    fn insert(&mut self, py: Python<'_>, key: &Bytes<'_>, value: &Bytes<'_>) -> PyResult<()> {
        if let (Bytes::Fixed(key), Bytes::Fixed(value)) = (key, value)
            && value.len() >= BATCH
        {
            self.check_process()?;
            return py.detach(|| self.hand_on(Some((key, value)))).map_err(errors::build);
        }
        self.pending.push(key, value);
        if self.pending.bytes.len() >= BATCH || self.pending.lens.len() >= BATCH / 16 {
            self.check_process()?;
            py.detach(|| self.hand_on(None)).map_err(errors::build)?;
        }
        Ok(())
    }

    /// Hands on what is pending, and one more entry.
    fn hand_on(&mut self, last: Option<(&[u8], &[u8])>) -> Result<(), BuildError> {
        let Some(target) = &mut self.target else { return Err(BuildError::Failed) };
        let mut rest = &self.pending.bytes[..];
        for &(key, value) in &self.pending.lens {
            let (entry, after) = rest.split_at(key + value);
            let (key, value) = entry.split_at(key);
            target.insert(key, value)?;
            rest = after;
        }
        self.pending.bytes.clear();
        // A large value may have been among them.
        self.pending.bytes.shrink_to(2 * BATCH);
        self.pending.lens.clear();
        last.map_or(Ok(()), |(key, value)| target.insert(key, value))
    }

    fn finish(mut self) -> Result<T::Published, PublishError> {
        self.hand_on(None)?;
        self.target.take().ok_or(BuildError::Failed)?.finish()
    }
}

impl<T: Target> Filling<T> {
    /// A build into `target`, which was made with the options of `asked`.
    pub(crate) fn new(target: T, asked: Asked) -> Self {
        let Asked { callback, shared, .. } = asked;
        let (target, process) = (Some(target), std::process::id());
        let state = State { target, pending: Pending::default(), process };
        Self { state: Mutex::new(Some(state)), shared, callback }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Option<State<T>>> {
        self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self, py: Python<'_>) -> bool {
        self.lock(py).is_some()
    }

    /// Calls the callback with what is new, and looks for signals.
    fn look(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.look(py, self.callback.as_ref().map(|callback| callback.bind(py)))
    }

    pub(crate) fn insert(
        &self,
        py: Python<'_>,
        key: &Bytes<'_>,
        value: &Bytes<'_>,
    ) -> PyResult<()> {
        let mut place = self.lock(py);
        let Some(state) = &mut *place else { return Err(errors::closed("builder")) };
        state.insert(py, key, value)
    }

    /// Adds the entries of a mapping or of an iterable of pairs. After an exception entries are
    /// missing, so the build is discarded.
    pub(crate) fn extend(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        self.add_all(py, entries).inspect_err(|_| self.discard(py))
    }

    fn add_all(&self, py: Python<'_>, entries: &Bound<'_, PyAny>) -> PyResult<()> {
        let pairs = match entries.cast::<PyMapping>() {
            Ok(mapping) => mapping.call_method0("items")?.try_iter()?,
            Err(_) => entries.try_iter()?,
        };
        let mut until_look = LOOK;
        for (number, pair) in pairs.enumerate() {
            let pair = pair?;
            let (key, value) = halves(&pair, number)?;
            self.insert(py, &key.extract::<Bytes<'_>>()?, &value.extract::<Bytes<'_>>()?)?;
            until_look -= 1;
            if until_look == 0 {
                until_look = LOOK;
                self.look(py)?;
            }
        }
        Ok(())
    }

    /// Publishes, with the interpreter released.
    pub(crate) fn finish(&self, py: Python<'_>) -> PyResult<T::Published> {
        // Taken out: only one call finishes, and nothing is published unless it does.
        let Some(state) = self.lock(py).take() else { return Err(errors::closed("builder")) };
        state.check_process()?;
        let callback = self.callback.as_ref().map(|callback| callback.bind(py));
        let finish = move || state.finish();
        let published = wait::run(py, &self.shared, callback, Unwanted::Awaited, finish)?;
        published.map_err(errors::publish)
    }

    pub(crate) fn discard(&self, py: Python<'_>) {
        let state = self.lock(py).take();
        py.detach(|| drop(state));
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callback.as_ref().map_or(Ok(()), |callback| visit.call(callback))
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
