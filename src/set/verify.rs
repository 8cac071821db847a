//! The audit of a set: its manifest, the digest of each shard, each shard, and whether each key is
//! in its shard.

use super::shard::ShardTable;
use super::shards::Shards;
use crate::error::{Counted, SetError, entries as counted};
use crate::manifest::partition::hash_shard;
use crate::verify::VerifyProgress;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

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

/// Is told how far an audit is, and may end it.
pub(super) type GoOn<'g> = dyn Fn(VerifyProgress) -> ControlFlow<()> + Sync + 'g;

/// Entries of a hash shard between two reports.
const REPORT: u64 = 1 << 14;

impl SetReport {
    /// Audits all shards, one after the other, without those that the set has mapped. `None` if
    /// `go_on` has ended it.
    pub(super) fn audit<T: ShardTable>(
        shards: &Shards<T>,
        go_on: &GoOn<'_>,
    ) -> Result<Option<Self>, SetError> {
        let mut report = Self { shards: shards.len() as u64, ..Self::default() };
        // The digest, the audit of the table, and in a hash set the keys.
        let passes = if shards.is_hashed() { 3 } else { 2 };
        let mut total = shards.manifest.bytes.saturating_mul(passes);
        let mut before = 0;
        for (number, shard) in shards.manifest.shards.iter().enumerate() {
            let bytes = shard.bytes;
            let mut digested =
                |done: u64| go_on(VerifyProgress { done: before + done.min(bytes), total });
            if shard.check_file_while(&shards.directory, &mut digested)?.is_break() {
                return Ok(None);
            }
            before += bytes;
            let opened = shards.open(number)?;
            let table = opened.stored();
            // The audit of a table reads some bytes several times. How many is known once it is open.
            let read = AtomicU64::new(bytes);
            let checked = table.verify_while(|part| {
                let read = read.fetch_max(part.total, Relaxed).max(part.total);
                let total = total.saturating_add(read - bytes);
                go_on(VerifyProgress { done: before + part.done, total })
            })?;
            let Some(checked) = checked else { return Ok(None) };
            let read = read.into_inner();
            total = total.saturating_add(read - bytes);
            before += read;
            report.entries += checked.entries;
            report.keys += checked.keys;
            report.bytes += checked.bytes;
            if shards.is_hashed() {
                let mut room = Vec::new();
                for (place, entry) in (0..).zip(table) {
                    let key = opened.key(entry?.0, &mut room)?;
                    let right = hash_shard(key, shards.len());
                    if right != number {
                        let (path, key) = (shard.path(&shards.directory), key.escape_ascii());
                        let what = format!("has key \"{key}\", which belongs to shard {right}");
                        return Err(SetError::Shard { path, what });
                    }
                    let done = before + share(bytes, place, shard.entries);
                    if place % REPORT == 0 && go_on(VerifyProgress { done, total }).is_break() {
                        return Ok(None);
                    }
                }
                before += bytes;
            }
        }
        Ok(go_on(VerifyProgress { done: total, total }).is_continue().then_some(report))
    }
}

/// The share of `bytes` that `done` is of `total`.
fn share(bytes: u64, done: u64, total: u64) -> u64 {
    (u128::from(bytes) * u128::from(done) / u128::from(total.max(1))) as u64
}
