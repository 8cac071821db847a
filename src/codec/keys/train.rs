//! Finds the symbols that shorten the keys of a sample most.
//!
//! Rounds, as FSST's trainer makes them: the sample is encoded with the symbols so far; each symbol that
//! was used and each two that stood after each other are candidates of the next round, and those that
//! cover most bytes stay. Symbols so grow by doubling.

use super::KeySymbols;
use crate::format::packing::KEY_CODE;
use std::collections::HashMap;

/// Most symbols: the codes of all intervals fit into two bytes, and the symbols into the second-level
/// cache.
const SYMBOLS: usize = 16_384;
/// Longest symbol that is looked for.
const LONGEST: usize = 48;
/// Rounds: a symbol of the last one may have 2^8 bytes.
const ROUNDS: usize = 9;
/// The dictionary takes at most this share of the keys.
const SHARE: u64 = 16;

/// The symbols of a table, as they stand in its file. `None` if the keys would not shrink by a tenth.
/// `bytes` is the length of all keys.
pub(crate) fn train(sample: &[&[u8]], bytes: u64) -> Option<(KeySymbols, Vec<u8>)> {
    let mut chosen: Vec<Vec<u8>> = Vec::new();
    let mut symbols = KeySymbols::of(&[])?;
    for _ in 0..ROUNDS {
        let better = choose(count(sample, &symbols), bytes / SHARE);
        if better == chosen {
            // The next rounds would choose the same.
            break;
        }
        chosen = better;
        let slices: Vec<&[u8]> = chosen.iter().map(Vec::as_slice).collect();
        symbols = KeySymbols::of(&slices)?;
    }
    let slices: Vec<&[u8]> = chosen.iter().map(Vec::as_slice).collect();
    let dictionary = KeySymbols::dictionary(&slices);
    let mut codes = Vec::new();
    let (mut raw, mut encoded) = (0, 0);
    for key in sample {
        codes.clear();
        symbols.encode(key, &mut codes);
        (raw, encoded) = (raw + key.len(), encoded + codes.len());
    }
    (encoded * 10 <= raw * 9 && raw > 0).then_some((symbols, dictionary))
}

/// How often each symbol was used, and each two after each other.
fn count<'s>(sample: &[&'s [u8]], symbols: &KeySymbols) -> HashMap<&'s [u8], u64> {
    let mut counts: HashMap<&[u8], u64> = HashMap::new();
    for key in sample {
        let (mut start, mut at) = (0, 0);
        while at < key.len() {
            let len = symbols.longest(&key[at..]);
            let end = at + len;
            if len > 1 {
                *counts.entry(&key[at..end]).or_default() += 1;
            }
            if at > 0 && end - start <= LONGEST {
                *counts.entry(&key[start..end]).or_default() += 1;
            }
            (start, at) = (at, end);
        }
    }
    counts
}

/// The candidates that cover most bytes, ascending, within so many bytes of dictionary.
fn choose(counts: HashMap<&[u8], u64>, room: u64) -> Vec<Vec<u8>> {
    let gain = |(symbol, count): (&[u8], u64)| count * (symbol.len() as u64 - 1);
    // One that occurs once may occur nowhere else.
    let mut found: Vec<_> = counts.into_iter().filter(|&(_, count)| count > 1).collect();
    found.sort_unstable_by(|&a, &b| gain(b).cmp(&gain(a)).then_with(|| a.0.cmp(b.0)));
    let mut left = room;
    let fits = |&(symbol, _): &(&[u8], u64)| {
        let needed = symbol.len() as u64 + 1;
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    };
    let mut chosen: Vec<Vec<u8>> = found
        .into_iter()
        .take(SYMBOLS)
        .take_while(fits)
        .map(|(symbol, _)| symbol.to_vec())
        .collect();
    chosen.sort_unstable();
    chosen
}

const _: () = assert!(2 * SYMBOLS + 256 <= 1 << (8 * KEY_CODE));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_that_save_most_bytes_are_chosen() {
        // Twelve bytes saved by the longer one, nine by the other: a code counts as one byte.
        let counts = HashMap::from([(&b"ab"[..], 9), (&b"wxyz"[..], 4)]);
        assert_eq!(choose(counts, 5), [b"wxyz"]);
    }

    #[test]
    fn single_bytes_are_not_chosen() {
        let mut sample = vec![&b"abcdefgh"[..]; 10];
        sample.resize(12, b"q");
        let (_, dictionary) = train(&sample, 1 << 20).unwrap();
        assert_eq!(dictionary, KeySymbols::dictionary(&[&b"abcdefgh"[..]]));
    }
}
