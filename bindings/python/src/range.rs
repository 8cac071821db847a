//! Entries between two keys, and the iterators over them. Both own the table or the set.

use crate::errors;
use crate::span::{Span, Walk};
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PySlice};
use std::sync::{Mutex, PoisonError};

/// What of its entries a range gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Items,
    Keys,
    Values,
}

impl Part {
    #[inline]
    fn of<'py>(self, py: Python<'py>, key: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Keys => PyBytes::new(py, key).into_any(),
            Self::Values => PyBytes::new(py, value).into_any(),
            Self::Items => {
                (PyBytes::new(py, key), PyBytes::new(py, value)).into_pyobject(py)?.into_any()
            }
        })
    }
}

/// Entries of a table or a set between two keys, in order: a sequence that copies an entry when it is
/// asked for it. It keeps the mapping of the table, also after ``close()``. ``Table.range``,
/// ``Table.prefix`` and slices of a table make it, and those of a TableSet.
///
/// >>> some = words[b"b":]
/// >>> len(some), some[0], some[-1]
/// (3, (b'bee', b'2'), (b'dog', b'4'))
/// >>> list(some.keys()), list(reversed(some.values()))
/// ([b'bee', b'cow', b'dog'], [b'4', b'3', b'2'])
///
/// An index costs a lookup by rank. A slice by index costs two, so that a table is split among
/// workers at no cost:
///
/// >>> everything = words.range()
/// >>> [len(everything[part * 4 // 3 : (part + 1) * 4 // 3]) for part in range(3)]
/// [1, 1, 2]
///
/// Of a set of hash shards, an index costs a walk from the nearer end, and so does the first step
/// into a slice by index.
#[pyclass(frozen, sequence, generic, module = "graven")]
pub(crate) struct Range {
    all: Span,
    part: Part,
    reverse: bool,
}

impl Range {
    pub(crate) fn new(all: Span, part: Part, reverse: bool) -> Self {
        Self { all, part, reverse }
    }

    /// An iterator over the range.
    pub(crate) fn walk(&self, py: Python<'_>) -> PyResult<RangeIterator> {
        self.walk_in(py, self.reverse)
    }

    fn walk_in(&self, py: Python<'_>, reverse: bool) -> PyResult<RangeIterator> {
        let going = Going { walk: self.all.walk(py, reverse)?, steps: 0 };
        Ok(RangeIterator { going: Mutex::new(going), part: self.part })
    }

    fn part(&self, part: Part) -> Self {
        Self { all: self.all.clone(), part, reverse: self.reverse }
    }
}

#[pymethods]
impl Range {
    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.all.len(py)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<RangeIterator> {
        self.walk(py)
    }

    fn __reversed__(&self, py: Python<'_>) -> PyResult<RangeIterator> {
        self.walk_in(py, !self.reverse)
    }

    /// The entry at an index, negative ones counted from the end; for a slice, a range of fewer
    /// entries.
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let len = self.all.len(py)?;
        if let Ok(slice) = index.cast::<PySlice>() {
            let slice = slice.indices(len.try_into()?)?;
            if slice.step != 1 {
                return Err(PyValueError::new_err(
                    "a slice of a range has no step: use reversed() for descending order",
                ));
            }
            let from = usize::try_from(slice.start)?;
            let to = usize::try_from(slice.stop)?.max(from);
            let places = if self.reverse { len - to..len - from } else { from..to };
            let range = Self::new(self.all.cut(places, len)?, self.part, self.reverse);
            return Ok(Bound::new(py, range)?.into_any());
        }
        let index = position(index, len)?;
        let place = if self.reverse { len - 1 - index } else { index };
        let found = self.all.at(py, place, len, |key, value| self.part.of(py, key, value))?;
        found.unwrap_or_else(|| Err(out_of_range()))
    }

    /// The first index of `value`, of a part of the range if ends are given; ValueError if there is
    /// none. Walks.
    #[pyo3(signature = (value, start=None, stop=None))]
    fn index(
        slf: &Bound<'_, Self>,
        value: &Bound<'_, PyAny>,
        start: Option<isize>,
        stop: Option<isize>,
    ) -> PyResult<usize> {
        let py = slf.py();
        let len = slf.get().all.len(py)?;
        let slice = py.get_type::<PySlice>().call1((start, stop))?;
        let from = usize::try_from(slice.cast::<PySlice>()?.indices(len.try_into()?)?.start)?;
        let part = slf.get_item(slice)?;
        let found = py.import("operator")?.call_method1("indexOf", (part, value))?;
        Ok(from + found.extract::<usize>()?)
    }

    /// How often `value` occurs. Walks.
    fn count<'py>(
        slf: &Bound<'py, Self>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("operator")?.call_method1("countOf", (slf, value))
    }

    /// The keys alone.
    fn keys(&self) -> Self {
        self.part(Part::Keys)
    }

    /// The values alone.
    fn values(&self) -> Self {
        self.part(Part::Values)
    }

    /// Keys and values, as pairs.
    fn items(&self) -> Self {
        self.part(Part::Items)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let part = match self.part {
            Part::Items => "entries",
            Part::Keys => "keys",
            Part::Values => "values",
        };
        Ok(format!("<graven.Range of {} {part}>", self.all.len(py)?))
    }
}

/// The place that an index of Python names among `len`.
pub(crate) fn position(index: &Bound<'_, PyAny>, len: usize) -> PyResult<usize> {
    let index: i64 = match index.extract() {
        Ok(index) => index,
        Err(error) if error.is_instance_of::<PyOverflowError>(index.py()) => {
            return Err(out_of_range());
        }
        Err(error) => return Err(error),
    };
    let place = if index < 0 { index + i64::try_from(len)? } else { index };
    usize::try_from(place).ok().filter(|place| *place < len).ok_or_else(out_of_range)
}

fn out_of_range() -> PyErr {
    PyIndexError::new_err("index out of range")
}

/// An iterator over entries of a table or a set. It keeps the mapping of the table.
#[pyclass(frozen, generic, module = "graven")]
pub(crate) struct RangeIterator {
    going: Mutex<Going>,
    part: Part,
}

struct Going {
    walk: Walk,
    /// Steps taken, for a look at signals from time to time: `list(table)` runs no Python code that
    /// would.
    steps: u32,
}

#[pymethods]
impl RangeIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut going = self.going.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        going.steps = going.steps.wrapping_add(1);
        if going.steps % 8192 == 0 {
            drop(going);
            py.check_signals()?;
            going = self.going.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        }
        if going.walk.waits() {
            let walk = &mut going.walk;
            py.detach(|| walk.fetch());
        }
        match going.walk.step(|key, value| self.part.of(py, key, value)) {
            Some(Ok(part)) => part.map(Some),
            Some(Err(error)) => Err(errors::set(error)),
            None => Ok(None),
        }
    }

    fn __length_hint__(&self, py: Python<'_>) -> usize {
        let going = self.going.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        going.walk.left()
    }
}
