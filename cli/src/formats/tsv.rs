//! Lines of key, TAB, value. The first raw TAB divides; a backslash escapes.
//!
//! The writer uses the escapes `\\ \t \n \r \0` and writes every other byte as it is. The reader
//! also takes `\xHH`. Without escapes a backslash is a byte like any other.

mod text;
mod value;
mod write;

use crate::foreign::{self, Foreign};
use crate::input::{Entry, InputError, MAX_KEY};
use crate::lines::{Line, Lines};
use std::io::Read;
pub(crate) use text::{Text, Unusual};
use value::Source;
pub(crate) use write::{Form, Unwritable, is_mistaken, shown, write_field, write_key};

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Entries of a tsv input.
pub(crate) struct Reader<R> {
    source: Source<R>,
    /// The other format that the input seems to have. It is reported only if the input is
    /// malformed.
    foreign: Option<Foreign>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R, text: Text) -> Self {
        let source = Source { lines: Lines::new(source), text };
        Self { source, foreign: None, key: Vec::new(), value: Vec::new() }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let first = self.source.lines.number() == 0;
        let line = match self.source.lines.next()? {
            None => return Ok(None),
            // `long` borrows the lines again, so it looks up the start itself.
            Some(Line::Start(_)) => return self.long(first).map(Some),
            Some(Line::Whole(line)) => line.len(),
        };
        if first && self.begin()? {
            return Ok(None);
        }
        let Self { source: Source { lines, text }, foreign, key, value } = self;
        let instead = |error| instead(error, *foreign);
        let line = text.line(&lines.in_memory()[..line], first).map_err(instead)?;
        let Some(tab) = memchr::memchr(b'\t', line) else {
            let what = format!("no TAB between key and value{}", hint(line, first));
            return Err(instead(InputError::Malformed(what)));
        };
        let key = text.field(&line[..tab], key).map_err(instead)?;
        let value = text.field(&line[tab + 1..], value).map_err(instead)?;
        Ok(Some(Entry::Whole(key, value)))
    }

    /// Checks the start of the input. True if the input is only a byte order mark that is left out.
    #[cold]
    fn begin(&mut self) -> Result<bool, InputError> {
        let start = self.source.lines.in_memory();
        self.foreign = Foreign::of(start);
        self.source.text.check_start(start)?;
        Ok(self.source.text.is_mark(start))
    }

    /// An entry whose line is too long to be held in memory: its value is handed on as a stream.
    #[cold]
    fn long(&mut self, first: bool) -> Result<Entry<'_>, InputError> {
        if first {
            self.begin()?;
            if self.source.text.bom == Unusual::Strip
                && self.source.lines.in_memory().starts_with(MARK)
            {
                self.source.lines.take(MARK.len());
            }
        }
        let most = self.source.text.longest_key();
        let start = self.source.lines.in_memory();
        let Some(tab) = memchr::memchr(b'\t', &start[..=most]) else {
            let hint = hint(start, first);
            let what =
                format!("no TAB in the first {most} bytes of a line, and no key is longer{hint}");
            return Err(instead(InputError::Malformed(what), self.foreign));
        };
        let key = self.source.text.field(&start[..tab], &mut self.value);
        self.key = key.map_err(|error| instead(error, self.foreign))?.to_vec();
        self.source.lines.take(tab + 1);
        Ok(Entry::Long(&self.key, &mut self.source))
    }

    /// The number of the line that [`next`](Self::next) was at, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.source.lines.number()
    }
}

/// What is added to the error about a line without a TAB: the format that the line looks like. Only
/// the first line of an input tells, since a later one is an exception among lines with a TAB.
#[cold]
fn hint(line: &[u8], first: bool) -> &'static str {
    if !first {
        ""
    } else if line.trim_ascii_start().starts_with(b"{") {
        " (it looks like JSON, which -i jsonl reads)"
    } else if line.contains(&b',') {
        " (it looks like csv, which -i csv reads)"
    } else {
        ""
    }
}

/// The error of an input: if it is malformed and seems to have another format, the other format is
/// reported instead.
#[cold]
fn instead(error: InputError, foreign: Option<Foreign>) -> InputError {
    match (error, foreign) {
        (InputError::Malformed(_), Some(foreign)) => InputError::Foreign(foreign),
        (error, _) => error,
    }
}

