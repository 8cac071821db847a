//! libmdbx, LMDB's descendant, through signet-libmdbx.

use std::{borrow::Cow, path::Path};

use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, Mode, ReadResult, SyncMode,
    TableObject, WriteFlags,
    tx::aliases::{RoCursorUnsync, RoTxUnsync},
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct Mdbx;

impl Contestant for Mdbx {
    fn name(&self) -> &'static str {
        "mdbx"
    }

    fn options(&self) -> &'static str {
        "read-only, exclusive, one long unsynchronized read transaction and one cursor per thread; \
         built in one transaction that is not synced, sorted input with MDBX_APPEND"
    }

    /// An exclusive environment belongs to one process.
    fn processes(&self) -> bool {
        false
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let roomy = input.shape.payload * 3 + input.shape.entries * 200 + (64 << 20);
        let env = Environment::builder()
            .set_geometry(Geometry { size: Some(0..roomy as usize), ..Default::default() })
            .set_flags(EnvironmentFlags {
                exclusive: true,
                no_meminit: true,
                mode: Mode::ReadWrite { sync_mode: SyncMode::UtterlyNoSync },
                ..Default::default()
            })
            .open(dir)?;
        let txn = env.begin_rw_unsync()?;
        let db = txn.create_db(None, DatabaseFlags::empty())?;
        let flags = if input.sorted { WriteFlags::APPEND } else { WriteFlags::UPSERT };
        for (key, value) in input.iter() {
            txn.put(db, key, value, flags)?;
        }
        Ok(txn.commit()?)
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let env = Environment::builder()
            .set_flags(EnvironmentFlags {
                exclusive: true,
                mode: Mode::ReadOnly,
                no_rdahead: access != Access::Normal,
                ..Default::default()
            })
            .open(&place.dir)?;
        let db = env.begin_ro_unsync()?.open_db(None)?;
        Ok(Box::new(Table { env, db }))
    }
}

/// Bytes of the mapping: those of a transaction that writes nothing are never copied.
struct Bytes<'a>(&'a [u8]);

impl<'a> TableObject<'a> for Bytes<'a> {
    #[inline]
    fn decode_borrow(data: Cow<'a, [u8]>) -> ReadResult<Self> {
        match data {
            Cow::Borrowed(bytes) => Ok(Self(bytes)),
            Cow::Owned(_) => unreachable!("a read-only transaction lends its pages"),
        }
    }
}

struct Table {
    env: Environment,
    db: Database,
}

impl Store for Table {
    type Session<'s> = Reader;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader {
        let txn = Box::new(self.env.begin_ro_unsync().expect("a read transaction"));
        let cursor = txn.cursor(self.db).expect("a cursor");
        // SAFETY: the cursor borrows the transaction, which lies in a box and is dropped after it.
        let cursor =
            unsafe { std::mem::transmute::<RoCursorUnsync<'_>, RoCursorUnsync<'static>>(cursor) };
        Reader { cursor, txn, db: self.db }
    }
}

/// The order of fields is that of their drops.
struct Reader {
    cursor: RoCursorUnsync<'static>,
    txn: Box<RoTxUnsync>,
    db: Database,
}

impl Session for Reader {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let found = self.txn.get::<Bytes<'_>>(self.db.dbi(), probe.key).expect("a healthy file");
        found.map(|value| f(value.0))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let mut entry = self.cursor.set_range::<Bytes<'_>, Bytes<'_>>(probe.key);
        for i in 0..limit {
            let Some((key, value)) = entry.expect("a healthy file") else { return };
            f(key.0, value.0);
            if i + 1 == limit {
                return;
            }
            entry = self.cursor.next();
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let cursor = &mut self.cursor;
        let mut entry = if forward { cursor.first() } else { cursor.last() };
        while let Some((key, value)) = entry.expect("a healthy file") {
            let (key, value): (Bytes<'_>, Bytes<'_>) = (key, value);
            f(key.0, value.0);
            entry = if forward { cursor.next() } else { cursor.prev() };
        }
    }
}
