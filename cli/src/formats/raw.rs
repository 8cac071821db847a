//! Entries with their lengths in front: u32 key length, u32 value length (both little-endian), key,
//! value. Nothing is escaped, so no byte is searched for.

use crate::foreign::Foreign;
use crate::input::{Entry, InputError, LONG, MAX_KEY, Window};
use std::io::{self, Read, Write};

/// The two lengths.
const LENGTHS: usize = 8;

/// Entries of a raw input.
pub(crate) struct Reader<R> {
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

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        let source = Source { window: Window::new(source), left: 0, whole: 0 };
        Self { source, number: 0, start: 0, current: 0, key: Vec::new() }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        self.source.window.take(std::mem::take(&mut self.current));
        if self.source.left > 0 {
            self.skip()?;
        }
        self.number += 1;
        self.start = self.source.window.taken();
        if !self.holds(LENGTHS as u64)? {
            return match self.source.window.bytes().len() {
                0 => Ok(None),
                _ => Err(self.malformed("cut short inside the lengths".into())),
            };
        }
        let [k0, k1, k2, k3, v0, v1, v2, v3, ..] = *self.source.window.bytes() else {
            unreachable!()
        };
        let key_len = u32::from_le_bytes([k0, k1, k2, k3]);
        let value_len = u32::from_le_bytes([v0, v1, v2, v3]);
        if key_len as usize > MAX_KEY {
            let what = format!("key length {key_len}, at most {MAX_KEY} is allowed");
            return Err(self.malformed(what));
        }
        let whole = LENGTHS as u64 + u64::from(key_len) + u64::from(value_len);
        if value_len as usize > LONG {
            return self.long(key_len as usize, value_len, whole).map(Some);
        }
        if !self.holds(whole)? {
            let got = self.source.window.bytes().len() as u64;
            return Err(self.malformed(cut_short(whole, got)));
        }
        self.current = whole as usize;
        let entry = &self.source.window.bytes()[LENGTHS..self.current];
        let (key, value) = entry.split_at(key_len as usize);
        Ok(Some(Entry::Whole(key, value)))
    }

    /// The error for a malformed entry. For the first entry, it may say that the input has another
    /// format than raw.
    #[cold]
    fn malformed(&self, what: String) -> InputError {
        match Foreign::of(self.source.window.bytes()) {
            Some(foreign) if self.number == 1 && foreign != Foreign::Raw => {
                InputError::Foreign(foreign)
            }
            // Without lengths that can be trusted, nothing leads to the next entry.
            _ => InputError::Broken(what),
        }
    }

    /// An entry whose value is handed on as a stream.
    #[cold]
    fn long(
        &mut self,
        key_len: usize,
        value_len: u32,
        whole: u64,
    ) -> Result<Entry<'_>, InputError> {
        if !self.holds((LENGTHS + key_len) as u64)? {
            let got = self.source.window.bytes().len() as u64;
            return Err(self.malformed(cut_short(whole, got)));
        }
        self.key.clear();
        self.key.extend_from_slice(&self.source.window.bytes()[LENGTHS..LENGTHS + key_len]);
        self.source.window.take(LENGTHS + key_len);
        (self.source.left, self.source.whole) = (value_len.into(), whole);
        Ok(Entry::Long(&self.key, &mut self.source))
    }

    /// Skips the rest of a long value.
    #[cold]
    fn skip(&mut self) -> Result<(), InputError> {
        io::copy(&mut self.source, &mut io::sink()).map(drop).map_err(InputError::within)
    }

    /// The number of the entry that [`next`](Self::next) was at, from 1.
    pub(crate) fn entry(&self) -> u64 {
        self.number
    }

    /// Bytes of the input before the entry that [`next`](Self::next) was at.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Reads until the window holds `len` bytes. False if the input ends before.
    #[inline]
    fn holds(&mut self, len: u64) -> io::Result<bool> {
        while (self.source.window.bytes().len() as u64) < len {
            if !self.source.window.more()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn cut_short(whole: u64, got: u64) -> String {
    format!("cut short: the lengths say {whole} bytes, {got} are there")
}

/// A window from which the rest of a long value can be read.
struct Source<R> {
    window: Window<R>,
    /// Bytes of the value that were not taken.
    left: u64,
    /// Bytes of the whole entry: lengths, key and value.
    whole: u64,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        if self.window.bytes().is_empty() && !self.window.more()? {
            let what = cut_short(self.whole, self.whole - self.left);
            return Err(io::Error::other(InputError::Broken(what)));
        }
        let bytes = self.window.bytes();
        let len = bytes.len().min(most);
        into[..len].copy_from_slice(&bytes[..len]);
        self.window.take(len);
        self.left -= len as u64;
        Ok(len)
    }
}

/// Writes an entry. The lengths fit, as a table holds no larger ones.
#[inline]
pub(crate) fn write_entry(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(value.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = Vec<(Vec<u8>, Vec<u8>)>;

    fn read(bytes: &[u8]) -> Result<Entries, (String, u64, u64)> {
        let mut reader = Reader::new(bytes);
        let mut all = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(Entry::Whole(key, value))) => all.push((key.to_vec(), value.to_vec())),
                Ok(Some(Entry::Long(key, value))) => {
                    let (key, mut bytes) = (key.to_vec(), Vec::new());
                    if let Err(error) = value.read_to_end(&mut bytes) {
                        let what = InputError::within(error).to_string();
                        return Err((what, reader.entry(), reader.start()));
                    }
                    all.push((key, bytes));
                }
                Ok(None) => return Ok(all),
                Err(InputError::Broken(what)) => {
                    return Err((what, reader.entry(), reader.start()));
                }
                Err(error) => panic!("a slice cannot fail: {error}"),
            }
        }
    }

    fn written(entries: &Entries) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in entries {
            write_entry(&mut out, key, value).unwrap();
        }
        out
    }

    #[test]
    fn every_byte_comes_back() {
        let mut entries: Entries =
            (0..=255u8).map(|byte| (vec![byte], vec![byte ^ 0x55; usize::from(byte)])).collect();
        entries.push((vec![], vec![]));
        entries.push((vec![7; 65_535], vec![9; 3 << 20]));
        assert!(read(&written(&entries)) == Ok(entries));
    }

    #[test]
    fn the_layout_is_fixed() {
        let bytes = written(&vec![(b"key".to_vec(), b"va".to_vec())]);
        assert_eq!(bytes, b"\x03\0\0\0\x02\0\0\0keyva");
    }

    #[test]
    fn every_cut_is_seen_and_placed() {
        let first = (b"ab".to_vec(), b"cde".to_vec());
        let bytes = written(&vec![first.clone(), (b"f".to_vec(), b"gh".to_vec())]);
        for cut in 0..bytes.len() {
            match (cut, read(&bytes[..cut])) {
                (0, found) => assert_eq!(found, Ok(vec![])),
                (13, found) => assert_eq!(found, Ok(vec![first.clone()])),
                (_, found) => {
                    let (what, entry, byte) = found.expect_err("a cut entry");
                    assert!(what.starts_with("cut short"), "{what}");
                    assert_eq!((entry, byte), if cut < 13 { (1, 0) } else { (2, 13) });
                }
            }
        }
    }

    #[test]
    fn an_impossible_key_length_is_refused_before_it_is_read() {
        let bytes = [&65_536u32.to_le_bytes()[..], &[0; 4]].concat();
        let (what, entry, _) = read(&bytes).expect_err("too long");
        assert!(what.contains("65536") && entry == 1, "{what}");
    }
}
