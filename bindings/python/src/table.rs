//! `Table`: opening, the mapping, what stands around it. Queries by order stand in `ordered.rs`.

use crate::errors;
use crate::handle::Handle;
use crate::keys::Bytes;
use crate::opened::{Opened, either};
use crate::options::{self, AnyPath, Opening};
use crate::range::{Part, Range};
use crate::set::{self, SetOpening, TableSet};
use crate::span::{Ends, Span};
use crate::store::{self, Store};
use crate::view::View;
use graven::ReadError;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PySlice, PyTuple};
use std::path::{Path, PathBuf, absolute};

/// An immutable table of entries, key and value both bytes, in the order of their keys: a read-only
/// mapping. :func:`graven.open` makes one.
///
/// >>> import graven
/// >>> path = tmp / "capitals.grv"
/// >>> _ = graven.build(path, {b"Norway": b"Oslo", b"Japan": b"Tokyo"})
/// >>> table = graven.open(path)
/// >>> table[b"Norway"], table.get(b"Peru"), len(table), list(table)
/// (b'Oslo', None, 2, [b'Japan', b'Norway'])
///
/// Keys are given as bytes, bytearray, memoryview, a numpy array or any other contiguous buffer. A
/// str is a TypeError, also in ``in`` and ``get``. A table may be used by several threads, and by
/// processes that were forked after it was opened. It pickles as its path, the options it was opened
/// with, and its build id, so that another process opens the same file, or gets OtherBuildError.
///
/// With ``duplicates="keep-all"`` a key may have several entries. Then ``table[key]`` is the first,
/// and ``len``, iteration and the views count each; see ``get_all``, ``count_of``, ``distinct_keys``.
///
/// A packed table, whose build had ``compress`` or ``compact_keys``, answers the same. Each lookup
/// decodes what it returns.
#[pyclass(frozen, mapping, weakref, module = "graven")]
pub(crate) struct Table {
    table: Handle<Opened>,
    pub(crate) origin: Origin,
}

/// Where a table comes from, for another process.
#[derive(Clone)]
pub(crate) struct Origin {
    /// Absolute. `None` for a table in memory.
    pub(crate) path: Option<PathBuf>,
    pub(crate) opening: Opening,
}

impl Origin {
    pub(crate) fn new(path: &Path, opening: Opening) -> Self {
        Self { path: Some(absolute(path).unwrap_or_else(|_| path.into())), opening }
    }
}

impl Table {
    pub(crate) fn new(table: Opened, origin: Origin) -> Self {
        Self { table: Handle::new(table, "table"), origin }
    }

    /// Lets `query` ask the open table.
    #[inline]
    pub(crate) fn with<T>(&self, query: impl FnOnce(&Opened) -> PyResult<T>) -> PyResult<T> {
        self.table.with(query)
    }

    /// As [`with`](Self::with), for queries that fail only where the table is damaged.
    #[inline]
    pub(crate) fn ask<T>(
        &self,
        query: impl FnOnce(&Opened) -> Result<T, ReadError>,
    ) -> PyResult<T> {
        self.with(|table| query(table).map_err(errors::read))
    }

    /// A clone, which keeps the mapping also if the table is closed meanwhile.
    pub(crate) fn own(&self) -> PyResult<Opened> {
        self.with(|table| Ok(table.clone()))
    }

    /// A clone of the table as it lies in the file: its keys and values may be encoded.
    pub(crate) fn stored(&self) -> PyResult<graven::Table> {
        self.with(|table| Ok(table.stored().clone()))
    }

    /// A clone as the library has it where tables of both kinds are taken.
    pub(crate) fn either(&self) -> PyResult<graven::PackedTable> {
        self.own()?.either().map_err(errors::open)
    }

    /// The entries between two ends.
    pub(crate) fn span(&self, ends: Ends) -> PyResult<Span> {
        self.with(|table| Ok(either!(table, table => table.span(ends))))
    }

