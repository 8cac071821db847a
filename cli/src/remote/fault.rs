//! Why an object could not be read or written, and whether it is worth trying again.

use crate::exit::Failure;
use graven::ErrorKind;
use object_store::Error;
use std::error::Error as _;
use std::fmt::Display;
use std::{io, iter};

/// Longest text of a store's answer that is shown.
const LONGEST: usize = 400;
/// Where machines in a cloud get credentials if the environment has none.
const METADATA: &str = "//169.254.169.254/";
/// Variable of the environment that allows an S3 server without TLS.
const ALLOW: &str = "AWS_ALLOW_HTTP";

/// Why an object could not be read or written.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such object.
    Missing,
    /// The object is not the one that was expected: another one was written in its place.
    Changed,
    /// The store does not have this operation.
    Unsupported,
    /// The network or the store failed in a way that may pass.
    Passing(String),
    /// The store refused.
    Refused(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::Missing,
            Error::Precondition { .. }
            | Error::AlreadyExists { .. }
            | Error::NotModified { .. } => Self::Changed,
            Error::NotImplemented { .. } | Error::NotSupported { .. } => Self::Unsupported,
            Error::Generic { .. } => Self::of_generic(&error),
            Error::JoinError { .. } => Self::Passing(text(&error)),
            _ => Self::Refused(text(&error)),
        }
    }
}

impl Fault {
    /// A fault for which `object_store` has no public type: its causes and its text say more.
    fn of_generic(error: &Error) -> Self {
        const STATUS: &str = "non-2xx status code: ";
        let text = text(error);
        let mut causes = iter::successors(error.source(), |&cause| cause.source());
        match causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
            Some(io::ErrorKind::NotADirectory) => return Self::Missing,
            // A file system's answers; those of networks pass.
            Some(
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::FileTooLarge,
            ) => return Self::Refused(text),
            _ => {}
        }
        if text.contains("URL scheme is not allowed") {
            return Self::Refused(format!("{text}: for a server without TLS, set {ALLOW}=true"));
        }
        let status = text.find(STATUS).map(|at| &text[at + STATUS.len()..]);
        let status = status.and_then(|status| status.get(..3)?.parse().ok());
        match status {
            // A request that is wrong stays wrong, unless it came too late or too soon.
            Some(400..=407 | 409..=424 | 426..=428 | 430..=499) => Self::Refused(text),
            Some(501) => Self::Unsupported,
            _ => Self::Passing(text),
        }
    }

    /// The failure of a run that ends with this fault at an object.
    pub(crate) fn at(self, object: impl Display) -> Failure {
        let what = match self {
            Self::Missing => "there is no such object".into(),
            Self::Changed => "was replaced by another process meanwhile: try again".into(),
            Self::Unsupported => "the store does not have this operation".into(),
            Self::Passing(what) | Self::Refused(what) => what,
        };
        Failure::at(ErrorKind::Io, object, what)
    }
}

/// The store's words, with the innermost cause if they lack it.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let innermost = iter::successors(error.source(), |&cause| cause.source()).last();
    if let Some(cause) = innermost.map(ToString::to_string)
        && !text.contains(&cause)
    {
        text = format!("{text}: {cause}");
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    if text.contains(METADATA) {
        text = format!("no credentials, see graven pull --help: {text}");
    }
    text
}
