//! Lines of keys with the escapes of tsv. The values are empty.

use super::tsv::{self, Text, shown};
use crate::foreign::Foreign;
use crate::input::{Entry, InputError};
use crate::lines::{Line, Lines};
use std::io::{Read, Write};

/// Entries of an input of keys.
pub(crate) struct Reader<R> {
    lines: Lines<R>,
    text: Text,
    /// The other format that the input seems to have. It is reported only if the input is
    /// malformed.
    foreign: Option<Foreign>,
    key: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R, text: Text) -> Self {
        Self { lines: Lines::new(source), text, foreign: None, key: Vec::new() }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let first = self.lines.number() == 0;
        let len = match self.lines.next()? {
            None => return Ok(None),
            Some(Line::Whole(line)) => Some(line.len()),
            Some(Line::Start(_)) => None,
        };
        if first && self.begin()? {
            return Ok(None);
        }
        let Self { lines, text, foreign, key } = self;
        let malformed = |what: String| InputError::Malformed(what).or(*foreign);
        let most = text.longest_key();
        // A line may be longer than the longest key by its CR and a byte order mark.
        let Some(len) = len else {
            return Err(malformed(format!(
                "more than {most} bytes in a line, and no key is longer"
            )));
        };
        let line = &lines.in_memory()[..len];
        let line = text.line(line, first).map_err(|error| error.or(*foreign))?;
        if !text.no_escape && memchr::memchr(b'\t', line).is_some() {
            let what = "a raw TAB in a key, which is written \\t (-i tsv reads keys with values)";
            return Err(malformed(what.into()));
        }
        let key = text.field(line, key).map_err(|error| error.or(*foreign))?;
        Ok(Some(Entry::Whole(key, b"")))
    }

    /// Checks the start of the input. True if the input is only a byte order mark that is left out.
    #[cold]
    fn begin(&mut self) -> Result<bool, InputError> {
        let start = self.lines.in_memory();
        // Every line is a key, so nothing further down would give another format away.
        if let Some(foreign) = Foreign::certain(start) {
            return Err(InputError::Foreign(foreign));
        }
        self.foreign = Foreign::of(start);
        self.text.check_start(start)?;
        Ok(self.text.is_mark(start))
    }

    /// The number of the line that [`next`](Self::next) was at, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines.number()
    }
}

/// Writes keys as lines.
pub(crate) struct Writer {
    no_escape: bool,
    line: Vec<u8>,
    /// Whether nothing was written yet.
    first: bool,
}

impl Writer {
    pub(crate) fn new(no_escape: bool) -> Self {
        Self { no_escape, line: Vec::new(), first: true }
    }

    /// Says why a line cannot hold an entry, if it cannot.
    pub(crate) fn holds(&self, key: &[u8], value: &[u8]) -> Result<(), String> {
        if !value.is_empty() {
            let what = "has a value, and lines holds keys alone (scan --keys prints them)";
            return Err(format!("key {} {what}", shown(key)));
        }
        if self.no_escape && memchr::memchr(b'\n', key).is_some() {
            return Err(format!("a line without escapes cannot hold the LF in key {}", shown(key)));
        }
        Ok(())
    }

    /// A line without its LF.
    pub(crate) fn line(&mut self, key: &[u8]) -> &[u8] {
        let Self { no_escape, line, first } = self;
        let first = std::mem::take(first);
        line.clear();
        // Writing to memory cannot fail.
        let _ = match key {
            key if *no_escape => line.write_all(key),
            // The output must not be taken for another format.
            [byte, rest @ ..] if first && Foreign::may_begin(key) => {
                write!(line, "\\x{byte:02x}").and_then(|()| tsv::write_field(line, rest))
            }
            key => tsv::write_key(line, key),
        };
        line
    }
}
