//! Keys by symbols: a key is a row of codes of two bytes, each of which stands for a symbol of one to
//! 255 bytes. Codes keep the order of keys: the codes of two keys compare bytewise as the keys do, so
//! every index, search and walk of a table works on codes as it does on keys.
//!
//! The symbols cut the space of all strings into intervals, in order; all strings of an interval begin
//! with its symbol. A key is encoded by finding the interval that it lies in, writing the interval's
//! number, taking the symbol off, and going on with the rest. Single bytes are symbols, so every key
//! can be encoded. A symbol that others begin with has several intervals, one between each two of them.
//!
//! Antoshenkov: Dictionary-Based Order-Preserving String Compression, VLDB Journal 1997; Zhang and
//! others: Order-Preserving Key Compression for In-Memory Search Trees (HOPE), SIGMOD 2020.

mod intervals;
pub(crate) mod train;

use super::bad::Bad;
use crate::format::MAX_KEY;
use crate::format::order::successor_len;
use crate::format::packing::{KEY_CODE, KEY_CODES};
use intervals::Intervals;
use std::ops::Range;

/// The symbols of a table, to encode keys and decode them.
pub(crate) struct KeySymbols {
    /// The bytes of all symbols and bounds.
    bytes: Vec<u8>,
    /// The symbol of each code.
    symbols: Vec<Part>,
    /// The smallest string of each interval. Intervals are in order, and their numbers are the codes.
    bounds: Vec<Part>,
    intervals: Intervals,
}

/// A part of the bytes.
#[derive(Clone, Copy)]
struct Part {
    start: u32,
    len: u32,
}

impl Part {
    #[inline]
    fn range(self) -> Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// Bytes of a symbol that are copied at once.
const STEP: usize = 16;

const NONSENSE: Bad = Bad::Corrupt("symbols of keys make no sense");

/// The smallest string above all that begin with `symbol`; none above a row of 255.
fn successor(symbol: &[u8]) -> Option<Vec<u8>> {
    let mut successor = symbol[..successor_len(symbol)?].to_vec();
    *successor.last_mut()? += 1;
    Some(successor)
}

impl KeySymbols {
    /// The symbols from the file: their number, the length of each, the bytes of all. They have two
    /// bytes at least and ascend.
    pub(crate) fn parse(dictionary: &[u8]) -> Result<Self, Bad> {
        let (count, rest) = dictionary.split_first_chunk().ok_or(NONSENSE)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count > KEY_CODES || rest.len() < count {
            return Err(NONSENSE);
        }
        let (lengths, mut rest) = rest.split_at(count);
        let mut symbols: Vec<&[u8]> = Vec::with_capacity(count);
        for &len in lengths {
            let len = usize::from(len);
            let (symbol, after) = rest.split_at_checked(len).ok_or(NONSENSE)?;
            if len < 2 || symbols.last().is_some_and(|last| *last >= symbol) {
                return Err(NONSENSE);
            }
            symbols.push(symbol);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(NONSENSE);
        }
        Self::of(&symbols).ok_or(NONSENSE)
    }

    /// How these symbols, which ascend and have two bytes at least, stand in the file.
    pub(crate) fn dictionary(symbols: &[&[u8]]) -> Vec<u8> {
        let mut dictionary = (symbols.len() as u32).to_le_bytes().to_vec();
        dictionary.extend(symbols.iter().map(|symbol| symbol.len() as u8));
        symbols.iter().for_each(|symbol| dictionary.extend_from_slice(symbol));
        dictionary
    }

    /// Cuts the strings into intervals. `None` if there are more than there are codes.
    pub(crate) fn of(symbols: &[&[u8]]) -> Option<Self> {
        // Each symbol begins an interval, and its end may begin one more.
        let (most, len) =
            (symbols.len() + 128, symbols.iter().map(|symbol| symbol.len()).sum::<usize>());
        let mut cutting = Cutting {
            bytes: Vec::with_capacity(2 * (len + 128) + STEP),
            symbols: Vec::with_capacity(2 * most),
            bounds: Vec::with_capacity(2 * most),
            open: Vec::new(),
        };
        let mut rest = symbols.iter().copied().peekable();
        for byte in 0..=255 {
            cutting.begin(&[byte]);
            while let Some(symbol) = rest.next_if(|symbol| symbol[0] == byte) {
                cutting.begin(symbol);
            }
        }
        while cutting.end() {}
        let Cutting { mut bytes, symbols, bounds, .. } = cutting;
        // Symbols are copied in steps.
        bytes.extend_from_slice(&[0; STEP]);
        if bounds.len() > KEY_CODES {
            return None;
        }
        let intervals = Intervals::of(bounds.len(), |bound| &bytes[bounds[bound].range()]);
        Some(Self { symbols, bounds, intervals, bytes })
    }

