//! `TableSet`: opening a set, the mapping, what stands around it. Queries stand in `set_queries.rs`.

#![expect(unsafe_code, reason = "mapping a path is unsafe, and the promise is the caller's")]

use crate::errors;
use crate::found::Found;
use crate::handle::Handle;
use crate::keys::Bytes;
use crate::manifest::Manifest;
use crate::opened_set::OpenedSet;
use crate::options::{self, AnyPath, Opening};
use crate::range::{Part, Range};
use crate::span::{Ends, Span};
use crate::store;
use crate::view::View;
use graven::{SetError, SetOptions};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PySlice, PyTuple};
use std::ffi::OsStr;
use std::path::Path;

/// One table in many files: an immutable mapping of bytes to bytes, in the order of the keys. `path`
/// is a directory of versions, of which the current one is opened, or the directory of one version.
/// :func:`graven.build_set` writes sets.
///
/// >>> entries = ((b"%04d" % n, b"%d" % n) for n in range(1000))
/// >>> _ = graven.build_set(tmp / "numbers", entries, shards=4)
/// >>> numbers = graven.TableSet(tmp / "numbers")
/// >>> numbers[b"0007"], numbers.get(b"x"), len(numbers), len(numbers.manifest.shards)
/// (b'7', None, 1000, 4)
/// >>> list(numbers[b"0248":b"0252"].values())
/// [b'248', b'249', b'250', b'251']
///
/// It answers what a Table answers. Opening reads the manifest and maps no shard; each is mapped, and
/// compared with the manifest, when it is first asked. Keys are divided among the shards by ranges or
/// by their hash: queries by order ask one or two shards of a set of ranges, and all shards of one of
/// hashes, which does not answer ``nth``.
///
/// Threads, forks and closing are as with Table. A set pickles as the directory of its version, its
/// options and its id, so that another process reads the same version. While a set is open, nobody
/// prunes its version.
///
/// Shards may be packed tables: each lookup decodes what it returns.
///
/// - max_mapped_bytes: most bytes that are kept mapped; before a shard is mapped, others are let go,
///   the one used least recently first. What views, ranges and iterators keep does not count
/// - page_checks, warm, lock_memory, access: as in ``graven.open``, for each shard when it is mapped
/// - expect_id: OtherBuildError if the set has another id
#[pyclass(frozen, mapping, weakref, module = "graven")]
pub(crate) struct TableSet {
    set: Handle<OpenedSet>,
    pub(crate) opening: SetOpening,
}

/// What `TableSet` was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetOpening {
    pub(crate) tables: Opening,
    pub(crate) max_mapped_bytes: Option<u64>,
}

impl SetOpening {
    /// From the arguments of `TableSet`.
    pub(crate) fn new(
        max_mapped_bytes: Option<u64>,
        page_checks: &str,
        warm: &str,
        lock_memory: bool,
        access: &str,
    ) -> PyResult<Self> {
        let tables = Opening {
            page_checks: options::page_checks(page_checks)?,
            warm: options::warm(warm)?,
            lock_memory,
            access: options::access(access)?,
            ..Opening::default()
        };
        Ok(Self { tables, max_mapped_bytes })
    }

    /// From the arguments of `graven.open`.
    pub(crate) fn of_any(tables: Opening, path: &Path) -> PyResult<Self> {
        let refused = [
            ("load", tables.load),
            ("section", tables.section.is_some()),
            ("expect_build_id", tables.expect_build_id.is_some()),
            ("allow_patch", tables.allow_patch),
            ("tolerate_footer", tables.tolerate_footer),
            ("max_value", tables.max_value.is_some()),
        ];
        match refused.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(errors::option(format!(
                "option {option} does not go with {}, which is a set: leave it out",
                path.display()
            ))),
            None => Ok(Self { tables, max_mapped_bytes: None }),
        }
    }

    pub(crate) fn options(&self) -> SetOptions {
        SetOptions::new().tables(self.tables.options()).max_mapped_bytes(self.max_mapped_bytes)
    }

    /// Opens the set at `path` while Python runs on.
    pub(crate) fn open(&self, py: Python<'_>, path: &Path) -> PyResult<OpenedSet> {
        let options = self.options();
        // SAFETY: the class hands the promise on to its caller: nobody changes or truncates the
        // files in place.
        py.detach(|| unsafe { OpenedSet::open(path, &options) }).map_err(errors::set)
    }

    /// The arguments of `TableSet` that differ from their defaults.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = self.tables.arguments(py)?;
        if let Some(most) = self.max_mapped_bytes {
            arguments.set_item("max_mapped_bytes", most)?;
        }
        Ok(arguments)
    }
}

