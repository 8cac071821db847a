//! `SetJob` and `ShardInfo`: a set whose shards are built by several processes, as tasks of an
//! engine build them. `graven.engines` has the face of it.

use crate::arrow::{self, Column};
use crate::building::Asked;
use crate::errors;
use crate::filling::Target;
use crate::manifest::Manifest;
use crate::options::AnyPath;
use crate::versions::{self, Version};
use crate::wait::{self, Shared, Unwanted};
use graven::{BuildError, BuildOptions, PublishError, SetJobOptions, ShardBuilder};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A shard that a task has built, as ``SetJob.commit`` is told of it. It pickles, and goes through
/// any channel as the text that ``to_json`` gives.
#[pyclass(frozen, eq, module = "graven.engines")]
#[derive(PartialEq)]
pub(crate) struct ShardInfo(graven::ShardInfo);

#[pymethods]
impl ShardInfo {
    /// The description in a text of ``to_json``.
    #[classmethod]
    fn from_json(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| PyValueError::new_err(format!("this describes no shard: {error}")))
    }

    /// The description as a line of JSON.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// The name of its file in the job's directory.
    #[getter]
    fn file(&self) -> &str {
        &self.0.shard.file
    }

    /// Number of entries.
    #[getter]
    fn entries(&self) -> u64 {
        self.0.shard.entries
    }

    /// Bytes of its file.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.shard.bytes
    }

    /// The build id of its table: 32 hexadecimal digits.
    #[getter]
    fn build_id(&self) -> String {
        self.0.shard.build_id.to_string()
    }

    /// Its smallest key; None if it is empty.
    #[getter]
    fn first_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.shard.first_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// Its largest key; None if it is empty.
    #[getter]
    fn last_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.shard.last_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// SHA-256 of its file: 64 hexadecimal digits.
    #[getter]
    fn sha256(&self) -> String {
        self.0.shard.sha256.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether it is a packed table.
    #[getter]
    fn packed(&self) -> bool {
        self.0.shard.packed
    }

    /// Its number among the hash shards; None for a range shard.
    #[getter]
    fn number(&self) -> Option<usize> {
        self.0.hash_shard.map(|(number, _)| number)
    }

    fn __repr__(&self) -> String {
        let graven::Shard { file, entries, bytes, .. } = &self.0.shard;
        format!("<graven.engines.ShardInfo {file}, {entries} entries, {bytes} bytes>")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let from_json = py.get_type::<Self>().getattr("from_json")?;
        (from_json, (self.to_json()?,)).into_pyobject(py)
    }
}

/// A set whose shards are built by several processes in `directory`, a directory of versions that is
/// made if it is missing and that all processes see. Each task builds its shards with
/// ``write_shard``; one process calls ``commit`` with what the tasks returned. A pickle of the job
/// joins it in another process.
///
/// - hash_shards: so many hash shards; without it, the shards are ranges of keys
/// - detached: the job may go on after this process. Otherwise it ends with the object that began
///   it, and what was built is removed, at the latest by the next job
/// - stale_after: seconds after which a detached job in which nothing happens is removed
///
/// The other options are those of ``Versions.publish``: min_entries, max_shrink, mode,
/// directory_mode, durable; with verify_after_write the commit compares the SHA-256 of each shard.
#[pyclass(frozen, module = "graven.engines")]
pub(crate) struct SetJob {
    /// `None` once it has ended.
    job: Mutex<Option<Arc<graven::SetJob>>>,
    id: String,
    directory: PathBuf,
    hash_shards: Option<usize>,
    publish: Option<Py<PyDict>>,
}

/// The options of a job.
fn options(
    hash_shards: Option<usize>,
    publish: Option<&Bound<'_, PyDict>>,
) -> PyResult<SetJobOptions> {
    let options = SetJobOptions::new().publish(versions::options(publish)?);
    Ok(match hash_shards {
        Some(shards) => options.hash_shards(shards),
        None => options,
    })
}

impl SetJob {
    fn own(&self, py: Python<'_>) -> PyResult<Arc<graven::SetJob>> {
        let job = self.job.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        job.clone().ok_or_else(|| errors::closed("job"))
    }
}

