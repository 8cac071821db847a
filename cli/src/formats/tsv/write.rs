//! Lines of tsv on their way out.

use super::MARK;
use crate::unpack;
use std::fmt;
use std::io::{self, Write};

/// How fields are written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// With escapes, as the reader takes them: backslash, TAB, LF, CR and NUL are escaped.
    Escaped,
    /// As they are. A field that a line cannot hold without escapes is an error.
    Plain,
}

impl Form {
    pub(crate) fn new(no_escape: bool) -> Self {
        if no_escape { Self::Plain } else { Self::Escaped }
    }

    /// Writes an entry as a line.
    #[inline]
    pub(crate) fn write_entry(
        self,
        out: &mut impl Write,
        key: &[u8],
        value: &[u8],
    ) -> io::Result<()> {
        match self {
            Self::Escaped => write_entry(out, key, value),
            Self::Plain => {
                plain_key(key)?;
                plain_value(value, Some(key))?;
                out.write_all(key)?;
                out.write_all(b"\t")?;
                out.write_all(value)?;
                out.write_all(b"\n")
            }
        }
    }

    /// Writes a key as a line.
    #[inline]
    pub(crate) fn write_key(self, out: &mut impl Write, key: &[u8]) -> io::Result<()> {
        match self {
            Self::Escaped => write_key_line(out, key),
            Self::Plain => {
                plain_key(key)?;
                out.write_all(key)?;
                out.write_all(b"\n")
            }
        }
    }

    /// Writes a key and the TAB behind it.
    pub(crate) fn write_key_before(self, out: &mut impl Write, key: &[u8]) -> io::Result<()> {
        match self {
            Self::Escaped => write_key(out, key)?,
            Self::Plain => {
                plain_key(key)?;
                out.write_all(key)?;
            }
        }
        out.write_all(b"\t")
    }

    /// Writes a value as a line.
    #[inline]
    pub(crate) fn write_value(self, out: &mut impl Write, value: &[u8]) -> io::Result<()> {
        match self {
            Self::Escaped => write_line(out, value),
            Self::Plain => {
                plain_value(value, None)?;
                out.write_all(value)?;
                out.write_all(b"\n")
            }
        }
    }
}

/// Refuses a key with a TAB or LF, where a reader would end the key too early.
#[inline]
fn plain_key(key: &[u8]) -> io::Result<()> {
    match memchr::memchr2(b'\t', b'\n', key) {
        None => Ok(()),
        Some(at) => Err(Unwritable::within(key[at], format!("key {}", shown(key)))),
    }
}

/// Refuses a value with an LF, where a reader would end the value too early.
#[inline]
fn plain_value(value: &[u8], key: Option<&[u8]>) -> io::Result<()> {
    if memchr::memchr(b'\n', value).is_none() {
        return Ok(());
    }
    let place = match key {
        Some(key) => format!("the value of key {}", shown(key)),
        None => "a value".into(),
    };
    Err(Unwritable::within(b'\n', place))
}

/// A key in a message: escaped, and cut where it is long.
pub(crate) fn shown(key: &[u8]) -> String {
    const MOST: usize = 64;
    match key.get(..MOST) {
        Some(start) => format!("\"{}\"... ({} bytes)", start.escape_ascii(), key.len()),
        None => format!("\"{}\"", key.escape_ascii()),
    }
}

/// The error for a field that a line without escapes cannot hold. An [`io::Error`] contains it.
#[derive(Debug)]
pub(crate) struct Unwritable(String);

impl Unwritable {
    #[cold]
    fn within(byte: u8, place: String) -> io::Error {
        let name = if byte == b'\t' { "TAB" } else { "LF" };
        io::Error::other(Self(format!(
            "a line without escapes cannot hold the {name} in {place}: leave --no-escape out"
        )))
    }
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unwritable {}

/// Writes an entry as a line.
#[inline]
pub(crate) fn write_entry(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    write_key(out, key)?;
    out.write_all(b"\t")?;
    write_line(out, value)
}

/// Writes a key at the start of a line. The first byte is escaped if an input of this line would be
/// taken for something else than text.
#[inline]
pub(crate) fn write_key(out: &mut impl Write, key: &[u8]) -> io::Result<()> {
    match key {
        [first, rest @ ..] if is_mistaken(key) => {
            write!(out, "\\x{first:02x}")?;
            write_field(out, rest)
        }
        key => write_field(out, key),
    }
}

/// Whether an input that begins with this key would be taken for one that begins with a byte order
/// mark, or for a compressed one.
#[inline]
pub(crate) fn is_mistaken(key: &[u8]) -> bool {
    matches!(key, [0x1f | 0x28 | 0x50..=0x5f | 0xef..=0xff, _, ..])
        && (key.starts_with(MARK)
            || matches!(key, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
            || unpack::is_packed(key)
            // The flags of gzip may be the TAB or LF that follows.
            || key.starts_with(b"\x1f\x8b\x08"))
}

/// Writes a key as a line.
#[inline]
pub(crate) fn write_key_line(out: &mut impl Write, key: &[u8]) -> io::Result<()> {
    write_key(out, key)?;
    out.write_all(b"\n")
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
    // This test also finds bytes that need no escape, in a form that compiles to vector
    // instructions.
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
