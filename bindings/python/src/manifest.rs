//! What a set consists of, as Python objects, and which hash shard has a key.

use crate::errors;
use crate::keys::Bytes;
use graven::Partition;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use std::sync::Arc;

/// What a set consists of, as its ``MANIFEST.json`` says. ``TableSet.manifest`` is one.
///
/// >>> _ = graven.build_set(tmp / "words", words, shards=2)
/// >>> manifest = graven.TableSet(tmp / "words").manifest
/// >>> manifest.partition, manifest.entries, manifest.shards[1].first_key
/// ('range', 4, b'cow')
#[pyclass(frozen, eq, module = "graven")]
#[derive(PartialEq)]
pub(crate) struct Manifest(Arc<graven::Manifest>);

impl From<graven::Manifest> for Manifest {
    fn from(manifest: graven::Manifest) -> Self {
        Self(manifest.into())
    }
}

#[pymethods]
impl Manifest {
    /// The manifest with this text. `name` is its path or address, for errors.
    #[classmethod]
    #[pyo3(signature = (text, name="MANIFEST.json"))]
    fn from_json(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        text: &[u8],
        name: &str,
    ) -> PyResult<Self> {
        let read = py.detach(|| graven::Manifest::from_json(text, name));
        read.map(Self::from).map_err(errors::set)
    }

    /// The text of the manifest, as it stands in ``MANIFEST.json``.
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_json())
    }

    /// The version of the manifest's format.
    #[getter]
    fn version(&self) -> u64 {
        graven::Manifest::VERSION
    }

    /// Identifies the content: 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// How keys are divided among the shards: "range" or "hash".
    #[getter]
    fn partition(&self) -> &'static str {
        match self.0.partition {
            Partition::Hash => "hash",
            _ => "range",
        }
    }

    /// Entries of all shards.
    #[getter]
    fn entries(&self) -> u64 {
        self.0.entries
    }

    /// Bytes of all shards.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// The shards, as a tuple that is made anew each time: by their keys, ascending, or by the number
    /// that a key's hash gives.
    #[getter]
    fn shards<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let shard = |at| Bound::new(py, Shard(Arc::clone(&self.0), at));
        let shards = (0..self.0.shards.len()).map(shard).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, shards)
    }

    fn __repr__(&self) -> String {
        let graven::Manifest { id, entries, shards, .. } = &*self.0;
        format!(
            "<graven.Manifest {id}: {} {} shards, {entries} entries>",
            shards.len(),
            self.partition()
        )
    }
}

/// A shard of a set, as its manifest describes it.
#[pyclass(frozen, eq, module = "graven")]
pub(crate) struct Shard(Arc<graven::Manifest>, usize);

impl PartialEq for Shard {
    fn eq(&self, other: &Self) -> bool {
        self.shard() == other.shard()
    }
}

impl Shard {
    fn shard(&self) -> &graven::Shard {
        &self.0.shards[self.1]
    }
}

#[pymethods]
impl Shard {
    /// Its file's name, in the directory of the version.
    #[getter]
    fn file(&self) -> &str {
        &self.shard().file
    }

    /// Number of entries.
    #[getter]
    fn entries(&self) -> u64 {
        self.shard().entries
    }

    /// Bytes of its file.
    #[getter]
    fn bytes(&self) -> u64 {
        self.shard().bytes
    }

    /// The build id of its table: 32 hexadecimal digits.
    #[getter]
    fn build_id(&self) -> String {
        self.shard().build_id.to_string()
    }

    /// Its smallest key; None if it is empty.
    #[getter]
    fn first_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.shard().first_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// Its largest key; None if it is empty.
    #[getter]
    fn last_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.shard().last_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// SHA-256 of its file: 64 hexadecimal digits.
    #[getter]
    fn sha256(&self) -> String {
        self.shard().sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether it is a packed table.
    #[getter]
    fn packed(&self) -> bool {
        self.shard().packed
    }

    fn __repr__(&self) -> String {
        let graven::Shard { file, entries, bytes, .. } = self.shard();
        format!("<graven.Shard {file}, {entries} entries, {bytes} bytes>")
    }
}

/// The number of the shard that has a key in a set of `shards` hash shards: what
/// ``pmod(xxhash64(key), shards)`` is in Spark, for binary and string columns.
///
/// >>> graven.hash_shard(b"Spark", 16)
/// 7
#[pyfunction]
pub(crate) fn hash_shard(key: Bytes<'_>, shards: usize) -> PyResult<usize> {
    if shards == 0 || i64::try_from(shards).is_err() {
        return Err(errors::option(format!("option shards is {shards}, expected 1 or more")));
    }
    Ok(graven::hash_shard(&key, shards))
}
