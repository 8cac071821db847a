//! The text that `mdb_dump` writes and `mdb_load` reads, of LMDB 0.9 and 1.0. Berkeley DB's
//! `db_dump` writes the same.
//!
//! An input has one or more sections: a header, then a line for each key and each value, both with a
//! space in front, then `DATA=END`.

mod field;
mod header;
mod write;

use super::tsv::shown;
use crate::foreign::Foreign;
use crate::input::{Entry, InputError, MAX_KEY};
use crate::lines::{Line, Lines};
use field::Source;
pub(crate) use header::Flags;
use header::{Encoding, Header, naming};
use std::io::Read;
pub(crate) use write::Writer;

/// The metadata key under which a table has the flags of the database that it was built from.
pub(crate) const FLAGS: &str = "mdb.flags";
/// The first line of a dump, without the number.
const VERSION: &[u8] = b"VERSION=";

/// Whether an input begins as a dump does.
pub(crate) fn is_dump(start: &[u8]) -> bool {
    start.starts_with(VERSION)
}

/// Entries of one database of a dump.
pub(crate) struct Reader<R> {
    source: Source<R>,
    /// The database that the user chose.
    wanted: Option<Vec<u8>>,
    /// The section that is read.
    section: Option<Header>,
    /// The first section that was read. Further ones of the same name belong to it.
    first: Option<Header>,
    /// Names of the sections that were passed over, each once.
    others: Vec<Vec<u8>>,
    /// The line of the current entry's key, if the key is malformed.
    bad_key: Option<u64>,
    /// The first line of the main database with the record of a named one.
    named: Option<u64>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A reader of the database `wanted`, or of the only one.
    pub(crate) fn new(source: R, wanted: Option<Vec<u8>>) -> Self {
        let lines = Lines::new(source);
        Self {
            source: Source { lines, encoding: Encoding::Bytevalue, lone_backslash: None },
            wanted,
            section: None,
            first: None,
            others: Vec::new(),
            bad_key: None,
            named: None,
            key: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The flags of the database. Reads up to the end of its header.
    pub(crate) fn flags(&mut self) -> Result<Flags, InputError> {
        if self.first.is_none() {
            self.enter()?;
        }
        Ok(self.first.as_ref().map(|header| header.flags).unwrap_or_default())
    }

    /// The next entry, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let (flags, main, whole) = loop {
            let Some(Header { flags, name, .. }) = &self.section else {
                if self.enter()? {
                    continue;
                }
                return Ok(None);
            };
            let (flags, main) = (*flags, name.is_empty());
            match self.source.lines.next()? {
                Some(Line::Whole([b' ', ..])) => break (flags, main, true),
                Some(Line::Start([b' ', ..])) => break (flags, main, false),
                Some(Line::Whole(b"DATA=END")) => self.section = None,
                line => return Err(unexpected(line)),
            }
        };
        let read = if whole { self.read_key(flags) } else { Err(too_long()) };
        self.bad_key = read.is_err().then(|| self.source.lines.number());
        // Whatever the key is like, the next line is its value.
        let Self { source, key, value, .. } = self;
        let long = match source.lines.next()? {
            Some(Line::Whole([b' ', ..])) => false,
            Some(Line::Start([b' ', ..])) => true,
            line => return Err(unexpected(line)),
        };
        read?;
        if long {
            source.lines.take(1);
            return Ok(Some(Entry::Long(key, source)));
        }
        source.field(value)?;
        if main && is_record(value) {
            self.named.get_or_insert(source.lines.number());
        }
        Ok(Some(Entry::Whole(key, value)))
    }

    /// Decodes the key in the current line.
    fn read_key(&mut self, flags: Flags) -> Result<(), InputError> {
        let key = &mut self.key;
        self.source.field(key)?;
        if key.len() > MAX_KEY {
            let what = format!("key of {} bytes, at most {MAX_KEY} are allowed", key.len());
            return Err(InputError::Malformed(what));
        }
        if flags.has(Flags::INTEGERKEY) {
            big_endian(key)?;
        }
        Ok(())
    }

    /// Goes to the first entry of the next section of the database. False at the end of the input.
    #[cold]
    fn enter(&mut self) -> Result<bool, InputError> {
        while let Some(header) = self.header()? {
            let wanted = match (&self.wanted, &self.first) {
                (Some(name), _) => *name == header.name,
                (None, Some(first)) => first.name == header.name,
                (None, None) => true,
            };
            if !wanted {
                if !self.others.contains(&header.name) {
                    self.others.push(header.name);
                }
                self.pass_over()?;
                continue;
            }
            let first = self.first.get_or_insert_with(|| header.clone());
            if first.flags != header.flags {
                let what = "two sections of the same database with different flags";
                return Err(InputError::Broken(what.into()));
            }
            self.source.encoding = header.encoding;
            self.section = Some(header);
            return Ok(true);
        }
        let names = self.others.iter().map(|name| naming(name)).collect::<Vec<_>>().join(", ");
        match (&self.wanted, &self.first) {
            (None, Some(first)) if !self.others.is_empty() => {
                let first = naming(&first.name);
                let what = format!("has several databases, {first}, {names}: name one with --db");
                Err(InputError::Broken(what))
            }
            (Some(name), None) => {
                let what = format!("has no database {}, but {names}", naming(name));
                Err(InputError::Broken(what))
            }
            _ => Ok(false),
        }
    }

