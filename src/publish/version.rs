//! A version of a table in numbers.

use std::fmt;
use std::path::PathBuf;

/// A version of a table. `Display` writes one line: its name, its bytes, and whether it is current.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The version's name. Names ascend in the order of publishing.
    pub id: String,
    /// The path of its table, or the directory of its set.
    pub path: PathBuf,
    /// Bytes of its table, or of all files of its set.
    pub file_bytes: u64,
    /// Whether this is the current version, which readers are to open.
    pub current: bool,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, file_bytes, current, .. } = self;
        write!(f, "{id}, {file_bytes} bytes{}", if *current { ", current" } else { "" })
    }
}