    fn all(&self, part: Part, reverse: bool) -> PyResult<Range> {
        Ok(Range::new(self.span(store::ALL)?, part, reverse))
    }
}

#[pymethods]
impl Table {
    /// The value of a key, copied; KeyError if there is none. For a slice, the entries from one key
    /// up to another, as ``range(start, stop)`` gives them.
    ///
    /// >>> words[b"ant"]
    /// b'1'
    /// >>> list(words[b"b":b"d"])
    /// [(b'bee', b'2'), (b'cow', b'3')]
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = key.cast::<PySlice>() {
            return Ok(Bound::new(py, self.slice(slice)?)?.into_any());
        }
        let bytes = Bytes::extract(key.as_borrowed())?;
        match self.copied(py, &bytes)? {
            Some(value) => Ok(value.into_any()),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    /// The value of a key, copied, or `default`.
    ///
    /// >>> words.get(b"ant"), words.get(b"elk"), words.get(b"elk", b"?")
    /// (b'1', None, b'?')
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.copied(py, &key)?.map(Bound::into_any).or(default))
    }

    /// The value of a key as a memoryview into the mapping, or None. Nothing is copied. The view
    /// keeps the mapping, also after ``close()`` and when it went to ``numpy.frombuffer``. A packed
    /// table has no such bytes: its view shows a copy, which the view keeps.
    ///
    /// >>> view = words.view(b"ant")
    /// >>> view.readonly, view.tobytes()
    /// (True, b'1')
    fn view<'py>(
        &self,
        py: Python<'py>,
        key: Bytes<'_>,
    ) -> PyResult<Option<Bound<'py, PyMemoryView>>> {
        let found = self.ask(|table| table.found(&key))?;
        found.map(|found| View::of(py, found)).transpose()
    }

    fn __contains__(&self, key: Bytes<'_>) -> PyResult<bool> {
        self.ask(|table| either!(table, table => table.contains_key(&key)))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.with(|table| Ok(usize::try_from(table.stored().len())?))
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, self.all(Part::Keys, false)?.walk(py)?)?.into_any())
    }

    fn __reversed__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, self.all(Part::Keys, true)?.walk(py)?)?.into_any())
    }

    /// The keys in their order, as a set-like view.
    ///
    /// >>> list(words.keys())
    /// [b'ant', b'bee', b'cow', b'dog']
    /// >>> sorted(words.keys() & {b"bee", b"elk"})
    /// [b'bee']
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view_of(slf, "Keys")
    }

    /// The values in the order of their keys, as a view.
    ///
    /// >>> list(words.values())
    /// [b'1', b'2', b'3', b'4']
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view_of(slf, "Values")
    }

    /// The entries as pairs in the order of their keys, as a set-like view.
    ///
    /// >>> list(words.items())[:2]
    /// [(b'ant', b'1'), (b'bee', b'2')]
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view_of(slf, "Items")
    }

    /// The table with keys and values as Python objects, by formats of the module struct; see Typed.
    /// Without a format they are as a typed table's file names them, else bytes.
    ///
    /// >>> numbers = graven.from_bytes(graven_bytes({bytes([0, n]): bytes([n, 0]) for n in range(9)}))
    /// >>> numbers.typed(key=">H", value="<h").floor(700)
    /// (8, 8)
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
        let equal = either!(self.own()?, table => match same {
            Some(same) => either!(same, same => store::equals(py, table, Some(same), other)),
            None => store::equals(py, table, None::<graven::Table>, other),
        });
        Ok(match equal? {
            Some(equal) => equal.into_pyobject(py)?.to_owned().into_any(),
            None => py.NotImplemented().into_bound(py),
        })
    }

    fn __repr__(&self) -> String {
        let place = match &self.origin.path {
            Some(path) => format!("'{}'", path.display()),
            None => "in memory".into(),
        };
        match self.with(|table| Ok(table.stored().len())) {
            Ok(entries) => format!("<graven.Table {place}, {entries} entries>"),
            Err(_) => format!("<graven.Table {place}, closed>"),
        }
    }

    /// The file's absolute path. None for a table in memory.
    #[getter]
    fn path(&self) -> Option<&std::ffi::OsStr> {
        self.origin.path.as_deref().map(Path::as_os_str)
    }

    /// Identifies the content: 32 hexadecimal digits.
    #[getter]
    fn build_id(&self) -> PyResult<String> {
        self.with(|table| Ok(table.stored().build_id().to_string()))
    }

    /// The number of distinct keys: less than ``len`` where keys have several entries.
    #[getter]
    fn distinct_keys(&self) -> PyResult<u64> {
        self.with(|table| Ok(table.stored().distinct_keys()))
    }

    /// The pairs that the build added with ``metadata``, as a dict.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.with(|table| {
            let pairs = PyDict::new(py);
            for (key, value) in &table.stored().metadata().map_err(errors::read)? {
                pairs.set_item(PyBytes::new(py, key), PyBytes::new(py, value))?;
            }
            Ok(pairs)
        })
    }

    /// Whether a page under the table was lost since it was opened: the file was truncated, or its
    /// device failed.
    #[getter]
    fn is_faulted(&self) -> PyResult<bool> {
        self.with(|table| Ok(table.stored().is_faulted()))
    }

    /// Whether a lost page raises an error, as after ``install_sigbus_guard()``, instead of ending
    /// the process.
    #[getter]
    fn is_guarded(&self) -> PyResult<bool> {
        self.with(|table| Ok(graven::sigbus::is_installed() && table.stored().is_guarded()))
    }

    /// Whether ``close()`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.table.is_closed()
    }

    /// Closes the table: further calls raise ClosedError, a ValueError. The file is unmapped once
    /// the views, ranges and iterators that were taken before are gone; they stay valid.
    fn close(&self, py: Python<'_>) {
        self.table.close(py);
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().own()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    /// The same mapping under another handle, which is closed on its own.
    fn __copy__(&self) -> PyResult<Self> {
        Ok(Self::new(self.own()?, self.origin.clone()))
    }

    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.__copy__()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let id = self.build_id()?;
        let Some(path) = &self.origin.path else {
            return Err(PyTypeError::new_err(
                "a table in memory has no file that another process could open: pickle its bytes",
            ));
        };
        let reopen = py.import("graven._graven")?.getattr("_reopen")?;
        let arguments = self.origin.opening.arguments(py)?;
        (reopen, (path.as_os_str(), arguments, id)).into_pyobject(py)
    }
}