impl TableSet {
    pub(crate) fn new(set: OpenedSet, opening: SetOpening) -> Self {
        Self { set: Handle::new(set, "set"), opening }
    }

    /// Lets `query` ask the open set.
    #[inline]
    pub(crate) fn with<T>(&self, query: impl FnOnce(&OpenedSet) -> PyResult<T>) -> PyResult<T> {
        self.set.with(query)
    }

    /// As [`with`](Self::with), for a lookup of one key. The interpreter is released if a shard that
    /// is mapped for it is read as a whole.
    #[inline]
    pub(crate) fn ask<T: Send>(
        &self,
        py: Python<'_>,
        key: &Bytes<'_>,
        query: impl FnOnce(&OpenedSet, &[u8]) -> Result<T, SetError> + Send,
    ) -> PyResult<T> {
        if self.opening.tables.reads_all() {
            return self.ask_released(py, key, query);
        }
        self.with(|set| query(set, key).map_err(errors::set))
    }

    /// As [`ask`](Self::ask), for queries that may ask all shards: the interpreter is released.
    pub(crate) fn ask_released<T: Send>(
        &self,
        py: Python<'_>,
        key: &[u8],
        query: impl FnOnce(&OpenedSet, &[u8]) -> Result<T, SetError> + Send,
    ) -> PyResult<T> {
        // Its owner may change it while Python runs.
        let key = key.to_vec();
        self.with(|set| py.detach(|| query(set, &key)).map_err(errors::set))
    }

    /// A clone, which keeps the set open also if it is closed meanwhile.
    pub(crate) fn own(&self) -> PyResult<OpenedSet> {
        self.with(|set| Ok(set.clone()))
    }

    fn all(&self, part: Part, reverse: bool) -> PyResult<Range> {
        Ok(Range::new(self.span(store::ALL)?, part, reverse))
    }

    /// The entries between two ends.
    pub(crate) fn span(&self, ends: Ends) -> PyResult<Span> {
        Ok(Span::of_set(self.own()?, ends, self.opening.tables.reads_all()))
    }

    pub(crate) fn found(&self, py: Python<'_>, key: &Bytes<'_>) -> PyResult<Option<Found>> {
        self.ask(py, key, |set, key| set.get(key))
    }

    /// A view of `graven._views` on the whole set.
    fn view_of<'py>(slf: &Bound<'py, Self>, class: &str) -> PyResult<Bound<'py, PyAny>> {
        slf.get().own()?;
        store::view_of(slf.as_any(), class)
    }
}

