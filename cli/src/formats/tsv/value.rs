//! A value too long to be held in memory, unescaped as it is read.

use super::Text;
use super::{escaped, unfinished};
use crate::input::InputError;
use crate::lines::Lines;
use std::io::{self, Read};

/// Lines of an input. The rest of a long line can be read as a value.
pub(super) struct Source<R> {
    pub(super) lines: Lines<R>,
    pub(super) text: Text,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let (bytes, whole) = self.lines.rest();
            let decoded = decode(bytes, whole, self.text, into);
            let (taken, written) = decoded.map_err(io::Error::other)?;
            let all = whole && taken == bytes.len();
            self.lines.take(taken);
            if written > 0 || all {
                return Ok(written);
            }
            self.lines.more()?;
        }
    }
}

/// Unescapes as much of `field` as fits into `into`. Returns the number of bytes taken and the
/// number of bytes written. `whole`: the field ends with these bytes. Otherwise an unfinished
/// escape, or a CR, at their end is not taken, because more bytes may follow.
pub(super) fn decode(
    field: &[u8],
    whole: bool,
    text: Text,
    into: &mut [u8],
) -> Result<(usize, usize), InputError> {
    let end = match field {
        // A CR before the LF may not belong to the value.
        [before @ .., b'\r'] if !whole || text.line(field, false)?.len() < field.len() => {
            before.len()
        }
        field => field.len(),
    };
    let (mut taken, mut written) = (0, 0);
    while taken < end && written < into.len() {
        let rest = &field[taken..end];
        let plain = match text.no_escape {
            true => rest.len(),
            false => memchr::memchr(b'\\', rest).unwrap_or(rest.len()),
        };
        if plain > 0 {
            let len = plain.min(into.len() - written);
            into[written..written + len].copy_from_slice(&rest[..len]);
            (taken, written) = (taken + len, written + len);
            continue;
        }
        match escaped(rest).map_err(InputError::Malformed)? {
            Some((byte, len)) => {
                into[written] = byte;
                (taken, written) = (taken + len, written + 1);
            }
            // The CR that `end` leaves out cannot continue an escape either.
            None if whole || end < field.len() => {
                return Err(InputError::Malformed(unfinished(rest)));
            }
            None => break,
        }
    }
    // A CR that is stripped is taken with the last byte before it.
    if whole && taken == end {
        taken = field.len();
    }
    Ok((taken, written))
}