impl Text {
    /// The longest field that may stand for a key.
    pub(crate) fn longest_key(self) -> usize {
        if self.no_escape { MAX_KEY } else { MAX_KEY * b"\\xHH".len() }
    }

    /// Refuses an input by its first bytes. `start` has at least the first line, unless that line
    /// is a long one.
    #[cold]
    pub(crate) fn check_start(self, start: &[u8]) -> Result<(), InputError> {
        if self.bom == Unusual::Keep {
            return Ok(());
        }
        if let Some(order) = foreign::utf16(start) {
            return Err(InputError::Foreign(Foreign::Utf16(order)));
        }
        if self.bom == Unusual::Error && start.starts_with(MARK) {
            let what = "a byte order mark before the first key: --bom strip takes it off, --bom \
                        keep leaves it in the key";
            return Err(InputError::Malformed(what.into()));
        }
        Ok(())
    }

    /// Whether an input that begins with `start` is only a byte order mark that is left out.
    #[cold]
    pub(crate) fn is_mark(self, start: &[u8]) -> bool {
        self.bom == Unusual::Strip && start == MARK
    }

    /// A line without the byte order mark and the CR that a Windows program adds, if they are to be
    /// stripped. `first`: it is the first line of its input.
    #[inline]
    pub(crate) fn line(self, mut line: &[u8], first: bool) -> Result<&[u8], InputError> {
        if first && self.bom == Unusual::Strip {
            line = line.strip_prefix(MARK).unwrap_or(line);
        }
        match line {
            [before @ .., b'\r'] => {
                self.carriage_return().map(|kept| if kept { line } else { before })
            }
            line => Ok(line),
        }
    }

    /// Whether a CR before the LF is part of the line.
    #[cold]
    fn carriage_return(self) -> Result<bool, InputError> {
        match self.crlf {
            Unusual::Strip => Ok(false),
            Unusual::Keep => Ok(true),
            Unusual::Error => {
                let what = "a CR before the LF: --crlf strip takes it off, --crlf keep makes it a \
                            byte of the entry";
                Err(InputError::Malformed(what.into()))
            }
        }
    }

    /// The bytes that a field stands for.
    #[inline]
    pub(crate) fn field<'a>(
        self,
        field: &'a [u8],
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], InputError> {
        if self.no_escape {
            return Ok(field);
        }
        unescape(field, scratch)
    }
}

/// The bytes that a field with escapes stands for: the field itself unless it holds a backslash.
#[inline]
pub(crate) fn unescape<'a>(
    field: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], InputError> {
    match memchr::memchr(b'\\', field) {
        None => Ok(field),
        Some(first) => {
            scratch.clear();
            decode(field, first, scratch).map_err(InputError::Malformed)?;
            Ok(scratch)
        }
    }
}

/// Appends the bytes that `field` stands for. The first backslash of `field` is at `at`.
fn decode(field: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let (plain, mut rest) = field.split_at(at);
    out.extend_from_slice(plain);
    while let [b'\\', ..] = rest {
        let Some((byte, len)) = escaped(rest)? else { return Err(unfinished(rest)) };
        out.push(byte);
        let after = &rest[len..];
        let plain = memchr::memchr(b'\\', after).unwrap_or(after.len());
        out.extend_from_slice(&after[..plain]);
        rest = &after[plain..];
    }
    Ok(())
}

/// The byte that the escape at the start of `text` stands for, and the length of the escape. `None`
/// if `text` ends inside the escape.
fn escaped(text: &[u8]) -> Result<Option<(u8, usize)>, String> {
    let byte = match text {
        [_, b'\\', ..] => b'\\',
        [_, b't', ..] => b'\t',
        [_, b'n', ..] => b'\n',
        [_, b'r', ..] => b'\r',
        [_, b'0', ..] => 0,
        [_, b'x', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => return Ok(Some((high << 4 | low, 4))),
            _ => return Err(unfinished(text)),
        },
        [_, b'x', ..] => return Ok(None),
        [_, other, ..] => return Err(format!("unknown escape \\{}", other.escape_ascii())),
        _ => return Ok(None),
    };
    Ok(Some((byte, 2)))
}

/// The error text for an escape that is cut short, or whose digits are not hexadecimal.
fn unfinished(text: &[u8]) -> String {
    match text {
        [_] => "a backslash at the end of a field".into(),
        _ => "\\x without two hexadecimal digits".into(),
    }
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
#[path = "tsv/tests.rs"]
mod tests;
