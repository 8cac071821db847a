//! `Table`: what concerns all of a table: audit, memory, statistics.

use crate::errors;
use crate::opened::Opened;
use crate::options;
use crate::table::Table;
use crate::wait::{self, Shared, Unwanted};
use graven::{ReadError, Residency};
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
    /// Audits the whole table: every checksum, the order of the keys, the indexes, and all that is
    /// compressed, on all processors, with the interpreter released. DamagedError says what is wrong
    /// and where. `progress` is called some times per second as ``progress("verify", done, total)``,
    /// in bytes; an exception that it raises, or Ctrl-C, ends the call.
    ///
    /// >>> words.verify().entries
    /// 4
    #[pyo3(signature = (*, progress=None))]
    fn verify(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<VerifyReport> {
        let table = self.stored()?;
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
        let table = self.stored()?;
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
        let table = self.stored()?;
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
        self.ask(Stats::of)
    }
}

/// What a table says of itself. ``str(stats)`` is a report for people. Keys, values and lengths are
/// those that lookups return, also of a packed table.
#[pyclass(frozen, module = "graven")]
pub(crate) struct Stats {
    all: graven::Stats,
    stored_key_bytes: u64,
    stored_value_bytes: u64,
}

impl Stats {
    fn of(table: &Opened) -> Result<Self, ReadError> {
        let mut all = table.stored().stats()?;
        let (stored_key_bytes, stored_value_bytes) = (all.key_bytes, all.value_bytes);
        if let (Opened::Packed(table), Some(packing)) = (table, &all.packing) {
            (all.key_bytes, all.value_bytes) = (packing.key_bytes, packing.value_bytes);
            (all.key_len_max, all.value_len_max) = (packing.key_len_max, packing.value_len_max);
            if packing.codec.is_some() {
                all.fixed_value_len = None;
            }
            if packing.compact_keys {
                all.fixed_key_len = None;
                let mut cursor = table.cursor();
                cursor.seek_first()?;
                all.smallest_key = cursor.key()?.map(<[u8]>::to_vec);
                cursor.seek_last()?;
                all.largest_key = cursor.key()?.map(<[u8]>::to_vec);
            }
        }
        Ok(Self { all, stored_key_bytes, stored_value_bytes })
    }
}

macro_rules! numbers {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty,)*) => {
        #[pymethods]
        impl Stats {
            $($(#[doc = $doc])* #[getter] fn $field(&self) -> $type { self.all.$field })*
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
    /// The length of every key, if they have one length. None where keys are compact.
    fixed_key_len: Option<u32>,
    /// The length of every value, if they have one length. None where they are compressed.
    fixed_value_len: Option<u32>,
    /// Length of the longest key.
    key_len_max: u32,
    /// Length of the longest value.
    value_len_max: u32,
    /// Alignment of values in the file.
    value_align: u32,
    /// Version of the format: major, minor.
    format: (u16, u16),
}

#[pymethods]
impl Stats {
    /// The codec of the values, "zstd" or "fsst". None if they stand as they are.
    #[getter]
    fn codec(&self) -> Option<&str> {
        self.all.packing.and_then(|packing| packing.codec)
    }

    /// Whether keys are encoded by symbols.
    #[getter]
    fn compact_keys(&self) -> bool {
        self.all.packing.is_some_and(|packing| packing.compact_keys)
    }

    /// Bytes of all keys as they are stored.
    #[getter]
    fn stored_key_bytes(&self) -> u64 {
        self.stored_key_bytes
    }

    /// Bytes of all values as they are stored.
    #[getter]
    fn stored_value_bytes(&self) -> u64 {
        self.stored_value_bytes
    }

    /// Length of the shortest key. None where keys are compact.
    #[getter]
    fn key_len_min(&self) -> Option<u32> {
        (!self.compact_keys()).then_some(self.all.key_len_min)
    }

    /// Length of the shortest value. None where values are compressed.
    #[getter]
    fn value_len_min(&self) -> Option<u32> {
        self.codec().is_none().then_some(self.all.value_len_min)
    }

    /// Identifies the content: 32 hexadecimal digits.
    #[getter]
    fn build_id(&self) -> String {
        self.all.build_id.to_string()
    }

    /// The type of the keys of a typed table, as text.
    #[getter]
    fn key_type(&self) -> Option<&str> {
        self.all.key_type.as_deref()
    }

    /// The type of the values of a typed table, as text.
    #[getter]
    fn value_type(&self) -> Option<&str> {
        self.all.value_type.as_deref()
    }

    /// The smallest key.
    #[getter]
    fn smallest_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.all.smallest_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// The largest key.
    #[getter]
    fn largest_key<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.all.largest_key.as_deref().map(|key| PyBytes::new(py, key))
    }

    /// Whether the table has a hash index.
    #[getter]
    fn has_hash_index(&self) -> bool {
        self.all.hash_index.is_some()
    }

    /// Bytes of each section, by its name.
    #[getter]
    fn sections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for section in &self.all.sections {
            all.set_item(section.section.to_string(), section.bytes)?;
        }
        Ok(all)
    }

    fn __str__(&self) -> String {
        self.all.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<graven.Stats of {} entries, {} bytes>", self.all.entries, self.all.file_bytes)
    }
}
