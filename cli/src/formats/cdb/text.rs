//! The text form: records `+klen,dlen:key->data`, each with an LF behind it, and an empty line.

use crate::formats::prefixed::{Prefixed, Shape};
use crate::input::InputError;
use std::io::Read;

/// Longest head of a record: `+`, a length, `,`, a length, `:`.
const LONGEST_HEAD: u64 = 43;

/// Whether an input begins as the text of a record does.
pub(crate) fn is_text(start: &[u8]) -> bool {
    let [b'+', rest @ ..] = start else { return false };
    match rest.iter().position(|byte| !byte.is_ascii_digit()) {
        Some(digits) => digits > 0 && matches!(rest[digits..], [b',', b'0'..=b'9', ..]),
        None => false,
    }
}

/// The shape of the record at the start of `source`, or none at the empty line.
pub(super) fn next<R: Read>(source: &mut Prefixed<R>) -> Result<Option<Shape>, InputError> {
    if !source.holds(1)? {
        let what = "cut short: the empty line that ends the text is missing";
        return Err(InputError::Broken(what.into()));
    }
    if source.bytes()[0] == b'\n' {
        if source.holds(2)? {
            let what = "more bytes behind the empty line that ends the text";
            return Err(InputError::Broken(what.into()));
        }
        return Ok(None);
    }
    source.holds(LONGEST_HEAD)?;
    match head(source.bytes()) {
        Some((head, key, value)) => {
            Ok(Some(Shape { head, key, between: b"->", value, after: b"\n" }))
        }
        None => {
            let what = "\"+klen,dlen:\" or an empty line is expected";
            Err(InputError::Broken(what.into()))
        }
    }
}

/// Length of the head of a record, and the two lengths that it states.
fn head(bytes: &[u8]) -> Option<(usize, u64, u64)> {
    let rest = bytes.strip_prefix(b"+")?;
    let (key, rest) = number(rest, b',')?;
    let (value, rest) = number(rest, b':')?;
    Some((bytes.len() - rest.len(), key, value))
}

/// The number before `end`, and what stands behind `end`.
fn number(bytes: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let digits = bytes.iter().position(|&byte| byte == end)?;
    let mut number = 0u64;
    for &byte in &bytes[..digits] {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    (digits > 0).then_some((number, &bytes[digits + 1..]))
}
