//! `Table`: queries by order, by rank and by prefix.

use crate::errors;
use crate::keys::Bytes;
use crate::opened::{Opened, either, entry};
use crate::packed::PackedSpan;
use crate::range::{Part, Range, position};
use crate::span::{Ends, Span, prefix_ends};
use crate::table::Table;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::ops::{Bound as End, Deref};

/// An entry, copied.
pub(crate) type Item<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

pub(crate) fn item<'py, B: Deref<Target = [u8]>>(
    py: Python<'py>,
    (key, value): (B, B),
) -> Item<'py> {
    (PyBytes::new(py, &key), PyBytes::new(py, &value))
}

/// The ends of a range from `start` up to `stop`.
pub(crate) fn ends(
    start: Option<&Bytes<'_>>,
    stop: Option<&Bytes<'_>>,
    include_start: bool,
    include_stop: bool,
) -> Ends {
    (end(start, include_start), end(stop, include_stop))
}

fn end(key: Option<&Bytes<'_>>, include: bool) -> End<Vec<u8>> {
    match (key, include) {
        (None, _) => End::Unbounded,
        (Some(key), true) => End::Included(key.to_vec()),
        (Some(key), false) => End::Excluded(key.to_vec()),
    }
}

#[pymethods]
impl Table {
    /// The entries from `start` up to `stop`, a sequence. None stands for an open end. By default
    /// `start` belongs to the range and `stop` does not.
    ///
    /// >>> list(words.range(b"bee", b"dog"))
    /// [(b'bee', b'2'), (b'cow', b'3')]
    /// >>> list(words.range(b"bee", b"dog", include_stop=True, reverse=True).keys())
    /// [b'dog', b'cow', b'bee']
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
    ///
    /// >>> list(words.prefix(b"c"))
    /// [(b'cow', b'3')]
    #[pyo3(signature = (prefix, *, reverse=false))]
    fn prefix(&self, prefix: Bytes<'_>, reverse: bool) -> PyResult<Range> {
        let entries = match self.own()? {
            Opened::Plain(table) => Span::Table(table.into_prefix(&prefix)),
            Opened::Packed(table) => Span::Packed(PackedSpan::new(table, prefix_ends(&prefix))),
        };
        Ok(Range::new(entries, Part::Items, reverse))
    }

    /// The number of entries from `start` up to `stop`, as ``range`` has them, without a walk.
    ///
    /// >>> words.count(b"b"), words.count(stop=b"dog", include_stop=True)
    /// (3, 4)
    #[pyo3(signature = (start=None, stop=None, *, include_start=true, include_stop=false))]
    fn count(
        &self,
        start: Option<Bytes<'_>>,
        stop: Option<Bytes<'_>>,
        include_start: bool,
        include_stop: bool,
    ) -> PyResult<u64> {
        let ends = ends(start.as_ref(), stop.as_ref(), include_start, include_stop);
        self.ask(|table| either!(table, table => table.count(&ends)))
    }

    /// The first entry, as a pair, or None.
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<Item<'py>>> {
        self.ask(|table| entry!(table, first(), |entry| item(py, entry)))
    }

    /// The last entry, as a pair, or None.
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Item<'py>>> {
        self.ask(|table| entry!(table, last(), |entry| item(py, entry)))
    }

    /// The entry with the largest key that is not above `key`, or None.
    ///
    /// >>> words.floor(b"bat"), words.floor(b"aa")
    /// ((b'ant', b'1'), None)
    fn floor<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Option<Item<'py>>> {
        self.ask(|table| entry!(table, floor(&key), |entry| item(py, entry)))
    }

    /// The entry with the smallest key that is not below `key`, or None.
    ///
    /// >>> words.ceil(b"bat"), words.ceil(b"elk")
    /// ((b'bee', b'2'), None)
    fn ceil<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Option<Item<'py>>> {
        self.ask(|table| entry!(table, ceil(&key), |entry| item(py, entry)))
    }

    /// The number of entries whose keys are below `key`.
    ///
    /// >>> words.rank(b"cow"), words.nth(2)
    /// (2, (b'cow', b'3'))
    fn rank(&self, key: Bytes<'_>) -> PyResult<u64> {
        self.ask(|table| either!(table, table => table.rank(&key)))
    }

    /// The entry at a rank, counted from 0, or with negative ranks from the end; IndexError beyond.
    ///
    /// >>> words.nth(-1)
    /// (b'dog', b'4')
    fn nth<'py>(&self, py: Python<'py>, rank: &Bound<'py, PyAny>) -> PyResult<Item<'py>> {
        self.with(|table| {
            let rank = position(rank, usize::try_from(table.stored().len())?)? as u64;
            let found = entry!(table, nth(rank), |entry| item(py, entry)).map_err(errors::read)?;
            found.ok_or_else(|| pyo3::exceptions::PyIndexError::new_err("rank"))
        })
    }

    /// The entry with the longest key that is a prefix of `key`, or None.
    ///
    /// >>> routes = graven.from_bytes(graven_bytes({b"/": b"home", b"/api": b"api"}))
    /// >>> routes.longest_prefix(b"/api/users")
    /// (b'/api', b'api')
    fn longest_prefix<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Option<Item<'py>>> {
        self.ask(|table| entry!(table, longest_prefix(&key), |entry| item(py, entry)))
    }

    /// All entries whose keys are prefixes of `key`, the longest first, as a list of pairs.
    ///
    /// >>> routes = graven.from_bytes(graven_bytes({b"/": b"home", b"/api": b"api"}))
    /// >>> routes.prefixes(b"/api/users")
    /// [(b'/api', b'api'), (b'/', b'home')]
    fn prefixes<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Bound<'py, PyList>> {
        self.with(|table| {
            let list = PyList::empty(py);
            match table {
                Opened::Plain(table) => {
                    for entry in table.prefixes_of(&key) {
                        list.append(item(py, entry.map_err(errors::read)?))?;
                    }
                }
                Opened::Packed(table) => {
                    for entry in table.prefixes_of(&key).with_buffer(table.buffer()) {
                        list.append(item(py, entry.map_err(errors::read)?))?;
                    }
                }
            }
            Ok(list)
        })
    }

    /// All values of a key, as a list: several with ``duplicates="keep-all"``.
    ///
    /// >>> words.get_all(b"ant"), words.get_all(b"elk")
    /// ([b'1'], [])
    fn get_all<'py>(&self, py: Python<'py>, key: Bytes<'_>) -> PyResult<Bound<'py, PyList>> {
        self.with(|table| {
            let list = PyList::empty(py);
            let add = |value: &[u8]| list.append(PyBytes::new(py, value));
            match table {
                Opened::Plain(table) => {
                    for value in table.get_all(&key) {
                        add(value.map_err(errors::read)?)?;
                    }
                }
                Opened::Packed(table) => {
                    let mut walk = table.range(&*key..=&*key).with_buffer(table.buffer());
                    while let Some(entry) = walk.next_lent() {
                        add(entry.map_err(errors::read)?.1)?;
                    }
                }
            }
            Ok(list)
        })
    }

    /// The number of entries of a key.
    ///
    /// >>> words.count_of(b"ant"), words.count_of(b"elk")
    /// (1, 0)
    fn count_of(&self, key: Bytes<'_>) -> PyResult<u64> {
        self.ask(|table| either!(table, table => table.count_of(&key)))
    }
}
