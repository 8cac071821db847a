//! What a refresh came to, and what is served.

use crate::build_id::BuildId;
use std::fmt;
use std::time::Duration;

/// The result of a refresh. `Display` is one word: `unchanged` or `swapped`.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// The file at the path has the content that is served: it is the same file, perhaps with
    /// another mode or name, or a copy. Readers stay on the table that they have.
    Unchanged,
    /// A new table is served.
    Swapped,
}

/// What a handle serves, for metrics. `Display` writes one line for a log.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveStatus {
    /// The version's name, in a versioned directory.
    pub version: Option<String>,
    /// Identifies the content.
    pub build_id: BuildId,
    /// Counts the tables that this handle has served, from 1.
    pub generation: u64,
    /// Time since this table was swapped in.
    pub age: Duration,
    /// Why the last refresh failed; `None` once one has succeeded.
    pub failure: Option<String>,
}

impl fmt::Display for RefreshOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unchanged => "unchanged",
            Self::Swapped => "swapped",
        })
    }
}

impl fmt::Display for LiveStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, build_id, generation, age, failure } = self;
        write!(f, "generation {generation}, build id {build_id}, for {} s", age.as_secs())?;
        if let Some(version) = version {
            write!(f, ", version {version}")?;
        }
        match failure {
            Some(failure) => write!(f, "; the last refresh failed: {failure}"),
            None => Ok(()),
        }
    }
}
