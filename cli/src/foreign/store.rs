//! Files of other stores: by which bytes each is known, and what makes a table of it.

use crate::formats::cdb;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at the start of a file that are looked at: the header of a cdb64.
const START: u64 = 4096;
/// Bytes at the end of a file that are looked at. MaxMind's mark lies within them.
const END: u64 = 128 << 10;

/// A store whose files are known by their bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Store {
    Cdb,
    Cdb64,
    Lmdb09,
    Lmdb10,
    LmdbDirectory,
    Sqlite,
    MaxMind,
    SparkeyIndex,
    SparkeyLog,
    LevelDb,
    RocksDb,
    LsmDirectory,
    Parquet,
    BerkeleyDb,
    Gdbm,
}

impl Store {
    /// The store whose files begin with `start`.
    pub(super) fn by_start(start: &[u8]) -> Option<Self> {
        // The byte order of LMDB, Berkeley DB and GDBM is that of the machine that wrote the file.
        let word = |at: usize| {
            let word = start.get(at..at + 4).and_then(|word| word.try_into().ok());
            word.map(|word| [u32::from_le_bytes(word), u32::from_be_bytes(word)])
        };
        let is = |at, magics: &[u32]| {
            word(at).is_some_and(|orders| orders.iter().any(|order| magics.contains(order)))
        };
        Some(match start {
            _ if start.starts_with(b"SQLite format 3\0") => Self::Sqlite,
            // Behind the header of the first page, which depends on the version and on the size of a
            // word.
            _ if is(12, &[LMDB]) || is(16, &[LMDB]) => Self::Lmdb09,
            _ if is(20, &[LMDB]) || is(24, &[LMDB]) => Self::Lmdb10,
            [0x8f, 0x31, 0x11, 0x9a, ..] => Self::SparkeyIndex,
            [0x95, 0x9c, 0xb3, 0x49, ..] => Self::SparkeyLog,
            _ if is(12, &BERKELEY_DB) => Self::BerkeleyDb,
            _ if is(0, &GDBM) => Self::Gdbm,
            _ => match cdb::Layout::of(start)? {
                layout if layout.is_cdb64() => Self::Cdb64,
                _ => Self::Cdb,
            },
        })
    }

    /// The store whose files end with `end`. `start`: their first bytes.
    fn by_end(start: &[u8], end: &[u8]) -> Option<Self> {
        if start.starts_with(b"PAR1") && end.ends_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        if let Some(magic) = end.last_chunk() {
            match u64::from_le_bytes(*magic) {
                LEVELDB_TABLE => return Some(Self::LevelDb),
                magic if ROCKSDB_TABLES.contains(&magic) => return Some(Self::RocksDb),
                _ => {}
            }
        }
        memchr::memmem::rfind(end, MAXMIND).map(|_| Self::MaxMind)
    }

    /// The store of the file or directory at `path`.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let start = if path.is_dir() { Vec::new() } else { start(path)? };
        Self::by_start(&start).or_else(|| Self::at_end(path))
    }

    /// The store of the file at `path`, if its end shows it, or of the directory there.
    pub(super) fn at_end(path: &Path) -> Option<Self> {
        if path.is_dir() {
            let has = |name: &str| path.join(name).is_file();
            return match () {
                () if has("data.mdb") => Some(Self::LmdbDirectory),
                () if has("CURRENT") && has("LOCK") => Some(Self::LsmDirectory),
                () => None,
            };
        }
        Self::by_end(&start(path)?, &end(path)?)
    }

    /// The command that makes the table `out` of `file`. Both are quoted for a shell. `None` where
    /// no program writes what graven reads.
    pub(super) fn command(self, file: &str, out: &str) -> Option<String> {
        Some(match self {
            Self::Cdb | Self::Cdb64 => format!("graven build -i cdb {out} {file}"),
            Self::Lmdb09 | Self::Lmdb10 => {
                format!("mdb_dump -n {file} | graven build -i mdb {out}")
            }
            Self::LmdbDirectory => format!("mdb_dump {file} | graven build -i mdb {out}"),
            Self::BerkeleyDb => format!("db_dump {file} | graven build -i mdb {out}"),
            Self::Sqlite => format!(
                "sqlite3 -csv {file} 'select KEY, VALUE from NAME' | graven build -i csv {out}"
            ),
            Self::Parquet => format!(
                "duckdb -csv -noheader -c \"select KEY, VALUE from read_parquet('FILE')\" | \
                 graven build -i csv {out}"
            ),
            Self::SparkeyIndex | Self::SparkeyLog | Self::LevelDb | Self::RocksDb => return None,
            Self::LsmDirectory | Self::MaxMind | Self::Gdbm => return None,
        })
    }

    /// What to do where there is no command.
    pub(super) fn advice(self) -> String {
        match self {
            Self::SparkeyIndex => "its entries are in the log beside it (.spl): see \
                                   docs/from-sparkey.md"
                .into(),
            Self::SparkeyLog => "docs/from-sparkey.md has the commands that convert it".into(),
            Self::LevelDb | Self::RocksDb | Self::LsmDirectory => {
                "docs/from-rocksdb.md has the commands that convert it".into()
            }
            _ => "export its entries as csv or tsv first".into(),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cdb => "a cdb",
            Self::Cdb64 => "a cdb64",
            Self::Lmdb09 => "a data file of LMDB 0.9",
            Self::Lmdb10 => "a data file of LMDB 1.0",
            Self::LmdbDirectory => "an LMDB environment",
            Self::Sqlite => "a database of SQLite",
            Self::MaxMind => "a database of MaxMind",
            Self::SparkeyIndex => "an index of Sparkey",
            Self::SparkeyLog => "a log of Sparkey",
            Self::LevelDb => "a table file of LevelDB",
            Self::RocksDb => "a table file of RocksDB",
            Self::LsmDirectory => "a database of RocksDB or LevelDB",
            Self::Parquet => "a Parquet file",
            Self::BerkeleyDb => "a database of Berkeley DB",
            Self::Gdbm => "a database of GDBM",
        })
    }
}

