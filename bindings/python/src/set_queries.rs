//! `TableSet`: lookups of many keys, queries by order, what concerns shards and the whole set.

use crate::errors;
use crate::keys::Bytes;
use crate::many::{self, Keys};
use crate::opened_set::{Entry, OpenedSet};
use crate::ordered::{Item, ends, item};
use crate::range::{Part, Range, position};
use crate::set::TableSet;
use crate::span::prefix_ends;
use crate::table::{Origin, Table};
use crate::wait::{self, Shared, Unwanted};
use graven::SetError;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::path::Path;
use std::sync::Arc;

impl TableSet {
    /// The entry that a query by order finds, copied.
    fn entry<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        query: impl FnOnce(&OpenedSet, &[u8]) -> Result<Option<Entry>, SetError> + Send,
    ) -> PyResult<Option<Item<'py>>> {
        Ok(self.ask_released(py, key, query)?.map(|entry| item(py, entry)))
    }
}

#[pymethods]
impl TableSet {
    /// The values of many keys, as a list: `default` stands for each that is missing. Faster than
    /// as many calls of ``get``: keys are grouped by shard, lookups overlap, and the interpreter is
    /// released meanwhile.
    #[pyo3(signature = (keys, default=None))]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let keys = Keys::of_objects(keys)?;
        many::get_many(py, &self.own()?, &keys, default)
    }

    /// Writes the values of many keys into `out`, for values of one length, as
    /// ``Table.get_many_into``. Returns how many keys were found.
    #[pyo3(signature = (keys, out, found=None))]
    fn get_many_into(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
        found: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        many::get_many_into(py, &self.own()?, &Keys::of_rows(keys)?, out, found)
    }

    /// All values of a key, as a list: several with ``duplicates="keep-all"``.
    fn get_all<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Bound<'py, PyList>> {
        let values = self.ask(py, &key, |set, key| set.get_all(key))?;
        PyList::new(py, values.iter().map(|value| PyBytes::new(py, value)))
    }

    /// The number of entries of a key.
    fn count_of(&self, py: Python<'_>, key: Bytes<'_>) -> PyResult<u64> {
        self.ask(py, &key, |set, key| set.count_of(key))
    }

    /// The entries from `start` up to `stop`, a sequence, as ``Table.range``.
    #[pyo3(signature = (start=None, stop=None, *, include_start=true, include_stop=false,
        reverse=false))]
    pub(crate) fn range(
        &self,
        start: Option<Bytes<'_>>,
        stop: Option<Bytes<'_>>,
        include_start: bool,
        include_stop: bool,
        reverse: bool,
    ) -> PyResult<Range> {
        let ends = ends(start.as_ref(), stop.as_ref(), include_start, include_stop);
        Ok(Range::new(self.span(ends)?, Part::Items, reverse))
    }

    /// The entries whose keys start with `prefix`, a sequence.
    #[pyo3(signature = (prefix, *, reverse=false))]
    fn prefix(&self, prefix: Bytes<'_>, reverse: bool) -> PyResult<Range> {
        Ok(Range::new(self.span(prefix_ends(&prefix))?, Part::Items, reverse))
    }

    /// The number of entries from `start` up to `stop`, as ``range`` has them, without a walk.
    #[pyo3(signature = (start=None, stop=None, *, include_start=true, include_stop=false))]
    fn count(
        &self,
        py: Python<'_>,
        start: Option<Bytes<'_>>,
        stop: Option<Bytes<'_>>,
        include_start: bool,
        include_stop: bool,
    ) -> PyResult<u64> {
        let ends = ends(start.as_ref(), stop.as_ref(), include_start, include_stop);
        self.ask_released(py, b"", |set, _| set.count(&ends))
    }

    /// The first entry, as a pair, or None.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<Item<'py>>> {
        self.entry(py, b"", |set, _| set.first())
    }

    /// The last entry, as a pair, or None.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Item<'py>>> {
        self.entry(py, b"", |set, _| set.last())
    }

    /// The entry with the largest key that is not above `key`, or None.
    fn floor<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Option<Item<'py>>> {
        self.entry(py, &key, |set, key| set.floor(key))
    }

    /// The entry with the smallest key that is not below `key`, or None.
    fn ceil<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Option<Item<'py>>> {
        self.entry(py, &key, |set, key| set.ceil(key))
    }

    /// The number of entries whose keys are below `key`.
    fn rank(&self, py: Python<'_>, key: Bytes<'_>) -> PyResult<u64> {
        self.ask_released(py, &key, |set, key| set.rank(key))
    }

    /// The entry at a rank, counted from 0, or with negative ranks from the end; IndexError beyond.
    /// UnsupportedError from a set of hash shards, which would have to walk.
    fn nth<'py>(&self, py: Python<'py>, rank: &Bound<'py, PyAny>) -> PyResult<Item<'py>> {
        let len = self.with(|set| Ok(usize::try_from(set.len())?))?;
        let rank = position(rank, len)? as u64;
        let entry = self.entry(py, b"", |set, _| set.nth(rank))?;
        entry.ok_or_else(|| PyIndexError::new_err("index out of range"))
    }

    /// A shard as a Table, by its number, negative ones counted from the end; IndexError beyond. It
    /// stays open when the set is closed.
    fn table(&self, py: Python<'_>, shard: &Bound<'_, PyAny>) -> PyResult<Table> {
        let set = self.own()?;
        let shard = position(shard, set.manifest().shards.len())?;
        let table = py.detach(|| set.table(shard)).map_err(errors::set)?;
        let path = table.stored().path().map_or_else(|| set.path().to_owned(), Path::to_owned);
        let origin = Origin::new(&path, self.opening.tables.clone());
        Ok(Table::new(table, origin))
    }

    /// The number of the only shard that can have `key`, or None. Maps nothing.
    fn shard_of(&self, key: Bytes<'_>) -> PyResult<Option<usize>> {
        self.with(|set| Ok(set.shard_of(&key)))
    }

    /// Audits the set, with the interpreter released: the SHA-256 of each shard's file, each shard as
    /// ``Table.verify``, and that each key is in its shard. DamagedError, or an error of opening a
    /// shard, says what is wrong and where. `progress` is called some times per second as
    /// ``progress("verify", done, total)``, in bytes; an exception that it raises, or Ctrl-C, ends the
    /// call.
    #[pyo3(signature = (*, progress=None))]
    fn verify(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> PyResult<SetReport> {
        let set = self.own()?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let report = wait::run(py, &shared, progress, Unwanted::Awaited, move || {
            set.verify_while(|now| told.go_on(("verify", now.done, now.total)))
        })?;
        let Some(report) = report.map_err(errors::set)? else {
            unreachable!("an audit is given up only after an exception, which was raised");
        };
        let graven::SetReport { shards, entries, keys, bytes, .. } = report;
        Ok(SetReport { shards, entries, keys, bytes })
    }
}

/// What the audit of a set found: that much is sound.
#[pyclass(frozen, get_all, module = "graven")]
pub(crate) struct SetReport {
    /// Shards of the set.
    shards: u64,
    /// Entries read.
    entries: u64,
    /// Distinct keys.
    keys: u64,
    /// Bytes of all shards.
    bytes: u64,
}

#[pymethods]
impl SetReport {
    fn __repr__(&self) -> String {
        let Self { shards, entries, keys, bytes } = self;
        format!("SetReport(shards={shards}, entries={entries}, keys={keys}, bytes={bytes})")
    }
}
