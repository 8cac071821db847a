//! `build_arrow`, and the same for sets: rows of Arrow batches become entries, and never Python
//! objects. Batches come through the Arrow C data interface, by the capsules that Python's Arrow
//! libraries agree on.

#![expect(unsafe_code, reason = "the Arrow C data interface is C")]

use crate::building::{Asked, BuildSummary};
use crate::columns::{Cells, Scratch, Use};
use crate::errors;
use crate::filling::Target;
use crate::options::AnyPath;
use crate::wait::{self, Unwanted};
use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_schema::{ArrowError, DataType};
use graven::{BuildError, BuildOptions, PublishError};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};
use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Rows between two looks whether the build is to end.
const LOOK: usize = 1 << 16;

/// Names a column.
#[derive(Clone, FromPyObject)]
pub(crate) enum Column {
    #[pyo3(transparent, annotation = "int")]
    Index(usize),
    #[pyo3(transparent, annotation = "str")]
    Name(String),
}

/// Why rows did not become entries.
enum Failed {
    Publish(PublishError),
    /// What gives the batches failed.
    Source(ArrowError),
    /// There is no such column.
    Column(String),
    /// The column's cells have no bytes.
    Type(String),
    /// A row is no entry.
    Row(String),
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        Self::Publish(error.into())
    }
}

impl From<PublishError> for Failed {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl From<Failed> for PyErr {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Publish(error) => errors::publish(error),
            Failed::Source(error) => {
                errors::error("BuildError", format!("could not read the batches: {error}"), None)
            }
            Failed::Column(text) => PyValueError::new_err(text),
            Failed::Type(text) => PyTypeError::new_err(text),
            Failed::Row(text) => errors::error("EntryError", text, None),
        }
    }
}

/// Takes entries from batches.
struct Intake<T> {
    target: T,
    key: Column,
    value: Column,
    rows: u64,
    stop: Arc<AtomicBool>,
}

impl<T: Target> Intake<T> {
    fn insert(&mut self, batch: &RecordBatch) -> Result<(), Failed> {
        let (key, value) = (column(batch, &self.key)?, column(batch, &self.value)?);
        let keys = cells(key, &self.key, Use::Key)?;
        let values = cells(value, &self.value, Use::Value)?;
        let (mut key_room, mut value_room) = (Scratch::default(), Scratch::default());
        for row in 0..batch.num_rows() {
            if row % LOOK == 0 && self.stop.load(Relaxed) {
                return Err(BuildError::Cancelled.into());
            }
            for (array, what) in [(key, "key"), (value, "value")] {
                if array.is_null(row) {
                    return Err(Failed::Row(format!(
                        "{what} of row {} is null: leave the row out or fill the null",
                        self.rows
                    )));
                }
            }
            let Some(key) = keys.bytes(row, Use::Key, &mut key_room) else {
                return Err(Failed::Row(format!(
                    "key of row {} is negative: negative numbers do not sort as their bytes do, \
                     so shift or cast them to unsigned ones",
                    self.rows
                )));
            };
            let value = values.bytes(row, Use::Value, &mut value_room).unwrap_or_default();
            self.target.insert(key, value)?;
            self.rows += 1;
        }
        Ok(())
    }
}

fn column<'b>(batch: &'b RecordBatch, column: &Column) -> Result<&'b dyn Array, Failed> {
    let found = match column {
        Column::Index(index) => batch.columns().get(*index),
        Column::Name(name) => batch.column_by_name(name),
    };
    found.map(AsRef::as_ref).ok_or_else(|| {
        let schema = batch.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Failed::Column(format!(
            "no column {}: the columns are {}",
            column.shown(),
            names.join(", ")
        ))
    })
}

impl Column {
    fn shown(&self) -> String {
        match self {
            Self::Index(index) => format!("{index}"),
            Self::Name(name) => format!("\"{name}\""),
        }
    }
}

fn cells<'a>(array: &'a dyn Array, column: &Column, purpose: Use) -> Result<Cells<'a>, Failed> {
    Cells::of(array, purpose).ok_or_else(|| {
        let wanted = match purpose {
            Use::Key => "binary, string or an integer",
            Use::Value => "binary, string or a number",
        };
        let (column, kind) = (column.shown(), array.data_type());
        let hint = match kind {
            DataType::Dictionary(_, values) => format!(", here {values}"),
            _ => String::new(),
        };
        Failed::Type(format!("column {column} has type {kind}: cast it to {wanted}{hint}"))
    })
}

/// The structure in a capsule.
fn structure<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<*mut T> {
    let capsule = capsule.cast::<PyCapsule>()?;
    Ok(capsule.pointer_checked(Some(name))?.as_ptr().cast())
}

fn refused(error: ArrowError) -> PyErr {
    PyTypeError::new_err(format!("these are no batches of rows: {error}"))
}

/// The stream of batches that an object gives, if it gives one.
fn stream(object: &Bound<'_, PyAny>) -> PyResult<Option<RecordBatchStreamReader>> {
    let Some(export) = object.getattr_opt("__arrow_c_stream__")? else { return Ok(None) };
    let capsule = export.call0()?;
    let stream = structure(&capsule, c"arrow_array_stream")?;
    // SAFETY: a capsule of this name has a pointer to an initialized stream, which is moved out.
    let reader = unsafe { RecordBatchStreamReader::from_raw(stream) };
    reader.map(Some).map_err(refused)
}

