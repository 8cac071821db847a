//! How a record is laid out: `[length word][key][padding][value]`, and how its place is computed.

use super::{MAX_KEY, align_up, u16_at, u32_at};
use std::ops::Range;

/// Bytes that follow a length word of all ones: key length (2), value length (4).
pub(crate) const ESCAPE_BYTES: usize = 6;

/// The table-wide parameters of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordLayout {
    /// Length of every key, where all are equal.
    pub(crate) fixed_key: Option<u32>,
    /// Length of every value, where all are equal.
    pub(crate) fixed_value: Option<u32>,
    /// Bytes of the length word, 0 (both fixed) to 4.
    pub(crate) width: u8,
    /// Low bits of the length word that hold the key's length.
    pub(crate) key_bits: u8,
    /// log2 of the alignment of values.
    pub(crate) align_log2: u8,
}

/// Where the parts of a record are, counted from the table's first byte. The record ends with its
/// value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) key: usize,
    pub(crate) key_len: usize,
    pub(crate) value: usize,
    pub(crate) value_len: usize,
}

impl Parts {
    #[inline]
    pub(crate) fn key(&self) -> Range<usize> {
        self.key..self.key + self.key_len
    }

    #[inline]
    pub(crate) fn value(&self) -> Range<usize> {
        self.value..self.value + self.value_len
    }

    /// Where the record ends and the next one starts, but for fixed-width padding.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.value + self.value_len
    }
}

/// The records of a table of fixed width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    /// Where the first key starts, counted from the table's first byte.
    pub(crate) first: usize,
    pub(crate) stride: usize,
    pub(crate) key_len: usize,
    pub(crate) value_len: usize,
}

impl Fixed {
    /// Where the key with this rank starts; the rank is at most the number of entries.
    #[inline]
    pub(crate) fn offset(&self, rank: u64) -> usize {
        self.first + rank as usize * self.stride
    }

    /// Where the last of so many records ends, counted from the first key.
    pub(crate) fn end_of(&self, entries: u64) -> Option<usize> {
        let last = usize::try_from(entries.checked_sub(1)?).ok()?;
        let len = self.key_len.checked_add(self.value_len)?;
        last.checked_mul(self.stride)?.checked_add(len)
    }

    /// Whether keys, values and records have the same lengths as in another table.
    pub(crate) fn same_width(&self, other: &Self) -> bool {
        let widths = |fixed: &Self| (fixed.stride, fixed.key_len, fixed.value_len);
        widths(self) == widths(other)
    }

    /// Key and value of the record whose key `bytes` starts with.
    #[inline]
    pub(crate) fn split<'t>(&self, bytes: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
        bytes.get(..self.key_len + self.value_len)?.split_at_checked(self.key_len)
    }

    /// The parts of the record whose key starts at `at`.
    #[inline]
    pub(crate) fn parts(&self, at: usize) -> Parts {
        let (key_len, value_len) = (self.key_len, self.value_len);
        Parts { key: at, key_len, value: at + key_len, value_len }
    }
}

impl RecordLayout {
    pub(crate) fn align(&self) -> u64 {
        1 << self.align_log2
    }

    /// Both lengths fixed: the stride from record to record and the bytes before the first key,
    /// which put every value on its alignment without padding inside a record.
    pub(crate) fn stride(&self) -> Option<(u64, u64)> {
        let (key, value) = (u64::from(self.fixed_key?), u64::from(self.fixed_value?));
        let stride = align_up((key + value).max(1), self.align())?;
        let lead = align_up(key, self.align())? - key;
        Some((stride, lead))
    }

    /// The length word of all ones: real lengths follow it.
    #[inline]
    fn escape(&self) -> u32 {
        match self.width {
            4.. => u32::MAX,
            width => (1 << (8 * u32::from(width))) - 1,
        }
    }

