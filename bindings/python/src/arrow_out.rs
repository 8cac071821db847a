//! Entries of a table as Arrow batches, and the values of a column of keys as another column: rows
//! go to engines as they come from them, and never as Python objects.

use crate::arrow;
use crate::columns::{Cells, Scratch, Use};
use crate::errors;
use crate::keys::Bytes;
use crate::opened::either;
use crate::set::TableSet;
use crate::span::Walk;
use crate::store::Store;
use crate::table::Table;
use arrow_array::builder::BinaryBuilder;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use graven::SetError;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyCapsule;
use std::ops::Bound as End;
use std::sync::{Arc, Mutex, PoisonError};

/// Most bytes of a column of binary cells: its offsets are 32-bit numbers.
const MOST: usize = i32::MAX as usize;

/// Arrow data that is handed out once or several times.
#[pyclass(frozen, module = "graven.engines")]
pub(crate) struct ArrowData(ArrayRef);

#[pymethods]
impl ArrowData {
    /// The capsules of the Arrow C data interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // A consumer that asks for another type gets this one and converts it.
        drop(requested_schema);
        let (array, schema): (FFI_ArrowArray, FFI_ArrowSchema) =
            to_ffi(&self.0.to_data()).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let schema = PyCapsule::new_with_value(py, schema, c"arrow_schema")?;
        Ok((schema, PyCapsule::new_with_value(py, array, c"arrow_array")?))
    }
}

/// What a scan failed for.
enum Failed {
    Read(SetError),
    /// A column of this name would have more than 2 GiB.
    TooLarge(&'static str),
}

impl From<Failed> for PyErr {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Read(error) => errors::set(error),
            Failed::TooLarge(what) => PyValueError::new_err(format!(
                "the {what} would take more than 2 GiB in one Arrow array: ask for fewer rows at \
                 once"
            )),
        }
    }
}

/// Entries of a table as Arrow batches.
#[pyclass(frozen, module = "graven.engines")]
pub(crate) struct ArrowScan {
    walk: Mutex<Walk>,
    schema: SchemaRef,
    /// For each column, whether it has the keys.
    columns: Vec<bool>,
    rows: usize,
    bytes: usize,
}

#[pymethods]
impl ArrowScan {
    /// The entries of `table` from `start` up to `stop`, in batches of at most `rows` rows and about
    /// `bytes` bytes. Columns are a name each, and whether it has the keys or the values.
    #[new]
    #[pyo3(signature = (table, columns, start=None, stop=None, *, rows=10_000, bytes=16 << 20))]
    fn new(
        py: Python<'_>,
        table: &Table,
        columns: Vec<(String, bool)>,
        start: Option<Bytes<'_>>,
        stop: Option<Bytes<'_>>,
        rows: usize,
        bytes: usize,
    ) -> PyResult<Self> {
        let lower = start.map_or(End::Unbounded, |start| End::Included(start.to_vec()));
        let upper = stop.map_or(End::Unbounded, |stop| End::Excluded(stop.to_vec()));
        let field = |(name, _): &(String, bool)| Field::new(name, DataType::Binary, true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let columns = columns.iter().map(|(_, keys)| *keys).collect();
        let walk = Mutex::new(table.span((lower, upper))?.walk(py, false)?);
        Ok(Self { walk, schema, columns, rows: rows.max(1), bytes: bytes.clamp(1, MOST / 2) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<ArrowData>> {
        let mut walk = self.walk.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        // A lock that is held can't be handed on.
        let walk = &mut *walk;
        let batch = py.detach(|| self.fill(walk))?;
        Ok(batch.map(|batch| ArrowData(Arc::new(StructArray::from(batch)))))
    }
}

impl ArrowScan {
    fn fill(&self, walk: &mut Walk) -> Result<Option<RecordBatch>, Failed> {
        let (mut keys, mut values) = (BinaryBuilder::new(), BinaryBuilder::new());
        let with_keys = self.columns.contains(&true);
        let with_values = self.columns.contains(&false);
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.rows && bytes < self.bytes {
            let row = walk.step(|key, value| {
                if with_keys {
                    append(&mut keys, key, "keys")?;
                    bytes += key.len();
                }
                if with_values {
                    append(&mut values, value, "values")?;
                    bytes += value.len();
                }
                Ok(())
            });
            let Some(row) = row else { break };
            row.map_err(Failed::Read)??;
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let (keys, values): (ArrayRef, ArrayRef) =
            (Arc::new(keys.finish()), Arc::new(values.finish()));
        let array = |&is_keys: &bool| Arc::clone(if is_keys { &keys } else { &values });
        let columns = self.columns.iter().map(array).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        Ok(Some(batch.expect("columns as the schema has them, of as many rows")))
    }
}

/// Adds a cell, unless the column would have more bytes than its offsets can count.
fn append(builder: &mut BinaryBuilder, cell: &[u8], what: &'static str) -> Result<(), Failed> {
    if cell.len() > MOST - builder.values_slice().len() {
        return Err(Failed::TooLarge(what));
    }
    builder.append_value(cell);
    Ok(())
}

/// The values of the keys in an Arrow array, as a binary array with a null for each key that is
/// missing or null. Keys are cells as ``build_arrow`` takes them.
#[pyfunction]
pub(crate) fn lookup_arrow(
    py: Python<'_>,
    store: &Bound<'_, PyAny>,
    keys: &Bound<'_, PyAny>,
) -> PyResult<ArrowData> {
    let keys = arrow::array(keys)?;
    let found = if let Ok(table) = store.cast::<Table>() {
        let table = table.get().own()?;
        py.detach(|| either!(&table, table => values_of(table, &*keys)))
    } else if let Ok(set) = store.cast::<TableSet>() {
        let set = set.get().own()?;
        py.detach(|| values_of(&set, &*keys))
    } else {
        return Err(PyTypeError::new_err("expected a Table or a TableSet"));
    };
    Ok(ArrowData(Arc::new(found?)))
}

fn values_of<S: Store>(store: &S, keys: &dyn Array) -> PyResult<BinaryArray> {
    let Some(cells) = Cells::of(keys, Use::Key) else {
        return Err(PyTypeError::new_err(format!(
            "keys have type {}: cast them to binary, string or an integer",
            keys.data_type()
        )));
    };
    // Numbers become bytes, which need a place.
    let mut places: Vec<Scratch> = vec![Scratch::default(); keys.len()];
    let asked: Vec<Option<&[u8]>> = places
        .iter_mut()
        .enumerate()
        .map(|(row, place)| match keys.is_null(row) {
            true => None,
            // No table has a negative key.
            false => cells.bytes(row, Use::Key, place),
        })
        .collect();
    let present: Vec<&[u8]> = asked.iter().flatten().copied().collect();
    let mut answers = store.look_up(&present).map_err(Failed::Read)?.into_iter();
    let mut values = BinaryBuilder::with_capacity(keys.len(), 0);
    for key in asked {
        match key.and_then(|_| answers.next().flatten()) {
            Some(value) => append(&mut values, &value, "values")?,
            None => values.append_null(),
        }
    }
    Ok(values.finish())
}
