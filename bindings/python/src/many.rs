//! Many lookups at once, in a table or a set, with the interpreter released.

#![expect(unsafe_code, reason = "values are written to memory that Python owns")]

use crate::errors;
use crate::keys::{Buffer, Bytes};
use crate::opened::either;
use crate::store::Store;
use crate::table::Table;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// With fewer keys, giving up the interpreter and getting it back costs more than the lookups.
const DETACH: usize = 64;

/// Keys that stay as they are while the interpreter is released.
pub(crate) enum Keys<'py> {
    /// Of Python objects: `bytes` never change, all else is copied.
    Objects(Vec<Key<'py>>),
    /// Rows of equal width, copied.
    Rows { bytes: Vec<u8>, width: usize, rows: usize },
}

pub(crate) enum Key<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copy(Vec<u8>),
}

impl<'py> Keys<'py> {
    /// From a sequence of keys.
    pub(crate) fn of_objects(keys: &Bound<'py, PyAny>) -> PyResult<Self> {
        let key = |object: Bound<'py, PyAny>| match object.cast_into::<PyBytes>() {
            Ok(bytes) => Ok(Key::Bytes(bytes)),
            Err(error) => Ok(Key::Copy(Bytes::extract(error.into_inner().as_borrowed())?.to_vec())),
        };
        let keys: PyResult<Vec<_>> = if let Ok(list) = keys.cast::<PyList>() {
            list.iter().map(key).collect()
        } else if let Ok(tuple) = keys.cast::<PyTuple>() {
            tuple.iter().map(key).collect()
        } else if keys.is_instance_of::<PyBytes>() {
            // Else its numbers would be taken for keys.
            return Err(PyTypeError::new_err("expected a sequence of keys, got bytes"));
        } else {
            keys.try_iter()?.map(|object| key(object?)).collect()
        };
        Ok(Self::Objects(keys?))
    }

    /// From a sequence of keys, or an array that has one in each row.
    pub(crate) fn of_rows(keys: &Bound<'py, PyAny>) -> PyResult<Self> {
        if keys.is_instance_of::<PyList>() || keys.is_instance_of::<PyTuple>() {
            return Self::of_objects(keys);
        }
        let buffer = Buffer::shaped(keys)?;
        let (rows, width) = buffer.rows()?;
        if buffer.dimensions() == 1 && buffer.item() == 1 {
            return Err(PyTypeError::new_err(
                "expected an array with a key in each row, got single bytes: reshape it to \
                 (keys, bytes per key), or give a list of keys",
            ));
        }
        Ok(Self::Rows { bytes: buffer.bytes().to_vec(), width, rows })
    }

    fn slices(&self) -> Vec<&[u8]> {
        match self {
            Self::Objects(keys) => keys
                .iter()
                .map(|key| match key {
                    Key::Bytes(bytes) => bytes.as_bytes(),
                    Key::Copy(copy) => copy,
                })
                .collect(),
            Self::Rows { width: 0, rows, .. } => vec![&[]; *rows],
            Self::Rows { bytes, width, .. } => bytes.chunks_exact(*width).collect(),
        }
    }
}

/// The values of many keys, as a list: `default` stands for each that is missing.
pub(crate) fn get_many<'py, S: Store>(
    py: Python<'py>,
    store: &S,
    keys: &Keys<'py>,
    default: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let slices = keys.slices();
    let default = default.unwrap_or_else(|| py.None().into_bound(py));
    let mut values = Vec::with_capacity(slices.len());
    for chunk in slices.chunks(store.chunk()) {
        let found = look_up(py, store, chunk)?;
        values.extend(found.into_iter().map(|value| match value {
            Some(value) => PyBytes::new(py, &value).into_any(),
            None => default.clone(),
        }));
        py.check_signals()?;
    }
    PyList::new(py, values)
}

