//! What a set is built with: its options as keyword arguments, and where its entries go. Entries of
//! range shards that come in any order are sorted in a table without a name, and divided from there.

#![expect(unsafe_code, reason = "the sorted table is mapped, and nobody else knows its name")]

use crate::building::{Asked, named_in};
use crate::errors;
use crate::filling::Target;
use crate::options::AnyPath;
use crate::versions;
use graven::{
    BuildError, BuildOptions, Builder, HashIndex, OpenOptions, PublishError, SetBuildOptions,
    SetBuilder, SetError, Version,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// What a set was asked for.
pub(crate) struct SetAsked {
    /// The options of its shards, and the callback.
    pub(crate) tables: Asked,
    options: SetBuildOptions,
    cut: Cut,
    sorted: bool,
    /// Where the sorted table is, instead of in the set's directory.
    temp_dir: Option<PathBuf>,
}

/// Where shards end.
#[derive(Clone, Copy)]
enum Cut {
    Shards(u64),
    Bytes(u64),
    Entries(u64),
    Hash(usize),
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
        let (mut sorted, mut temp_dir) = (false, None);
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
            match name {
                // A version never takes the place of a file.
                "replace" => {
                    return Err(PyTypeError::new_err("unexpected keyword argument 'replace'"));
                }
                "sorted" => {
                    sorted = value.extract().map_err(|error| named_in(&value, name, error))?;
                }
                "temp_dir" => temp_dir = value.extract::<Option<AnyPath>>()?.map(|path| path.0),
                _ => {}
            }
            if PUBLISHING.contains(&name) || BOTH.contains(&name) {
                publish.set_item(name, &value)?;
            }
            if !PUBLISHING.contains(&name) {
                tables.set_item(name, value)?;
            }
        }
        let cut = match cut {
            None => Cut::Bytes(1 << 30),
            Some((name, value)) => match name.as_str() {
                "shards" => Cut::Shards(positive(&name, &value)?),
                "shard_bytes" => Cut::Bytes(positive(&name, &value)?),
                "shard_entries" => Cut::Entries(positive(&name, &value)?),
                _ => Cut::Hash(usize::try_from(positive(&name, &value)?)?),
            },
        };
        let tables = Asked::new(BuildOptions::new(), Some(&tables))?;
        let options = SetBuildOptions::new()
            .tables(tables.options.clone())
            .publish(versions::options(Some(&publish))?);
        Ok(Self { tables, options, cut, sorted, temp_dir })
    }

    /// Begins the set in `directory`.
    pub(crate) fn create(&self, directory: &Path) -> Result<Intake, PublishError> {
        let options = self.options.clone();
        let direct = match self.cut {
            Cut::Hash(shards) => Some(options.hash_shards(shards)),
            Cut::Bytes(bytes) if self.sorted => Some(options.shard_bytes(bytes)),
            Cut::Entries(entries) if self.sorted => Some(options.shard_entries(entries)),
            _ => None,
        };
        if let Some(options) = direct {
            return Ok(Intake::Direct(Box::new(options.create(directory)?)));
        }
        // What is wrong with options or directory is found before the entries come.
        drop(self.options.create(directory)?);
        let name = format!(".sorted-{:016x}.grv", RandomState::new().hash_one(std::process::id()));
        let path = self.temp_dir.as_deref().unwrap_or(directory).join(name);
        let sorting = self.tables.options.clone();
        let sorting = sorting.hash_index(HashIndex::Never).durable(false).verify_after_write(false);
        Ok(Intake::Sorting(Box::new(Sorting {
            builder: sorting.create(&path)?,
            path: Unnamed(path),
            directory: directory.to_owned(),
            options: self.options.clone(),
            cut: self.cut,
        })))
    }
}

fn positive(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number: i64 = value.extract().map_err(|error| named_in(value, name, error))?;
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(errors::option(format!("option {name} is {number}, expected 1 or more"))),
    }
}

/// Where the entries of a set go.
pub(crate) enum Intake {
    Direct(Box<SetBuilder>),
    Sorting(Box<Sorting>),
}

/// A table that sorts the entries and counts them.
pub(crate) struct Sorting {
    builder: Builder,
    path: Unnamed,
    directory: PathBuf,
    options: SetBuildOptions,
    cut: Cut,
}

/// A file that loses its name when this is dropped.
struct Unnamed(PathBuf);

impl Drop for Unnamed {
    fn drop(&mut self) {
        // As a rule it has no name yet, or no more.
        let _ = fs::remove_file(&self.0);
    }
}

impl Target for Intake {
    type Published = Version;

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        match self {
            Self::Direct(builder) => builder.insert(key, value),
            Self::Sorting(sorting) => sorting.builder.insert(key, value),
        }
    }

    fn finish(self) -> Result<Version, PublishError> {
        match self {
            Self::Direct(builder) => builder.finish(),
            Self::Sorting(sorting) => sorting.divide(),
        }
    }
}

impl Sorting {
    fn divide(self) -> Result<Version, PublishError> {
        let Self { builder, path, directory, options, cut } = self;
        let build_id = builder.finish()?.build_id;
        let opening = OpenOptions::new().expect_build_id(build_id);
        // SAFETY: the file is a published table, which nobody changes, and loses its random name at
        // once.
        let opened = unsafe { opening.open(&path.0) };
        let table = opened.map_err(SetError::Open)?;
        let _ = fs::remove_file(&path.0);
        let options = match cut {
            Cut::Shards(shards) => options.shard_entries(table.len().div_ceil(shards).max(1)),
            Cut::Bytes(bytes) => options.shard_bytes(bytes),
            Cut::Entries(entries) => options.shard_entries(entries),
            Cut::Hash(shards) => options.hash_shards(shards),
        };
        let mut builder = options.create(&directory)?;
        for entry in &table {
            let (key, value) = entry.map_err(SetError::Read)?;
            builder.insert(key, value)?;
        }
        builder.finish()
    }
}
