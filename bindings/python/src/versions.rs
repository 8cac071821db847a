//! `publish` and `Versions`: finished tables to where they are read.

use crate::errors;
use crate::options::AnyPath;
use crate::wait::{self, Shared, Unwanted};
use graven::{PublishError, PublishOptions};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The keyword arguments as options.
pub(crate) fn options(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<PublishOptions> {
    let mut options = PublishOptions::new();
    for (name, value) in arguments.into_iter().flatten() {
        options = match name.cast::<PyString>()?.to_str()? {
            "replace" => options.replace(value.extract()?),
            "mode" => options.mode(value.extract()?),
            "directory_mode" => options.directory_mode(value.extract()?),
            "durable" => options.durable(value.extract()?),
            "verify_after_write" => options.verify_after_write(value.extract()?),
            "min_entries" => options.min_entries(value.extract()?),
            "max_shrink" => options.max_shrink(value.extract()?),
            name => {
                return Err(PyTypeError::new_err(format!("unexpected keyword argument '{name}'")));
            }
        };
    }
    Ok(options)
}

/// Does `work` with the interpreter released. Ctrl-C is raised when it has ended.
fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> PyResult<T> {
    wait::run(py, &Shared::default(), None, Unwanted::Awaited, work)?.map_err(errors::publish)
}

/// A version of a table or a set.
#[pyclass(frozen, module = "graven")]
pub(crate) struct Version(pub(crate) graven::Version);

#[pymethods]
impl Version {
    /// The version's name. Names ascend in the order of publishing.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The path of its table, or the directory of its set.
    #[getter]
    fn path(&self) -> &OsStr {
        self.0.path.as_os_str()
    }

    /// Bytes of its table, or of all files of its set.
    #[getter]
    fn file_bytes(&self) -> u64 {
        self.0.file_bytes
    }

    /// Whether this was the current version when it was listed.
    #[getter]
    fn current(&self) -> bool {
        self.0.current
    }

    fn __repr__(&self) -> String {
        format!("<graven.Version {}>", self.0)
    }
}

/// A directory that holds versions of one table, of which one is current. ``Live`` follows it.
///
/// >>> versions = graven.Versions(tmp / "served")
/// >>> first = versions.publish(words_path)
/// >>> with versions.create() as new:
/// ...     _ = graven.build(new.path, {b"ant": b"5"})
/// >>> graven.open(versions.current())[b"ant"], len(versions.list())
/// (b'5', 2)
/// >>> versions.roll_back().id == first.id
/// True
///
/// ``publish`` and ``create`` take, by keyword:
///
/// - min_entries, max_shrink: a table with fewer entries, or with a larger part less than the
///   current one, is refused with PublishError
/// - replace, mode, durable, verify_after_write: as in Builder
/// - directory_mode: permission bits of directories that are made
#[pyclass(frozen, module = "graven")]
pub(crate) struct Versions(graven::Versions, PathBuf);

#[pymethods]
impl Versions {
    #[new]
    fn new(directory: AnyPath) -> Self {
        Self(graven::Versions::new(&directory.0), directory.0)
    }

    /// The directory.
    #[getter]
    fn directory(&self) -> &OsStr {
        self.1.as_os_str()
    }

    /// The path of the current version's table.
    fn current(&self) -> PyResult<PathText> {
        self.0.current().map(|path| PathText(path.into())).map_err(errors::publish)
    }

    /// All versions, the oldest first.
    fn list(&self) -> PyResult<Vec<Version>> {
        let versions = self.0.list().map_err(errors::publish)?;
        Ok(versions.into_iter().map(Version).collect())
    }

    /// Copies the table at `source` into a new version, checks it, and makes it current.
    #[pyo3(signature = (source, **options))]
    fn publish(
        &self,
        py: Python<'_>,
        source: AnyPath,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Version> {
        let (versions, options) = (self.0.clone(), self::options(options)?);
        run(py, move || versions.publish(&source.0, &options)).map(Version)
    }

    /// Begins a new version, whose table is to be built at its ``path``. As a context manager it is
    /// made current at the end of the block, and discarded on an exception.
    #[pyo3(signature = (**options))]
    fn create(&self, py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<NewVersion> {
        let options = self::options(options)?;
        let new = py.detach(|| self.0.create(&options)).map_err(errors::publish)?;
        Ok(NewVersion { path: new.path().to_owned(), new: Mutex::new(Some(new)) })
    }

    /// Makes an older version current: that of the id, or the one before the current one.
    #[pyo3(signature = (id=None))]
    fn roll_back(&self, py: Python<'_>, id: Option<String>) -> PyResult<Version> {
        let versions = self.0.clone();
        run(py, move || versions.roll_back(id.as_deref())).map(Version)
    }

    /// Removes old versions, all but the newest `keep` and those that were current within the last
    /// `min_age` seconds. Returns those that it removed.
    #[pyo3(signature = (keep, min_age=60.0))]
    fn prune(&self, py: Python<'_>, keep: usize, min_age: f64) -> PyResult<Vec<Version>> {
        let age = Duration::try_from_secs_f64(min_age)
            .map_err(|error| errors::option(format!("min_age is {min_age} seconds: {error}")))?;
        let versions = self.0.clone();
        let removed = run(py, move || versions.prune(keep, age))?;
        Ok(removed.into_iter().map(Version).collect())
    }

    fn __repr__(&self) -> String {
        format!("<graven.Versions '{}'>", self.1.display())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (py.get_type::<Self>(), (self.directory(),)).into_pyobject(py)
    }
}

/// A path, as a str.
#[derive(IntoPyObject)]
#[pyo3(transparent)]
pub(crate) struct PathText(std::ffi::OsString);

/// A version that is being made.
#[pyclass(frozen, module = "graven")]
pub(crate) struct NewVersion {
    new: Mutex<Option<graven::NewVersion>>,
    path: PathBuf,
}

impl NewVersion {
    fn take(&self, py: Python<'_>) -> Option<graven::NewVersion> {
        self.new.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl NewVersion {
    /// Where the table is to be built.
    #[getter]
    fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// Checks the table and makes the version current.
    fn publish(&self, py: Python<'_>) -> PyResult<Version> {
        let new = self.take(py).ok_or_else(|| errors::closed("version"))?;
        run(py, move || new.publish()).map(Version)
    }

    /// Removes what was made.
    fn discard(&self, py: Python<'_>) {
        let new = self.take(py);
        py.detach(|| drop(new));
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let open = {
            let new = slf.get().new.lock_py_attached(slf.py());
            new.unwrap_or_else(PoisonError::into_inner).is_some()
        };
        if open { Ok(slf) } else { Err(errors::closed("version")) }
    }

    #[pyo3(signature = (kind, _exception, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyType>>,
        _exception: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        match self.take(py) {
            Some(new) if kind.is_none() => run(py, move || new.publish()).map(drop),
            new => {
                py.detach(|| drop(new));
                Ok(())
            }
        }
    }
}

/// Copies the finished table at `source` to `target`, checks the copy, and gives it its name in one
/// step. Returns its build id. The options are those of ``Versions.publish``.
///
/// >>> graven.publish(words_path, tmp / "copy.grv") == words.build_id
/// True
#[pyfunction]
#[pyo3(signature = (source, target, **options))]
pub(crate) fn publish(
    py: Python<'_>,
    source: AnyPath,
    target: AnyPath,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let options = self::options(options)?;
    let summary = run(py, move || options.publish(&source.0, &target.0))?;
    Ok(summary.build_id.to_string())
}
