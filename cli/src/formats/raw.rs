//! Entries with their lengths in front: u32 key length, u32 value length (both little-endian), key,
//! value.

use super::prefixed::{Prefixed, Shape};
use crate::foreign::Foreign;
use crate::input::{Entry, InputError};
use std::io::{self, Read, Write};

/// The two lengths.
const LENGTHS: usize = 8;

/// Entries of a raw input.
pub(crate) struct Reader<R> {
    source: Prefixed<R>,
    /// The other format that the input seems to have. It is reported only if the input is
    /// malformed.
    foreign: Option<Foreign>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source: Prefixed::new(source), foreign: None }
    }

    /// The next entry, or none at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        let Self { source, foreign } = self;
        source.advance()?;
        let whole = source.holds(LENGTHS as u64)?;
        if source.number() == 1 {
            *foreign = Foreign::of(source.bytes()).filter(|foreign| *foreign != Foreign::Raw);
        }
        let foreign = *foreign;
        if !whole {
            return match source.bytes() {
                [] => Ok(None),
                _ => Err(InputError::Broken("cut short inside the lengths".into()).or(foreign)),
            };
        }
        let &[k0, k1, k2, k3, v0, v1, v2, v3, ..] = source.bytes() else { unreachable!() };
        let shape = Shape {
            head: LENGTHS,
            key: u32::from_le_bytes([k0, k1, k2, k3]).into(),
            between: b"",
            value: u32::from_le_bytes([v0, v1, v2, v3]).into(),
            after: b"",
        };
        source.entry(shape).map(Some).map_err(|error| error.or(foreign))
    }

    /// The number of the entry that [`next`](Self::next) was at, from 1.
    pub(crate) fn entry(&self) -> u64 {
        self.source.number()
    }

    /// Bytes of the input before the entry that [`next`](Self::next) was at.
    pub(crate) fn start(&self) -> u64 {
        self.source.start()
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
    use crate::input::testing::Entries;

    fn read(bytes: &[u8]) -> Result<Entries, (String, u64, u64)> {
        let mut reader = Reader::new(bytes);
        let mut all = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(entry)) => match entry.into_bytes() {
                    Ok(entry) => all.push(entry),
                    Err(error) => return Err((error.to_string(), reader.entry(), reader.start())),
                },
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
