//! What a set is built with: its options as keyword arguments.

use crate::building::{Asked, named_in};
use crate::errors;
use crate::filling::Target;
use crate::versions;
use graven::{BuildError, BuildOptions, PublishError, SetBuildOptions, SetBuilder, Version};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::path::Path;

/// What a set was asked for.
pub(crate) struct SetAsked {
    /// The options of its shards, and the callback.
    pub(crate) tables: Asked,
    options: SetBuildOptions,
}

/// The options that say where shards end.
const CUTS: [&str; 4] = ["shards", "shard_bytes", "shard_entries", "hash_shards"];
/// The options of publishing alone, and those that go with shards as well.
const PUBLISHING: [&str; 3] = ["directory_mode", "min_entries", "max_shrink"];
const BOTH: [&str; 3] = ["mode", "durable", "verify_after_write"];

impl SetAsked {
    /// From the keyword arguments of `SetBuilder`.
    pub(crate) fn new(py: Python<'_>, arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let (tables, publish) = (PyDict::new(py), PyDict::new(py));
        let mut cut = None;
        for (name, value) in arguments.into_iter().flatten() {
            let name = name.cast::<PyString>()?.to_str()?;
            if CUTS.contains(&name) {
                if value.is_none() {
                    continue;
                }
                if let Some((other, _)) = cut.replace((name.to_owned(), value)) {
                    return Err(errors::option(format!(
                        "options {other} and {name} both say where shards end: give one of them"
                    )));
                }
                continue;
            }
            // A version never takes the place of a file.
            if name == "replace" {
                return Err(PyTypeError::new_err("unexpected keyword argument 'replace'"));
            }
            if PUBLISHING.contains(&name) || BOTH.contains(&name) {
                publish.set_item(name, &value)?;
            }
            if !PUBLISHING.contains(&name) {
                tables.set_item(name, value)?;
            }
        }
        let tables = Asked::new(BuildOptions::new(), Some(&tables))?;
        let options = SetBuildOptions::new()
            .tables(tables.options.clone())
            .publish(versions::options(Some(&publish))?);
        let options = match cut {
            None => options,
            Some((name, value)) => {
                let number = positive(&name, &value)?;
                match name.as_str() {
                    "shards" => options.range_shards(usize::try_from(number)?),
                    "shard_bytes" => options.shard_bytes(number),
                    "shard_entries" => options.shard_entries(number),
                    _ => options.hash_shards(usize::try_from(number)?),
                }
            }
        };
        Ok(Self { tables, options })
    }

    /// Begins the set in `directory`.
    pub(crate) fn create(&self, directory: &Path) -> Result<SetBuilder, PublishError> {
        self.options.create(directory)
    }
}

fn positive(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number: i64 = value.extract().map_err(|error| named_in(value, name, error))?;
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(errors::option(format!("option {name} is {number}, expected 1 or more"))),
    }
}

impl Target for SetBuilder {
    type Published = Version;

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        Self::insert(self, key, value)
    }

    fn finish(self) -> Result<Version, PublishError> {
        Self::finish(self)
    }
}
