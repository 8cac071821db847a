//! The options of a build as keyword arguments, and its summary.

use crate::errors;
use crate::keys::Bytes;
use crate::options::{AnyPath, named};
use crate::wait::Shared;
use graven::{BuildOptions, BuildPhase, Compression, Duplicates, HashIndex};
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

type Codec = fn() -> Compression;
const COMPRESS: &[(&str, Codec)] = &[("zstd", Compression::zstd), ("fsst", Compression::fsst)];

/// How values are to be compressed: options that belong together, in whatever order they come.
#[derive(Default)]
struct Compress {
    /// `Some(None)` for values that are to stand as they are.
    codec: Option<Option<Codec>>,
    level: Option<i32>,
    dictionary_bytes: Option<u32>,
}

impl Compress {
    /// Sets one option. False if it is not among these.
    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        match name {
            "compress" => {
                let codec = value.extract::<Option<&str>>()?;
                self.codec = Some(codec.map(|codec| named(name, codec, COMPRESS)).transpose()?);
            }
            "level" => self.level = number(name, value)?,
            "dictionary_bytes" => self.dictionary_bytes = number(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds what was asked for to `options`, which stay as they are if nothing was.
    fn add_to(self, options: BuildOptions) -> PyResult<BuildOptions> {
        let compression = self.codec.flatten().map(|codec| codec());
        let zstd = compression.is_some_and(|compression| compression.codec() == "zstd");
        for (name, given) in
            [("level", self.level.is_some()), ("dictionary_bytes", self.dictionary_bytes.is_some())]
        {
            if given && !zstd {
                let text = format!("option {name} is for compress=\"zstd\": leave it out");
                return Err(errors::option(text));
            }
        }
        if self.codec.is_none() {
            return Ok(options);
        }
        Ok(options.compress(compression.map(|mut compression| {
            if let Some(level) = self.level {
                compression = compression.level(level);
            }
            match self.dictionary_bytes {
                Some(bytes) => compression.dictionary_bytes(bytes),
                None => compression,
            }
        })))
    }
}

fn number<T: TryFrom<i64>>(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<T>> {
    let Some(number) = value.extract::<Option<i64>>()? else { return Ok(None) };
    let beyond =
        |_| errors::option(format!("option {name} is {number}, which is out of its range"));
    T::try_from(number).map(Some).map_err(beyond)
}

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
        let (mut callback, mut compress) = (None, Compress::default());
        for (name, value) in arguments.into_iter().flatten() {
            let name = name.cast::<PyString>()?.to_str()?;
            if name == "progress" {
                callback = (!value.is_none()).then(|| value.unbind());
                continue;
            }
            let named = |error| named_in(&value, name, error);
            if !compress.set(name, &value).map_err(named)? {
                options = set(options, name, &value).map_err(named)?;
            }
        }
        options = compress.add_to(options)?;
        let shared = Arc::new(Shared::default());
        if callback.is_some() {
            let told = Arc::clone(&shared);
            options = options.progress(move |now| {
                let phase = match now.phase {
                    BuildPhase::Sort => "sort",
                    BuildPhase::Merge => "merge",
                    BuildPhase::Compress => "compress",
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
        "compact_keys" => options.compact_keys(value.extract()?),
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
    /// Sum of the lengths of all keys as they are stored.
    stored_key_bytes: u64,
    /// Sum of the lengths of all values as they are stored.
    stored_value_bytes: u64,
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
            stored_key_bytes: summary.stored_key_bytes,
            stored_value_bytes: summary.stored_value_bytes,
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