    /// The header of the next section, or none at the end of the input.
    fn header(&mut self) -> Result<Option<Header>, InputError> {
        let lines = &mut self.source.lines;
        let mut header = Header::new();
        let begin = lines.next()?.map(|line| matches!(line, Line::Whole(line) if is_dump(line)));
        if begin.is_none() && lines.number() > 0 {
            return Ok(None);
        }
        if begin != Some(true) {
            let foreign = Foreign::of(lines.in_memory()).filter(|_| lines.number() <= 1);
            let what = "\"VERSION=\" is expected, with which the output of mdb_dump starts";
            return Err(InputError::Broken(what.into()).or(foreign));
        }
        header.take(lines.line()).map_err(InputError::Broken)?;
        loop {
            match lines.next()? {
                Some(Line::Whole(b"HEADER=END")) => return Ok(Some(header)),
                Some(Line::Whole(line)) => header.take(line).map_err(InputError::Broken)?,
                Some(Line::Start(_)) => {
                    return Err(InputError::Broken("a line too long for a header".into()));
                }
                None => {
                    let what = "cut short: \"HEADER=END\" is missing";
                    return Err(InputError::Broken(what.into()));
                }
            }
        }
    }

    /// Skips the entries of a section.
    fn pass_over(&mut self) -> Result<(), InputError> {
        loop {
            match self.source.lines.next()? {
                Some(Line::Whole([b' ', ..]) | Line::Start([b' ', ..])) => {}
                Some(Line::Whole(b"DATA=END")) => return Ok(()),
                line => return Err(unexpected(line)),
            }
        }
    }

    /// The number of the line that [`next`](Self::next) was at, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.bad_key.unwrap_or(self.source.lines.number()).max(1)
    }

    /// What the user should know of an input that was read to its end.
    pub(crate) fn warning(&self) -> Option<String> {
        let Some(line) = self.source.lone_backslash else {
            let line = self.named?;
            return Some(format!(
                "line {line} has the record of a named database as its value: mdb_dump -s NAME writes \
                 the entries of that database, and mdb_dump -l writes the names"
            ));
        };
        Some(format!(
            "line {line} has a backslash that escapes nothing, which was taken as it is: the \
             mdb_dump that wrote it writes different bytes alike with -p; use mdb_dump without -p"
        ))
    }
}

/// The error for a line that is neither a key or value nor the end of a section.
fn unexpected(line: Option<Line<'_>>) -> InputError {
    InputError::Broken(match line {
        None => "cut short: \"DATA=END\" is missing".into(),
        Some(Line::Whole(b"DATA=END")) => "a key without a value".into(),
        Some(Line::Whole(line) | Line::Start(line)) => {
            let start = shown(&line[..line.len().min(20)]);
            format!("a space is expected before a key or value, or \"DATA=END\", not {start}")
        }
    })
}

/// The error for a line that no key fills.
fn too_long() -> InputError {
    InputError::Malformed(format!("a line too long for a key, which has at most {MAX_KEY} bytes"))
}

/// Turns a key of a database with `integerkey` from little-endian to big-endian or back, so that
/// the order of its bytes is the order of its number.
fn big_endian(key: &mut [u8]) -> Result<(), InputError> {
    if !matches!(key.len(), 4 | 8) {
        let what = format!("key of {} bytes, and integerkey=1 means 4 or 8", key.len());
        return Err(InputError::Malformed(what));
    }
    key.reverse();
    Ok(())
}

/// Whether a value of the main database is the record of a named one: LMDB's `MDB_db`, as a machine
/// of 64 bits writes it.
fn is_record(value: &[u8]) -> bool {
    /// The flags that a database keeps, of `MDB_REVERSEKEY` to `MDB_REVERSEDUP`.
    const FLAGS: u64 = 0x7e;
    /// `CURSOR_STACK`, the largest depth of a tree.
    const DEPTH: u64 = 32;
    if value.len() != 48 {
        return false;
    }
    let number = |at: usize, len: usize| {
        value[at..at + len].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    let (flags, depth, leaves, root) = (number(4, 2), number(6, 2), number(16, 8), number(40, 8));
    let tree = match depth {
        0 => root == u64::MAX,
        depth => depth <= DEPTH && leaves > 0 && root < 1 << 48,
    };
    flags & !FLAGS == 0 && tree
}

#[cfg(test)]
#[path = "mdb/tests.rs"]
mod tests;
