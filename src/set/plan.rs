//! The set that the shards of a job make: which of them come in which order, and whether they fit
//! together.

use crate::error::{Counted, SetError, Shown};
use crate::manifest::partition::hash_shard;
use crate::manifest::{MANIFEST, Manifest, Partition, Shard, is_plain};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A shard of a job as its builder describes it. Goes from process to process by serde.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Its table, under the name that it has in the job's directory.
    pub shard: Shard,
    /// Its number among the hash shards, and how many there are. `None` for a range shard.
    pub hash_shard: Option<(usize, usize)>,
}

/// The set that the shards of a job make: [`SetJobOptions::plan`](crate::SetJobOptions::plan).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct SetPlan {
    /// The set's manifest.
    pub manifest: Manifest,
    /// Under which name each shard of the manifest was built.
    pub files: Vec<String>,
}

impl SetPlan {
    /// The set of these shards, in any order; `place` is where they are, for errors.
    pub(super) fn new(
        hash_shards: Option<usize>,
        infos: Vec<ShardInfo>,
        place: &Path,
    ) -> Result<Self, SetError> {
        let mut shards = Infos { hash_shards, place }.in_order(infos)?;
        let mut files = Vec::with_capacity(shards.len());
        for (number, shard) in shards.iter_mut().enumerate() {
            files.push(std::mem::replace(&mut shard.file, format!("part-{number:05}.grv")));
        }
        let partition = match hash_shards {
            Some(_) => Partition::Hash,
            None => Partition::Range,
        };
        let manifest = Manifest::new(partition, shards).map_err(|fault| SetError::Manifest {
            path: place.join(MANIFEST),
            field: fault.field,
            what: fault.what,
        })?;
        Ok(Self { manifest, files })
    }
}

/// What the shards are checked against.
struct Infos<'a> {
    hash_shards: Option<usize>,
    place: &'a Path,
}

impl Infos<'_> {
    /// The shards in the order of the manifest.
    fn in_order(&self, mut infos: Vec<ShardInfo>) -> Result<Vec<Shard>, SetError> {
        for info in &infos {
            self.check(info)?;
        }
        match self.hash_shards {
            Some(of) => {
                infos.sort_by_key(|info| info.hash_shard);
                self.check_complete(&infos, of)?;
            }
            None => {
                // Empty shards, which a range set does not need, come first.
                infos.sort_by(|a, b| a.shard.first_key.cmp(&b.shard.first_key));
                let empty = infos.iter().take_while(|info| info.shard.entries == 0).count();
                infos.drain(..empty.min(infos.len().saturating_sub(1)));
                for pair in infos.windows(2) {
                    self.check_disjoint(&pair[0].shard, &pair[1].shard)?;
                }
            }
        }
        Ok(infos.into_iter().map(|info| info.shard).collect())
    }

    /// Checks what can be said of one shard alone.
    fn check(&self, info: &ShardInfo) -> Result<(), SetError> {
        let shard = &info.shard;
        if !is_plain(&shard.file) {
            return Err(
                self.wrong(format!("\"{}\" is no name of a shard", shard.file.escape_debug()))
            );
        }
        let file = &shard.file;
        let (of, found) = (self.hash_shards, info.hash_shard);
        let misplaced = |key: &Option<Vec<u8>>| match (found, key) {
            (Some((number, of)), Some(key)) => hash_shard(key, of) != number,
            _ => false,
        };
        let what = match (shard.entries, &shard.first_key, &shard.last_key) {
            _ if found.map(|(_, of)| of) != of || found.is_some_and(|(at, of)| at >= of) => {
                match of {
                    Some(of) => format!("is none of the job's {of} hash shards"),
                    None => "is a hash shard, and the job has range shards".into(),
                }
            }
            (0, None, None) => return Ok(()),
            (1.., Some(first), Some(last)) if first <= last => {
                if misplaced(&shard.first_key) || misplaced(&shard.last_key) {
                    "has a key that belongs to another hash shard".to_owned()
                } else {
                    return Ok(());
                }
            }
            _ => "has keys and entries that contradict each other".into(),
        };
        Err(self.wrong(format!("shard {file} {what}: build it again")))
    }

    /// Checks that there is one shard of each number. They are in the order of their numbers.
    fn check_complete(&self, infos: &[ShardInfo], of: usize) -> Result<(), SetError> {
        let number = |info: &ShardInfo| info.hash_shard.map(|(number, _)| number);
        if let Some(pair) = infos.windows(2).find(|pair| number(&pair[0]) == number(&pair[1])) {
            let (a, b) = (&pair[0].shard.file, &pair[1].shard.file);
            let what = format!("{a} and {b} are the same hash shard: name one attempt of each");
            return Err(self.wrong(what));
        }
        // All are different, and below `of`.
        let missing = of - infos.len();
        match (0..of).find(|&at| infos.get(at).and_then(number) != Some(at)) {
            None => Ok(()),
            Some(first) => Err(self.wrong(format!(
                "{} of {of} missing, number {first} is one: build each hash shard, also one without \
                 entries",
                Counted(missing as u64, "hash shard", "hash shards")
            ))),
        }
    }

    fn check_disjoint(&self, before: &Shard, after: &Shard) -> Result<(), SetError> {
        if before.last_key < after.first_key {
            return Ok(());
        }
        let shown = |key: &Option<Vec<u8>>| Shown(key.as_deref().unwrap_or_default()).to_string();
        Err(self.wrong(format!(
            "range shards overlap: {} has keys up to {}, {} from {} on: divide the rows by ranges of \
             the key, compared as bytes, and name one attempt of each shard",
            before.file,
            shown(&before.last_key),
            after.file,
            shown(&after.first_key)
        )))
    }

    fn wrong(&self, what: impl Into<String>) -> SetError {
        SetError::Job { path: PathBuf::from(self.place), what: what.into() }
    }
}
