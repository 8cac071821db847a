//! `Table`: what concerns all of a table: audit, memory, statistics.

use crate::errors;
use crate::options;
use crate::table::Table;
use crate::wait::{self, Shared, Unwanted};
use graven::Residency;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::Arc;

/// What an audit found: that much is sound.
#[pyclass(frozen, get_all, module = "graven")]
pub(crate) struct VerifyReport {
    /// Entries read.
    entries: u64,
    /// Distinct keys.
    keys: u64,
    /// Pages whose checksums were compared.
    pages: u64,
    /// Bytes of the table.
    bytes: u64,
}

#[pymethods]
impl VerifyReport {
    fn __repr__(&self) -> String {
        let Self { entries, keys, pages, bytes } = self;
        format!("VerifyReport(entries={entries}, keys={keys}, pages={pages}, bytes={bytes})")
    }
}

#[pymethods]
impl Table {
    /// Audits the whole table: every checksum, the order of the keys, and the indexes, on all
    /// processors, with the interpreter released. DamagedError says what is wrong and where.
    /// `progress` is called some times per second as ``progress("verify", done, total)``, in bytes;
    /// an exception that it raises, or Ctrl-C, ends the call.
    ///
    /// >>> words.verify().entries
    /// 4
    #[pyo3(signature = (*, progress=None))]
    fn verify(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<VerifyReport> {
        let table = self.own()?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let report = wait::run(py, &shared, progress, Unwanted::Awaited, move || {
            table.verify_while(|now| told.go_on(("verify", now.done, now.total)))
        })?;
        let Some(report) = report.map_err(errors::read)? else {
            unreachable!("an audit is given up only after an exception, which was raised");
        };
        let graven::VerifyReport { entries, keys, pages, bytes, .. } = report;
        Ok(VerifyReport { entries, keys, pages, bytes })
    }

    /// Reads the table, "all" of it or its "index" alone, into memory, with the interpreter
    /// released. Returns how many bytes were read. `progress` is called as
    /// ``progress("warm", done, total)``, in bytes.
    ///
    /// >>> words.warm() == words.stats().file_bytes
    /// True
    #[pyo3(signature = (what="all", *, progress=None))]
    fn warm(
        &self,
        py: Python<'_>,
        what: &str,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let table = self.own()?;
        let what = options::warm(what)?;
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let warmed = wait::run(py, &shared, progress, Unwanted::Awaited, move || {
            table.warm_with(what, |now| told.go_on(("warm", now.done, now.total)))
        })?;
        Ok(warmed.map_err(errors::read)?.done)
    }

    /// How many bytes of each section lie in memory: a dict of (resident, all) by the section's
    /// name, or None where the system does not tell.
    fn residency<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let table = self.own()?;
        let Residency::Known(sections) = py.detach(|| table.residency()) else { return Ok(None) };
        let all = PyDict::new(py);
        for section in sections {
            all.set_item(section.section.to_string(), (section.resident, section.bytes))?;
        }
        Ok(Some(all))
    }

    /// What the table says of itself: sizes, lengths, types, indexes. Reads a few pages.
    ///
    /// >>> stats = words.stats()
    /// >>> stats.entries, stats.fixed_value_len, stats.smallest_key
    /// (4, 1, b'ant')
    fn stats(&self) -> PyResult<Stats> {
        self.ask(graven::Table::stats).map(Stats)
    }
}

/// What a table says of itself. ``str(stats)`` is a report for people.
#[pyclass(frozen, module = "graven")]
pub(crate) struct Stats(graven::Stats);

macro_rules! numbers {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty,)*) => {
        #[pymethods]
        impl Stats {
            $($(#[doc = $doc])* #[getter] fn $field(&self) -> $type { self.0.$field })*
        }
    };
}

numbers! {
    /// Bytes of the file.
    file_bytes: u64,
    /// Number of entries.
    entries: u64,
    /// Number of distinct keys.
    keys: u64,
    /// Bytes of all keys.
    key_bytes: u64,
    /// Bytes of all values.
    value_bytes: u64,
    /// The length of every key, if they have one length.
    fixed_key_len: Option<u32>,
    /// The length of every value, if they have one length.
    fixed_value_len: Option<u32>,
    /// Length of the shortest key.
    key_len_min: u32,
    /// Length of the longest key.
    key_len_max: u32,
    /// Length of the shortest value.
    value_len_min: u32,
    /// Length of the longest value.
    value_len_max: u32,
    /// Alignment of values in the file.
    value_align: u32,
    /// Version of the format: major, minor.
    format: (u16, u16),
}

#[pymethods]
impl Stats {
    /// Identifies the content: 32 hexadecimal digits.
    #[getter]
    fn build_id(&self) -> String {
        self.0.build_id.to_string()
    }

    /// The type of the keys of a typed table, as text.
    #[getter]
    fn key_type(&self) -> Option<&str> {
        self.0.key_type.as_deref()
    }

    /// The type of the values of a typed table, as text.
    #[getter]
    fn value_type(&self) -> Option<&str> {
        self.0.value_type.as_deref()
    }

    /// The smallest key.
    #[getter]
    fn smallest_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.smallest_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// The largest key.
    #[getter]
    fn largest_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.0.largest_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// Whether the table has a hash index.
    #[getter]
    fn has_hash_index(&self) -> bool {
        self.0.hash_index.is_some()
    }

    /// Bytes of each section, by its name.
    #[getter]
    fn sections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for section in &self.0.sections {
            all.set_item(section.section.to_string(), section.bytes)?;
        }
        Ok(all)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<graven.Stats of {} entries, {} bytes>", self.0.entries, self.0.file_bytes)
    }
}