    /// Appends the codes of `key`.
    pub(crate) fn encode(&self, key: &[u8], out: &mut Vec<u8>) {
        let mut rest = key;
        while !rest.is_empty() {
            let code = self.interval(rest);
            out.extend_from_slice(&(code as u16).to_be_bytes());
            rest = &rest[self.symbols[code].len as usize..];
        }
    }

    /// The interval that a string lies in: the last one that does not begin above it.
    #[inline]
    fn interval(&self, string: &[u8]) -> usize {
        self.intervals.find(string, |bound| &self.bytes[self.bounds[bound].range()])
    }

    /// Length of the longest symbol that a string begins with.
    pub(crate) fn longest(&self, string: &[u8]) -> usize {
        self.symbols[self.interval(string)].len as usize
    }

    #[inline]
    fn symbol(&self, code: [u8; KEY_CODE]) -> Result<&[u8], Bad> {
        let symbol = self.symbols.get(usize::from(u16::from_be_bytes(code)));
        symbol.map(|part| &self.bytes[part.range()]).ok_or(BAD_KEY)
    }

    /// The key of `codes`, in `out`, whose other bytes have no meaning.
    #[inline]
    pub(crate) fn decode<'o>(&self, codes: &[u8], out: &'o mut Vec<u8>) -> Result<&'o [u8], Bad> {
        let (codes, rest) = codes.as_chunks();
        let mut end = 0;
        for &code in codes {
            let symbol = self.symbols.get(usize::from(u16::from_be_bytes(code))).ok_or(BAD_KEY)?;
            let (mut from, len) = (symbol.start as usize, symbol.len as usize);
            if out.len() < end + len + STEP {
                out.resize(2 * (end + len + STEP), 0);
            }
            // Sixteen bytes at a time: what is copied too much is written over.
            let (mut to, last) = (end, end + len);
            while to < last {
                let piece: Option<&[u8; STEP]> =
                    self.bytes.get(from..).and_then(|b| b.first_chunk());
                let place = out.get_mut(to..).and_then(|out| out.first_chunk_mut());
                let (Some(piece), Some(place)) = (piece, place) else { return Err(BAD_KEY) };
                *place = *piece;
                (from, to) = (from + STEP, to + STEP);
            }
            end = last;
            if end > MAX_KEY {
                return Err(BAD_KEY);
            }
        }
        match rest {
            [] => out.get(..end).ok_or(BAD_KEY),
            _ => Err(BAD_KEY),
        }
    }

    /// Whether `codes` are those of `key`. Nothing is copied.
    #[inline]
    pub(crate) fn is(&self, codes: &[u8], key: &[u8]) -> bool {
        let (codes, odd) = codes.as_chunks();
        let mut rest = key;
        for &code in codes {
            let Ok(symbol) = self.symbol(code) else { return false };
            let Some(after) = rest.strip_prefix(symbol) else { return false };
            rest = after;
        }
        rest.is_empty() && odd.is_empty()
    }
}

impl std::fmt::Debug for KeySymbols {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySymbols").field("codes", &self.bounds.len()).finish_non_exhaustive()
    }
}

const BAD_KEY: Bad = Bad::Corrupt("key has a code without a symbol");

/// Intervals as symbols come in ascending order, each before those that begin with it.
struct Cutting {
    bytes: Vec<u8>,
    symbols: Vec<Part>,
    bounds: Vec<Part>,
    /// The symbols that the place between two strings lies in, each a prefix of the next.
    open: Vec<Part>,
}

impl Cutting {
    fn add(&mut self, bytes: &[u8]) -> Part {
        let part = Part { start: self.bytes.len() as u32, len: bytes.len() as u32 };
        self.bytes.extend_from_slice(bytes);
        part
    }