    /// The length word of a record, or `None` where the lengths do not fit in it.
    pub(crate) fn word(&self, key_len: usize, value_len: usize) -> Option<u32> {
        let key_bits = u32::from(self.key_bits);
        let key = if self.fixed_key.is_some() { 0 } else { key_len as u64 };
        let value = if self.fixed_value.is_some() { 0 } else { value_len as u64 };
        let word = key | value << key_bits;
        (key >> key_bits == 0 && word < u64::from(self.escape())).then_some(word as u32)
    }

    /// Writes the length word, and what follows it when it is the escape, into `out`; returns
    /// the number of bytes.
    pub(crate) fn encode_lengths(
        &self,
        key_len: usize,
        value_len: usize,
        out: &mut [u8; 10],
    ) -> usize {
        let width = usize::from(self.width);
        if width == 0 {
            return 0;
        }
        match self.word(key_len, value_len) {
            Some(word) => {
                out[..width].copy_from_slice(&word.to_le_bytes()[..width]);
                width
            }
            None => {
                out[..width].fill(0xFF);
                out[width..width + 2].copy_from_slice(&(key_len as u16).to_le_bytes());
                out[width + 2..width + 6].copy_from_slice(&(value_len as u32).to_le_bytes());
                width + ESCAPE_BYTES
            }
        }
    }

    /// The parts of the fixed-width record whose key starts at `at`.
    pub(crate) fn fixed_parts(&self, at: usize) -> Parts {
        let key_len = self.fixed_key.unwrap_or(0) as usize;
        let value_len = self.fixed_value.unwrap_or(0) as usize;
        Parts { key: at, key_len, value: at + key_len, value_len }
    }

    /// What decoding needs, in the form in which it is fastest.
    pub(crate) fn decoder(&self) -> Decoder {
        let key_bits = u32::from(self.key_bits);
        Decoder {
            layout: *self,
            width: self.width,
            escape: self.escape(),
            key_bits,
            key_mask: ((1u64 << key_bits) - 1) as u32,
            key_len: self.fixed_key.unwrap_or(0) as usize,
            value_len: self.fixed_value.unwrap_or(0) as usize,
            align_mask: (1 << self.align_log2) - 1,
        }
    }
}

/// A key of at most so many bytes is no escape in a plain table.
const CERTAIN: usize = 64;

/// Decodes records of variable width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoder {
    layout: RecordLayout,
    width: u8,
    escape: u32,
    key_bits: u32,
    key_mask: u32,
    /// Length of every key, or 0.
    key_len: usize,
    /// Length of every value, or 0.
    value_len: usize,
    align_mask: usize,
}

impl Decoder {
    /// The parts of the record that starts at `at`, or `None` if its lengths make no sense. The
    /// caller checks that the record ends inside the records.
    #[inline]
    pub(crate) fn parts(&self, table: &[u8], at: usize) -> Option<Parts> {
        // Four bytes can be read of every record of a whole table: at least the footer follows them.
        let word = u32_at(table, at)? & self.escape;
        if word == self.escape {
            return self.escaped_parts(table, at);
        }
        let key_len = (word & self.key_mask) as usize + self.key_len;
        let value_len = (u64::from(word) >> self.key_bits) as usize + self.value_len;
        if key_len > MAX_KEY {
            return None;
        }
        let key = at + usize::from(self.width);
        let value = (key + key_len).checked_add(self.align_mask)? & !self.align_mask;
        value.checked_add(value_len)?;
        Some(Parts { key, key_len, value, value_len })
    }

