//! redb, opened read-only. It does not map its file: pages are read into a cache of its own.

use std::path::Path;

use redb::{
    Builder, Durability, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable,
    TableDefinition,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("t");

/// Large enough that no workload is ever read twice from the file.
const CACHE: usize = 8 << 30;

pub struct Redb;

impl Contestant for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn options(&self) -> &'static str {
        "read-only, cache of 8 GiB so that nothing is read twice; built in one transaction \
         with Durability::None, one empty synced one after it"
    }

    fn caches(&self) -> bool {
        true
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let db = Builder::new().set_cache_size(CACHE).create(dir.join("table.redb"))?;
        let mut txn = db.begin_write()?;
        txn.set_durability(Durability::None)?;
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in input.iter() {
                table.insert(key, value)?;
            }
        }
        txn.commit()?;
        // What no durable commit follows would be gone at the next open.
        db.begin_write()?.commit()?;
        Ok(())
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let db = Builder::new().set_cache_size(CACHE).open_read_only(place.file("table.redb"))?;
        Ok(Box::new(Database(db)))
    }
}

struct Database(ReadOnlyDatabase);

impl Store for Database {
    type Session<'s> = Reader;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader {
        let txn = self.0.begin_read().expect("a read transaction");
        Reader(txn.open_table(TABLE).expect("the table is there"))
    }
}

struct Reader(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Session for Reader {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let guard = ReadableTable::get(&self.0, probe.key).expect("a healthy file")?;
        Some(f(guard.value()))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let range = ReadableTable::range(&self.0, probe.key..).expect("a healthy file");
        for entry in range.take(limit) {
            let (key, value) = entry.expect("a healthy file");
            f(key.value(), value.value());
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut range = ReadableTable::iter(&self.0).expect("a healthy file");
        while let Some(entry) = if forward { range.next() } else { range.next_back() } {
            let (key, value) = entry.expect("a healthy file");
            f(key.value(), value.value());
        }
    }
}
