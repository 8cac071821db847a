//! Lines of JSON objects. A line is an entry.
//!
//! In the form of its own, a line is `{"k":"…","v":"…"}`; bytes that are not UTF-8 stand in Base64
//! under `k_b64` and `v_b64`. With `--key FIELD`, a line is any object. Its value is the line, byte
//! for byte, or one of its fields. A line is held in memory. Empty lines and a byte order mark are
//! left out.

mod object;

use super::fields::Fields;
use crate::args::base64;
use crate::foreign::{self, Foreign};
use crate::input::{Entry, InputError};
use crate::lines::{Line, Lines};
use data_encoding::BASE64;
use object::{Object, bytes};
use serde_json::value::RawValue;
use std::io::Read;

/// Most bytes of a line: the Base64 of an entry of the longest lengths, and a little.
const MOST: u64 = 6 << 30;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Entries of a jsonl input.
pub(crate) struct Reader<R> {
    lines: Lines<R>,
    fields: Fields,
    /// A line that is too long for the window.
    long: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R, fields: Fields) -> Self {
        let (long, key, value) = (Vec::new(), Vec::new(), Vec::new());
        Self { lines: Lines::new(source), fields, long, key, value }
    }

    /// The next entry, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let (in_window, len) = loop {
            let first = self.lines.number() == 0;
            let (in_window, len) = match self.lines.next()? {
                None => return Ok(None),
                Some(Line::Whole(line)) => (true, line.len()),
                Some(Line::Start(_)) => {
                    self.gather(MOST)?;
                    (false, self.long.len())
                }
            };
            let mut line = if in_window { &self.lines.in_memory()[..len] } else { &self.long };
            if first {
                line = line.strip_prefix(MARK).unwrap_or(line);
            }
            if line.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
                break (in_window, len);
            }
        };
        let Self { lines, fields, long, key, value } = self;
        let first = lines.number() == 1;
        let start = lines.in_memory();
        let mut line = if in_window { &start[..len] } else { &long[..] };
        if first {
            line = line.strip_prefix(MARK).unwrap_or(line);
        }
        // The CR belongs to the line end.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let found = entry(line, fields, key, value);
        found.map(|(key, value)| Some(Entry::Whole(key, value))).map_err(|what| match first {
            true => misplaced(if in_window { start } else { long }, what),
            false => InputError::Malformed(what),
        })
    }

    /// Reads a long line of `most` bytes at most. Its first byte shows early whether it can be an
    /// object at all.
    #[cold]
    fn gather(&mut self, most: u64) -> Result<(), InputError> {
        self.long.clear();
        let (start, _) = self.lines.rest();
        let text = start.strip_prefix(MARK).unwrap_or(start).trim_ascii_start();
        if !text.starts_with(b"{") {
            let what = "a long line that is no object (one object on a line, as jq -c writes it)";
            return Err(match self.lines.number() {
                1 => misplaced(self.lines.in_memory(), what.into()),
                _ => InputError::Malformed(what.into()),
            });
        }
        loop {
            let (bytes, whole) = self.lines.rest();
            let len = bytes.len();
            if (self.long.len() + len) as u64 > most {
                return Err(InputError::Malformed("a line longer than any entry".into()));
            }
            self.long.try_reserve(len).map_err(|_| InputError::no_memory())?;
            self.long.extend_from_slice(bytes);
            self.lines.take(len);
            if whole {
                return Ok(());
            }
            self.lines.more()?;
        }
    }

    /// The number of the line that [`next`](Self::next) was at, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.lines.number()
    }
}

/// The error for a malformed first line: the input may be something else altogether.
#[cold]
fn misplaced(start: &[u8], what: String) -> InputError {
    if let Some(order) = foreign::utf16_of_fields(start, b':') {
        return InputError::Broken(foreign::convert(order));
    }
    InputError::Malformed(what).or(Foreign::of(start))
}

/// The key and the value that a line stands for, or what is wrong with it.
fn entry<'a>(
    line: &'a [u8],
    fields: &Fields,
    key: &'a mut Vec<u8>,
    value: &'a mut Vec<u8>,
) -> Result<(&'a [u8], &'a [u8]), String> {
    let text = std::str::from_utf8(line)
        .map_err(|error| format!("no UTF-8 at byte {} of the line", error.valid_up_to() + 1))?;
    let Some(name) = &fields.key else {
        let [k, k_b64, v, v_b64] =
            Object { names: ["k", "k_b64", "v", "v_b64"], closed: true }.read(text)?;
        return Ok((own("k", k, k_b64, key)?, own("v", v, v_b64, value)?));
    };
    let value_name = fields.value.first();
    let (of_key, of_value) = match value_name {
        Some(value_name) if value_name != name => {
            let [of_key, of_value] =
                Object { names: [name, value_name], closed: false }.read(text)?;
            (of_key, of_value)
        }
        // One field is both, or the line is the value.
        _ => {
            let [of_key] = Object { names: [name], closed: false }.read(text)?;
            (of_key, of_key)
        }
    };
    let missing = |name: &str| format!("no field \"{}\"", name.escape_debug());
    let of_key = of_key.ok_or_else(|| missing(name))?;
    if of_key.get().starts_with(['{', '[', 'n']) {
        let what = format!("field \"{}\" is no string, number or boolean", name.escape_debug());
        return Err(format!("{what}, so it cannot be the key"));
    }
    let key = bytes(of_key, key)?;
    match value_name {
        None => Ok((key, line)),
        Some(name) => Ok((key, bytes(of_value.ok_or_else(|| missing(name))?, value)?)),
    }
}

