//! lsm-tree, the engine of fjall: one table of its format, all of whose blocks lie in its own cache.

use std::{path::Path, sync::Arc};

use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, Guard, SeqNo,
    config::{HashRatioPolicy, PinningPolicy},
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct LsmTree;

/// Large enough that no block is ever read twice from the file.
const CACHE: u64 = 8 << 30;

fn config(dir: &Path) -> Config {
    Config::new(dir, Default::default(), Default::default())
        .use_cache(Arc::new(Cache::with_capacity_bytes(CACHE)))
        .data_block_hash_ratio_policy(HashRatioPolicy::all(1.33))
        .index_block_partitioning_policy(PinningPolicy::all(false))
        .filter_block_partitioning_policy(PinningPolicy::all(false))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_pinning_policy(PinningPolicy::all(true))
}

impl Contestant for LsmTree {
    fn name(&self) -> &'static str {
        "lsm-tree"
    }

    fn options(&self) -> &'static str {
        "one ingested and compacted table, cache of 8 GiB that holds all its blocks, no compression, \
         Bloom filter of 10 bits per key (its default), hash index inside data blocks, index and \
         filter pinned; unsorted input is sorted in memory first"
    }

    fn caches(&self) -> bool {
        true
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let tree = config(dir).open()?;
        let mut ingestion = tree.ingestion()?;
        for (key, value) in input.ascending() {
            ingestion.write(key, value)?;
        }
        ingestion.finish()?;
        // Ingestion divides what it gets into tables of 64 MiB.
        Ok(tree.major_compact(u64::MAX, SeqNo::MAX)?)
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(Table(config(&place.dir).open()?)))
    }
}

struct Table(AnyTree);

impl Store for Table {
    type Session<'s> = &'s Table;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> &Table {
        self
    }
}

impl Session for &Table {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let value = self.0.get(probe.key, SeqNo::MAX).expect("a healthy file")?;
        Some(f(&value))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        for entry in self.0.range(probe.key.., SeqNo::MAX, None).take(limit) {
            let (key, value) = entry.into_inner().expect("a healthy file");
            f(&key, &value);
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut entries = self.0.iter(SeqNo::MAX, None);
        while let Some(entry) = if forward { entries.next() } else { entries.next_back() } {
            let (key, value) = entry.into_inner().expect("a healthy file");
            f(&key, &value);
        }
    }
}