/// Writes the values of many keys into `out`, and whether each was found into `found`. Returns how
/// many were found.
pub(crate) fn get_many_into<S: Store>(
    py: Python<'_>,
    store: &S,
    keys: &Keys<'_>,
    out: &Bound<'_, PyAny>,
    found: Option<&Bound<'_, PyAny>>,
) -> PyResult<usize> {
    let keys = keys.slices();
    let out = Rows::of(out, "out", keys.len())?;
    let found = found.map(|found| Rows::of(found, "found", keys.len())).transpose()?;
    if found.as_ref().is_some_and(|found| found.width != 1 && !keys.is_empty()) {
        return Err(PyValueError::new_err("found has rows of several bytes, expected one each"));
    }
    let mut hits = 0;
    let size = store.chunk();
    for (chunk, keys) in keys.chunks(size).enumerate() {
        py.check_signals()?;
        for (at, value) in look_up(py, store, keys)?.into_iter().enumerate() {
            let row = chunk * size + at;
            let hit = value.is_some();
            if let Some(value) = value {
                out.write(row, &value)?;
                hits += 1;
            }
            if let Some(found) = &found {
                found.write(row, &[u8::from(hit)])?;
            }
        }
    }
    Ok(hits)
}

/// One answer per key, with the interpreter released where that pays.
fn look_up<'s, S: Store>(
    py: Python<'_>,
    store: &'s S,
    keys: &[&[u8]],
) -> PyResult<Vec<Option<S::Answer<'s>>>> {
    let look_up = || store.look_up(keys);
    let found = if keys.len() < DETACH { look_up() } else { py.detach(look_up) };
    found.map_err(errors::set)
}

#[pymethods]
impl Table {
    /// The values of many keys, as a list: `default` stands for each that is missing. Faster than
    /// as many calls of ``get``: lookups overlap, and the interpreter is released meanwhile.
    ///
    /// >>> words.get_many([b"ant", b"elk", b"cow"])
    /// [b'1', None, b'3']
    #[pyo3(signature = (keys, default=None))]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let keys = Keys::of_objects(keys)?;
        self.with(|table| either!(table, table => get_many(py, table, &keys, default)))
    }

    /// Writes the values of many keys into `out`, for values of one length: no Python object is
    /// made per entry. Returns how many keys were found.
    ///
    /// - keys: a list of keys, or an array that has a key in each row: shape (n, bytes per key) of
    ///   uint8, or (n,) of a dtype such as ">u8" or "S16" (all 16 bytes are the key)
    /// - out: a writable, contiguous buffer of n rows, each as long as a value: an array of shape
    ///   (n,) of a structured dtype, of (n, bytes per value), or a bytearray. Rows of missing keys
    ///   stay as they are.
    /// - found: a writable buffer of n bytes, such as a numpy array of bool: set to 1 for each key
    ///   that was found, else to 0
    ///
    /// >>> out = bytearray(b"---")
    /// >>> words.get_many_into([b"ant", b"elk", b"cow"], out), out
    /// (2, bytearray(b'1-3'))
    #[pyo3(signature = (keys, out, found=None))]
    fn get_many_into(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
        found: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let keys = Keys::of_rows(keys)?;
        either!(&self.own()?, table => get_many_into(py, table, &keys, out, found))
    }
}

/// A buffer of Python that is written row by row.
struct Rows {
    buffer: Buffer,
    rows: usize,
    width: usize,
}

impl Rows {
    fn of(object: &Bound<'_, PyAny>, name: &str, rows: usize) -> PyResult<Self> {
        let buffer = Buffer::writable(object)?;
        let (has, _) = buffer.rows()?;
        // Single bytes are cut into rows.
        let single = buffer.dimensions() == 1 && buffer.item() == 1;
        let width = buffer.len().checked_div(rows).unwrap_or(0);
        if (has != rows && !single) || width * rows != buffer.len() {
            return Err(PyValueError::new_err(format!(
                "{name} has {has} rows, expected one for each of {rows} keys"
            )));
        }
        Ok(Self { buffer, rows, width })
    }

    fn write(&self, row: usize, bytes: &[u8]) -> PyResult<()> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        if bytes.len() != self.width {
            return Err(errors::error(
                "TypeMismatchError",
                format!(
                    "the value of key {row} has {} bytes, out has rows of {}",
                    bytes.len(),
                    self.width
                ),
                None,
            ));
        }
        // SAFETY: the buffer has `rows * width` bytes.
        let target = unsafe { self.buffer.start().add(row * self.width) };
        // SAFETY: `width` bytes from `target` are the buffer's, which is writable, and `bytes` has
        // as many. The two do not overlap, as nobody can write to a table's bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Ok(())
    }
}
