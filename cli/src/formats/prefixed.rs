//! Inputs in which the lengths of a key and of a value stand before their bytes. Nothing is escaped
//! there, so no byte is searched for.

use crate::input::{Entry, InputError, LONG, MAX_KEY, Window};
use std::io::{self, Read};

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Bytes before the key: the lengths.
    pub(super) head: usize,
    pub(super) key: u64,
    /// What stands between key and value.
    pub(super) between: &'static [u8],
    pub(super) value: u64,
    /// What stands behind the value.
    pub(super) after: &'static [u8],
}

impl Shape {
    /// Bytes of the whole entry. It does not overflow once the lengths are known to be allowed.
    fn whole(self) -> u64 {
        let marks = (self.head + self.between.len() + self.after.len()) as u64;
        marks + self.key + self.value
    }
}

/// An input whose entries have their lengths in front.
pub(super) struct Prefixed<R> {
    source: Source<R>,
    number: u64,
    /// Where the current entry starts.
    start: u64,
    /// Bytes of the current entry in the window. They are taken off when the next entry is asked
    /// for.
    current: usize,
    /// The key before a long value.
    key: Vec<u8>,
}

impl<R: Read> Prefixed<R> {
    pub(super) fn new(source: R) -> Self {
        let window = Window::new(source);
        let source = Source { window, left: 0, after: &[], whole: 0 };
        Self { source, number: 0, start: 0, current: 0, key: Vec::new() }
    }

    /// Leaves the current entry. Afterwards [`bytes`](Self::bytes) begins with the next one.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<(), InputError> {
        self.source.window.take(std::mem::take(&mut self.current));
        if self.source.left > 0 || !self.source.after.is_empty() {
            self.skip()?;
        }
        self.number += 1;
        self.start = self.source.window.taken();
        Ok(())
    }

    /// Skips the rest of a long value.
    #[cold]
    fn skip(&mut self) -> Result<(), InputError> {
        io::copy(&mut self.source, &mut io::sink()).map(drop).map_err(InputError::within)
    }

    /// The bytes in memory, from the start of the current entry on.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.source.window.bytes()
    }

    /// Takes bytes off the start that belong to no entry.
    pub(super) fn take(&mut self, len: usize) {
        self.source.window.take(len);
    }

    /// Reads until `len` bytes are in memory. False if the input ends before.
    #[inline]
    pub(super) fn holds(&mut self, len: u64) -> io::Result<bool> {
        self.source.holds(len)
    }

    /// The number of the current entry, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the input before the current entry.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The current entry.
    #[inline]
    pub(super) fn entry(&mut self, shape: Shape) -> Result<Entry<'_>, InputError> {
        // Nothing leads to the next entry, if the lengths cannot be trusted.
        if shape.key > MAX_KEY as u64 {
            let what = format!("key length {}, at most {MAX_KEY} is allowed", shape.key);
            return Err(InputError::Broken(what));
        }
        if shape.value > u64::from(u32::MAX) {
            let what = format!("value length {}, at most {} is allowed", shape.value, u32::MAX);
            return Err(InputError::Broken(what));
        }
        if shape.value > LONG as u64 {
            return self.long(shape);
        }
        let whole = shape.whole();
        if !self.holds(whole)? {
            return Err(cut_short(whole, self.bytes().len() as u64));
        }
        self.current = whole as usize;
        let (key, rest) = self.bytes()[shape.head..self.current].split_at(shape.key as usize);
        let (between, rest) = rest.split_at(shape.between.len());
        let (value, after) = rest.split_at(shape.value as usize);
        if between != shape.between {
            return Err(missing(shape.between, "the key"));
        }
        if after != shape.after {
            return Err(missing(shape.after, "the value"));
        }
        Ok(Entry::Whole(key, value))
    }

    /// An entry whose value is handed on as a stream.
    #[cold]
    fn long(&mut self, shape: Shape) -> Result<Entry<'_>, InputError> {
        let before = shape.head + shape.key as usize + shape.between.len();
        if !self.holds(before as u64)? {
            return Err(cut_short(shape.whole(), self.bytes().len() as u64));
        }
        let Self { source, key, .. } = self;
        let bytes = &source.window.bytes()[..before];
        if !bytes.ends_with(shape.between) {
            return Err(missing(shape.between, "the key"));
        }
        key.clear();
        key.extend_from_slice(&bytes[shape.head..before - shape.between.len()]);
        source.window.take(before);
        (source.left, source.after, source.whole) = (shape.value, shape.after, shape.whole());
        Ok(Entry::Long(key, source))
    }
}

fn cut_short(whole: u64, got: u64) -> InputError {
    InputError::Broken(format!("cut short: the lengths say {whole} bytes, {got} are there"))
}

fn missing(mark: &[u8], behind: &str) -> InputError {
    let mark = mark.escape_ascii();
    InputError::Broken(format!("no \"{mark}\" behind {behind}: its length is wrong"))
}

/// A window from which the rest of a long value can be read.
struct Source<R> {
    window: Window<R>,
    /// Bytes of the value that were not taken.
    left: u64,
    /// What stands behind the value. It is taken with the end of the value.
    after: &'static [u8],
    /// Bytes of the whole entry.
    whole: u64,
}

impl<R: Read> Source<R> {
    #[inline]
    fn holds(&mut self, len: u64) -> io::Result<bool> {
        while (self.window.bytes().len() as u64) < len {
            if !self.window.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes what stands behind the value.
    fn end(&mut self) -> io::Result<()> {
        let after = std::mem::take(&mut self.after);
        if !self.holds(after.len() as u64)? {
            let got = self.whole - (after.len() - self.window.bytes().len()) as u64;
            return Err(io::Error::other(cut_short(self.whole, got)));
        }
        if !self.window.bytes().starts_with(after) {
            return Err(io::Error::other(missing(after, "the value")));
        }
        self.window.take(after.len());
        Ok(())
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            self.end()?;
            return Ok(0);
        }
        if self.window.bytes().is_empty() && !self.window.more()? {
            let got = self.whole - self.after.len() as u64 - self.left;
            return Err(io::Error::other(cut_short(self.whole, got)));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let bytes = self.window.bytes();
        let len = bytes.len().min(most);
        into[..len].copy_from_slice(&bytes[..len]);
        self.window.take(len);
        self.left -= len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_with_half_of_its_mark_is_cut_short() {
        let value = LONG as u64 + 1;
        let shape = Shape { head: 2, key: 1, between: b"=", value, after: b"\r\n" };
        let bytes = [&b"12k="[..], &vec![b'v'; LONG + 1], b"\r"].concat();
        let mut source = Prefixed::new(&bytes[..]);
        source.advance().unwrap();
        let Ok(Entry::Long(b"k", value)) = source.entry(shape) else { panic!("not long") };
        let error = value.read_to_end(&mut Vec::new()).expect_err("cut short");
        let what = "cut short: the lengths say 1048583 bytes, 1048582 are there";
        assert_eq!(error.to_string(), what);
    }
}