#[pymethods]
impl TableSet {
    #[new]
    #[pyo3(signature = (path, *, max_mapped_bytes=None, page_checks="first-touch", warm="none",
        lock_memory=false, access="auto", expect_id=None))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn open(
        py: Python<'_>,
        path: AnyPath,
        max_mapped_bytes: Option<u64>,
        page_checks: &str,
        warm: &str,
        lock_memory: bool,
        access: &str,
        expect_id: Option<&str>,
    ) -> PyResult<Self> {
        let expected = expect_id.map(|text| options::build_id("expect_id", text)).transpose()?;
        let opening = SetOpening::new(max_mapped_bytes, page_checks, warm, lock_memory, access)?;
        let set = opening.open(py, &path.0)?;
        let id = set.manifest().id;
        match expected {
            Some(expected) if id != expected => {
                let path = set.path();
                let text = format!("{}: set {expected} was expected, this is {id}", path.display());
                Err(errors::error("OtherBuildError", text, Some(path)))
            }
            _ => Ok(Self::new(set, opening)),
        }
    }

    /// The value of a key, copied; KeyError if there is none. For a slice, the entries from one key
    /// up to another, as ``range(start, stop)`` gives them.
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = key.cast::<PySlice>() {
            let (start, stop) = store::slice_ends(slice)?;
            let range = self.range(start.extract()?, stop.extract()?, true, false, false)?;
            return Ok(Bound::new(py, range)?.into_any());
        }
        let bytes = Bytes::extract(key.as_borrowed())?;
        match self.found(py, &bytes)? {
            Some(value) => Ok(PyBytes::new(py, &value).into_any()),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    /// The value of a key, copied, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.found(py, &key)?.map(|value| PyBytes::new(py, &value).into_any()).or(default))
    }

    /// The value of a key as a memoryview into the mapping, or None. Nothing is copied. The view
    /// keeps the shard mapped, also after ``close()`` and when the set lets it go. Of packed shards it
    /// shows a copy.
    fn view<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
    ) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        self.found(py, &key)?.map(|found| View::of(py, found)).transpose()
    }

    fn __contains__(&self, py: Python<'_>, key: Bytes<'_>) -> PyResult<bool> {
        self.ask(py, &key, |set, key| set.contains_key(key))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.with(|set| Ok(usize::try_from(set.len())?))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, self.all(Part::Keys, false)?.walk(py)?)?.into_any())
    }

    fn __reversed__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, self.all(Part::Keys, true)?.walk(py)?)?.into_any())
    }

    /// The keys in their order, as a set-like view.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of(slf, "Keys")
    }

    /// The values in the order of their keys, as a view.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of(slf, "Values")
    }

    /// The entries as pairs in the order of their keys, as a set-like view.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::view_of(slf, "Items")
    }

    /// The set with keys and values as Python objects, as ``Table.typed`` gives a table. Formats are
    /// compared with the first shard that has entries, which is mapped; an entry of another length
    /// elsewhere is a TypeMismatchError when it is read.
    #[pyo3(signature = (key=None, value=None))]
    fn typed<'py>(
        slf: &Bound<'py, Self>,
        key: Option<&str>,
        value: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("graven._typed")?.getattr("Typed")?.call1((slf, key, value))
    }

    fn __eq__<'py>(
        &self,
        py: Python<'py>,
        other: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let same = other.cast::<Self>().ok().map(|other| other.get().own()).transpose()?;
        Ok(match store::equals(py, self.own()?, same, other)? {
            Some(equal) => equal.into_pyobject(py)?.to_owned().into_any(),
            None => py.NotImplemented().into_bound(py),
        })
    }

    fn __repr__(&self) -> String {
        let shown = self.with(|set| {
            let (shards, entries) = (set.manifest().shards.len(), set.len());
            let path = set.path().display();
            Ok(format!("<graven.TableSet '{path}', {shards} shards, {entries} entries>"))
        });
        shown.unwrap_or_else(|_| "<graven.TableSet, closed>".into())
    }

    /// The absolute path of the directory of the version that is open.
    #[getter]
    fn path(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.with(|set| Ok(set.path().as_os_str().into_pyobject(py)?.into_any().unbind()))
    }

    /// What the set consists of.
    #[getter]
    fn manifest(&self) -> PyResult<Manifest> {
        self.with(|set| Ok(Manifest::from(set.manifest().clone())))
    }

    /// Identifies the content: 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> PyResult<String> {
        self.with(|set| Ok(set.manifest().id.to_string()))
    }

    /// Bytes of the shards that the set has mapped at this moment.
    #[getter]
    fn mapped_bytes(&self) -> PyResult<u64> {
        self.with(|set| Ok(set.mapped_bytes()))
    }

    /// Whether ``close()`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.set.is_closed()
    }

    /// Closes the set: further calls raise ClosedError, a ValueError. A shard is unmapped once the
    /// tables, views, ranges and iterators that were taken before are gone; they stay valid.
    fn close(&self, py: Python<'_>) {
        self.set.close(py);
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().own()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The same mappings under another handle, which is closed on its own.
    fn __copy__(&self) -> PyResult<Self> {
        Ok(Self::new(self.own()?, self.opening.clone()))
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.__copy__()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let reopen = py.import("graven._graven")?.getattr("_reopen_set")?;
        let arguments = self.opening.arguments(py)?;
        let set = self.own()?;
        let id = set.manifest().id.to_string();
        let path: &OsStr = set.path().as_os_str();
        (reopen, (path, arguments, id)).into_pyobject(py)
    }
}

/// Opens a pickled set.
#[pyfunction]
pub(crate) fn _reopen_set<'py>(
    path: Bound<'py, PyAny>,
    arguments: Bound<'py, PyDict>,
    id: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = arguments.copy()?;
    arguments.set_item("expect_id", id)?;
    path.py().get_type::<TableSet>().call((path,), Some(&arguments))
}

/// Whether a set stands at a path: a directory of versions whose current one is a set, or the
/// directory of one version.
pub(crate) fn is_set(path: &Path) -> bool {
    path.join("CURRENT").is_dir() || path.join("MANIFEST.json").exists()
}
