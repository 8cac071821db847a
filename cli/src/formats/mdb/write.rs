//! Dumps on their way out.

use super::header::Flags;
use crate::formats::tsv::shown;
use data_encoding::HEXLOWER;
use std::collections::HashSet;
use std::io::{self, Write};
use xxhash_rust::xxh3::xxh3_128;

/// Longest key of LMDB, and longest value of a repeated key.
const MOST: usize = 511;
/// The default map size of LMDB, and the smallest that is written.
const MAP: u64 = 10 << 20;

/// Checks entries, and writes them as a dump.
pub(crate) struct Writer {
    flags: Flags,
    /// Whether keys repeat.
    repeats: bool,
    /// The entry before.
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    /// Hashes of the values of the current key, if it is repeated.
    values: HashSet<u128>,
    /// Length of the keys of a database with `integerkey`.
    key_len: Option<usize>,
    /// An upper bound of the pages that the entries take in LMDB, in bytes.
    bytes: u64,
}

impl Writer {
    /// A writer for a table with this value of the metadata [`FLAGS`](super::FLAGS).
    pub(crate) fn new(flags: Option<&[u8]>) -> Self {
        Self {
            flags: flags.map(Flags::from_metadata).unwrap_or_default(),
            repeats: false,
            key: None,
            value: Vec::new(),
            values: HashSet::new(),
            key_len: None,
            bytes: 0,
        }
    }

    /// Says why LMDB cannot hold an entry, if it cannot. All entries are checked before the first is
    /// written, in order.
    pub(crate) fn holds(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let at = |what: String| Err(format!("key {}: {what}", shown(key)));
        if key.is_empty() {
            return at("LMDB has no empty key".into());
        }
        if key.len() > MOST {
            return at(format!("{} bytes, and LMDB's keys have at most {MOST}", key.len()));
        }
        if self.flags.has(Flags::INTEGERKEY) {
            let len = *self.key_len.get_or_insert(key.len());
            if len != key.len() || !matches!(len, 4 | 8) {
                let what = "bytes, and the keys of an LMDB database with integerkey all have 4, or \
                            all have 8";
                return at(format!("{} {what}", key.len()));
            }
        }
        let repeated = self.key.as_deref() == Some(key);
        if self.flags.has(Flags::DUPSORT) || repeated {
            let longest = value.len().max(if repeated { self.value.len() } else { 0 });
            if longest > MOST {
                let what = "bytes, and LMDB's values of a key that may repeat have at most";
                return at(format!("a value of {longest} {what} {MOST}"));
            }
        }
        if repeated {
            if self.values.is_empty() {
                self.values.insert(xxh3_128(&self.value));
            }
            // mdb_load drops such values without a word.
            if value.is_empty() || self.value.is_empty() {
                return at("a repeated key with an empty value, which LMDB cannot hold".into());
            }
            if !self.values.insert(xxh3_128(value)) {
                let value = shown(value);
                return at(format!("value {value} twice, and LMDB holds it once"));
            }
            self.repeats = true;
        } else {
            self.values.clear();
            let before = self.key.get_or_insert_default();
            before.clear();
            before.extend_from_slice(key);
        }
        self.value.clear();
        // Of a longer value, only the length matters, and only that it is too long.
        self.value.extend_from_slice(&value[..value.len().min(MOST + 1)]);
        // Beside key and value, a node has a header of 8 bytes and an index of 2. Pages are half full
        // at worst; a large value has pages of its own.
        let entry = (key.len() + value.len()) as u64 + 16;
        self.bytes += entry * if value.len() > 1024 { 3 } else { 2 };
        Ok(())
    }

    /// Writes the header. `db_pagesize` is not in it: mdb_load of LMDB 0.9 complains of it.
    pub(crate) fn begin(&self, out: &mut impl Write) -> io::Result<()> {
        // Each transaction of mdb_load needs some pages more.
        let map = match self.bytes {
            few if few <= MAP / 2 => MAP,
            many => (many + MAP).next_multiple_of(1 << 20),
        };
        out.write_all(b"VERSION=3\nformat=bytevalue\ntype=btree\n")?;
        writeln!(out, "mapsize={map}\nmaxreaders=126")?;
        let flags = match self.repeats {
            true => self.flags.with(Flags::DUPSORT),
            false => self.flags,
        };
        for name in flags.names() {
            writeln!(out, "{name}=1")?;
        }
        out.write_all(b"HEADER=END\n")
    }

    /// Writes an entry.
    pub(crate) fn entry(&self, out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.flags.has(Flags::INTEGERKEY) {
            let mut little_endian = key.to_vec();
            little_endian.reverse();
            field(out, &little_endian)?;
        } else {
            field(out, key)?;
        }
        field(out, value)
    }

    /// Writes the end.
    pub(crate) fn finish(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"DATA=END\n")
    }
}

/// Writes a key or value as a line.
fn field(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut digits = [0; 1024];
    out.write_all(b" ")?;
    for piece in bytes.chunks(digits.len() / 2) {
        let digits = &mut digits[..2 * piece.len()];
        HEXLOWER.encode_mut(piece, digits);
        out.write_all(digits)?;
    }
    out.write_all(b"\n")
}