    /// Key, value and end of the record at `at`, if it ends inside `table`.
    #[inline(always)]
    pub(crate) fn split<'t>(
        &self,
        table: &'t [u8],
        at: usize,
    ) -> Option<(&'t [u8], &'t [u8], usize)> {
        let parts = self.parts(table, at)?;
        Some((table.get(parts.key())?, table.get(parts.value())?, parts.end()))
    }

    /// Decodes the record at `at` on the assumption that its key has `key_len` bytes. The flag tells
    /// whether the assumption holds and the length word is no escape. Only the value's length
    /// depends on the record's bytes, so nothing else waits for memory.
    #[inline(always)]
    pub(crate) fn parts_of_key(
        &self,
        table: &[u8],
        at: usize,
        key_len: usize,
    ) -> Option<(Parts, bool)> {
        if key_len > MAX_KEY {
            return None;
        }
        let word = u32_at(table, at)? & self.escape;
        let fits = (word & self.key_mask) as usize + self.key_len == key_len;
        let key = at + usize::from(self.width);
        let value = (key + key_len + self.align_mask) & !self.align_mask;
        let value_len = (u64::from(word) >> self.key_bits) as usize + self.value_len;
        Some((Parts { key, key_len, value, value_len }, fits & (word != self.escape)))
    }

    /// Whether keys and values have lengths of their own, values are not aligned, and no key of
    /// [`CERTAIN`] bytes or less looks like an escape.
    pub(crate) fn is_plain(&self) -> bool {
        let RecordLayout { fixed_key, fixed_value, align_log2, .. } = self.layout;
        let lengths = fixed_key.is_none() && fixed_value.is_none();
        lengths && align_log2 == 0 && self.key_mask as usize > CERTAIN
    }

    /// Where the key of a plain record starts in it. `None` where a key of `key_len` bytes could look
    /// like an escape, whose key length would be all ones. `most`: what the caller knows as a
    /// constant, the most bytes that its key may have.
    #[inline(always)]
    pub(crate) fn plain_key(&self, key_len: usize, most: usize) -> Option<usize> {
        if most > CERTAIN && key_len >= self.key_mask as usize {
            return None;
        }
        Some(self.width.into())
    }

    /// The length of the value of a plain record with this length word, which may have bytes of the
    /// key behind it. The flag tells whether the record's key has `key_len` bytes.
    #[inline(always)]
    pub(crate) fn plain(&self, word: u32, key_len: usize) -> (usize, bool) {
        let fits = word & self.key_mask == key_len as u32;
        ((u64::from(word & self.escape) >> self.key_bits) as usize, fits)
    }

    #[cold]
    fn escaped_parts(&self, table: &[u8], at: usize) -> Option<Parts> {
        let at = at + usize::from(self.width);
        let key_len = usize::from(u16_at(table, at)?);
        let value_len = u32_at(table, at + 2)?;
        let fits = self.layout.fixed_key.is_none_or(|fixed| fixed as usize == key_len)
            && self.layout.fixed_value.is_none_or(|fixed| fixed == value_len);
        let key = at + ESCAPE_BYTES;
        let value = (key + key_len).checked_add(self.align_mask)? & !self.align_mask;
        value.checked_add(value_len as usize)?;
        fits.then_some(Parts { key, key_len, value, value_len: value_len as usize })
    }
}

