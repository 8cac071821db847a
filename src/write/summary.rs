//! The summary of a finished build.

use crate::build_id::BuildId;
use crate::error::{Counted, entries as counted};
use std::fmt;

/// A published table in numbers. `Display` writes one line: entries, bytes, build id, and what a
/// caller may want to know of the hash index.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let summary = graven::Builder::create(&path)?.finish()?;
/// println!("{summary}"); // 0 entries, 0 distinct keys, 608 bytes, build id …
/// # assert!(summary.to_string().starts_with("0 entries, 0 distinct keys, "));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSummary {
    /// Entries in the table, after the duplicates policy.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Sum of the lengths of all keys as they are stored: less than `key_bytes` if they are encoded.
    pub stored_key_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// Sum of the lengths of all values as they are stored: less than `value_bytes` if they are
    /// compressed.
    pub stored_value_bytes: u64,
    /// The build id, which identifies the content: equal entries and options give equal build ids.
    pub build_id: BuildId,
    /// Whether the table has a hash index, and if not, why.
    pub hash_index: HashIndexOutcome,
    /// Keys that the hash index does not hold, because a smaller key has the same 64-bit hash. The
    /// ordered index finds them. Chance brings one about in a table of billions of keys; more than
    /// that were chosen by someone.
    pub set_aside: u64,
}

/// What became of the hash index. `Display` says it in some words.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashIndexOutcome {
    /// The table has a hash index.
    Built,
    /// The ordered index answers as fast, so it was left out.
    NotNeeded,
    /// `HashIndex::Never` was asked for.
    Disabled,
    /// No attempt found room for all keys: it was left out after this many, and the ordered index
    /// answers instead. Keys that someone has chosen make one attempt fail, not the others, which
    /// depend on the table's content.
    Abandoned {
        /// Attempts made.
        attempts: u32,
    },
}

impl fmt::Display for BuildSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, keys, file_bytes, build_id, hash_index, set_aside, .. } = self;
        let entries = counted(*entries);
        let keys = Counted(*keys, "distinct key", "distinct keys");
        write!(f, "{entries}, {keys}, {file_bytes} bytes, ")?;
        write!(f, "build id {build_id}, hash index {hash_index}")?;
        match set_aside {
            0 => Ok(()),
            _ => write!(f, " ({} set aside)", Counted(*set_aside, "key", "keys")),
        }
    }
}

impl fmt::Display for HashIndexOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built => f.pad("built"),
            Self::NotNeeded => f.pad("not needed"),
            Self::Disabled => f.pad("disabled"),
            Self::Abandoned { attempts } => {
                let attempts = Counted((*attempts).into(), "attempt", "attempts");
                write!(f, "abandoned after {attempts}")
            }
        }
    }
}
