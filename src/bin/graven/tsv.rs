//! Lines of key, TAB, value. The first raw TAB divides; a backslash escapes.
//!
//! Written are `\\ \t \n \r \0` and every other byte as it is; read are also `\xHH`.

use crate::input::{Entry, InputError, Lines};
use std::io::{self, Read, Write};

/// Entries of a tsv input.
pub(crate) struct Reader<R> {
    lines: Lines<R>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { lines: Lines::new(source), key: Vec::new(), value: Vec::new() }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let first = self.lines.number() == 0;
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let Some(tab) = memchr::memchr(b'\t', line) else {
            return Err(InputError::Malformed(without_tab(line, first)));
        };
        let key = unescape(&line[..tab], &mut self.key)?;
        let value = unescape(&line[tab + 1..], &mut self.value)?;
        Ok(Some((key, value)))
    }

    /// The number of the line that [`next`](Self::next) was at, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines.number()
    }

    /// Bytes behind us.
    pub(crate) fn taken(&self) -> u64 {
        self.lines.taken()
    }
}

/// Why a line without TAB may have none.
#[cold]
fn without_tab(line: &[u8], first: bool) -> String {
    // What is no text at all shows at its start.
    let hint = match line {
        _ if !first => "",
        [0x1f, 0x8b, ..] => ": it is compressed by gzip, use zcat IN | graven build OUT",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ": it is compressed by zstd, use zstdcat IN | graven build OUT"
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            ": it is compressed by xz, use xzcat IN | graven build OUT"
        }
        [0x89, b'G', b'R', b'V', ..] => ": it is a graven table, graven dump writes its entries",
        // Two lengths, the first of which is below 65,536.
        [_, _, 0, 0, _, _, _, _, ..] => ": it looks like raw, which -i raw reads",
        _ => "",
    };
    format!("no TAB between key and value{hint}")
}

/// The bytes that a field stands for: the field itself unless it holds a backslash.
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

/// Appends what `field` stands for; its first backslash is at `at`.
fn decode(field: &[u8], at: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let (plain, mut rest) = field.split_at(at);
    out.extend_from_slice(plain);
    while let [b'\\', escaped @ ..] = rest {
        let (byte, after) = match escaped {
            [b'\\', after @ ..] => (b'\\', after),
            [b't', after @ ..] => (b'\t', after),
            [b'n', after @ ..] => (b'\n', after),
            [b'r', after @ ..] => (b'\r', after),
            [b'0', after @ ..] => (0, after),
            [b'x', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => return Err("\\x without two hexadecimal digits".into()),
            },
            [b'x', ..] => return Err("\\x without two hexadecimal digits".into()),
            [other, ..] => return Err(format!("unknown escape \\{}", other.escape_ascii())),
            [] => return Err("a backslash at the end of a field".into()),
        };
        out.push(byte);
        let plain = memchr::memchr(b'\\', after).unwrap_or(after.len());
        out.extend_from_slice(&after[..plain]);
        rest = &after[plain..];
    }
    Ok(())
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).map(|digit| digit as u8)
}

/// Writes an entry as a line.
#[inline]
pub(crate) fn write_entry(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    write_field(out, key)?;
    out.write_all(b"\t")?;
    write_line(out, value)
}

/// Writes one field as a line.
#[inline]
pub(crate) fn write_line(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    write_field(out, field)?;
    out.write_all(b"\n")
}

/// Writes a field, escaped where it must be.
#[inline]
pub(crate) fn write_field(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    // A superset of what is escaped, in a form that compiles to vector instructions.
    let suspicious = |&byte: &u8| (byte < 14) | (byte == b'\\');
    if !field.iter().fold(false, |any, byte| any | suspicious(byte)) {
        return out.write_all(field);
    }
    write_escaped(out, field)
}

#[cold]
fn write_escaped(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    let mut rest = field;
    while let Some((at, escape)) = rest.iter().enumerate().find_map(|(at, &byte)| {
        let escape = escape(byte)?;
        Some((at, escape))
    }) {
        out.write_all(&rest[..at])?;
        out.write_all(escape)?;
        rest = &rest[at + 1..];
    }
    out.write_all(rest)
}

#[inline]
fn escape(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'\\' => Some(b"\\\\"),
        b'\t' => Some(b"\\t"),
        b'\n' => Some(b"\\n"),
        b'\r' => Some(b"\\r"),
        0 => Some(b"\\0"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "tsv/tests.rs"]
mod tests;