/// Chooses the length word for records of which a sample is known: the cheapest, the narrowest of
/// equals, with room on both sides. Depends on the sample alone, so that equal content gives equal bytes.
pub(crate) fn choose_word<'s>(
    fixed_key: Option<u32>,
    fixed_value: Option<u32>,
    sample: impl Iterator<Item = &'s (u32, u32)> + Clone,
) -> (u8, u8) {
    if fixed_key.is_some() && fixed_value.is_some() {
        return (0, 0);
    }
    let mut best = (u64::MAX, 0, 0);
    for width in 1..=4u8 {
        let bits = 8 * width;
        let (least, most) = match (fixed_key, fixed_value) {
            (Some(_), _) => (0, 0),
            (_, Some(_)) => (bits, bits),
            _ => (3, bits.saturating_sub(3).min(16)),
        };
        for key_bits in least..=most {
            let layout = RecordLayout { fixed_key, fixed_value, width, key_bits, align_log2: 0 };
            let cost: u64 = sample
                .clone()
                .map(|&(key, value)| {
                    debug_assert!(key as usize <= MAX_KEY);
                    let escaped = layout.word(key as usize, value as usize).is_none();
                    u64::from(width) + if escaped { ESCAPE_BYTES as u64 } else { 0 }
                })
                .sum();
            if cost < best.0 {
                best = (cost, width, key_bits);
            }
        }
    }
    let (cost, width, key_bits) = best;
    // Among equals the split with room on both sides: the loop found the fewest key bits.
    let layout = |key_bits| RecordLayout { fixed_key, fixed_value, width, key_bits, align_log2: 0 };
    let same = (key_bits..=8 * width)
        .take_while(|&bits| {
            fixed_key.is_none()
                && fixed_value.is_none()
                && bits <= 16
                && cost
                    == sample
                        .clone()
                        .map(|&(key, value)| {
                            let escaped = layout(bits).word(key as usize, value as usize).is_none();
                            u64::from(width) + if escaped { ESCAPE_BYTES as u64 } else { 0 }
                        })
                        .sum::<u64>()
        })
        .count() as u8;
    (width, key_bits + same.saturating_sub(1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layouts() -> impl Iterator<Item = RecordLayout> {
        let widths = (1..=4u8).flat_map(|width| (0..=8 * width).map(move |bits| (width, bits)));
        widths.flat_map(|(width, key_bits)| {
            [0, 3, 6].map(|align_log2| RecordLayout {
                fixed_key: (key_bits == 0).then_some(5),
                fixed_value: (key_bits == 8 * width).then_some(7),
                width,
                key_bits,
                align_log2,
            })
        })
    }

    #[test]
    fn lengths_come_back_in_every_layout() {
        for layout in layouts() {
            for key_len in [0usize, 1, 5, 15, 16, 254, 255, 256, 65_535] {
                for value_len in [0usize, 1, 7, 255, 256, 65_535, 65_536, 20_000_000] {
                    let key_len = layout.fixed_key.map_or(key_len, |len| len as usize);
                    let value_len = layout.fixed_value.map_or(value_len, |len| len as usize);
                    let mut table = [0u8; 40];
                    let mut lengths = [0; 10];
                    let n = layout.encode_lengths(key_len, value_len, &mut lengths);
                    table[3..3 + n].copy_from_slice(&lengths[..n]);
                    let parts = layout.decoder().parts(&table, 3).unwrap();
                    assert_eq!((parts.key, parts.key_len), (3 + n, key_len), "{layout:?}");
                    assert_eq!(parts.value_len, value_len, "{layout:?}");
                    assert_eq!(parts.value as u64 % layout.align(), 0);
                    assert!(parts.value - (parts.key + key_len) < layout.align() as usize);
                }
            }
        }
    }

    /// Every way to decode a record agrees with [`Decoder::parts`], or says that it does not know.
    #[test]
    fn guesses_are_right_or_undecided() {
        for layout in layouts() {
            let decoder = layout.decoder();
            let RecordLayout { fixed_key, fixed_value, align_log2, .. } = layout;
            let longest = (1u32 << layout.key_bits.min(31)) - 1;
            let plain = fixed_key.is_none() && fixed_value.is_none() && align_log2 == 0;
            assert_eq!(decoder.is_plain(), plain && longest > 64, "{layout:?}");
            for key_len in [0usize, 1, 5, 64, 65, 126, 127, 128, 254, 255, 1000, 65_535] {
                for value_len in [0usize, 1, 7, 8, 255, 300] {
                    let key_len = fixed_key.map_or(key_len, |len| len as usize);
                    let value_len = fixed_value.map_or(value_len, |len| len as usize);
                    let mut table = vec![0xA5; 3];
                    let mut lengths = [0; 10];
                    let n = layout.encode_lengths(key_len, value_len, &mut lengths);
                    table.extend_from_slice(&lengths[..n]);
                    let right = decoder.parts(&[&table[..], &[0; 4]].concat(), 3).unwrap();
                    table.resize(right.value, b'k');
                    table.resize(right.end(), b'v');
                    // A table goes on behind its records.
                    let end = table.len();
                    table.extend_from_slice(&[0xFF; 4]);
                    let key = &table[3 + n..][..key_len];
                    let value = &table[end - value_len..end];
                    assert_eq!(decoder.split(&table, 3), Some((key, value, end)), "{layout:?}");
                    assert_eq!(decoder.split(&table[..end.max(7) - 1], 3), None);

                    let escaped = n > usize::from(layout.width);
                    for guess in [key_len.wrapping_sub(1), key_len, key_len + 1, MAX_KEY] {
                        let Some((parts, fits)) = decoder.parts_of_key(&table, 3, guess) else {
                            assert!(guess > MAX_KEY);
                            continue;
                        };
                        assert!(guess <= MAX_KEY);
                        assert_eq!(fits, guess == key_len && !escaped, "{layout:?} {guess}");
                        assert!(!fits || parts == right, "{layout:?}");
                    }
                    if !decoder.is_plain() {
                        continue;
                    }
                    for most in [key_len.max(63), MAX_KEY] {
                        // An escape has a key length of all ones.
                        let certain = most <= CERTAIN || key_len < longest as usize;
                        let place = decoder.plain_key(key_len, most);
                        assert_eq!(place, certain.then_some(layout.width.into()), "{layout:?}");
                    }
                    let word = u32_at(&table, 3).unwrap();
                    for guess in [key_len.wrapping_sub(1), key_len, key_len + 1] {
                        let Some(_) = decoder.plain_key(guess, MAX_KEY) else { continue };
                        let (len, fits) = decoder.plain(word, guess);
                        assert_eq!(fits, guess == key_len && !escaped, "{layout:?} {guess}");
                        assert!(!fits || len == value_len, "{layout:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn widths_differ_in_each_length() {
        let fixed = Fixed { first: 7, stride: 16, key_len: 8, value_len: 4 };
        assert!(fixed.same_width(&Fixed { first: 9, ..fixed }));
        assert!(!fixed.same_width(&Fixed { stride: 12, ..fixed }));
        assert!(!fixed.same_width(&Fixed { key_len: 7, ..fixed }));
        assert!(!fixed.same_width(&Fixed { value_len: 5, ..fixed }));
    }

    #[test]
    fn the_word_suits_the_sample() {
        // Keys up to 123 bytes and values up to 332: seven and nine bits.
        let sample: Vec<(u32, u32)> = (1..=123).map(|k| (k, k * 332 / 123)).collect();
        assert_eq!(choose_word(None, None, sample.iter()), (2, 7));
        // Keys of 40 bytes, short values: one byte.
        let sample = [(40, 8), (40, 15)];
        assert_eq!(choose_word(Some(40), None, sample.iter()), (1, 0));
        assert_eq!(choose_word(Some(40), Some(8), sample.iter()), (0, 0));
        // Long values take a wider word rather than an escape each.
        let sample = [(10, 3000), (20, 9000)];
        let (width, bits) = choose_word(None, None, sample.iter());
        assert!(width == 3 && (5..=9).contains(&bits), "{width} {bits}");
    }

    #[test]
    fn fixed_stride_puts_values_on_their_alignment() {
        for (key, value, align_log2) in [(4, 12, 3), (8, 8, 0), (8, 12, 3), (0, 0, 0), (5, 0, 6)] {
            let layout = RecordLayout {
                fixed_key: Some(key),
                fixed_value: Some(value),
                width: 0,
                key_bits: 0,
                align_log2,
            };
            let (stride, lead) = layout.stride().unwrap();
            assert_eq!((lead + u64::from(key)) % layout.align(), 0);
            assert_eq!(stride % layout.align(), 0);
            assert!(stride >= u64::from(key + value).max(1));
        }
    }
}
