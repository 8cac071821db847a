//! graven's errors as Python exceptions: what the system refused is an `OSError`, all else one of
//! the classes of `graven._errors`. Texts are those of the Rust errors.

use graven::{
    BuildError, MergeError, OpenError, OpenFailure, PublishError, ReadError, ReadFailure, SetError,
};
use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// `EIO`, the system's code for bytes that a device could not deliver.
const EIO: i32 = 5;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;

/// The exception `class` of `graven._errors`.
pub(crate) fn error(class: &str, text: impl Into<String>, path: Option<&Path>) -> PyErr {
    let text = text.into();
    Python::attach(|py| {
        let path = path.map(Path::as_os_str);
        let raise = || -> PyResult<Bound<'_, PyAny>> {
            let class = py.import("graven._errors")?.getattr(class)?.cast_into::<PyType>()?;
            class.call1((text, path))
        };
        raise().map_or_else(|error| error, PyErr::from_value)
    })
}

/// An `OSError` of the class that belongs to the code, such as `FileNotFoundError`.
fn os_error(code: i32, text: impl Into<String>, path: Option<&Path>) -> PyErr {
    let text = text.into();
    Python::attach(|py| {
        let class = py.get_type::<PyOSError>();
        let instance = match path.map(Path::as_os_str) {
            Some(path) => class.call1::<(i32, String, &OsStr)>((code, text, path)),
            None => class.call1((code, text)),
        };
        instance.map_or_else(|error| error, PyErr::from_value)
    })
}

/// An answer of the system that came with `text`.
fn system(source: &io::Error, text: impl Into<String>, path: Option<&Path>) -> PyErr {
    let code = source.raw_os_error().unwrap_or(match source.kind() {
        io::ErrorKind::InvalidInput => EINVAL,
        _ => EIO,
    });
    os_error(code, text, path)
}

pub(crate) fn closed(what: &str) -> PyErr {
    error("ClosedError", format!("the {what} is closed"), None)
}

pub(crate) fn option(text: impl Into<String>) -> PyErr {
    error("OptionError", text, None)
}

pub(crate) fn open(failed: OpenError) -> PyErr {
    failure(failed.failure(), failed.to_string(), failed.path())
}

/// `text` is the failure's, with the path before it.
fn failure(failure: &OpenFailure, text: String, path: Option<&Path>) -> PyErr {
    let class = match failure {
        // The exception shows the path itself.
        OpenFailure::Io { source, .. } => return system(source, failure.to_string(), path),
        OpenFailure::LockRefused { source, .. } => {
            return system(source, failure.to_string(), path);
        }
        OpenFailure::AddressSpaceExhausted { .. }
        | OpenFailure::TooManyMappings { .. }
        | OpenFailure::OutOfMemory { .. } => return PyMemoryError::new_err(text),
        OpenFailure::Damaged(ReadFailure::Faulted { .. }) => {
            return os_error(EIO, failure.to_string(), path);
        }
        OpenFailure::NotARegularFile { .. }
        | OpenFailure::TooShort { .. }
        | OpenFailure::NotATable { .. }
        | OpenFailure::IsPatch => "NotATableError",
        OpenFailure::UnsupportedVersion { .. }
        | OpenFailure::UnsupportedFeature { .. }
        | OpenFailure::IsPacked { .. }
        | OpenFailure::DecoderLeftOut { .. } => "UnsupportedError",
        OpenFailure::SectionOutOfBounds { .. } => "OptionError",
        OpenFailure::OtherBuild { .. } => "OtherBuildError",
        OpenFailure::TypeMismatch { .. } | OpenFailure::Misaligned { .. } => "TypeMismatchError",
        _ => "DamagedError",
    };
    error(class, text, path)
}

#[cold]
pub(crate) fn read(failed: ReadError) -> PyErr {
    match failed.failure() {
        lost @ ReadFailure::Faulted { .. } => os_error(EIO, lost.to_string(), failed.path()),
        failure => error(class_of(failure), failed.to_string(), failed.path()),
    }
}

/// The class of an error of reading that is no `OSError`.
fn class_of(failure: ReadFailure) -> &'static str {
    match failure {
        ReadFailure::IsPacked | ReadFailure::ValueTooLong { .. } => "UnsupportedError",
        _ => "DamagedError",
    }
}

#[cold]
pub(crate) fn set(failed: SetError) -> PyErr {
    let text = failed.to_string();
    let class = match &failed {
        // The exception shows the path itself.
        SetError::Io { action, path, source } => {
            return system(source, format!("could not {action}: {source}"), Some(path));
        }
        SetError::Manifest { field, .. } if field == "version" => "UnsupportedError",
        SetError::Manifest { field, .. } if field == "format" || field == "(file)" => {
            "NotATableError"
        }
        SetError::Unsupported { .. } => "UnsupportedError",
        SetError::Job { .. } => "PublishError",
        SetError::Open(_) | SetError::Read(_) => {
            return match failed {
                SetError::Open(error) => open(error),
                SetError::Read(error) => read(error),
                _ => unreachable!("it is one of the two"),
            };
        }
        _ => "DamagedError",
    };
    error(class, text, failed.path())
}

#[cold]
pub(crate) fn build(failed: BuildError) -> PyErr {
    let (text, path) = (failed.to_string(), failed.path());
    let class = match &failed {
        BuildError::Io { source, .. }
        | BuildError::OutOfSpace { source, .. }
        | BuildError::ValueReader { source, .. }
        | BuildError::Locked { source, .. } => return system(source, text, path),
        BuildError::AlreadyExists { .. } => return os_error(EEXIST, text, path),
        BuildError::KeyTooLong { .. }
        | BuildError::ValueTooLong { .. }
        | BuildError::OtherShard { .. } => "EntryError",
        BuildError::OutOfOrder { .. } => "OutOfOrderError",
        BuildError::DuplicateKey { .. } => "DuplicateKeyError",
        BuildError::NotARegularFile { .. } | BuildError::NotATable { .. } => "NotATableError",
        BuildError::InvalidOption { .. } => "OptionError",
        BuildError::PublishedButNotDurable { .. } => "NotDurableError",
        _ => "BuildError",
    };
    error(class, text, path)
}

#[cold]
pub(crate) fn merge(failed: MergeError) -> PyErr {
    let (text, path) = (failed.to_string(), failed.path());
    let class = match failed {
        MergeError::Read { source, .. } => {
            return match source.failure() {
                ReadFailure::Faulted { .. } => os_error(EIO, text, source.path()),
                failure => error(class_of(failure), text, source.path()),
            };
        }
        MergeError::Build(error) => return build(error),
        MergeError::DuplicateKey { .. } => "DuplicateKeyError",
        MergeError::TypeMismatch { .. } => "TypeMismatchError",
        _ => "BuildError",
    };
    error(class, text, path)
}

#[cold]
pub(crate) fn publish(failed: PublishError) -> PyErr {
    let text = failed.to_string();
    match failed {
        PublishError::Source { path, source } | PublishError::Current { path, source } => {
            failure(&source, text, Some(&path))
        }
        PublishError::Stream { source } => failure(&source, text, None),
        PublishError::Target(error) => build(error),
        PublishError::Set(error) => set(error),
        other => error("PublishError", text, other.path()),
    }
}
