//! SQLite through its C API: `immutable=1`, the file mapped, one prepared statement per question.

use std::{
    ffi::{CStr, CString, c_int},
    path::Path,
    ptr::{null, null_mut},
    slice,
    sync::Mutex,
};

use libsqlite3_sys as sys;

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct Sqlite;

const FILE: &str = "table.sqlite";
const SCHEMA: &CStr = c"PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; \
    PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-1000000; \
    CREATE TABLE t(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID; BEGIN";

/// A connection that closes itself.
struct Connection(*mut sys::sqlite3);

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { sys::sqlite3_close(self.0) };
    }
}

impl Connection {
    fn open(uri: &str, flags: c_int) -> Result<Connection> {
        let uri = CString::new(uri)?;
        let mut db = null_mut();
        // SAFETY: `uri` is a C string; `db` receives a handle, also on failure.
        let code = unsafe { sys::sqlite3_open_v2(uri.as_ptr(), &mut db, flags, null()) };
        let connection = Connection(db);
        connection.check(code)?;
        Ok(connection)
    }

    fn check(&self, code: c_int) -> Result<()> {
        match code {
            sys::SQLITE_OK | sys::SQLITE_DONE | sys::SQLITE_ROW => Ok(()),
            code => Err(format!("sqlite: error {code}").into()),
        }
    }

    fn run(&self, sql: &CStr) -> Result<()> {
        // SAFETY: the connection is open and `sql` is a C string.
        let code = unsafe { sys::sqlite3_exec(self.0, sql.as_ptr(), None, null_mut(), null_mut()) };
        self.check(code)
    }

    fn prepare(&self, sql: &CStr) -> Result<Statement> {
        let mut statement = null_mut();
        // SAFETY: as in `run`; `statement` receives a handle that `Statement` finalizes.
        let code = unsafe {
            sys::sqlite3_prepare_v2(self.0, sql.as_ptr(), -1, &mut statement, null_mut())
        };
        self.check(code)?;
        Ok(Statement(statement))
    }
}

struct Statement(*mut sys::sqlite3_stmt);

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: prepared by `prepare`, finalized once, before its connection closes.
        unsafe { sys::sqlite3_finalize(self.0) };
    }
}

impl Statement {
    /// The bytes must live until the statement is reset.
    #[inline]
    fn bind(&self, index: c_int, bytes: &[u8]) {
        let (at, len) = (bytes.as_ptr().cast(), bytes.len() as c_int);
        // SAFETY: SQLITE_STATIC, so SQLite keeps the pointer; all callers reset before they
        // let go of `bytes`.
        unsafe { sys::sqlite3_bind_blob(self.0, index, at, len, sys::SQLITE_STATIC()) };
    }

    #[inline]
    fn bind_limit(&self, index: c_int, limit: usize) {
        // SAFETY: the statement is prepared.
        unsafe { sys::sqlite3_bind_int64(self.0, index, limit as i64) };
    }

    #[inline]
    fn step(&self) -> c_int {
        // SAFETY: the statement is prepared.
        unsafe { sys::sqlite3_step(self.0) }
    }

    #[inline]
    fn reset(&self) {
        // SAFETY: the statement is prepared.
        unsafe { sys::sqlite3_reset(self.0) };
    }

    /// A column of the row that the last step gave.
    #[inline]
    fn column(&self, index: c_int) -> &[u8] {
        // SAFETY: the statement stands at a row.
        let at = unsafe { sys::sqlite3_column_blob(self.0, index) };
        // SAFETY: as above.
        let len = unsafe { sys::sqlite3_column_bytes(self.0, index) };
        if at.is_null() {
            return &[];
        }
        // SAFETY: SQLite keeps these bytes until the next step or reset, both of which end the
        // borrow in every caller.
        unsafe { slice::from_raw_parts(at.cast(), len as usize) }
    }
}

impl Contestant for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn options(&self) -> &'static str {
        "WITHOUT ROWID, immutable=1, whole file mapped, no mutex, prepared statements; built in \
         one transaction without journal and sync"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let flags = sys::SQLITE_OPEN_READWRITE | sys::SQLITE_OPEN_CREATE | sys::SQLITE_OPEN_NOMUTEX;
        let path = dir.join(FILE);
        let db = Connection::open(path.to_str().ok_or("a path that is not UTF-8")?, flags)?;
        db.run(SCHEMA)?;
        let insert = db.prepare(c"INSERT INTO t VALUES (?1, ?2)")?;
        for (key, value) in input.iter() {
            insert.bind(1, key);
            insert.bind(2, value);
            db.check(insert.step())?;
            insert.reset();
        }
        drop(insert);
        db.run(c"COMMIT")
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let path = place.file(FILE);
        let path = path.to_str().ok_or("a path that is not UTF-8")?;
        let table = Table { uri: format!("file:{path}?immutable=1"), idle: Mutex::default() };
        let first = table.connect()?;
        table.idle.lock().map_err(|_| "a reader panicked")?.push(first);
        Ok(Box::new(table))
    }
}

/// A connection belongs to one thread at a time. Sessions give theirs back, so that a lap does not
/// pay for mapping the file anew.
struct Table {
    uri: String,
    idle: Mutex<Vec<Prepared>>,
}

impl Table {
    fn connect(&self) -> Result<Prepared> {
        let flags = sys::SQLITE_OPEN_READONLY | sys::SQLITE_OPEN_URI | sys::SQLITE_OPEN_NOMUTEX;
        let db = Connection::open(&self.uri, flags)?;
        db.run(c"PRAGMA mmap_size=1099511627776")?;
        Ok(Prepared {
            get: db.prepare(c"SELECT v FROM t WHERE k = ?1")?,
            seek: db.prepare(c"SELECT k, v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2")?,
            forward: db.prepare(c"SELECT k, v FROM t ORDER BY k")?,
            backward: db.prepare(c"SELECT k, v FROM t ORDER BY k DESC")?,
            _db: db,
        })
    }
}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        let idle = self.idle.lock().expect("no reader panicked").pop();
        let prepared = idle.unwrap_or_else(|| self.connect().expect("another connection"));
        Reader { table: self, prepared: Some(prepared) }
    }
}

/// Fields drop in this order: the statements before their connection.
struct Prepared {
    get: Statement,
    seek: Statement,
    forward: Statement,
    backward: Statement,
    _db: Connection,
}

// SAFETY: without its mutex a connection may move between threads as long as one at a time uses
// it and its statements, which ownership ensures.
unsafe impl Send for Prepared {}

struct Reader<'s> {
    table: &'s Table,
    /// Always there until drop.
    prepared: Option<Prepared>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let (Some(prepared), Ok(mut idle)) = (self.prepared.take(), self.table.idle.lock()) {
            idle.push(prepared);
        }
    }
}

impl Reader<'_> {
    #[inline]
    fn prepared(&self) -> &Prepared {
        self.prepared.as_ref().expect("there until drop")
    }
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let get = &self.prepared().get;
        get.bind(1, probe.key);
        let answer = (get.step() == sys::SQLITE_ROW).then(|| f(get.column(0)));
        get.reset();
        answer
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let seek = &self.prepared().seek;
        seek.bind(1, probe.key);
        seek.bind_limit(2, limit);
        while seek.step() == sys::SQLITE_ROW {
            f(seek.column(0), seek.column(1));
        }
        seek.reset();
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let prepared = self.prepared();
        let statement = if forward { &prepared.forward } else { &prepared.backward };
        while statement.step() == sys::SQLITE_ROW {
            f(statement.column(0), statement.column(1));
        }
        statement.reset();
    }
}
