//! FSST: a value is a row of codes of one byte, each of which stands for a symbol of one to eight
//! bytes. Code 255 says that the next byte is meant itself; 254, as the first, that the value follows
//! as it is.
//!
//! Boncz, Neumann, Leis: FSST: Fast Random Access String Compression, VLDB 2020.

use super::bad::Bad;
use crate::format::packing::{FSST_AS_IT_IS, FSST_ESCAPE, FSST_SYMBOL, FSST_SYMBOLS};

/// The symbols of a table, as its decoder needs them.
#[derive(Debug)]
pub(super) struct Symbols {
    /// The bytes of each symbol, with zeros after them; no symbol is as long as its place: a longer
    /// row of codes is copied eight bytes at a time.
    bytes: Box<[[u8; FSST_SYMBOL]; 256]>,
    /// Their lengths; 0 where there is no symbol.
    lengths: Box<[u8; 256]>,
}

impl Symbols {
    /// The symbols from the file: their number, the length of each, the bytes of all.
    pub(super) fn parse(dictionary: &[u8]) -> Result<Self, Bad> {
        let bad = || Bad::Corrupt("symbols of FSST make no sense");
        let (&count, rest) = dictionary.split_first().ok_or_else(bad)?;
        let count = usize::from(count);
        if count > FSST_SYMBOLS || rest.len() < count {
            return Err(bad());
        }
        let (given, mut rest) = rest.split_at(count);
        let mut symbols =
            Self { bytes: Box::new([[0; FSST_SYMBOL]; 256]), lengths: Box::new([0; 256]) };
        for (code, &len) in given.iter().enumerate() {
            let len = usize::from(len);
            if !(1..=FSST_SYMBOL).contains(&len) || rest.len() < len {
                return Err(bad());
            }
            symbols.bytes[code][..len].copy_from_slice(&rest[..len]);
            symbols.lengths[code] = len as u8;
            rest = &rest[len..];
        }
        if rest.is_empty() { Ok(symbols) } else { Err(bad()) }
    }

    /// Puts the value of `codes`, of at most `most` bytes, at the start of `out`, whose other bytes have no
    /// meaning. Returns its length.
    pub(super) fn decode(
        &self,
        codes: &[u8],
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<usize, Bad> {
        // Each code gives eight bytes at most, so room for all is asked for once; a value that is
        // too long ends early.
        let room = codes.len().saturating_mul(FSST_SYMBOL).min(most.saturating_add(FSST_SYMBOL));
        if out.len() < room {
            out.resize(room, 0);
        }
        let mut at = 0;
        let mut codes = codes.iter();
        while let Some(&code) = codes.next() {
            let (bytes, len) = match code {
                FSST_ESCAPE => {
                    let &byte = codes.next().ok_or(Bad::Corrupt("value ends after an escape"))?;
                    ([byte, 0, 0, 0, 0, 0, 0, 0], 1)
                }
                _ => match self.lengths[usize::from(code)] {
                    0 => return Err(Bad::Corrupt("value has a code without a symbol")),
                    len => (self.bytes[usize::from(code)], usize::from(len)),
                },
            };
            let place = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
            let Some(place) = place.filter(|_| at + len <= most) else {
                return Err(Bad::TooLong(most));
            };
            *place = bytes;
            at += len;
        }
        Ok(at)
    }

    /// The value as it stands in the file, if its codes begin so.
    pub(super) fn as_it_is(stored: &[u8]) -> Option<&[u8]> {
        stored.split_first().filter(|(first, _)| **first == FSST_AS_IT_IS).map(|(_, rest)| rest)
    }
}

/// Finds symbols, and writes values with them.
#[cfg(feature = "fsst")]
pub(super) struct Encoder {
    compressor: ::fsst::Compressor,
    dictionary: Vec<u8>,
}

#[cfg(feature = "fsst")]
impl Encoder {
    /// Finds the symbols that shorten the sample most.
    pub(super) fn train(sample: &[&[u8]]) -> Self {
        let found = ::fsst::Compressor::train(&sample.to_vec());
        // The last code marks values that stand as they are.
        let count = found.symbol_table().len().min(FSST_SYMBOLS);
        let (symbols, lengths) = (&found.symbol_table()[..count], &found.symbol_lengths()[..count]);
        let mut dictionary = vec![count as u8];
        dictionary.extend_from_slice(lengths);
        for (symbol, &len) in symbols.iter().zip(lengths) {
            dictionary.extend_from_slice(&symbol.to_u64().to_le_bytes()[..usize::from(len)]);
        }
        Self { compressor: ::fsst::Compressor::rebuild_from(symbols, lengths), dictionary }
    }

    pub(super) fn dictionary(&self) -> &[u8] {
        &self.dictionary
    }

    /// Appends the codes of `value` to `out`. The codes of two pieces of a value after each other
    /// are codes of the value.
    pub(super) fn encode(&self, value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.compressor.compress(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_254_symbols_at_most() {
        // So many symbols of one byte.
        let dictionary = |count: u8| {
            let mut dictionary = vec![count];
            dictionary.resize(1 + usize::from(count), 1);
            dictionary.extend(0..count);
            dictionary
        };
        for count in [0, 1, 254] {
            assert!(Symbols::parse(&dictionary(count)).is_ok(), "{count}");
        }
        // One symbol too many, and lengths that are not there.
        for bad in [&dictionary(255)[..], &[], &[1], &[2, 1]] {
            let error = Symbols::parse(bad).unwrap_err();
            assert_eq!(error, Bad::Corrupt("symbols of FSST make no sense"), "{bad:?}");
        }
    }
}