impl Table {
    /// A copy of the value of `key`.
    #[inline]
    fn copied<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.ask(|table| table.get(key, |value| PyBytes::new(py, value)))
    }

    /// The entries of a slice by keys.
    fn slice(&self, slice: &Bound<'_, PySlice>) -> PyResult<Range> {
        let (start, stop) = store::slice_ends(slice)?;
        self.range(start.extract()?, stop.extract()?, true, false, false)
    }
}

/// A view of `graven._views` on the whole table.
fn view_of<'py>(table: &Bound<'py, Table>, class: &str) -> PyResult<Bound<'py, PyAny>> {
    table.get().own()?;
    store::view_of(table.as_any(), class)
}

/// Opens the table at `path`, read-only, through a shared mapping: costs the same for a small and
/// for a large table. A set, which is a directory, is opened as a TableSet. An empty directory of
/// versions, or a file that is no table, is an error.
///
/// >>> table = graven.open(words_path)
/// >>> table[b"bee"]
/// b'2'
/// >>> graven.open("no/such/table.grv")
/// Traceback (most recent call last):
///     ...
/// FileNotFoundError: [Errno 2] could not open: No such file or directory (os error 2): 'no/such/table.grv'
///
/// Nobody may change or truncate a mapped file in place: graven never does, it replaces tables by
/// rename. Where others might, open with ``load=True``, which reads the file into private memory.
///
/// - page_checks: when checksums are checked: "first-touch" of each page, "at-open" for all pages,
///   or "never"
/// - warm: what is read into memory beforehand: "none", "index" or "all"
/// - lock_memory: whether the table is locked into memory (mlock)
/// - access: "auto", "normal", "random" or "sequential", for the kernel's read-ahead
/// - section: (offset, length) of a table inside a larger file
/// - expect_build_id: OtherBuildError if the table has another build id
/// - allow_patch: whether a patch is opened as a table of its changes
/// - tolerate_footer: whether a table with a damaged footer is opened, to salvage it
/// - max_value: bytes of the longest value that is decoded, for packed tables from elsewhere, a few bytes
///   of which may stand for 4 GiB; a longer one is an UnsupportedError. ``verify`` decodes all values
#[pyfunction]
#[pyo3(signature = (path, *, load=false, page_checks="first-touch", warm="none", lock_memory=false,
    access="auto", section=None, expect_build_id=None, allow_patch=false, tolerate_footer=false,
    max_value=None))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub(crate) fn open(
    py: Python<'_>,
    path: AnyPath,
    load: bool,
    page_checks: &str,
    warm: &str,
    lock_memory: bool,
    access: &str,
    section: Option<(u64, u64)>,
    expect_build_id: Option<&str>,
    allow_patch: bool,
    tolerate_footer: bool,
    max_value: Option<u32>,
) -> PyResult<Py<PyAny>> {
    let expected = expect_build_id.map(|text| options::build_id("expect_build_id", text));
    let opening = Opening {
        load,
        page_checks: options::page_checks(page_checks)?,
        warm: options::warm(warm)?,
        lock_memory,
        access: options::access(access)?,
        section,
        expect_build_id: expected.transpose()?,
        allow_patch,
        tolerate_footer,
        max_value,
    };
    let AnyPath(path) = path;
    if set::is_set(&path) {
        let opening = SetOpening::of_any(opening, &path)?;
        let set = TableSet::new(opening.open(py, &path)?, opening);
        return Ok(Py::new(py, set)?.into_any());
    }
    let table = opening.open_interruptibly(py, &path)?;
    Ok(Py::new(py, Table::new(table, Origin::new(&path, opening)))?.into_any())
}