    /// From `bound` on strings have `symbol`. An interval without a string is left out.
    fn cut(&mut self, bound: Part, symbol: Part) {
        let same = |last: &Part| self.bytes[last.range()] == self.bytes[bound.range()];
        if self.bounds.last().is_some_and(same) {
            self.bounds.pop();
            self.symbols.pop();
        }
        self.bounds.push(bound);
        self.symbols.push(symbol);
    }

    fn begin(&mut self, symbol: &[u8]) {
        while let Some(open) = self.open.last()
            && !symbol.starts_with(&self.bytes[open.range()])
        {
            self.end();
        }
        let symbol = self.add(symbol);
        self.cut(symbol, symbol);
        self.open.push(symbol);
    }

    /// Ends the symbol that began last: strings above it have the one that it begins with. False if
    /// there was none.
    fn end(&mut self) -> bool {
        let Some(ended) = self.open.pop() else { return false };
        if let Some(&parent) = self.open.last()
            && let Some(bound) = successor(&self.bytes[ended.range()])
            && bound.starts_with(&self.bytes[parent.range()])
        {
            let bound = self.add(&bound);
            self.cut(bound, parent);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(symbols: &KeySymbols, key: &[u8]) -> Vec<u8> {
        let mut codes = Vec::new();
        symbols.encode(key, &mut codes);
        codes
    }

    fn check(symbols: &[&[u8]], mut strings: Vec<Vec<u8>>) {
        let dictionary = KeySymbols::dictionary(symbols);
        let symbols = KeySymbols::parse(&dictionary).unwrap();
        strings.sort();
        strings.dedup();
        let mut decoded = Vec::new();
        let codes: Vec<_> = strings.iter().map(|string| encoded(&symbols, string)).collect();
        for (string, codes) in strings.iter().zip(&codes) {
            assert_eq!(symbols.decode(codes, &mut decoded).unwrap(), string);
            assert!(symbols.is(codes, string));
            assert!(!symbols.is(codes, &[string, &b"x"[..]].concat()));
            assert!(string.is_empty() || !symbols.is(codes, &string[..string.len() - 1]));
        }
        assert!(codes.is_sorted_by(|a, b| a < b), "{strings:?} {codes:?}");
    }

    /// All strings over three bytes, with symbols that begin with each other, end in 255, and touch.
    #[test]
    fn codes_keep_the_order_of_all_strings() {
        let bytes = [0, 1, 254, 255];
        let mut strings: Vec<Vec<u8>> = vec![vec![]];
        for len in 0..5 {
            let longer = strings.iter().filter(|string| string.len() == len);
            let longer = longer.flat_map(|s| bytes.map(|byte| [s, &[byte][..]].concat()));
            strings.extend(longer.collect::<Vec<_>>());
        }
        for chosen in [
            &[][..],
            &[&[0, 0][..]],
            &[&[255, 255][..]],
            &[&[0, 1][..], &[0, 1, 255], &[0, 254]],
            &[&[1, 0][..], &[1, 0, 0], &[1, 0, 0, 0], &[1, 0, 0, 1], &[1, 1]],
            &[&[254, 255][..], &[254, 255, 255], &[255, 0, 0], &[255, 255, 255, 255]],
        ] {
            check(chosen, strings.clone());
        }
    }

    /// Trained symbols of keys that share long parts: heads of bounds are tied.
    #[test]
    fn trained_symbols_keep_the_order_and_shorten() {
        let mut keys = Vec::new();
        for i in 0..4_000u32 {
            let (a, b) = (i % 17, i.wrapping_mul(0x9E37_79B9) >> 20);
            keys.push(
                format!("main/locale-{a}/calendars/gregorian/months/format/{b}").into_bytes(),
            );
        }
        let sample: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let bytes = sample.iter().map(|key| key.len() as u64).sum();
        let (symbols, dictionary) = train::train(&sample, bytes).unwrap();
        assert_eq!(KeySymbols::parse(&dictionary).unwrap().bounds.len(), symbols.bounds.len());
        let codes: usize = keys.iter().map(|key| encoded(&symbols, key).len()).sum();
        assert!(codes as u64 * 4 < bytes, "{codes} of {bytes}");
        let near = keys.iter().flat_map(|key| {
            let cut = key[..key.len() / 2].to_vec();
            [key.clone(), [key, &b"\0"[..]].concat(), cut.clone(), [cut, vec![255; 3]].concat()]
        });
        let strings = near.collect();
        let text = KeySymbols::parse(&dictionary).unwrap();
        let symbols: Vec<Vec<u8>> =
            text.symbols.iter().map(|p| text.bytes[p.range()].to_vec()).collect();
        let mut symbols: Vec<&[u8]> =
            symbols.iter().map(Vec::as_slice).filter(|s| s.len() > 1).collect();
        symbols.sort_unstable();
        symbols.dedup();
        check(&symbols, strings);
    }

    #[test]
    fn keys_without_anything_in_common_stay() {
        let keys: Vec<[u8; 8]> =
            (0..2_000u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
        let sample: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        assert!(train::train(&sample, 16_000).is_none());
        assert!(train::train(&[], 0).is_none());
        assert!(train::train(&[&b""[..]], 0).is_none());
    }

    #[test]
    fn bad_dictionaries_are_refused() {
        let good = KeySymbols::dictionary(&[&b"ab"[..], b"abc", b"b\xff"]);
        assert!(KeySymbols::parse(&good).is_ok());
        for end in 0..good.len() {
            assert!(KeySymbols::parse(&good[..end]).is_err(), "{end}");
        }
        for bad in [
            KeySymbols::dictionary(&[&b"a"[..]]),
            KeySymbols::dictionary(&[&b""[..]]),
            KeySymbols::dictionary(&[&b"ab"[..], b"ab"]),
            KeySymbols::dictionary(&[&b"b1"[..], b"a1"]),
            [&good[..], b"x"].concat(),
            vec![255; 64],
        ] {
            assert!(KeySymbols::parse(&bad).is_err(), "{bad:?}");
        }
        // One symbol more than there are codes for.
        let many: Vec<[u8; 3]> = (0..40_000u32).map(|i| [1, (i >> 8) as u8, i as u8]).collect();
        let slices: Vec<&[u8]> = many.iter().map(|s| &s[..]).collect();
        assert!(KeySymbols::parse(&KeySymbols::dictionary(&slices)).is_ok());
        let many: Vec<[u8; 3]> =
            (0..66_000u32).map(|i| [(i >> 16) as u8, (i >> 8) as u8, i as u8]).collect();
        let slices: Vec<&[u8]> = many.iter().map(|s| &s[..]).collect();
        assert!(KeySymbols::parse(&KeySymbols::dictionary(&slices[..65_000])).is_ok());
        assert!(KeySymbols::parse(&KeySymbols::dictionary(&slices)).is_err());
    }

    #[test]
    fn codes_without_symbols_are_errors() {
        let symbols = KeySymbols::parse(&KeySymbols::dictionary(&[&b"ab"[..]])).unwrap();
        let mut out = Vec::new();
        for bad in [&[0][..], &[0, 0, 0], &[255, 255], &[1, 3]] {
            assert!(symbols.decode(bad, &mut out).is_err(), "{bad:?}");
            assert!(!symbols.is(bad, b"a"));
        }
        let long = vec![0; 2 * (MAX_KEY + 1)];
        assert!(symbols.decode(&long, &mut out).is_err());
        assert!(symbols.decode(&long[2..], &mut out).is_ok());
    }

    #[test]
    fn intervals_are_as_many_as_there_are_codes_at_most() {
        // With the 256 single bytes these begin 65,536 intervals.
        let pairs: Vec<[u8; 2]> = (0..0xFF00_u16).map(u16::to_be_bytes).collect();
        let mut slices: Vec<&[u8]> = pairs.iter().map(|pair| &pair[..]).collect();
        let symbols = KeySymbols::parse(&KeySymbols::dictionary(&slices)).unwrap();
        assert_eq!(symbols.bounds.len(), KEY_CODES);
        assert_eq!(encoded(&symbols, b"\xff"), [255, 255]);
        slices.push(b"\xff\xff");
        let more = KeySymbols::dictionary(&slices);
        assert_eq!(KeySymbols::parse(&more).unwrap_err(), NONSENSE);
    }

    #[test]
    fn room_that_is_too_small_for_a_symbol_grows() {
        let key = [b'x'; 20];
        let symbols = KeySymbols::of(&[&key[..]]).unwrap();
        let mut out = vec![0; STEP];
        assert_eq!(symbols.decode(&encoded(&symbols, &key), &mut out), Ok(&key[..]));
    }
}
