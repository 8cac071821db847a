//! What a table and a set of tables have in common, for what is done with both.

use crate::errors;
use crate::found::Found;
use crate::opened_set::OpenedSet;
use crate::packed::{Packed, PackedSpan};
use crate::span::{Ends, Span};
use crate::wait::{self, Shared, Unwanted};
use graven::{BuildId, SetError, Table};
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping, PySlice};
use std::ops::{Bound as End, Deref};

/// A table, or a set of tables. Its errors are those of sets, which include those of tables.
pub(crate) trait Store: Clone + Send + Sync + 'static {
    /// Bytes that an answer shows.
    type Answer<'s>: Deref<Target = [u8]> + Send;

    /// Whether answers take memory.
    fn copies(&self) -> bool {
        false
    }

    /// Keys that are looked up between two looks for signals.
    fn chunk(&self) -> usize {
        if self.copies() { 1 << 12 } else { 1 << 16 }
    }

    /// Number of entries.
    fn entries(&self) -> u64;

    /// Identifies the content.
    fn id(&self) -> BuildId;

    /// One answer per key, in their order.
    fn look_up<'s>(&'s self, keys: &[&[u8]]) -> Result<Vec<Option<Self::Answer<'s>>>, SetError>;

    /// The entries between two ends.
    fn span(&self, ends: Ends) -> Span;
}

impl Store for Table {
    type Answer<'s> = &'s [u8];

    fn entries(&self) -> u64 {
        self.len()
    }

    fn id(&self) -> BuildId {
        self.build_id()
    }

    fn look_up<'s>(&'s self, keys: &[&[u8]]) -> Result<Vec<Option<&'s [u8]>>, SetError> {
        Ok(self.get_many(keys)?)
    }

    fn span(&self, ends: Ends) -> Span {
        Span::Table(self.clone().into_range(ends))
    }
}

impl Store for Packed {
    type Answer<'s> = Vec<u8>;

    fn copies(&self) -> bool {
        true
    }

    fn entries(&self) -> u64 {
        self.len()
    }

    fn id(&self) -> BuildId {
        self.build_id()
    }

    fn look_up(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, SetError> {
        let mut found = Vec::with_capacity(keys.len());
        self.decode(|buffer| {
            self.get_many_with(keys, buffer, |value| found.push(value.map(<[u8]>::to_vec)))
        })?;
        Ok(found)
    }

    fn span(&self, ends: Ends) -> Span {
        Span::Packed(PackedSpan::new(self.clone(), ends))
    }
}

impl Store for OpenedSet {
    type Answer<'s> = Found;

    fn copies(&self) -> bool {
        self.may_be_packed()
    }

    fn entries(&self) -> u64 {
        self.len()
    }

    fn id(&self) -> BuildId {
        self.manifest().id
    }

    fn look_up(&self, keys: &[&[u8]]) -> Result<Vec<Option<Found>>, SetError> {
        self.get_many(keys)
    }

    fn span(&self, ends: Ends) -> Span {
        Span::of_set(self.clone(), ends, false)
    }
}

/// All entries.
pub(crate) const ALL: Ends = (End::Unbounded, End::Unbounded);

/// Whether all entries equal those of another mapping: `same` if it is a store, too. `None` if it is
/// no mapping.
pub(crate) fn equals<S: Store, T: Store>(
    py: Python<'_>,
    store: S,
    same: Option<T>,
    other: &Bound<'_, PyAny>,
) -> PyResult<Option<bool>> {
    if let Some(same) = same {
        let equal = move || are_equal(&store, &same);
        let equal = wait::run(py, &Shared::default(), None, Unwanted::Left, equal)?;
        return equal.map(Some).map_err(errors::set);
    }
    let Ok(other) = other.cast::<PyMapping>() else { return Ok(None) };
    if other.len()? as u64 != store.entries() {
        return Ok(Some(false));
    }
    let mut walk = store.span(ALL).walk(py, false)?;
    let mut steps = 0u32;
    while let Some(entry) = walk.step(|key, value| (PyBytes::new(py, key), PyBytes::new(py, value)))
    {
        if steps.is_multiple_of(4096) {
            py.check_signals()?;
        }
        steps = steps.wrapping_add(1);
        let (key, value) = entry.map_err(errors::set)?;
        match other.get_item(key) {
            Ok(found) if found.eq(value)? => {}
            Ok(_) => return Ok(Some(false)),
            Err(error) if error.is_instance_of::<PyKeyError>(py) => return Ok(Some(false)),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(true))
}

fn are_equal<S: Store, T: Store>(a: &S, b: &T) -> Result<bool, SetError> {
    if a.id() == b.id() {
        return Ok(true);
    }
    if a.entries() != b.entries() {
        return Ok(false);
    }
    let (mut a, mut b) = (a.span(ALL).start(false)?, b.span(ALL).start(false)?);
    loop {
        let equal = a.step(|key, value| b.step(|k, v| (key, value) == (k, v)));
        match equal.transpose()?.flatten().transpose()? {
            Some(true) => {}
            Some(false) => return Ok(false),
            None => return Ok(true),
        }
    }
}

/// The ends of a slice by keys.
pub(crate) fn slice_ends<'py>(
    slice: &Bound<'py, PySlice>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if !slice.getattr("step")?.is_none() {
        return Err(PyTypeError::new_err(
            "a slice by keys has no step: for descending order, use reversed() or range()",
        ));
    }
    Ok((slice.getattr("start")?, slice.getattr("stop")?))
}

/// A view of `graven._views` on all of a mapping.
pub(crate) fn view_of<'py>(
    mapping: &Bound<'py, PyAny>,
    class: &str,
) -> PyResult<Bound<'py, PyAny>> {
    mapping.py().import("graven._views")?.getattr(class)?.call1((mapping,))
}