/// Opens a table that is in memory already. The bytes are copied.
///
/// >>> graven.from_bytes(words_path.read_bytes())[b"cow"]
/// b'3'
#[pyfunction]
#[pyo3(signature = (data, *, page_checks="first-touch", expect_build_id=None, max_value=None))]
pub(crate) fn from_bytes(
    py: Python<'_>,
    data: Bytes<'_>,
    page_checks: &str,
    expect_build_id: Option<&str>,
    max_value: Option<u32>,
) -> PyResult<Table> {
    let expected = expect_build_id.map(|text| options::build_id("expect_build_id", text));
    let opening = Opening {
        page_checks: options::page_checks(page_checks)?,
        expect_build_id: expected.transpose()?,
        max_value,
        ..Opening::default()
    };
    let data = data.to_vec();
    let options = opening.options().allow_packed(true);
    let open = || Opened::new(options.from_bytes(data)?, opening.longest());
    let table = py.detach(open).map_err(errors::open)?;
    Ok(Table::new(table, Origin { path: None, opening }))
}

/// Opens a pickled table.
#[pyfunction]
pub(crate) fn _reopen<'py>(
    path: Bound<'py, PyAny>,
    arguments: Bound<'py, PyDict>,
    build_id: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = arguments.copy()?;
    arguments.set_item("expect_build_id", build_id)?;
    path.py().import("graven._graven")?.getattr("open")?.call((path,), Some(&arguments))
}

/// Makes a lost page of a mapped table an error of the lookup that meets it, instead of a SIGBUS
/// that ends the process. Call it once, after other libraries have installed handlers of their own.
#[pyfunction]
pub(crate) fn install_sigbus_guard() -> PyResult<()> {
    Ok(graven::sigbus::install()?)
}
