//! The summary of a finished build.

use crate::build_id::BuildId;

/// A published table in numbers.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct BuildSummary {
    /// Entries in the table, after the duplicates policy.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Sum of the lengths of all keys.
    pub key_bytes: u64,
    /// Sum of the lengths of all values.
    pub value_bytes: u64,
    /// The build id, which identifies the content: equal entries and options give equal build ids.
    pub build_id: BuildId,
    /// Whether the table has a hash index, and if not, why.
    pub hash_index: HashIndexOutcome,
    /// Keys that the hash index does not hold, because a smaller key has the same 64-bit hash. The
    /// ordered index finds them. Chance brings one about in a table of billions of keys; more than
    /// that were chosen by someone.
    pub set_aside: u64,
}

/// What became of the hash index.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
