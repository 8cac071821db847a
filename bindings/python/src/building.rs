//! The options of a build as keyword arguments, and its summary.

use crate::keys::Bytes;
use crate::options::{AnyPath, named};
use crate::wait::Shared;
use graven::{BuildOptions, BuildPhase, Duplicates, HashIndex};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const DUPLICATES: &[(&str, Duplicates)] = &[
    ("reject", Duplicates::Reject),
    ("keep-first", Duplicates::KeepFirst),
    ("keep-last", Duplicates::KeepLast),
    ("keep-all", Duplicates::KeepAll),
];

const HASH_INDEX: &[(&str, HashIndex)] =
    &[("auto", HashIndex::Auto), ("always", HashIndex::Always), ("never", HashIndex::Never)];

/// What a build was asked for.
pub(crate) struct Asked {
    pub(crate) options: BuildOptions,
    /// The function that `progress` names.
    pub(crate) callback: Option<Py<PyAny>>,
    pub(crate) shared: Arc<Shared>,
}

impl Asked {
    /// Adds the keyword arguments to `options`.
    pub(crate) fn new(
        mut options: BuildOptions,
        arguments: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut callback = None;
        for (name, value) in arguments.into_iter().flatten() {
            let name = name.cast::<PyString>()?.to_str()?;
            if name == "progress" {
                callback = (!value.is_none()).then(|| value.unbind());
                continue;
            }
            options = set(options, name, &value).map_err(|error| named_in(&value, name, error))?;
        }
        let shared = Arc::new(Shared::default());
        if callback.is_some() {
            let told = Arc::clone(&shared);
            options = options.progress(move |now| {
                let phase = match now.phase {
                    BuildPhase::Sort => "sort",
                    BuildPhase::Merge => "merge",
                    BuildPhase::Index => "index",
                    BuildPhase::Sync => "sync",
                    _ => "other",
                };
                told.report((phase, now.done, now.total));
            });
        }
        let stop = Arc::clone(shared.stop());
        options = options.cancel_when(move || stop.load(Relaxed));
        Ok(Self { options, callback, shared })
    }
}

/// Sets one option.
fn set(options: BuildOptions, name: &str, value: &Bound<'_, PyAny>) -> PyResult<BuildOptions> {
    Ok(match name {
        "sorted" => options.sorted(value.extract()?),
        "duplicates" => options.duplicates(named(name, value.extract()?, DUPLICATES)?),
        "memory_budget" => options.memory_budget(value.extract::<Option<u64>>()?),
        "threads" => options.threads(value.extract::<Option<usize>>()?),
        "expected_bytes" => options.expected_bytes(value.extract::<Option<u64>>()?),
        "temp_dir" => match value.extract::<Option<AnyPath>>()? {
            Some(AnyPath(path)) => options.temp_dir(path),
            None => options,
        },
        "hash_index" => options.hash_index(named(name, value.extract()?, HASH_INDEX)?),
        "value_align" => options.value_align(value.extract()?),
        "metadata" => metadata(options, value)?,
        "mode" => options.mode(value.extract()?),
        "durable" => options.durable(value.extract()?),
        "replace" => options.replace(value.extract()?),
        "verify_after_write" => options.verify_after_write(value.extract()?),
        _ => return Err(PyTypeError::new_err(format!("unexpected keyword argument '{name}'"))),
    })
}

fn metadata(mut options: BuildOptions, pairs: &Bound<'_, PyAny>) -> PyResult<BuildOptions> {
    if pairs.is_none() {
        return Ok(options);
    }
    for pair in pairs.call_method0("items")?.try_iter()? {
        let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
        let (key, value) = (key.extract::<Bytes<'_>>()?, value.extract::<Bytes<'_>>()?);
        options = options.metadata(&*key, &*value);
    }
    Ok(options)
}

/// The error with the name of the option, as PyO3 has it for arguments.
pub(crate) fn named_in(value: &Bound<'_, PyAny>, name: &str, error: PyErr) -> PyErr {
    let py = value.py();
    if !error.get_type(py).is(py.get_type::<PyTypeError>())
        || error.value(py).to_string().contains(name)
    {
        return error;
    }
    PyTypeError::new_err(format!("argument '{name}': {}", error.value(py)))
}

/// A published table in numbers.
#[pyclass(frozen, get_all, module = "graven")]
pub(crate) struct BuildSummary {
    /// Entries in the table, after the duplicates policy.
    entries: u64,
    /// Distinct keys.
    keys: u64,
    /// Bytes of the file.
    file_bytes: u64,
    /// Sum of the lengths of all keys.
    key_bytes: u64,
    /// Sum of the lengths of all values.
    value_bytes: u64,
    /// Identifies the content: equal entries and options give equal build ids.
    build_id: String,
    /// What became of the hash index, in some words.
    hash_index: String,
}

impl From<graven::BuildSummary> for BuildSummary {
    fn from(summary: graven::BuildSummary) -> Self {
        Self {
            entries: summary.entries,
            keys: summary.keys,
            file_bytes: summary.file_bytes,
            key_bytes: summary.key_bytes,
            value_bytes: summary.value_bytes,
            build_id: summary.build_id.to_string(),
            hash_index: summary.hash_index.to_string(),
        }
    }
}

#[pymethods]
impl BuildSummary {
    fn __repr__(&self) -> String {
        let Self { entries, file_bytes, build_id, .. } = self;
        format!("BuildSummary(entries={entries}, file_bytes={file_bytes}, build_id='{build_id}')")
    }
}