/// The array that an object gives, if it gives one.
fn import(object: &Bound<'_, PyAny>) -> PyResult<Option<ArrayRef>> {
    let Some(export) = object.getattr_opt("__arrow_c_array__")? else { return Ok(None) };
    let capsules = export.call0()?.cast_into::<PyTuple>()?;
    let schema = structure(&capsules.get_item(0)?, c"arrow_schema")?;
    let array = structure(&capsules.get_item(1)?, c"arrow_array")?;
    // SAFETY: a capsule of this name has a pointer to an initialized schema, which is moved out.
    let schema = unsafe { FFI_ArrowSchema::from_raw(schema) };
    // SAFETY: a capsule of this name has a pointer to an initialized array, which is moved out.
    let array = unsafe { FFI_ArrowArray::from_raw(array) };
    // SAFETY: the two capsules came from one export, so the schema is the array's.
    let data = unsafe { from_ffi(array, &schema) }.map_err(refused)?;
    Ok(Some(make_array(data)))
}

/// The array that an object gives.
pub(crate) fn array(object: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    import(object)?.ok_or_else(|| {
        let kind = object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!("expected an Arrow array (__arrow_c_array__), got {kind}"))
    })
}

/// The batch that an object gives, if it gives one.
fn batch(object: &Bound<'_, PyAny>) -> PyResult<Option<RecordBatch>> {
    let Some(array) = import(object)? else { return Ok(None) };
    match array.as_struct_opt() {
        Some(rows) if rows.null_count() == 0 => Ok(Some(RecordBatch::from(rows.clone()))),
        _ => Err(PyTypeError::new_err(format!(
            "these are no batches of rows: an array of {}, with {} nulls",
            array.data_type(),
            array.null_count()
        ))),
    }
}

/// Builds a table of two columns of Arrow data at `path`, and publishes it. No row becomes a Python
/// object, and the interpreter is released.
///
/// >>> import pyarrow
/// >>> cities = pyarrow.table({"name": ["Bern", "Basel"], "people": [133883, 173863]})
/// >>> graven.build_arrow(tmp / "cities.grv", cities, key="name", value="people").entries
/// 2
/// >>> graven.open(tmp / "cities.grv").typed(value="<q")[b"Bern"]
/// 133883
///
/// - batches: whatever has ``__arrow_c_stream__`` or ``__arrow_c_array__``: a table, record batch or
///   reader of pyarrow, a data frame of polars, a relation of duckdb; or an iterable of such. A
///   Parquet file is ``pyarrow.parquet.ParquetFile(name).iter_batches()``.
/// - key, value: the columns, by name or number. Binary and string columns of every kind give their
///   bytes. Integers as keys become big-endian, so that they sort as numbers (read them with
///   ``typed(key=">q")`` for int64); negative ones are an error. Numbers as values become
///   little-endian. A null is an error that names the row.
///
/// The other options are those of Builder.
#[pyfunction]
#[pyo3(signature = (path, batches, *, key, value, **options))]
pub(crate) fn build_arrow(
    py: Python<'_>,
    path: AnyPath,
    batches: &Bound<'_, PyAny>,
    key: Column,
    value: Column,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<BuildSummary>> {
    let asked = Asked::new(BuildOptions::new(), options)?;
    let builder = py.detach(|| asked.options.create(path.0)).map_err(errors::build)?;
    let summary = take_all(py, builder, &asked, batches, (key, value))?;
    Py::new(py, BuildSummary::from(summary))
}

/// Inserts the rows of all batches into `target`, which was made with the options of `asked`, and
/// publishes it.
pub(crate) fn take_all<T: Target>(
    py: Python<'_>,
    target: T,
    asked: &Asked,
    batches: &Bound<'_, PyAny>,
    (key, value): (Column, Column),
) -> PyResult<T::Published> {
    let Asked { callback, shared, .. } = asked;
    let callback = callback.as_ref().map(|callback| callback.bind(py));
    let stop = Arc::clone(shared.stop());
    let mut intake = Intake { target, key, value, rows: 0, stop };
    // The batches of a stream are read where they are inserted; those of an iterable are asked for
    // here, as Python code makes them.
    let mut last = None;
    if let Some(reader) = stream(batches)? {
        last = Some(reader);
    } else if let Some(batch) = batch(batches)? {
        py.detach(|| intake.insert(&batch))?;
    } else {
        for part in batches.try_iter().map_err(|_| no_batches(batches))? {
            let part = part?;
            if let Some(reader) = stream(&part)? {
                intake = wait::run(py, shared, callback, Unwanted::Awaited, move || {
                    intake.drain(reader)
                })??;
            } else if let Some(batch) = batch(&part)? {
                py.detach(|| intake.insert(&batch))?;
                shared.look(py, callback)?;
            } else {
                return Err(no_batches(&part));
            }
        }
    }
    let published = wait::run(py, shared, callback, Unwanted::Awaited, move || {
        let intake = match last {
            Some(reader) => intake.drain(reader)?,
            None => intake,
        };
        Ok::<_, Failed>(intake.target.finish()?)
    })??;
    Ok(published)
}

impl<T: Target> Intake<T> {
    /// Inserts all that a stream gives.
    fn drain(mut self, reader: RecordBatchStreamReader) -> Result<Self, Failed> {
        for batch in reader {
            self.insert(&batch.map_err(Failed::Source)?)?;
        }
        Ok(self)
    }
}

fn no_batches(object: &Bound<'_, PyAny>) -> PyErr {
    let kind = object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "expected Arrow data (with __arrow_c_stream__ or __arrow_c_array__) or an iterable of it, \
         got {kind}"
    ))
}