#[pymethods]
impl SetJob {
    #[new]
    #[pyo3(signature = (
        directory, *, hash_shards=None, detached=false, stale_after=86400.0, **options
    ))]
    fn new(
        py: Python<'_>,
        directory: AnyPath,
        hash_shards: Option<usize>,
        detached: bool,
        stale_after: f64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let stale_after = Duration::try_from_secs_f64(stale_after).map_err(|error| {
            errors::option(format!("stale_after is {stale_after} seconds: {error}"))
        })?;
        let asked = self::options(hash_shards, options)?.stale_after(stale_after);
        // Tasks may run in other directories.
        let directory = std::path::absolute(&directory.0)?;
        let job = py.detach(|| -> Result<_, PublishError> {
            let job = asked.begin(&directory)?;
            if !detached {
                return Ok(job);
            }
            let id = job.detach()?;
            Ok(asked.join(&directory, &id)?)
        });
        let job = job.map_err(errors::publish)?;
        let id = job.id().to_owned();
        let publish = options.map(|options| options.clone().unbind());
        Ok(Self { job: Mutex::new(Some(Arc::new(job))), id, directory, hash_shards, publish })
    }

    /// Joins the job with this id, which another process began with the same options.
    #[classmethod]
    #[pyo3(signature = (directory, id, *, hash_shards=None, **options))]
    fn join(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        directory: AnyPath,
        id: String,
        hash_shards: Option<usize>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let asked = self::options(hash_shards, options)?;
        let directory = directory.0;
        let job = py.detach(|| asked.join(&directory, &id)).map_err(errors::set)?;
        let publish = options.map(|options| options.clone().unbind());
        Ok(Self { job: Mutex::new(Some(Arc::new(job))), id, directory, hash_shards, publish })
    }

    /// Names the job: 32 digits.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// The directory of versions.
    #[getter]
    fn directory(&self) -> &OsStr {
        self.directory.as_os_str()
    }

    /// The directory in which the job's shards are built, under the names that their infos say.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<OsString> {
        Ok(self.own(py)?.path().as_os_str().to_owned())
    }

    /// Number of hash shards; None if the shards are ranges.
    #[getter]
    fn hash_shards(&self) -> Option<usize> {
        self.hash_shards
    }

    /// Builds one shard of the rows of `batches`, and returns what ``commit`` is to be told of it;
    /// None for a range shard without rows, which no set needs. Batches, `key` and `value` are as in
    /// ``build_arrow``: no row becomes a Python object, and the rows are copied, so that no batch is
    /// kept. Each call writes a file of its own: a task may be tried again, or run twice.
    ///
    /// - number: the number of a hash shard, which has the keys that ``hash_shard`` gives this
    ///   number. All numbers must be built, also those without rows.
    /// - even_empty: a range shard without rows is built, too, for a set without entries
    ///
    /// The other options are those of Builder.
    #[pyo3(signature = (batches, *, key, value, number=None, even_empty=false, **options))]
    #[expect(clippy::too_many_arguments, reason = "one for each argument in Python")]
    fn write_shard(
        &self,
        py: Python<'_>,
        batches: &Bound<'_, PyAny>,
        key: Column,
        value: Column,
        number: Option<usize>,
        even_empty: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Option<ShardInfo>> {
        let job = self.own(py)?;
        let asked = Asked::new(BuildOptions::new(), options)?;
        let begun = py.detach(|| match number {
            Some(number) => job.hash_shard(number, &asked.options),
            None => job.range_shard(&asked.options),
        });
        let needless = number.is_none() && !even_empty;
        let shard = Shard { builder: begun.map_err(errors::publish)?, needless };
        Ok(arrow::take_all(py, shard, &asked, batches, (key, value))?.map(ShardInfo))
    }

    /// Makes the next version of the set of these shards, and makes it current; removes all else
    /// that the job's tasks have built. Refuses ranges that overlap, hash shards that are missing or
    /// come twice, and shards that are not as they were returned, with PublishError; the job goes on
    /// then.
    fn commit(&self, py: Python<'_>, shards: Vec<PyRef<'_, ShardInfo>>) -> PyResult<Version> {
        let job = self.own(py)?;
        let shards: Vec<_> = shards.iter().map(|info| info.0.clone()).collect();
        let work = move || job.commit(shards);
        let version = wait::run(py, &Shared::default(), None, Unwanted::Awaited, work)?;
        let version = version.map_err(errors::publish)?;
        self.job.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
        Ok(Version(version))
    }

    /// Ends the job: removes all that its tasks have built. Does nothing after ``commit``.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        let job = self.job.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take();
        match job {
            Some(job) => py.detach(|| job.abort()).map_err(errors::set),
            None => Ok(()),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().own(slf.py())?;
        Ok(slf)
    }

    /// Aborts the job unless it was committed.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.abort(py)
    }

    fn __repr__(&self) -> String {
        format!("<graven.engines.SetJob {} in '{}'>", self.id, self.directory.display())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let publish = self.publish.as_ref().map(|publish| publish.bind(py));
        let arguments = (self.directory(), &self.id, self.hash_shards, publish);
        (py.import("graven._graven")?.getattr("_join_job")?, arguments).into_pyobject(py)
    }
}

/// The manifest of the set that these shards make, wherever they are, and for each of its shards the
/// name in its info. Refuses what ``SetJob.commit`` refuses, except for what their files would show.
/// `place` names them all in errors.
#[pyfunction]
#[pyo3(signature = (shards, place, *, hash_shards=None))]
pub(crate) fn plan_set(
    py: Python<'_>,
    shards: Vec<PyRef<'_, ShardInfo>>,
    place: PathBuf,
    hash_shards: Option<usize>,
) -> PyResult<(Manifest, Vec<String>)> {
    let shards: Vec<_> = shards.iter().map(|info| info.0.clone()).collect();
    let plan = py.detach(|| options(hash_shards, None)?.plan(shards, place).map_err(errors::set));
    plan.map(|plan| (plan.manifest.into(), plan.files))
}

/// Joins a pickled job.
#[pyfunction]
pub(crate) fn _join_job(
    py: Python<'_>,
    directory: AnyPath,
    id: String,
    hash_shards: Option<usize>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<SetJob> {
    SetJob::join(&py.get_type::<SetJob>(), py, directory, id, hash_shards, options)
}

/// A shard that rows go into.
struct Shard {
    builder: ShardBuilder,
    /// Whether nobody needs it without rows.
    needless: bool,
}

impl Target for Shard {
    type Published = Option<graven::ShardInfo>;

    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.builder.insert(key, value)
    }

    fn finish(self) -> Result<Option<graven::ShardInfo>, PublishError> {
        if self.needless && self.builder.entries() == 0 {
            return Ok(None);
        }
        self.builder.finish().map(Some)
    }
}
