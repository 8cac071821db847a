//! Keys and values as `mdb_dump` writes them.

use super::header::Encoding;
use crate::input::InputError;
use crate::lines::Lines;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::io::{self, Read};

/// Lines of a dump. The rest of a line that is too long to be held in memory can be read as a value.
pub(super) struct Source<R> {
    pub(super) lines: Lines<R>,
    pub(super) encoding: Encoding,
    /// The first line with a backslash that escapes nothing.
    pub(super) lone_backslash: Option<u64>,
}

impl<R: Read> Source<R> {
    /// The bytes that the field in the current line stands for, behind the space.
    pub(super) fn field(&mut self, out: &mut Vec<u8>) -> Result<(), InputError> {
        let field = &self.lines.line()[1..];
        out.resize(field.len(), 0);
        let done = decode(field, true, self.encoding, out)?;
        out.truncate(done.written);
        self.note(done);
        Ok(())
    }

    fn note(&mut self, done: Done) {
        if done.lone_backslash {
            self.lone_backslash.get_or_insert(self.lines.number());
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let (bytes, whole) = self.lines.rest();
            let done = decode(bytes, whole, self.encoding, into).map_err(io::Error::other)?;
            let all = whole && done.taken == bytes.len();
            self.lines.take(done.taken);
            self.note(done);
            if done.written > 0 || all {
                return Ok(done.written);
            }
            self.lines.more()?;
        }
    }
}

/// What was decoded of a field.
#[derive(Clone, Copy, Default)]
struct Done {
    /// Bytes of the field.
    taken: usize,
    /// Bytes that they stand for.
    written: usize,
    /// Whether a backslash escapes nothing.
    lone_backslash: bool,
}

/// Decodes as much of `field` as fits into `out`. `whole`: the field ends with these bytes.
/// Otherwise what may be half of an escape is left.
fn decode(
    field: &[u8],
    whole: bool,
    encoding: Encoding,
    out: &mut [u8],
) -> Result<Done, InputError> {
    match encoding {
        Encoding::Bytevalue => hex(field, whole, out),
        Encoding::Print => Ok(print(field, whole, out)),
    }
}

/// `\\` is a backslash, as `mdb_load` reads it. `mdb_dump -p` before LMDB 0.9.25 does not double a
/// backslash, so one that escapes nothing stands for itself.
fn print(field: &[u8], whole: bool, out: &mut [u8]) -> Done {
    let mut done = Done::default();
    while done.taken < field.len() && done.written < out.len() {
        let rest = &field[done.taken..];
        let room = out.len() - done.written;
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len()).min(room);
        if plain > 0 {
            out[done.written..done.written + plain].copy_from_slice(&rest[..plain]);
            (done.taken, done.written) = (done.taken + plain, done.written + plain);
            continue;
        }
        let digit = |at: usize| rest.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let (byte, len) = match (rest.get(1), digit(1), digit(2)) {
            (Some(b'\\'), ..) => (b'\\', 2),
            (_, Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            _ if !whole && rest.len() < 3 => break,
            _ => {
                done.lone_backslash = true;
                (b'\\', 1)
            }
        };
        out[done.written] = byte;
        (done.taken, done.written) = (done.taken + len, done.written + 1);
    }
    done
}

fn hex(field: &[u8], whole: bool, out: &mut [u8]) -> Result<Done, InputError> {
    let digits = (field.len() & !1).min(out.len().saturating_mul(2));
    let decoded = HEXLOWER_PERMISSIVE.decode_mut(&field[..digits], &mut out[..digits / 2]);
    let wrong = match decoded {
        Ok(_) if whole && field.len() % 2 == 1 && digits == field.len() - 1 => Some(digits),
        Ok(_) => None,
        Err(partial) => Some(partial.error.position),
    };
    match wrong.map(|at| field[at]) {
        None => Ok(Done { taken: digits, written: digits / 2, lone_backslash: false }),
        Some(b'\r') => Err(malformed("a CR before the LF: some program changed the line ends")),
        Some(byte) if byte.is_ascii_hexdigit() => Err(malformed("an odd number of digits")),
        Some(byte) => {
            let what = format!("'{}' is no hexadecimal digit", byte.escape_ascii());
            Err(InputError::Malformed(what))
        }
    }
}

fn malformed(what: &str) -> InputError {
    InputError::Malformed(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a printed field becomes with room for `room` bytes, how much of it was taken, and
    /// whether a backslash escapes nothing.
    fn printed(field: &[u8], whole: bool, room: usize) -> (Vec<u8>, usize, bool) {
        let mut out = vec![0; room];
        let done = print(field, whole, &mut out);
        out.truncate(done.written);
        (out, done.taken, done.lone_backslash)
    }

    #[test]
    fn a_printed_field_is_decoded_as_far_as_there_is_room() {
        assert_eq!(printed(b"\\41bcd", true, 3), (b"Abc".to_vec(), 5, false));
    }

    #[test]
    fn only_what_may_be_half_of_an_escape_is_left() {
        assert_eq!(printed(b"a\\4", false, 9), (b"a".to_vec(), 1, false));
        assert_eq!(printed(b"\\xy", false, 9), (b"\\xy".to_vec(), 3, true));
    }
}