/// The bytes of a field of the own form: a string, or the Base64 of what is not UTF-8.
fn own<'a>(
    name: &str,
    plain: Option<&'a RawValue>,
    b64: Option<&'a RawValue>,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], String> {
    let (raw, is_plain) = match (plain, b64) {
        (Some(raw), None) => (raw, true),
        (None, Some(raw)) => (raw, false),
        (None, None) => {
            return Err(format!("no field \"{name}\" (--key names the field of the key)"));
        }
        (Some(_), Some(_)) => return Err(format!("both \"{name}\" and \"{name}_b64\"")),
    };
    if !raw.get().starts_with('"') {
        let name = if is_plain { name.to_owned() } else { format!("{name}_b64") };
        return Err(format!("field \"{name}\" is no string"));
    }
    if is_plain {
        return bytes(raw, scratch);
    }
    let decoded = base64(bytes(raw, scratch)?);
    *scratch = decoded.map_err(|_| format!("field \"{name}_b64\" is no Base64"))?;
    Ok(scratch)
}

/// Writes entries as lines of the own form.
#[derive(Default)]
pub(crate) struct Writer {
    line: Vec<u8>,
}

impl Writer {
    /// A line without its LF.
    pub(crate) fn line(&mut self, key: &[u8], value: &[u8]) -> &[u8] {
        let Self { line } = self;
        line.clear();
        line.extend_from_slice(b"{");
        write_field(line, "k", key);
        line.extend_from_slice(b",");
        write_field(line, "v", value);
        line.extend_from_slice(b"}");
        line
    }
}

fn write_field(out: &mut Vec<u8>, name: &str, field: &[u8]) {
    out.extend_from_slice(b"\"");
    out.extend_from_slice(name.as_bytes());
    match std::str::from_utf8(field) {
        Ok(text) => {
            out.extend_from_slice(b"\":");
            // A string written to memory cannot fail.
            let _ = serde_json::to_writer(out, text);
        }
        Err(_) => {
            out.extend_from_slice(b"_b64\":\"");
            out.extend_from_slice(BASE64.encode(field).as_bytes());
            out.extend_from_slice(b"\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &[u8]) -> Result<(Vec<u8>, Vec<u8>), InputError> {
        let mut reader = Reader::new(text, Fields { key: None, value: Vec::new() });
        let entry = reader.next()?.expect("an entry");
        entry.into_bytes()
    }

    /// A line of a byte order mark alone is empty; a mark in another line is none.
    #[test]
    fn a_mark_belongs_to_the_first_line() {
        let line = r#"{"k": "a", "v": "b"}"#;
        let entry = (b"a".to_vec(), b"b".to_vec());
        for before in ["", "\u{feff}", "\u{feff} \n", "\n\n"] {
            assert_eq!(first(format!("{before}{line}").as_bytes()).unwrap(), entry, "{before:?}");
        }
        assert!(matches!(first("\n\u{feff}\n".as_bytes()), Err(InputError::Malformed(_))));
    }

    /// The start of a long line shows what the input is; that of a later line does not.
    #[test]
    fn a_long_line_that_is_no_object() {
        let long = vec![b'x'; 2 * crate::sizes::LONG];
        let marked = [&b"\xff\xfe"[..], &long].concat();
        let Err(InputError::Broken(what)) = first(&marked) else { panic!("no UTF-16") };
        assert!(what.contains("UTF-16LE"), "{what}");
        let later = [&b"\n"[..], &marked].concat();
        let Err(InputError::Malformed(what)) = first(&later) else { panic!("a later line") };
        assert!(what.contains("no object"), "{what}");
    }

    #[test]
    fn a_long_line_may_have_the_most_bytes() {
        let blanks = vec![b' '; 2 * crate::sizes::LONG];
        let line = [&b"{"[..], &blanks, b"}"].concat();
        let gathered = |most: usize| {
            let mut reader = Reader::new(&line[..], Fields { key: None, value: Vec::new() });
            assert!(matches!(reader.lines.next().unwrap(), Some(Line::Start(_))));
            reader.gather(most as u64).map(|()| reader.long.len())
        };
        assert_eq!(gathered(line.len()).unwrap(), line.len());
        let Err(InputError::Malformed(what)) = gathered(line.len() - 1) else { panic!("too long") };
        assert!(what.contains("longer than any entry"), "{what}");
    }
}
