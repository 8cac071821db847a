//! How a table is opened, as arguments, and as what a pickle has of them.

#![expect(unsafe_code, reason = "mapping a path is unsafe, and the promise is the caller's")]

use crate::errors;
use crate::opened::Opened;
use crate::packed;
use crate::wait::{self, Shared, Unwanted};
use graven::{AccessPattern, BuildId, OpenError, OpenOptions, PageChecks, Warm};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path as Python has them: `str`, `bytes` or an `os.PathLike`.
pub(crate) struct AnyPath(pub(crate) PathBuf);

impl FromPyObject<'_, '_> for AnyPath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let path = object.py().import("os")?.call_method1("fspath", (object,))?;
        let path: PathBuf = match path.cast::<PyBytes>() {
            Ok(bytes) => OsString::from_vec(bytes.as_bytes().to_vec()).into(),
            Err(_) => path.extract()?,
        };
        match path.as_os_str().as_bytes().contains(&0) {
            true => Err(PyValueError::new_err("embedded null byte")),
            false => Ok(Self(path)),
        }
    }
}

/// What `graven.open` was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opening {
    pub(crate) load: bool,
    pub(crate) page_checks: PageChecks,
    pub(crate) warm: Warm,
    pub(crate) lock_memory: bool,
    pub(crate) access: AccessPattern,
    pub(crate) section: Option<(u64, u64)>,
    pub(crate) expect_build_id: Option<BuildId>,
    pub(crate) allow_patch: bool,
    pub(crate) tolerate_footer: bool,
    /// Bytes of the longest value that is decoded. `None`: any.
    pub(crate) max_value: Option<u32>,
}

impl Opening {
    pub(crate) fn options(&self) -> OpenOptions {
        let options = OpenOptions::new()
            .page_checks(self.page_checks)
            .warm(self.warm)
            .lock_memory(self.lock_memory)
            .access(self.access)
            .allow_patch(self.allow_patch)
            .tolerate_footer(self.tolerate_footer);
        let options = match self.section {
            Some((offset, len)) => options.section(offset, len),
            None => options,
        };
        match self.expect_build_id {
            Some(id) => options.expect_build_id(id),
            None => options,
        }
    }

    /// Bytes of the longest value that is decoded.
    pub(crate) fn longest(&self) -> u32 {
        self.max_value.unwrap_or(packed::ANY)
    }

    /// Whether opening reads the whole table, or much of it.
    pub(crate) fn reads_all(&self) -> bool {
        self.lock_memory || self.page_checks == PageChecks::AtOpen || self.warm != Warm::None
    }

    /// Opens the table at `path` while Python runs on. What reads all of the file is left to end by
    /// itself if a signal comes.
    pub(crate) fn open_interruptibly(&self, py: Python<'_>, path: &Path) -> PyResult<Opened> {
        let opened = if self.load || self.reads_all() {
            let (opening, path) = (self.clone(), path.to_owned());
            let shared = Shared::default();
            wait::run(py, &shared, None, Unwanted::Left, move || opening.open(&path))?
        } else {
            py.detach(|| self.open(path))
        };
        opened.map_err(errors::open)
    }

    /// Opens the table at `path`.
    fn open(&self, path: &Path) -> Result<Opened, OpenError> {
        let options = self.options().allow_packed(true);
        let stored = if self.load {
            options.load(path)
        } else {
            // SAFETY: `graven.open` hands the promise on to its caller: nobody changes or truncates
            // the file in place. `load=True` needs no promise.
            unsafe { options.open(path) }
        };
        Opened::new(stored?, self.longest())
    }

    /// The arguments of `graven.open` that differ from their defaults.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(py);
        let set = |differs: bool, name: &str, value: Bound<'py, PyAny>| {
            if differs { arguments.set_item(name, value) } else { Ok(()) }
        };
        let flag = |flag: bool| pyo3::types::PyBool::new(py, flag).to_owned().into_any();
        let text = |text: &str| pyo3::types::PyString::new(py, text).into_any();
        set(self.load, "load", flag(true))?;
        set(self.lock_memory, "lock_memory", flag(true))?;
        set(self.allow_patch, "allow_patch", flag(true))?;
        set(self.tolerate_footer, "tolerate_footer", flag(true))?;
        let checks = name_of(PAGE_CHECKS, &self.page_checks);
        set(self.page_checks != PageChecks::default(), "page_checks", text(checks))?;
        set(self.warm != Warm::default(), "warm", text(name_of(WARM, &self.warm)))?;
        let access = name_of(ACCESS, &self.access);
        set(self.access != AccessPattern::default(), "access", text(access))?;
        let section = self.section.unwrap_or_default().into_pyobject(py)?.into_any();
        set(self.section.is_some(), "section", section)?;
        let most = self.max_value.into_pyobject(py)?;
        set(self.max_value.is_some(), "max_value", most)?;
        Ok(arguments)
    }
}

const PAGE_CHECKS: &[(&str, PageChecks)] = &[
    ("first-touch", PageChecks::FirstTouch),
    ("at-open", PageChecks::AtOpen),
    ("never", PageChecks::Never),
];

const WARM: &[(&str, Warm)] = &[
    ("none", Warm::None),
    ("index", Warm::Index),
    ("all", Warm::All),
    ("large-pages", Warm::LargePages),
];

const ACCESS: &[(&str, AccessPattern)] = &[
    ("auto", AccessPattern::Auto),
    ("normal", AccessPattern::Normal),
    ("random", AccessPattern::Random),
    ("sequential", AccessPattern::Sequential),
];

pub(crate) fn page_checks(name: &str) -> PyResult<PageChecks> {
    named("page_checks", name, PAGE_CHECKS)
}

pub(crate) fn warm(name: &str) -> PyResult<Warm> {
    named("warm", name, WARM)
}

pub(crate) fn access(name: &str) -> PyResult<AccessPattern> {
    named("access", name, ACCESS)
}

pub(crate) fn build_id(option: &str, text: &str) -> PyResult<BuildId> {
    text.parse().map_err(|error| errors::option(format!("option {option} is \"{text}\": {error}")))
}

/// The value that stands beside `name` in `all`.
pub(crate) fn named<T: Copy>(option: &str, name: &str, all: &[(&str, T)]) -> PyResult<T> {
    all.iter().find(|(other, _)| *other == name).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        errors::option(format!("option {option} is \"{name}\", expected {}", names.join(", ")))
    })
}

fn name_of<T: PartialEq>(all: &'static [(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, other)| other == value).map_or("", |(name, _)| name)
}
