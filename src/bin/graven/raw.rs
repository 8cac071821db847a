//! Entries with their lengths in front: u32 key length, u32 value length (both little-endian),
//! key, value. Nothing is escaped, so nothing is searched for.

use crate::input::{Entry, InputError, Window};
use std::io::{self, Read, Write};

/// The two lengths.
const LENGTHS: usize = 8;
/// Longest key of a table: a larger number means that the input is something else.
const MAX_KEY: u32 = 65_535;

/// Entries of a raw input.
pub(crate) struct Reader<R> {
    window: Window<R>,
    number: u64,
    /// Bytes of the current entry, taken off when the next is asked for.
    current: usize,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { window: Window::new(source), number: 0, current: 0 }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        self.window.take(std::mem::take(&mut self.current));
        self.number += 1;
        if !self.holds(LENGTHS as u64)? {
            return match self.window.bytes().len() {
                0 => Ok(None),
                _ => Err(InputError::Malformed("cut short inside the lengths".into())),
            };
        }
        let [k0, k1, k2, k3, v0, v1, v2, v3, ..] = *self.window.bytes() else { unreachable!() };
        let key_len = u32::from_le_bytes([k0, k1, k2, k3]);
        let value_len = u32::from_le_bytes([v0, v1, v2, v3]);
        if key_len > MAX_KEY {
            let what = format!("key length {key_len}, at most {MAX_KEY} is allowed");
            return Err(InputError::Malformed(what));
        }
        let whole = LENGTHS as u64 + u64::from(key_len) + u64::from(value_len);
        if !self.holds(whole)? {
            let got = self.window.bytes().len();
            let what = format!("cut short: the lengths say {whole} bytes, {got} are there");
            return Err(InputError::Malformed(what));
        }
        self.current = whole as usize;
        let entry = &self.window.bytes()[LENGTHS..self.current];
        Ok(Some(entry.split_at(key_len as usize)))
    }

    /// The number of the entry that [`next`](Self::next) was at, from 1.
    pub(crate) fn entry(&self) -> u64 {
        self.number
    }

    /// Bytes before that entry.
    pub(crate) fn taken(&self) -> u64 {
        self.window.taken()
    }

    /// Reads until the window holds `len` bytes. False if the input ends before.
    #[inline]
    fn holds(&mut self, len: u64) -> io::Result<bool> {
        while (self.window.bytes().len() as u64) < len {
            if !self.window.more()? {
                return Ok(false);
            }
        }
        Ok(true)
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
                Ok(Some((key, value))) => all.push((key.to_vec(), value.to_vec())),
                Ok(None) => return Ok(all),
                Err(InputError::Malformed(what)) => {
                    return Err((what, reader.entry(), reader.taken()));
                }
                Err(InputError::Read(error)) => panic!("a slice cannot fail: {error}"),
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
