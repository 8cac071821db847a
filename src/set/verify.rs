//! The audit of a set: its manifest, the digest of each shard, each shard, and whether each key is
//! in its shard.

use super::shards::Shards;
use crate::error::{Counted, SetError, entries as counted};
use crate::manifest::partition::hash_shard;
use std::fmt;

/// What the audit of a set read. `Display` writes one line.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SetReport {
    /// Shards of the set.
    pub shards: u64,
    /// Entries read.
    pub entries: u64,
    /// Distinct keys found.
    pub keys: u64,
    /// Bytes of all shards.
    pub bytes: u64,
}

impl fmt::Display for SetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shards, entries, keys, bytes } = self;
        let shards = Counted(*shards, "shard", "shards");
        let keys = Counted(*keys, "distinct key", "distinct keys");
        write!(f, "{shards}, {}, {keys}, {bytes} bytes: no damage", counted(*entries))
    }
}

impl SetReport {
    /// Audits all shards, one after the other, without those that the set has mapped.
    pub(super) fn audit(shards: &Shards) -> Result<Self, SetError> {
        let mut report = Self { shards: shards.len() as u64, ..Self::default() };
        for (number, shard) in shards.manifest.shards.iter().enumerate() {
            shard.check_file(&shards.directory)?;
            let table = shards.open(number)?;
            let checked = table.verify()?;
            report.entries += checked.entries;
            report.keys += checked.keys;
            report.bytes += checked.bytes;
            if !shards.is_hashed() {
                continue;
            }
            for entry in &table {
                let (key, _) = entry?;
                let right = hash_shard(key, shards.len());
                if right != number {
                    let (path, key) = (shard.path(&shards.directory), key.escape_ascii());
                    let what = format!("has key \"{key}\", which belongs to shard {right}");
                    return Err(SetError::Shard { path, what });
                }
            }
        }
        Ok(report)
    }
}