/// `MDB_MAGIC` of LMDB's mdb.c.
const LMDB: u32 = 0xBEEF_C0DE;
/// The magic numbers of Berkeley DB: btree, hash, heap, queue.
const BERKELEY_DB: [u32; 4] = [0x05_3162, 0x06_1561, 0x07_4582, 0x04_2253];
/// The magic numbers of GDBM: the first one, those for offsets of 32 and 64 bits, and the same for
/// its numsync format.
const GDBM: [u32; 5] = [0x1357_9ACD, 0x1357_9ACE, 0x1357_9ACF, 0x1357_9AD0, 0x1357_9AD1];
/// What a table of LevelDB ends with.
const LEVELDB_TABLE: u64 = 0xDB47_7524_8B80_FB57;
/// What a table of RocksDB ends with: block-based, plain and cuckoo.
const ROCKSDB_TABLES: [u64; 3] =
    [0x88E2_41B7_85F4_CFF7, 0x8242_2296_63BF_9564, 0x9267_89D0_C5F1_7873];
/// What stands before the metadata of a MaxMind database.
const MAXMIND: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The first bytes of a regular file.
pub(super) fn start(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    regular(path)?.take(START).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The last bytes of a regular file.
fn end(path: &Path) -> Option<Vec<u8>> {
    let mut file = regular(path)?;
    let len = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(len.saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Opens a regular file. Other files may block, or lose what is read.
fn regular(path: &Path) -> Option<File> {
    let open = || -> io::Result<File> {
        match path.metadata()?.is_file() {
            true => File::open(path),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    };
    open().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros with `bytes` at `at`.
    fn page(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut page = vec![0; 4096];
        page[at..at + bytes.len()].copy_from_slice(bytes);
        page
    }

    /// The header of a cdb with one record of 10 bytes, or of a cdb64 with one of 18.
    fn cdb(width: usize) -> Vec<u8> {
        let number = |number: usize| number.to_le_bytes()[..width].to_vec();
        let end = 512 * width + 2 * width + 2;
        let pair = move |table: usize| match table {
            0 => [number(end), number(2)].concat(),
            _ => [number(end + 4 * width), number(0)].concat(),
        };
        (0..256).flat_map(pair).collect()
    }

    #[test]
    fn stores_are_known_by_their_start() {
        let sqlite = b"SQLite format 3\0\x10\0".to_vec();
        for (start, store) in [
            (cdb(4), Store::Cdb),
            (cdb(8), Store::Cdb64),
            (page(16, &LMDB.to_le_bytes()), Store::Lmdb09),
            (page(12, &LMDB.to_le_bytes()), Store::Lmdb09),
            (page(16, &LMDB.to_be_bytes()), Store::Lmdb09),
            (page(24, &LMDB.to_le_bytes()), Store::Lmdb10),
            (sqlite, Store::Sqlite),
            (page(0, &0x9A11_318Fu32.to_le_bytes()), Store::SparkeyIndex),
            (page(0, &0x49B3_9C95u32.to_le_bytes()), Store::SparkeyLog),
            (page(12, &0x05_3162u32.to_le_bytes()), Store::BerkeleyDb),
            (page(12, &0x06_1561u32.to_be_bytes()), Store::BerkeleyDb),
            (page(0, &0x1357_9ACFu32.to_le_bytes()), Store::Gdbm),
        ] {
            assert_eq!(Store::by_start(&start), Some(store));
            // A few bytes less, or more, make another place of the number.
            assert_eq!(Store::by_start(&[&start[..], b"more"].concat()), Some(store));
            assert_eq!(Store::by_start(&start[1..]), None, "{store:?}");
        }
        for start in [&b""[..], b"a\tb\n", &[0; 4096], &[0xff; 4096]] {
            assert_eq!(Store::by_start(start), None);
        }
    }

    #[test]
    fn stores_are_known_by_their_end() {
        let end = |magic: u64| [&b"some block"[..], &magic.to_le_bytes()].concat();
        let maxmind = [&b"data"[..], MAXMIND, b"\xe9metadata"].concat();
        for (start, end, store) in [
            (&b""[..], end(LEVELDB_TABLE), Store::LevelDb),
            (b"", end(0x88E2_41B7_85F4_CFF7), Store::RocksDb),
            (b"", maxmind, Store::MaxMind),
            (b"PAR1", b"PAR1....PAR1".to_vec(), Store::Parquet),
        ] {
            assert_eq!(Store::by_end(start, &end), Some(store));
            let cut = end.len().min(10);
            assert_eq!(Store::by_end(start, &end[..cut]), None, "{store:?}");
        }
        assert_eq!(Store::by_end(b"", b"PAR1....PAR1"), None);
    }
}
