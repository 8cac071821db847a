//! `merge` and `diff`: many tables into one, and two compared.

use crate::building::{Asked, BuildSummary};
use crate::errors;
use crate::options::{AnyPath, named};
use crate::packed;
use crate::table::Table;
use crate::wait::{self, Shared, Unwanted};
use graven::{Diff, Difference, Merge, MergeError, MergePolicy, PackedTable};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict};
use self_cell::self_cell;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Differences that are looked for at once, with the interpreter released.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

const POLICIES: &[(&str, MergePolicy)] = &[
    ("reject", MergePolicy::Reject),
    ("keep-first", MergePolicy::KeepFirst),
    ("keep-last", MergePolicy::KeepLast),
    ("keep-all", MergePolicy::KeepAll),
    ("concat", MergePolicy::Concat),
];

/// Builds a table of all entries of `tables` at `path`, and publishes it, in one walk with the
/// interpreter released.
///
/// >>> _ = graven.build(tmp / "more.grv", {b"ant": b"9", b"elk": b"5"})
/// >>> more = graven.open(tmp / "more.grv")
/// >>> graven.merge(tmp / "all.grv", [words, more], policy="keep-last").entries
/// 5
/// >>> graven.open(tmp / "all.grv")[b"ant"]
/// b'9'
///
/// Of a key that occurs more than once, the policy takes the value of the first or the last table,
/// all values as entries of their own ("keep-all") or put together ("concat"), or rejects it. The
/// new table has the alignment and the metadata of the tables, unless options say otherwise. If all
/// tables are packed it is packed as the first, else plain: ``compress`` and ``compact_keys`` say
/// otherwise, such as ``compress=None``. The smallest ``max_value`` of the tables holds for the values
/// of all packed ones. The options are those of Builder.
#[pyfunction]
#[pyo3(signature = (path, tables, *, policy="reject", **options))]
pub(crate) fn merge(
    py: Python<'_>,
    path: AnyPath,
    tables: &Bound<'_, PyAny>,
    policy: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Py<BuildSummary>> {
    let policy = named("policy", policy, POLICIES)?;
    let (mut owned, mut most) = (Vec::new(), packed::ANY);
    for table in tables.try_iter()? {
        let table = table?;
        let table = table.cast::<Table>()?.get();
        owned.push(table.either()?);
        most = most.min(table.origin.opening.longest());
    }
    let like = Merge::new(&owned).policy(policy).build_options().map_err(errors::merge)?;
    let Asked { options, callback, shared } = Asked::new(like, options)?;
    let callback = callback.as_ref().map(|callback| callback.bind(py));
    let summary = wait::run(py, &shared, callback, Unwanted::Awaited, move || {
        Merge::new(&owned).policy(policy).value_limit(most).build(&path.0, &options)
    })?;
    Py::new(py, BuildSummary::from(summary.map_err(errors::merge)?))
}

type Comparison<'t> = Diff<'t, PackedTable>;

self_cell!(
    /// Two tables and the comparison that borrows them.
    struct Compared {
        owner: (PackedTable, PackedTable),
        #[not_covariant]
        dependent: Comparison,
    }
);

/// An iterator over the differences of two tables.
#[pyclass(frozen, module = "graven")]
pub(crate) struct DiffIterator {
    state: Mutex<State>,
}

struct State {
    /// `None` after a signal came while differences were looked for.
    compared: Option<Compared>,
    found: Found,
}

/// Differences that were found and not asked for yet.
type Found = VecDeque<Result<Owned, MergeError>>;

/// Looks for the next differences.
fn find(compared: &mut Compared) -> Found {
    compared.with_dependent_mut(|_, diff| {
        let (mut found, mut bytes) = (Found::new(), 0);
        while found.len() < BATCH && bytes <= BATCH_BYTES {
            let Some(difference) = diff.next_lent() else { break };
            let owned = difference.map(Owned::of);
            bytes += owned.as_ref().map_or(0, Owned::len);
            found.push_back(owned);
        }
        found
    })
}

#[pymethods]
impl DiffIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Row<'py>>> {
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        if state.found.is_empty() {
            let Some(mut compared) = state.compared.take() else {
                return Err(errors::closed("comparison, which was interrupted,"));
            };
            let look = move || (find(&mut compared), compared);
            let (found, compared) = wait::run(py, &Shared::default(), None, Unwanted::Left, look)?;
            (state.found, state.compared) = (found, Some(compared));
        }
        let Some(owned) = state.found.pop_front() else { return Ok(None) };
        let Owned { key, old, new } = owned.map_err(errors::merge)?;
        let bytes = |bytes: Vec<u8>| PyBytes::new(py, &bytes);
        Ok(Some((bytes(key), old.map(bytes), new.map(bytes))))
    }
}

type Row<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyBytes>>);

/// A difference, copied.
struct Owned {
    key: Vec<u8>,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl Owned {
    fn len(&self) -> usize {
        let values = [&self.old, &self.new].into_iter().flatten();
        self.key.len() + values.map(Vec::len).sum::<usize>()
    }

    fn of(difference: Difference<'_>) -> Self {
        let key = difference.key().to_vec();
        let (old, new) = match difference {
            Difference::Added { value, .. } => (None, Some(value.to_vec())),
            Difference::Removed { value, .. } => (Some(value.to_vec()), None),
            Difference::Changed { old, new, .. } => (Some(old.to_vec()), Some(new.to_vec())),
        };
        Self { key, old, new }
    }
}

/// The differences between an old and a new table, an iterator of (key, old value, new value) in
/// the order of keys. The old value of an entry that was added is None, and the new value of one
/// that was removed. Equal stretches of two plain tables are passed without a look at each key. The
/// smaller ``max_value`` of the two tables holds for the values of each one that is packed.
///
/// >>> _ = graven.build(tmp / "new.grv", {b"ant": b"1", b"bee": b"9", b"elk": b"5"})
/// >>> for key, old, new in graven.diff(words, graven.open(tmp / "new.grv")):
/// ...     print(key, old, new)
/// b'bee' b'2' b'9'
/// b'cow' b'3' None
/// b'dog' b'4' None
/// b'elk' None b'5'
#[pyfunction]
#[pyo3(signature = (old, new))]
pub(crate) fn diff(old: &Bound<'_, Table>, new: &Bound<'_, Table>) -> PyResult<DiffIterator> {
    let (old, new) = (old.get(), new.get());
    let most = old.origin.opening.longest().min(new.origin.opening.longest());
    let tables = (old.either()?, new.either()?);
    let compared = Compared::new(tables, |(old, new)| Diff::new(old, new).value_limit(most));
    Ok(DiffIterator { state: Mutex::new(State { compared: Some(compared), found: Found::new() }) })
}
