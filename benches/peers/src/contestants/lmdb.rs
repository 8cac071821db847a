//! LMDB through heed. The file is written in one transaction that is not synced.

use std::path::Path;

use heed::{Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithoutTls, types::Bytes};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct Lmdb;

type Db = Database<Bytes, Bytes>;

impl Contestant for Lmdb {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn options(&self) -> &'static str {
        "read-only, no lock file, one long read transaction per thread; built in one \
         transaction without sync, sorted input with MDB_APPEND"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        let roomy = input.shape.payload * 3 + input.shape.entries * 200 + (64 << 20);
        options.map_size(roomy.next_multiple_of(1 << 20) as usize).max_readers(16);
        // SAFETY: no durability is asked for; the directory is ours alone.
        unsafe { options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC) };
        // SAFETY: nobody else opens or changes the file meanwhile.
        let env = unsafe { options.open(dir)? };
        let mut txn = env.write_txn()?;
        let db: Db = env.create_database(&mut txn, None)?;
        let flags = if input.sorted { PutFlags::APPEND } else { PutFlags::empty() };
        for (key, value) in input.iter() {
            db.put_with_flags(&mut txn, flags, key, value)?;
        }
        txn.commit()?;
        Ok(())
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        let mut flags = EnvFlags::READ_ONLY | EnvFlags::NO_LOCK;
        if access != Access::Normal {
            flags |= EnvFlags::NO_READ_AHEAD;
        }
        // SAFETY: without the lock file we promise that nobody writes, and nobody does.
        unsafe { options.flags(flags) };
        // SAFETY: the file lies in our own scratch directory; nobody changes it.
        let env = unsafe { options.open(&place.dir)? };
        let txn = env.read_txn()?;
        let db: Db = env.open_database(&txn, None)?.ok_or("no main database")?;
        drop(txn);
        Ok(Box::new(Table { env, db }))
    }
}

struct Table {
    env: Env<WithoutTls>,
    db: Db,
}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        Reader { txn: self.env.read_txn().expect("a read transaction"), db: self.db }
    }
}

struct Reader<'s> {
    txn: RoTxn<'s, WithoutTls>,
    db: Db,
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.db.get(&self.txn, probe.key).expect("a healthy file").map(f)
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let from = (std::ops::Bound::Included(probe.key), std::ops::Bound::Unbounded);
        let range = self.db.range(&self.txn, &from).expect("a healthy file");
        for entry in range.take(limit) {
            let (key, value) = entry.expect("a healthy file");
            f(key, value);
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        if forward {
            for entry in self.db.iter(&self.txn).expect("a healthy file") {
                let (key, value) = entry.expect("a healthy file");
                f(key, value);
            }
        } else {
            for entry in self.db.rev_iter(&self.txn).expect("a healthy file") {
                let (key, value) = entry.expect("a healthy file");
                f(key, value);
            }
        }
    }
}
